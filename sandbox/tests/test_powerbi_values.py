"""What a column of each data type takes, refuses and stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_sandbox.powerbi.values import COERCIONS, as_json

SAMPLES = [
    ("Int64", 133268025267401716, 133268025267401716),
    ("Int64", "42", 42),
    ("Int64", Decimal("7.0"), 7),
    ("Double", Decimal("159.72666666666666"), 159.72666666666666),
    ("Double", "1e3", 1000.0),
    ("Decimal", Decimal("12.5"), Decimal("12.5000")),
    ("Decimal", 3, Decimal("3.0000")),
    ("Decimal", Decimal("0.10000"), Decimal("0.1000")),
    ("Decimal", Decimal("999999999999999999999999.9999"), Decimal("999999999999999999999999.9999")),
    ("Boolean", True, True),
    ("Boolean", "False", False),
    ("String", "", ""),
    ("String", "x" * 4000, "x" * 4000),
    ("DateTime", "07/30/2014", "2014-07-30T00:00:00"),
    ("DateTime", "2014-07-30", "2014-07-30T00:00:00"),
    ("DateTime", "2000-01-01 12:34:56", "2000-01-01T12:34:56"),
    ("DateTime", "2020-01-01T00:00:00", "2020-01-01T00:00:00"),
    ("DateTime", "2023-04-24T09:35:26.740Z", "2023-04-24T09:35:26.740000"),
    ("DateTime", "2023-04-24T09:35:26.123456+00:00", "2023-04-24T09:35:26.123333"),
    ("DateTime", "2023-12-31T23:59:59.9999999Z", "2024-01-01T00:00:00"),
]

REFUSED = [
    ("Int64", True, "not a number"),
    ("Int64", Decimal("1.5"), "not a whole number"),
    ("Int64", 2**63 - 1, "out of range"),
    ("Int64", -(2**63), "out of range"),
    ("Int64", "\uff11\uff12", "not a number"),
    ("Double", Decimal("1e400"), "out of range"),
    ("Double", "NaN", "not a number"),
    ("Decimal", Decimal("0.00001"), "holds 28 digits, 4 of them decimals"),
    ("Decimal", Decimal("1e24"), "holds 28 digits, 4 of them decimals"),
    ("Decimal", "twelve", "not a number"),
    ("Boolean", 1, "not a Boolean"),
    ("Boolean", "yes", "not a Boolean"),
    ("String", 5, "not a string"),
    ("String", "x" * 4001, "4001 characters is too long"),
    ("String", "\N{GRINNING FACE}" * 2001, "4002 characters is too long"),
    ("String", "\ud800", "surrogates not allowed"),
    ("DateTime", "2023-04-24T09:35:26+02:00", "send UTC"),
    ("DateTime", "24.04.2023", "send UTC"),
    ("DateTime", "2023-02-29", "day is out of range"),
    ("DateTime", "1899-12-29", "first day of the engine's calendar"),
    ("DateTime", 20230424, "not a date"),
]


@pytest.mark.parametrize(("kind", "value", "stored"), SAMPLES)
def test_a_value_that_fits_is_stored(kind: str, value: object, stored: object) -> None:
    result = COERCIONS[kind](value)
    assert (result.isoformat() if isinstance(result, datetime) else result) == stored


@pytest.mark.parametrize(("kind", "value", "reason"), REFUSED)
def test_a_value_that_does_not_fit_is_refused_with_a_reason(kind: str, value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        COERCIONS[kind](value)


@given(st.decimals(places=4, min_value=-(10**23), max_value=10**23))
def test_every_decimal_of_four_places_arrives_as_it_left(value: Decimal) -> None:
    stored = COERCIONS["Decimal"](value)
    assert stored == value
    assert as_json(stored) == f"{value:.4f}"


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_no_decimal_is_ever_rounded_unseen(value: Decimal) -> None:
    try:
        stored = COERCIONS["Decimal"](value)
    except ValueError:
        return
    assert stored == value


@given(st.datetimes(min_value=datetime(1899, 12, 30), max_value=datetime(9999, 12, 31)))  # noqa: DTZ001 - a DateTime column knows no zone
def test_a_moment_moves_by_less_than_a_300th_of_a_second(value: datetime) -> None:
    stored = COERCIONS["DateTime"](value.replace(tzinfo=UTC).isoformat())
    assert isinstance(stored, datetime)
    assert abs(stored - value) < timedelta(seconds=1 / 300)
    assert value.microsecond or stored == value
