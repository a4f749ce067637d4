"""STATE leaves as soon as everything before it is delivered, and never before."""

from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.singer.parts import Parts, Waiting

STEPS = st.lists(st.tuples(st.sampled_from(["row", "state", "leaves", "arrived"]), st.sampled_from("abc")), max_size=40)


@given(STEPS)
def test_what_waits_leaves_when_all_rows_before_it_are_delivered_and_in_its_order(steps):
    parts, states, gathered, leaving, delivered, told = Parts(), Waiting(), {}, {}, set(), []
    needs = {}
    for number, (what, stream) in enumerate(steps):
        if what == "row":
            gathered.setdefault(stream, []).append(number)
        elif what == "state":
            needs[number] = {row for rows in (*gathered.values(), *leaving.values()) for row in rows}
            states.came(number, parts.undelivered(list(gathered)))
        elif what == "leaves" and gathered.get(stream):
            leaving[parts.leaves(stream)] = gathered.pop(stream)
        elif what == "arrived" and leaving:
            part = min(leaving)
            delivered |= set(leaving.pop(part))
            parts.arrived(part)
            left = states.arrived(part)
            assert all(needs[state] <= delivered for state in left)
            told += left
            first_held = next((n for n, needed in needs.items() if not needed <= delivered), len(steps))
            assert told == [n for n in needs if n < min(first_held, number)]


def test_what_waits_for_nothing_leaves_with_the_next_part_that_arrives():
    parts, states = Parts(), Waiting()
    states.came(1, parts.undelivered([]))
    assert states.arrived(parts.leaves("a")) == [1]
    assert states.arrived(parts.leaves("a")) == []


def test_rows_that_come_while_a_part_is_on_its_way_hold_only_what_is_behind_them():
    parts, states = Parts(), Waiting()
    states.came(1, parts.undelivered(["a"]))
    part = parts.leaves("a")
    states.came(2, parts.undelivered(["a"]))
    parts.arrived(part)
    assert states.arrived(part) == [1]
    assert states.arrived(parts.leaves("a")) == [2]


def test_of_states_that_wait_for_the_same_rows_the_last_one_is_kept():
    parts, states = Parts(), Waiting()
    for number in range(1000):
        states.came(number, parts.undelivered(["a"]), instead=True)
    assert states.arrived(parts.leaves("a")) == [999]


def test_all_may_leave_at_once():
    states = Waiting()
    states.came(1, Parts().undelivered(["a"]))
    assert states.leave() == [1]
    assert states.leave() == []
