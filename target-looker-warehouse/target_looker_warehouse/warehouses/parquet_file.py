"""Rows as a Parquet file: what the bulk paths of warehouses in the cloud read.

The file says of each value what it is, so that nothing is guessed on the other side: decimals with their precision and scale,
dates as days, instants in microseconds of UTC, text as UTF-8 (parquet.apache.org/docs/file-format/types/logicaltypes).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

_ROW_GROUP_ROWS = 100_000
"""Rows that are compressed together: what writing needs of memory beside the rows themselves doesn't grow with their number."""


def write_parquet(rows: pa.Table, to: Path | BinaryIO) -> None:
    """Write rows as one Parquet file, in their order.

    Args:
        rows: columns with the names that the warehouse knows them by.
        to: a file to make anew, or one that is open for writing; the latter is left open behind its last byte.
    """
    pq.write_table(
        rows,
        to,
        row_group_size=_ROW_GROUP_ROWS,
        compression="snappy",  # the one that every warehouse reads
        coerce_timestamps="us",  # the finest that BigQuery reads; `rows` has no finer ones
        store_schema=False,  # Arrow's own description of the columns is for Arrow alone
    )
