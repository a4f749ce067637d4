"""What the client makes of each answer of a real server: what is sent again, how often, and which sentence stands."""

import gzip
import itertools
import json
import logging
import sqlite3
from contextlib import closing
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import AuthError, ContractBrokenError, IfsBiError, OutcomeUnknownError, UnavailableError
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.http.limits import SlidingWindow
from ifs_bi_core.http.message import Request, Response
from ifs_bi_sandbox.faults import Fault, preset
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.servers import Sandbox
from starlette.applications import Starlette
from starlette.responses import Response as Answer
from starlette.routing import Route
from tap_ifs_cloud.client import IfsCloud
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.odata import collection_url, service_url
from tap_ifs_cloud.outcomes import RefusedError, TooSlowError
from tap_ifs_cloud.paging import Walk
from tap_ifs_cloud.patience import SilenceError, longest_query, told_by_time
from tap_ifs_cloud.token import Client, keycloak_token_url

KEY = tuple(Property(name, "Edm.String") for name in ("OrderNo", "LineNo", "ReleaseNo"))


class Tenant:
    """A sandbox, a client of it that never waits, and what the client was seen to do."""

    def __init__(self, box: Sandbox) -> None:
        self.box = box
        self.waits: list[float] = []
        self.cloud = self.connect()

    def connect(self, *, url: str | None = None, timeout_seconds: float = 300) -> IfsCloud:
        switches, url = self.box.switches, url or self.box.ifs_url
        token_url = keycloak_token_url(self.box.ifs_url, switches.realm)
        return IfsCloud(
            Client(token_url, switches.ifs_client_id, switches.ifs_client_secret, ""),
            limiter=SlidingWindow(100_000),
            timeout_seconds=timeout_seconds,
            retry_limit_seconds=600,
            user_agent="test",
            surroundings=Surroundings(sleep=self.waits.append, clock=lambda: sum(self.waits), chance=lambda: 0.5),
        )

    def fail(self, name: str | Fault, **changes) -> None:
        self.box.world.faults.append(preset(name, **changes) if isinstance(name, str) else name)

    def address(self, **options: str) -> str:
        service = service_url(
            self.box.ifs_url, endpoint="main", service="projection", projection="PurchaseOrderHandling"
        )
        return collection_url(service, "PurchaseOrderLines", {f"${name}": text for name, text in options.items()})

    def page(self, *, may_shrink: bool = False, **options: str):
        return self.cloud.page(self.address(**{"top": "3", **options}), "orders page 1", may_shrink=may_shrink)

    @property
    def statuses(self) -> list[int | None]:
        """What the requests for rows were answered, in order."""
        return [entry["status"] for entry in self.box.world.requests if entry["service"] == "ifs"]


@pytest.fixture(scope="module")
def box():
    with Sandbox(scale=2000) as running:
        yield running


@pytest.fixture
def tenant(box):
    fresh = type(box.switches)()
    box.switches.update({name: getattr(fresh, name) for name in vars(fresh)})
    box.world.faults.clear()
    box.world.requests.clear()
    return Tenant(box)


def test_a_page_has_its_rows_and_exact_decimals(tenant):
    page = tenant.page()
    assert len(page.rows) == 3
    assert all(isinstance(row["BuyUnitPrice"], str) for row in page.rows)
    assert page.link is None


# One test a row of what IFS Cloud can answer: the fault, what the requests were answered, and what came of it.


@pytest.mark.parametrize(
    "name", ["throttled", "throttled_without_retry_after", "unavailable", "gateway_error", "database_error"]
)
def test_what_passes_by_itself_is_asked_for_again_after_a_wait(tenant, name):
    tenant.fail(name)
    assert len(tenant.page().rows) == 3
    assert len(tenant.statuses) == 2
    assert len(tenant.waits) == 1


@pytest.mark.parametrize(
    ("fault", "error", "sentence"),
    [
        ("unavailable", UnavailableError, "answered 503 for PurchaseOrderHandling. IFS Cloud does not answer properly"),
        ("gateway_error", UnavailableError, "answered 502 with a web page"),
        ("database_error", RefusedError, r"answered 500 DATABASE_ERROR \(ORA-20110: PurchaseOrder.FAILED"),
        ("operation_timeout", ContractBrokenError, "answered 504 ODP_OPERATION_TIMEOUT"),
        ("gateway_timeout", UnavailableError, "answered 504 for PurchaseOrderHandling. A gateway stopped waiting"),
    ],
)
def test_what_does_not_pass_is_given_up_after_some_tries_with_its_sentence(tenant, fault, error, sentence):
    tenant.fail(fault, times=None)
    with pytest.raises(error, match=sentence):
        tenant.page()
    assert len(tenant.statuses) == 8
    assert sum(tenant.waits) <= 600


