"""STATE leaves as soon as everything before it is delivered, and never before."""

from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.singer.states import WaitingStates

STEPS = st.lists(st.tuples(st.sampled_from(["row", "state", "leaves", "arrived"]), st.sampled_from("abc")), max_size=40)


@given(STEPS)
def test_a_state_leaves_when_all_rows_before_it_are_delivered_and_states_leave_in_their_order(steps):
    states, gathered, leaving, delivered, told = WaitingStates(), {}, {}, set(), []
    needs = {}
    for number, (what, stream) in enumerate(steps):
        if what == "row":
            gathered.setdefault(stream, []).append(number)
        elif what == "state":
            rows = {row for rows in (*gathered.values(), *leaving.values()) for row in rows}
            needs[number] = rows - delivered
            states.came({"n": number}, list(gathered))
        elif what == "leaves" and gathered.get(stream):
            leaving[states.leaves(stream)] = gathered.pop(stream)
        elif what == "arrived" and leaving:
            part = min(leaving)
            delivered |= set(leaving.pop(part))
            state = states.arrived(part)
            if state is not None:
                told.append(state["n"])
                assert needs[state["n"]] <= delivered
            newest = max((n for n, needed in needs.items() if needed <= delivered), default=None)
            if newest is not None and all(needed <= delivered for n, needed in needs.items() if n <= newest):
                assert told
                assert told[-1] >= newest
    assert told == sorted(told)


def test_a_state_that_waits_for_nothing_leaves_with_the_next_part_that_arrives():
    states = WaitingStates()
    states.came({"n": 1}, [])
    assert states.arrived(states.leaves("a")) == {"n": 1}
    assert states.arrived(states.leaves("a")) is None


def test_rows_that_come_while_a_part_is_on_its_way_hold_only_states_behind_them():
    states = WaitingStates()
    states.came({"n": 1}, ["a"])
    part = states.leaves("a")
    states.came({"n": 2}, ["a"])
    assert states.arrived(part) == {"n": 1}
    assert states.arrived(states.leaves("a")) == {"n": 2}


def test_states_older_than_one_that_was_told_are_forgotten():
    states = WaitingStates()
    states.came({"n": 1}, ["a"])
    states.told()
    assert states.arrived(states.leaves("a")) is None
