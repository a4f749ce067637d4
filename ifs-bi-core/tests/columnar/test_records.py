"""Lines that are typed together give the table that rows give one by one."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.columnar.columns import Column, ColumnType, Kind, column_type
from ifs_bi_core.columnar.records import RecordReader
from ifs_bi_core.columnar.rows import to_arrow
from ifs_bi_core.singer.lines import decode, encode
from ifs_bi_core.singer.validation import CompiledValidator

PROPERTIES = {
    "id": {"type": ["string"]},
    "count": {"type": ["integer", "null"]},
    "amount": {"type": ["number", "null"], "multipleOf": 0.01, "precision": 20},
    "tax": {"type": ["number", "null"], "multipleOf": 0.01, "precision": 20},
    "open": {"type": ["number", "null"]},
    "fixed": {"type": ["number"], "scale": 1},
    "note": {"type": ["string", "null"]},
    "day": {"type": ["string", "null"], "format": "date"},
    "at": {"type": ["string", "null"], "format": "date-time"},
    "done": {"type": ["boolean", "null"]},
    "more": {"type": ["object", "array", "string", "number", "null"]},
    "ödd name/'": {"type": ["string", "null"]},
}
COLUMNS = [Column(name, f"{name}_", column_type(definition)) for name, definition in PROPERTIES.items()]
VERSION = Column("_v", "_v", ColumnType(Kind.INTEGER))
ORDINARY = {
    "id": st.text(max_size=5),
    "count": st.none() | st.integers(-(2**63), 2**63 - 1),
    "amount": st.none() | st.decimals(-(10**12), 10**12, places=2),
    "tax": st.none() | st.decimals(-(10**12), 10**12, places=2),
    "open": st.none() | st.integers(-9, 9) | st.decimals(-100, 100, places=6),
    "fixed": st.decimals(-100, 100, places=1),
    "note": st.none() | st.text(max_size=9),
    "day": st.none() | st.dates().map(str),
    "at": st.none() | st.datetimes().map(lambda at: at.isoformat() + "Z"),
    "done": st.none() | st.booleans(),
    "more": st.none() | st.lists(st.integers() | st.text(max_size=3), max_size=2) | st.decimals(0, 9, places=3),
    "ödd name/'": st.none() | st.text(max_size=3),
}
ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.just(["a"])
)


def rows(values):
    """Rows with a key, and any of the other properties, in any order of their own."""
    others = {name: strategy for name, strategy in values.items() if name not in {"id", "fixed"}}
    always = {name: values[name] for name in ("id", "fixed")}
    return st.lists(st.fixed_dictionaries(always, optional=others), min_size=1, max_size=6)


def reader(columns=COLUMNS, **given):
    kinds = CompiledValidator({"properties": PROPERTIES}).kinds
    assert kinds is not None
    settings = {"kinds": kinds, "present": ["id"], "asked": ["at"], "version": "_v"} | given
    return RecordReader("s", columns, **settings)


def lines(records, *, spaces=False, **members):
    separators = (", ", " : ") if spaces else (",", ":")
    texts = []
    for record in records:
        line = encode({"type": "RECORD", "stream": "s", "record": record} | members)
        texts.append(line if not spaces else _spaced(line, separators))
    return b"\n".join(texts)


def _spaced(line, separators):
    numbers = []

    def kept(text):
        numbers.append(text)
        return text

    message = json.loads(line, parse_float=lambda text: f"#{kept(text)}#")
    return json.dumps(message, separators=separators).replace('"#', "").replace('#"', "").encode()


@given(rows(ORDINARY), st.booleans())
def test_ordinary_rows_become_the_table_that_they_become_one_by_one(records, spaces):
    read = reader().read(lines(records, spaces=spaces and not any("#" in str(r) for r in records)))
    table, flaws = to_arrow([decode(encode(record)) for record in records], COLUMNS)
    assert not flaws
    assert read is not None
    assert read.table.equals(table)
    assert list(read.values["id"]) == [record["id"] for record in records]
    assert list(read.values["at"]) == [record.get("at") for record in records]


@settings(max_examples=300)
@given(st.lists(st.dictionaries(st.sampled_from([*PROPERTIES, "unknown"]), ANYTHING), min_size=1, max_size=3))
def test_what_is_taken_together_is_what_is_taken_one_by_one(records):
    read = reader().read(lines(records))
    if read is None:
        return  # the rows are taken one by one
    told = [decode(encode(record)) for record in records]
    for record in told:
        CompiledValidator({"properties": PROPERTIES}).validate(record)
        assert record["id"] is not None
        assert "unknown" not in record
    table, flaws = to_arrow(told, COLUMNS)
    assert not flaws
    assert read.table.equals(table)


OUT_OF_THE_ORDINARY = {
    "a value of another type": {"count": "1"},
    "a number in a text": {"note": 1},
    "a decimal with more digits than its column": {"amount": Decimal("0.001")},
    "an integer beyond 64 bits": {"count": 2**63},
    "a property that the SCHEMA does not have": {"other": 1},
    "no key": {"id": None},
    "null where there must be none": {"fixed": None},
    "a date that is none": {"day": "2026-02-30"},
    "a text for a number": {"amount": "1.00"},
}


@pytest.mark.parametrize("change", OUT_OF_THE_ORDINARY.values(), ids=OUT_OF_THE_ORDINARY)
def test_a_row_out_of_the_ordinary_is_not_taken_with_the_others(change):
    record = {"id": "1", "fixed": Decimal("1.5")}
    assert reader().read(lines([record, record | change, record])) is None
    assert reader().read(lines([record, record])) is not None


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"RECORD","stream":"s","record":{"id":"1","fixed":1,"amount":1e2}}',
        b'{"type":"RECORD","stream":"s","record":{"id":"1","fixed":1,"amount":1E-9999999}}',
        b'{"type":"RECORD","stream":"s","record":{"id":"1","fixed":1,"amount":NaN}}',
        b'{"type":"RECORD","stream":"other","record":{"id":"1","fixed":1}}',
        b'{"type":"RECORD","stream":"s","record":{"id":"1","fixed":1},"type":"STATE"}',
        b'{"type":"RECORD","stream":"s","record":{"id":"1","fixed":1},"dead_letter":{"letter":"a","row":0}}',
        b'{"type":"RECORD","stream":"s","record":{"id":"1","fixed":1',
        b'{"type":"RECORD","stream":"s","record":{"id":"\xff","fixed":1}}',
        b'{"type":"RECORD","stream":"s","record":{"id":"\\ud800","fixed":1}}',
        b'{"type":"RECORD","stream":"s"}',
    ],
)
def test_a_line_that_is_more_or_less_than_a_row_is_looked_at_by_itself(line):
    assert reader().read(line) is None


def test_a_message_carries_its_version_into_the_row():
    records = [{"id": "1", "fixed": 1}]
    assert reader().read(lines(records, version=7)) is None  # there is no column for it yet
    read = reader([*COLUMNS, VERSION]).read(lines(records, version=7, time_extracted="2026-01-01T00:00:00Z"))
    assert (read.versions, read.extracted) == ([7], ["2026-01-01T00:00:00Z"])
    assert read.table["_v"].to_pylist() == [7]


def test_a_message_without_a_version_takes_the_one_that_was_activated():
    read = reader([*COLUMNS, VERSION]).read(lines([{"id": "1", "fixed": 1}]), version=3)
    assert read.versions == [None]
    assert read.table["_v"].to_pylist() == [3]


@pytest.mark.parametrize("kind", [ColumnType(Kind.DECIMAL, 38, 0), ColumnType(Kind.TEXT)])
def test_a_version_is_put_into_no_column_that_is_not_of_integers(kind):
    columns, records = [*COLUMNS, Column("_v", "_v", kind)], [{"id": "1", "fixed": 1}]
    assert reader(columns).read(lines(records, version=7)) is None
    assert reader(columns).read(lines(records)).table["_v"].to_pylist() == [None]


def test_where_records_are_not_validated_a_column_still_takes_what_it_holds_alone():
    unchecked = reader(kinds=None)
    assert unchecked.read(lines([{"id": "1", "fixed": None}])) is not None
    assert unchecked.read(lines([{"id": "1", "count": "1"}])) is None
    assert unchecked.read(lines([{"id": None}])) is None


def test_a_name_that_no_structure_can_have_is_said_at_the_beginning():
    with pytest.raises(ValueError, match="invalid"):
        reader([Column('with "quotes"', "a", ColumnType(Kind.TEXT))], kinds=None, present=[])
