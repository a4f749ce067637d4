"""What reports climb beside the account groups: attributes of accounts, and structures whose leaves are accounts or cost centres.

A structure is a tree of unequal depth: its nodes stand above nodes and values, and not every value has a place in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ifs_bi_sandbox.data.business.chart import Codes
    from ifs_bi_sandbox.data.business.group import Company
    from ifs_bi_sandbox.data.values import Row

NODE, LEAF = "Node", "CodePartValue"

# Attribute, description, and its values with their descriptions and accounts.
ATTRIBUTES = (
    (
        "NATURE",
        "Nature of the account",
        (
            ("OPERATING", "Operating", ("3010", "3040", "4010", "5010", "5410", "6110", "6540", "6990", "7010")),
            ("FINANCIAL", "Financial", ("1930", "3960", "7960")),
            ("WORKING", "Working capital", ("1410", "1510", "2440", "2990")),
        ),
    ),
    (
        "TAX",
        "Tax return",
        (("BOX 10/30", "Output VAT", ("2610",)), ("BOX 48", "Input VAT", ("2640",)), ("NONE", "Not declared", ())),
    ),
)

# Node, description, the node above; and which accounts are right under it.
MANAGEMENT = "MGMT"
NODES = (
    ("RESULT", "Result", None, ()),
    ("OPERATING", "Operating result", "RESULT", ()),
    ("GROSS MARGIN", "Gross margin", "OPERATING", ()),
    ("REVENUE", "Revenue", "GROSS MARGIN", ("3010", "3040")),
    ("MATERIAL", "Cost of goods", "GROSS MARGIN", ("4010",)),
    ("COST", "Operating cost", "OPERATING", ("7010",)),
    ("PREMISES & IT", "Premises, IT and office", "COST", ("5010", "6110", "6540")),
    ("OTHER COST", "Other cost", "COST", ("5410", "6990")),
    ("FINANCE", "Financial items", "RESULT", ("3960", "7960")),
)

COST_CENTRES = "ORG"
HEAD, STAFF, LINE = "HEAD", "STAFF", "LINE"


def attribute_rows(company: Company) -> Iterator[tuple[str, Row]]:
    """Table and row of the attributes of accounts, their values, and which account has which."""
    for attribute, description, values in ATTRIBUTES:
        key = {"Company": company.code, "Attribute": attribute}
        yield "accounting_attribute", {**key, "Description": description, "CodePart": "A"}
        for value, text, accounts in values:
            yield "accounting_attribute_value", {**key, "AttributeValue": value, "Description": text}
            for account in accounts:
                yield (
                    "accounting_attribute_con",
                    {**key, "CodePart": "A", "CodePartValue": account, "AttributeValue": value},
                )


def structure_rows(company: Company, values: Codes) -> Iterator[tuple[str, Row]]:
    """Table and row of the structures with their items: the management report's, and that of the cost centres."""
    yield "accounting_structure", _structure(company, MANAGEMENT, "Management report", "A")
    above: dict[str, int] = {}
    for node, description, parent, accounts in NODES:
        above[node] = above.get(parent or "", 0) + 1
        yield "accounting_structure_item", _item(company, MANAGEMENT, (NODE, node, parent), above[node], description)
        for account in accounts:
            yield "accounting_structure_item", _item(company, MANAGEMENT, (LEAF, account, node), above[node] + 1)
    yield "accounting_structure", _structure(company, COST_CENTRES, "Organisation", "B")
    for node, description, parent in ((HEAD, "Group", None), (STAFF, "Staff", HEAD), (LINE, "Line", HEAD)):
        level = 1 if parent is None else 2
        yield "accounting_structure_item", _item(company, COST_CENTRES, (NODE, node, parent), level, description)
    for number, centre in enumerate(values.cost_centres):
        parent = (HEAD, STAFF, LINE, LINE)[number % 4]
        level = 2 if parent == HEAD else 3
        yield "accounting_structure_item", _item(company, COST_CENTRES, (LEAF, centre, parent), level)


def _structure(company: Company, identity: str, description: str, code_part: str) -> Row:
    return {"Company": company.code, "StructureId": identity, "Description": description, "CodePart": code_part}


def _item(
    company: Company,
    structure: str,
    place: tuple[str, str, str | None],
    level: int,
    description: str | None = None,
) -> Row:
    kind, item, parent = place
    return {
        "Company": company.code,
        "StructureId": structure,
        "StructureItem": item,
        "StructureItemType": kind,
        "Description": description,
        "ItemAbove": parent,
        "LevelNo": level,
    }
