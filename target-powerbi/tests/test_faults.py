"""Whatever goes wrong on the way, and wherever: afterwards the table is the source, no row doubled and none lost."""

from __future__ import annotations

import itertools
import logging

import pytest
from ifs_bi_core.errors import (
    IfsBiError,
    NotSentError,
    OutcomeUnknownError,
    RowRejectedError,
    ThrottledError,
)

KINDS = {
    "vanish before": {"kind": "reset"},
    "vanish after": {"kind": "reset", "after": True},
    "500 before": {"kind": "status", "status": 500},
    "500 after": {"kind": "status", "status": 500, "after": True},
    "400": {"kind": "status", "status": 400, "code": "BadRequest"},
    "403": {"kind": "status", "status": 403},
    "429": {"kind": "status", "status": 429, "retry_after": 30},
    "429 for too long": {"kind": "status", "status": 429, "retry_after": 3600},
    "503 with Retry-After": {"kind": "status", "status": 503, "retry_after": 5},
    "503": {"kind": "status", "status": 503},
    "half an answer": {"kind": "truncate"},
    "reset in the answer": {"kind": "reset_mid_body"},
    "token death": {"kind": "revoke_tokens"},
}
ROWS = {"method": "POST", "path": "*/rows"}
PLACES = {
    "list of datasets": {"method": "GET", "path": "*/datasets"},
    "list of tables": {"method": "GET", "path": "*/tables"},
    "new rows": ROWS,
    "emptying": {"method": "DELETE", "path": "*/rows"},
    "first rows of the rewrite": ROWS | {"skip": 1},
    "more rows of the rewrite": ROWS | {"skip": 2},
    "last rows of the rewrite": ROWS | {"skip": 3},
}
SOURCE = {"1": 10, "2": 2, "4": 4, "5": 5, "6": 6, "7": 7}


def before(pipe) -> None:
    """A table with some rows."""
    pipe.feed(pipe.schema(), *(pipe.order(n, n) for n in range(1, 5)), batch_size_rows=2)


def changes(pipe) -> list[dict]:
    """Two batches of new rows, which are appended, then an update and a deletion, which make the rewrite due."""
    news = [pipe.order(n, n) for n in (5, 6, 7)]
    return [pipe.schema(), *news, pipe.order(1, 10), pipe.gone(3), pipe.state("new")]


def ends_well(pipe) -> bool:
    """Whether a run under fault ends with its state, or with an error and none."""
    try:
        pipe.feed(*changes(pipe), batch_size_rows=2, on_row_error="fail")
    except IfsBiError:
        assert pipe.out == ""
        return False
    assert pipe.out == '{"bookmark":"new"}\n'
    assert pipe.amounts() == SOURCE
    return True


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_after_any_fault_the_table_is_the_source_at_the_latest_after_the_next_run(pipe, kind, place):
    before(pipe)
    pipe.fault(**KINDS[kind], **PLACES[place])
    ends_well(pipe)
    assert not pipe.world.faults, "what was scripted did not happen"
    assert ends_well(pipe)


@pytest.mark.parametrize(
    ("one", "other"),
    list(itertools.product(["vanish before", "vanish after", "500 after", "400", "token death"], repeat=2)),
)
@pytest.mark.parametrize("skips", [(0, 0), (1, 1), (0, 2)])
def test_after_two_faults_too(pipe, one, other, skips):
    before(pipe)
    for kind, skip in zip((one, other), skips, strict=True):
        pipe.fault(skip=skip, **KINDS[kind], **ROWS)
    ends_well(pipe)
    pipe.world.faults.clear()
    assert ends_well(pipe)


