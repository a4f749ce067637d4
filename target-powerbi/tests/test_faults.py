"""Whatever goes wrong on the way, and wherever: afterwards the table is the source, no row doubled and none lost."""

from __future__ import annotations

import io
import itertools
import logging
from collections import Counter
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import (
    AuthError,
    ExitCode,
    IfsBiError,
    NotSentError,
    OutcomeUnknownError,
    RowRejectedError,
    ThrottledError,
)
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.replay.key import letter_key
from ifs_bi_core.replay.tap import Selection, replay
from ifs_bi_core.singer.lines import decode
from left_to_prove import every

ORDERS = {"OrderNo": {"type": "string"}, "Amount": {"type": "number"}}
KINDS = {
    "vanish before": {"kind": "reset"},
    "vanish after": {"kind": "reset", "after": True},
    "500 before": {"kind": "status", "status": 500},
    "500 after": {"kind": "status", "status": 500, "after": True},
    "400": {"kind": "status", "status": 400, "code": "BadRequest"},
    "403": {"kind": "status", "status": 403},
    "429": {"kind": "status", "status": 429, "retry_after": 30},
    "429 storm": {"kind": "status", "status": 429, "retry_after": 60, "times": 4},
    "429 without a word": {"kind": "status", "status": 429, "times": 3},
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


NAMES = itertools.count()


def balances(pipe) -> bool:
    """Whether the ledger accounts for every row of every run."""
    with closing(Ledger.open(None, Path(pipe.config["state_dir"]))) as ledger:
        return all(
            line.holds
            for run in {part.run for part in history.runs(ledger)}
            for line in history.balance(ledger, run).streams
        )


def replayed(pipe) -> list[dict]:
    """The lines of the dead letters."""
    folder, out = Path(pipe.config["state_dir"]), io.BytesIO()
    replay(DeadLetters(folder, key=letter_key(folder, create=False)), Selection(), out, lambda _: None)
    return [decode(line) for line in out.getvalue().splitlines()]


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


@pytest.mark.parametrize(("kind", "place"), every(2, KINDS, PLACES))
def test_after_any_fault_the_table_is_the_source_at_the_latest_after_the_next_run(pipe, kind, place):
    before(pipe)
    pipe.fault(**KINDS[kind], **PLACES[place])
    ends_well(pipe)
    assert not pipe.world.faults, "what was scripted did not happen"
    assert ends_well(pipe)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(["POST", "DELETE", "GET", None]), st.integers(0, 5)),
        min_size=1,
        max_size=2,
    ),
    st.sampled_from(["mirror", "append"]),
    st.sampled_from(["answer", "refuse"]),
    st.integers(1, 3),
)
def test_after_faults_alone_and_in_pairs_wherever_the_table_is_the_source_and_the_ledger_balances(
    pipe, faults, mode, queries, batch_size
):
    pipe.world.faults.clear()
    pipe.world.powerbi.clear()
    number = next(NAMES)
    pipe.config |= {
        "dataset_name": f"Purchasing {number}",
        "state_dir": f"{pipe.config['state_dir']}-{number}",
        "write_mode": mode,
    }
    pipe.world.switches.powerbi_queries = queries
    before(pipe)
    for kind, method, skip in faults:
        pipe.fault(skip=skip, method=method, **KINDS[kind])
    try:
        pipe.feed(*changes(pipe), batch_size_rows=batch_size, on_row_error="fail")
    except IfsBiError:
        pipe.world.faults.clear()
        assert pipe.out == ""
        # Where queries are refused, `append` stops, and a person decides.
        pipe.feed(*changes(pipe), batch_size_rows=batch_size, on_unknown="rewrite")
    assert pipe.out == '{"bookmark":"new"}\n'
    if mode == "mirror":
        assert pipe.amounts() == SOURCE
    else:
        shown = Counter((row["OrderNo"], row.get("Amount")) for row in pipe.rows())
        assert shown == Counter([(str(n), n) for n in range(1, 8)] + [("1", 10), ("3", None)])
    assert balances(pipe)


