"""One view of LookML for each table and roll-up view. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ifs_bi_core.singer.sinks import DELETED_AT

from target_looker_warehouse.lookml.facts import LABELS
from target_looker_warehouse.lookml.fields import dimension, primary_key
from target_looker_warehouse.lookml.hierarchy import drilled
from target_looker_warehouse.lookml.measures import DETAIL, count, detail, sums
from target_looker_warehouse.lookml.naming import label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.lookml.fields import Fields
    from target_looker_warehouse.lookml.relations import Relation

SCHEMA_CONSTANT = "warehouse_schema"
"""The constant of the manifest that names the schema of the tables."""


class View(NamedTuple):
    """A view.

    Attributes:
        relation: what it is made of.
        fields: its dimensions, by property.
        sums: the names of its measures, by the property that each adds up.
        lookml: as `lkml` takes it.
    """

    relation: Relation
    fields: Fields
    sums: dict[str, str]
    lookml: dict[str, Any]


def title_of(name: str) -> str:
    """What people read for a stream or SQL view."""
    return LABELS.get(name) or label(name)


def view_of(relation: Relation, all_fields: Mapping[str, Fields], dialect: Dialect) -> View:
    """The view of a table or roll-up view.

    Args:
        relation: what it is made of.
        all_fields: of all views of the project, by stream or SQL view.
        dialect: of the warehouse.
    """
    fields, title = all_fields[relation.name], title_of(relation.name)
    counted = count(fields)
    added = sums(relation, all_fields)
    made = {
        field.column.source: dimension(field, relation, dialect, hidden=field.column.source in added)
        for field in fields
    }
    groups = [made[field.column.source] for field in fields if field.is_group]
    key = primary_key(fields, relation, dialect)
    dimensions = [*([key] if key else []), *(made[field.column.source] for field in fields if not field.is_group)]
    parts: dict[str, Any] = {
        "name": relation.view,
        "label": title,
        "sql_table_name": in_schema(relation.table, dialect),
        "dimensions": drilled(dimensions, relation, fields),
        "dimension_groups": groups,
        "measures": [counted, *added.values()],
        "sets": [{"name": DETAIL, "fields": detail(relation, fields)}],
    }
    lookml = {name: part for name, part in parts.items() if part}
    return View(relation, fields, {prop: one["name"] for prop, one in added.items()}, lookml)


def in_schema(table: str, dialect: Dialect) -> str:
    """A table of the warehouse in SQL of LookML."""
    return dialect.qualified(f"@{{{SCHEMA_CONSTANT}}}", table)


def only_present(relation: Relation, fields: Fields) -> str | None:
    """The condition that leaves out rows that are gone at the source; None where there are none."""
    deleted_at = fields.of(DELETED_AT)
    return f"${{{relation.view}.{deleted_at.raw}}} IS NULL" if deleted_at else None
