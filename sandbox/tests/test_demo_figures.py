"""The figures' SQL: over the views of a small hand-made warehouse, its rows in Power BI, and the source's own rows."""

import json
import sqlite3
from contextlib import closing
from datetime import date
from decimal import Decimal

import duckdb
import pytest
from ifs_bi_sandbox.data import figures as source_figures
from ifs_bi_sandbox.data.changes import a_day_of_business
from ifs_bi_sandbox.data.generate import generate
from ifs_bi_sandbox.data.tables import table
from ifs_bi_sandbox.demo.errors import DemoError
from ifs_bi_sandbox.demo.figures import (
    FIGURES,
    OPEN_ORDERS,
    OUTSTANDING,
    SPEND,
    Company,
    companies,
    differences,
    report_of_source,
    report_of_tables,
    report_of_views,
    units,
)
from ifs_bi_sandbox.demo.places import DELETED_AT, TABLES, Control, copy_rows, power_bi, warehouse
from ifs_bi_sandbox.powerbi.datasets import Dataset, Table
from ifs_bi_sandbox.powerbi.values import COERCIONS
from ifs_bi_sandbox.servers import Sandbox

TODAY = date(2026, 11, 20)

# Columns with Power BI's type of each, and rows; a row with one value more than columns was deleted at the source.
GROUP = {
    "companies": (
        {"Company": "String", "Name": "String", "CurrencyCode": "String"},
        [("10", "Nordvik Industri AB", "SEK"), ("20", "Nordvik GmbH", None)],
    ),
    "suppliers": (
        {"SupplierId": "String", "Name": "String"},
        [("S1", "Åkerlund & Söner"), ("O'NEILL", '<b>"O\'Neill"</b>'), ("GONE", "Gone Ltd", "2026-11-01")],
    ),
    "purchase_orders": (
        {"OrderNo": "String", "VendorNo": "String", "Objstate": "String"},
        [
            ("1", "S1", "Released"),
            ("2", "S1", "Closed"),
            ("3", "S1", "Planned"),
            ("4", "NOBODY", "Confirmed"),
            ("5", "O'NEILL", "Received"),
            ("6", "S1", "Released", "2026-11-01"),
        ],
    ),
    "purchase_order_lines": (
        {"OrderNo": "String", "Objstate": "String", "CurrencyCode": "String", "NetAmtCurr": "Decimal"},
        [
            ("1", "Released", "EUR", "0.10"),
            ("1", "Arrived", "EUR", "0.20"),
            ("1", "Closed", "EUR", "5.00"),
            ("1", "Cancelled", "EUR", "5.00"),
            ("1", "Received", "SEK", "7.00"),
            ("1", "Released", "EUR", "5.00", "2026-11-01"),
            ("2", "Released", "EUR", "50.00"),
            ("3", "Released", "EUR", "50.00"),
            ("4", "Confirmed", "EUR", "1.01"),
            ("5", "Released", "USD", "12345678901234567.89"),
            ("6", "Released", "EUR", "50.00"),
        ],
    ),
    "ledger_items": (
        {
            "PartyType": "String",
            "DueDate": "DateTime",
            "Currency": "String",
            "FullCurrAmount": "Decimal",
            "ClearedCurrAmount": "Decimal",
        },
        [
            ("Supplier", "2026-10-01", "EUR", "100.00", "40.01"),
            ("Supplier", "2026-10-31", "EUR", "0.02", "0.00"),
            ("Supplier", "2026-10-31", "SEK", "10.00", "0.00"),
            ("Supplier", "2026-11-20", "EUR", "-3.00", "0.00"),  # a credit note
            ("Supplier", "2026-12-01", "EUR", "8.00", "8.00"),
            ("Customer", "2026-10-01", "EUR", "70.00", "0.00"),
            ("Supplier", "2026-10-01", "EUR", "70.00", "0.00", "2026-11-01"),
        ],
    ),
    "gl_accounts": (
        {"Company": "String", "Account": "String", "AccntType": "String"},
        [("10", "4010", "Cost"), ("10", "2440", "Liabilities"), ("20", "4010", "Assets"), ("20", "5010", "Cost")],
    ),
    "code_part_values": (
        {"Company": "String", "CodePart": "String", "CodePartValue": "String", "Description": "String"},
        [("10", "B", "110", "IT & data"), ("10", "C", "110", "Pumps"), ("20", "B", "120", "Sales")],
    ),
    "gl_voucher_rows": (
        {
            "Company": "String",
            "Account": "String",
            "CodeB": "String",
            "VoucherDate": "DateTime",
            "Amount": "Decimal",
        },
        [
            ("10", "4010", "110", "2026-11-01", "10.05"),
            ("10", "4010", "110", "2026-11-20", "-0.05"),
            ("10", "4010", "110", "2026-11-21", "99.00"),
            ("10", "4010", "110", "2026-10-31", "99.00"),
            ("10", "4010", None, "2026-11-05", "1.50"),
            ("10", "2440", "110", "2026-11-05", "99.00"),
            ("20", "4010", "120", "2026-11-05", "99.00"),
            ("20", "5010", "110", "2026-11-05", "2.25"),
            ("10", "4010", "110", "2026-11-05", "99.00", "2026-11-06"),
        ],
    ),
}

