"""Trial balances side by side: pure arithmetic, and values that are written in one way on both sides."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from target_looker_warehouse.command.plain_values import plain
from target_looker_warehouse.command.trial_balance import Line, compared, lines_of

BY = ("Company", "AccountingYear", "AccountingPeriod", "Account")
LINES = st.dictionaries(
    st.tuples(*(st.sampled_from(["1", "2", None]) for _ in BY)),
    st.tuples(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9)),
    max_size=6,
)


@settings(max_examples=40)
@given(LINES, LINES)
def test_every_line_agrees_or_is_told(source, warehouse):
    found = compared(BY, ("Amount",), source, warehouse)
    assert found.agreeing + len(found.differing) == len(source.keys() | warehouse.keys())
    assert all(
        source.get(line.of) == line.source != line.warehouse == warehouse.get(line.of) for line in found.differing
    )
    assert found.source == (sum((amount for (amount,) in source.values()), Decimal(0)),)
    assert compared(BY, ("Amount",), source, source).differing == ()


def test_the_last_digit_of_a_large_sum_counts():
    large, larger = Decimal("12345678901234567890123456789012345.01"), Decimal("12345678901234567890123456789012345.02")
    found = compared(BY, ("Amount",), {("10", "2025", "1", "1510"): (large,)}, {("10", "2025", "1", "1510"): (larger,)})
    assert found.differing == (Line(("10", "2025", "1", "1510"), (large,), (larger,)),)
    assert found.warehouse == (larger,)


def test_a_line_of_nothing_is_not_the_same_as_no_line():
    found = compared(BY, ("Amount",), {("10", "2025", "1", "1510"): (Decimal(0),)}, {})
    assert [line.warehouse for line in found.differing] == [None]


def test_a_stream_with_accounts_and_amounts_has_a_trial_balance():
    amounts = ("CreditAmount", "Amount")
    assert lines_of({*BY, "Amount", "CreditAmount", "Text"}) == (BY, amounts)
    assert lines_of({*BY, "stage", "Amount"}) == ((*BY, "stage"), ("Amount",))
    assert lines_of({*BY}) is None
    assert lines_of({"Company", "Account", "Amount"}) is None


@pytest.mark.parametrize(
    ("definition", "values", "written"),
    [
        ({"type": ["string"]}, ["0010", "0010"], "0010"),
        ({"type": ["integer", "null"]}, [10, Decimal(10), Decimal("10.00"), "10"], "10"),
        ({"type": ["number"]}, [Decimal("-0.50"), Decimal("-0.5"), "-0.500"], "-0.5"),
        ({"type": ["number"]}, [0, Decimal("0.00"), Decimal("-0.0"), Decimal("0E+3")], "0"),
        ({"type": ["number"]}, [Decimal("1E+3"), 1000], "1000"),
        ({"type": ["string"], "format": "date"}, ["2025-01-31", date(2025, 1, 31)], "2025-01-31"),
        (
            {"type": ["string"], "format": "date-time"},
            [
                "2025-01-31T12:00:00Z",
                "2025-01-31T12:00:00.000000Z",
                datetime(2025, 1, 31, 12, tzinfo=UTC),
                datetime(2025, 1, 31, 13, tzinfo=timezone(timedelta(hours=1))),
            ],
            "2025-01-31T12:00:00.000000Z",
        ),
        ({"type": ["boolean"]}, [True, "true"], "true"),
        ({"type": ["string", "null"]}, [None], None),
    ],
)
def test_a_value_is_written_in_one_way_whoever_holds_it(definition, values, written):
    assert {plain([definition])([value]) for value in values} == {(written,)}