@pytest.mark.parametrize("times", [1, 2])
def test_a_renewed_metadata_cache_is_asked_again_at_once(tenant, times):
    tenant.fail("metadata_changed", times=times)
    assert len(tenant.page().rows) == 3
    assert tenant.statuses == [500] * times + [200]
    assert tenant.waits == []


def test_a_metadata_cache_that_is_renewed_again_and_again_is_asked_twice_more_at_most(tenant):
    tenant.fail("metadata_changed", times=None)
    with pytest.raises(
        UnavailableError, match=r"answered 500 MI_MODIFIED_ERROR .* renews its metadata cache\. Run again"
    ):
        tenant.page()
    assert tenant.statuses == [500, 500, 500]


def test_a_token_that_ends_is_renewed_and_the_page_comes(tenant):
    tenant.page()
    tenant.fail("token_revoked", skip=0)
    assert len(tenant.page().rows) == 3
    assert tenant.statuses == [200, 401, 200]


def test_a_token_that_a_gateway_refuses_stops_the_run_with_the_gateway_s_words(tenant):
    tenant.fail("gateway_unauthorized")
    with pytest.raises(AuthError, match=r"answered 401 \(Access denied due to missing subscription key.\)"):
        tenant.page()
    assert tenant.statuses == [401, 401]


@pytest.mark.parametrize(
    ("fault", "error", "sentence"),
    [
        ("forbidden", ContractBrokenError, "Grant the projection PurchaseOrderHandling to the client's service user"),
        ("not_found", ContractBrokenError, "answered 404 ODP_RESOURCE_NOTFOUND .* no such projection or entity set"),
        (Fault("ifs", "status", status=405), ContractBrokenError, "can't be read with GET"),
        ("sign_in_page", AuthError, "answered 200 with a web page .* asks people to sign in"),
        ("sign_in_redirect", AuthError, "answered 302 and leads to login.example.com"),
    ],
)
def test_what_no_repetition_helps_stands_at_once(tenant, fault, error, sentence):
    tenant.fail(fault)
    with pytest.raises(error, match=sentence):
        tenant.page()
    assert len(tenant.statuses) == 1
    assert tenant.waits == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"filter": "Nonsense eq 1"}, "answered 400 ODP_BAD_REQUEST .* Check the entity's filter"),
        ({"expand": "OrderLinesArray"}, "answered 501 ODP_NOT_IMPLEMENTED|answered 400"),
        ({"apply": "x"}, "answered 400 ODP_BAD_REQUEST"),
        ({"search": "x"}, r"answered 501 ODP_NOT_IMPLEMENTED \(The query option \$search is not implemented.\)"),
    ],
)
def test_a_query_that_is_refused_can_be_put_in_another_way(tenant, options, sentence):
    tenant.page()
    with pytest.raises(RefusedError, match=sentence):
        tenant.page(**options)
    assert len(tenant.statuses) == 2  # once decimals came as text, a refusal is no matter of them


@pytest.mark.parametrize("name", ["reset", "reset_mid_body", "truncated_body"])
def test_an_answer_that_breaks_off_is_asked_for_again(tenant, name):
    tenant.fail(name)
    assert len(tenant.page(may_shrink=True).rows) == 3


TROUBLES = (
    "throttled",
    "throttled_without_retry_after",
    "unavailable",
    "operation_timeout",
    "metadata_changed",
    "database_error",
    "gateway_error",
    "gateway_timeout",
    "reset",
    "reset_mid_body",
    "truncated_body",
)


@pytest.mark.parametrize("second", TROUBLES)
@pytest.mark.parametrize("first", TROUBLES)
def test_two_troubles_in_a_row_that_pass_cost_no_row(tenant, first, second):
    tenant.fail(first)
    tenant.fail(second)
    assert len(tenant.page().rows) == 3
    assert tenant.box.world.faults == []


# Slow queries


@pytest.mark.parametrize("name", ["operation_timeout", "gateway_timeout"])
def test_a_page_that_may_shrink_is_given_back_at_once(tenant, name):
    tenant.fail(name)
    with pytest.raises(TooSlowError, match="orders page 1: IFS Cloud answered 504"):
        tenant.page(may_shrink=True)
    assert tenant.statuses == [504]


def test_a_page_that_can_not_shrink_is_asked_for_again(tenant):
    tenant.fail("operation_timeout")
    assert len(tenant.page().rows) == 3


