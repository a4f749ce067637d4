"""When a stream is late, and how durations and numbers are written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.report.reasons import HIDDEN, without_values
from ifs_bi_core.report.schedules import DAY, HOUR, Freshness, Origin, duration, given_schedules, schedule
from ifs_bi_core.report.wording import short, size, span

FEW = settings(max_examples=40)


def test_a_nightly_stream_is_late_a_quarter_of_a_day_after_its_time():
    nightly = schedule("orders", [DAY * night for night in range(10)], {})
    assert (nightly.origin, nightly.every_seconds) == (Origin.DERIVED, DAY)
    assert nightly.freshness(1.24 * DAY) is Freshness.FRESH
    assert nightly.freshness(1.26 * DAY) is Freshness.LATE


def test_a_schedule_for_weekdays_is_not_late_on_sunday():
    weekdays = [DAY * night for night in range(40) if night % 7 < 5]
    assert schedule("orders", weekdays, {}).freshness(2.9 * DAY) is Freshness.FRESH
    assert schedule("orders", weekdays, {}).freshness(4 * DAY) is Freshness.LATE


def test_one_outage_in_the_past_makes_nothing_fresh():
    nights = [DAY * night for night in range(30) if not 10 < night < 18]
    assert schedule("orders", nights, {}).freshness(2 * DAY) is Freshness.LATE


def test_runs_started_by_hand_make_no_schedule_of_seconds():
    assert schedule("orders", [0, 5, 10, 15, 20], {}).every_seconds == HOUR


def test_a_stream_that_is_new_is_not_judged():
    assert schedule("orders", [0, DAY, 2 * DAY], {}).freshness(9 * DAY) is Freshness.UNKNOWN


def test_a_stream_that_nobody_runs_any_more_stops_being_late():
    nights = [DAY * night for night in range(10)]
    assert schedule("orders", nights, {}).freshness(36 * DAY) is Freshness.STOPPED
    assert schedule("orders", nights, {"orders": DAY}).freshness(36 * DAY) is Freshness.LATE


@FEW
@given(st.lists(st.floats(0, 1e8), max_size=40), st.floats(0, 1e8))
def test_an_older_stream_is_never_fresher(deliveries, age):
    plan = schedule("orders", deliveries, {})
    order = [Freshness.FRESH, Freshness.LATE, Freshness.STOPPED, Freshness.UNKNOWN]
    assert order.index(plan.freshness(age)) <= order.index(plan.freshness(age * 1.5 + 1))
    assert plan.late_after_seconds is None or plan.late_after_seconds > plan.every_seconds


def test_schedules_are_given_for_one_stream_or_for_all():
    assert given_schedules(["24h", "gl=7d", "a=b=90m"]) == {"": DAY, "gl": 7 * DAY, "a=b": 1.5 * HOUR}


@pytest.mark.parametrize("text", ["", "h", "24", "0h", "-1h", "orders=", "orders=soon", "=24h", "24 hours"])
def test_a_schedule_that_is_none_is_a_wrong_configuration(text):
    with pytest.raises(ConfigError, match="--every"):
        given_schedules([text])


@FEW
@given(st.integers(1, 10_000), st.sampled_from("mhdw"))
def test_a_duration_is_its_number_of_units(number, unit):
    assert duration(f"{number}{unit}", "here") == number * {"m": 60, "h": HOUR, "d": DAY, "w": 7 * DAY}[unit]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (59.96, "1 min"), (90, "1.5 min"), (5400, "1.5 h"), (2 * DAY, "2 d"), (-7200, "-2 h")],
)
def test_a_duration_is_written_to_two_digits(seconds, words):
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (0.5, "0.5"), (950, "950"), (999.6, "1k"), (8400, "8.4k"), (218_000, "218k"), (1_150_000, "1.1M")],
)
def test_a_number_is_written_to_two_digits(number, words):
    assert short(number) == words
    assert size(218_000) == "218 kB"


@FEW
@given(st.floats(-1e15, 1e15))
def test_a_short_number_is_short_and_near(number):
    text = short(number)
    scale = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(text[-1], 1)
    said = float(text.rstrip("kMGT")) * scale
    assert abs(said - number) <= 0.06 * abs(number) + 0.5


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("OrderNo is too long", "OrderNo is too long"),
        ("Name is 'O''Neill', which is no number", "Name is …, which is no number"),
        ("Value \"a 'b' c\" of Name was refused", "Value … of Name was refused"),
        ("Amount is 12345.67, and a Decimal has 19 digits", "Amount is …, and a Decimal has … digits"),
        ("choose tables.x.columns.y.type: Int64 or String", "choose tables.x.columns.y.type: Int64 or String"),
        ("Supplier is ACME", "Supplier is …"),
        ("the name can't be read", "the name can't be read"),
        ("Key (OrderNo)=(A10023) already exists", "Key (OrderNo)=… already exists"),
        ("it begins 'and never ends", "it begins …"),
        ('{"OrderNo":"A"} was refused', "… was refused"),
    ],
)
def test_a_reason_is_told_without_the_value(reason, told):
    assert without_values(reason) == told


@FEW
@given(st.text(st.characters(blacklist_characters="'\"`“”«»", blacklist_categories=["Cs"]), min_size=3).map(str.strip))
def test_no_value_in_quotes_is_in_a_reason(value):
    for quotes in ("''", '""', "``"):
        told = without_values(f"Name is {quotes[0]}{value}{quotes[1]}, which is too long")
        assert told == f"Name is {HIDDEN}, which is too long"
