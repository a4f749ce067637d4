"""Values are checked on the way into SQLite and come out as they went in."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_sandbox.data.business.money import rate
from ifs_bi_sandbox.data.model import Property
from ifs_bi_sandbox.data.values import loading, storing

AMOUNT = Property("Amount", "Decimal", scale=2)
COUNT = Property("Count", "Decimal")
NAME = Property("Name", max_length=5)
STATE = Property("State", "Enum", enum="States")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**20), max_value=10**20))
def test_an_amount_comes_out_as_it_went_in(value: Decimal) -> None:
    stored = storing(AMOUNT)(value)
    assert stored == format(value, ".2f")
    assert loading(AMOUNT)(stored) == value


@pytest.mark.parametrize(
    ("prop", "value", "stored"),
    [
        (AMOUNT, "12.5", "12.50"),
        (AMOUNT, 0.1, "0.10"),  # a JSON number
        (AMOUNT, 3, "3.00"),
        (Property("Cost", "Decimal", scale=14), Decimal(0), "0.00000000000000"),
        (COUNT, 2**53 + 1, 2**53 + 1),
        (COUNT, "7", 7),
        (Property("Flag", "Boolean"), True, 1),
        (Property("Day", "Date"), date(2026, 2, 28), "2026-02-28"),
        (Property("Day", "Date"), "2026-02-28", "2026-02-28"),
        (Property("At", "DateTimeOffset"), "2026-02-28T23:59:59Z", "2026-02-28T23:59:59"),
        (STATE, "Open", "Open"),
        (NAME, "ÅÄÖ%'", "ÅÄÖ%'"),
        (NAME, None, None),
    ],
)
def test_a_value_is_stored_as_the_model_says(prop: Property, value: Any, stored: Any) -> None:
    assert storing(prop, ("Open", "Closed"))(value) == stored


@pytest.mark.parametrize(
    ("prop", "value", "sentence"),
    [
        (AMOUNT, Decimal("0.001"), "2 digits after the point"),
        (AMOUNT, "twelve", "not 'twelve'"),
        (AMOUNT, "NaN", "not 'NaN'"),
        (COUNT, "1.5", "0 digits after the point"),
        (NAME, "longer", "at most 5 characters"),
        (NAME, 5, "takes a string"),
        (Property("Id", nullable=False), None, "Id must not be null"),
        (STATE, "Lost", "one of Open, Closed"),
        (Property("Flag", "Boolean"), "true", "true or false"),
        (Property("Day", "Date"), "20.11.2026", "like 2026-11-20"),
        (Property("Day", "Date"), "2026-02-30", "day is out of range"),
        (Property("At", "DateTimeOffset"), "2026-02-28T23:59:59.5", "an instant like"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_a_sentence(prop: Property, value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        storing(prop, ("Open", "Closed"))(value)


@given(st.sampled_from(["SEK", "EUR", "USD"]), st.sampled_from(["SEK", "EUR"]), st.dates())
def test_rates_swing_little_around_their_mean(currency: str, home: str, on: date) -> None:
    means = {("SEK", "EUR"): "11.25", ("SEK", "USD"): "10.07", ("EUR", "SEK"): "0.0889", ("EUR", "USD"): "0.895"}
    mean = Decimal(means.get((home, currency), "1"))
    assert mean * Decimal("0.97") < rate(home, currency, on) < mean * Decimal("1.03")
