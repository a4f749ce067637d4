"""What became different between two definitions of a table. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_powerbi.tables import Column, Table


@dataclass(frozen=True)
class Difference:
    """What a table would have to become.

    Attributes:
        added: columns it doesn't have yet; Power BI can add them.
        broken: column, its type now, and its type to be ("gone" where the SCHEMA has it no more); Power BI can't mend these.
    """

    added: tuple[Column, ...]
    broken: tuple[tuple[str, str, str], ...]


def difference(now: Table, wanted: Table) -> Difference:
    """What `wanted` has otherwise than `now`."""
    types = {column.name: column.type for column in now.all_columns}
    wanted_types = {column.name: column.type for column in wanted.all_columns}
    return Difference(
        added=tuple(column for column in wanted.all_columns if column.name not in types),
        broken=tuple(
            (name, kind, wanted_types.get(name, "gone"))
            for name, kind in types.items()
            if wanted_types.get(name) != kind
        ),
    )


def difference_table(broken: Iterable[tuple[str, str, str]]) -> str:
    """The broken columns as a small text table."""
    rows = [("column", "in Power BI", "in the SCHEMA"), *broken]
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
