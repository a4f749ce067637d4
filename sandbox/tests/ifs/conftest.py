"""A tenant of two projections and one entity service, small enough to know by heart, behind a real server."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import requests
from ifs_bi_sandbox.data.model import EntitySet, EnumType, Projection, Property, Reference
from ifs_bi_sandbox.ifs.app import ifs_app
from ifs_bi_sandbox.ifs.layout import layouts
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.virtual_clock import VirtualClock
from ifs_bi_sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ifs_bi_sandbox.ifs.layout import Layout

PURCHASING = Projection(
    name="PurchaseOrderHandling",
    category="Standard",
    description="Purchase orders",
    enums=(
        EnumType("PurchaseOrderState", ("Planned", "Released", "Closed")),
        EnumType("OrderKind", ("Normal", "Rush")),
        EnumType("NeverUsed", ("One",)),
    ),
    entity_sets=(
        EntitySet(
            projection="PurchaseOrderHandling",
            name="PurchaseOrderSet",
            entity_type="PurchaseOrder",
            table="purchase_order",
            key=("OrderNo",),
            logical_unit="PurchaseOrder",
            state_enum="PurchaseOrderState",
            company="Company",
            references=(
                Reference("VendorNoRef", "Reference_Supplier", (("VendorNo", "SupplierId"),)),
                Reference("LinesArray", "PurchaseOrderLines", (("OrderNo", "OrderNo"),), many=True),
            ),
            properties=(
                Property("OrderNo", nullable=False, max_length=12),
                Property("Company", nullable=False),
                Property("VendorNo"),
                Property("NoteText", max_length=20),
                Property("OrderKind", "Enum", enum="OrderKind"),
                Property("OrderDate", "Date"),
                Property("ChangedDate", "DateTimeOffset", nullable=False),
                Property("TotalAmount", "Decimal", precision=20, scale=2),
                Property("Cost", "Decimal", scale=14, show_scale=False),
                Property("NoteId", "Decimal"),
                Property("Confirmed", "Boolean"),
                Property("AllowedOperations"),
                Property("Cf_BiRegion"),
            ),
        ),
        EntitySet(
            projection="PurchaseOrderHandling",
            name="PurchaseOrderLines",
            entity_type="PurchaseOrderLine",
            table="purchase_order_line",
            key=("OrderNo", "LineItemNo"),
            logical_unit="PurchaseOrderLine",
            properties=(
                Property("OrderNo", nullable=False),
                Property("LineItemNo", "Decimal", nullable=False, show_scale=False),
                Property("PartNo"),
            ),
        ),
        EntitySet(
            projection="PurchaseOrderHandling",
            name="Reference_Supplier",
            entity_type="Reference_Supplier",
            table="supplier",
            key=("SupplierId",),
            logical_unit="Supplier",
            has_etag=False,
            properties=(
                Property("SupplierId", nullable=False),
                Property("Name"),
                Property("OneTime", "Boolean"),
                Property("CreditLimit", "Decimal", scale=2),
            ),
        ),
    ),
)
LEDGER = Projection(
    name="LedgerItemEntity",
    category="StandardEntity",
    description="Ledger items",
    enums=(EnumType("PartyType", ("Supplier", "Customer")),),
    entity_sets=(
        EntitySet(
            projection="LedgerItemEntity",
            name="LedgerItemSet",
            entity_type="LedgerItem",
            table="ledger_item",
            key=("Company", "PartyType", "ItemId"),
            logical_unit="LedgerItem",
            service="entity",
            endpoints=("int",),
            company="Company",
            properties=(
                Property("Company", nullable=False),
                Property("PartyType", "Enum", nullable=False, enum="PartyType"),
                Property("ItemId", nullable=False),
            ),
        ),
    ),
)
PROJECTIONS = (PURCHASING, LEDGER)
CLIENT = {
    "grant_type": "client_credentials",
    "scope": "openid microprofile-jwt",
    "client_id": "IFS_BI_READER",
    "client_secret": "sandbox-ifs-secret",
}

SCHEMA = """
CREATE TABLE purchase_order ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT, "Objstate" TEXT, "OrderNo" TEXT,
  "Company" TEXT, "VendorNo" TEXT, "NoteText" TEXT, "OrderKind" TEXT, "OrderDate" TEXT, "ChangedDate" TEXT,
  "TotalAmount" TEXT, "Cost" TEXT, "NoteId" INTEGER, "Confirmed" INTEGER, "AllowedOperations" TEXT, "Cf_BiRegion" TEXT);
CREATE UNIQUE INDEX po_key ON purchase_order ("OrderNo");
CREATE INDEX po_modified ON purchase_order ("ChangedDate", "OrderNo");
CREATE TABLE purchase_order_line ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT,
  "OrderNo" TEXT, "LineItemNo" INTEGER, "PartNo" TEXT);
CREATE UNIQUE INDEX pol_key ON purchase_order_line ("OrderNo", "LineItemNo");
CREATE TABLE supplier ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT, "SupplierId" TEXT, "Name" TEXT,
  "OneTime" INTEGER, "CreditLimit" TEXT);
