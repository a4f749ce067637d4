"""Writing to the ledger: what is told is kept, in rows that never change."""

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.http.policies import Attempt
from ifs_bi_core.ledger import keys
from ifs_bi_core.ledger.accounts import ATTEMPTS, BATCHES, DEAD_ROWS, PAGES
from ifs_bi_core.ledger.batches import read_batches
from ifs_bi_core.ledger.database import LedgerError
from ifs_bi_core.ledger.history import balance, runs, show
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow
from ifs_bi_core.redaction import REDACTOR
from sqlalchemy import event, func, select

ROWS = [
    TrailRow(
        '{"OrderNo":"1"}', "2026-11-20T00:00:00Z", "2026-11-22T10:00:00Z", "2026-11-22T10:00:01Z", payload=b'{"a":1.10}'
    ),
    TrailRow('{"OrderNo":"2"}', deleted=True, payload='{"a":"\u00e5"}'),
    TrailRow('{"OrderNo":"1"}', "2026-11-21T00:00:00Z", payload=None),
]
ATTEMPT = Attempt("orders page 1", "GET", 200, None, 0.25, 0, 1_000, "request-1")


@pytest.fixture
def ledger(tmp_path, open_ledger):
    return open_ledger(tmp_path / "state")


def count(ledger, table):
    with ledger.database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar()


def test_a_batch_gives_back_its_rows_in_their_order(ledger):
    batch = ledger.begin_run("target", "1").write_batch("orders", "warehouse", iter(ROWS))
    assert list(batch.rows()) == [row._replace(payload='{"a":1.10}') if row is ROWS[0] else row for row in ROWS]
    assert batch.size == 3


def test_a_large_batch_is_written_in_pieces_and_read_in_order(ledger):
    with ledger.begin_run("target", "1").begin_batch("orders", "warehouse") as writer:
        for begin in range(0, 25_000, 700):
            writer.add(TrailRow(f'{{"No":"{n}"}}') for n in range(begin, min(begin + 700, 25_000)))
        batch = writer.written()
    assert [row.key for row in batch.rows()] == [f'{{"No":"{n}"}}' for n in range(25_000)]


def test_a_batch_that_was_not_finished_leaves_nothing_behind(ledger):
    def stops():
        yield from ROWS
        raise KeyError

    run = ledger.begin_run("target", "1")
    with pytest.raises(KeyError):
        run.write_batch("orders", "warehouse", stops())
    assert not list(ledger.state_dir.glob("batches/*/*"))
    assert count(ledger, BATCHES) == 0


def test_batches_of_an_earlier_process_without_an_answer_are_given_to_the_next_one_in_their_order(ledger, open_ledger):
    run = ledger.begin_run("target", "1")
    written, pushing, answered, in_part, unknown, elsewhere = (
        run.write_batch(stream, "warehouse", ROWS) for stream in ["orders"] * 5 + ["lines"]
    )
    for batch in (pushing, answered, in_part, unknown):
        batch.pushing()
    answered.acknowledged()
    in_part.refused("too long", [1])
    unknown.unknown("no answer")
    assert ledger.unanswered("warehouse", "orders") == []  # they are this process's own
    assert elsewhere.fates.rest is State.WRITTEN

    following = open_ledger(ledger.state_dir)
    found = following.unanswered("warehouse", "orders")
    assert [batch.id for batch in found] == [written.id, pushing.id, in_part.id]
    assert [batch.fates.rest for batch in found] == [State.WRITTEN, State.PUSHING, State.PUSHING]
    assert [batch.id for batch in following.unanswered("warehouse", "orders", or_unknown=True)][-1] == unknown.id
    assert following.unanswered("powerbi", "orders") == []

    later = following.begin_run("target", "1")
    for batch in found:
        assert [row.key for row in batch.rows()] == [row.key for row in ROWS]
        batch.acknowledged()
    assert following.unanswered("warehouse", "orders") == []
    assert found[0].events[-1].run == later.id


def test_an_answer_can_be_about_some_rows_alone(ledger):
    batch = ledger.begin_run("target", "1").write_batch("orders", "warehouse", ROWS)
    batch.pushing()
    batch.pushing()
    batch.refused("too long", [1])
    batch.acknowledged()
    assert batch.fates.counts() == {State.ACKNOWLEDGED: 2, State.REFUSED: 1}
    assert batch.pushes == 2


