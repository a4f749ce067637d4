"""A small company's first days, which were recorded in the first format, and the day after, which today's code brings."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from pipeline.recorded import ORDERS_SCHEMA, order, state
from pipeline.tenant import COMPANIES, Tenant

if TYPE_CHECKING:
    from pathlib import Path

MASTER_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
"""Of the recorded vaults: 32 bytes that count up, worth nothing."""
SECRET = ("upgrade", "a secret of the first format")
"""Name and value of what lies in them."""
STATE = "state.json"
STATE_DIR = "state"
WAREHOUSE = "warehouse"
RECORDED = "/recorded"
"""What stands in recorded files for the folder that they were recorded in."""
PLAIN_LETTER, SEALED_LETTER = 900, 901
"""The orders that were refused: before there was a vault, and after."""
BATCH_ROWS = 10


def first_days(folder: Path) -> Tenant:
    """The tenant as it was when the formats were recorded."""
    tenant = Tenant(folder)
    for company in COMPANIES:
        for number in range(6):
            tenant.put(company, number)
            tenant.hold(company, number)
            if number % 2:
                tenant.post(company, number)
        tenant.tick()
    tenant.tick()
    return tenant


def next_day(tenant: Tenant) -> None:
    """A row of each kind: changed, new, gone, entered, and a voucher that was posted."""
    tenant.put("10", 2)
    tenant.put("20", 7)
    tenant.remove("30", 3)
    tenant.hold("10", 8)
    tenant.post("20", 4)
    tenant.tick()


def orders(refused: int) -> list[dict[str, Any]]:
    """Orders, of which one has no amount that a column could hold."""
    return [ORDERS_SCHEMA, *(order(n, n + 0.5, 1) for n in range(12)), order(refused, "much", 1), state("orders")]


def warehouse(folder: Path) -> dict[str, Any]:
    """The configuration of the target, which is the same before the upgrade and after it."""
    return {
        "warehouse_url": f"duckdb:///{folder / 'warehouse.duckdb'}",
        "hard_delete": True,
        "state_dir": str(folder / STATE_DIR),
        "batch_size_rows": BATCH_ROWS,
        "retain_payload_days": 36_500,
        "retain_trail_days": 36_500,
    }


def move(folder: Path, old: str, new: str) -> None:
    """Write another path wherever files of a recorded folder name the one that they lay in."""
    for file in [*folder.rglob("*.json"), *folder.rglob("*.sql")]:
        file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")
    with closing(sqlite3.connect(folder / STATE_DIR / "ledger.db")) as ledger, ledger:
        for (table,) in ledger.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            for _, column, kind, *_ in ledger.execute(f"PRAGMA table_info({table})").fetchall():
                if kind == "TEXT":
                    ledger.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (old, new))
