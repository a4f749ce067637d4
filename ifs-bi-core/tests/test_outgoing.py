"""Whatever a destination does and wherever a process ends: no row is lost, and the ledger tells the truth."""

import io
import json
import os
import signal
import sqlite3
import sys
import tempfile
import traceback
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ifs_bi_core.dead_letter.letter import RowState
from ifs_bi_core.dead_letter.letter import State as LetterState
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ExitCode, IfsBiError, OutcomeUnknownError
from ifs_bi_core.ledger import history, trail
from ifs_bi_core.ledger.batches import Batch, follows, read_batches
from ifs_bi_core.ledger.database import Database
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.singer.account import TARGET_SETTINGS
from ifs_bi_core.singer.outgoing import BatchRefusedError, OutcomeAcceptedError
from ifs_bi_core.singer.sinks import RowSink
from ifs_bi_core.singer.target import OrderedTarget
from singer_sdk import typing as th
from singer_sdk.plugin_base import _ConfigInput
from sqlalchemy import true

FAULTS = ["none", "vanishes before", "vanishes after", "partial", "slow", "stopped"]
SCHEMA = {"properties": {"id": {"type": "integer"}, "at": {"type": "integer"}, "amount": {"type": "number"}}}
SCHEMA_LINE = json.dumps({"type": "SCHEMA", "stream": "s", "schema": SCHEMA, "key_properties": ["id"]}).encode()
SOME_ROWS = st.frozensets(st.integers(0, 9), max_size=4)
BROKEN = 70  # the exit code of a process in which a test or the code it tests is wrong


@dataclass(frozen=True)
class Script:
    """What happens in one run, and what goes wrong.

    Attributes:
        pulled: how many rows came into the source before it; 0: it replays the dead letters.
        unfit: rows that don't come into a batch.
        refused: rows that the destination refuses.
        stores: whether it has stored the rows before the bad one then.
        faults: one for each delivery, while there are any.
        at_end: the fault of the last step, where the destination shows rows at the end alone.
        unsure: whether the destination can't tell what it holds.
        killed: the step before which the process is killed.
    """

    pulled: int = 0
    unfit: frozenset[int] = frozenset()
    refused: frozenset[int] = frozenset()
    stores: bool = False
    faults: tuple[str, ...] = ()
    at_end: str = "none"
    unsure: bool = False
    killed: int | None = None


SCRIPTS = st.builds(
    Script,
    pulled=st.sampled_from([0, 4, 0, 7]),
    unfit=SOME_ROWS,
    refused=SOME_ROWS,
    stores=st.booleans(),
    faults=st.lists(st.sampled_from(FAULTS), max_size=4).map(tuple),
    at_end=st.sampled_from(FAULTS),
    unsure=st.sampled_from([False, False, True]),
    killed=st.none() | st.none() | st.integers(1, 150),
)


class Destination:
    """A file of rows by key, of which the newest stays, with a mark: how many rows of the last batch have come."""

    def __init__(self, folder):
        self._database = sqlite3.connect(folder / "destination.db")
        self._database.execute("CREATE TABLE IF NOT EXISTS held (id INTEGER PRIMARY KEY, at INTEGER)")
        self._database.execute("CREATE TABLE IF NOT EXISTS mark (batch TEXT, rows INTEGER)")
        self._database.execute("CREATE TABLE IF NOT EXISTS arrivals (number INTEGER PRIMARY KEY, at INTEGER)")

    def commit(self, rows):
        """Take rows with their batch and place in it, in one transaction; how many were older than what is held."""
        upsert = "INSERT INTO held VALUES (?, ?) ON CONFLICT DO UPDATE SET at = excluded.at WHERE excluded.at > at"
        with self._database:
            self._database.executemany("INSERT INTO arrivals (at) VALUES (?)", [(row["at"],) for _, _, row in rows])
            taken = sum(self._database.execute(upsert, (row["id"], row["at"])).rowcount for _, _, row in rows)
            for batch, place, _ in rows[-1:]:
                self._database.execute("DELETE FROM mark")
                self._database.execute("INSERT INTO mark VALUES (?, ?)", (batch, place + 1))
        return len(rows) - taken

    def held(self):
        return dict(self._database.execute("SELECT id, at FROM held"))

    def arrivals(self):
        return [at for (at,) in self._database.execute("SELECT at FROM arrivals ORDER BY number")]

    def held_of(self, batch, rows):
        mark, held = self._database.execute("SELECT batch, rows FROM mark").fetchone() or ("", 0)
        if mark == batch:
            return held
        return rows if mark and follows(mark, batch) else 0

    def close(self):
        self._database.close()


