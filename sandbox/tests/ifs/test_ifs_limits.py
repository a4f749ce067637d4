"""What a tenant refuses because it takes too long, or because it does not speak that way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ifs_bi_sandbox.ifs.limits import query_seconds

if TYPE_CHECKING:
    from conftest import Tenant

ORDERS = "PurchaseOrderHandling.svc/PurchaseOrderSet"
PLAIN = "application/json;odata.metadata=minimal"
EXACT = f"{PLAIN};IEEE754Compatible=true"


@pytest.mark.parametrize(
    ("endpoint", "prefer", "seconds"),
    [
        ("main", "", 300),
        ("int", "", 600),
        ("main", "wait=10", 10),
        ("main", "respond-async, wait=10", 10),
        ("main", "wait=4000", 300),
        ("int", "wait=400", 400),
        ("main", "await=10", 300),
        ("main", "wait=soon", 300),
    ],
)
def test_a_query_gets_the_seconds_that_it_asks_for_but_no_more_than_its_endpoint_allows(
    endpoint: str, prefer: str, seconds: int
) -> None:
    assert query_seconds(endpoint, prefer) == seconds


def test_a_query_whose_rows_come_too_late_is_ended(tenant: Tenant) -> None:
    tenant.world.switches.rows_per_second = 1
    answer = tenant.get(ORDERS, Prefer="wait=3")
    assert answer.status_code == 504
    assert answer.json()["error"] == {
        "code": "ODP_OPERATION_TIMEOUT",
        "message": "Operation did not complete in the expected time (3 seconds).",
        "details": [],
    }
    assert len(tenant.get(f"{ORDERS}?$top=3", Prefer="wait=3").json()["value"]) == 3
    assert tenant.get(ORDERS).status_code == 200


@pytest.mark.parametrize("status", [400, 406, 415])
def test_a_tenant_may_refuse_decimals_as_text(tenant: Tenant, status: int) -> None:
    tenant.world.switches.refuse_exact = status
    assert tenant.get(ORDERS, Accept=EXACT).status_code == status
    assert tenant.get(f"{ORDERS}?$format=json;IEEE754Compatible=true", Accept=PLAIN).status_code == status
    plain = tenant.get(ORDERS, Accept=PLAIN)
    assert plain.status_code == 200
    assert plain.json()["value"][0]["TotalAmount"] == 100.0
