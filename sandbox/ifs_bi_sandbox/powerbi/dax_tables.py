"""Tables while a query runs: parts with columns that are unpacked when somebody asks for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING

from ifs_bi_sandbox.powerbi.dax_values import folded
from ifs_bi_sandbox.powerbi.store import Same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ifs_bi_sandbox.powerbi.values import Stored

    Vector = Same | list[Stored]


@dataclass(frozen=True)
class Part:
    """Some rows: how many, and what gives a column of them."""

    count: int
    column: Callable[[str], Vector]

    def values(self, name: str) -> list[Stored]:
        """A column, a value for each row."""
        return whole(self.column(name), self.count)

    def kept(self, mask: Vector) -> Part | None:
        """The rows of which the mask is true; None: not one."""
        if isinstance(mask, Same):
            return self if mask.value else None
        count = sum(map(bool, mask))
        if not count:
            return None

        def column(name: str) -> Vector:
            values = self.column(name)
            return values if isinstance(values, Same) else list(compress(values, mask))

        return Part(count, column)

    def first(self, count: int) -> Part:
        """The first rows."""

        def column(name: str) -> Vector:
            values = self.column(name)
            return values if isinstance(values, Same) else values[:count]

        return Part(min(count, self.count), column)


@dataclass(frozen=True)
class Relation:
    """A table: its columns by the name that an answer gives them, with their data types, and its rows.

    ``table`` is the one of the model whose columns these are; None: columns were made by the query.
    """

    table: str | None
    columns: dict[str, str | None]
    parts: list[Part]

    def count(self) -> int:
        """How many rows."""
        return sum(part.count for part in self.parts)

    def shown(self, name: str) -> str:
        """A column's name in an answer."""
        return f"{self.table or ''}[{name}]"

    def find(self, name: str) -> str | None:
        """A column by its name, whatever its case."""
        return next((known for known in self.columns if known.casefold() == name.casefold()), None)

    def rows(self) -> Iterator[dict[str, Stored]]:
        """The rows as an answer shows them."""
        names = [self.shown(name) for name in self.columns]
        for part in self.parts:
            columns = [part.values(name) for name in self.columns]
            for row in zip(*columns, strict=True):
                yield dict(zip(names, row, strict=True))


def one_row(values: dict[str, Stored]) -> Relation:
    """A table of one row that a query made."""
    return Relation(None, dict.fromkeys(values), [Part(1, lambda name: Same(values[name]))])


def of_rows(relation: Relation, rows: list[tuple[Stored, ...]]) -> Relation:
    """The same columns with other rows."""
    columns = dict(zip(relation.columns, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}
    parts = [Part(len(rows), lambda name: columns[name])] if rows else []
    return Relation(relation.table, relation.columns, parts)


def first_by(relation: Relation, ranks: list[Vector], count: int, *, ascending: bool) -> Relation:
    """The first rows by a rank for each; blanks rank lowest."""
    ranked: list[tuple[Stored, tuple[Stored, ...]]] = []
    for part, rank in zip(relation.parts, ranks, strict=True):
        rows = zip(*[part.values(name) for name in relation.columns], strict=True)
        ranked += zip(map(folded, whole(rank, part.count)), rows, strict=True)
    ranked.sort(key=lambda pair: (pair[0] is not None, pair[0]), reverse=not ascending)
    return of_rows(relation, [row for _, row in ranked[:count]])


def keep(relation: Relation, mask: Callable[[Part], Vector]) -> Relation:
    """The rows of which the mask is true."""
    if not relation.parts:
        mask(Part(0, lambda _: []))  # a wrong condition is an error over no rows too
    kept = [part.kept(mask(part)) for part in relation.parts]
    return replace(relation, parts=[part for part in kept if part is not None])


def is_in(column: str, keys: set[Stored]) -> Callable[[Part], Vector]:
    """The mask of rows that carry one of these values."""

    def mask(part: Part) -> Vector:
        values = part.column(column)
        if isinstance(values, Same):
            return Same(folded(values.value) in keys)
        return [folded(value) in keys for value in values]

    return mask


def whole(vector: Vector, count: int) -> list[Stored]:
    """A value for each row."""
    return [vector.value] * count if isinstance(vector, Same) else vector
