"""Whatever a source does and wherever runs end, the tables are the source after the next run that comes to its end."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from functools import wraps

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_powerbi.kept import Kept
from target_powerbi.mirroring.local_files import LocalFiles

VERSION = "_ifs_row_version"
STEPS = {
    LocalFiles: ("names", "read", "write", "publish", "remove"),
    Kept: ("begin_post", "end_post", "undo_post", "write", "took", "define", "drop", "find", "older"),
}


class KilledError(BaseException):
    """The process has ended."""


@contextmanager
def killed_at(step):
    """A process that ends when it comes to this step, from 0; a call is one, and so is its return. Nothing is done after it."""
    left = [step]

    def come_to():
        left[0] -= 1
        if left[0] < 0:
            raise KilledError

    def stepping(call):
        @wraps(call)
        def wrapped(*args, **options):
            come_to()
            result = call(*args, **options)
            come_to()
            return result

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for owner, names in STEPS.items():
            for name in names:
                patch.setattr(owner, name, stepping(getattr(owner, name)))
        yield


class Source:
    """Orders and events, and what a tap says of them: what changed since the state that came back."""

    def __init__(self, mirror):
        self.mirror = mirror
        self.orders = {}
        self.events = []
        self.tick = 0
        self.unsaid = []  # messages of each change, which the tap says until a state is behind it

    def change(self, kind, key, amount):
        self.tick += 1
        at = {VERSION: f"2026-11-20T12:00:00.{self.tick:06}Z"}
        match kind:
            case "write":
                self.orders[key] = (amount, at)
                said = [self.mirror.order(key, amount, **at)]
            case "delete":
                self.orders.pop(key, None)
                said = [self.mirror.gone(key)]
            case "older":
                said = [self.mirror.order(key, 99, **{VERSION: "2026-11-19T12:00:00Z"})] if key in self.orders else []
            case "refresh":
                rows = [self.mirror.order(key, amount, self.tick, **at) for key, (amount, at) in self.orders.items()]
                said = [*rows, self.mirror.activate(self.tick)]
            case "event":
                self.events += [amount] * 4
                said = [self.mirror.record({"Number": amount}, "events")] * 4
        self.unsaid.append(said)

    def messages(self):
        yield self.mirror.schema()
        if self.events:
            yield self.mirror.schema("events", {"Number": {"type": "integer"}}, ())
        for number, said in enumerate(self.unsaid, 1):
            yield from said
            yield self.mirror.state(number)

    def came_back(self, states):
        if states:
            del self.unsaid[: states[-1]["bookmark"]]


CHANGE = st.tuples(
    st.sampled_from(["write", "write", "write", "delete", "older", "refresh", "event"]),
    st.sampled_from("abcd"),
    st.integers(0, 3),
)
RUN = st.tuples(st.lists(CHANGE, max_size=6), st.none() | st.integers(0, 40))


@settings(max_examples=15, deadline=None)
@given(runs=st.lists(RUN, min_size=1, max_size=5), batch_size=st.integers(1, 4), applies=st.booleans())
def test_after_any_schedule_of_changes_and_kills_the_tables_are_the_source(new_mirror, runs, batch_size, applies):
    mirror = new_mirror()
    source = Source(mirror)
    for changes, kill_at in [*runs, ((), None)]:
        for change in changes:
            source.change(*change)
        messages = list(source.messages())
        if kill_at is None:
            source.came_back(mirror.feed(*messages, batch_size_rows=batch_size))
            shown = mirror.amounts()
            assert shown == {key: amount for key, (amount, _) in source.orders.items()}
            if source.events:
                assert Counter(mirror.rows("events", '"Number"')) == Counter((number,) for number in source.events)
        else:
            try:
                with killed_at(kill_at):
                    mirror.feed(*messages, batch_size_rows=batch_size)
            except KilledError:
                pass
            source.came_back([{"bookmark": int(line.split(":")[1].strip("}"))} for line in mirror.out.splitlines()])
            if applies and (mirror.zone / "orders/_metadata.json").exists():
                mirror.apply()
    mirror.check_ledger()
    files = mirror.files()
    mirror.feed(*source.messages())
    assert mirror.files() == files


@pytest.mark.parametrize("step", range(0, 102, 6))
def test_a_run_that_is_killed_at_any_step_is_finished_by_the_next_one(mirror, step):
    notes = mirror.schema("notes", {"Text": {"type": "string"}}, ())
    mirror.feed(
        mirror.schema(), *(mirror.order(n, 1, 1) for n in range(4)), mirror.activate(1),
        notes, mirror.record({"Text": "a"}, "notes", 1), mirror.activate(1, "notes"),
    )  # fmt: skip
    messages = (
        mirror.schema(), mirror.order(0, 5, 2), mirror.order(1, 1, 2), mirror.order(9, 9, 2), mirror.activate(2),
        notes, mirror.record({"Text": "b"}, "notes", 2), mirror.record({"Text": "c"}, "notes", 2), mirror.activate(2, "notes"),
        mirror.state(1),
    )  # fmt: skip
    with pytest.raises(KilledError), killed_at(step):
        mirror.feed(*messages, batch_size_rows=1)
    assert not mirror.out
    mirror.feed(*messages, batch_size_rows=2)
    assert mirror.amounts() == {"0": 5, "1": 1, "9": 9}
    assert mirror.rows("notes", '"Text"') == [("b",), ("c",)]
    mirror.check_ledger()