def test_silence_gives_a_page_back_as_well(tenant):
    tenant.fail("slow", seconds=3)
    tenant.cloud = tenant.connect(timeout_seconds=0.2)
    with pytest.raises(TooSlowError, match="did not answer in time"):
        tenant.page(may_shrink=True)
    assert len(tenant.page().rows) == 3


def test_pages_are_halved_until_they_come_in_time_and_nothing_is_missing(tenant):
    order = ",".join(prop.name for prop in KEY)
    everything = tenant.page(top="5000", orderby=order).rows
    tenant.box.world.requests.clear()
    tenant.cloud = tenant.connect(timeout_seconds=200)  # 180 seconds a query, at a row a second
    tenant.box.switches.rows_per_second = 1
    walk = Walk("orders", KEY, "", 1_000)
    rows = []
    while walk.ask:
        address = tenant.address(
            orderby=order, top=str(walk.ask.top), filter=walk.ask.filter, skip=str(walk.ask.skip or "")
        )
        try:
            page = tenant.cloud.page(address, "orders", may_shrink=walk.can_shrink)
        except TooSlowError:
            assert walk.shrink()
            continue
        rows += walk.received(page.rows, page.link)
    assert rows == everything
    assert len(everything) > 180
    assert 504 in tenant.statuses
    assert walk.news() == ["Pages of orders have 125 rows from here on: larger ones come too late"]


def test_a_query_is_to_end_before_we_stop_listening():
    assert longest_query(300) == {"Prefer": "wait=270"}
    assert longest_query(1) == {}


@pytest.mark.parametrize(("seconds", "error"), [(29.9, OutcomeUnknownError), (30.0, SilenceError)])
def test_what_breaks_after_a_long_wait_was_ended_by_somebody_who_had_enough(seconds, error):
    times = iter([100.0, 100.0 + seconds])

    def send(request: Request) -> Response:
        raise OutcomeUnknownError(f"{request.operation}: the connection broke")

    with pytest.raises(OutcomeUnknownError, match="orders: the connection broke") as caught:
        told_by_time(send, 30.0, clock=lambda: next(times))(Request("GET", "https://a", operation="orders"))
    assert type(caught.value) is error


# Decimals


@pytest.mark.parametrize("status", [400, 406, 415])
def test_where_decimals_as_text_are_refused_numbers_are_read_digit_for_digit(tenant, status, caplog):
    exact = tenant.page().rows
    tenant.box.switches.refuse_exact = status
    tenant.cloud = tenant.connect()
    tenant.box.world.requests.clear()
    with caplog.at_level(logging.WARNING):
        plain = [tenant.page().rows for _ in range(3)]
    assert tenant.statuses == [status, 200, 200, 200]
    assert [record.message for record in caplog.records] == [
        "IFS Cloud refuses IEEE754Compatible: decimals come as JSON numbers, and keep the digits they have."
    ]
    for row, other in zip(exact, plain[0], strict=True):
        assert not isinstance(other["BuyUnitPrice"], float)
        assert Decimal(row["BuyUnitPrice"]) == other["BuyUnitPrice"]


def test_a_first_query_that_is_refused_for_another_reason_is_told_as_it_is(tenant, caplog):
    with pytest.raises(RefusedError, match="Nonsense"):
        tenant.page(filter="Nonsense eq 1")
    assert "IEEE754Compatible" not in caplog.text
    assert isinstance(tenant.page().rows[0]["BuyUnitPrice"], str)


# What no projection of the sandbox says: a server of one body does.


class Served:
    """Answers every GET with ``body`` and ``headers``, and remembers the headers of each request."""

    def __init__(self) -> None:
        self.listener = Listener(Starlette(routes=[Route("/{path:path}", self.answer)]))
        self.begin()

    def begin(self, body: bytes = b"", **headers: str) -> str:
        self.body, self.headers = body, {name.replace("_", "-"): value for name, value in headers.items()}
        self.seen: list[dict[str, str]] = []
        return f"{self.listener.url}/main/X.svc/Set"

    async def answer(self, request) -> Answer:
        self.seen.append(dict(request.headers))
        return Answer(self.body, headers=self.headers)


@pytest.fixture(scope="module")
def served():
    server = Served()
    server.listener.start()
    yield server
    server.listener.stop()


def test_gzip_is_accepted_and_read(tenant, served):
    url = served.begin(gzip.compress(b'{"value":[{"Id":"1"}]}'), Content_Encoding="gzip")
    assert tenant.cloud.page(url, "x").rows == [{"Id": "1"}]
    (asked,) = served.seen
    assert asked["accept-encoding"] == "gzip"
    assert asked["accept"] == "application/json;odata.metadata=minimal;IEEE754Compatible=true"
    assert asked["prefer"] == "wait=270"