ANSWERS = ("pushing", "acknowledged", "refused", "unknown", "withdrawn")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(ANSWERS), st.none() | st.sets(st.integers(0, 2))), max_size=5), max_size=4
    ),
    st.sampled_from([0, 1, 3, None]),
)
def test_a_run_balances_after_any_script_of_answers_once_every_batch_has_one(ledger, ledger_url, scripts, exit_code):
    run = ledger.begin_run("target", "1")
    batches = []
    for script in scripts:
        batch = run.write_batch("orders", "warehouse", ROWS)
        run.read("orders", len(ROWS))
        for answer, positions in script:
            if answer == "pushing":
                batch.pushing()
            elif answer == "acknowledged":
                batch.acknowledged(positions)
            else:
                getattr(batch, answer)("because", positions)
        batches.append(batch)
    if exit_code is not None:
        run.end(exit_code)
    withdrawn, waiting = (sum(b.fates.counts()[s] for b in batches) for s in (State.WITHDRAWN, State.WRITTEN))
    finished = exit_code in {0, 3}
    assert balance(ledger, run.id).holds is (not waiting and not (finished and withdrawn))
    following = Ledger.open(ledger_url, ledger.state_dir)
    for batch in following.unanswered("warehouse", "orders"):
        batch.acknowledged()
    assert balance(ledger, run.id).holds is not (finished and bool(withdrawn))
    following.close()


def test_a_position_outside_of_the_batch_is_nobodys(ledger):
    batch = ledger.begin_run("target", "1").write_batch("orders", "warehouse", ROWS)
    with pytest.raises(ValueError, match="3 rows"):
        batch.refused("too long", [3])


