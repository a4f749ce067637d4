"""What the next run makes of a batch that an ended process left without an answer, for tables with a key and without."""

from __future__ import annotations

import pytest
from ifs_bi_core.errors import ExitCode, RowRejectedError
from target_powerbi.kept import Status

EARLIER = "20260101T000000000000Z-0123abcd-00007"
LATER = EARLIER.replace("00007", "00008")
OTHERS = LATER.replace("0123abcd", "ffffffff")
NOTES = {"OrderNo": {"type": "string"}}
KEYS = {"with key": ("OrderNo",), "without key": ()}
LOST = {"kind": "reset", "method": "POST", "path": "*/rows", "after": True}


@pytest.fixture(params=KEYS.values(), ids=KEYS)
def lines(request, pipe):
    """The SCHEMA of a table with a row that an earlier run delivered, and two rows that are news."""
    schema = pipe.schema(properties=NOTES, keys=request.param)
    pipe.feed(schema, pipe.record({"OrderNo": "1"}))
    return [schema, pipe.record({"OrderNo": "2"}), pipe.record({"OrderNo": "3"})]


def has_key(lines) -> bool:
    return bool(lines[0]["key_properties"])


def ended_after(pipe, lines, step: str) -> None:
    """A process that ended between two steps of its batch; it told the ledger no more than "about to push"."""
    target = pipe.target()
    target.process_lines(pipe.lines(*lines).splitlines())
    if step != "gathered":
        target.drain_one(target.get_sink("orders"))
    if step == "finished":
        target.finish()
        target.settle()
    target.close()
    target.account.ledger.close()


def shown(pipe) -> list[str]:
    return [row["OrderNo"] for row in pipe.rows()]


def outcomes(pipe) -> list[dict[str, int]]:
    """What became of each batch after the first, which the fixture delivered."""
    return [push.rows for push in pipe.pushes()][1:]


def test_a_batch_that_was_not_complete_leaves_nothing(pipe, lines):
    ended_after(pipe, lines, "gathered")
    assert outcomes(pipe) == []
    pipe.feed(*lines)
    assert shown(pipe) == ["1", "2", "3"]


def test_rows_that_were_added_stay_where_they_have_a_key_and_come_again_where_they_have_none(pipe, lines):
    ended_after(pipe, lines, "added")
    assert outcomes(pipe) == [{"pushing": 2}]
    assert shown(pipe) == ["1", "2", "3"]
    pipe.feed(*lines)
    assert outcomes(pipe) == [{"acknowledged": 2} if has_key(lines) else {"withdrawn": 2}, {"acknowledged": 2}]
    assert shown(pipe) == ["1", "2", "3"]


def test_rows_of_a_run_that_made_every_table_right_are_acknowledged_by_the_next(pipe, lines):
    ended_after(pipe, lines, "finished")
    pipe.feed(lines[0])
    assert outcomes(pipe) == [{"acknowledged": 2}]
    assert shown(pipe) == ["1", "2", "3"]


def test_a_lost_answer_is_settled_by_the_repair_at_the_beginning_of_the_next_run(pipe, lines):
    pipe.fault(**LOST)
    ended_after(pipe, lines, "added")
    pipe.feed(*lines)
    assert outcomes(pipe) == [{"acknowledged": 2} if has_key(lines) else {"withdrawn": 2}, {"acknowledged": 2}]
    assert shown(pipe) == ["1", "2", "3"]


def test_as_long_as_a_table_resists_its_repair_nobody_can_tell_of_rows_that_stay_and_later_somebody_can(pipe, lines):
    pipe.world.switches.powerbi_queries = "refuse"
    pipe.fault(**LOST)
    ended_after(pipe, lines, "added")
    pipe.fault("status", status=400, code="BadRequest", method="POST", path="*/rows", times=None)
    with pytest.raises(RowRejectedError):
        pipe.feed(lines[0], pipe.state(1))
    assert outcomes(pipe) == [{"unknown": 2} if has_key(lines) else {"withdrawn": 2}]
    pipe.world.faults.clear()
    pipe.feed(*lines)
    assert outcomes(pipe)[0] == ({"acknowledged": 2} if has_key(lines) else {"withdrawn": 2})
    assert shown(pipe) == ["1", "2", "3"]
    assert pipe.code == ExitCode.DONE


@pytest.mark.parametrize(
    ("taken", "held"),
    [(None, 0), (EARLIER, 5), (LATER, 5), (EARLIER.replace("00007", "00006"), 0), (OTHERS, 0)],
    ids=["none", "this one", "a later one", "an earlier one", "another process's"],
)
@pytest.mark.usefixtures("lines")
def test_the_last_batch_that_is_kept_tells_whether_an_earlier_one_is(pipe, taken, held):
    target = pipe.target()
    if taken:
        target.run.kept.took("orders", taken)
    assert target.run.delivery.held_of("orders", EARLIER, 5) == held
    target.close()


@pytest.mark.parametrize("status", [Status.PENDING, Status.REWRITING])
@pytest.mark.usefixtures("lines")
def test_a_table_that_is_not_right_tells_nothing(pipe, status):
    target = pipe.target()
    target.run.kept.took("orders", EARLIER)
    target.run.kept.mark("orders", status)
    assert target.run.delivery.held_of("orders", EARLIER, 5) is None
    assert target.run.delivery.held_of("orders", LATER, 5) == 0
    assert target.run.delivery.held_of("never seen", EARLIER, 5) == 0
    target.close()
