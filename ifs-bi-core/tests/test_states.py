"""STATE leaves as soon as everything before it is delivered, and never before."""

from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.singer.states import WaitingStates

STREAMS = st.sampled_from("abc")
STEPS = st.lists(st.tuples(st.sampled_from(["row", "state", "delivered"]), STREAMS), max_size=40)


@given(STEPS)
def test_a_state_leaves_when_all_rows_before_it_are_delivered_and_states_leave_in_their_order(steps):
    states, rows, delivered, told = WaitingStates(), [], set(), []
    needs = {}
    for number, (what, stream) in enumerate(steps):
        if what == "row":
            rows.append((number, stream))
        elif what == "state":
            needs[number] = {row for row in rows if row not in delivered}
            states.came({"n": number}, {name for _, name in needs[number]})
        else:
            delivered |= {row for row in rows if row[1] == stream}
            state = states.delivered(stream)
            if state is not None:
                told.append(state["n"])
                assert needs[state["n"]] <= delivered
            newest = max((n for n, needed in needs.items() if needed <= delivered and n < number), default=None)
            assert newest is None or (told and told[-1] >= newest)
    assert told == sorted(told)


def test_a_state_that_waits_for_nothing_leaves_with_the_next_delivery():
    states = WaitingStates()
    states.came({"n": 1}, [])
    assert states.delivered("a") == {"n": 1}
    assert states.delivered("a") is None
