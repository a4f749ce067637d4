from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.columnar.moments import FIRST_MOMENT, LAST_MOMENT, FlawError, days, microseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.dates())
def test_a_date_is_its_days(day):
    assert date(1970, 1, 1) + timedelta(days(day.isoformat())) == day


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=offsets))  # noqa: DTZ001 - hypothesis asks for naive bounds
def test_a_timestamp_is_its_instant(moment):
    assert EPOCH + timedelta(microseconds=microseconds(moment.isoformat())) == moment


@given(st.datetimes())
def test_a_timestamp_without_offset_is_utc(moment):
    assert microseconds(moment.isoformat()) == microseconds(moment.isoformat() + "Z")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00", 0),
        ("1970-01-01 00:00:01", 1_000_000),
        ("1970-01-01t00:00:00.5z", 500_000),
        ("1970-01-01T00:00:00,000001Z", 1),
        ("1970-01-01T00:00:00.1234560000Z", 123_456),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1970-01-01T02:00:00+0200", 0),
        ("1970-01-01T02:00:00+02", 0),
        ("1969-12-31T18:30:00 -05:30", 0),
        ("0001-01-01T00:00:00Z", FIRST_MOMENT),
        ("9999-12-31T23:59:59.999999Z", LAST_MOMENT),
    ],
)
def test_the_ways_to_write_a_timestamp(text, instant):
    assert microseconds(text) == instant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no timestamp"),
        ("yesterday", "no timestamp"),
        ("20240101T000000Z", "no timestamp"),
        ("2024-W01-1", "no timestamp"),
        ("٢٠٢٤-01-01", "no timestamp"),
        ("2024-01-01T00:00:00Z\n", "no timestamp"),
        ("2024-02-30T00:00:00Z", "no day of the calendar"),
        ("0000-01-01T00:00:00Z", "no day of the calendar"),
        ("2024-01-01T24:00:00Z", "no time of day"),
        ("2024-01-01T23:59:60Z", "no time of day"),
        ("2024-01-01T00:00:00.1234567Z", "finer than microseconds"),
        ("2024-01-01T00:00:00+24:00", "an offset that no clock has"),
        ("2024-01-01T00:00:00+01:60", "an offset that no clock has"),
        ("0001-01-01T00:00:00+00:01", "outside the years 1 to 9999"),
        ("9999-12-31T23:59:59-00:01", "outside the years 1 to 9999"),
    ],
)
def test_what_is_no_timestamp_is_refused_with_the_reason(text, why):
    with pytest.raises(FlawError, match=why):
        microseconds(text)


@pytest.mark.parametrize(
    "text", ["2024-02-29", "2024-02-29T00:00:00", "2024-02-29T00:00:00.000Z", "2024-02-29T00:00:00+00:00"]
)
def test_midnight_after_a_date_says_nothing_more(text):
    assert days(text) == 19782


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2024-02-29T00:00:01", "has a time of day"),
        ("2024-02-29T00:00:00.001Z", "has a time of day"),
        ("2024-02-29T00:00:00+01:00", "has a time of day"),
        ("2024-02-30", "no day of the calendar"),
        ("29.02.2024", "no date"),
    ],
)
def test_what_is_no_date_is_refused_with_the_reason(text, why):
    with pytest.raises(FlawError, match=why):
        days(text)
