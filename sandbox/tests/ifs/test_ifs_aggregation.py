"""``$apply``: what comes back is what the rows add up to, whatever way the tenant pages."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from conftest import Tenant

ORDERS = "PurchaseOrderHandling.svc/PurchaseOrderSet"
EXACT = "application/json;odata.metadata=minimal;IEEE754Compatible=true"
BY_COMPANY = "groupby((Company),aggregate(TotalAmount with sum as Total,$count as Orders))"


def applied(tenant: Tenant, apply: str, more: str = "", **headers: str) -> Any:
    answer = tenant.get(f"{ORDERS}?$apply={quote(apply)}{more}", **headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_amounts_are_added_up_by_group(tenant: Tenant) -> None:
    found = applied(tenant, BY_COMPANY, "&$orderby=Company")
    assert found["value"] == [
        {"Company": "10", "Total": 109.5, "Orders": 2},
        {"Company": "20", "Total": -20.25, "Orders": 3},
    ]
    assert found["@odata.context"].endswith("$metadata#PurchaseOrderSet(Company,Total,Orders)")


def test_decimals_as_text_have_every_digit(tenant: Tenant) -> None:
    tenant.execute("UPDATE purchase_order SET Cost = '12345678901234567.12345678901234' WHERE OrderNo = 'P1'")
    (row,) = applied(tenant, "filter(Company eq '10')/aggregate(Cost with sum as Costs)", Accept=EXACT)["value"]
    assert row == {"Costs": "12345678901234567.22345678901234"}


def test_a_filter_comes_before_the_groups(tenant: Tenant) -> None:
    rows = applied(tenant, f"filter(VendorNo eq 'A/B 50%' or contains(OrderNo,'/'))/{BY_COMPANY}")["value"]
    assert rows == [{"Company": "20", "Total": 0, "Orders": 2}]


def test_null_is_a_group_and_least_and_greatest_are_there(tenant: Tenant) -> None:
    apply = "groupby((OrderKind),aggregate(TotalAmount with min as Least,TotalAmount with max as Most))"
    rows = applied(tenant, apply, "&$orderby=OrderKind")["value"]
    assert rows == [
        {"OrderKind": None, "Least": 0, "Most": 0},
        {"OrderKind": "Normal", "Least": -20.25, "Most": 100},
        {"OrderKind": "Rush", "Least": 9.5, "Most": 9.5},
    ]


def test_groups_without_totals_are_the_distinct_values(tenant: Tenant) -> None:
    rows = applied(tenant, "groupby((Company,Objstate))", "&$orderby=Company,Objstate desc")["value"]
    assert [tuple(row.values()) for row in rows] == [
        ("10", "Released"),
        ("10", "Planned"),
        ("20", "Released"),
        ("20", "Closed"),
    ]


def test_no_rows_have_no_groups_but_a_sum_of_all_that_is_null(tenant: Tenant) -> None:
    assert applied(tenant, f"filter(Company eq '99')/{BY_COMPANY}")["value"] == []
    assert applied(tenant, "filter(Company eq '99')/aggregate(NoteId with sum as T)")["value"] == [{"T": None}]


def test_rows_of_companies_that_the_user_may_not_see_are_not_added(tenant: Tenant) -> None:
    tenant.world.switches.allowed_companies = ["10"]
    assert [row["Company"] for row in applied(tenant, BY_COMPANY)["value"]] == ["10"]


@pytest.mark.parametrize("paging", ["client", "silent_cap", "next_absolute", "next_relative"])
def test_groups_come_page_by_page(tenant: Tenant, paging: str) -> None:
    tenant.world.switches.paging = paging
    tenant.world.switches.page_cap = tenant.world.switches.max_rows = 2
    first = applied(tenant, "groupby((OrderNo))", "&$orderby=OrderNo&$top=2")
    assert [row["OrderNo"] for row in first["value"]] == ["*", "A/B 50%"]
    rest = applied(tenant, "groupby((OrderNo))", "&$orderby=OrderNo&$top=2&$skip=4")
    assert [row["OrderNo"] for row in rest["value"]] == ["P3"]
    linked = applied(tenant, "groupby((OrderNo))", "&$orderby=OrderNo")
    assert ("@odata.nextLink" in linked) == paging.startswith("next_")


def test_a_sum_of_whole_numbers_is_one(tenant: Tenant) -> None:
    (row,) = applied(tenant, "aggregate(NoteId with sum as T)", Accept=EXACT)["value"]
    assert Decimal(row["T"]) == 7 + 0 + 12345678901 - 1


def test_a_set_may_refuse_it(tenant: Tenant) -> None:
    tenant.world.switches.refuse_apply = ["PurchaseOrderSet"]
    answer = tenant.get(f"{ORDERS}?$apply={quote(BY_COMPANY)}")
    assert answer.status_code == 400
    assert "$apply is not supported" in answer.text


@pytest.mark.parametrize(
    ("apply", "status"),
    [
        ("aggregate(TotalAmount with sum as Cost)", 400),  # the alias is a property
        ("aggregate(NoteText with sum as T)", 400),
        ("aggregate(Nothing with sum as T)", 400),
        ("aggregate(TotalAmount)", 400),
        ("groupby((Company),aggregate($count as N,NoteId with sum as N))", 400),
        ("groupby(Company)", 400),
        ("Company", 400),
        ("filter(Company eq '10')", 501),
        ("groupby((Company))/aggregate($count as N)", 501),
        ("groupby((Company),topcount(2,NoteId))", 501),
        ("filter(Company eq)/aggregate($count as N)", 400),
    ],
)
def test_what_is_no_aggregation_of_the_set_is_refused(tenant: Tenant, apply: str, status: int) -> None:
    assert tenant.get(f"{ORDERS}?$apply={quote(apply)}").status_code == status


def test_options_that_are_about_rows_have_no_place_beside_it(tenant: Tenant) -> None:
    for option in ("$select=Company", "$filter=Company eq '10'", "$count=true"):
        assert tenant.get(f"{ORDERS}?$apply={quote(BY_COMPANY)}&{option}").status_code == 501