class ScriptedSink(RowSink):
    """Delivers as the script says."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._prepared, self._kept = [], []

    def shape(self):
        """A file needs none."""

    def prepare(self, rows):
        unfit = self._target.script.unfit
        self._prepared += [row for row in rows if row["at"] not in unfit]
        return {position: "it is unfit" for position, row in enumerate(rows) if row["at"] in unfit}

    def deliver(self, first, count, batch):
        self._target.deliveries.append((first, count))
        script, fault = self._target.script, next(self._target.faults, "none")
        rows = [(batch, place, self._prepared[place]) for place in range(first, first + count)]
        good = next((n for n, (_, _, row) in enumerate(rows) if row["at"] in script.refused), count)
        take = self._keep if self._target.confirms_at_end else self._target.place.commit
        if fault == "slow":
            self._target._last_full_drain_at -= 3600
        if fault in {"none", "slow"} and good < count:
            stored = good if script.stores else 0
            take(rows[:stored])
            raise BatchRefusedError("it is refused", stored=stored)
        return faulty(fault, take, rows[:good])

    def _keep(self, rows):
        self._kept += rows
        return 0

    def held_of(self, batch, rows):
        return None if self._target.script.unsure else self._target.place.held_of(batch, rows)

    def forget(self):
        self._prepared = []

    def finish(self):
        faulty(self._target.script.at_end, self._target.place.commit, self._kept)


def faulty(fault, take, rows):
    """Give rows to ``take``, unless the fault prevents it."""
    if fault == "stopped":
        raise SystemExit("A signal came.")
    if fault == "vanishes before":
        raise OutcomeUnknownError("No answer came.")
    outdated = take(rows[: len(rows) // 2] if fault == "partial" else rows)
    if fault == "accepted":
        raise OutcomeAcceptedError("No answer came, and that is taken for a yes.", outdated=outdated)
    if fault in {"partial", "vanishes after"}:
        raise OutcomeUnknownError("No answer came.")
    return outdated


class ScriptedTarget(OrderedTarget):
    name = "target-scripted"
    config_jsonschema: ClassVar[dict] = th.PropertiesList(*TARGET_SETTINGS).to_dict()
    default_sink_class = ScriptedSink
    script: ClassVar[Script] = Script()
    deliveries: ClassVar[list] = []

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.place = Destination(Path(self.config["state_dir"]))
        self.faults = iter(self.script.faults)

    @property
    def destination(self):
        return "a file"


class ShowingAtTheEnd(ScriptedTarget):
    """Like a table that is rewritten when all of its rows have come."""

    confirms_at_end = True

    def _handle_max_record_age(self):
        """No STATE leaves before the end, however slow the run is."""


def run(target, script, folder, lines, batch_size=3):
    """One run in this process; its exit code."""
    config = {"state_dir": str(folder), "batch_size_rows": batch_size}
    target.script = script
    target.deliveries.clear()
    try:
        return target.invoke(config=_ConfigInput(config), file_input=io.BytesIO(b"\n".join(lines)))
    except IfsBiError as error:
        return error.exit_code
    except SystemExit:
        return ExitCode.FAILED


def run_apart(target, script, folder, lines):
    """The same in a process of its own, which may be killed; the exit code, or None."""
    child = os.fork()
    if not child:
        try:
            with (folder / "out").open("w") as sys.stdout:
                if script.killed is not None:
                    kill_before(script.killed)
                code = run(target, script, folder, lines)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent tells of it
            (folder / "broken").write_text(traceback.format_exc())
            code = BROKEN
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code != BROKEN, (folder / "broken").read_text()
    return None if code == -signal.SIGKILL else code


def kill_before(number):
    """Kill this process before or after one of the things that last: a commit, a file, a STATE."""
    left = count(number, -1)

    def step():
        if next(left) == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    def between(act):
        def stepped(*args, **kwargs):
            step()
            result = act(*args, **kwargs)
            step()
            return result

        return stepped

    @contextmanager
    def in_steps(self, write=Database.write, **kwargs):
        step()
        with write(self, **kwargs) as connection:
            yield connection
            step()
        step()

    Database.write = in_steps
    Destination.commit = between(Destination.commit)
    sys.stdout.flush = between(sys.stdout.flush)
    for name in ("fsync", "replace", "rename", "mkdir"):
        setattr(os, name, between(getattr(os, name)))


def record(at):
    """The source's row of that number, with bytes that a program would write otherwise."""
    return b'{"type": "RECORD","stream":"s", "record":{"id":%d,"at": %d,"amount":%d.10}}' % (at * at % 5, at, at)


