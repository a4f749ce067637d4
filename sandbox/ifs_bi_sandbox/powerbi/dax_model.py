"""The model that a query looks at: its tables under the filters in force, its measures and its columns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.powerbi.dax_syntax import parse_expression
from ifs_bi_sandbox.powerbi.dax_tables import Part, Relation, is_in, keep
from ifs_bi_sandbox.powerbi.dax_values import folded
from ifs_bi_sandbox.powerbi.errors import query_failed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ifs_bi_sandbox.powerbi.datasets import Table
    from ifs_bi_sandbox.powerbi.dax_filters import Filter
    from ifs_bi_sandbox.powerbi.dax_syntax import Column, Node
    from ifs_bi_sandbox.powerbi.dax_tables import Vector
    from ifs_bi_sandbox.powerbi.store import Batch


@dataclass(frozen=True)
class Model:
    """A dataset as it is visible at second ``now``, under the filters of CALCULATE."""

    tables: Mapping[str, Table]
    relationships: Sequence[Mapping[str, Any]]
    now: float
    filters: tuple[Filter, ...] = ()
    unpacked: dict[tuple[int, str], Vector] = field(default_factory=dict)  # columns that were asked for, for one query

    def under(self, filters: tuple[Filter, ...]) -> Model:
        """The same model under other filters."""
        return replace(self, filters=filters)

    def find(self, name: str, place: str) -> Table:
        """A table by its name, whatever its case."""
        table = next((table for table in self.tables.values() if table.name.casefold() == name.casefold()), None)
        if table is None:
            raise query_failed(f"Query {place} Cannot find table '{name}'.")
        return table

    def filtered(self, table: Table) -> Relation:
        """A table of the model under the filters of CALCULATE: its own, and those of tables that it points to."""
        parts = [Part(batch.count, partial(self._unpack, batch)) for batch in table.rows.batches(self.now)]
        relation = Relation(table.name, dict(table.columns), parts)
        for own in self.filters:
            if own.table == table.name:
                relation = own.apply(relation)
        for link in self.relationships:
            if link["fromTable"] == table.name and self._is_filtered(link["toTable"]):
                other = self.filtered(self.tables[link["toTable"]])
                keys = {folded(value) for part in other.parts for value in part.values(link["toColumn"])}
                relation = keep(relation, is_in(link["fromColumn"], keys))
        return relation

    def _is_filtered(self, table: str) -> bool:
        onward = [link["toTable"] for link in self.relationships if link["fromTable"] == table]
        return any(own.table == table for own in self.filters) or any(map(self._is_filtered, onward))

    def _unpack(self, batch: Batch, name: str) -> Vector:
        place = (id(batch), name)
        if place not in self.unpacked:
            self.unpacked[place] = batch.column(name)
        return self.unpacked[place]

    def measure(self, name: str) -> Node | None:
        """What a measure is; None: there is none of this name."""
        for table in self.tables.values():
            for own, measure in table.measures.items():
                if own.casefold() == name.casefold():
                    return parse_expression(measure["expression"])
        return None

    def source(self, column: Column) -> tuple[Relation, str]:
        """The table that a column belongs to, under its filters, and the column's own name."""
        if column.table is None:
            raise query_failed(f"Query {column.place} Column '{column.name}' cannot be found.")
        table = self.find(column.table, column.place)
        relation = self.filtered(table)
        return relation, known(relation, column)


def known(relation: Relation, column: Column) -> str:
    """The name of a column as the table has it."""
    name = relation.find(column.name)
    if name is None:
        where = f"Column '{column.name}' in table '{relation.table or column.table or ''}'"
        raise query_failed(f"Query {column.place} {where} cannot be found or may not be used in this expression.")
    return name
