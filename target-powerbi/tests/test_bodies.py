"""Rows as the bodies of POST requests."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.singer.lines import encode
from target_powerbi.bodies import BYTES_FOR_NAME, body_of, parts

NAME = "0123456789abcdef-12345"
ROWS = st.lists(st.binary(min_size=1, max_size=30).map(lambda row: encode({"r": row.hex()})), min_size=1, max_size=3)


@given(st.lists(ROWS, max_size=25), st.integers(1, 7), st.integers(60, 600))
def test_parts_joined_are_the_items_and_none_is_too_large(items, most_rows, most_bytes):
    found = list(parts(items, lambda rows: rows, most_rows=most_rows, most_bytes=most_bytes))
    assert [item for part in found for item in part] == items
    for part in found:
        rows = [row for item in part for row in item]
        body = body_of(rows, NAME)
        assert len(part) == 1 or (len(rows) <= most_rows and len(body) <= most_bytes)
        assert json.loads(body)["rows"] == [json.loads(row) | {"_ifs_batch": NAME} for row in rows]


def test_a_name_takes_no_more_bytes_than_are_reserved_for_it():
    row = b'{"a":1}'
    assert len(body_of([row], "x" * 40)) - len(body_of([row], None)) == BYTES_FOR_NAME


def test_rows_of_a_table_without_a_column_for_it_carry_no_name():
    assert body_of([b'{"a":1}', b'{"a":null}'], None) == b'{"rows":[{"a":1},{"a":null}]}'