def opened(folder):
    """The ledger, to be read."""
    return closing(Ledger.open(None, folder, create=False))


class World:
    """A source, a destination and the files between them, over many runs."""

    def __init__(self, target, folder):
        self._target, self._folder = target, folder
        self._rows = self._state = 0
        self._letters = DeadLetters(folder)
        Ledger.open(None, folder).close()

    def live(self, script):
        """One run, and what has to be true whatever came of it; the exit code."""
        self._rows += script.pulled
        rows = self._pulled() if script.pulled else self._replayed()
        code = run_apart(self._target, script, self._folder, rows)
        said = (self._folder / "out").read_text().splitlines()
        if said:
            self._state = json.loads(said[-1])["at"]
        self._every_word_is_true()
        if code in {ExitCode.DONE, ExitCode.DEAD_LETTERS}:
            self._every_row_is_counted(sum(b'"RECORD"' in row for row in rows), new=bool(script.pulled))
            assert self._state == self._rows or not script.pulled
        return code

    def _pulled(self):
        states = [b'{"type":"STATE","value":{"at":%d}}' % (at + 1) for at in range(self._rows)]
        rows = [(record(at), states[at]) if at % 2 else (record(at),) for at in range(self._state, self._rows)]
        return [SCHEMA_LINE, *(line for lines in rows for line in lines), states[-1]]

    def _replayed(self):
        letters = self._letters.letters(LetterState.PENDING, LetterState.REPLAYING, LetterState.REFUSED)
        return [line for letter in letters for line in self._letters.take(letter)]

    def dead(self):
        """The rows in dead letters, by number, with their state; each lies there as it came."""
        found = []
        for letter in self._letters.letters():
            schema, *lines = self._letters.payload(letter.id)
            numbers = [json.loads(line)["record"]["at"] for line in lines]
            assert [schema, *lines] == [SCHEMA_LINE, *map(record, numbers)]
            found += zip(numbers, (row.state for row in self._letters.details(letter.id)), strict=True)
        return found

    def held(self):
        """The newest row that the destination holds, by key."""
        with closing(Destination(self._folder)) as place:
            return place.held()

    def _every_word_is_true(self):
        held, dead = self.held(), self.dead()
        arrived = {at for at in range(self._rows) if held.get(at * at % 5, -1) >= at}
        assert {at for at, state in dead if state is RowState.DONE} <= arrived
        assert set(range(self._state)) <= arrived | {at for at, _ in dead}
        with opened(self._folder) as ledger:
            for part in history.runs(ledger):
                assert part.exit_code is None or history.balance(ledger, part.run).holds
            with ledger.database.read() as connection:
                batches = read_batches(connection, true())
        for batch in batches:
            for place, row in enumerate(trail.read(self._folder / batch.file)):
                fate, at = batch.fates.of(place), json.loads(row.payload)["record"]["at"]
                assert fate is not State.ACKNOWLEDGED or at in arrived
                assert fate is not State.REFUSED or at in {number for number, _ in dead}

    def _every_row_is_counted(self, sent, *, new):
        with opened(self._folder) as ledger:
            [last, *_] = history.runs(ledger)
            balance = history.balance(ledger, last.run)
        assert balance.complete
        assert sum(line.read for line in balance.streams) == sent
        dead = sum(letter.rows for letter in self._letters.letters(run=last.run))
        assert dead == (sum(line.dead for line in balance.streams) if new else 0)

    def is_settled(self):
        """Whether every batch has an answer by now, and every row of every run is accounted for."""
        with opened(self._folder) as ledger:
            balances = [history.balance(ledger, part.run) for part in history.runs(ledger)]
            return not ledger.unanswered("a file", "s") and all(balance.holds for balance in balances)


