"""How an entity set looks on the wire and in SQL, worked out once from its facts.

Members of a row come in the order that was captured on real tenants: ``luname``, ``keyref``, ``Objstate`` (only where there is
a state machine), ``Objgrants``, then the attributes. The conversion from storage (see ``data.model``) to JSON is done in the
SELECT, because that is the fastest place; only booleans and the ETag are left to Python.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ifs_bi_sandbox.data.model import EntitySet, Projection, Property, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

LUNAME: Final = "luname"
KEYREF: Final = "keyref"
OBJSTATE: Final = "Objstate"
OBJGRANTS: Final = "Objgrants"


@dataclass(frozen=True, eq=False)
class Layout:
    """One entity set with what follows from its facts.

    Attributes:
        entity_set: The facts.
        properties: Every property a row can show or a filter can name, by name: the attributes and ``Objstate``.
        enums: For each enum property: its qualified type, and its members in order.
        members: The names of a row's members in order, without annotations.
        references: The navigation properties by name.
    """

    entity_set: EntitySet
    properties: Mapping[str, Property]
    enums: Mapping[str, tuple[str, tuple[str, ...]]]
    members: tuple[str, ...]
    references: Mapping[str, Reference]

    @property
    def name(self) -> str:
        """The entity set's name."""
        return self.entity_set.name

    @property
    def key(self) -> tuple[Property, ...]:
        """The key's properties in order."""
        return tuple(self.properties[name] for name in self.entity_set.key)

    @property
    def table(self) -> str:
        """The table's name, quoted."""
        return quoted(self.entity_set.table)

    def expression(self, member: str, alias: str, *, exact: bool) -> str:
        """The SQL that gives a member's JSON value; a boolean comes as 0 or 1.

        Args:
            member: One of ``members``.
            alias: The table's alias in the statement.
            exact: Decimals as text with every digit (``IEEE754Compatible=true``) instead of numbers.
        """
        if member == LUNAME:
            return literal(self.entity_set.logical_unit)
        if member == KEYREF:
            parts = sorted((column_name(name), f"{alias}.{quoted(name)}") for name in self.entity_set.key)
            return " || ".join(f"{literal(column + '=')} || {sql} || '^'" for column, sql in parts)
        if member == OBJGRANTS:
            return "NULL"
        column, fact = f"{alias}.{quoted(member)}", self.properties[member]
        if fact.type == "DateTimeOffset":
            return f"{column} || 'Z'"
        if fact.type != "Decimal":
            return column
        if fact.scale == 0:
            return f"CAST({column} AS TEXT)" if exact else column
        # Oracle keeps no trailing zeros, so none are sent. As a number, the value passes through a binary float, as it
        # does on the way through JSON; a whole number shows no point.
        shortest = f"CASE instr({column}, '.') WHEN 0 THEN {column} ELSE rtrim(rtrim({column}, '0'), '.') END"
        return shortest if exact else f"CAST({column} AS NUMERIC)"

    def booleans(self, members: tuple[str, ...]) -> tuple[str, ...]:
        """The boolean ones of these members."""
        return tuple(name for name in members if name in self.properties and self.properties[name].type == "Boolean")


def layouts(projection: Projection, elsewhere: frozenset[str] = frozenset()) -> dict[str, Layout]:
    """The layout of each entity set of a projection, by name.

    Args:
        projection: The facts.
        elsewhere: Entity sets of other projections: a reference to one of them is left out, since navigation never
            leaves its service.

    Raises:
        ValueError: Facts that don't fit together: an enum, key property or navigation target that isn't there.
    """
    members = {enum.name: enum.values for enum in projection.enums}
    found = {}
    for entity_set in projection.entity_sets:
        facts = {fact.name: fact for fact in entity_set.properties if fact.type != "Stream"}
        if entity_set.state_enum is not None:
            state = facts.pop(OBJSTATE, Property(OBJSTATE, "Enum"))
            facts = {OBJSTATE: replace(state, type="Enum", enum=entity_set.state_enum), **facts}
        missing = [name for name in entity_set.key if name not in facts]
        missing += [f.enum or f.name for f in facts.values() if f.type == "Enum" and f.enum not in members]
        if missing:
            raise ValueError(f"{projection.name}.{entity_set.name} names {', '.join(missing)}, which isn't there.")
        system = [LUNAME, KEYREF, *([OBJSTATE] if OBJSTATE in facts else []), OBJGRANTS]
        found[entity_set.name] = Layout(
            entity_set=entity_set,
            properties=facts,
            enums={
                name: (f"IfsApp.{projection.name}.{fact.enum}", members[fact.enum])
                for name, fact in facts.items()
                if fact.type == "Enum" and fact.enum is not None
            },
            members=(*system, *(name for name in facts if name != OBJSTATE)),
            references=_references(projection, entity_set, elsewhere),
        )
    return found


def _references(projection: Projection, entity_set: EntitySet, elsewhere: frozenset[str]) -> dict[str, Reference]:
    """The navigation properties that stay within the projection."""
    here = {each.name for each in projection.entity_sets}
    found = {}
    for reference in entity_set.references:
        if reference.target_set in here:
            found[reference.name] = reference
        elif reference.target_set not in elsewhere:
            raise ValueError(f"{projection.name}.{entity_set.name}.{reference.name}: no set {reference.target_set}.")
    return found


def column_name(property_name: str) -> str:
    """The database column behind a property: ``LineItemNo`` → ``LINE_ITEM_NO``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", property_name).upper()


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A fact's text as an SQL literal; never for what a client sent."""
    return "'" + text.replace("'", "''") + "'"
