"""From the SCHEMA of a stream to a table of a mirrored database, and what may change about it later. No I/O.

Names: a table is named like its stream and a column like its property; characters that a Delta table forbids become ``_``.
Open mirroring leaves out folders that begin with an underscore, so a table's name loses those at its start.
A stream without a key gets one: `ROW_NUMBER` counts its rows. Without it no row of the table could ever be taken out again.
Source of the rules: MicrosoftDocs/fabric-docs ``docs/mirroring/open-mirroring-landing-zone-format.md``: new columns are added,
a key never changes, and a column whose type or name changes needs the table's folder to be made anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ifs_bi_core.columnar.columns import Column, ColumnType, Kind, column_type
from ifs_bi_core.errors import ConfigError, ContractBrokenError
from ifs_bi_core.singer.lines import decode
from ifs_bi_core.singer.sinks import DELETED_AT, TABLE_VERSION

from target_powerbi.rows import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_powerbi.choices import TableChoice

MARKER = "__rowMarker__"
"""The column, always the last one, that says what a row does."""

ROW_NUMBER = "_ifs_row_number"
"""The key of a table whose stream has none: the running number of the row (integer)."""

_DIGITS = 20  # of that number as it is kept: texts that sort like numbers (`target_powerbi.kept.Kept.running_keys`)

_FORBIDDEN_IN_COLUMNS = re.compile(r"[ ,;{}()\n\t=]")  # Delta Lake's own list
_FORBIDDEN_IN_TABLES = re.compile(r"[^\w #@~^-]")
_NEVER_COLUMNS = frozenset({DELETED_AT, TABLE_VERSION})  # a gone row is deleted, and a version is the transport's


@dataclass(frozen=True)
class MirroredTable:
    """A table of the mirrored database.

    Attributes:
        stream: whose rows it holds.
        name: its folder in the landing zone.
        keys: properties that identify a row; empty: rows are numbered.
        columns: the property, the name and the type of each, in the order of the files.
        is_new: whether all rows so far were added to an empty table: such files carry no markers.
    """

    stream: str
    name: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    is_new: bool = True

    @property
    def key_columns(self) -> list[Column]:
        """The columns of the key, in its order."""
        by_property = {column.source: column for column in self.columns}
        return [by_property[name] for name in self.keys or (ROW_NUMBER,)]

    def key_of(self, row: Mapping[str, Any]) -> str:
        """The key of a row, in the form in which it is kept; numbers are what `target_powerbi.kept.Kept.running_keys` gives."""
        return key_of(row, self.keys) if self.keys else f"{row[ROW_NUMBER]:0{_DIGITS}}"

    def row_of(self, key: str) -> dict[str, Any]:
        """The other way round: a row that has its key and nothing else."""
        if not self.keys:
            return {ROW_NUMBER: int(key)}
        return dict(zip(self.keys, decode(key.encode()), strict=True))

    def record(self) -> dict[str, Any]:
        """The table as it is kept between runs."""
        return {
            "stream": self.stream,
            "name": self.name,
            "keys": list(self.keys),
            "columns": [[column.source, column.name, str(column.type)] for column in self.columns],
            "is_new": self.is_new,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> MirroredTable:
        """The table that `record` wrote.

        Raises:
            ContractBrokenError: a later version of the target wrote it.
        """
        columns = []
        for source, name, text in record["columns"]:
            kind = ColumnType.parse(text)
            if kind is None:
                raise ContractBrokenError(
                    f"{record['stream']}: column {name} was kept as {text}, which is no type here."
                )
            columns.append(Column(source, name, kind))
        return cls(record["stream"], record["name"], tuple(record["keys"]), tuple(columns), record["is_new"])


def mirrored_table(stream: str, schema: Mapping[str, Any], keys: Sequence[str], choice: TableChoice) -> MirroredTable:
    """The table of a stream.

    Raises:
        ConfigError: two properties have the same column, or a key is left out.
    """
    columns = []
    for source, definition in schema["properties"].items():
        chosen = choice.columns.get(source)
        if source in _NEVER_COLUMNS or (chosen and chosen.drop):
            continue
        name = _FORBIDDEN_IN_COLUMNS.sub("_", (chosen.name if chosen else None) or source)
        columns.append(Column(source, name, column_type(definition)))
    if not keys:
        columns.append(Column(ROW_NUMBER, ROW_NUMBER, ColumnType(Kind.INTEGER)))
    if absent := [key for key in keys if key not in {column.source for column in columns}]:
        raise ConfigError(f"tables.{stream}.columns leaves out {', '.join(absent)}, which identifies a row. Keep it.")
    _require_own_names(stream, columns)
    name = _FORBIDDEN_IN_TABLES.sub("_", choice.table or stream).lstrip("_ ").rstrip()
    if not name:
        raise ConfigError(f"{stream}: no table can have this name. Give it another one with tables.{stream}.table.")
    return MirroredTable(stream, name, tuple(keys), tuple(columns))


def left_aside(choice: TableChoice) -> list[str]:
    """What the setting `tables` says of a stream that a push dataset has and a mirrored table has not."""
    chosen = choice.columns.values()
    asked = {
        "type of its own": any(column.type for column in chosen),
        "format": any(column.format for column in chosen),
        "summarize_by": any(column.summarize_by for column in chosen),
        "hidden columns": any(column.hidden for column in chosen),
        "measures": choice.measures,
        "relationships": choice.relationships,
    }
    return [name for name, is_asked in asked.items() if is_asked]


def _require_own_names(stream: str, columns: Sequence[Column]) -> None:
    seen: dict[str, str] = {MARKER.casefold(): "the marker of open mirroring"}
    for column in columns:
        other = seen.setdefault(column.name.casefold(), column.source)
        if other != column.source or column.name.casefold() == MARKER.casefold():
            raise ConfigError(
                f"{stream}: {column.source} and {other} would be the same column '{column.name}'. Give one of them another name "
                f"with tables.{stream}.columns.{column.source}.name."
            )


def evolved(before: MirroredTable, now: MirroredTable) -> MirroredTable:
    """The table as it goes on: new columns come last, and those that the SCHEMA lost stay, as nulls.

    Raises:
        ContractBrokenError: its name, its key, or a column's type or name is another one.
        ConfigError: a new column has the name of one that the SCHEMA lost.
    """
    known = {column.source: column for column in before.columns}
    again = [(known[column.source], column) for column in now.columns if column.source in known]
    differences = [
        f"{what}: was {was}, is now {to_be}"
        for what, was, to_be in (
            ("table", before.name, now.name),
            ("key", ", ".join(before.keys) or "none", ", ".join(now.keys) or "none"),
            *((f"column {old.source}", f"{old.name} {old.type}", f"{new.name} {new.type}") for old, new in again),
        )
        if was != to_be
    ]
    if differences:
        raise ContractBrokenError(
            f"{now.stream}: the table '{before.name}' of the mirrored database can't change like this:\n"
            + "\n".join(f"  {line}" for line in differences)
            + "\nSet it back, or run once with the tap's full refresh and replace_unknown_rows: true, which makes the table anew."
        )
    added = tuple(column for column in now.columns if column.source not in known)
    _require_own_names(now.stream, before.columns + added)
    return replace(before, columns=before.columns + added)
