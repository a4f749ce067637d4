"""What a table holds after rows came one by one: the meaning that batches, rounds and SQL are held against."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import strategies as st
from ifs_bi_core.columnar.rows import to_arrow
from singer_lines import INTEGER, MOMENT, STRING
from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.tables import Table, plan

Row = dict[str, Any]

PROPERTIES = {
    "k": STRING,
    "n": INTEGER,
    "a": STRING,
    "b": INTEGER,
    "_ifs_row_version": INTEGER,
    "_sdc_deleted_at": MOMENT,
}
KEY = ["k", "n"]


def table(name: str = "t") -> Table:
    return plan(name, PROPERTIES, KEY, None, DUCKDB).table


def arrow(rows: list[Row]) -> pa.Table:
    held, flaws = to_arrow(rows, table().columns)
    assert not flaws
    return held


def apply(kept: dict[Any, Row], row: Row, *, hard_delete: bool = False) -> None:
    """One row onto what is kept."""
    key = tuple(row[name] for name in KEY)
    row = {name: value for name, value in row.items() if value is not None}
    before = kept.get(key, {})
    if before.get("_ifs_row_version", 0) > row.get("_ifs_row_version", 99):
        return
    if "_sdc_deleted_at" not in row:
        kept[key] = row
    elif hard_delete:
        kept.pop(key, None)
    else:
        kept[key] = before | row


def applied(rows: list[Row], *, hard_delete: bool = False) -> list[Row]:
    """All rows onto nothing, in the order of their text."""
    kept: dict[Any, Row] = {}
    for row in rows:
        apply(kept, row, hard_delete=hard_delete)
    return sorted(kept.values(), key=repr_of)


def repr_of(row: Row) -> str:
    return repr(sorted(row.items()))


def _row(key: tuple[str, int], version: int | None, a: str | None, b: int | None, gone: int | None) -> Row:
    deleted_at = None if gone is None else f"2024-01-01T00:00:0{gone}.000000Z"
    row = dict(zip(KEY, key, strict=True)) | {
        "a": a,
        "b": b,
        "_ifs_row_version": version,
        "_sdc_deleted_at": deleted_at,
    }
    return {name: value for name, value in row.items() if value is not None}


keys = st.tuples(st.sampled_from(["", "x", "o'\"x", "é"]), st.integers(0, 1))
versions = st.none() | st.integers(1, 4)
streams_of_rows = st.lists(
    st.builds(
        _row,
        keys,
        versions,
        st.none() | st.sampled_from(["", "p", "q"]),
        st.none() | st.integers(0, 3),
        st.none() | st.none() | st.integers(0, 9),
    ),
    max_size=12,
)