def test_nothing_is_changed_or_deleted_while_runs_write(ledger):
    statements = []
    event.listen(ledger.database._engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    run = ledger.begin_run("target", "1")
    run.observer("warehouse")(ATTEMPT)
    run.page("orders", number=1, rows=3, query="x")
    run.dead("orders", "warehouse", "too long")
    batch = run.write_batch("orders", "warehouse", ROWS)
    batch.pushing()
    batch.unknown("no answer")
    batch.acknowledged()
    ledger.unanswered("warehouse", "orders")
    run.end(0)
    verbs = {statement.split()[0].upper() for statement in statements}
    assert verbs - {"BEGIN", "PRAGMA"} == {"INSERT", "SELECT"}


def test_attempts_wait_for_the_next_account_and_pages_are_written_when_they_are_many_or_old(tmp_path, open_ledger):
    now = datetime(2026, 11, 22, 10, tzinfo=UTC)
    ledger = open_ledger(tmp_path, clock=lambda: now)
    run = ledger.begin_run("tap", "1")
    run.attempt(ATTEMPT, service="IFS Cloud")
    run.page("orders", number=1, rows=5, query="OrderSet")
    assert (count(ledger, ATTEMPTS), count(ledger, PAGES)) == (0, 0)
    now += timedelta(seconds=2)
    run.page("orders", number=2, rows=5, query="OrderSet")
    assert (count(ledger, ATTEMPTS), count(ledger, PAGES)) == (1, 2)
    for number in range(3, 502):
        run.page("orders", number=number, rows=5, query="OrderSet")
    assert count(ledger, PAGES) == 2
    run.page("orders", number=502, rows=5, query="OrderSet")
    assert count(ledger, PAGES) == 502


def test_what_waited_is_written_later_where_it_could_not_be_at_once(ledger, monkeypatch):
    run = ledger.begin_run("tap", "1")
    run.attempt(ATTEMPT, service="IFS Cloud")
    with monkeypatch.context() as patched:
        patched.setattr(ledger.database, "write", refusing)
        with pytest.raises(LedgerError):
            run.flush()
    run.flush()
    assert count(ledger, ATTEMPTS) == 1


def refusing(*, durable=False):
    raise LedgerError("The ledger is full.")


def test_a_run_says_what_it_did_and_when(tmp_path, open_ledger):
    now = datetime(2026, 11, 22, 10, tzinfo=UTC)
    ledger = open_ledger(tmp_path, clock=lambda: now)
    run = ledger.begin_run("tap", "1.2", run="R")
    observe = run.observer("IFS Cloud")
    observe(ATTEMPT)
    observe(replace(ATTEMPT, status=None, error="NotSentError", seconds=1.0))
    run.page("orders", number=1, rows=5, query="OrderSet", first_key="1", last_key="5")
    run.page("orders", number=2, rows=2, query="OrderSet", first_key="6", last_key="7")
    now += timedelta(seconds=90, microseconds=7)
    run.end(3)
    [part] = runs(ledger)
    assert (part.run, part.plugin, part.version, part.status, part.exit_code) == ("R", "tap", "1.2", "dead rows", 3)
    assert (part.started, part.ended) == ("2026-11-22T10:00:00.000000Z", "2026-11-22T10:01:30.000007Z")
    view = show(ledger, "R")
    assert [(s.outcome, s.requests, s.received_bytes) for s in view.services] == [
        ("200", 1, 1_000),
        ("NotSentError", 1, 1_000),
    ]
    [pull] = view.pulled
    assert (pull.pages, pull.rows, pull.first_key, pull.last_key) == (2, 7, "1", "7")


def test_tap_and_target_may_share_a_run_that_is_complete_when_both_are(ledger, open_ledger):
    tap = ledger.begin_run("tap", "1", run="R")
    other = open_ledger(ledger.state_dir)
    target = other.begin_run("target", "1", run="R")
    tap.page("orders", number=1, rows=3, query="x")
    tap.end(0)
    target.read("orders", 3)
    batch = target.write_batch("orders", "warehouse", ROWS)
    batch.pushing()
    batch.acknowledged()
    assert not balance(ledger, "R").complete
    target.end(0)
    found = balance(ledger, "R")
    assert (found.complete, found.holds, found.pulled) == (True, True, {"orders": 3})


def test_a_view_of_the_ledger_does_not_change_while_it_is_read(ledger, open_ledger):
    run = open_ledger(ledger.state_dir).begin_run("target", "1")
    with ledger.database.read() as connection:
        asked = select(func.count()).select_from(BATCHES)
        before = connection.execute(asked).scalar()
        run.write_batch("orders", "warehouse", ROWS)
        assert connection.execute(asked).scalar() == before == 0
    assert count(ledger, BATCHES) == 1


@given(
    telling=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    other=st.sampled_from(["", "\0", "\ud800"]),
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_reason_is_kept_whatever_characters_are_in_it(ledger, telling, other):
    batch = ledger.begin_run("target", "1").write_batch("orders", "warehouse", ROWS)
    batch.refused(telling + other)
    with ledger.database.read() as connection:
        [account] = read_batches(connection, BATCHES.c.batch == batch.id)
    assert account.events[-1].reason == telling + {"": "", "\0": "\N{SYMBOL FOR NULL}", "\ud800": "\\ud800"}[other]


def test_a_stream_with_a_character_that_the_database_can_not_hold_is_found_again(ledger, open_ledger):
    ledger.begin_run("target", "1").write_batch("none \0", "warehouse", ROWS).pushing()
    [found] = open_ledger(ledger.state_dir).unanswered("warehouse", "none \0")
    assert [row.key for row in found.rows()] == [row.key for row in ROWS]


def test_a_row_whose_key_is_longer_than_a_page_of_the_database_can_die(ledger):
    key = keys.key_text({"OrderNo": "".join(f"{n:x}" for n in range(10_000))}, ["OrderNo"])
    ledger.begin_run("target", "1").dead("orders", "warehouse", "too long", key=key)
    ledger.begin_run("target", "2")
    assert count(ledger, DEAD_ROWS) == 1


def test_secrets_do_not_get_into_the_ledger(tmp_path):
    ledger = Ledger.open(None, tmp_path)
    REDACTOR.register("s3cret-of-the-ledger")
    run = ledger.begin_run("target", "1")
    run.attempt(replace(ATTEMPT, operation="for s3cret-of-the-ledger"), service="x")
    run.page("orders", number=1, rows=1, query="OrderSet?key=s3cret-of-the-ledger")
    run.dead("orders", "warehouse", "because s3cret-of-the-ledger")
    batch = run.write_batch("orders", "warehouse", ROWS)
    batch.unknown("s3cret-of-the-ledger")
    run.end(1)
    ledger.close()
    written = b"".join(path.read_bytes() for path in ledger.state_dir.rglob("*") if path.is_file())
    assert b"s3cret-of-the-ledger" not in written
    assert b"[redacted]" in written


def test_several_threads_write_one_run(ledger):
    run = ledger.begin_run("tap", "1")

    def pull(stream):
        for number in range(300):
            run.attempt(ATTEMPT, service=stream)
            run.page(stream, number=number, rows=1, query="x")

    threads = [threading.Thread(target=pull, args=(f"s{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.end(0)
    assert (count(ledger, ATTEMPTS), count(ledger, PAGES)) == (1_200, 1_200)


WRITER = """
import sys
from pathlib import Path
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow
print("loaded", flush=True)
sys.stdin.readline()
ledger = Ledger.open(sys.argv[3] or None, Path(sys.argv[1]))
run = ledger.begin_run(sys.argv[2], "1")
for number in range(60):
    batch = run.write_batch("orders", sys.argv[2], [TrailRow('{"No":"%d"}' % number)])
    batch.pushing()
    batch.acknowledged()
    run.page("orders", number=number, rows=1, query="x")
    run.read("orders", 1)
run.end(0)
"""


def test_processes_that_make_one_ledger_and_write_to_it_at_once_lose_nothing(tmp_path, ledger_url, open_ledger):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name, ledger_url or ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("tap", "target", "another")
    ]
    assert [writer.stdout.readline() for writer in writers] == ["loaded\n"] * 3
    for writer in writers:
        writer.stdin.write("go\n")  # all of them make the ledger, at the same time
        writer.stdin.flush()
    assert [(writer.communicate()[1], writer.returncode) for writer in writers] == [("", 0)] * 3
    ledger = open_ledger(tmp_path)
    assert (count(ledger, BATCHES), count(ledger, PAGES)) == (180, 180)
    assert {part.status for part in runs(ledger)} == {"done"}
    assert all(balance(ledger, part.run).holds for part in runs(ledger))
