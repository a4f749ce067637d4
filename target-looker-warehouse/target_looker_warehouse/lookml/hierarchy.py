"""The account hierarchy as a drill path: from each level to the one below, and from the last one to the account. Pure.

Looker knows no parent and child; the levels come from the roll-up view `gl_account_levels`, in which an account that is less deep
repeats the node right above it. A company may arrange its accounts in more than one structure: levels of two never mix, since
each level brings its structure into the query.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_looker_warehouse.lookml.fields import Field, Fields
    from target_looker_warehouse.lookml.relations import Relation

GROUP = "Levels"
_LEVEL = re.compile(r"Level(\d+)(Description)?")
_OF_ONE_STRUCTURE = frozenset({"gl_account_levels", "gl_account_closure"})


def drilled(dimensions: list[dict[str, Any]], relation: Relation, fields: Fields) -> list[dict[str, Any]]:
    """The dimensions of a view; those of a hierarchy with the way down and the structure they are of."""
    structure = fields.of("StructureId")
    if relation.name not in _OF_ONE_STRUCTURE or structure is None:
        return dimensions
    sources = {field.name: field.column.source for field in fields}
    return [_level(one, sources.get(one["name"], ""), fields, structure) for one in dimensions]


def _level(made: dict[str, Any], source: str, fields: Fields, structure: Field) -> dict[str, Any]:
    level = _LEVEL.fullmatch(source)
    if level is None:
        return made | {"required_fields": [structure.name]} if source.startswith("Ancestor") else made
    number = int(level[1])
    below = [
        found.name
        for prop in (f"Level{number + 1}", f"Level{number + 1}Description")
        if (found := fields.of(prop)) is not None
    ] or [found.name for prop in ("Account", "AccountDescription") if (found := fields.of(prop)) is not None]
    return made | {"group_label": GROUP, "drill_fields": below, "required_fields": [structure.name]}
