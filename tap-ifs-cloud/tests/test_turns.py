"""Streams that are read at once write as one thread would."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_ifs_cloud.turns import StoppedError, Turns, side_by_side


def reading(turns, written, name, pages, *, fail_at=None, arrived=lambda *_: None):
    """A task that writes the number of each page twice, as rows of one page, with whatever else happens in between."""

    def task():
        for number in range(pages):
            with turns.away():
                arrived(name, number)
            if number == fail_at:
                raise ValueError(f"{name} page {number}")
            written.append((name, number, "first row"))
            written.append((name, number, "last row"))

    return task


@given(pages=st.lists(st.integers(0, 12), min_size=1, max_size=8), at_once=st.integers(1, 10))
def test_pages_of_a_stream_come_in_order_and_no_page_is_torn_by_another(pages, at_once):
    turns, written = Turns(), []
    side_by_side([reading(turns, written, name, count) for name, count in enumerate(pages)], turns, at_once=at_once)
    for name, count in enumerate(pages):
        assert [number for who, number, row in written if who == name and row == "first row"] == list(range(count))
    assert [row for *_, row in written] == ["first row", "last row"] * sum(pages)
    assert [entry[:2] for entry in written[::2]] == [entry[:2] for entry in written[1::2]]


def test_requests_of_different_streams_wait_side_by_side():
    turns, written = Turns(), []
    together = threading.Barrier(3, timeout=30)  # nobody gets a page before three of them are asked for
    tasks = [reading(turns, written, name, 4, arrived=lambda *_: together.wait()) for name in range(3)]
    side_by_side(tasks, turns, at_once=3)
    assert len(written) == 24


def test_no_more_streams_are_read_at_once_than_was_said():
    turns, now, most = Turns(), set(), []

    def task(name):
        def run():
            now.add(name)
            most.append(len(now))
            for _ in range(3):
                with turns.away():
                    pass
            now.remove(name)

        return run

    side_by_side([task(name) for name in range(9)], turns, at_once=2)
    assert max(most) <= 2


def test_the_first_error_ends_the_run_and_nothing_is_written_after_it():
    turns, written = Turns(), []
    tasks = [reading(turns, written, "a", 50), reading(turns, written, "b", 50, fail_at=1)]
    with pytest.raises(ValueError, match="b page 1"):
        side_by_side(tasks, turns, at_once=2)
    before = len(written)
    with pytest.raises(StoppedError):
        turns.take()
    assert len(written) == before
    assert ("b", 1, "first row") not in written


def test_a_request_that_hangs_does_not_keep_an_error_back():
    turns, written, for_ever = Turns(), [], threading.Event()
    tasks = [
        reading(turns, written, "hangs", 2, arrived=lambda *_: for_ever.wait()),
        reading(turns, written, "fails", 2, fail_at=0),
    ]
    with pytest.raises(ValueError, match="fails page 0"):
        side_by_side(tasks, turns, at_once=2)
    for_ever.set()
    assert written == []