@pytest.mark.parametrize(("kind", "skip"), every(2, KINDS, range(3)))
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


def test_an_unanswered_post_is_not_sent_twice_where_power_bi_says_that_its_rows_are_there(pipe, caplog):
    before(pipe)
    pipe.fault("reset", method="POST", path="*/rows", after=True)
    out = pipe.feed(pipe.schema(), pipe.order(5, 5), pipe.state(2))
    assert not pipe.calls("DELETE")
    assert len(pipe.calls("POST", "/rows")) == 1
    assert pipe.amounts() == {str(n): n for n in range(1, 6)}
    assert out == '{"bookmark":2}\n'
    assert "the connection to 127.0.0.1" in caplog.text


def test_where_power_bi_answers_no_queries_an_unanswered_post_is_settled_by_a_rewrite_in_the_same_run(pipe, caplog):
    pipe.world.switches.powerbi_queries = "refuse"
    pipe.world.switches.powerbi_sequence_numbers = "off"
    before(pipe)
    pipe.fault("reset", method="POST", path="*/rows", after=True)
    out = pipe.feed(pipe.schema(), pipe.order(5, 5), pipe.state(2))
    assert [call.split("/")[-1] for call in pipe.calls("DELETE")] == ["rows"]
    assert len(pipe.calls("POST", "/rows")) == 2
    assert pipe.amounts() == {str(n): n for n in range(1, 6)}
    assert out == '{"bookmark":2}\n'
    assert "orders: the table is rewritten at the end of this run." in caplog.text


def test_a_rewrite_that_stays_unanswered_is_left_to_the_next_run_which_begins_with_it(pipe, caplog):
    pipe.world.switches.powerbi_queries = "refuse"
    pipe.world.switches.powerbi_sequence_numbers = "off"
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


def test_an_unanswered_post_within_a_rewrite_is_found_out_about_instead_of_beginning_again(pipe):
    before(pipe)
    pipe.fault("reset", method="POST", path="*/rows", after=True, times=2)
    pipe.feed(pipe.schema(), pipe.order(1, 10), pipe.state(2), batch_size_rows=1)
    assert len(pipe.calls("DELETE")) == 1
    assert len(pipe.calls("POST", "/rows")) == 4
    assert pipe.amounts() == {"1": 10, "2": 2, "3": 3, "4": 4}


def noted(pipe, *notes: str) -> list[dict]:
    """Orders with a note each."""
    rows = [pipe.order(number, number, Note=note) for number, note in enumerate(notes, 1)]
    return [pipe.schema(properties=ORDERS | {"Note": {"type": "string"}}), *rows]


def turn_notes_into(pipe, kind: str) -> None:
    """Somebody changes the type of the column of notes in Power BI, which refuses words from then on, or takes them again."""
    pipe.dataset().tables["orders"].columns["Note"] = kind


def test_a_row_that_power_bi_refuses_in_a_rewrite_goes_to_the_dead_letters_and_the_others_arrive(pipe):
    pipe.feed(*noted(pipe, "1", "2", "3", "4"))
    turn_notes_into(pipe, "Int64")
    out = pipe.feed(*noted(pipe, "10", "a word", "30"), pipe.state(2))
    assert out == '{"bookmark":2}\n'
    assert pipe.code == ExitCode.DEAD_LETTERS
    assert pipe.amounts().keys() == {"1", "3", "4"}
    [(key, reason)] = pipe.dead()
    assert key == '{"OrderNo":"2"}'
    assert "1 rows for table 'orders': Power BI answered 400 BadRequest" in reason
    assert "'Note'" in reason
    assert pipe.pushes()[-1].rows == {"acknowledged": 2, "refused": 1}
    assert balances(pipe)
    turn_notes_into(pipe, "String")
    pipe.feed(*replayed(pipe))
    assert pipe.amounts().keys() == {"1", "2", "3", "4"}
    assert replayed(pipe) == []


