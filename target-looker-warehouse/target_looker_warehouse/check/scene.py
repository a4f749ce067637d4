"""What the roll-up views are tried with, in `ifs-bi warehouse-check`. Pure: data."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from ifs_bi_core.columnar.columns import Kind

from target_looker_warehouse.check.step import DATE, INTEGER, MOMENT, STRING, decimal, lines
from target_looker_warehouse.views.catalogue import KINDS, VIEWS

_TYPES = {
    Kind.INTEGER: INTEGER,
    Kind.DECIMAL: decimal(38, 2),
    Kind.DATE: DATE,
    Kind.TIMESTAMP: MOMENT,
    Kind.TEXT: STRING,
}
_USUAL: dict[str, Any] = {
    "Company": "10",
    "StructureId": "S",
    "StructureItemType": "Node",
    "CodePart": "A",
    "VoucherType": "M",
    "AccountingYear": 2026,
    "AccountingPeriod": 11,
    "VoucherNo": 1,
    "RowNo": 1,
    "VoucherDate": "2026-11-01",
    "Account": "4010",
    "AccntType": "Cost",
    "OrderNo": "1",
    "LineNo": "1",
    "ReleaseNo": "1",
    "Objstate": "Released",
    "VendorNo": "V1",
    "SupplierId": "V1",
    "Identity": "V1",
    "PartyType": "Supplier",
    "LedgerItemSeriesId": "SI",
    "LedgerItemVersion": 1,
    "InvoiceId": 1,
    "Currency": "EUR",
    "CurrencyCode": "EUR",
    "ClearedCurrAmount": 0,
}
"""What a row says, if nothing else is said."""

_ROWS: dict[str, list[dict[str, Any]]] = {
    "account_structures": [{}],
    "account_structure_items": [
        {"StructureItem": "TOP"},
        {"StructureItem": "4010", "ItemAbove": "TOP", "StructureItemType": "CodePartValue"},
    ],
    "gl_accounts": [{}],
    "code_parts": [{"CodePart": "B"}],
    "code_part_values": [{"CodePart": "B", "CodePartValue": "100", "ValidFrom": "1899-01-01"}],
    "companies": [{}],
    "gl_voucher_rows": [{"CodeB": "100", "Amount": 0.1}, {"RowNo": 2, "CodeB": "100", "Amount": 0.2}],
    "vouchers": [{"VoucherNo": 2, "Amount": 5}],
    "suppliers": [{}],
    "purchase_orders": [{"OrderDate": "2026-11-01T08:30:00Z"}],
    "purchase_order_lines": [{"NetAmtCurr": 10.25}, {"LineNo": "2", "Objstate": "Closed", "NetAmtCurr": 1}],
    "supplier_invoices": [{"InvoiceDate": "2019-12-01"}],
    "ledger_items": [{"LedgerItemId": "A", "FullCurrAmount": 9.5, "DueDate": "2020-01-01"}],
}


class Sum(NamedTuple):
    """What a view's column adds up to."""

    view: str
    column: str
    amount: Decimal


def _lines(stream: str) -> list[str]:
    sources = (s for view in VIEWS for definition in view.definitions for s in definition.sources if s.stream == stream)
    names = dict.fromkeys(name for source in sources for name in (*source.needs, *source.may_lack))
    usual = {name: value for name, value in _USUAL.items() if name in names}
    properties = {name: _TYPES[KINDS.get(name, Kind.TEXT)] for name in names}
    return lines(stream, properties, *(usual | row for row in _ROWS[stream]), key="")


SCENE = [line for stream in _ROWS for line in _lines(stream)]
"""Rows of the streams that views read."""

VIEW_ROWS = {
    "gl_account_levels": 1,
    "gl_account_closure": 2,
    "cost_dimensions": 1,
    "all_journal_entries": 3,
    "open_purchase_orders": 1,
    "outstanding_supplier_invoices": 1,
    "spend_by_cost_centre": 1,
}
"""How many rows each view has then."""

SPENT = Sum("spend_by_cost_centre", "Amount", Decimal("0.3"))
