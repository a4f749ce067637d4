"""Rows and their envelope, against what was captured on real tenants."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_sandbox.ifs.rows import etag_maker

if TYPE_CHECKING:
    from conftest import Tenant

SERVICE = "PurchaseOrderHandling.svc"
ORDERS = f"{SERVICE}/PurchaseOrderSet"
EXACT = "application/json;odata.metadata=full;IEEE754Compatible=true"
LONGEST = 64**6 * 64 - 1


def decoded(etag: str) -> str:
    match = re.fullmatch(r'W/"([A-Za-z0-9+/=]+)"', etag)
    assert match
    return base64.b64decode(match[1]).decode()


def test_an_etag_is_the_weak_tag_of_a_rowid_and_a_row_version(tenant: Tenant) -> None:
    row = tenant.get(f"{ORDERS}('P1')").json()
    assert re.fullmatch(r'W/"[A-Za-z0-9+/]{18}:20251008171610"', decoded(row["@odata.etag"]))


@given(st.integers(1, LONGEST), st.integers(1, LONGEST))
def test_rowids_of_a_table_differ_and_have_oracles_length(one: int, other: int) -> None:
    etag = etag_maker("purchase_order")
    assert len(decoded(etag(one, "20251008171610"))) == len('W/"AAAZI2AAhAAA5vTAAA:20251008171610"')
    assert (etag(one, "20251008171610") == etag(other, "20251008171610")) == (one == other)


def test_a_change_moves_the_version_and_keeps_the_rowid(tenant: Tenant) -> None:
    before = decoded(tenant.get(f"{ORDERS}('P1')").json()["@odata.etag"])
    tenant.execute("UPDATE purchase_order SET _rowversion = '20251107201349' WHERE OrderNo = 'P1'")
    after = decoded(tenant.get(f"{ORDERS}('P1')").json()["@odata.etag"])
    assert after == before.replace("20251008171610", "20251107201349")


def test_a_row_has_its_members_in_the_captured_order(tenant: Tenant) -> None:
    body = tenant.get(f"{ORDERS}?$top=1&$orderby=ChangedDate,OrderNo").json()
    assert list(body) == ["@odata.context", "value"]
    assert body["@odata.context"] == tenant.address(f"{SERVICE}/$metadata#PurchaseOrderSet")
    row = body["value"][0]
    assert list(row)[:6] == ["@odata.etag", "luname", "keyref", "Objstate", "Objgrants", "OrderNo"]
    assert {name: row[name] for name in list(row)[1:]} == {
        "luname": "PurchaseOrder",
        "keyref": "ORDER_NO=P1^",
        "Objstate": "Released",
        "Objgrants": None,
        "OrderNo": "P1",
        "Company": "10",
        "VendorNo": "O'NEILL",
        "NoteText": "50% off_now",
        "OrderKind": "Normal",
        "OrderDate": "2025-07-01",
        "ChangedDate": "2025-10-08T17:16:10Z",
        "TotalAmount": 100,
        "Cost": 159.72666666666666,
        "NoteId": 7,
        "Confirmed": True,
        "AllowedOperations": "Cancel",
        "Cf_BiRegion": "Nord",
    }


def test_a_set_without_a_state_machine_has_no_objstate(tenant: Tenant) -> None:
    row = tenant.get(f"{SERVICE}/PurchaseOrderLines(OrderNo='P1',LineItemNo=10)").json()
    assert list(row) == [
        "@odata.context",
        "@odata.etag",
        "luname",
        "keyref",
        "Objgrants",
        "OrderNo",
        "LineItemNo",
        "PartNo",
    ]
    assert row["@odata.context"] == tenant.address(f"{SERVICE}/$metadata#PurchaseOrderLines/$entity")


def test_a_keyref_names_its_columns_in_alphabetical_order(tenant: Tenant) -> None:
    row = tenant.get(f"{SERVICE}/PurchaseOrderLines(OrderNo='P1',LineItemNo=10)").json()
    assert row["keyref"] == "LINE_ITEM_NO=10^ORDER_NO=P1^"


def test_reference_sets_have_no_etag(tenant: Tenant) -> None:
    answer = tenant.get(f"{SERVICE}/Reference_Supplier('%C3%85KERLUND')")
    assert "ETag" not in answer.headers
    assert list(answer.json())[:4] == ["@odata.context", "luname", "keyref", "Objgrants"]
    assert answer.json()["keyref"] == "SUPPLIER_ID=ÅKERLUND^"
    assert answer.json()["OneTime"] is False
    assert answer.json()["CreditLimit"] is None


def test_numbers_are_json_numbers_without_a_needless_point(tenant: Tenant) -> None:
    text = tenant.get(f"{ORDERS}?$orderby=NoteId&$select=TotalAmount,Cost,NoteId").text
    assert '{"@odata.etag"' in text
    rows = json.loads(text, parse_float=str, parse_int=str)["value"]
    assert [(row["TotalAmount"], row["Cost"], row["NoteId"]) for row in rows] == [
        ("-20.25", None, None),
        (None, None, "-1"),
        ("9.5", "0.1", "0"),
        ("100", "159.72666666666666", "7"),
        ("0", "3", "12345678901"),
    ]


def test_ieee754compatible_turns_decimals_and_the_count_into_strings(tenant: Tenant) -> None:
    answer = tenant.get(f"{ORDERS}?$orderby=NoteId&$count=true", Accept=EXACT)
    assert "IEEE754Compatible=true" in answer.headers["Content-Type"]
    body = answer.json()
    assert body["@odata.count"] == "5"
    assert [(row["TotalAmount"], row["Cost"], row["NoteId"]) for row in body["value"]] == [
        ("-20.25", None, None),
        (None, None, "-1"),
        ("9.5", "0.1", "0"),
        ("100", "159.72666666666666", "7"),
        ("0", "3", "12345678901"),
    ]


def test_format_may_ask_for_exact_decimals_too(tenant: Tenant) -> None:
    body = tenant.get(f"{ORDERS}('P1')?$format=application/json;IEEE754Compatible=true").json()
    assert body["TotalAmount"] == "100"
    assert tenant.get(f"{ORDERS}('P1')?$format=json").json()["TotalAmount"] == 100


def test_an_entity_comes_with_its_etag_as_a_header(tenant: Tenant) -> None:
    answer = tenant.get(f"{ORDERS}('P1')")
    assert answer.headers["ETag"] == answer.json()["@odata.etag"]
