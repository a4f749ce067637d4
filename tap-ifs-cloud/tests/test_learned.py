"""What is known of a set travels in STATE, heals, and is worth nothing where it is not what was written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_ifs_cloud.learned import Learned, in_code_point_order
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.paging import Walk

KEY = Property("k", "Edm.Decimal")
SIZES = st.none() | st.integers(1, 5000)
KNOWN = st.builds(
    Learned,
    mode=st.sampled_from(["keyset", "skip", "link"]),
    page_size=SIZES,
    of=SIZES,
    calm=st.integers(0, 20),
    capped_at=SIZES,
    whole_rows=st.booleans(),
)


@given(KNOWN)
def test_it_survives_a_state(known):
    assert Learned.from_state(json.loads(json.dumps(known.as_state()))) == known


def test_knowing_nothing_takes_no_room_in_a_state():
    assert Learned().as_state() == {}


@pytest.mark.parametrize(
    "state",
    [
        None,
        [],
        "skip",
        {"mode": "guess"},
        {"mode": ["skip"]},
        {"page_size": 0},
        {"page_size": "100"},
        {"page_size": True},
        {"calm": -1},
        {"whole_rows": 1},
        {"somebody": "else"},
    ],
)
def test_what_is_no_such_state_counts_as_nothing_known(state):
    assert Learned.from_state(state) == Learned()


def read(known: Learned, *, in_time: int, configured: int = 800) -> tuple[Learned, list[int]]:
    """One reading of a set of 3,000 rows from a server that gives pages of ``in_time`` rows before its time limit."""
    walk = Walk("s", (KEY,), "", configured, learned=known)
    tops, at = [], 0
    while walk.ask:
        tops.append(walk.ask.top)
        if walk.ask.top > in_time:
            assert walk.shrink()
            continue
        page = [{"k": key} for key in range(at, min(at + walk.ask.top, 3_000))]
        at += len(walk.received(page, None))
    assert at == 3_000
    return walk.learned, tops


def test_a_page_size_that_comes_in_time_is_where_the_next_run_begins():
    known, tops = read(Learned(), in_time=300)
    assert tops[:3] == [800, 400, 200]
    known, tops = read(known, in_time=300)
    assert set(tops) == {200}


def test_another_page_size_in_the_settings_is_another_question():
    known, _ = read(Learned(), in_time=300)
    _, tops = read(known, in_time=300, configured=250)
    assert tops[0] == 250


def test_a_server_that_has_recovered_is_asked_for_larger_pages_again():
    known, _ = read(Learned(), in_time=300)
    first = []
    for _ in range(25):
        known, tops = read(known, in_time=5000)
        first.append(tops[0])
    assert first == [200] * 10 + [400] * 11 + [800] * 4
    assert known == Learned()


def test_a_server_that_has_not_recovered_is_tried_once_in_a_while():
    known, _ = read(Learned(), in_time=300)
    first = []
    for _ in range(23):
        known, tops = read(known, in_time=300)
        first.append(tops[0])
    assert first.count(400) == 2
    assert set(first) == {200, 400}


TEXT = Property("t", "Edm.String")
STATE = Property("t", "IfsApp.P.S", is_enum=True)


@pytest.mark.parametrize(
    ("values", "prop", "ascending"),
    [
        (["A", "B", "a"], TEXT, True),
        (["A", "a", "B"], TEXT, False),
        (["a", "B"], TEXT, False),
        (["Z", "Å", "z"], TEXT, False),
        (["Released", "Closed"], STATE, True),  # an enum's order is that of its database values
        ([10, 9], KEY, True),  # not this function's question
        ([], TEXT, True),
    ],
)
def test_texts_show_whether_a_server_sorts_as_it_compares(values, prop, ascending):
    assert in_code_point_order([{prop.name: value} for value in values], (prop,)) is ascending


def test_a_text_behind_another_property_decides_only_among_rows_that_are_equal_there():
    order = (KEY, TEXT)
    assert in_code_point_order([{"k": 1, "t": "b"}, {"k": 2, "t": "a"}], order)
    assert not in_code_point_order([{"k": 1, "t": "b"}, {"k": 1, "t": "a"}], order)
