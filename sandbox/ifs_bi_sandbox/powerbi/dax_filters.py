"""The filter context of DAX: what CALCULATE adds to it, keeps of it and takes from it.

Source: learn.microsoft.com/dax/calculate-function-dax: a filter replaces those on the same columns unless KEEPFILTERS is around
it; ALL takes away those of a table, ALLEXCEPT all but those on some columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ifs_bi_sandbox.powerbi.dax_tables import keep, whole
from ifs_bi_sandbox.powerbi.dax_values import folded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ifs_bi_sandbox.powerbi.dax_tables import Part, Relation
    from ifs_bi_sandbox.powerbi.values import Stored

    Key = tuple[Stored, ...]


@dataclass(frozen=True)
class Filter:
    """One filter: of which table, on which of its columns, and what it leaves."""

    table: str
    columns: frozenset[str]
    apply: Callable[[Relation], Relation]


def without(filters: Sequence[Filter], table: str, columns: frozenset[str]) -> tuple[Filter, ...]:
    """The filters but those on no other than these columns of a table."""
    return tuple(known for known in filters if known.table != table or not known.columns <= columns)


def on_others(filters: Sequence[Filter], table: str, columns: frozenset[str] = frozenset()) -> tuple[Filter, ...]:
    """The filters of other tables, and those on these columns."""
    return tuple(known for known in filters if known.table != table or known.columns <= columns != frozenset())


def members(table: str, columns: Sequence[str], keys: set[Key]) -> Filter:
    """Rows whose values in some columns are one of these combinations; strings without their case."""

    def is_member(part: Part) -> list[Stored]:
        values = [whole(part.column(name), part.count) for name in columns]
        return [tuple(map(folded, key)) in keys for key in zip(*values, strict=True)]

    return Filter(table, frozenset(columns), lambda relation: keep(relation, is_member))


def keys_of(relation: Relation, columns: Sequence[str]) -> set[Key]:
    """The combinations of values of some columns, strings without their case."""
    keys: set[Key] = set()
    for part in relation.parts:
        keys.update(tuple(map(folded, key)) for key in zip(*map(part.values, columns), strict=True))
    return keys
