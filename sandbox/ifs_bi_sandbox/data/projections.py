"""Every projection the stand-in tenant has, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_sandbox.data import basics, code_part_values, finance, history, procurement, sales, structures, subledgers

if TYPE_CHECKING:
    from ifs_bi_sandbox.data.model import EntitySet, Projection

PROJECTIONS: tuple[Projection, ...] = (
    *code_part_values.PROJECTIONS,  # other pages of what later ones are the home of
    *basics.PROJECTIONS,
    *procurement.PROJECTIONS,
    *sales.PROJECTIONS,
    *finance.PROJECTIONS,
    *structures.PROJECTIONS,
    *subledgers.PROJECTIONS,
)
"""Those whose rows are the group's business."""

TENANT: tuple[Projection, ...] = (*PROJECTIONS, history.HISTORY)
"""All that the tenant serves: its own records of what was done as well."""


def projection(name: str) -> Projection:
    """The projection or entity service of that name; KeyError when the tenant has none."""
    for candidate in PROJECTIONS:
        if candidate.name == name:
            return candidate
    raise KeyError(name)


def entity_set(projection_name: str, set_name: str) -> EntitySet:
    """One entity set of one projection; KeyError when there is no such set."""
    for candidate in projection(projection_name).entity_sets:
        if candidate.name == set_name:
            return candidate
    raise KeyError(f"{projection_name}.{set_name}")
