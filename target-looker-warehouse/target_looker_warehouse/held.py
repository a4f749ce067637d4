"""Rows as typed columns that the warehouse can hold, exactly. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from ifs_bi_core.columnar.columns import Kind
from ifs_bi_core.columnar.rows import to_arrow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ifs_bi_core.columnar.columns import Column

    from target_looker_warehouse.dialects import Dialect


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
    if not dialect.unheld:
        return table, flaws
    found: dict[int, str] = {}
    for column in columns:
        if column.type.kind is Kind.TEXT:
            has = pc.match_substring(table[column.name], dialect.unheld)
            if pc.any(has).as_py():
                for place in pc.indices_nonzero(has).to_pylist():
                    found.setdefault(
                        place,
                        f"{column.source} can't be held as {dialect.type_name(column.type)}: it has a character that "
                        f"{dialect.name} can't hold ({dialect.unheld!r})",
                    )
    if not found:
        return table, flaws
    positions = [position for position in range(len(rows)) if position not in flaws]
    kept = pa.array([place not in found for place in range(table.num_rows)], pa.bool_())
    return table.filter(kept), flaws | {positions[place]: reason for place, reason in found.items()}