@pytest.mark.parametrize("skip", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_after_any_fault_of_a_first_run_too(pipe, kind, skip):
    pipe.fault(skip=skip, **KINDS[kind], method="POST")
    first = [pipe.schema(), *(pipe.order(n, n) for n in range(1, 6)), pipe.state(1)]
    try:
        pipe.feed(*first, batch_size_rows=2, on_row_error="fail")
    except IfsBiError:
        assert pipe.out == ""
    pipe.world.faults.clear()
    assert pipe.feed(*first, batch_size_rows=2) == '{"bookmark":1}\n'
    assert pipe.amounts() == {str(n): n for n in range(1, 6)}


def test_an_unanswered_post_is_not_sent_twice_but_settled_by_a_rewrite_in_the_same_run(pipe, caplog):
    before(pipe)
    pipe.fault("reset", method="POST", path="*/rows", after=True)
    out = pipe.feed(pipe.schema(), pipe.order(5, 5), pipe.state(2))
    assert [call.split("/")[-1] for call in pipe.calls("DELETE")] == ["rows"]
    assert len(pipe.calls("POST", "/rows")) == 2
    assert pipe.amounts() == {str(n): n for n in range(1, 6)}
    assert out == '{"bookmark":2}\n'
    assert "the connection to 127.0.0.1" in caplog.text
    assert "orders: the table is rewritten at the end of this run." in caplog.text


def test_a_rewrite_that_stays_unanswered_is_left_to_the_next_run_which_begins_with_it(pipe, caplog):
    before(pipe)
    pipe.fault("reset", method="POST", path="*/rows", after=True, times=3)
    with pytest.raises(OutcomeUnknownError, match="Table 'orders' may show a part of its rows until the next run"):
        pipe.feed(pipe.schema(), pipe.order(1, 10), pipe.state(2))
    assert pipe.out == ""
    assert not pipe.world.faults
    with caplog.at_level(logging.INFO):
        pipe.feed(pipe.state(3))
    assert "orders: finishing what an earlier run left undone." in caplog.text
    assert pipe.amounts()["1"] == 10
    assert pipe.out == '{"bookmark":3}\n'


def test_a_table_that_resists_the_repair_may_get_the_row_that_mends_it(pipe):
    before(pipe)
    pipe.fault("status", status=400, code="BadRequest", message="no such amount", method="POST", path="*/rows", times=2)
    with pytest.raises(RowRejectedError, match="no such amount"):
        pipe.feed(pipe.schema(), pipe.order(1, 13), pipe.state(2))
    out = pipe.feed(pipe.schema(), pipe.order(1, 10), pipe.state(2))
    assert pipe.amounts()["1"] == 10
    assert out == '{"bookmark":2}\n'


def test_other_tables_are_made_right_although_one_resists(pipe):
    pipe.feed(pipe.schema(), pipe.order(1), pipe.schema("lines"), pipe.record({"OrderNo": "1", "Amount": 1}, "lines"))
    pipe.fault("status", status=400, code="BadRequest", method="POST", path="*/orders/rows")
    with pytest.raises(RowRejectedError, match="1 rows for table 'orders'"):
        pipe.feed(
            pipe.schema(), pipe.order(1, 2), pipe.schema("lines"), pipe.record({"OrderNo": "1", "Amount": 2}, "lines")
        )
    assert pipe.rows("lines") == [{"OrderNo": "1", "Amount": 2}]


def test_refused_rows_are_not_taken_for_delivered(pipe):
    before(pipe)
    pipe.fault("status", status=400, code="BadRequest", method="POST", path="*/rows")
    with pytest.raises(RowRejectedError, match="Nothing of the request was stored"):
        pipe.feed(pipe.schema(), pipe.order(5, 5), on_row_error="fail")
    pipe.feed(pipe.schema(), pipe.order(5, 5))
    assert not pipe.calls("DELETE")
    assert pipe.amounts()["5"] == 5


def test_a_token_that_dies_in_the_middle_of_a_run_is_renewed_once(pipe):
    before(pipe)
    pipe.fault("revoke_tokens", method="POST", path="*/rows")
    pipe.feed(pipe.schema(), pipe.order(5, 5))
    assert len(pipe.calls("POST", "/rows")) == 2
    assert len([call for call in pipe.world.requests if call["path"].endswith("/token")]) == 2
    assert pipe.amounts()["5"] == 5


def test_short_lived_tokens_are_renewed_ahead_of_their_end(pipe):
    pipe.world.switches.powerbi_expires_in = 1
    pipe.feed(pipe.schema(), pipe.order(1))
    assert pipe.amounts() == {"1": 1}


def test_a_429_waits_as_long_as_it_asks_for(pipe):
    before(pipe)
    pipe.fault("status", status=429, retry_after=42, method="POST", path="*/rows", times=3)
    pipe.feed(pipe.schema(), pipe.order(5, 5))
    assert pipe.time.waits == [42, 42, 42]
    assert pipe.amounts()["5"] == 5


def test_a_wait_beyond_the_limit_ends_the_run(pipe):
    before(pipe)
    pipe.fault("status", status=429, retry_after=601, method="POST", path="*/rows")
    with pytest.raises(ThrottledError, match="Run again later, or raise retry_limit_seconds"):
        pipe.feed(pipe.schema(), pipe.order(5, 5))
    assert pipe.amounts().keys() == {"1", "2", "3", "4"}


def test_the_services_own_limits_are_kept(pipe):
    pipe.world.now = pipe.time.clock
    texts = pipe.schema("texts", {"Id": {"type": "integer"}, "Text": {"type": "string"}}, ("Id",))
    rows = [pipe.record({"Id": number, "Text": "x" * 4000}, "texts") for number in range(250)]
    pipe.feed(texts, *rows, batch_size_rows=1)
    statuses = [call["status"] for call in pipe.world.requests if call["path"].endswith("/rows")]
    assert statuses.count(200) == 251
    assert statuses.count(429) <= 5  # the service counts when a request arrives, we when it leaves
    assert 119 <= sum(pipe.time.waits) <= 130
    assert len(pipe.rows("texts")) == 250


def test_large_rows_are_sent_in_bodies_that_are_small_enough(pipe):
    properties = {f"Text{n}": {"type": "string"} for n in range(20)} | {"Id": {"type": "integer"}}
    rows = [pipe.record({"Id": number} | {f"Text{n}": "x" * 4000 for n in range(20)}, "texts") for number in range(450)]
    pipe.feed(pipe.schema("texts", properties, ("Id",)), *rows)
    sizes = [
        call["request_bytes"]
        for call in pipe.world.requests
        if call["path"].endswith("/rows") and call["method"] == "POST"
    ]
    assert len(sizes) == 3
    assert max(sizes) <= 16_000_000
    assert len(pipe.rows("texts")) == 450


def test_nobody_listening_is_told_after_the_retries(pipe):
    with pytest.raises(NotSentError, match="can't be reached"):
        pipe.feed(pipe.schema(), api_url="http://127.0.0.1:9", retry_limit_seconds=5)
    assert 0 < sum(pipe.time.waits) <= 5