@pytest.mark.parametrize("target", [ScriptedTarget, ShowingAtTheEnd])
@settings(max_examples=10, deadline=None)
@example(scripts=[Script(pulled=7, unfit=frozenset({0}), faults=("slow", "vanishes before"))])
@example(scripts=[Script(pulled=4, refused=frozenset({1, 2})), Script(faults=("vanishes before",))])
@given(scripts=st.lists(SCRIPTS, min_size=1, max_size=4))
def test_no_row_is_lost_whatever_happens(target, scripts):
    with tempfile.TemporaryDirectory() as folder:
        world = World(target, Path(folder))
        for script in scripts:
            world.live(script)
        assert world.live(Script(pulled=1)) == ExitCode.DONE
        assert world.is_settled()
        rows = 1 + sum(script.pulled for script in scripts)
        dead = {at for at, state in world.dead() if state is not RowState.DONE}
        newest = {at * at % 5: at for at in range(rows) if at not in dead}
        assert all(world.held()[key] >= at for key, at in newest.items())
        assert world.live(Script()) == ExitCode.DONE
        assert {state for _, state in world.dead()} <= {RowState.DONE}
        assert world.held() == {at * at % 5: at for at in range(rows)}
        assert world.is_settled()


def newest_run(folder):
    """The balance of the newest run."""
    with opened(folder) as ledger:
        return history.balance(ledger, history.runs(ledger)[0].run)


def source(rows):
    return [SCHEMA_LINE, *map(record, range(rows)), b'{"type":"STATE","value":{"at":%d}}' % rows]


def arrivals(folder):
    with closing(Destination(folder)) as place:
        return place.arrivals()


def dead_rows(folder):
    """The numbers of the rows in dead letters, in the order they came there."""
    letters = DeadLetters(folder)
    lines = [line for letter in letters.letters() for line in letters.payload(letter.id)[1:]]
    return [json.loads(line)["record"]["at"] for line in lines]


@pytest.mark.parametrize(("bad", "stores"), [(0, False), (4711, False), (4711, True), (9999, False), (9999, True)])
def test_one_bad_row_of_ten_thousand_is_found_in_few_tries(tmp_path, bad, stores):
    script = Script(refused=frozenset({bad}), stores=stores)
    assert run(ScriptedTarget, script, tmp_path, source(10_000), batch_size=10_000) == ExitCode.DEAD_LETTERS
    assert len(ScriptedTarget.deliveries) <= 30
    assert arrivals(tmp_path) == [at for at in range(10_000) if at != bad]
    assert dead_rows(tmp_path) == [bad]


def test_a_batch_of_which_every_row_is_bad_ends_after_a_bounded_number_of_tries(tmp_path):
    script = Script(refused=frozenset(range(10_000)))
    assert run(ScriptedTarget, script, tmp_path, source(10_000), batch_size=10_000) == ExitCode.DEAD_LETTERS
    assert len(ScriptedTarget.deliveries) <= 120
    assert arrivals(tmp_path) == []
    assert sorted(dead_rows(tmp_path)) == list(range(10_000))
    [line] = newest_run(tmp_path).streams
    assert (line.read, line.dead, line.holds) == (10_000, 10_000, True)


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 40), st.frozensets(st.integers(0, 39)), st.booleans())
def test_bad_rows_alone_are_put_aside_and_the_others_arrive_once_in_their_order(rows, refused, stores):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(ScriptedTarget, Script(refused=refused, stores=stores), folder, source(rows), batch_size=100)
        assert arrivals(folder) == [at for at in range(rows) if at not in refused]
        assert dead_rows(folder) == [at for at in range(rows) if at in refused]
        assert [line.holds for line in newest_run(folder).streams] == [True]


