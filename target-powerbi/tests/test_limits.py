"""When the next POST of rows may leave."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st
from target_powerbi.limits import HOUR, MINUTE, Limits, Load, finished_at, loads_of, wait_for

FEW = Limits(posts_per_minute=3, rows_per_hour=100, posts_per_hour_when_large=5)
LOADS = st.lists(st.builds(Load, rows=st.integers(0, 100), large=st.booleans()), max_size=25)


def in_any(window: float, sent: list[tuple[float, int]]) -> list[list[tuple[float, int]]]:
    """The POSTs of each closed window that ends with one of them."""
    return [[post for post in sent if moment - window <= post[0] <= moment] for moment, _ in sent]


@settings(max_examples=40)
@given(LOADS, st.lists(st.floats(0, 2000), max_size=25))
def test_no_window_holds_more_than_allowed_and_no_wait_is_for_nothing(loads, pauses):
    now, sent, kinds = 0.0, list[tuple[float, int]](), list[Load]()
    for load, pause in zip(loads, [*pauses, *[0.0] * len(loads)], strict=False):
        now += pause
        if (wait := wait_for(load, sent, now, FEW)) is not None:
            # A moment before, one of the limits would have been passed.
            early = [*sent, (wait.until - 1e-6, load.rows)]
            minute, hour = in_any(MINUTE, early)[-1], in_any(HOUR, early)[-1]
            assert (
                len(minute) > FEW.posts_per_minute
                or sum(rows for _, rows in hour) > FEW.rows_per_hour
                or (load.large and len(hour) > FEW.posts_per_hour_when_large)
            )
            now = wait.until + 0.001
            assert wait_for(load, sent, now, FEW) is None
        sent.append((now, load.rows))
        kinds.append(load)
    assert all(len(posts) <= FEW.posts_per_minute for posts in in_any(MINUTE, sent))
    hours = in_any(HOUR, sent)
    assert all(sum(rows for _, rows in posts) <= FEW.rows_per_hour for posts in hours)
    assert all(
        len(posts) <= FEW.posts_per_hour_when_large for load, posts in zip(kinds, hours, strict=True) if load.large
    )


def test_a_wait_tells_the_limit_that_makes_it():
    assert wait_for(Load(10), [], 0) is None
    full = wait_for(Load(10), [(0.0, 999_991)], 60)
    assert full is not None
    assert (full.until, full.reason) == (HOUR, "1,000,000 rows an hour")
    often = wait_for(Load(1), [(number / 10, 1) for number in range(120)], 12)
    assert often is not None
    assert (often.until, often.reason) == (MINUTE, "120 requests a minute")
    large = wait_for(Load(1, large=True), [(60.0 * number, 1) for number in range(120)], 7200)
    assert large is None
    large = wait_for(Load(1, large=True), [(29.0 * number, 1) for number in range(120)], 3500)
    assert large is not None
    assert (large.until, large.reason) == (HOUR, "120 requests an hour once a table holds 250,000 rows")


def test_1_200_000_rows_take_an_hour_and_5_000_000_four():
    def hours(rows: int, size: int = 0) -> int:
        end, _ = finished_at(loads_of(rows, size, shown=0, large=False, most_rows=10_000), (), 0.0)
        return round(end / HOUR)

    assert [hours(rows) for rows in (1_000_000, 1_200_000, 5_000_000)] == [0, 1, 4]
    assert hours(1_000_000, 16_000_000 * 250) == 2  # 250 requests, and the table is large after the 63rd


@given(st.integers(0, 300_000), st.integers(0, 10**9), st.integers(0, 300_000), st.booleans(), st.integers(1, 10_000))
def test_the_expected_posts_bring_all_rows_and_none_brings_too_many(rows, size, shown, large, most_rows):
    loads = loads_of(rows, size, shown=shown, large=large, most_rows=max(most_rows, 1_000))
    assert sum(load.rows for load in loads) == rows
    assert max((load.rows for load in loads), default=0) <= max(most_rows, 1_000)
    assert len(loads) >= size / 16_000_000
    before = [0, *accumulate(load.rows for load in loads)]
    assert all(load.large is (large or shown + n >= 250_000) for load, n in zip(loads, before, strict=False))
