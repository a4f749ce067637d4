"""The sliding window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.http.limits import SlidingWindow


class VirtualTime:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def begun_at(limit: float, pauses: list[float]) -> list[float]:
    time = VirtualTime()
    window = SlidingWindow(limit, clock=time.clock, sleep=time.sleep)
    begun = []
    for pause in pauses:
        time.now += pause
        window.acquire()
        begun.append(time.now)
    return begun


@given(limit=st.integers(1, 20), pauses=st.lists(st.floats(0, 40), max_size=120))
def test_no_window_of_sixty_seconds_ever_holds_more_than_the_limit(limit, pauses):
    begun = begun_at(limit, pauses)
    for start in begun:
        assert sum(start <= moment <= start + 60 for moment in begun) <= limit


@given(limit=st.integers(1, 20), count=st.integers(1, 100))
def test_it_waits_no_longer_than_it_has_to(limit, count):
    begun = begun_at(limit, [0.0] * count)
    assert begun[-1] <= ((count - 1) // limit) * 60.1


def test_half_a_call_a_minute_is_one_in_two():
    assert begun_at(0.5, [0, 0])[1] == pytest.approx(120, abs=0.01)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_positive(limit):
    with pytest.raises(ValueError, match="positive"):
        SlidingWindow(limit)
