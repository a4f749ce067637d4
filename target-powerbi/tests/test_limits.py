"""The budget of rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from target_powerbi.limits import HOUR, RowBudget, seconds_until_rows_fit


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert 0 < seconds <= HOUR
        self.now += seconds


@given(st.lists(st.tuples(st.integers(1, 100), st.integers(0, 3600)), max_size=60))
def test_no_hour_has_more_rows_than_allowed_and_no_wait_is_for_nothing(loads):
    time = Time()
    budget = RowBudget(100, clock=time.clock, sleep=time.sleep)
    sent: list[tuple[float, int]] = []
    for rows, pause in loads:
        time.now += pause
        asked_at = time.now
        budget.acquire(rows)
        recent = [(moment, count) for moment, count in sent if moment > asked_at - HOUR]
        if sum(count for _, count in recent) + rows <= 100:
            assert time.now == asked_at
        sent.append((time.now, rows))
        assert sum(count for moment, count in sent if moment > time.now - HOUR) <= 100


def test_rows_wait_for_the_oldest_to_be_an_hour_old():
    assert seconds_until_rows_fit([(0, 60), (10, 40)], 50, 100, limit=100) == HOUR - 100
    assert seconds_until_rows_fit([(0, 60), (10, 40)], 70, 100, limit=100) == HOUR - 90
    assert seconds_until_rows_fit([(0, 60)], 40, 100, limit=100) == 0
