"""How many requests are under way at once, and whose turn it is."""

import threading
from queue import SimpleQueue

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_ifs_cloud.in_flight import InFlight, StoppedError


def at_will(most: int) -> tuple[InFlight, SimpleQueue]:
    """Places, and the early requests that were begun: each is made when it is called."""
    begun: SimpleQueue = SimpleQueue()
    return InFlight(most, begun.put), begun


def count(begun: SimpleQueue) -> int:
    return begun.qsize()


def test_as_many_are_under_way_as_was_said_and_no_more():
    """The server answers nobody before four of them are there."""
    flights, all_there, counted = InFlight(4), threading.Event(), threading.Lock()
    now, most = 0, []

    def request() -> int:
        nonlocal now
        with counted:
            now += 1
            most.append(now)
            if now == 4:
                all_there.set()
        assert all_there.wait(timeout=30)
        with counted:
            now -= 1
        return 7

    def stream() -> None:
        for _ in range(20):
            early = flights.early("reader", request)
            with flights.head():
                request()
            if not flights.take_back(early):
                assert flights.answer(early) == 7

    streams = [threading.Thread(target=stream, daemon=True) for _ in range(3)]
    for thread in streams:
        thread.start()
    for thread in streams:
        thread.join(timeout=60)
        assert not thread.is_alive()
    assert max(most) == 4


def test_one_at_a_time_knows_no_early_request():
    flights, begun = at_will(1)
    early = flights.early("a", lambda: 1)
    assert count(begun) == 0
    assert flights.take_back(early)


def test_early_requests_leave_a_place_to_whoever_waits():
    flights, begun = at_will(4)
    for number in range(9):
        flights.early("a", lambda number=number: number)
    assert count(begun) == 3
    with flights.head():  # has a place at once
        assert count(begun) == 3


def test_an_early_request_that_is_waited_for_counts_as_one_that_somebody_waits_for():
    flights, begun = at_will(2)
    first, second = flights.early("a", lambda: 1), flights.early("a", lambda: 2)
    assert count(begun) == 1
    waiter = threading.Thread(target=flights.answer, args=(first,), daemon=True)
    waiter.start()
    make_first = begun.get(timeout=30)
    make_second = begun.get(timeout=30)  # begins while the first one is under way, since somebody waits for that
    make_second()
    make_first()
    waiter.join(timeout=30)
    assert flights.answer(second) == 2


def test_who_waits_goes_before_those_who_only_look_ahead():
    flights, begun = at_will(2)
    order = []

    def wait() -> None:
        with flights.head():
            order.append("head")

    with flights.head():
        flights.early("a", lambda: order.append("early"))
        waiting = threading.Thread(target=wait, daemon=True)
        begun.get(timeout=30)  # under way: both places are taken
        flights.early("a", lambda: order.append("early"))
        waiting.start()
        while not flights._heads:  # until it has come to wait
            pass
    waiting.join(timeout=30)
    assert order == ["head"]


def test_answers_that_nobody_took_leave_no_room_for_further_ones():
    flights, begun = at_will(3)
    wishes = [flights.early("a", lambda number=number: number) for number in range(5)]
    made = 0
    while count(begun):
        begun.get()()
        made += 1
    assert made == 3  # two at once, and then the third; the others wait for room
    assert flights.answer(wishes[0]) == 0
    assert count(begun) == 1
    with flights.head():  # does not need that room
        pass


def test_readers_with_fewer_early_requests_go_first():
    flights, begun = at_will(3)
    told: list[str] = []
    with flights.head():
        for reader in "aaab":
            flights.early(reader, lambda reader=reader: told.append(reader))
        assert count(begun) == 2
    while count(begun):
        begun.get()()
    assert told == ["a", "a", "b"]


def test_what_is_dropped_gives_its_room_back_when_it_is_over():
    flights, begun = at_will(2)
    early = flights.early("a", lambda: 1)
    flights.drop(early)
    other = flights.early("a", lambda: 2)
    assert count(begun) == 1
    begun.get()()
    begun.get()()
    flights.drop(other)
    flights.early("a", lambda: 3)
    assert count(begun) == 1


def test_an_error_is_raised_where_the_answer_is_taken():
    flights = InFlight(2)
    early = flights.early("a", lambda: int("no number"))
    with pytest.raises(ValueError, match="no number"):
        flights.answer(early)


def test_after_the_end_nothing_begins_and_nobody_waits():
    flights, begun = at_will(2)
    early = flights.early("a", lambda: 1)
    ended = []

    def wait(way) -> None:
        try:
            way()
        except StoppedError:
            ended.append(way)

    with flights.head():
        ways = [lambda: flights.answer(early), lambda: flights.head().__enter__()]
        threads = [threading.Thread(target=wait, args=(way,), daemon=True) for way in ways]
        for thread in threads:
            thread.start()
        flights.stop()
        for thread in threads:
            thread.join(timeout=30)
    assert len(ended) == 2
    begun.get()
    flights.early("a", lambda: 2)
    assert count(begun) == 0


@settings(max_examples=40, deadline=None)
@given(
    most=st.integers(1, 5),
    readers=st.lists(st.integers(0, 6), min_size=1, max_size=4),
)
def test_every_reader_gets_all_its_answers_whatever_the_others_do(most, readers):
    flights, got = InFlight(most), {}

    def read(name: int, wishes: int) -> None:
        early = [flights.early(name, lambda number=number: number) for number in range(wishes)]
        for number, one in enumerate(early):
            if flights.take_back(one):
                with flights.head():
                    got.setdefault(name, []).append(number)
            else:
                got.setdefault(name, []).append(flights.answer(one))

    threads = [threading.Thread(target=read, args=reader, daemon=True) for reader in enumerate(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert got == {name: list(range(wishes)) for name, wishes in enumerate(readers) if wishes}
