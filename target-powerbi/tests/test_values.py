"""Values and rows: they survive exactly, or are refused with the reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.singer.lines import decode
from ifs_bi_sandbox.powerbi.values import COERCIONS
from target_powerbi.rows import RowWriter, key_of, version_of
from target_powerbi.tables import Column, Table
from target_powerbi.values import UnfitValueError, converter, utc

DECIMALS = st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(
    allow_nan=False, allow_infinity=False, places=4
)
NUMBERS = DECIMALS | st.integers() | st.integers(-(2**63), 2**63 - 1)


def written(kind: str, value: Any, *, chosen: bool = False, stream: str = "s", name: str = "p") -> Any:
    """What a service gets of a value: its JSON, read with every digit."""
    table = Table(stream, "T", (), (Column(name, "C", kind, chosen=chosen),))
    return json.loads(RowWriter(table).write([{name: value}])[0], parse_float=Decimal)["C"]


def stored(kind: str, value: Any, *, chosen: bool = False) -> Any:
    """What the stand-in stores of a value; None where it was refused before it was sent."""
    try:
        sent = written(kind, value, chosen=chosen)
    except UnfitValueError:
        return None
    return COERCIONS[kind](sent)


@given(NUMBERS)
def test_a_number_in_a_decimal_column_is_exact_or_refused(number):
    assert stored("Decimal", number) in {None, number}


@given(st.decimals(-(10**23), 10**23, places=4, allow_nan=False))
def test_every_number_of_four_decimals_fits_a_decimal_column(number):
    assert stored("Decimal", number) == number


@given(NUMBERS)
def test_a_number_in_a_double_column_is_exact_or_refused(number):
    double = stored("Double", number)
    assert double is None or Decimal(repr(double)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_double_fits_a_double_column(number):
    assert stored("Double", Decimal(repr(number))) == number


@given(NUMBERS)
def test_an_integer_is_exact_or_refused(number):
    assert stored("Int64", number) in {None, number}
    assert stored("Int64", number, chosen=True) in {None, number}


@given(NUMBERS)
def test_a_number_in_a_string_column_keeps_every_digit(number):
    assert Decimal(written("String", number)) == number


@given(st.text(max_size=50) | st.text("a😀", min_size=1990, max_size=2100))
def test_a_string_is_exact_or_refused(text):
    assert stored("String", text) in {None, text}


@given(st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 30)), st.timezones() | st.none(), st.sampled_from("T "))  # noqa: DTZ001 - hypothesis adds the zone
def test_a_moment_is_the_same_moment_or_refused(moment, zone, separator):
    aware = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=zone or UTC)
    text = (aware if zone else aware.replace(tzinfo=None)).isoformat(separator)
    try:
        sent = written("DateTime", text)
    except UnfitValueError as reason:
        assert aware.astimezone(UTC).year < 1900 or "ISO 8601" in str(reason)  # noqa: PT017 - the law allows a refusal
    else:
        assert datetime.fromisoformat(sent) == aware


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    ).filter(lambda value: isinstance(value, (list, dict)))
)
def test_structures_become_json_text(value):
    assert json.loads(written("String", value)) == value


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (
            "String",
            "x" * 4001,
            "p has 4,001 characters, and a string in Power BI holds 4,000: switch truncate_strings on",
        ),
        ("String", "😀" * 2001, "p has 4,002 characters"),
        (
            "Int64",
            2**53 + 1,
            "p is 9007199254740993, beyond the integers that Power BI shows exactly: choose tables.s.columns.p.type",
        ),
        ("Int64", Decimal("1.5"), "p is 1.5, which is no whole number of 64 bits"),
        ("Int64", "7", "p is '7', which is no number"),
        ("Int64", True, "p is true, which is no number"),
        (
            "Double",
            Decimal("12345678901234567.89"),
            "p is 12345678901234567.89, which has more digits than a Double keeps: choose ",
        ),
        ("Double", Decimal("1E+400"), "p is 1E+400, which has more digits than a Double keeps"),
        ("Double", 10**400, "which has more digits than a Double keeps"),
        (
            "Decimal",
            Decimal("0.00001"),
            "p is 0.00001, and a Decimal in Power BI has 28 digits, 4 of them decimals: choose ",
        ),
        ("Decimal", 10**24, "and a Decimal in Power BI has 28 digits"),
        ("Decimal", Decimal("1E+999999999"), "p is 1E+999999999, and a Decimal in Power BI has 28 digits"),
        ("Boolean", "yes", "p is 'yes', which is neither true nor false"),
        (
            "DateTime",
            "20.11.2026",
            "p is '20.11.2026', which is no date or timestamp of ISO 8601: choose tables.s.columns.p.type",
        ),
        ("DateTime", "2026-02-30", "p is '2026-02-30', which is no date or timestamp"),
        ("DateTime", "2026-11-20T12:00:60Z", "which is no date or timestamp"),
        ("DateTime", "0001-01-01T00:00:00+02:00", "which is no date or timestamp"),
        ("DateTime", "0001-01-01", "p is '0001-01-01', and the calendar of Power BI begins 1899-12-30: choose "),
        ("DateTime", "2026-11-20T12:00:00.0001Z", "and Power BI keeps no more than milliseconds"),
        ("DateTime", 20261120, "p is 20261120, which is no date"),
    ],
)
def test_a_bad_value_gets_its_sentence(kind, value, reason):
    with pytest.raises(UnfitValueError) as refused:
        written(kind, value)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "value", "sent"),
    [
        ("DateTime", "2026-11-20", "2026-11-20T00:00:00Z"),
        ("DateTime", "9999-12-31", "9999-12-31T00:00:00Z"),
        ("DateTime", "2026-11-20T12:34:56.120000Z", "2026-11-20T12:34:56.120Z"),
        ("DateTime", "2026-11-20 12:34", "2026-11-20T12:34:00Z"),
        ("DateTime", "2026-11-20T00:30:00+02:00", "2026-11-19T22:30:00Z"),
        ("Decimal", Decimal("1.50"), Decimal("1.5000")),
        ("Decimal", Decimal("1E+2"), Decimal("100.0000")),
        ("Decimal", 7, Decimal("7.0000")),
        ("Int64", Decimal("7.0"), 7),
        ("String", Decimal("12345678901234567.890"), "12345678901234567.890"),
        ("String", Decimal("1E+2"), "100"),
        ("String", True, "true"),
        ("String", "", ""),
    ],
)
def test_a_value_is_sent_in_one_form(kind, value, sent):
    assert written(kind, value) == sent
    assert str(written(kind, value)) == str(sent)


@pytest.mark.parametrize("kind", ["Double", "Decimal", "Int64"])
@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("-Infinity"), float("nan"), float("inf")])
@pytest.mark.parametrize("chosen", [True, False])
def test_what_is_no_number_is_never_sent(kind, value, chosen):
    with pytest.raises(UnfitValueError, match=r"p is (NaN|-?Infinity), and Power BI has numbers alone"):
        written(kind, value, chosen=chosen)


def test_what_a_stream_map_calculated_is_a_number():
    assert written("Double", 0.1) == Decimal("0.1")
    assert written("Decimal", 2.5) == Decimal("2.5000")
    assert written("Int64", 3.0) == 3
    with pytest.raises(UnfitValueError, match="which is no whole number"):
        written("Int64", 2.5)


def test_a_chosen_type_does_what_it_does():
    assert written("Double", Decimal("12345678901234567.89"), chosen=True) == Decimal("12345678901234568.0")
    assert written("Int64", 2**62, chosen=True) == 2**62
    with pytest.raises(UnfitValueError, match=r"choose tables\.s\.columns\.p\.type: String or Double"):
        written("Int64", 2**63 - 1, chosen=True)


def test_what_the_pipe_notes_about_itself_is_cut_to_milliseconds():
    assert (
        written("DateTime", "2026-11-20T12:00:00.123456+00:00", name="_sdc_received_at") == "2026-11-20T12:00:00.123Z"
    )
    with pytest.raises(UnfitValueError, match="_sdc_received_at is 'now', which is no timestamp"):
        written("DateTime", "now", name="_sdc_received_at")


def test_long_strings_are_cut_and_counted_only_when_told_so():
    table = Table("s", "T", (), (Column("p", "C", "String"),))
    writer = RowWriter(table, truncate_strings=True)
    assert json.loads(writer.write([{"p": "x" * 5000}])[0])["C"] == "x" * 4000
    assert json.loads(writer.write([{"p": "x" + "😀" * 2000}])[0])["C"] == "x" + "😀" * 1999  # no half character
    assert json.loads(writer.write([{"p": "short"}])[0])["C"] == "short"
    assert writer.truncated == 2


def test_nulls_are_left_out_but_a_row_is_never_empty():
    table = Table("s", "T", (), (Column("a", "A", "String"), Column("b", "B", "Int64")))
    writer = RowWriter(table)
    assert writer.write([{"a": None, "b": 1}, {}, {"b": 2}]) == [b'{"B":1}', b'{"A":null}', b'{"B":2}']
    assert writer.write([]) == []


def test_properties_without_a_column_are_noted():
    writer = RowWriter(Table("s", "T", (), (Column("a", "A", "String"),)), known={"dropped"})
    writer.write([{"a": "x", "dropped": 1, "surprise": 2, "_sdc_table_version": 3}])
    assert writer.unknown == {"surprise"}


@pytest.mark.parametrize(
    ("one", "other"), [("1", "1.0"), ("1", "1.00"), ("0.5", "0.50"), ("100", "1E+2"), ('"ä"', '"\\u00e4"')]
)
def test_equal_keys_are_the_same_key(one, other):
    assert key_of({"k": decode(one)}, ["k"]) == key_of({"k": decode(other)}, ["k"])


def test_keys_that_look_alike_are_different_keys():
    keys = [
        key_of(row, ["a", "b"])
        for row in ({"a": "1", "b": 2}, {"a": 1, "b": "2"}, {"a": "1,2", "b": 2}, {"a": '1","2', "b": 2})
    ]
    assert len(set(keys)) == 4
    long = Decimal("1." + "0" * 30 + "1")
    assert key_of({"k": long}, ["k"]) != key_of({"k": 1}, ["k"])


def test_versions_sort_by_time():
    texts = [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.5Z",
        "2026-01-01T02:00:01+02:00",
        "2026-01-01T01:00:00.000001Z",
    ]
    versions = [version_of({"_ifs_row_version": text}) for text in texts]
    assert versions == sorted(versions)
    assert [version_of(row) for row in ({}, {"_ifs_row_version": None}, {"_ifs_row_version": "W/1"})] == [None] * 3


def test_every_data_type_has_a_converter():
    assert {kind for kind in COERCIONS if converter(Column("p", "C", kind), "s")} == set(COERCIONS)


@given(st.from_regex(r"(19|20|00|2٢)\d\d-[01]\d-[0123]\dT[0126]\d:[0-6]\d:[0-6]\d(\.\d{6})?Z", fullmatch=True))
def test_moments_of_the_usual_length_are_read_like_all_others(value):
    assert utc(value) == utc(value.replace("T", " "))
    assert utc(value[:10]) == utc(f"{value[:10]} 00:00")


def test_a_moment_that_is_no_moment_is_refused_each_time_it_comes():
    convert = converter(Column("At", "At", "DateTime"), "orders")
    for _ in range(2):
        assert convert("2026-11-20") == "2026-11-20T00:00:00Z"
        for bad in ("2026-02-30", "2026-11-20T10:20:30.0000001", 7, True, ["2026-11-20"]):
            with pytest.raises(UnfitValueError):
                convert(bad)
