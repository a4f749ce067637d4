"""The Parquet files of a landing zone: rows and their markers to bytes, and what the footer of such a file says. No I/O.

Format: MicrosoftDocs/fabric-docs ``docs/mirroring/open-mirroring-landing-zone-format.md``. The footer also has a name that no
other file has, and the batch that the rows came in, so that a landing zone tells by itself what has arrived.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from target_powerbi.mirroring.tables import MARKER

if TYPE_CHECKING:
    from collections.abc import Sequence

UPSERT, DELETE = 4, 2
"""Row markers: insert or update; remove."""

DIGITS = 20
"""Of a file's number in its name."""

_NAME, _BATCH, _ROWS = b"ifs_bi.file", b"ifs_bi.batch", b"ifs_bi.rows"


class Footer(NamedTuple):
    """What a file says of itself.

    Attributes:
        name: tells it from every other file; None where it is none of ours.
        batch: name of the batch that its rows come from; None where no batch brought them.
        rows: how many rows of the batch, from its first on, have arrived with this file.
    """

    name: str | None
    batch: str | None = None
    rows: int = 0


def file_name(number: int) -> str:
    """``00000000000000000001.parquet``."""
    return f"{number:0{DIGITS}d}.parquet"


def number_of(name: str) -> int | None:
    """The number in a file's name; None where it is no data file."""
    stem, _, suffix = name.partition(".")
    return int(stem) if suffix == "parquet" and len(stem) == DIGITS and stem.isdecimal() else None


def temporary_name(name: str) -> str:
    """The name of a file that is not whole yet: open mirroring leaves out what begins with an underscore."""
    return f"_{name}.tmp"


def is_temporary(name: str) -> bool:
    """Whether a name is one that `temporary_name` made; Fabric itself has folders with underscores."""
    return name.startswith("_") and name.endswith(".tmp")


def to_parquet(rows: pa.Table, markers: Sequence[int] | None, footer: Footer) -> bytes:
    """Rows as a file.

    Args:
        rows: the columns of the table, in their order.
        markers: what each row does; None: all of them are new.
        footer: what the file says of itself.
    """
    if markers is not None:
        rows = rows.append_column(MARKER, pa.array(markers, pa.int32()))
    told = {_NAME: footer.name, _BATCH: footer.batch, _ROWS: str(footer.rows)}
    buffer = io.BytesIO()
    rows = rows.replace_schema_metadata({name: text.encode() for name, text in told.items() if text})
    pq.write_table(rows, buffer, compression="zstd")
    return buffer.getvalue()


def footer_of(file: bytes) -> Footer:
    """What a file says of itself; one that isn't ours says nothing."""
    try:
        told = pq.read_schema(pa.BufferReader(file)).metadata or {}
        name, batch = (told[key].decode() if key in told else None for key in (_NAME, _BATCH))
        return Footer(name, batch, int(told.get(_ROWS, b"0")))
    except (pa.ArrowInvalid, OSError, ValueError):
        return Footer(None)
