"""Every projection the stand-in tenant has, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_sandbox.data import basics, finance, procurement, sales, subledgers

if TYPE_CHECKING:
    from ifs_bi_sandbox.data.model import EntitySet, Projection

PROJECTIONS: tuple[Projection, ...] = (
    *basics.PROJECTIONS,
    *procurement.PROJECTIONS,
    *sales.PROJECTIONS,
    *finance.PROJECTIONS,
    *subledgers.PROJECTIONS,
)


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
