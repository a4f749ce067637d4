"""Writes: ETags guard them, and every change moves the row version."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from requests import Response

    from conftest import Tenant

ORDERS = "PurchaseOrderHandling.svc/PurchaseOrderSet"
P1 = f"{ORDERS}('P1')"
RELEASE = f"{ORDERS}('P2')/IfsApp.PurchaseOrderHandling.PurchaseOrder_Release"
NEW = {"OrderNo": "N/1", "Company": "10", "TotalAmount": 12.5, "ChangedDate": "2020-01-01T00:00:00Z", "Confirmed": True}


def change(tenant: Tenant, method: str, path: str, body: Any = None, match: str | None = None) -> Response:
    headers = {} if match is None else {"If-Match": match}
    return tenant.send(method, path, json=body, headers=headers)


def version(row: dict[str, Any]) -> str:
    return base64.b64decode(row["@odata.etag"][3:-1]).decode()[-15:-1]


@pytest.mark.parametrize(("method", "path"), [("PATCH", P1), ("DELETE", P1), ("POST", RELEASE)])
def test_a_change_needs_if_match(tenant: Tenant, method: str, path: str) -> None:
    answer = change(tenant, method, path, {})
    assert (answer.status_code, answer.json()["error"]["code"]) == (428, "ODP_MISSING_PRECONDITION")


@pytest.mark.parametrize(("method", "path"), [("PATCH", P1), ("DELETE", P1), ("POST", RELEASE)])
def test_a_stale_etag_is_refused(tenant: Tenant, method: str, path: str) -> None:
    entity = path.partition("/IfsApp")[0]
    etag = tenant.get(entity).json()["@odata.etag"]
    tenant.execute("UPDATE purchase_order SET _rowversion = '20260101000000'")
    before = tenant.get(entity).json()
    assert change(tenant, method, path, {}, etag).status_code == 412
    assert tenant.get(entity).json() == before


def test_a_patch_changes_columns_and_moves_the_row(tenant: Tenant) -> None:
    before = tenant.get(P1).json()
    answer = change(tenant, "PATCH", P1, {"TotalAmount": 7.25, "NoteText": None}, before["@odata.etag"])
    assert answer.status_code == 200
    after = tenant.get(P1).json()
    assert answer.json() == after
    assert answer.headers["ETag"] == after["@odata.etag"]
    assert (after["TotalAmount"], after["NoteText"]) == (7.25, None)
    assert version(after) > version(before)
    assert after["ChangedDate"] == "2025-10-08T17:16:11Z"
    changed = {"@odata.etag", "TotalAmount", "NoteText", "ChangedDate"}
    assert {name for name in after if after[name] != before[name]} == changed


def test_the_second_of_two_writers_loses(tenant: Tenant) -> None:
    etag = tenant.get(P1).json()["@odata.etag"]
    assert change(tenant, "PATCH", P1, {"NoteText": "mine"}, etag).status_code == 200
    assert change(tenant, "PATCH", P1, {"NoteText": "theirs"}, etag).status_code == 412
    assert tenant.get(P1).json()["NoteText"] == "mine"


def test_a_star_matches_any_version(tenant: Tenant) -> None:
    assert change(tenant, "PATCH", P1, {"NoteText": "x"}, "*").status_code == 200
    assert change(tenant, "DELETE", P1, None, "*").status_code == 204
    assert tenant.get(P1).status_code == 404
    assert change(tenant, "DELETE", P1, None, "*").status_code == 404


def test_an_action_moves_the_state(tenant: Tenant) -> None:
    etag = tenant.get(f"{ORDERS}('P2')").json()["@odata.etag"]
    answer = change(tenant, "POST", RELEASE, {}, etag)
    assert (answer.status_code, answer.json()["Objstate"]) == (200, "Released")
    assert tenant.get(f"{ORDERS}('P2')").json()["@odata.etag"] != etag


@pytest.mark.parametrize(
    "action", ["IfsApp.PurchaseOrderHandling.PurchaseOrder_Explode", "IfsApp.X.PurchaseOrder_Close"]
)
def test_an_unknown_action_is_not_found(tenant: Tenant, action: str) -> None:
    assert change(tenant, "POST", f"{P1}/{action}", {}, "*").status_code == 404


def test_a_post_creates_a_row(tenant: Tenant) -> None:
    answer = change(tenant, "POST", ORDERS, NEW)
    assert answer.status_code == 201
    assert answer.headers["Location"] == tenant.address(f"{ORDERS}(OrderNo='N%2F1')")
    row = tenant.session.get(answer.headers["Location"], timeout=10).json()
    assert row == answer.json()
    assert row["Objstate"] == "Planned"
    assert row["TotalAmount"] == 12.5
    assert row["Confirmed"] is True
    assert row["ChangedDate"] == "2025-10-08T17:16:11Z"  # the server's, not the one that was sent
    assert tenant.execute("SELECT TotalAmount FROM purchase_order WHERE OrderNo = 'N/1'") == [("12.50",)]


def test_decimals_may_be_written_as_strings(tenant: Tenant) -> None:
    answer = change(tenant, "PATCH", P1, {"TotalAmount": "-0.05", "Cost": "0.12345678901234"}, "*")
    assert answer.json()["Cost"] == 0.12345678901234
    assert tenant.execute("SELECT TotalAmount, Cost FROM purchase_order WHERE OrderNo = 'P1'") == [
        ("-0.05", "0.12345678901234")
    ]


@pytest.mark.parametrize(
    "body",
    [
        {"Nothing": 1},
        {"TotalAmount": 1.005},
        {"TotalAmount": "much"},
        {"TotalAmount": True},
        {"NoteId": 1.5},
        {"Confirmed": "TRUE"},
        {"OrderDate": "01.07.2025"},
        {"ChangedDate": "2025-07-01"},
        {"OrderKind": "Slow"},
        {"NoteText": "x" * 21},
        {"NoteText": 5},
        {"Company": None},
        {"OrderNo": "P9"},
        [1],
        "text",
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_changes(tenant: Tenant, body: Any) -> None:
    before = tenant.execute("SELECT * FROM purchase_order")
    assert change(tenant, "PATCH", P1, body, "*").status_code == 400
    assert tenant.execute("SELECT * FROM purchase_order") == before


def test_a_body_that_is_no_json_cannot_be_deserialized(tenant: Tenant) -> None:
    answer = tenant.send("PATCH", P1, data=b"{", headers={"If-Match": "*"})
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "code": "ODP_DESERIALIZATION_ERROR",
        "message": "Error while de-serializing contents.",
        "details": [],
    }


@pytest.mark.parametrize("body", [{**NEW, "OrderNo": "P1"}, {"OrderNo": "N2"}, {"Company": "10"}, {}])
def test_a_row_that_exists_or_lacks_a_value_is_not_created(tenant: Tenant, body: dict[str, Any]) -> None:
    answer = change(tenant, "POST", ORDERS, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "DATABASE_ERROR")
    assert answer.json()["error"]["message"].startswith("ORA-")


def test_a_numbered_set_gives_a_new_row_the_next_number(tenant: Tenant) -> None:
    without = {name: value for name, value in NEW.items() if name != "OrderNo"}
    assert change(tenant, "POST", ORDERS, without).status_code == 400
    tenant.world.switches.numbered_sets = ["PurchaseOrderSet"]
    first, second = (change(tenant, "POST", ORDERS, without) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert int(second.json()["OrderNo"]) == int(first.json()["OrderNo"]) + 1
    assert first.headers["Location"].endswith(f"(OrderNo='{first.json()['OrderNo']}')")
    assert change(tenant, "POST", ORDERS, NEW).json()["OrderNo"] == "N/1"


def test_rows_of_other_companies_cannot_be_written(tenant: Tenant) -> None:
    tenant.world.switches.allowed_companies = ["20"]
    assert change(tenant, "PATCH", P1, {}, "*").status_code == 404
    assert change(tenant, "POST", ORDERS, NEW).status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", P1),
        ("PATCH", ORDERS),
        ("DELETE", ORDERS),
        ("PATCH", f"{P1}/VendorNoRef"),
        ("POST", f"{P1}/LinesArray"),
        ("PATCH", "PurchaseOrderHandling.svc/Reference_Supplier('x')"),
        ("POST", "AllProjections.svc/Projections"),
    ],
)
def test_other_resources_cannot_be_written(tenant: Tenant, method: str, path: str) -> None:
    assert change(tenant, method, path, {}, "*").status_code == 405


def test_a_reader_is_not_stopped_by_a_writer(tenant: Tenant) -> None:
    assert tenant.execute("PRAGMA journal_mode") == [("wal",)]
