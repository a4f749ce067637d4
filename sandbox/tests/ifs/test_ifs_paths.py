"""Addresses: keys, navigation, query options, endpoints, and who may read."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from conftest import Tenant

SERVICE = "PurchaseOrderHandling.svc"
ORDERS = f"{SERVICE}/PurchaseOrderSet"
LINES = f"{SERVICE}/PurchaseOrderLines"
ITEMS = "LedgerItemEntity.svc/LedgerItemSet"
ENTITY = "int/ifsapplications/entity/v1"
PARTY = "IfsApp.LedgerItemEntity.PartyType"


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("'P1'", "P1"),
        ("OrderNo='P1'", "P1"),
        ("OrderNo='%2A'", "*"),
        ("OrderNo=%27A%2FB%2050%25%27", "A/B 50%"),
    ],
)
def test_a_key_names_one_entity(tenant: Tenant, key: str, number: str) -> None:
    answer = tenant.get(f"{ORDERS}({key})")
    assert answer.json()["OrderNo"] == number
    assert answer.json()["@odata.context"] == tenant.address(f"{SERVICE}/$metadata#PurchaseOrderSet/$entity")


def test_a_quote_in_a_key_is_doubled(tenant: Tenant) -> None:
    assert tenant.get(f"{SERVICE}/Reference_Supplier('O''NEILL')").json()["Name"] == "O'Neill & Sons"


def test_a_key_may_hold_numbers_and_enums_in_any_order(tenant: Tenant) -> None:
    assert tenant.get(f"{LINES}(LineItemNo=2,OrderNo='P1')").json()["PartNo"] == "B#2"
    answer = tenant.get(f"{ITEMS}(Company='20',PartyType={PARTY}'Customer',ItemId='I2')", ENTITY)
    assert answer.json()["PartyType"] == "Customer"


@pytest.mark.parametrize(
    "key",
    [
        "OrderNo='P1'",
        "'P1'",
        "OrderNo='P1',LineItemNo='1'",
        "OrderNo=1,LineItemNo=1",
        "OrderNo='P1',LineItemNo=1,PartNo='x'",
        "OrderNo='P1',OrderNo='P1'",
        "OrderNo='P1' LineItemNo=1",
        "OrderNo='P1',LineItemNo=",
        "OrderNo='P1",
        "",
    ],
)
def test_what_is_no_key_is_a_bad_request(tenant: Tenant, key: str) -> None:
    assert tenant.get(f"{LINES}({key})").status_code == 400


def test_an_enum_in_a_key_must_be_qualified(tenant: Tenant) -> None:
    for wrong in ("'Customer'", f"{PARTY}'Nobody'", "IfsApp.LedgerItemEntity.Other'Customer'"):
        assert tenant.get(f"{ITEMS}(Company='20',PartyType={wrong},ItemId='I2')", ENTITY).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        f"{ORDERS}('nobody')",
        f"{SERVICE}/NoSet",
        f"{SERVICE}/NoSet('1')",
        f"{ORDERS}('P1')/NoRef",
        f"{ORDERS}('nobody')/VendorNoRef",
        f"{ORDERS}('nobody')/LinesArray",
        f"{ORDERS}/VendorNoRef",
        f"{ORDERS}/$value",
        "NoProjection.svc/PurchaseOrderSet",
        "PurchaseOrderHandling/PurchaseOrderSet",
        "PurchaseOrderHandling.svc('1')/PurchaseOrderSet",
        f"{SERVICE}/PurchaseOrderSet)x(",
    ],
)
def test_what_is_not_there_is_not_found(tenant: Tenant, path: str) -> None:
    answer = tenant.get(path)
    assert answer.status_code == 404
    assert answer.json() == {
        "error": {"code": "ODP_RESOURCE_NOTFOUND", "message": "Resource not found.", "details": []}
    }


# Navigation


def test_a_reference_leads_to_one_entity(tenant: Tenant) -> None:
    answer = tenant.get(f"{ORDERS}('P1')/VendorNoRef?$select=Name")
    assert answer.json() == {
        "@odata.context": tenant.address(f"{SERVICE}/$metadata#Reference_Supplier(Name)/$entity"),
        "Name": "O'Neill & Sons",
    }


def test_a_reference_that_leads_nowhere_has_no_content(tenant: Tenant) -> None:
    for order in ("P3", "A%2FB%2050%25"):
        assert tenant.get(f"{ORDERS}('{order}')/VendorNoRef").status_code == 204


def test_an_array_leads_to_a_collection(tenant: Tenant) -> None:
    body = tenant.get(f"{ORDERS}(OrderNo='P1')/LinesArray?$select=luname,LineItemNo&$orderby=LineItemNo desc").json()
    context = f"{SERVICE}/$metadata#PurchaseOrderSet(OrderNo='P1')/LinesArray(luname,LineItemNo)"
    assert body["@odata.context"] == tenant.address(context)
    assert [row["LineItemNo"] for row in body["value"]] == [10, 2, 1]
    assert tenant.get(f"{ORDERS}('P1')/LinesArray/$count?$filter=LineItemNo gt 1").text == "2"
    assert tenant.get(f"{ORDERS}('P3')/LinesArray").json()["value"] == []


def test_a_child_is_found_by_its_whole_key(tenant: Tenant) -> None:
    assert tenant.get(f"{ORDERS}('P1')/LinesArray(OrderNo='P1',LineItemNo=2)").json()["PartNo"] == "B#2"
    assert tenant.get(f"{ORDERS}('P2')/LinesArray(OrderNo='P1',LineItemNo=2)").status_code == 404
    assert tenant.get(f"{ORDERS}('P2')/VendorNoRef('x')").status_code == 400


def test_a_reference_can_be_expanded(tenant: Tenant) -> None:
    rows = tenant.get(f"{ORDERS}?$select=OrderNo&$expand=VendorNoRef($select=Name,OneTime)&$orderby=OrderNo").json()
    assert [row["VendorNoRef"] for row in rows["value"]] == [
        {"Name": "A/B", "OneTime": None},
        None,
        {"Name": "O'Neill & Sons", "OneTime": True},
        {"Name": "Åkerlund AB", "OneTime": False},
        None,
    ]


def test_an_expanded_reference_has_no_etag(tenant: Tenant) -> None:
    row = tenant.get(f"{ORDERS}('P1')?$expand=VendorNoRef", Accept="application/json;IEEE754Compatible=true").json()
    assert row["@odata.etag"]
    assert row["VendorNoRef"] == {
        "luname": "Supplier",
        "keyref": "SUPPLIER_ID=O'NEILL^",
        "Objgrants": None,
        "SupplierId": "O'NEILL",
        "Name": "O'Neill & Sons",
        "OneTime": True,
        "CreditLimit": "1000",
    }


@pytest.mark.parametrize(
    ("expand", "status"),
    [
        ("LinesArray", 501),
        ("VendorNoRef,LinesArray($select=PartNo)", 501),
        ("*", 501),
        ("VendorNoRef($expand=XRef)", 501),
        ("NoRef", 400),
        ("VendorNoRef($select=Nothing)", 400),
        ("", 400),
    ],
)
def test_other_expansions_are_refused(tenant: Tenant, expand: str, status: int) -> None:
    assert tenant.get(f"{ORDERS}?$expand={expand}").status_code == status


# Query options


def test_select_shows_the_members_in_their_order(tenant: Tenant) -> None:
    body = tenant.get(f"{ORDERS}?$select=TotalAmount,Objstate,OrderNo&$top=1").json()
    assert list(body["value"][0]) == ["@odata.etag", "Objstate", "OrderNo", "TotalAmount"]
    context = f"{SERVICE}/$metadata#PurchaseOrderSet(TotalAmount,Objstate,OrderNo)"
    assert body["@odata.context"] == tenant.address(context)


def test_rows_of_a_select_may_lack_their_etag(tenant: Tenant) -> None:
    tenant.world.switches.etag_with_select = False
    assert list(tenant.get(f"{ORDERS}('P1')?$select=OrderNo").json()) == ["@odata.context", "OrderNo"]
    assert "@odata.etag" in tenant.get(f"{ORDERS}('P1')").json()


def test_orderby_orders_by_value(tenant: Tenant) -> None:
    def numbers(orderby: str) -> list[str]:
        return [row["OrderNo"] for row in tenant.get(f"{ORDERS}?$orderby={orderby}").json()["value"]]

    assert numbers("TotalAmount desc,OrderNo") == ["P1", "P2", "*", "P3", "A/B 50%"]
    assert numbers("Objstate asc, OrderNo desc") == ["P3", "P2", "P1", "A/B 50%", "*"]


def test_count_counts_what_the_filter_gives(tenant: Tenant) -> None:
    body = tenant.get(f"{ORDERS}?$count=true&$top=1&$filter=Company eq '20'").json()
    assert list(body) == ["@odata.context", "@odata.count", "value"]
    assert (body["@odata.count"], len(body["value"])) == (3, 1)
    answer = tenant.get(f"{ORDERS}/$count?$filter=Company eq '20'")
    assert (answer.text, answer.headers["Content-Type"].partition(";")[0]) == ("3", "text/plain")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("$select=Nothing", 400),
        ("$select=", 400),
        ("$orderby=Nothing", 400),
        ("$orderby=OrderNo up", 400),
        ("$orderby=length(OrderNo)", 501),
        ("$top=-1", 400),
        ("$top=x", 400),
        ("$skip=1.5", 400),
        ("$count=yes", 400),
        ("$filter=", 400),
        ("$format=xml", 400),
        ("$nonsense=1", 400),
        ("$top=1&$top=2", 400),
        ("$skiptoken=zzz", 400),
        ("$select=%FF", 400),
        ("$search=x", 501),
        ("$apply=aggregate(TotalAmount with average as T)", 501),
        ("odata-debug=json&select-fields=OrderNo", 200),
        ("%24top=1", 200),
        ("$select=*", 200),
        ("$top=0", 200),
    ],
)
def test_options_are_checked(tenant: Tenant, query: str, status: int) -> None:
    assert tenant.get(f"{ORDERS}?{query}").status_code == status


def test_options_of_a_collection_do_not_fit_an_entity(tenant: Tenant) -> None:
    for option in ("$filter=OrderNo eq 'P1'", "$top=1", "$orderby=OrderNo", "$count=true"):
        assert tenant.get(f"{ORDERS}('P1')?{option}").status_code == 400
    assert tenant.get(f"{ORDERS}/$count?$select=OrderNo").status_code == 400
    assert tenant.get(f"{SERVICE}?$top=1").status_code == 400


def test_a_tenant_may_refuse_select_and_count_for_a_set(tenant: Tenant) -> None:
    tenant.world.switches.refuse_select = ["PurchaseOrderSet"]
    tenant.world.switches.refuse_count = ["PurchaseOrderSet"]
    for path in (f"{ORDERS}?$select=OrderNo", f"{ORDERS}?$count=true", f"{ORDERS}/$count"):
        assert tenant.get(path).status_code == 400
    for path in (ORDERS, f"{LINES}?$select=OrderNo&$count=true", f"{LINES}/$count"):
        assert tenant.get(path).status_code == 200


# Endpoints and rights


def test_a_projection_answers_on_all_endpoints(tenant: Tenant) -> None:
    for endpoint in ("main", "int", "b2b"):
        answer = tenant.get(f"{ORDERS}('P1')", f"{endpoint}/ifsapplications/projection/v1")
        assert f"/{endpoint}/ifsapplications/projection/v1/" in answer.json()["@odata.context"]
    for place in ("ext/ifsapplications/projection/v1", "main/ifsapplications/entity/v1"):
        assert tenant.get(ORDERS, place).status_code == 404


def test_an_entity_service_answers_on_its_endpoint_alone(tenant: Tenant) -> None:
    assert len(tenant.get(ITEMS, ENTITY).json()["value"]) == 3
    for place in ("main/ifsapplications/entity/v1", "int/ifsapplications/projection/v1"):
        assert tenant.get(ITEMS, place).status_code == 404


def test_an_entity_service_must_be_activated(tenant: Tenant) -> None:
    tenant.world.switches.inactive_entity_services = ["LedgerItemEntity"]
    assert tenant.get(ITEMS, ENTITY).json()["error"]["code"] == "ODP_RESOURCE_NOTFOUND"
    tenant.world.switches.inactive_entity_services = []
    assert tenant.get(ITEMS, ENTITY).status_code == 200


def test_a_missing_projection_is_not_found(tenant: Tenant) -> None:
    tenant.world.switches.missing_projections = ["PurchaseOrderHandling"]
    assert tenant.get(ORDERS).status_code == 404
    assert tenant.get(f"{SERVICE}/$metadata").status_code == 404


def test_a_projection_without_a_grant_is_forbidden(tenant: Tenant) -> None:
    tenant.world.switches.forbidden_projections = ["PurchaseOrderHandling"]
    answer = tenant.get(ORDERS)
    assert answer.status_code == 403
    assert answer.json()["error"] == {"code": "SE_UNAUTHORIZED", "message": "Insufficient privileges.", "details": []}


def test_rows_of_other_companies_are_not_there(tenant: Tenant) -> None:
    tenant.world.switches.allowed_companies = ["20"]
    assert tenant.orders("OrderNo ne ''") == ["*", "A/B 50%", "P3"]
    assert tenant.get(f"{ORDERS}/$count").text == "3"
    assert tenant.get(f"{ORDERS}('P1')").status_code == 404
    assert tenant.get(f"{ORDERS}('P1')/LinesArray").status_code == 404
    assert len(tenant.get(LINES).json()["value"]) == 4
    tenant.world.switches.allowed_companies = []
    answer = tenant.get(ORDERS)
    assert (answer.status_code, answer.json()["value"]) == (200, [])


def test_a_request_over_the_limit_is_told_to_wait(tenant: Tenant) -> None:
    tenant.world.switches.requests_per_minute = 2
    assert [tenant.get(ORDERS).status_code for _ in range(3)] == [200, 200, 429]
    answer = tenant.get(ORDERS)
    assert answer.headers["Retry-After"] == "1"
    assert "error" in answer.json()
    tenant.world.switches.retry_after = None
    assert "Retry-After" not in tenant.get(ORDERS).headers
    tenant.clock.advance(60)
    tenant.log_in()
    assert tenant.get(ORDERS).status_code == 200
    tenant.world.switches.requests_per_minute = 0
    assert {tenant.get(ORDERS).status_code for _ in range(5)} == {200}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", f"{ORDERS}('P1')", 405),
        ("POST", SERVICE, 405),
        ("POST", f"{SERVICE}/$metadata", 405),
        ("GET", f"{ORDERS}('P1')/IfsApp.PurchaseOrderHandling.PurchaseOrder_Release", 405),
        ("GET", f"{ORDERS}/IfsApp.PurchaseOrderHandling.PurchaseOrder_Default()", 501),
        ("GET", f"{ORDERS}('P1')/TotalAmount", 501),
    ],
)
def test_a_wrong_verb_is_told(tenant: Tenant, method: str, path: str, status: int) -> None:
    assert tenant.send(method, path).status_code == status


def test_a_plus_sign_in_a_query_is_a_plus_sign(tenant: Tenant) -> None:
    tenant.execute("UPDATE purchase_order SET NoteText = 'a+b' WHERE OrderNo = 'P1'")
    answer = tenant.get(f"{ORDERS}?$filter={quote('NoteText eq ')}'a+b'")
    assert [row["OrderNo"] for row in answer.json()["value"]] == ["P1"]