EXPECTED = {
    "open_purchase_orders": {
        ("NOBODY", "", "EUR"): Decimal("1.01"),
        ("O'NEILL", '<b>"O\'Neill"</b>', "USD"): Decimal("12345678901234567.89"),
        ("S1", "Åkerlund & Söner", "EUR"): Decimal("0.30"),
        ("S1", "Åkerlund & Söner", "SEK"): Decimal("7.00"),
    },
    "outstanding_supplier_invoices": {
        ("2026-10", "EUR"): Decimal("60.01"),
        ("2026-10", "SEK"): Decimal("10.00"),
        ("2026-11", "EUR"): Decimal("-3.00"),
    },
    "month_to_date_spend": {
        ("10", "", ""): Decimal("1.50"),
        ("10", "110", "IT & data"): Decimal("10.00"),
        ("20", "110", ""): Decimal("2.25"),
    },
}

WAREHOUSE_TYPES = {"String": "VARCHAR", "Decimal": "DECIMAL(38,2)", "DateTime": "DATE"}
VIEWS = {  # what the views show of the group, in the columns that the figures read
    "open_purchase_orders": (
        {"SupplierNo": "String", "SupplierName": "String", "CurrencyCode": "String", "OpenAmount": "Decimal"},
        [
            ("S1", "Åkerlund & Söner", "EUR", "0.10"),
            ("S1", "Åkerlund & Söner", "EUR", "0.20"),
            ("S1", "Åkerlund & Söner", "SEK", "7.00"),
            ("NOBODY", None, "EUR", "1.01"),
            ("O'NEILL", '<b>"O\'Neill"</b>', "USD", "12345678901234567.89"),
        ],
    ),
    "outstanding_supplier_invoices": (
        {"DueDate": "DateTime", "CurrencyCode": "String", "OpenAmount": "Decimal"},
        [
            ("2026-10-01", "EUR", "59.99"),
            ("2026-10-31", "EUR", "0.02"),
            ("2026-10-31", "SEK", "10.00"),
            ("2026-11-20", "EUR", "-3.00"),
        ],
    ),
    "spend_by_cost_centre": (
        {
            "Company": "String",
            "VoucherDate": "DateTime",
            "CostCentre": "String",
            "CostCentreName": "String",
            "Amount": "Decimal",
        },
        [
            ("10", "2026-11-01", "110", "IT & data", "10.05"),
            ("10", "2026-11-20", "110", "IT & data", "-0.05"),
            ("10", "2026-11-21", "110", "IT & data", "99.00"),
            ("10", "2026-10-31", "110", "IT & data", "99.00"),
            ("10", "2026-11-05", "", None, "1.50"),
            ("20", "2026-11-05", "110", None, "2.25"),
        ],
    ),
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "it's a warehouse.duckdb"
    columns, rows = GROUP["companies"]
    marked = [(*row, None) for row in rows] + [("30", "Gone Ltd", "EUR", "2026-11-01")]
    relations = {"companies": ({**columns, DELETED_AT: "DateTime"}, marked), **VIEWS}
    with duckdb.connect(path) as connection:
        for name, (columns, rows) in relations.items():
            typed = ", ".join(f'"{column}" {WAREHOUSE_TYPES[kind]}' for column, kind in columns.items())
            connection.execute(f'CREATE TABLE "{name}" ({typed})')
            connection.executemany(f'INSERT INTO "{name}" VALUES ({", ".join("?" for _ in columns)})', rows)
    return path


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(scale=300) as box:
        yield box


@pytest.fixture
def dataset(sandbox):
    held = Dataset("d-1", "IFS Cloud", "2026-11-20T12:00:00Z")
    for name, (columns, rows) in GROUP.items():
        coerce = [COERCIONS[kind] for kind in columns.values()]
        present = [row for row in rows if len(row) == len(columns)]
        stored = [tuple(None if v is None else c(v) for c, v in zip(coerce, row, strict=True)) for row in present]
        held.tables[name] = Table(name, columns)
        held.tables[name].rows.extend(stored)
    sandbox.world.powerbi[held.id] = held
    yield held
    sandbox.world.powerbi.clear()


def test_the_views_of_the_warehouse_give_the_known_figures(file):
    with warehouse(file) as views:
        assert report_of_views(views, TODAY) == EXPECTED


def test_power_bi_gives_the_same_figures_with_every_digit(sandbox, dataset):
    with power_bi(Control(sandbox.control_url), dataset.name) as tables:
        assert report_of_tables(tables, TODAY) == EXPECTED


def test_groups_come_sorted(file):
    with warehouse(file) as views:
        report = report_of_views(views, TODAY)
    assert all(list(groups) == sorted(groups) for groups in report.values())


def test_companies_have_their_name_and_currency(file):
    with warehouse(file) as tables:
        found = companies(tables)
    assert found == {"10": Company("10", "Nordvik Industri AB", "SEK"), "20": Company("20", "Nordvik GmbH", "")}


def test_the_warehouse_is_read_and_never_written(file):
    with warehouse(file) as tables, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        tables.execute("DELETE FROM warehouse.main.companies")


def test_a_warehouse_that_is_not_there_is_said_in_a_sentence(tmp_path):
    with pytest.raises(DemoError, match="no warehouse at"), warehouse(tmp_path / "none.duckdb"):
        pass


def test_a_view_that_is_missing_is_named(file):
    with duckdb.connect(file) as connection:
        connection.execute("DROP TABLE spend_by_cost_centre")
    with pytest.raises(DemoError, match="has no table spend_by_cost_centre"), warehouse(file):
        pass


def test_a_dataset_that_is_missing_is_named(sandbox):
    with (
        pytest.raises(DemoError, match="0 datasets of the name 'Other'"),
        power_bi(Control(sandbox.control_url), "Other"),
    ):
        pass


def test_amounts_in_a_column_of_doubles_are_refused(tmp_path):
    with duckdb.connect() as tables:
        for name, (columns, _) in GROUP.items():
            rows = tmp_path / f"{name}.json"
            rows.write_text(json.dumps([{"OrderNo": "1", "VendorNo": "S1", "Objstate": "Released", "NetAmtCurr": 0.1}]))
            copy_rows(
                tables, name, rows, {column: kind.replace("Decimal", "Double") for column, kind in columns.items()}
            )
        with pytest.raises(DemoError, match="no exact decimals"):
            report_of_tables(tables, TODAY)


def test_an_empty_table_gives_no_groups(tmp_path):
    rows = tmp_path / "rows.json"
    rows.write_text("[]")
    with duckdb.connect() as tables:
        for name, (columns, _) in GROUP.items():
            copy_rows(tables, name, rows, columns)
        assert report_of_tables(tables, TODAY) == {figure.name: {} for figure in FIGURES}


def test_a_cent_more_or_less_and_a_group_too_few_or_too_many_are_differences():
    found = {name: dict(groups) for name, groups in EXPECTED.items()}
    found["outstanding_supplier_invoices"]["2026-10", "EUR"] += Decimal("0.01")
    found["open_purchase_orders"]["NEW", "", "EUR"] = Decimal(1)
    del found["month_to_date_spend"]["20", "110", ""]
    told = {(each.figure, each.group): (each.expected, each.found) for each in differences(EXPECTED, found)}
    assert told == {
        (OPEN_ORDERS.title, ("NEW", "", "EUR")): (None, Decimal(1)),
        (OUTSTANDING.title, ("2026-10", "EUR")): (Decimal("60.01"), Decimal("60.02")),
        (SPEND.title, ("20", "110", "")): (Decimal("2.25"), None),
    }
    assert differences(EXPECTED, EXPECTED) == []


def test_amounts_of_different_currencies_or_companies_stay_apart():
    assert list(units(OPEN_ORDERS, EXPECTED[OPEN_ORDERS.name])) == ["EUR", "SEK", "USD"]
    assert list(units(SPEND, EXPECTED[SPEND.name])) == ["10", "20"]


SOURCE_TABLES = dict(
    zip(
        TABLES,
        (
            "company",
            "supplier_info",
            "purchase_order",
            "purchase_order_line",
            "ledger_item",
            "gen_led_voucher_row",
            "account",
            "accounting_code_part_value",
        ),
        strict=True,
    )
)
POWER_BI_KINDS = {"Decimal": "Decimal", "Date": "DateTime"}


def test_over_the_rows_of_the_source_the_sql_says_what_the_source_says(tmp_path):
    database = tmp_path / "group.sqlite"
    generate(database, scale=1000, seed=3)
    a_day_of_business(database)
    with duckdb.connect() as tables, closing(sqlite3.connect(database)) as source:
        for stream, name in SOURCE_TABLES.items():
            columns = {prop.name: POWER_BI_KINDS.get(prop.type, "String") for prop in table(name).properties}
            rows = tmp_path / f"{name}.json"
            rows.write_text(
                json.dumps([dict(zip(columns, row, strict=True)) for row in source.execute(table(name).select)])
            )
            copy_rows(tables, stream, rows, columns)
        known = source_figures.report(database)
        report = report_of_tables(tables, date.fromisoformat(known["today"]))
    expected = report_of_source(known)
    assert all(expected.values())
    assert report == expected
