"""What IFS Cloud exposes, as rows of facts: projections, entity sets, properties, enums and references.

The server renders service documents, ``$metadata`` and rows from these facts; the generator fills the tables they name.
Names follow public material about IFS Cloud; where none is public, a plausible one stands here and may be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

EdmType = Literal["String", "Decimal", "Date", "DateTimeOffset", "Boolean", "Enum", "Stream"]


@dataclass(frozen=True)
class Property:
    """One property of an entity type.

    ``column`` is the SQLite column of the same name. Storage: String and Enum as TEXT; Decimal with ``scale`` 0 as INTEGER,
    other Decimals as TEXT with exactly ``scale`` digits after the point; Date as ``YYYY-MM-DD``; DateTimeOffset as
    ``YYYY-MM-DDTHH:MM:SS`` (whole seconds, Oracle DATE); Boolean as 0/1; null as NULL.
    """

    name: str
    type: EdmType = "String"
    nullable: bool = True
    max_length: int | None = None
    precision: int | None = None  # None: the attribute is absent in $metadata, as on many tenants
    scale: int = 0
    show_scale: bool = True  # False: Scale is absent in $metadata although values have decimals
    enum: str | None = None  # name of an EnumType of the projection


@dataclass(frozen=True)
class Reference:
    """A navigation property: ``…Ref`` to one row, ``…Array`` to many."""

    name: str
    target_set: str
    on: tuple[tuple[str, str], ...]  # (own property, target's property)
    many: bool = False
    fixed: tuple[tuple[str, str], ...] = ()  # (target's property, its value)


@dataclass(frozen=True)
class EntitySet:
    """One entity set of one projection, and the table its rows live in."""

    projection: str  # "PurchaseOrderHandling"; for entity services "PurchaseOrderLineEntity"
    name: str  # "PurchaseOrderSet"
    entity_type: str  # "PurchaseOrder"
    table: str  # SQLite table
    key: tuple[str, ...]
    properties: tuple[Property, ...]
    logical_unit: str  # luname, "PurchaseOrder"
    references: tuple[Reference, ...] = ()
    service: Literal["projection", "entity"] = "projection"
    endpoints: tuple[str, ...] = ("main", "int", "b2b")  # where it answers; elsewhere 404
    state_enum: str | None = (
        None  # the enum of Objstate, a column that ``properties`` doesn't list; None: it has no states
    )
    company: str | None = None  # the property that Allowed Companies restricts
    has_etag: bool = True  # False for Reference_… and Lookup_… sets


@dataclass(frozen=True)
class EnumType:
    """An EDM enum: client values (PascalCase identifiers) in order."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Projection:
    """One projection or entity service with what it holds."""

    name: str
    category: str  # Premium | Integration | Standard | StandardEntity
    description: str
    entity_sets: tuple[EntitySet, ...] = ()
    enums: tuple[EnumType, ...] = field(default=())