CREATE TABLE ledger_item ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT, "Company" TEXT, "PartyType" TEXT, "ItemId" TEXT);
CREATE UNIQUE INDEX li_key ON ledger_item ("Company", "PartyType", "ItemId");
"""
V = "20251008171610"
ORDERS = [
    (1, V, "Released", "P1", "10", "O'NEILL", "50% off_now", "Normal", "2025-07-01", "2025-10-08T17:16:10", "100.00",
     "159.72666666666666", 7, 1, "Cancel", "Nord"),
    (2, V, "Planned", "P2", "10", "ÅKERLUND", None, "Rush", "2025-07-02", "2025-10-08T17:16:10", "9.50",
     "0.10000000000000", 0, 0, None, None),
    (3, V, "Closed", "P3", "20", None, "Ärende", "Normal", None, "2025-10-09T00:00:00", "-20.25",
     None, None, None, None, None),
    (4, V, "Released", "*", "20", "A/B 50%", "", None, "2024-02-29", "2025-10-10T00:00:01", "0.00",
     "3.00000000000000", 12345678901, 1, None, None),
    (5, V, "Released", "A/B 50%", "20", "GONE", "x", "Rush", "2025-12-31", "2025-12-31T23:59:59", None,
     None, -1, 0, None, None),
]  # fmt: skip
LINES = [(1, V, "P1", 1, "B-1"), (2, V, "P1", 2, "B#2"), (3, V, "P1", 10, None), (4, V, "P2", 1, "B-1")]
SUPPLIERS = [
    (1, V, "O'NEILL", "O'Neill & Sons", 1, "1000.00"),
    (2, V, "ÅKERLUND", "Åkerlund AB", 0, None),
    (3, V, "A/B 50%", "A/B", None, "0.50"),
]
ITEMS = [(1, V, "10", "Supplier", "I1"), (2, V, "20", "Supplier", "I1"), (3, V, "20", "Customer", "I2")]


def fill(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(SCHEMA)
        for table, rows in (
            ("purchase_order", ORDERS),
            ("purchase_order_line", LINES),
            ("supplier", SUPPLIERS),
            ("ledger_item", ITEMS),
        ):
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
        connection.commit()


@dataclass
class Tenant:
    """The running stand-in and a client with a live token."""

    world: World
    clock: VirtualClock
    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def token(self, **form: str) -> requests.Response:
        path = f"/auth/realms/{self.world.switches.realm}/protocol/openid-connect/token"
        return self.session.post(self.url + path, data={**CLIENT, **form}, timeout=10)

    def log_in(self) -> None:
        self.session.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"

    def address(self, resource: str, place: str = "main/ifsapplications/projection/v1") -> str:
        return f"{self.url}/{place}/{resource}"

    def send(
        self, method: str, resource: str, place: str = "main/ifsapplications/projection/v1", **more: Any
    ) -> requests.Response:
        return self.session.request(method, self.address(resource, place), timeout=10, **more)

    def get(
        self, resource: str, place: str = "main/ifsapplications/projection/v1", **headers: str
    ) -> requests.Response:
        return self.send("GET", resource, place, headers={name.replace("_", "-"): v for name, v in headers.items()})

    def orders(self, filter_text: str) -> list[str]:
        """The numbers of the orders that a filter gives."""
        answer = self.get(f"PurchaseOrderHandling.svc/PurchaseOrderSet?$filter={quote(filter_text)}&$orderby=OrderNo")
        assert answer.status_code == 200, answer.text
        return [row["OrderNo"] for row in answer.json()["value"]]

    def execute(self, sql: str, *params: Any) -> list[Any]:
        with closing(sqlite3.connect(self.world.database)) as connection, connection:
            return connection.execute(sql, params).fetchall()


@pytest.fixture(scope="session")
def order_set() -> Layout:
    return layouts(PURCHASING)["PurchaseOrderSet"]


@pytest.fixture(scope="session")
def line_set() -> Layout:
    return layouts(PURCHASING)["PurchaseOrderLines"]


@pytest.fixture(scope="session")
def item_set() -> Layout:
    return layouts(LEDGER)["LedgerItemSet"]


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tenant's data in a file that nobody changes."""
    path: Path = tmp_path_factory.mktemp("ifs") / "tenant.sqlite"
    fill(path)
    return path


@pytest.fixture
def database(filled: Path, tmp_path: Path) -> Path:
    """The tenant's data in a file."""
    return Path(shutil.copy(filled, tmp_path))


class Stage:
    """The application that the one server of a test run answers with: each test puts its own there."""

    app: Any = None
    url: str = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """A real server; starting and stopping it for every test would take most of the time."""
    stage = Stage()
    listener = Listener(stage)
    stage.url = listener.url
    listener.start()
    yield stage
    listener.stop()


@pytest.fixture
def tenant(database: Path, stage: Stage) -> Iterator[Tenant]:
    """A fresh tenant with a client that is logged in."""
    clock = VirtualClock()
    world = World(database, now=clock.now)
    stage.app = ifs_app(world, PROJECTIONS, modified={"purchase_order": "ChangedDate"})
    tenant = Tenant(world, clock, stage.url)
    tenant.log_in()
    with tenant.session:
        yield tenant
