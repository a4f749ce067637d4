"""Writing to the ledger: what is told is kept, in rows that never change."""

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.http.policies import Attempt
from ifs_bi_core.ledger import keys
from ifs_bi_core.ledger.accounts import ATTEMPTS, BATCHES, PAGES
from ifs_bi_core.ledger.database import LedgerError
from ifs_bi_core.ledger.history import balance, runs, show
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow, folder_of
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
def ledger(tmp_path):
    opened = Ledger.open(None, tmp_path / "state")
    yield opened
    opened.close()


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


def test_batches_of_an_earlier_process_without_an_answer_are_given_to_the_next_one_in_their_order(ledger):
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

    following = Ledger.open(None, ledger.state_dir)
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
    following.close()


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
def test_a_run_balances_after_any_script_of_answers_once_every_batch_has_one(ledger, scripts, exit_code):
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
    following = Ledger.open(None, ledger.state_dir)
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
    assert verbs == {"BEGIN", "INSERT", "SELECT", "PRAGMA"}


def test_attempts_wait_for_the_next_account_and_pages_are_written_when_they_are_many_or_old(tmp_path):
    now = datetime(2026, 11, 22, 10, tzinfo=UTC)
    ledger = Ledger.open(None, tmp_path, clock=lambda: now)
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
    ledger.close()


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


def test_a_run_says_what_it_did_and_when(tmp_path):
    now = datetime(2026, 11, 22, 10, tzinfo=UTC)
    ledger = Ledger.open(None, tmp_path, clock=lambda: now)
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
    ledger.close()


def test_tap_and_target_may_share_a_run_that_is_complete_when_both_are(ledger):
    tap = ledger.begin_run("tap", "1", run="R")
    other = Ledger.open(None, ledger.state_dir)
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
    other.close()


def test_secrets_do_not_get_into_the_ledger(ledger):
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
ledger = Ledger.open(None, Path(sys.argv[1]))
run = ledger.begin_run(sys.argv[2], "1")
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    batch = run.write_batch("orders", sys.argv[2], [TrailRow('{"No":"%d"}' % number)])
    batch.pushing()
    batch.acknowledged()
    run.page("orders", number=number, rows=1, query="x")
    run.read("orders", 1)
run.end(0)
"""


def test_two_processes_write_one_ledger_at_once_and_nothing_is_lost(tmp_path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("tap", "target")
    ]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2  # both made the ledger, at the same time
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [(writer.communicate()[1], writer.returncode) for writer in writers] == [("", 0)] * 2
    ledger = Ledger.open(None, tmp_path)
    assert (count(ledger, BATCHES), count(ledger, PAGES)) == (120, 120)
    assert {part.status for part in runs(ledger)} == {"done"}
    assert all(balance(ledger, part.run).holds for part in runs(ledger))
    ledger.close()


@given(
    st.dictionaries(
        st.text(),
        st.text() | st.integers() | st.booleans() | st.none() | st.decimals(allow_nan=False, allow_infinity=False),
    )
)
def test_a_key_is_the_same_whether_its_values_are_numbers_or_typed(key):
    names = sorted(key)
    text = keys.key_text(key, names)
    assert keys.names_of(text) == names
    typed = {name: value if value is None else keys._value_text(value) for name, value in key.items()}
    assert keys.key_text(typed, names) == text


@pytest.mark.parametrize(("number", "typed"), [("10023", "10023"), ("10.50", "10.5"), ("1E+3", "1000"), ("0.00", "0")])
def test_numbers_in_keys_are_written_as_people_type_them(number, typed):
    assert keys.key_text({"No": Decimal(number)}, ["No"]) == f'{{"No":"{typed}"}}'


@given(
    st.sets(st.text(st.characters(exclude_categories=["Cs"])), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_the_index_holds_every_key_of_its_batch(held, other):
    index = keys.index(keys.digests(held))
    assert all(keys.may_hold(index, keys.digests([key])) for key in held)
    assert other in held or not keys.may_hold(index, keys.digests([other]))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_stream_has_a_folder_of_its_own_below_the_batches(stream):
    name = folder_of(stream)
    assert name not in {"", ".", ".."}
    assert "/" not in name
    assert "\0" not in name
    assert len(name.encode()) <= 255
