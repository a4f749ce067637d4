"""Reading ahead changes when pages are asked for, never which, nor their order."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tap_ifs_cloud.prefetch import ahead


class Source:
    """Pages 0, 1, 2 …, which remembers who asked and when; an error stands in the place of page ``fails_at``."""

    def __init__(self, count: int, fails_at: int | None = None) -> None:
        self.count, self.fails_at = count, fails_at
        self.asked: list[int] = []
        self.threads: set[threading.Thread] = set()
        self.closed = False

    def pages(self):
        try:
            for number in range(self.count):
                self.threads.add(threading.current_thread())
                self.asked.append(number)
                if number == self.fails_at:
                    raise LookupError(number)
                yield number
        finally:
            self.closed = True

    def over(self) -> bool:
        """Whether nothing goes on any more."""
        return not any(thread.is_alive() for thread in self.threads)


@settings(deadline=None)
@given(count=st.integers(0, 20), depth=st.integers(1, 4))
def test_pages_come_complete_and_in_order(count, depth):
    source = Source(count)
    assert list(ahead(source.pages(), depth=depth)) == list(range(count))
    assert source.asked == list(range(count))
    assert source.over()
    assert source.closed


@settings(deadline=None)
@given(count=st.integers(1, 20), depth=st.integers(1, 4), data=st.data())
def test_an_error_comes_in_the_place_of_its_page(count, depth, data):
    source = Source(count, fails_at=data.draw(st.integers(0, count - 1)))
    got = []

    def consume() -> None:
        got.extend(ahead(source.pages(), depth=depth))

    with pytest.raises(LookupError) as caught:
        consume()
    assert caught.value.args == (source.fails_at,)
    assert got == list(range(source.fails_at))
    assert source.asked[-1] == source.fails_at
    assert source.over()


@settings(deadline=None)
@given(count=st.integers(1, 20), depth=st.integers(1, 4), data=st.data())
def test_where_the_consumer_stops_early_the_thread_ends_and_the_source_is_closed(count, depth, data):
    source = Source(count)
    wanted = data.draw(st.integers(1, count))
    pages = ahead(source.pages(), depth=depth)
    assert [next(pages) for _ in range(wanted)] == list(range(wanted))
    pages.close()
    assert source.over()
    assert source.closed
    assert len(source.asked) <= wanted + depth


def test_what_is_never_begun_asks_for_nothing():
    source = Source(3)
    ahead(source.pages()).close()
    assert source.asked == []


def test_the_next_page_is_asked_for_while_one_is_worked_on():
    """The source waits for the test here and there, so what was asked for when is no matter of luck."""
    begun, let = threading.Semaphore(0), threading.Semaphore(0)

    def pages():
        for number in range(3):
            begun.release()
            assert let.acquire(timeout=10)
            yield number

    reading = ahead(pages())
    let.release()
    assert next(reading) == 0
    for _ in range(2):
        assert begun.acquire(timeout=10)  # page 1 is asked for although page 0 is still in work
    let.release(2)
    assert list(reading) == [1, 2]


@settings(deadline=None)
@given(count=st.integers(0, 30), depth=st.integers(1, 4))
def test_no_more_pages_are_asked_for_than_may_wait(count, depth):
    taken, leads = [0], [0]

    def pages():
        for number in range(count):
            leads.append(number - taken[0])
            yield number

    for page in ahead(pages(), depth=depth):
        taken[0] = page + 1
    assert max(leads) <= depth


def test_no_page_is_asked_for_before_the_one_before_it_was_received():
    received: list[int] = []

    def pages():
        for number in range(50):
            assert received == list(range(number))
            yield number
            received.append(number)

    assert list(ahead(pages(), depth=3)) == list(range(50))


def test_nothing_can_not_be_read_ahead():
    with pytest.raises(ValueError, match="at least one page"):
        ahead(iter([1]), depth=0)