def test_a_refused_row_of_a_rewrite_is_found_by_keys_of_any_kind(pipe):
    properties = {
        "No": {"type": "integer"},
        "Part": {"type": "number"},
        "Open": {"type": "boolean"},
        "Note": {"type": "string"},
    }
    schema = pipe.schema("orders", properties, ("No", "Part", "Open"))

    def row(note: str) -> dict:
        return pipe.record({"No": 7, "Part": Decimal("1.50"), "Open": True, "Note": note})

    other = pipe.record({"No": 8, "Part": 2, "Open": False, "Note": "1"})
    pipe.feed(schema, row("1"), other)
    turn_notes_into(pipe, "Int64")
    pipe.feed(schema, row("a word"))
    assert pipe.code == ExitCode.DEAD_LETTERS
    assert [key for key, _ in pipe.dead()] == ['{"No":"7","Open":"true","Part":"1.5"}']
    assert [shown["No"] for shown in pipe.rows()] == [8]


def test_where_refused_rows_end_the_run_one_in_a_rewrite_does_too(pipe):
    pipe.feed(*noted(pipe, "1", "2"))
    turn_notes_into(pipe, "Int64")
    with pytest.raises(RowRejectedError, match="'Note'"):
        pipe.feed(*noted(pipe, "10", "a word"), pipe.state(2), on_row_error="fail")
    assert pipe.out == ""
    pipe.feed(*noted(pipe, "10", "20"), pipe.state(2), on_row_error="fail")
    assert pipe.amounts().keys() == {"1", "2"}


def test_a_service_that_refuses_everything_makes_no_dead_letters_of_what_it_has_shown(pipe):
    before(pipe)
    pipe.fault(
        "status", status=400, code="BadRequest", message="no such amount", method="POST", path="*/rows", times=None
    )
    with pytest.raises(RowRejectedError, match="no such amount"):
        pipe.feed(pipe.schema(), pipe.order(1, 13), pipe.state(2))
    assert pipe.dead() == []
    pipe.world.faults.clear()
    out = pipe.feed(pipe.schema(), pipe.order(1, 10), pipe.state(2))
    assert pipe.amounts() == {"1": 10, "2": 2, "3": 3, "4": 4}
    assert out == '{"bookmark":2}\n'


def test_other_tables_are_made_right_although_one_resists(pipe):
    pipe.feed(pipe.schema(), pipe.order(1), pipe.schema("lines"), pipe.record({"OrderNo": "1", "Amount": 1}, "lines"))
    pipe.fault("status", status=403, method="POST", path="*/orders/rows")
    with pytest.raises(AuthError, match="1 rows for table 'orders'"):
        pipe.feed(
            pipe.schema(), pipe.order(1, 2), pipe.schema("lines"), pipe.record({"OrderNo": "1", "Amount": 2}, "lines")
        )
    assert pipe.rows("lines") == [{"OrderNo": "1", "Amount": 2}]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", ["mirror", "append"])
def test_a_service_that_answers_400_now_and_then_costs_replays_and_no_row(pipe, mode, seed):
    pipe.config["write_mode"] = mode
    before(pipe)
    dice = Random(seed)
    for _ in range(6):
        pipe.fault("status", status=400, code="BadRequest", method="POST", path="*/rows", skip=dice.randrange(8))
    try:
        pipe.feed(*changes(pipe), batch_size_rows=2)
    except RowRejectedError:  # a rewrite met a row that was shown before, which is no dead letter
        pipe.world.faults.clear()
        pipe.feed(*changes(pipe), batch_size_rows=2)
    pipe.world.faults.clear()
    pipe.feed(*replayed(pipe), batch_size_rows=2)
    if mode == "mirror":
        assert pipe.amounts() == SOURCE
    else:
        shown = Counter((row["OrderNo"], row.get("Amount")) for row in pipe.rows())
        assert shown == Counter([(str(n), n) for n in range(1, 8)] + [("1", 10), ("3", None)])
    assert balances(pipe)


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
