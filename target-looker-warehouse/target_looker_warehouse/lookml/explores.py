"""Explores: each view with what its rows refer to, and the caches that a load renews. Pure.

A join is made only where the other side's whole key is compared, with types that fit: `many_to_one` is then true. The names of
suppliers, accounts and the like stay where they are gone at the source; rows of the explore's own view that are gone don't count.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from target_looker_warehouse.loads import LOADS
from target_looker_warehouse.lookml.facts import OTHER_AREA, area_of
from target_looker_warehouse.lookml.naming import lookml_name
from target_looker_warehouse.lookml.references import REFERENCES
from target_looker_warehouse.lookml.views import in_schema, only_present, title_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.lookml.fields import Field, Fields
    from target_looker_warehouse.lookml.references import Reference
    from target_looker_warehouse.lookml.relations import Relation

_MAX_CACHE_AGE = "24 hours"
_PLAIN_NAME = re.compile(r"[\w.-]+", re.ASCII)


class Join(NamedTuple):
    """A view that an explore shows beside its own.

    Attributes:
        name: of the join.
        relation: what its view is made of.
        lookml: as `lkml` takes it.
    """

    name: str
    relation: Relation
    lookml: dict[str, Any]


class Explore(NamedTuple):
    """An explore.

    Attributes:
        relation: what its own view is made of.
        joins: the other views.
    """

    relation: Relation
    joins: tuple[Join, ...]

    @property
    def streams(self) -> frozenset[str]:
        """Those whose loads change what it shows."""
        others = (stream for join in self.joins for stream in join.relation.streams)
        return frozenset((*self.relation.streams, *others))

    @property
    def area(self) -> str:
        """Where people find it."""
        return area_of(self.relation.name)


def explore_of(relation: Relation, relations: Mapping[str, Relation], all_fields: Mapping[str, Fields]) -> Explore:
    """The explore of a view, with all that its rows refer to, directly or by what they refer to."""
    joins: dict[str, Join] = {}
    waiting = [(relation.view, relation.name)]
    while waiting:
        here, origin = waiting.pop(0)
        for reference in (one for one in REFERENCES if one.origin == origin and one.to in relations):
            other = relations[reference.to]
            name = reference.alias or other.view
            condition = _condition(reference, here, name, other, all_fields)
            far = (
                reference.to_many and origin != relation.name
            )  # several rows for one: beside the explore's own view alone
            if condition is None or far or name in joins or name == relation.view:
                continue
            joins[name] = Join(name, other, _join(reference, name, other, condition))
            waiting.append((name, reference.to))
    return Explore(relation, tuple(joins.values()))


def _join(reference: Reference, name: str, other: Relation, condition: str) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name}
    if name != other.view:
        made["from"] = other.view
    if reference.label:
        made["view_label"] = reference.label
    return made | {
        "type": "left_outer",
        "relationship": "many_to_many" if reference.to_many else "many_to_one",
        "sql_on": condition,
    }


def _condition(
    reference: Reference, here: str, name: str, other: Relation, all_fields: Mapping[str, Fields]
) -> str | None:
    """What the join compares; None where that is not the other side's key, or can't be compared."""
    ours, theirs = all_fields[reference.origin], all_fields[reference.to]
    compared = {their for their, _ in reference.on} | {prop for prop, _ in reference.theirs}
    if compared != set(other.key) and not reference.to_many:
        return None
    terms = []
    for their_prop, our_prop in reference.on:
        their, our = theirs.of(their_prop), ours.of(our_prop)
        if their is None or our is None or not _comparable(their, our):
            return None
        terms.append(f"${{{here}.{our.raw}}} = ${{{name}.{their.raw}}}")
    for fields, view, fixed in ((ours, here, reference.own), (theirs, name, reference.theirs)):
        for prop, value in fixed:
            field = fields.of(prop)
            if field is None or field.is_number or field.is_group:
                return None
            terms.append(f"${{{view}.{field.raw}}} = '{value}'")
    return " AND ".join(terms)


def _comparable(one: Field, other: Field) -> bool:
    return (one.kind, one.is_number) == (other.kind, other.is_number) or (one.is_number and other.is_number)


def explore_lookml(explore: Explore, fields: Fields) -> dict[str, Any]:
    """An explore as `lkml` takes it."""
    relation = explore.relation
    title = title_of(relation.name)
    made: dict[str, Any] = {
        "name": relation.view,
        "group_label": "Other streams" if explore.area == OTHER_AREA else f"IFS Cloud: {explore.area}",
        "label": title,
        "description": relation.description or f"{title}, as the last load left them, and what they refer to.",
        "persist_with": datagroup_name(explore.area),
    }
    if condition := only_present(relation, fields):
        made["sql_always_where"] = condition
    if explore.joins:
        made["joins"] = [join.lookml for join in explore.joins]
    return made


def datagroup_name(area: str) -> str:
    """The name of the datagroup of an area."""
    return f"{lookml_name(area)}_loads"


def datagroups(explores: Iterable[Explore], dialect: Dialect) -> list[dict[str, Any]]:
    """One datagroup for each area: triggered when a stream that its explores show was loaded."""
    streams: dict[str, set[str]] = {}
    for explore in explores:
        streams.setdefault(explore.area, set()).update(explore.streams)
    return [
        {
            "name": datagroup_name(area),
            "label": f"Loads: {area}",
            "description": f"Triggered when a load has written rows of {', '.join(sorted(names))}."
            if all(map(_PLAIN_NAME.fullmatch, names))
            else "Triggered when a load has written rows.",
            "sql_trigger": _last_load(names, dialect),
            "max_cache_age": _MAX_CACHE_AGE,
        }
        for area, names in sorted(streams.items())
    ]


def _last_load(streams: set[str], dialect: Dialect) -> str:
    """When the last load of one of these streams was; of any stream where a name would need more than quotes around it."""
    loaded_at, stream = (dialect.quoted(dialect.cased(name)) for name in ("loaded_at", "stream"))
    text = f"SELECT MAX({loaded_at}) FROM {in_schema(dialect.cased(LOADS), dialect)}"  # noqa: S608 - names are quoted
    if not all(map(_PLAIN_NAME.fullmatch, streams)):
        return text
    names = ", ".join(f"'{name}'" for name in sorted(streams))
    return f"{text} WHERE {stream} IN ({names})"