@settings(deadline=None)
@given(numbers=st.lists(st.decimals(allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_plain_numbers_keep_every_digit(box, served, numbers):
    url = served.begin(b'{"value":[' + ",".join(f'{{"N":{number}}}' for number in numbers).encode() + b"]}")
    for row, number in zip(Tenant(box).cloud.page(url, "x").rows, numbers, strict=True):
        assert not isinstance(row["N"], float)
        assert Decimal(row["N"]) == number


@pytest.mark.parametrize(
    ("body", "error", "sentence"),
    [
        (b'{"value":', OutcomeUnknownError, "cut off or no JSON"),
        (b'{"value":{}}', ContractBrokenError, "holds no list of rows"),
        (b'{"value":[1]}', ContractBrokenError, "holds no list of rows"),
        (b"[]", ContractBrokenError, "holds no list of rows"),
    ],
)
def test_an_answer_that_is_no_collection_is_told(tenant, served, body, error, sentence):
    url = served.begin(body)
    with pytest.raises(error, match=sentence):
        tenant.cloud.page(url, "x")
    assert len(served.seen) == (3 if error is OutcomeUnknownError else 1)


def test_a_link_to_another_host_is_not_followed_and_said_once(tenant, served, caplog):
    url = served.begin(json.dumps({"value": [], "@odata.nextLink": "https://elsewhere/X.svc/Set"}).encode())
    assert tenant.cloud.page(url, "x").link is None
    assert tenant.cloud.page(url, "x").link is None
    assert caplog.text.count("which are not followed") == 1


def test_a_relative_link_is_one_of_the_service(tenant, served):
    link = "Set(A='1')/RowsArray?$skiptoken=2"
    url = served.begin(json.dumps({"value": [], "@odata.nextLink": link}).encode())
    assert tenant.cloud.page(f"{url}(A='1')/RowsArray", "x").link == f"{url}(A='1')/RowsArray?$skiptoken=2"


def test_an_answer_that_has_not_changed_is_one_to_whom_asked_for_it(tenant):
    service = tenant.address().rpartition("/")[0]
    first = tenant.cloud.get(f"{service}/$metadata", "$metadata", accept="application/xml")
    tag = first.headers["ETag"]
    again = tenant.cloud.get(
        f"{service}/$metadata", "$metadata", accept="application/xml", headers={"If-None-Match": tag}
    )
    assert (first.status, again.status, again.body) == (200, 304, b"")


def test_a_redirect_is_no_answer_to_whom_did_not_ask_for_it(tenant):
    tenant.fail(Fault("ifs", "status", status=304))
    with pytest.raises(IfsBiError, match="answered 304"):
        tenant.page()


# Keys

ODD_KEYS = [
    *(
        "O'Neill & Sons",
        "''",
        "A/B 50%",
        "*",
        "x+y",
        "#1",
        "ÅÄÖ",
        "漢字",
        "a b",
        "?q=1",
        "é;:@",
        "%27",
        '"',
        "\\",
        "$top=1",
        "🙂",
    ),
]


@pytest.fixture(scope="module")
def odd_suppliers(box):
    """The sandbox's suppliers under other names."""
    with closing(sqlite3.connect(box.world.database)) as database, database:
        database.execute("UPDATE supplier_info SET SupplierId = 'row ' || _rowid")
        rows = database.execute("SELECT _rowid FROM supplier_info").fetchall()
        names = [(name, row) for name, (row,) in zip(ODD_KEYS, rows, strict=True)]
        database.executemany("UPDATE supplier_info SET SupplierId = ? WHERE _rowid = ?", names)


@pytest.mark.parametrize(
    ("paging", "mode"),
    [
        *itertools.product(["client", "next_absolute", "next_relative", "silent_cap"], ["keyset", "skip"]),
        *itertools.product(["next_absolute", "next_relative"], ["link"]),
    ],
)
def test_keys_may_hold_whatever_a_text_may(tenant, odd_suppliers, paging, mode):
    tenant.box.switches.update({"paging": paging, "page_cap": 2})
    service = service_url(tenant.box.ifs_url, endpoint="main", service="projection", projection="SupplierHandling")
    walk = Walk("suppliers", (Property("SupplierId", "Edm.String"),), "", 3, mode)
    got = []
    while walk.ask:
        options = {
            "$filter": walk.ask.filter,
            "$orderby": "SupplierId",
            "$top": str(walk.ask.top or ""),
            "$skip": str(walk.ask.skip or ""),
        }
        page = tenant.cloud.page(walk.ask.link or collection_url(service, "SupplierInfoSet", options), "suppliers")
        got += [row["SupplierId"] for row in walk.received(page.rows, page.link)]
    assert got == sorted(ODD_KEYS)
