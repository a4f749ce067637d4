"""What IFS Cloud exposes of attributes and structures, which group accounts and other code part values for reports.

The logical units are IFS's; that they have entity services, and what those call their properties, follows its patterns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.model import EntitySet, EnumType, Projection
from ifs_bi_sandbox.data.properties import choice, integer, text

if TYPE_CHECKING:
    from ifs_bi_sandbox.data.model import Property

ITEM_KIND = EnumType("AccStructureItemType", ("Node", "CodePartValue"))


def _unit(name: str, table: str, key: tuple[str, ...], *properties: Property) -> EntitySet:
    """The entity service's set of a logical unit that every company keeps for itself."""
    return EntitySet(
        projection=f"{name}Entity",
        name=f"{name}Set",
        entity_type=name,
        table=table,
        key=("Company", *key),
        logical_unit=name,
        service="entity",
        endpoints=("int",),
        company="Company",
        properties=(*text(20, "Company", required=True), *properties),
    )


ATTRIBUTES = _unit(
    "AccountingAttribute",
    "accounting_attribute",
    ("Attribute",),
    *text(20, "Attribute", required=True),
    *text(100, "Description", required=True),
    *text(1, "CodePart", required=True),
)

ATTRIBUTE_VALUES = _unit(
    "AccountingAttributeValue",
    "accounting_attribute_value",
    ("Attribute", "AttributeValue"),
    *text(20, "Attribute", "AttributeValue", required=True),
    *text(100, "Description", required=True),
)

ATTRIBUTE_CONNECTIONS = _unit(
    "AccountingAttributeCon",
    "accounting_attribute_con",
    ("Attribute", "CodePartValue"),
    *text(20, "Attribute", "CodePartValue", required=True),
    *text(1, "CodePart", required=True),
    *text(20, "AttributeValue", required=True),
)

STRUCTURES = _unit(
    "AccountingStructure",
    "accounting_structure",
    ("StructureId",),
    *text(20, "StructureId", required=True),
    *text(100, "Description", required=True),
    *text(1, "CodePart", required=True),  # of the values at its leaves
)

STRUCTURE_ITEMS = _unit(
    "AccountingStructureItem",
    "accounting_structure_item",
    ("StructureId", "StructureItem"),
    *text(20, "StructureId", "StructureItem", required=True),
    *choice("AccStructureItemType", "StructureItemType", required=True),
    *text(100, "Description"),
    *text(20, "ItemAbove"),  # the node above; null at the top
    *integer("LevelNo"),
)

PROJECTIONS = (
    Projection("AccountingAttributeEntity", "StandardEntity", "Attributes of accounts", (ATTRIBUTES,)),
    Projection("AccountingAttributeValueEntity", "StandardEntity", "Values of attributes", (ATTRIBUTE_VALUES,)),
    Projection("AccountingAttributeConEntity", "StandardEntity", "Attributes by account", (ATTRIBUTE_CONNECTIONS,)),
    Projection("AccountingStructureEntity", "StandardEntity", "Structures of code part values", (STRUCTURES,)),
    Projection("AccountingStructureItemEntity", "StandardEntity", "Their items", (STRUCTURE_ITEMS,), (ITEM_KIND,)),
)
