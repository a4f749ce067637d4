"""Whole pages of records are written as the SDK writes records one by one: the same bytes, the same state, the same errors."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.singer.lines import Envelope, encode
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.odata import ETAG_MEMBER, row_version
from tap_ifs_cloud.record_pages import RecordPages
from tap_ifs_cloud.record_values import RowVersions, fixed_moments
from tap_ifs_cloud.rows import RowReader
from tap_ifs_cloud.time_zone import SourceZone
from tap_ifs_cloud.versions import Keys, version_of
from tap_ifs_cloud.wire_rows import column

PROPERTIES = {
    prop.name: prop
    for prop in (
        Property("Id", "Edm.String", nullable=False),
        Property("No", "Edm.Decimal", precision=10, scale=0),
        Property("Part", "Edm.Decimal", scale=2),
        Property("Amount", "Edm.Decimal", scale=2),
        Property("Rate", "Edm.Double"),
        Property("Count", "Edm.Int64"),
        Property("Text", "Edm.String"),
        Property("Day", "Edm.Date"),
        Property("Moment", "Edm.DateTimeOffset"),
        Property("Changed", "Edm.DateTimeOffset"),
        Property("Time", "Edm.TimeOfDay"),
        Property("Guid", "Edm.Guid"),
        Property("Flag", "Edm.Boolean"),
        Property("Shown", "Edm.String", says_boolean=True),
        Property("State", "IfsApp.H.State", is_enum=True),
        Property("Bytes", "Edm.Binary"),
        Property("Inner", "IfsApp.H.Structure"),
        Property("Many", "Edm.String", is_collection=True),
    )
}
KEY = ("Id", "No", "Part")
MOMENT = "2026-01-31T10:20:30Z"
ETAG = 'W/"Vy8iQUFBWkkyQUFoQUFBNXZUQUFBOjIwMjUxMDA4MTcxNjEwIg=="'
AS_DICTS = msgspec.json.Decoder(float_hook=Decimal)

digits = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.integers(-(10**22), 10**22).map(str),
    st.from_regex(r"-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,9})?", fullmatch=True),
)
numbers = st.one_of(digits, digits.map(Decimal), st.integers(-(10**22), 10**22))
whole = st.one_of(
    st.integers(-(10**20), 10**20), st.integers(-(10**20), 10**20).map(str), st.sampled_from(["7.0", "-0", "1E+3"])
)
texts = st.text(max_size=6)
moments = st.one_of(
    st.datetimes().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}Z".rjust(20, "0")),
    st.sampled_from([MOMENT, "2026-01-31T10:20:30.5Z", "2026-01-31T12:20:30+02:00", "2026-W01-1T10:20:30Z"]),
)
etags = st.sampled_from(
    [ETAG, None, "", 'W/"MQ=="', ETAG.replace("zYx", "zYy"), "W/x", 'W/"Vy8iOjIwMjUxMzA4MTcxNjEwIg=="']
)
VALUES = {
    "Id": texts,
    "No": whole,
    "Part": numbers,
    "Amount": numbers,
    "Rate": numbers,
    "Count": whole,
    "Text": texts,
    "Day": st.dates().map(str),
    "Moment": moments,
    "Changed": moments,
    "Time": st.times().map(str),
    "Guid": st.uuids().map(str),
    "Flag": st.booleans(),
    "Shown": st.sampled_from(["TRUE", "FALSE", "True"]),
    "State": texts,
    "Bytes": texts,
    "Inner": st.dictionaries(texts, st.one_of(numbers, texts), max_size=2),
    "Many": st.lists(texts, max_size=2),
}
sound = st.fixed_dictionaries(
    {name: VALUES[name] for name in KEY},
    optional={
        **{name: st.one_of(st.none(), values) for name, values in VALUES.items() if name not in KEY},
        ETAG_MEMBER: etags,
        "luname": texts,
    },
)
anything = st.one_of(
    st.none(), st.booleans(), st.integers(), texts, digits, numbers, st.lists(st.integers(), max_size=1)
)
broken = st.builds(lambda row, name, value: {**row, name: value}, sound, st.sampled_from([*PROPERTIES]), anything)
"""The client lets no ETag through that is no text."""
ordinary = {
    **dict.fromkeys(("Amount", "Rate", "Part"), "12.50"),
    **dict.fromkeys(("No", "Count"), "12"),
    **dict.fromkeys(("Moment", "Changed"), MOMENT),
    **dict.fromkeys(("Id", "Text", "Guid", "State", "Bytes"), 'a\u00e4"\n'),
    "Day": "2026-01-31",
    "Time": "10:00:00",
    "Flag": True,
    "Shown": "TRUE",
    ETAG_MEMBER: ETAG,
}


def source(modified: str | None = "Changed") -> SimpleNamespace:
    return SimpleNamespace(
        properties=PROPERTIES,
        key=tuple(PROPERTIES[name] for name in KEY),
        modified=PROPERTIES[modified] if modified else None,
    )


def one_by_one(rows, left_out, zone) -> bytes | str:
    reader = RowReader("orders", PROPERTIES, {}, "Changed", zone)
    try:
        records = list(map(reader.record, rows))
    except ContractBrokenError as error:
        return str(error)
    kept = [{name: value for name, value in record.items() if name not in left_out} for record in records]
    lines = [{"type": "RECORD", "stream": "orders", "record": record, "version": 7} for record in kept]
    return b"".join(encode({**line, "time_extracted": MOMENT}) + b"\n" for line in lines)


def as_a_page(pages, rows, left_out, zone) -> bytes | str:
    page = pages.page(rows)
    if page is None:
        return one_by_one(rows, left_out, zone)
    border = len(rows) // 2  # where a STATE may stand
    parts = [*page.records(0, border), *page.records(border, len(rows))]
    assert sum(count for _, count in parts) == len(rows)
    return b"".join(Envelope.of("orders", 7, MOMENT).around(records) for records, _ in parts)


ZONES = [None, SourceZone("Europe/Berlin")]


@settings(max_examples=150)
@example([ordinary] * 3, [], None)
@example([ordinary, {**ordinary, "Amount": None, "Count": None, ETAG_MEMBER: None}], ["Text"], ZONES[1])
@example([ordinary, {**ordinary, "Amount": "1,5"}], [], None)
@example([ordinary, {**ordinary, "Amount": "null"}], [], None)
@example([{**ordinary, "Amount": Decimal("-0")}, {**ordinary, "Amount": "-0"}], [], None)
@given(
    st.one_of(st.lists(sound, min_size=1, max_size=5), st.lists(st.one_of(sound, broken), min_size=1, max_size=4)),
    st.lists(st.sampled_from([*PROPERTIES, "_ifs_etag", "_ifs_row_version"]), max_size=2),
    st.sampled_from(ZONES),
)
def test_a_page_gives_the_lines_or_the_error_that_its_rows_give_one_by_one(sent, left_out, zone):
    body = encode({"value": sent, "@odata.nextLink": "more", "@odata.count": "3"})
    plain = AS_DICTS.decode(body)
    expected = one_by_one(plain["value"], left_out, zone)
    pages = RecordPages(source(), left_out, zone)
    answer = pages.decode(body)
    if answer is None:  # then it is read in the ordinary way
        return
    assert {**answer, "value": None} == {**plain, "value": None}
    assert as_a_page(pages, answer["value"], left_out, zone) == expected
    if isinstance(expected, bytes):
        assert one_by_one(answer["value"], left_out, zone) == expected


@settings(max_examples=60)
@given(st.lists(sound, min_size=1, max_size=5), st.sampled_from(ZONES), st.sampled_from(["Changed", None]))
def test_keys_versions_and_positions_of_a_page_are_those_of_its_rows(sent, zone, modified):
    body = encode({"value": sent})
    plain = AS_DICTS.decode(body)["value"]
    pages = RecordPages(source(modified), (), zone)
    answer = pages.decode(body)
    page = pages.page(answer["value"]) if answer else None
    if page is None:
        return
    reader = RowReader("orders", PROPERTIES, {}, modified, zone)
    keys = Keys("orders", source().key, modified, zone)
    assert keys.of_page(page) == [keys.of_delivered(row, reader.record(row)) for row in plain]
    for name in KEY:
        assert column(page.rows, name) == column(plain, name) == [row[name] for row in plain]
    if page.versions:
        assert page.versions == [version_of(row[ETAG_MEMBER]) for row in plain]
    for typed, row in zip(page.rows, plain, strict=True):
        assert {name: typed[name] for name in (*PROPERTIES, ETAG_MEMBER) if name in typed} == {
            name: row[name] for name in (*PROPERTIES, ETAG_MEMBER) if name in row
        }
        assert all(typed.get(name) == row.get(name) for name in (*PROPERTIES, "none"))


@pytest.mark.parametrize("count", [1, 3])
def test_pages_of_the_ordinary_form_are_never_read_one_by_one(count):
    pages = RecordPages(source())
    rows = pages.decode(encode({"value": [ordinary] * count}))["value"]
    page = pages.page(rows)
    assert len(page) == count
    assert page.versions == [20251008171610] * count
    assert page.values("Amount") == [Decimal("12.50")] * count


@given(st.lists(st.one_of(etags, st.just(ETAG)), min_size=1, max_size=4))
def test_etags_say_together_what_they_say_one_by_one(said):
    found = RowVersions.of(said)
    if found:
        assert found.moments == list(map(row_version, said))
        assert found.seconds == list(map(version_of, said))
    assert found or said.count(ETAG) < len(said)


@pytest.mark.parametrize(
    "wrong",
    [
        "2026-02-30T10:20:30Z",
        "2026-01-31T24:20:30Z",
        "0000-01-31T10:20:30Z",
        "2026-01-31 10:20:30Z",
        "٢026-01-31T10:20:3Z",
    ],
)
def test_a_moment_that_the_calendar_has_not_is_left_to_whoever_looks_at_it_alone(wrong):
    assert fixed_moments([MOMENT]) == ["2026-01-31T10:20:30.000000Z"]
    assert fixed_moments([MOMENT, wrong]) is None


def test_what_is_no_json_or_no_text_is_no_page():
    decode = RecordPages(source()).decode
    assert decode(b'{"value":[{"Id":"1"}]}')["value"][0]["Id"] == "1"
    assert decode(b'{"value":[{"Id":"1"}') is None
    assert decode(b'{"value":[{"Id":"1","luname":"\xff"}]}') is None
    assert decode(b'{"value":[{"Id":1}]}') is None
    assert decode(b'{"value":3}') is None
