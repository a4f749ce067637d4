"""``$filter``: what it gives, what it refuses, and that keyset paging walks an index."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_sandbox.ifs.errors import OdpError
from ifs_bi_sandbox.ifs.filter import condition
from ifs_bi_sandbox.ifs.rows import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ifs_bi_sandbox.ifs.layout import Layout

    from conftest import Tenant

STATE = "IfsApp.PurchaseOrderHandling.PurchaseOrderState"
KIND = "IfsApp.PurchaseOrderHandling.OrderKind"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # comparisons
        ("OrderNo eq 'P1'", ["P1"]),
        ("OrderNo ne 'P1'", ["*", "A/B 50%", "P2", "P3"]),
        ("OrderNo gt 'P1'", ["P2", "P3"]),
        ("OrderNo ge 'P1' and OrderNo lt 'P3'", ["P1", "P2"]),
        ("'P2' le OrderNo", ["P2", "P3"]),
        ("OrderNo in ('P1','*')", ["*", "P1"]),
        ("OrderNo in ('P1')", ["P1"]),
        ("NoteId in (7, -1)", ["A/B 50%", "P1"]),
        ("VendorNo eq 'O''NEILL'", ["P1"]),
        ("OrderNo eq '*'", ["*"]),
        # numbers are compared as numbers, however they are stored
        ("TotalAmount gt 9", ["P1", "P2"]),
        ("TotalAmount eq 9.5", ["P2"]),
        ("TotalAmount lt 0", ["P3"]),
        ("TotalAmount eq 100", ["P1"]),
        ("Cost eq 159.72666666666666", ["P1"]),
        ("Cost gt 1e2", ["P1"]),
        ("NoteId eq 12345678901", ["*"]),
        ("NoteId lt 99999999999999999999", ["*", "A/B 50%", "P1", "P2"]),
        ("NoteId add 1 eq 8", ["P1"]),
        ("NoteId sub 1 eq -2", ["A/B 50%"]),
        ("NoteId mul 2 eq 14", ["P1"]),
        ("NoteId div 2 eq 3.5", ["P1"]),
        ("-NoteId eq 1", ["A/B 50%"]),
        # booleans and enumerations
        ("Confirmed eq true", ["*", "P1"]),
        ("Confirmed", ["*", "P1"]),
        ("not Confirmed", ["A/B 50%", "P2"]),
        ("Confirmed eq false", ["A/B 50%", "P2"]),
        (f"Objstate eq {STATE}'Released'", ["*", "A/B 50%", "P1"]),
        (f"Objstate ne {STATE}'Released'", ["P2", "P3"]),
        (f"Objstate in ({STATE}'Planned',{STATE}'Closed')", ["P2", "P3"]),
        (f"{KIND}'Rush' eq OrderKind", ["A/B 50%", "P2"]),
        # dates and timestamps, unquoted
        ("OrderDate ge 2025-07-02", ["A/B 50%", "P2"]),
        ("ChangedDate gt 2025-10-09T00:00:00Z", ["*", "A/B 50%"]),
        ("ChangedDate ge 2025-10-09T00:00:00.000Z", ["*", "A/B 50%", "P3"]),
        ("ChangedDate gt 2025-10-10T00:00:00.5Z", ["*", "A/B 50%"]),
        ("ChangedDate eq 2025-10-09T02:00:00+02:00", ["P3"]),
        ("ChangedDate le 2025-10-09T00:00Z", ["P1", "P2", "P3"]),
        # null: as in Oracle, a comparison with it is unknown
        ("VendorNo eq null", ["P3"]),
        ("VendorNo ne null", ["*", "A/B 50%", "P1", "P2"]),
        ("null eq OrderDate", ["P3"]),
        ("VendorNo ne 'GONE'", ["*", "P1", "P2"]),
        ("not (VendorNo eq 'GONE')", ["*", "P1", "P2"]),
        ("NoteId gt null", []),
        # and, or, not
        ("Company eq '10' or Company eq '20' and OrderNo eq 'P3'", ["P1", "P2", "P3"]),
        ("(Company eq '10' or Company eq '20') and OrderNo eq 'P3'", ["P3"]),
        ("not(Company eq '10') and not (OrderNo eq 'P3')", ["*", "A/B 50%"]),
        ("((Company eq '10'))", ["P1", "P2"]),
        ("  Company eq '10'  ", ["P1", "P2"]),
        # functions
        ("contains(NoteText,'50%')", ["P1"]),
        ("contains(NoteText, 'off_now')", ["P1"]),
        ("contains(NoteText,'')", ["*", "A/B 50%", "P1", "P3"]),
        ("contains(NoteText,null)", []),
        ("startswith(OrderNo,'P')", ["P1", "P2", "P3"]),
        ("startswith(tolower(VendorNo),'å')", ["P2"]),
        ("endswith(VendorNo,'LUND')", ["P2"]),
        ("endswith(VendorNo,'')", ["*", "A/B 50%", "P1", "P2"]),
        ("toupper(NoteText) eq 'ÄRENDE'", ["P3"]),
        ("length(OrderNo) eq 2", ["P1", "P2", "P3"]),
        ("indexof(OrderNo,'1') eq 1", ["P1"]),
        ("substring(VendorNo,2) eq 'NEILL'", ["P1"]),
        ("substring(VendorNo,0,2) eq 'ÅK'", ["P2"]),
        ("trim(' P1 ') eq OrderNo", ["P1"]),
        ("concat(concat(Company,'-'),OrderNo) eq '20-P3'", ["P3"]),
        ("startswith(OrderNo,'P') eq false", ["*", "A/B 50%"]),
        ("year(OrderDate) eq 2024", ["*"]),
        ("month(ChangedDate) eq 12 and day(ChangedDate) eq 31", ["A/B 50%"]),
        ("hour(ChangedDate) eq 17 and minute(ChangedDate) eq 16 and second(ChangedDate) eq 10", ["P1", "P2"]),
        ("date(ChangedDate) eq 2025-10-09", ["P3"]),
        # names that begin like keywords
        ("AllowedOperations eq 'Cancel'", ["P1"]),
        ("Cf_BiRegion eq 'Nord'", ["P1"]),
        # what looks like OData inside a string is a string
        ("NoteText eq 'x'' or 1 eq 1'", []),
        ("NoteText eq '$count any( all( geo.'", []),
        # values are bound, so no SQL gets through
        ("NoteText eq '\"; DROP TABLE purchase_order; --'", []),
    ],
)
def test_a_filter_gives_these_orders(tenant: Tenant, text: str, expected: list[str]) -> None:
    assert tenant.orders(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Objstate eq 'Released'",
        "'Normal' eq OrderKind",
        f"Objstate gt {STATE}'Planned'",
        f"Objstate eq {STATE}'Nowhere'",
        f"Objstate eq {KIND}'Normal'",
        "Objstate eq IfsApp.Other.PurchaseOrderState'Released'",
        f"contains(Objstate,{STATE}'Released')",
        "contains(Objstate,'Rel')",
        "Nowhere eq 1",
        "luname eq 'PurchaseOrder'",
        "OrderNo eq 1",
        "NoteId eq '1'",
        "Confirmed eq 1",
        "OrderDate ge '2025-07-02'",
        "OrderDate ge 2025-07-02T00:00:00Z",
        "ChangedDate ge 2025-07-02",
        "ChangedDate ge 2025-07-02T00:00:00",
        "OrderDate ge 2025-02-30",
        "ChangedDate ge 2025-07-02T25:00:00Z",
        "OrderNo",
        "1",
        "OrderNo eq",
        "OrderNo eq 'P1",
        "OrderNo eq 'P1' and",
        "OrderNo eq 'P1' and NoteId",
        "(OrderNo eq 'P1'",
        "OrderNo = 'P1'",
        "OrderNo eq'P1'",
        "OrderNo EQ 'P1'",
        "not OrderNo eq 'P1'",
        "contains(OrderNo)",
        "contains(NoteId,'1')",
        "length(NoteId) eq 1",
        "nosuch(OrderNo) eq 1",
        'OrderNo eq "P1"',
        "OrderNo+eq+'P1'",
        "not(" * 3000 + "Confirmed" + ")" * 3000,
        "not(" * 100 + "Confirmed" + ")" * 100,
    ],
)
def test_what_is_wrong_is_a_bad_request(tenant: Tenant, text: str) -> None:
    answer = tenant.get(f"PurchaseOrderHandling.svc/PurchaseOrderSet?$filter={quote(text, safe='+')}")
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert sorted(error) == ["code", "details", "message"]
    assert error["details"] == []


@pytest.mark.parametrize(
    "text",
    [
        "LinesArray/any(l:l/LineItemNo eq 1)",
        "LinesArray/all(l:l/LineItemNo eq 1)",
        "LinesArray/$count gt 1",
        "VendorNoRef/Name eq 'x'",
        "geo.distance(OrderNo,VendorNo) lt 1",
        "round(TotalAmount) eq 1",
        "floor(TotalAmount) eq 1",
        "ceiling(TotalAmount) eq 1",
        "NoteId mod 2 eq 1",
        "cast(NoteId,Edm.String) eq '1'",
        "fractionalseconds(ChangedDate) eq 0",
        f"OrderKind has {KIND}'Rush'",
        "OrderDate eq duration'P1D'",
    ],
)
def test_what_ifs_does_not_have_is_not_implemented(tenant: Tenant, text: str) -> None:
    answer = tenant.get(f"PurchaseOrderHandling.svc/PurchaseOrderSet?$filter={quote(text)}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "ODP_NOT_IMPLEMENTED"), answer.text


def test_a_filter_may_be_a_long_chain(tenant: Tenant) -> None:
    text = " or ".join(f"OrderNo eq 'P{number}'" for number in range(1500))
    assert tenant.orders(text) == ["P1", "P2", "P3"]


def test_objstate_cannot_be_filtered_where_the_tenant_refuses_it(tenant: Tenant) -> None:
    tenant.world.switches.refuse_objstate_filter = True
    path = "PurchaseOrderHandling.svc/PurchaseOrderSet?$filter="
    assert tenant.get(f"{path}Objstate eq {STATE}'Released'").status_code == 400
    assert tenant.get(f"{path}OrderKind eq {KIND}'Rush'").status_code == 200


def test_keys_cannot_be_compared_by_order_where_the_tenant_refuses_it(tenant: Tenant) -> None:
    tenant.world.switches.refuse_keyset = ["PurchaseOrderSet"]
    path = "PurchaseOrderHandling.svc/PurchaseOrderSet?$filter="
    assert tenant.get(f"{path}OrderNo gt 'P1'").status_code == 400
    both = "ChangedDate gt 2025-10-09T00:00:00Z or (ChangedDate eq 2025-10-09T00:00:00Z and OrderNo gt 'P1')"
    assert tenant.get(f"{path}{both}").status_code == 400
    assert tenant.get(f"{path}OrderNo eq 'P1'").status_code == 200
    assert tenant.get(f"{path}ChangedDate gt 2025-10-09T00:00:00Z").status_code == 200


# Keyset paging.

LINES = [(order, item) for order in ("A", "A'B", "B", "É") for item in range(4)]
ENDS = {"gt": lambda row, mark: row > mark, "lt": lambda row, mark: row < mark, "ge": lambda row, mark: row >= mark}


@pytest.fixture(scope="module")
def lines() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(
            'CREATE TABLE purchase_order_line (_rowid INTEGER PRIMARY KEY, _rowversion TEXT, "OrderNo" TEXT, '
            '"LineItemNo" INTEGER, "PartNo" TEXT)'
        )
        connection.executemany(
            "INSERT INTO purchase_order_line VALUES (NULL, '20251008171610', ?, ?, ?)",
            [(order, item, None if item % 2 else f"P{item}") for order, item in LINES],
        )
        yield connection


def read(connection: sqlite3.Connection, line_set: Layout, text: str) -> list[tuple[Any, ...]]:
    selection = Selection(line_set, ("OrderNo", "LineItemNo"), (condition(text, line_set),), with_etag=False)
    return [tuple(row.values()) for row in selection.read(connection)]


@given(st.sampled_from(["A", "A'B", "AA", "B", "É", ""]), st.integers(-1, 5), st.sampled_from(["gt", "lt", "ge"]))
def test_a_keyset_filter_gives_the_rows_after_its_mark(
    lines: sqlite3.Connection, line_set: Layout, order: str, item: int, last: str
) -> None:
    first = "lt" if last == "lt" else "gt"
    literal = "'" + order.replace("'", "''") + "'"
    text = f"OrderNo {first} {literal} or (OrderNo eq {literal} and LineItemNo {last} {item})"
    assert read(lines, line_set, text) == [row for row in LINES if ENDS[last](row, (order, item))]


@pytest.mark.parametrize(
    "text",
    [
        # nested
        "ChangedDate gt {t} or (ChangedDate eq {t} and (Company gt '10' or (Company eq '10' and OrderNo gt 'P1')))",
        # spread out, and with the tie last
        """ChangedDate gt {t} or (ChangedDate eq {t} and Company gt '10')
        or (Company eq '10' and OrderNo gt 'P1' and ChangedDate eq {t})""",
    ],
)
def test_a_keyset_filter_becomes_one_comparison_of_rows(order_set: Layout, text: str) -> None:
    found = condition(text.format(t="2025-10-08T17:16:10Z"), order_set)
    assert found.sql == '(m."ChangedDate", m."Company", m."OrderNo") > (?, ?, ?)'
    assert found.params == ("2025-10-08T17:16:10", "10", "P1")


@pytest.mark.parametrize(
    "text",
    [
        "OrderNo gt 'P1' or (OrderNo eq 'P2' and Company gt '10')",  # another mark
        "OrderNo gt 'P1' or (OrderNo eq 'P1' and Company lt '10')",  # another direction
        "OrderNo gt 'P1' or (OrderNo eq 'P1' and Company eq '10')",  # no order at the end
        "OrderNo gt 'P1' or OrderNo eq 'P1'",
        "OrderNo ge 'P1' or (OrderNo eq 'P1' and Company gt '10')",
        "OrderNo gt 'P1' or (OrderNo eq 'P1' and TotalAmount gt 5)",  # stored as text, which orders otherwise
    ],
)
def test_other_alternatives_stay_what_they_are(order_set: Layout, text: str) -> None:
    assert " OR " in condition(text, order_set).sql


def plan(database: Path, selection: Selection) -> str:
    with closing(sqlite3.connect(database)) as connection:
        sql, params = selection._statement()
        return " | ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", params))


def test_a_keyset_page_is_one_walk_along_the_index(database: Path, order_set: Layout) -> None:
    after = condition(
        "Company eq '10' and (ChangedDate gt 2025-10-08T17:16:10Z or "
        "(ChangedDate eq 2025-10-08T17:16:10Z and OrderNo gt 'P1'))",
        order_set,
        unindexed=frozenset({"Company"}),
    )
    page = Selection(order_set, order_set.members, (after,), ('m."ChangedDate"', 'm."OrderNo"'), 5000)
    assert plan(database, page) == "SEARCH m USING INDEX po_modified ((ChangedDate,OrderNo)>(?,?))"


def test_a_keyset_over_a_companys_key_walks_its_index(database: Path, item_set: Layout) -> None:
    after = condition("Company gt '10' or (Company eq '10' and ItemId gt 'I1')", item_set, unindexed=frozenset())
    page = Selection(item_set, item_set.members, (after,), ('m."Company"', 'm."PartyType"', 'm."ItemId"'), 5000)
    assert "USING INDEX li_key" in plan(database, page)
    assert "TEMP B-TREE" not in plan(database, page)


def test_a_filter_that_is_no_condition_says_so(order_set: Layout) -> None:
    with pytest.raises(OdpError, match=r"type Edm\.String, not a condition"):
        condition("OrderNo", order_set)
