"""Rows of the streams that views read, short to write: what a test doesn't say is the same in all of them."""

from __future__ import annotations

from typing import Any

from ifs_bi_core.columnar.columns import Kind
from singer_lines import DATE, INTEGER, MOMENT, MONEY, STRING, record, schema
from target_looker_warehouse.views.catalogue import KINDS, VIEWS

SOURCES = [source for view in VIEWS for definition in view.definitions for source in definition.sources]
STREAMS = sorted({source.stream for source in SOURCES})
_TYPES = {Kind.INTEGER: INTEGER, Kind.DECIMAL: MONEY, Kind.DATE: DATE, Kind.TIMESTAMP: MOMENT, Kind.TEXT: STRING}
_KEYS = {
    "account_structure_items": ["Company", "StructureId", "StructureItem"],
    "account_structures": ["Company", "StructureId"],
    "code_part_values": ["Company", "CodePart", "CodePartValue"],
    "code_parts": ["Company", "CodePart"],
    "companies": ["Company"],
    "gl_accounts": ["Company", "Account"],
    "ledger_items": ["Company", "Identity", "PartyType", "LedgerItemSeriesId", "LedgerItemId", "LedgerItemVersion"],
    "purchase_order_lines": ["OrderNo", "LineNo", "ReleaseNo"],
    "purchase_orders": ["OrderNo"],
    "supplier_invoices": ["Company", "InvoiceId"],
    "suppliers": ["SupplierId"],
}
_VOUCHER_ROW = ["Company", "VoucherType", "AccountingYear", "VoucherNo", "RowNo"]
USUAL: dict[str, Any] = {
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
    "LineNo": "1",
    "ReleaseNo": "1",
    "Objstate": "Released",
    "VendorNo": "V1",
    "PartyType": "Supplier",
    "LedgerItemSeriesId": "SI",
    "LedgerItemVersion": 1,
    "Identity": "V1",
    "Currency": "EUR",
    "CurrencyCode": "EUR",
    "ClearedCurrAmount": 0,
}


def properties(stream: str) -> dict[str, dict[str, Any]]:
    """What a stream's SCHEMA says of the properties that views read."""
    names = [name for source in SOURCES if source.stream == stream for name in (*source.needs, *source.may_lack)]
    return {name: _TYPES[KINDS.get(name, Kind.TEXT)] for name in dict.fromkeys(names)}


def lines(stream: str, *rows: dict[str, Any], without: tuple[str, ...] = (), **types: Any) -> list[str]:
    """A SCHEMA and rows of a stream.

    Args:
        stream: its name.
        rows: what they say beyond the usual.
        without: properties that the SCHEMA doesn't have.
        types: properties with another definition than the usual one.
    """
    known = {name: types.get(name, each) for name, each in properties(stream).items() if name not in without}
    usual = {name: value for name, value in USUAL.items() if name in known}
    return [
        schema(stream, _KEYS.get(stream, _VOUCHER_ROW), **known, _sdc_deleted_at=MOMENT),
        *(record(stream, usual | row) for row in rows),
    ]


def all_streams() -> list[str]:
    """A SCHEMA of every stream, and no rows."""
    return [line for stream in STREAMS for line in lines(stream)]
