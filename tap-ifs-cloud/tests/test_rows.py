"""Rows become records with every digit in place."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.singer.lines import decode, encode
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.rows import RowReader

PROPERTIES = {
    prop.name: prop
    for prop in (
        Property("Id", "Edm.String"),
        Property("No", "Edm.Decimal", precision=10, scale=0),
        Property("Amount", "Edm.Decimal", scale=2),
        Property("Moment", "Edm.DateTimeOffset"),
        Property("Changed", "Edm.DateTimeOffset"),
        Property("Flag", "Edm.Boolean"),
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
    ],
)
def test_a_value_that_is_not_what_metadata_says_stops_the_stream(name, value):
    with pytest.raises(ContractBrokenError, match=f"orders: property {name} holds"):
        READER.record({name: value})