def test_the_run_that_finds_out_what_arrived_says_so(tmp_path):
    assert run(ScriptedTarget, Script(faults=("partial",)), tmp_path, source(2)) == ExitCode.FAILED
    assert run(ScriptedTarget, Script(), tmp_path, [SCHEMA_LINE]) == ExitCode.DONE
    with opened(tmp_path) as ledger:
        later, earlier = (part.run for part in history.runs(ledger))
        with ledger.database.read() as connection:
            [batch] = read_batches(connection, true())
    assert [(event.state, event.run) for event in batch.events] == [
        (State.WRITTEN, earlier),
        (State.PUSHING, earlier),
        (State.ACKNOWLEDGED, later),
        (State.WITHDRAWN, later),
    ]
    assert batch.fates.counts() == {State.ACKNOWLEDGED: 1, State.WITHDRAWN: 1}


def test_where_nobody_can_tell_what_arrived_the_run_goes_on_and_the_next_one_asks_again(tmp_path, caplog):
    assert run(ScriptedTarget, Script(faults=("vanishes after",)), tmp_path, source(2)) == ExitCode.FAILED
    for _ in range(2):
        assert run(ScriptedTarget, Script(unsure=True), tmp_path, [SCHEMA_LINE]) == ExitCode.DONE
        assert "nobody can tell whether batch" in caplog.text
        caplog.clear()
    with opened(tmp_path) as ledger:
        first = history.runs(ledger)[-1].run
        [line] = history.balance(ledger, first).streams
        assert (line.unknown, line.holds) == (2, True)
        assert len(history.show(ledger, first).batches) == 1
    assert run(ScriptedTarget, Script(), tmp_path, [SCHEMA_LINE]) == ExitCode.DONE
    with opened(tmp_path) as ledger:
        [line] = history.balance(ledger, first).streams
    assert (line.acknowledged, line.unknown, line.holds) == (2, 0, True)


def test_a_process_that_is_stopped_before_a_batch_leaves_says_that_it_did_not(tmp_path, monkeypatch):
    def stopped(batch):
        raise SystemExit(f"A signal came before {batch.id} left.")

    with monkeypatch.context() as patched:
        patched.setattr(Batch, "pushing", stopped)
        assert run(ScriptedTarget, Script(), tmp_path, source(2)) == ExitCode.FAILED
    assert arrivals(tmp_path) == []
    [line] = newest_run(tmp_path).streams
    assert (line.read, line.waiting, line.again, line.holds) == (2, 0, 2, True)


def test_rows_that_a_setting_takes_for_delivered_stay_unknown_and_the_run_goes_on(tmp_path):
    assert run(ShowingAtTheEnd, Script(faults=("accepted",)), tmp_path, source(5)) == ExitCode.DONE
    with opened(tmp_path) as ledger:
        [line] = history.balance(ledger, history.runs(ledger)[0].run).streams
    assert (line.read, line.unknown, line.acknowledged, line.holds) == (5, 3, 2, True)


class Regretting(ShowingAtTheEnd):
    """Learns at the end that a row it took is refused."""

    def finish(self):
        super().finish()
        assert self.refuse_pushed("s", '{"id":"1"}', "it is refused after all")
        assert not self.refuse_pushed("s", '{"id":"99"}', "there is none")
        assert not self.refuse_pushed("another", '{"id":"1"}', "there is none")


def test_a_row_that_was_taken_and_is_refused_at_the_end_is_a_dead_letter(tmp_path):
    assert run(Regretting, Script(), tmp_path, source(5)) == ExitCode.DEAD_LETTERS
    with opened(tmp_path) as ledger:
        [line] = history.balance(ledger, history.runs(ledger)[0].run).streams
    assert (line.read, line.acknowledged, line.dead, line.holds) == (5, 4, 1, True)
    letters = DeadLetters(tmp_path)
    [row] = [row for letter in letters.letters() for row in letters.details(letter.id)]
    assert (row.key, row.reason) == ('{"id":"1"}', "it is refused after all")
