"""Paging: in every mode the pages, joined as the mode asks, are all rows once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest
import requests
from ifs_bi_sandbox.ifs.paging import window
from ifs_bi_sandbox.ifs.query import Query
from ifs_bi_sandbox.world import Switches

if TYPE_CHECKING:
    from conftest import Tenant

ORDERS = "PurchaseOrderHandling.svc/PurchaseOrderSet"
ROWS = 23
ALL = [f"P{number:02}" for number in range(ROWS)]


@pytest.fixture
def many(tenant: Tenant) -> Tenant:
    tenant.execute("DELETE FROM purchase_order")
    marks = ", ".join("('20251008171610', 'Planned', ?, '10', '2025-10-08T17:16:10')" for _ in ALL)
    tenant.execute(
        f"INSERT INTO purchase_order (_rowversion, Objstate, OrderNo, Company, ChangedDate) VALUES {marks}", *ALL
    )
    return tenant


def follow(tenant: Tenant, resource: str) -> list[list[str]]:
    """The order numbers of each page, following nextLink."""
    address, pages = tenant.address(resource), []
    while True:
        answer = tenant.session.get(address, timeout=10)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        pages.append([row["OrderNo"] for row in body["value"]])
        if "@odata.nextLink" not in body:
            return pages
        address = urljoin(answer.request.url or "", body["@odata.nextLink"])


def test_the_client_pages_with_top_and_skip(many: Tenant) -> None:
    joined: list[str] = []
    while page := follow(many, f"{ORDERS}?$orderby=OrderNo&$top=5&$skip={len(joined)}"):
        if page == [[]]:
            break
        assert len(page) == 1
        joined += page[0]
    assert joined == ALL


def test_without_top_the_whole_set_comes(many: Tenant) -> None:
    many.world.switches.max_rows = 10
    assert follow(many, f"{ORDERS}?$orderby=OrderNo") == [ALL]


def test_a_larger_top_is_cut_silently(many: Tenant) -> None:
    many.world.switches.max_rows = 10
    assert follow(many, f"{ORDERS}?$orderby=OrderNo&$top=20") == [ALL[:10]]
    many.world.switches.max_rows = 0
    assert follow(many, f"{ORDERS}?$orderby=OrderNo&$top=20") == [ALL[:20]]


@pytest.mark.parametrize("mode", ["next_absolute", "next_relative"])
@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        ("$orderby=OrderNo", [10, 10, 3]),
        ("", [10, 10, 3]),
        ("$orderby=OrderNo&$top=15", [10, 5]),
        ("$orderby=OrderNo&$top=10", [10]),
        ("$orderby=OrderNo&$skip=3", [10, 10]),
        ("$orderby=OrderNo&$skip=2&$top=12", [10, 2]),
        ("$filter=OrderNo ge 'P05' and OrderNo ne 'P 0'&$orderby=OrderNo", [10, 8]),
    ],
)
def test_links_lead_through_all_rows(many: Tenant, mode: str, query: str, sizes: list[int]) -> None:
    many.world.switches.paging, many.world.switches.page_cap = mode, 10
    pages = follow(many, f"{ORDERS}?{query}")
    assert [len(page) for page in pages] == sizes
    first = ALL.index(pages[0][0])
    assert [number for page in pages for number in page] == ALL[first : first + sum(sizes)]


def test_a_link_is_absolute_or_relative_to_the_service(many: Tenant) -> None:
    many.world.switches.page_cap = 10
    many.world.switches.paging = "next_absolute"
    link = many.get(f"{ORDERS}?$orderby=OrderNo&$select=OrderNo").json()["@odata.nextLink"]
    assert link.startswith(many.address(f"{ORDERS}?$orderby=OrderNo&$select=OrderNo&$skiptoken="))
    many.world.switches.paging = "next_relative"
    link = many.get(f"{ORDERS}?$orderby=OrderNo&$skip=1").json()["@odata.nextLink"]
    assert link.startswith("PurchaseOrderSet?$orderby=OrderNo&$skiptoken=")


def test_linked_pages_obey_the_row_limit_too(many: Tenant) -> None:
    many.world.switches.paging, many.world.switches.max_rows = "next_absolute", 7
    assert [len(page) for page in follow(many, f"{ORDERS}?$orderby=OrderNo&$top=20")] == [7, 7, 6]


def test_a_silent_cap_shortens_every_answer(many: Tenant) -> None:
    many.world.switches.paging, many.world.switches.page_cap = "silent_cap", 10
    assert follow(many, f"{ORDERS}?$orderby=OrderNo") == [ALL[:10]]
    assert follow(many, f"{ORDERS}?$orderby=OrderNo&$top=20&$skip=20") == [ALL[20:]]
    assert follow(many, f"{ORDERS}?$orderby=OrderNo&$top=3") == [ALL[:3]]


def test_the_count_is_of_all_rows_on_every_page(many: Tenant) -> None:
    many.world.switches.paging, many.world.switches.page_cap = "next_absolute", 10
    body = many.get(f"{ORDERS}?$count=true&$orderby=OrderNo").json()
    assert list(body) == ["@odata.context", "@odata.count", "value", "@odata.nextLink"]
    second = requests.get(body["@odata.nextLink"], headers=many.session.headers, timeout=10).json()
    assert (body["@odata.count"], second["@odata.count"]) == (ROWS, ROWS)


def test_a_page_by_skip_drifts_when_a_row_is_deleted(many: Tenant) -> None:
    first = follow(many, f"{ORDERS}?$orderby=OrderNo&$top=5")[0]
    many.execute("DELETE FROM purchase_order WHERE OrderNo = 'P00'")
    second = follow(many, f"{ORDERS}?$orderby=OrderNo&$top=5&$skip=5")[0]
    assert "P05" not in first + second


def test_without_orderby_the_order_may_change(many: Tenant) -> None:
    many.world.switches.unstable_order = True
    assert sorted(page[0][0] for page in (follow(many, f"{ORDERS}?$top=1") for _ in range(2))) == [ALL[0], ALL[-1]]
    assert {follow(many, f"{ORDERS}?$top=1&$orderby=OrderNo")[0][0] for _ in range(3)} == {ALL[0]}


def test_an_unknown_mode_is_told() -> None:
    with pytest.raises(ValueError, match="'sideways'"):
        window(Query(), Switches(paging="sideways"))
