"""Rows kept small behave like a list of tuples."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_sandbox.powerbi.store import Rows, Same

COLUMNS = {"i": "Int64", "f": "Double", "d": "Decimal", "b": "Boolean", "s": "String", "t": "DateTime"}
MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9999, 1, 1))  # noqa: DTZ001 - no zone
VALUES: list[st.SearchStrategy[Any]] = [
    st.integers(-(2**63) + 1, 2**63 - 2),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(places=4, min_value=-(10**23), max_value=10**23),
    st.booleans(),
    st.text(max_size=5),
    MOMENTS,
]
ROWS = st.lists(st.tuples(*[st.none() | values for values in VALUES]), max_size=4)


@settings(max_examples=40)
@given(st.lists(ROWS, max_size=4), st.integers(0, 16))
def test_rows_come_back_as_they_went_and_the_oldest_go_first(batches: list[list[Any]], gone: int) -> None:
    kept = Rows(COLUMNS)
    for batch in batches:
        kept.extend(batch)
    held = [row for batch in batches for row in batch]
    assert kept == held
    assert len(copy.deepcopy(kept)) == len(kept) == len(held)
    kept.drop_oldest(min(gone, len(held)))
    assert list(kept) == held[gone:]
    assert len(kept) == len(held[gone:])


def test_a_column_of_one_value_is_kept_once() -> None:
    rows = Rows({"batch": "String", "n": "Int64"})
    rows.extend([("b1", number) for number in range(10_000)])
    (batch,) = rows.batches()
    assert batch.columns["batch"] == Same("b1")
    assert batch.column("n") == list(range(10_000))


def test_a_million_rows_take_little_room_and_are_counted_at_once() -> None:
    rows = Rows({"n": "Int64", "amount": "Decimal", "at": "DateTime", "batch": "String"})
    first = datetime(2026, 1, 1)  # noqa: DTZ001 - no zone
    values: dict[str, list[Any]] = {
        "n": list(range(10_000)),
        "amount": [Decimal(number).scaleb(-2).quantize(Decimal("0.0001")) for number in range(10_000)],
        "at": [first + timedelta(minutes=number) for number in range(10_000)],
        "batch": ["b"] * 10_000,
    }
    rows.add(10_000, values)
    (batch,) = rows.batches()
    size = sum(len(column.data) for column in batch.columns.values() if not isinstance(column, Same))
    assert size * 120 < 20_000_000
    for _ in range(119):
        rows.add(10_000, {"batch": ["b"] * 10_000})
    assert len(rows) == 1_200_000


def test_slices_can_be_replaced_as_in_a_list() -> None:
    rows = Rows({"n": "Int64"}, [(1,), (2,)])
    rows[:] = [(3,)]
    assert (rows[0], rows[:], bool(rows)) == ((3,), [(3,)], True)
    rows.clear()
    assert not rows
