"""What is said of a stream while it runs."""

import logging
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.singer.progress import Progress, Standing


def standing(**changes) -> Standing:
    facts = {"stream": "orders", "unit": "rows", "rows": 125_000, "pages": 25, "seconds": 10.0, "recent": 213_000}
    return Standing(**(facts | changes))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"estimate": 694_000}, "orders: 125,000 of about 694,000 rows, 21,300 rows/s, page 25"),
        ({}, "orders: 125,000 rows, 21,300 rows/s, page 25"),
        ({"pages": 0}, "orders: 125,000 rows, 21,300 rows/s"),
        ({"estimate": 100}, "orders: 125,000 rows, 21,300 rows/s, page 25"),
        ({"estimate": 0, "rows": 0, "pages": 0, "recent": 0}, "orders: 0 rows, 0.0 rows/s"),
        ({"rows": 1, "recent": 1, "pages": 0}, "orders: 1 row, 0.1 rows/s"),
        ({"seconds": 0.0}, "orders: 125,000 rows, page 25"),
        ({"unit": "messages", "recent": 45, "pages": 1_200}, "orders: 125,000 messages, 4.5 messages/s, page 1,200"),
        (
            {"rows": 694_000, "recent": 694_000, "seconds": 32.6, "pages": 139, "done": True, "estimate": 9},
            "orders: 694,000 rows in 32.6 s (21,288 rows/s), 139 pages",
        ),
        (
            {"rows": 1, "recent": 1, "seconds": 0.5, "pages": 1, "done": True},
            "orders: 1 row in 0.5 s (2.0 rows/s), 1 page",
        ),
        ({"rows": 0, "recent": 0, "seconds": 0.0, "pages": 0, "done": True}, "orders: 0 rows in 0.0 s"),
    ],
)
def test_it_is_said_in_one_sentence(changes, sentence):
    assert standing(**changes).sentence == sentence


class Told:
    """A progress whose clock and log are in hand."""

    def __init__(self, **settings) -> None:
        self.now = 100.0
        self.lines: list[tuple[float, str, dict]] = []
        self.progress = Progress("orders", clock=lambda: self.now, log=self.log, **settings)

    def log(self, pattern: str, *args, extra) -> None:
        self.lines.append((self.now, pattern % args, extra))

    def add(self, rows: int, *, seconds: float, pages: int = 1) -> None:
        self.now += seconds
        self.progress.add(rows, pages)


def test_a_line_comes_every_ten_seconds_with_the_rate_since_the_one_before():
    told = Told(estimate=10_000)
    for rows in (1_000, 1_000, 2_000, 3_000):
        told.add(rows, seconds=5.0)
    assert [line for _, line, _ in told.lines] == [
        "orders: 2,000 of about 10,000 rows, 200 rows/s, page 2",
        "orders: 7,000 of about 10,000 rows, 500 rows/s, page 4",
    ]


def test_at_the_end_the_sum_is_told_with_the_rate_until_the_last_of_it_came():
    told = Told()
    told.add(1_000, seconds=5.0)
    told.now += 100.0
    told.progress.done()
    assert [line for _, line, _ in told.lines] == ["orders: 1,000 rows in 5.0 s (200 rows/s), 1 page"]


def test_what_is_done_with_the_rows_stands_behind_their_number():
    told = Told(doing="delivered", page="batch", every_seconds=1.0)
    told.add(1, seconds=2.0)
    told.add(9_999, seconds=2.0)
    told.progress.done()
    assert [line for _, line, _ in told.lines] == [
        "orders: 1 row delivered, 0.5 rows/s, batch 1",
        "orders: 10,000 rows delivered, 5,000 rows/s, batch 2",
        "orders: 10,000 rows delivered in 4.0 s (2,500 rows/s), 2 batches",
    ]


@given(every=st.floats(0.5, 20), steps=st.lists(st.tuples(st.integers(0, 5000), st.floats(0.01, 30)), min_size=1))
def test_lines_are_never_closer_than_asked_and_their_rates_add_up_to_all_rows(every, steps):
    told = Told(every_seconds=every)
    for rows, seconds in steps:
        told.add(rows, seconds=seconds)
    moments = [100.0, *(moment for moment, _, _ in told.lines)]
    assert all(later - earlier >= every for earlier, later in pairwise(moments))
    counted = sum(fields["rows_per_second"] * fields["seconds"] for _, _, fields in told.lines)
    last = told.lines[-1][2]["rows"] if told.lines else 0
    assert counted == pytest.approx(last, abs=sum(0.05 * f["seconds"] + 0.001 * f["rows"] for *_, f in told.lines) + 1)
    told.progress.done()
    assert told.lines[-1][2]["rows"] == sum(rows for rows, _ in steps)
    assert told.lines[-1][2]["pages"] == len(steps)


def test_the_numbers_are_fields_of_the_log_record(caplog):
    moments = iter([0.0, 2.0])
    with caplog.at_level(logging.INFO):
        progress = Progress("orders", estimate=7, clock=lambda: next(moments))
        progress.add(3)
        progress.done()
    (record,) = caplog.records
    assert record.getMessage() == "orders: 3 rows in 2.0 s (1.5 rows/s)"
    assert (record.stream_name, record.rows, record.estimate, record.seconds, record.done) == ("orders", 3, 7, 2, True)
