"""Rows become records with every digit in place."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.singer.lines import decode, encode
from tap_ifs_cloud.metadata import EntityType, Property
from tap_ifs_cloud.rows import RowReader
from tap_ifs_cloud.schema import json_schema, stream_properties, with_booleans

PROPERTIES = {
    prop.name: prop
    for prop in (
        Property("Id", "Edm.String"),
        Property("No", "Edm.Decimal", precision=10, scale=0),
        Property("Amount", "Edm.Decimal", scale=2),
        Property("Moment", "Edm.DateTimeOffset"),
        Property("Changed", "Edm.DateTimeOffset"),
        Property("Flag", "Edm.Boolean"),
        Property("Shown", "Edm.String", says_boolean=True),
        Property("Day", "Edm.Date"),
        Property("State", "IfsApp.H.State", is_enum=True),
    )
}
READER = RowReader("orders", PROPERTIES, {"VendorRef": {"Name": Property("Name", "Edm.String")}}, "Changed")


def test_a_row_carries_what_the_catalogue_reads_and_its_version():
    row = {
        "@odata.etag": 'W/"Vy8iQUFBWkkyQUFoQUFBNXZUQUFBOjIwMjUxMDA4MTcxNjEwIg=="',
        "luname": "Order",
        "Id": "1",
        "No": "12",
        "Amount": "0.10",
        "Moment": "2026-01-01T10:00:00Z",
        "Changed": "2026-01-01T10:00:00Z",
        "Flag": None,
        "VendorRef": {"Name": "N", "luname": "x"},
    }
    assert READER.record(row) == {
        "Id": "1",
        "No": 12,
        "Amount": Decimal("0.10"),
        "Moment": "2026-01-01T10:00:00Z",
        "Changed": "2026-01-01T10:00:00.000000Z",
        "Flag": None,
        "VendorRef": {"Name": "N"},
        "_ifs_etag": row["@odata.etag"],
        "_ifs_row_version": "2025-10-08T17:16:10.000000Z",
    }


@given(st.decimals(allow_nan=False, allow_infinity=False), st.booleans())
def test_a_decimal_arrives_as_it_left_as_text_or_as_number(value, as_text):
    sent = msgspec.json.encode(str(value)) if as_text else encode(value)
    row = {"Amount": msgspec.json.Decoder(float_hook=Decimal).decode(sent)}
    arrived = decode(encode(READER.record(row)))["Amount"]
    assert Decimal(arrived) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Amount", "1,5"),
        ("Amount", "NaN"),
        ("Amount", True),
        ("No", "1.5"),
        ("Id", 3),
        ("Flag", "TRUE"),
        ("Changed", "soon"),
        ("Shown", "YES"),
        ("Shown", True),
        ("Day", 20260101),
        ("Moment", 1),
        ("State", 3),
    ],
)
def test_a_value_that_is_not_what_metadata_says_stops_the_stream(name, value):
    with pytest.raises(ContractBrokenError, match=f"orders: property {name} holds"):
        READER.record({name: value})


def test_dates_enums_and_moments_are_written_as_they_came():
    row = {"Day": "2026-01-01", "State": "PartiallyDelivered", "Moment": "2026-01-01T10:00:00.1234567Z"}
    record = READER.record(row)
    assert {name: record[name] for name in row} == row


def test_a_text_that_says_true_stays_a_text_unless_the_catalogue_says_what_it_means():
    assert READER.record({"Id": "TRUE", "Shown": "TRUE"}) == {"Id": "TRUE", "Shown": True, "VendorRef": None}
    assert [READER.record({"Shown": said})["Shown"] for said in ("FALSE", "True", None)] == [False, True, None]


def test_booleans_of_the_catalogue_are_booleans_in_the_schema_and_have_to_be_texts_that_are_read():
    known = with_booleans(PROPERTIES, ["Id"], key=["No"], where="Set")
    schema = json_schema(known, key=["No"], has_etag=False, expanded={})
    assert schema["properties"]["Id"] == {"type": ["boolean", "null"]}
    assert with_booleans(PROPERTIES, [], key=["No"], where="Set") == PROPERTIES
    for wrong in ("No", "Amount", "Nowhere"):
        with pytest.raises(ContractBrokenError, match=f"Set: `booleans` names {wrong}"):
            with_booleans(PROPERTIES, [wrong], key=["No"], where="Set")
    with pytest.raises(ContractBrokenError, match="no part of the key"):
        with_booleans(PROPERTIES, ["Id"], key=["Id"], where="Set")


def test_streams_are_left_out_and_one_that_is_asked_for_is_refused_with_a_sentence():
    kind = EntityType("T", ("Id",), {**PROPERTIES, "ClobData": Property("ClobData", "Edm.Stream")})
    assert "ClobData" not in stream_properties(kind, select=(), key=["Id"], where="Set")
    with pytest.raises(ContractBrokenError, match=r"Set: ClobData is a stream \(LOB\)"):
        stream_properties(kind, select=["Amount", "ClobData"], key=["Id"], where="Set")
