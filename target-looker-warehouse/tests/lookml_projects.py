"""LookML projects of streams that a test names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lkml
from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.lookml.project import Place, Project, project
from target_looker_warehouse.lookml.schemas import Schema
from target_looker_warehouse.lookml.updating import planned

if TYPE_CHECKING:
    from target_looker_warehouse.dialects.facts import Dialect

TEXT = {"type": ["string", "null"]}
NUMBER = {"type": ["number", "null"]}
MONEY = {"type": ["number", "null"], "multipleOf": 0.01}
DAY = {"type": ["string", "null"], "format": "date"}
INSTANT = {"type": ["string", "null"], "format": "date-time"}
FLAG = {"type": ["boolean", "null"]}

ORDERS = Schema(
    "purchase_orders",
    {
        "OrderNo": TEXT,
        "Objstate": TEXT,
        "VendorNo": TEXT,
        "Company": TEXT,
        "CurrencyCode": TEXT,
        "OrderDate": INSTANT,
        "TotalNetAmount": MONEY,
        "OrderSent": FLAG,
        "_ifs_etag": TEXT,
        "_sdc_deleted_at": INSTANT,
    },
    ("OrderNo",),
)
LINES = Schema(
    "purchase_order_lines",
    {
        "OrderNo": TEXT,
        "LineNo": TEXT,
        "ReleaseNo": TEXT,
        "Objstate": TEXT,
        "Contract": TEXT,
        "BuyQtyDue": NUMBER,
        "BuyUnitMeas": TEXT,
        "BuyUnitPrice": NUMBER,
        "CurrencyCode": TEXT,
        "NetAmtCurr": MONEY,
        "NetAmtBase": MONEY,
        "WantedDeliveryDate": DAY,
        "WantedDeliveryWeek": NUMBER,
        "_sdc_deleted_at": INSTANT,
    },
    ("OrderNo", "LineNo", "ReleaseNo"),
)
SUPPLIERS = Schema("suppliers", {"SupplierId": TEXT, "Name": TEXT, "_sdc_deleted_at": INSTANT}, ("SupplierId",))
PURCHASING = (ORDERS, LINES, SUPPLIERS)


def made(*schemas: Schema, dialect: Dialect = DUCKDB, **place: Any) -> Project:
    """The project of these streams."""
    return project(planned(schemas, dialect), Place(dialect, "erp", **place))


def trees(made_project: Project) -> dict[str, dict[str, Any]]:
    """Its files of LookML as `lkml` reads them, by path."""
    files = {**made_project.files, **made_project.once}
    return {path: lkml.load(text) for path, text in files.items() if path.endswith(".lkml")}


def views_of(made_project: Project) -> dict[str, dict[str, Any]]:
    """Its views by name."""
    return {view["name"]: view for tree in trees(made_project).values() for view in tree.get("views", ())}


def explores_of(made_project: Project) -> dict[str, dict[str, Any]]:
    """Its explores by name."""
    return {one["name"]: one for tree in trees(made_project).values() for one in tree.get("explores", ())}


def view(name: str, *schemas: Schema, **place: Any) -> dict[str, dict[str, Any]]:
    """The fields of one view by name: dimensions, groups and measures."""
    found = views_of(made(*schemas, **place))[name]
    return {
        field["name"]: field for kind in ("dimensions", "dimension_groups", "measures") for field in found.get(kind, ())
    }
