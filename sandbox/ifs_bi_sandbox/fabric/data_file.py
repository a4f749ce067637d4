"""One Parquet file of a landing zone against the table it is for: its columns, its row markers, and what Fabric refuses of them.

Source: MicrosoftDocs/fabric-docs ``docs/mirroring/open-mirroring-landing-zone-format.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from ifs_bi_sandbox.fabric.landing_zone import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

MARKER = "__rowMarker__"
INSERT, UPDATE, DELETE, UPSERT = 0, 1, 2, 4
COMPRESSIONS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD")
_COMPLEX = re.compile(r"STRUCT\(|MAP\(|.*\[\d*\]$|UNION\(")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


@dataclass(frozen=True)
class KnownTable:
    """What was replicated of a table so far.

    ``columns``: DuckDB types by name. ``dropped``: columns that files don't have any more, and since which file. ``last``:
    the number of the last file (0: none), and ``digest`` the SHA-256 of its bytes.
    """

    columns: dict[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    last: int = 0
    digest: str = ""


@dataclass(frozen=True)
class DataFile:
    """A file that can be applied: its number, its columns but the marker, and the markers it has; none: all rows are inserted."""

    path: Path
    number: int
    columns: dict[str, str]
    markers: frozenset[int]


def read(path: Path, number: int, connection: duckdb.DuckDBPyConnection) -> DataFile:
    """A file's columns and markers.

    Raises:
        RefusedError: it is not Parquet, is compressed otherwise, has a column of a complex type, or its marker is wrong.
    """
    try:
        told = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        codecs = connection.execute("SELECT DISTINCT compression FROM parquet_metadata(?)", [str(path)]).fetchall()
    except duckdb.Error as reason:
        raise RefusedError(f"{path.name} is not Parquet: {str(reason).splitlines()[0]}.") from None
    for (codec,) in codecs:
        if codec not in COMPRESSIONS:
            raise RefusedError(f"{path.name} is compressed by {codec}. Use {', '.join(COMPRESSIONS[1:])} or nothing.")
    columns = {name: kind for name, kind, *_ in told}
    for name, kind in columns.items():
        if _COMPLEX.match(kind):
            raise RefusedError(f"{path.name}: column {name} is {kind}. Write complex values as JSON text.")
    return DataFile(path, number, columns, _markers(path, columns, connection))


def _markers(path: Path, columns: dict[str, str], connection: duckdb.DuckDBPyConnection) -> frozenset[int]:
    """The markers of a file, whose column is taken out of ``columns``."""
    if MARKER not in columns:
        return frozenset()
    if list(columns)[-1] != MARKER:
        raise RefusedError(f"{path.name}: {MARKER} must be the last column.")
    if columns.pop(MARKER) not in _WHOLE:
        raise RefusedError(f"{path.name}: {MARKER} must be a column of whole numbers.")
    found = connection.execute(f"SELECT DISTINCT {MARKER} FROM read_parquet(?)", [str(path)]).fetchall()  # noqa: S608 - a constant
    for (value,) in found:
        if value not in {INSERT, UPDATE, DELETE, UPSERT}:
            raise RefusedError(f"{path.name}: {MARKER} {value} is none of 0, 1, 2 and 4.")
    return frozenset(value for (value,) in found)


def check(file: DataFile, known: KnownTable, keys: tuple[str, ...]) -> None:
    """Whether a table can take a file.

    Raises:
        RefusedError: updates or deletes without a key, a key that is missing or another one, a type that changed, a column
            that was renamed, or rows that are updated in part.
    """
    where = file.path.name
    if known.keys and keys != known.keys:
        told = f"they were {', '.join(known.keys)}. Delete the folder and make it anew"
        raise RefusedError(f"{where}: keyColumns changed to {', '.join(keys) or 'none'}: {told}.")
    if absent := [name for name in keys if name not in file.columns]:
        raise RefusedError(f"{where}: the key column {absent[0]} is not in the file.")
    if not keys and file.markers - {INSERT}:
        raise RefusedError(f"{where}: updates and deletes need keyColumns in _metadata.json.")
    for name, kind in file.columns.items():
        if known.columns.get(name, kind) != kind:
            told = f"from {known.columns[name]} to {kind}. Delete the folder and make it anew"
            raise RefusedError(f"{where}: the type of column {name} changed {told}.")
    _check_whole_rows(file, known, keys)


def _check_whole_rows(file: DataFile, known: KnownTable, keys: tuple[str, ...]) -> None:
    """Refuse renames and partial rows; a file of deletes alone may have fewer columns."""
    where = file.path.name
    gone = missing(file, known)
    new = [name for name in file.columns if name not in known.columns]
    if gone and new:
        told = "A renamed column needs the folder deleted and made anew"
        raise RefusedError(f"{where}: column {gone[0]} is gone and {new[0]} is new in the same file. {told}.")
    if gone and file.markers & {UPDATE, UPSERT} and set(file.columns) == set(keys):
        raise RefusedError(f"{where}: updates have key columns alone. An update needs the whole row.")
    for name, since in known.dropped.items():
        if name in file.columns:
            raise RefusedError(
                f"{where}: column {name} is back, which was missing in file {since}. Every file needs whole rows."
            )


def missing(file: DataFile, known: KnownTable) -> list[str]:
    """The table's columns that the file lacks for the first time; a file of deletes alone needs no more than its key."""
    if file.markers == {DELETE}:
        return []
    return [name for name in known.columns if name not in file.columns and name not in known.dropped]
