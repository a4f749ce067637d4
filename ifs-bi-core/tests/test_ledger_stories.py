"""The story of one record, and what is kept for how long."""

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.ledger import trail
from ifs_bi_core.ledger.database import LedgerError
from ifs_bi_core.ledger.history import balance, runs, show
from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.retention import prune
from ifs_bi_core.ledger.stories import find
from ifs_bi_core.ledger.trail import TrailRow


class Clock:
    """A clock that is moved by hand."""

    def __init__(self):
        self.moment = datetime(2026, 11, 22, 10, tzinfo=UTC)

    def __call__(self):
        return self.moment

    def pass_by(self, **time):
        self.moment += timedelta(**time)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock, open_ledger):
    return open_ledger(tmp_path, clock=clock)


def rows(*numbers, version="1"):
    return [
        TrailRow(
            key_text({"OrderNo": n}, ["OrderNo"]),
            version,
            "2026-11-22T09:00:00Z",
            "2026-11-22T09:00:01Z",
            payload=f"{n}",
        )
        for n in numbers
    ]


def pushed(run, *numbers, **kwargs):
    batch = run.write_batch("orders", "warehouse", rows(*numbers, **kwargs))
    batch.pushing()
    return batch


def told(story):
    return [(moment.what, moment.note) for moment in story.moments]


def test_the_story_of_a_record_goes_across_runs_and_tells_what_became_of_it_each_time(ledger, clock):
    first = ledger.begin_run("target", "1", run="R1")
    lost = pushed(first, 10022, 10023)
    clock.pass_by(seconds=1)
    lost.refused("too long", [1])
    lost.acknowledged()
    first.end(3)
    clock.pass_by(days=1)
    second = ledger.begin_run("target", "1", run="R2")
    pushed(second, 5).acknowledged()
    pushed(second, 10023, version="2").acknowledged()
    second.end(0)
    refused, delivered = find(ledger, "orders", {"OrderNo": "10023"})
    assert (refused.run, refused.fate, refused.position, refused.row_version) == ("R1", State.REFUSED, 1, "1")
    assert told(refused) == [
        ("read", None),
        ("transformed", None),
        ("written", None),
        ("pushing", None),
        ("refused", "too long"),
    ]
    assert refused.moments[-1].at == "2026-11-22T10:00:01.000000Z"
    assert (delivered.run, delivered.fate, delivered.row_version) == ("R2", State.ACKNOWLEDGED, "2")
    [neighbour] = find(ledger, "orders", {"OrderNo": Decimal("10022.0")})
    assert [what for what, _ in told(neighbour)][-1] == "acknowledged"
    assert find(ledger, "orders", {"OrderNo": 1}) == []
    assert find(ledger, "lines", {"OrderNo": 10023}) == []


def test_an_outcome_that_a_later_run_found_out_is_part_of_the_story(ledger, open_ledger):
    pushed(ledger.begin_run("target", "1", run="R1"), 1).unknown("no answer")
    other = open_ledger(ledger.state_dir)
    other.begin_run("target", "1", run="R2")
    [batch] = other.unanswered("warehouse", "orders", or_unknown=True)
    batch.acknowledged()
    [story] = find(ledger, "orders", {"OrderNo": 1})
    assert told(story)[-2:] == [("unknown", "no answer"), ("acknowledged", "said by run R2")]
    assert story.fate is State.ACKNOWLEDGED


def test_a_row_that_died_before_it_came_into_a_batch_has_a_story(ledger):
    run = ledger.begin_run("target", "1", run="R1")
    run.dead("orders", "warehouse", "no date", key=key_text({"OrderNo": 7}, ["OrderNo"]))
    run.read("orders", 1)
    run.end(3)
    [story] = find(ledger, "orders", {"OrderNo": "7"})
    assert (story.batch, story.fate, told(story)) == (None, State.REFUSED, [("refused", "no date")])
    assert balance(ledger, "R1").holds


def test_a_record_that_comes_twice_in_a_batch_has_two_stories(ledger):
    pushed(ledger.begin_run("target", "1"), *range(2_400, 2_600), 2_500)
    assert [story.position for story in find(ledger, "orders", {"OrderNo": 2_500})] == [100, 200]


def test_every_record_of_a_large_batch_is_found_where_it_lies(ledger):
    pushed(ledger.begin_run("target", "1"), *range(12_345))
    for number in (0, 2_499, 2_500, 9_999, 10_000, 12_344):
        [story] = find(ledger, "orders", {"OrderNo": number})
        assert story.position == number


def test_a_batch_of_another_machine_is_told_of_without_its_file(ledger):
    batch = pushed(ledger.begin_run("target", "1"), 1)
    batch.acknowledged()
    batch.file.unlink()
    [story] = find(ledger, "orders", {"OrderNo": 1})
    assert (story.position, story.fate) == (None, State.ACKNOWLEDGED)
    assert batch.host in story.moments[0].note
    with pytest.raises(LedgerError, match="is not there"):
        list(batch.rows())


