import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.columnar.columns import Column, column_type
from ifs_bi_core.columnar.rows import to_arrow
from ifs_bi_core.singer.lines import decode, encode

STRING = {"type": ["string", "null"]}
INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}
MONEY = {"type": ["number", "null"], "multipleOf": 0.01, "precision": 38, "scale": 2}
BOOLEAN = {"type": ["boolean", "null"]}
DATE = {"type": ["string", "null"], "format": "date"}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
OBJECT = {"type": ["object", "null"]}

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def column(definition, name="x"):
    return Column(name, name, column_type(definition))


def converted(values, definition):
    """The column's Python values, and the reasons of the rows that were refused."""
    table, flaws = to_arrow([{"x": value} for value in values], [column(definition)])
    refused = [(values[position], reason) for position, reason in sorted(flaws.items())]
    array = table["x"]
    return (array.cast(pa.int64()) if pa.types.is_timestamp(array.type) else array).to_pylist(), refused


finite = st.decimals(allow_nan=False, allow_infinity=False)
numbers = finite | st.integers() | st.decimals(-(10**15), 10**15, places=2)
texts = st.text() | st.sampled_from(["", "null", "NULL", "\\N", "\x00", "0", "true", "'; DROP TABLE x; --", '"'])
dates = st.dates().map(str) | st.sampled_from(["0001-01-01", "9999-12-31", "2024-02-30", "", "0000-01-01"])
moments = (
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
    | st.datetimes().map(datetime.isoformat)
    | st.sampled_from(
        ["2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00+02:00", "2024-01-01", "now", "0001-01-01T00:00:00+01:00"]
    )
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | finite | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
ALLOWED = [
    (BOOLEAN, st.booleans()),
    (INTEGER, st.integers() | st.integers(-(2**63), 2**63 - 1)),
    (NUMBER, numbers),
    (MONEY, numbers),
    ({"type": "number", "precision": 4, "scale": 4}, numbers),
    (STRING, texts),
    (DATE, dates),
    (MOMENT, moments),
    (OBJECT, st.dictionaries(st.text(), documents)),
    ({}, documents),
]
"""Definitions, and values that they allow."""

columns_of_values = st.sampled_from(ALLOWED).flatmap(
    lambda pair: st.tuples(st.just(pair[0]), st.lists(pair[1] | st.none(), max_size=5))
)


def means(definition, value, held):
    """Whether the held value is what the JSON value says, by Python's own understanding of it."""
    if definition == DATE:
        return held.isoformat() == value
    if definition == MOMENT:
        written = datetime.fromisoformat(value)
        written = written.replace(tzinfo=UTC) if written.tzinfo is None else written
        return EPOCH + timedelta(microseconds=held) == written
    if definition in (OBJECT, {}):
        return json.loads(held, parse_float=Decimal) == json.loads(encode(value), parse_float=Decimal)
    return held == value and isinstance(held, bool) == isinstance(value, bool)


@given(columns_of_values)
def test_every_value_that_a_schema_allows_survives_exactly_or_is_refused_with_a_reason(given_column):
    definition, values = given_column
    off_the_line = [decode(encode({"x": value}))["x"] for value in values]
    held, refused = converted(off_the_line, definition)
    survived = [value for value in off_the_line if not any(value is row for row, _ in refused)]
    assert len(held) == len(survived)
    assert all(reason.startswith("x can't be held as ") and ": " in reason for _, reason in refused)
    for value, kept in zip(survived, held, strict=True):
        assert (kept is None) if value is None else means(definition, value, kept)


@given(columns_of_values, st.integers(0, 5))
def test_what_a_value_becomes_does_not_depend_on_its_neighbours(given_column, place):
    definition, values = given_column
    alone = [converted([value], definition) for value in values]
    together, refused = converted(values, definition)
    assert together == [held for one, _ in alone for held in one]
    assert [reason for _, reason in refused] == [reason for _, why in alone for _, reason in why]
    odd_one_out = object()  # no column but JSON can hold it, so that the others are looked at one by one
    if definition not in (OBJECT, {}):
        slowly, _ = converted([*values[:place], odd_one_out, *values[place:]], definition)
        assert slowly == together


@pytest.mark.parametrize(
    ("definition", "text", "held"),
    [
        (MONEY, "12345678901234567.89", Decimal("12345678901234567.89")),
        (MONEY, "1e3", Decimal(1000)),
        (MONEY, "-0.00", Decimal(0)),
        (MONEY, "1.500", Decimal("1.5")),
        (MONEY, "0e999", Decimal(0)),
        (NUMBER, "0.000000000000000001", Decimal("1E-18")),
        (NUMBER, "12345678901234567890.123456789012345678", Decimal("12345678901234567890.123456789012345678")),
        (INTEGER, "9223372036854775807", 2**63 - 1),
        (INTEGER, "-9223372036854775808", -(2**63)),
        (INTEGER, "5.0", 5),
        (STRING, '""', ""),
        (STRING, '"\\u0000"', "\x00"),
        (DATE, '"0001-01-01"', datetime(1, 1, 1, tzinfo=UTC).date()),
        (DATE, '"9999-12-31"', datetime(9999, 12, 31, tzinfo=UTC).date()),
        (OBJECT, '{"b":12345678901234567.8900,"a":null}', '{"b":12345678901234567.8900,"a":null}'),
        ({}, '"text"', '"text"'),
        ({"type": "string", "format": "x-singer.decimal", "precision": 20, "scale": 4}, '"1.2345"', Decimal("1.2345")),
    ],
)
def test_values_arrive_as_they_left(definition, text, held):
    assert converted([decode(text)], definition) == ([held], [])


@pytest.mark.parametrize(
    ("definition", "text", "why"),
    [
        (MONEY, "0.001", "0.001 has more than 2 decimals"),
        (MONEY, "1e36", "has more than 36 digits before the point"),
        (MONEY, "1e999999999", "has more than 36 digits before the point"),
        (MONEY, "1e-999999999", "has more than 2 decimals"),
        (MONEY, "true", "True is no number"),
        (MONEY, '"NaN"', "'NaN' is no number"),
        (MONEY, '"1_000"', "'1_000' is no number"),
        (INTEGER, "9223372036854775808", "is no integer of 64 bits"),
        (INTEGER, "1.5", "1.5 is no integer of 64 bits"),
        (INTEGER, "1e99", "is no integer of 64 bits"),
        (INTEGER, "false", "False is no number"),
        (BOOLEAN, "1", "1 is neither true nor false"),
        (BOOLEAN, '"true"', "'true' is neither true nor false"),
        (STRING, "1", "1 is no text"),
        (STRING, "{}", "{} is no text"),
        (DATE, '""', "'' is no date"),
        (DATE, '"2024-02-30"', "is no day of the calendar"),
        (MOMENT, "1704067200", "1704067200 is no text"),
        (MOMENT, '"2024-01-01T00:00:00.1234567Z"', "is finer than microseconds"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_the_reason(definition, text, why):
    held, [(_, reason)] = converted([decode(text)], definition)
    assert held == []
    assert why in reason


def test_a_long_value_is_shortened_in_the_reason():
    _, [(_, reason)] = converted(["x" * 1000], BOOLEAN)
    assert len(reason) < 150


def test_a_refused_row_leaves_the_others_and_names_its_first_flaw():
    rows = [{"a": 1, "b": "x"}, {"a": "one", "b": 2}, {"a": 3}]
    table, refused = to_arrow(rows, [column(INTEGER, "a"), column(STRING, "b")])
    assert table.to_pylist() == [{"a": 1, "b": "x"}, {"a": 3, "b": None}]
    assert refused == {1: "a can't be held as BIGINT: 'one' is no number"}


@given(st.lists(st.tuples(st.none() | st.integers() | st.text(max_size=2), st.none() | st.text() | st.integers())))
def test_every_row_is_either_in_the_table_or_refused_by_its_position(values):
    rows = [{"place": place, "a": a, "b": b} for place, (a, b) in enumerate(values)]
    columns = [column(INTEGER, "place"), column(INTEGER, "a"), column(STRING, "b")]
    table, refused = to_arrow(rows, columns)
    kept = table["place"].to_pylist()
    assert kept == [place for place in range(len(rows)) if place not in refused]
    for place in refused:
        assert not to_arrow(rows[place : place + 1], columns)[0].num_rows


@pytest.mark.parametrize(
    ("definition", "value", "held"),
    [
        (MONEY, 0.1, Decimal("0.1")),
        (DATE, datetime(2024, 2, 29, tzinfo=UTC).date(), datetime(2024, 2, 29, tzinfo=UTC).date()),
        (MOMENT, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), 1_000_000),
        (STRING, datetime(2024, 2, 29, tzinfo=UTC).date(), "2024-02-29"),
    ],
)
def test_what_only_a_stream_map_can_bring_is_taken_as_it_is_written(definition, value, held):
    assert converted([value], definition) == ([held], [])


def test_half_a_surrogate_pair_is_no_text():
    for definition in (STRING, OBJECT):
        held, [(_, reason)] = converted(["\ud800"], definition)
        assert held == []
        assert "surrogate" in reason


def test_no_rows_make_an_empty_table_of_the_columns_types():
    kinds = [BOOLEAN, INTEGER, MONEY, DATE, MOMENT, STRING, OBJECT]
    table = to_arrow([], [column(definition, str(place)) for place, definition in enumerate(kinds)])[0]
    assert [str(kind) for kind in table.schema.types] == [
        "bool", "int64", "decimal128(38, 2)", "date32[day]", "timestamp[us, tz=UTC]", "string", "string",
    ]  # fmt: skip
