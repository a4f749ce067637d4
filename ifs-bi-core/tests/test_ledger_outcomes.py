"""What became of rows, decided from events: laws."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.ledger.outcomes import (
    FINAL,
    Event,
    State,
    balance,
    complete,
    fates,
    positions_of,
    positions_text,
)

AT = "2026-11-22T10:00:00.000000Z"
LATER = [state for state in State if state is not State.WRITTEN]


@st.composite
def batches(draw):
    """A batch: how many rows, and any script of events."""
    rows = draw(st.integers(1, 6))
    positions = st.none() | st.frozensets(st.integers(0, rows - 1))
    script = st.builds(lambda state, own: Event(AT, state, positions=own), st.sampled_from(LATER), positions)
    return rows, [Event(AT, State.WRITTEN), *draw(st.lists(script, max_size=8))]


def row_by_row(rows, events):
    """The same decision, made for each row alone."""
    decided = []
    for position in range(rows):
        state = State.WRITTEN
        for event in events:
            about = event.positions is None or position in event.positions
            if about and state not in FINAL:
                state = event.state
        decided.append(state)
    return decided


@given(batches())
def test_every_row_has_one_fate_and_its_first_final_word_stands(batch):
    rows, events = batch
    decided = fates(rows, events)
    assert [decided.of(position) for position in range(rows)] == row_by_row(rows, events)
    assert decided.counts() == Counter(row_by_row(rows, events))
    assert sum(decided.counts().values()) == rows


@given(st.lists(batches(), max_size=5), st.integers(0, 3), st.integers(-2, 2))
def test_a_finished_run_balances_exactly_when_every_row_read_was_delivered_or_is_dead_or_unknown(found, dead, off):
    states = Counter(state for batch in found for state in row_by_row(*batch))
    rows = sum(states.values())
    read = max(0, rows + dead + off)
    lines = balance(
        complete=True, reads={"s": read}, dead={"s": dead}, batches=[("s", fates(*batch)) for batch in found]
    )
    [line] = lines
    assert line.acknowledged == states[State.ACKNOWLEDGED]
    assert line.dead == states[State.REFUSED] + dead
    assert line.unknown == states[State.UNKNOWN] + states[State.PUSHING]
    lost = states[State.WRITTEN] + states[State.WITHDRAWN]
    assert line.holds is (read == line.acknowledged + line.dead + line.unknown and not states[State.WRITTEN])
    if lost and read == rows + dead:
        assert not line.holds


@given(st.lists(batches(), max_size=5))
def test_a_killed_run_balances_exactly_when_no_batch_waits(found):
    lines = balance(complete=False, reads={}, dead={}, batches=[("s", fates(*batch)) for batch in found])
    waiting = sum(state is State.WRITTEN for batch in found for state in row_by_row(*batch))
    assert all(line.holds for line in lines) is (waiting == 0)
    assert sum(line.read for line in lines) == sum(rows for rows, _ in found)


def test_a_run_that_failed_leaves_the_rows_it_did_not_account_for_to_the_next_one():
    pushed = fates(4, [Event(AT, State.WRITTEN), Event(AT, State.ACKNOWLEDGED)])
    [line] = balance(complete=False, reads={"s": 10}, dead={"s": 1}, batches=[("s", pushed)])
    assert (line.read, line.acknowledged, line.dead, line.again, line.holds) == (10, 4, 1, 5, True)


def test_a_run_can_not_account_for_more_than_it_read():
    pushed = fates(4, [Event(AT, State.WRITTEN), Event(AT, State.ACKNOWLEDGED)])
    [line] = balance(complete=False, reads={"s": 3}, dead={}, batches=[("s", pushed)])
    assert not line.holds


@pytest.mark.parametrize(
    ("codes", "came_to_its_end"),
    [([0], True), ([0, 3], True), ([0, 1], False), ([0, None], False), ([2], False), ([], False)],
)
def test_a_run_came_to_its_end_when_all_its_processes_did(codes, came_to_its_end):
    assert complete(codes) is came_to_its_end


@given(st.frozensets(st.integers(0, 40)))
def test_positions_are_read_as_they_were_written(positions):
    assert positions_of(positions_text(positions)) == positions


def test_neighbouring_positions_are_written_as_a_span():
    assert positions_text([9, 3, 7, 8, 7]) == "3,7-9"