def test_a_damaged_batch_file_gets_a_sentence(ledger):
    batch = pushed(ledger.begin_run("target", "1"), 1)
    batch.file.write_bytes(b"no parquet")
    with pytest.raises(LedgerError, match="can't be read"):
        list(batch.rows())
    with pytest.raises(LedgerError, match="can't be read"):
        find(ledger, "orders", {"OrderNo": 1})


def test_a_part_of_a_key_is_refused_with_the_properties_to_give(ledger):
    key = key_text({"OrderNo": "1", "LineNo": 1}, ["LineNo", "OrderNo"])
    ledger.begin_run("target", "1").write_batch("lines", "warehouse", [TrailRow(key)])
    with pytest.raises(ConfigError, match=r"Give --key LineNo=… --key OrderNo=…"):
        find(ledger, "lines", {"OrderNo": "1"})
    assert len(find(ledger, "lines", {"OrderNo": "1", "LineNo": "1"})) == 1


def test_a_run_that_is_not_in_the_ledger_is_refused_with_what_lists_them(ledger):
    with pytest.raises(ConfigError, match="ledger runs"):
        show(ledger, "R")
    with pytest.raises(ConfigError, match="ledger runs"):
        balance(ledger, "R")


def scripted(ledger):
    """A run with a batch of every outcome."""
    run = ledger.begin_run("target", "1", run="R")
    batches = {
        name: pushed(run, n) for n, name in enumerate(("delivered", "refused", "unknown", "unanswered", "withdrawn"))
    }
    batches["delivered"].acknowledged()
    batches["refused"].refused("too long")
    batches["unknown"].unknown("no answer")
    batches["withdrawn"].withdrawn("no connection")
    batches["in part"] = pushed(run, 5, 6, 7)
    batches["in part"].refused("too long", [1])
    batches["in part"].acknowledged()
    run.read("orders", 7)
    run.end(1)
    return batches


def payloads(batch):
    return [row.payload for row in batch.rows()]


def test_payloads_of_delivered_rows_go_after_a_week_and_those_of_others_stay(ledger, clock):
    batches = scripted(ledger)
    clock.pass_by(days=7)
    assert prune(ledger).payloads == 0
    clock.pass_by(seconds=1)
    removed = prune(ledger)
    assert removed.payloads == 3
    assert payloads(batches["delivered"]) == payloads(batches["withdrawn"]) == [None]
    assert payloads(batches["in part"]) == [None, "6", None]
    assert [payloads(batches[name]) for name in ("refused", "unknown", "unanswered")] == [["1"], ["2"], ["3"]]
    assert prune(ledger).payloads == 0
    [story] = find(ledger, "orders", {"OrderNo": 0})
    assert story.fate is State.ACKNOWLEDGED


def test_trails_of_delivered_rows_go_at_last_and_never_those_of_others(ledger, clock):
    batches = scripted(ledger)
    clock.pass_by(days=401)
    removed = prune(ledger)
    assert removed.trails == 2
    assert [name for name, batch in batches.items() if not batch.file.exists()] == ["delivered", "withdrawn"]
    assert find(ledger, "orders", {"OrderNo": 0}) == []
    assert len(find(ledger, "orders", {"OrderNo": 6})) == 1
    assert prune(ledger).trails == 0
    assert [line.read for line in balance(ledger, "R").streams] == [7]
    assert balance(ledger, "R").holds


def test_a_run_is_forgotten_when_nothing_of_it_is_left(ledger, clock):
    run = ledger.begin_run("target", "1")
    pushed(run, 1).acknowledged()
    run.end(0)
    clock.pass_by(days=399)
    ledger.begin_run("tap", "1", run="young").end(0)
    clock.pass_by(days=2)
    assert prune(ledger).runs == 1
    assert [part.run for part in runs(ledger)] == ["young"]


def test_what_killed_processes_left_is_swept_after_a_day(ledger, clock):
    batch = pushed(ledger.begin_run("target", "1"), 1)
    stray, unfinished = batch.file.with_name("stray.parquet"), batch.file.with_name("x.parquet" + trail.TEMPORARY)
    probe = ledger.state_dir / ".room-4711-0123abcd"
    for file in (stray, unfinished, probe, batch.file):
        file.touch()
        os.utime(file, (clock().timestamp(), clock().timestamp()))
    assert prune(ledger).left_behind == 0
    clock.pass_by(days=1, seconds=1)
    assert prune(ledger).left_behind == 3
    assert list(batch.file.parent.iterdir()) == [batch.file]
    assert not probe.exists()


def test_pruning_that_is_stopped_leaves_the_old_file_or_the_new_one(ledger, clock, monkeypatch):
    batch = pushed(ledger.begin_run("target", "1"), 1)
    batch.acknowledged()
    clock.pass_by(days=8)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", stopped)
        with pytest.raises(KeyboardInterrupt):
            prune(ledger)
    assert payloads(batch) == ["1"]
    assert prune(ledger).payloads == 1
    assert payloads(batch) == [None]


def stopped(descriptor):
    raise KeyboardInterrupt
