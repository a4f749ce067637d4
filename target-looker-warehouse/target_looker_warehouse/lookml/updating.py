"""Brings the LookML in a folder up to date: with the SCHEMAs of a tap, or with the tables that a run has just loaded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from ifs_bi_core.singer.sinks import DELETED_AT

from target_looker_warehouse.lookml.project import project
from target_looker_warehouse.lookml.relations import Relation
from target_looker_warehouse.lookml.writing import Written, known_tables, write
from target_looker_warehouse.tables import plan, table_name
from target_looker_warehouse.views.catalogue import VIEWS
from target_looker_warehouse.views.rendering import column_names, view_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.lookml.project import Place
    from target_looker_warehouse.lookml.schemas import Schema
    from target_looker_warehouse.warehouse import Warehouse


class Updated(NamedTuple):
    """What was done.

    Attributes:
        files: of the project.
        left_out: streams and properties that LookML can't name.
    """

    files: Written
    left_out: tuple[str, ...]


def planned(schemas: Iterable[Schema], dialect: Dialect) -> list[Relation]:
    """The tables that a first load of these streams makes."""
    found: dict[str, Relation] = {}
    for stream, properties, key in schemas:
        name = table_name(stream, [relation.table for relation in found.values()], dialect)
        found[stream] = Relation.of_table(stream, plan(name, properties, key, None, dialect).table, dialect)
    return list(found.values())


def loaded(schemas: Iterable[Schema], names: Mapping[str, str], warehouse: Warehouse, *, keys: bool) -> list[Relation]:
    """The tables of streams as they stand.

    Args:
        schemas: of the streams.
        names: stream → table.
        warehouse: where they stand.
        keys: whether a key has one row; no row is told apart where it has more.
    """
    found = []
    for stream, properties, key in schemas:
        standing = warehouse.existing(stream).get(names[stream], {})
        wanted = {**properties, DELETED_AT: properties.get(DELETED_AT, {})}  # a load may have added the column
        table = plan(names[stream], wanted, key if keys else (), standing, warehouse.dialect).table
        there = tuple(column for column in table.columns if column.name in standing)
        found.append(Relation.of_table(stream, replace(table, columns=there), warehouse.dialect))
    return found


def standing_roll_ups(warehouse: Warehouse) -> frozenset[str]:
    """The roll-up views that stand in a warehouse, with the columns that they should have."""
    return frozenset(
        view.name
        for view in VIEWS
        if set(column_names(view, warehouse.dialect).values())
        <= warehouse.existing(view.name).get(view_name(view, warehouse.dialect), {}).keys()
    )


def update(
    folder: Path, tables: Iterable[Relation], place: Place, *, forget: bool = False, replace_edited: bool = False
) -> Updated:
    """Write the project for these tables and, unless they are forgotten, those that it had before.

    Args:
        folder: the root of the LookML project.
        tables: new, or as they are now.
        place: where Looker finds them.
        forget: whether tables that the project had and that aren't given go out of it.
        replace_edited: whether generated files that somebody has edited are written anew.

    Raises:
        ConfigError: a file can't be read or written.
        IfsBiError: there is no right LookML for these tables.
    """
    known = {} if forget else known_tables(folder, place.dialect.name)
    known |= {table.name: table for table in tables}
    made = project(known.values(), place)
    return Updated(
        write(folder, made, known.values(), place.dialect.name, replace_edited=replace_edited), made.left_out
    )
