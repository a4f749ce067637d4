"""Rows as typed columns that the warehouse can hold, exactly. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from ifs_bi_core.columnar.columns import Kind
from ifs_bi_core.columnar.rows import to_arrow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ifs_bi_core.columnar.columns import Column

    from target_looker_warehouse.dialects.facts import Dialect


def held(
    rows: Sequence[dict[str, Any]], columns: Sequence[Column], dialect: Dialect
) -> tuple[pa.Table, dict[int, str]]:
    """The rows as a table, and those that can't be held and are not in it: by position, with the reason.

    Args:
        rows: values as they come off Singer lines.
        columns: what to take from them.
        dialect: what the warehouse can't hold beyond what no column holds (`ifs_bi_core.columnar.rows.to_arrow`).
    """
    table, flaws = to_arrow(rows, columns)
    table, found = stored(table, columns, dialect)
    if not found:
        return table, flaws
    positions = [position for position in range(len(rows)) if position not in flaws]
    kept = pa.array([place not in found for place in range(table.num_rows)], pa.bool_())
    return table.filter(kept), flaws | {positions[place]: reason for place, reason in found.items()}


def stored(table: pa.Table, columns: Sequence[Column], dialect: Dialect) -> tuple[pa.Table, dict[int, str]]:
    """Typed rows as the warehouse stores them, and the places of those that it can't hold, with the reason.

    Args:
        table: what `ifs_bi_core.columnar.rows.to_arrow` makes of rows.
        columns: of the table.
        dialect: what the warehouse can't hold.
    """
    for place, column in enumerate(columns):
        if column.type.kind is Kind.DECIMAL and dialect.stored(column.type).kind is Kind.TEXT:
            table = table.set_column(place, column.name, _written(table[column.name]))
    found: dict[int, str] = {}
    for column in columns:
        for place, reason in _unheld(table[column.name], column, dialect):
            what = f"{column.source} can't be held as {dialect.type_name(column.type)}: {reason}"
            found.setdefault(place, what)
    return table, found


def _written(decimals: pa.ChunkedArray) -> pa.Array:
    """Decimals as text, with every digit and no exponent."""
    return pa.array([None if value is None else f"{value:f}" for value in decimals.to_pylist()], pa.string())


def _unheld(values: pa.ChunkedArray, column: Column, dialect: Dialect) -> Iterator[tuple[int, str]]:
    """The places of texts that the warehouse can't hold, with the reason."""
    if column.type.kind is Kind.TEXT and dialect.unheld:
        reason = f"it has a character that {dialect.name} can't hold ({dialect.unheld!r})"
        yield from ((place, reason) for place in _places(pc.match_substring(values, dialect.unheld)))
    if dialect.stored(column.type).kind is Kind.TEXT and dialect.text_bytes:
        reason = f"it is longer than {dialect.text_bytes:,} bytes"
        yield from ((place, reason) for place in _places(pc.greater(pc.binary_length(values), dialect.text_bytes)))


def _places(answers: pa.ChunkedArray) -> list[int]:
    places: list[int] = pc.indices_nonzero(answers).to_pylist() if pc.any(answers).as_py() else []
    return places
