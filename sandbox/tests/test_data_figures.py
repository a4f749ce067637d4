"""The three figures, on rows small enough to add up by hand, and against the definitions in another language."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from ifs_bi_sandbox.data import changes, clock, figures
from ifs_bi_sandbox.data.generate import generate
from ifs_bi_sandbox.data.tables import connect, create, transaction

if TYPE_CHECKING:
    from pathlib import Path

TODAY = date(2026, 11, 20)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    path = tmp_path / "group.db"
    create(path)
    with closing(connect(path)) as connection, transaction(connection):
        clock.start(connection, TODAY, {})
    return path


def add(database: Path, table: str, **row: Any) -> None:
    changes.apply(database, {"action": "insert", "table": table, "row": row})


def add_order(database: Path, number: str, state: str, lines: list[tuple[str, str]], vendor: str = "V") -> None:
    at = "2026-11-01T08:00:00"
    common = {"OrderNo": number, "Contract": "S01", "VendorNo": vendor, "CurrencyCode": "SEK", "DateEntered": at}
    add(database, "purchase_order", **common, Company="10", Objstate=state, TotalNetAmount="0")
    for line, (line_state, net) in enumerate(lines, start=1):
        numbers = {"LineNo": str(line), "ReleaseNo": "1", "BuyQtyDue": 1, "BuyUnitPrice": net, "NetAmtCurr": net}
        add(database, "purchase_order_line", **common, **numbers, Objstate=line_state)


def test_open_purchase_orders_are_the_open_lines_of_open_orders(empty: Path) -> None:
    add(empty, "supplier_info", SupplierId="V", Name="Vendor")
    add_order(empty, "1", "Released", [("Released", "10.10"), ("Closed", "1000"), ("Cancelled", "1000")])
    add_order(empty, "2", "Received", [("Received", "0.20")])
    add_order(empty, "3", "Stopped", [("Planned", "7")], vendor="unknown")
    for number, state in enumerate(("Closed", "Cancelled", "Planned"), start=4):
        add_order(empty, str(number), state, [("Released", "1000")])
    assert figures.open_purchase_orders(empty) == [
        ("V", "Vendor", "SEK", Decimal("10.30")),
        ("unknown", "", "SEK", Decimal("7.00")),
    ]


def test_outstanding_invoices_are_what_ledger_items_of_suppliers_lack(empty: Path) -> None:
    for number, (party, due, full, cleared) in enumerate(
        [
            ("Supplier", "2026-11-30", "100.10", "0"),
            ("Supplier", "2026-11-01", "50", "49.95"),
            ("Supplier", "2026-12-01", "80", "80"),
            ("Supplier", "2027-01-31", "-5", "0"),
            ("Customer", "2026-11-30", "1000", "0"),
        ]
    ):
        add(
            empty,
            "ledger_item",
            Company="10",
            Identity="V",
            PartyType=party,
            LedgerItemSeriesId="SI",
            LedgerItemId=str(number),
            LedgerItemVersion=1,
            Currency="EUR",
            FullCurrAmount=full,
            ClearedCurrAmount=cleared,
            FullDomAmount="0",
            ClearedDomAmount="0",
            DueDate=due,
            Objstate="Unpaid",
        )
    assert figures.outstanding_supplier_invoices(empty) == [
        ("2026-11", "EUR", Decimal("100.15")),
        ("2027-01", "EUR", Decimal("-5.00")),
    ]


def test_spend_is_what_the_ledger_has_on_cost_accounts_this_month_so_far(empty: Path) -> None:
    life = {"ValidFrom": "2020-01-01", "ValidUntil": "2049-12-31", "Company": "10"}
    for account, kind in (("5010", "Cost"), ("1930", "Assets")):
        kinds = {"AccntType": kind, "LogicalAccountType": kind}
        add(empty, "account", **life, **kinds, Account=account, Description="A", AccntGroup="G")
    add(empty, "accounting_code_part_value", **life, CodePart="B", CodePartValue="110", Description="Sales")
    add(empty, "accounting_code_part_value", **life, CodePart="C", CodePartValue="120", Description="not a centre")
    for number, (account, centre, on, amount) in enumerate(
        [
            ("5010", "110", "2026-11-01", "10.05"),
            ("5010", "110", "2026-11-20", "-0.05"),
            ("5010", "120", "2026-11-20", "3"),
            ("5010", None, "2026-11-20", "4"),
            ("5010", "110", "2026-11-21", "1000"),
            ("5010", "110", "2026-10-31", "1000"),
            ("1930", "110", "2026-11-20", "1000"),
        ]
    ):
        add(
            empty,
            "gen_led_voucher_row",
            Company="10",
            VoucherType="M",
            AccountingYear=2026,
            VoucherNo=number,
            RowNo=1,
            AccountingPeriod=11,
            VoucherDate=on,
            Account=account,
            CodeB=centre,
            CurrencyAmount=amount,
            Amount=amount,
            CurrencyCode="SEK",
            Rowkey=str(number),
        )
    assert figures.month_to_date_spend(empty, TODAY) == [
        ("10", "", "", Decimal("4.00")),
        ("10", "110", "Sales", Decimal("10.00")),
        ("10", "120", "", Decimal("3.00")),
    ]


def test_the_definitions_can_be_repeated_in_sql(tmp_path: Path) -> None:
    path = tmp_path / "group.db"
    generate(path, scale=3000, seed=8)
    changes.a_day_of_business(path)
    cents = "SUM(CAST(ROUND({} * 100) AS INTEGER))"
    with closing(sqlite3.connect(path)) as connection:
        orders = connection.execute(
            f"""SELECT o."VendorNo", COALESCE(s."Name", ''), l."CurrencyCode", {cents.format('l."NetAmtCurr"')}
            FROM purchase_order_line l JOIN purchase_order o ON o."OrderNo" = l."OrderNo"
            LEFT JOIN supplier_info s ON s."SupplierId" = o."VendorNo"
            WHERE l."Objstate" NOT IN ('Closed', 'Cancelled') AND o."Objstate" NOT IN ('Closed', 'Cancelled', 'Planned')
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
        ).fetchall()
        due = connection.execute(
            f"""SELECT substr("DueDate", 1, 7), "Currency", {cents.format('("FullCurrAmount" - "ClearedCurrAmount")')}
            FROM ledger_item WHERE "PartyType" = 'Supplier' AND "FullCurrAmount" <> "ClearedCurrAmount"
            GROUP BY 1, 2 ORDER BY 1, 2"""
        ).fetchall()
        spend = connection.execute(
            f"""SELECT r."Company", COALESCE(r."CodeB", ''), COALESCE(v."Description", ''), {cents.format('r."Amount"')}
            FROM gen_led_voucher_row r
            JOIN account a ON a."Company" = r."Company" AND a."Account" = r."Account" AND a."AccntType" = 'Cost'
            LEFT JOIN accounting_code_part_value v
              ON v."Company" = r."Company" AND v."CodePart" = 'B' AND v."CodePartValue" = r."CodeB"
            WHERE r."VoucherDate" BETWEEN '2026-11-01' AND '2026-11-20'
            GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
        ).fetchall()
    assert [(*row[:-1], Decimal(row[-1]) / 100) for row in orders] == figures.open_purchase_orders(path)
    assert [(*row[:-1], Decimal(row[-1]) / 100) for row in due] == figures.outstanding_supplier_invoices(path)
    assert [(*row[:-1], Decimal(row[-1]) / 100) for row in spend] == figures.month_to_date_spend(path, TODAY)
