"""What views are made of: tables of streams, and the roll-up views beside them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ifs_bi_core.columnar.columns import Column, ColumnType, Kind

from target_looker_warehouse.lookml.naming import Taken, digest, lookml_name
from target_looker_warehouse.views.catalogue import VIEWS
from target_looker_warehouse.views.rendering import column_names, view_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.tables import Table
    from target_looker_warehouse.views.catalogue import Definition

ROLL_UPS = frozenset(view.name for view in VIEWS)
"""The names of all views that may stand beside the tables."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or SQL view of the warehouse.

    Attributes:
        name: of the stream or SQL view.
        table: as the warehouse spells it.
        columns: the key first, then by name; of their types, the kind is what the warehouse keeps.
        key: the properties whose values tell rows apart; empty: none do.
        streams: those whose loads change its rows.
        description: what its rows are, where more is known than its name.
        descriptions: of columns, by property, where they are known.
        view: the name of its view in LookML, once it is among others (`together`).
    """

    name: str
    table: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    streams: tuple[str, ...]
    description: str = ""
    descriptions: Mapping[str, str] = field(default_factory=dict)
    view: str = ""

    @classmethod
    def of_table(cls, stream: str, table: Table, dialect: Dialect) -> Relation:
        """The relation of a stream's table."""
        sources = {column.name: column.source for column in table.columns}
        key = tuple(sources[name] for name in table.key)
        columns = (
            Column(column.source, column.name, ColumnType(_kept(column.type, dialect))) for column in table.columns
        )
        place = {source: number for number, source in enumerate(key)}
        ordered = sorted(columns, key=lambda one: (place.get(one.source, len(key)), one.source))
        return cls(stream, table.name, tuple(ordered), key, (stream,))

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            "table": self.table,
            "key": list(self.key),
            "columns": [[column.source, column.name, column.type.kind.name] for column in self.columns],
        }

    @classmethod
    def from_json(cls, stream: str, found: Mapping[str, Any]) -> Relation:
        """The relation of a stream that `as_json` told.

        Raises:
            KeyError, TypeError, ValueError: it did not.
        """
        columns = tuple(Column(source, name, ColumnType(Kind[kind])) for source, name, kind in found["columns"])
        return cls(stream, found["table"], columns, tuple(found["key"]), (stream,))


def roll_ups(tables: Iterable[Relation], dialect: Dialect, standing: frozenset[str]) -> list[Relation]:
    """The views among the standing ones that are made of these tables (`target_looker_warehouse.views.catalogue`)."""
    present = {table.name: {column.source for column in table.columns} for table in tables}
    made = []
    for view in VIEWS:
        definition = next((one for one in view.definitions if _possible(one, present)), None)
        if definition is not None and view.name in standing - present.keys():
            names = column_names(view, dialect)
            made.append(
                Relation(
                    view.name,
                    view_name(view, dialect),
                    tuple(Column(one.name, names[one.name], ColumnType(one.kind)) for one in view.columns),
                    view.key,
                    tuple(source.stream for source in definition.sources),
                    view.description,
                    {one.name: one.description for one in view.columns},
                )
            )
    return made


def _possible(definition: Definition, present: Mapping[str, set[str]]) -> bool:
    return all(
        set(source.needs) <= present[source.stream] if source.stream in present else source.may_be_missing
        for source in definition.sources
    )


def _kept(column_type: ColumnType, dialect: Dialect) -> Kind:
    """As what a warehouse keeps values of a type; JSON stays JSON, though it be kept as text."""
    return Kind.JSON if column_type.kind is Kind.JSON else dialect.stored(column_type).kind


def together(relations: Iterable[Relation]) -> dict[str, Relation]:
    """The relations of one project by name, sorted; each with the name of its view."""
    taken, found = Taken(), {}
    for relation in sorted(relations, key=lambda one: one.name):
        name = lookml_name(relation.name)
        unique = f"{name}_{digest(relation.name)}"
        found[relation.name] = replace(relation, view=taken.take([name, unique]) or unique)
    return found
