"""The views in warehouses that only emulators stand for here: they show the same rows as in DuckDB."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest
from target_looker_warehouse.views.catalogue import VIEWS
from target_looker_warehouse.views.rendering import column_names, view_name
from view_rows import lines

DUE = [("A", "2020-01-01"), ("B", "2999-12-31")]
SCENE = [
    *lines("account_structures", {}),
    *lines(
        "account_structure_items",
        {"StructureItem": "TOP", "Description": "Top"},
        {"StructureItem": "LOW", "ItemAbove": "TOP", "Description": "Low"},
        {"StructureItem": "4010", "ItemAbove": "LOW", "StructureItemType": "CodePartValue"},
        {"StructureItem": "3010", "ItemAbove": "TOP", "StructureItemType": "CodePartValue"},
    ),
    *lines("gl_accounts", {"Description": "Material"}, {"Account": "3010", "AccntType": "Revenues"}),
    *lines("code_parts", {"CodePart": "B", "CodeName": "Cost centre"}),
    *lines(
        "code_part_values",
        {
            "CodePart": "B",
            "CodePartValue": "100",
            "Description": "Plant",
            "ValidFrom": "1899-01-01",
            "ValidUntil": "2099-12-31",
        },
    ),
    *lines("companies", {"CurrencyCode": "SEK"}),
    *lines(
        "gl_voucher_rows",
        {"CodeB": "100", "Amount": 0.1},
        {"RowNo": 2, "CodeB": "100", "Amount": 0.2},
        {"RowNo": 3, "Account": "3010", "Amount": -7},
    ),
    *lines(
        "vouchers", {"RowNo": 3, "Account": "3010", "Amount": -7}, {"VoucherNo": 2, "Amount": 5, "Text": "Å 'quoted'"}
    ),
    *lines("suppliers", {"SupplierId": "V1", "Name": "Åkerlund"}),
    *lines("purchase_orders", {"OrderNo": "1", "OrderDate": "2026-11-01T08:30:00Z"}),
    *lines(
        "purchase_order_lines",
        {"OrderNo": "1", "NetAmtCurr": 10.25},
        {"OrderNo": "1", "LineNo": "2", "Objstate": "Closed"},
    ),
    *lines("supplier_invoices", {"InvoiceId": 1, "InvoiceNo": "RE 1", "InvoiceDate": "2019-12-01"}),
    *lines(
        "ledger_items",
        *(
            {"LedgerItemId": name, "InvoiceId": 1, "FullCurrAmount": 9.5, "FullDomAmount": 95, "DueDate": due}
            for name, due in DUE
        ),
        ClearedDomAmount={"type": ["number", "null"]},
    ),
]


def plain(value):
    if isinstance(value, float):  # fakesnow adds decimals up as doubles; Snowflake doesn't
        return Decimal(f"{value:.2f}")
    if isinstance(value, int | Decimal):
        return Decimal(value)
    return value.isoformat()[:19] if isinstance(value, datetime) else value


def shown(box):
    """The rows of every view."""
    found = {}
    dialect = replace(box.dialect, identifier_case=box.config.get("identifier_case", box.dialect.identifier_case))
    for view in VIEWS:
        columns = ", ".join(map(dialect.quoted, column_names(view, dialect).values()))
        rows = box.query(f"SELECT {columns} FROM {box.place(view_name(view, dialect))}")
        found[view.name] = sorted((tuple(map(plain, row)) for row in rows), key=repr)
    return found


@pytest.mark.prove
@pytest.mark.parametrize("warehouse", ["snowflake", "bigquery", "redshift"])
def test_an_emulated_warehouse_shows_what_duckdb_shows(request, duckdb_box, warehouse):
    duckdb_box.feed(*SCENE)
    box = request.getfixturevalue(f"{warehouse}_box")
    box.feed(*SCENE, views=True)
    expected, found = shown(duckdb_box), shown(box)
    for name, rows in expected.items():
        assert rows, name
        assert found[name] == rows, name
