"""Singer lines in and out."""

import io
import sys
from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.singer.lines import LineWriter, decode, encode
from ifs_bi_core.singer.reader import LineReader
from singer_sdk.singerlib import RecordMessage, StateMessage

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.decimals(allow_nan=False, allow_infinity=False, places=9)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_any_value_survives_digit_for_digit(value):
    assert decode(encode(value)) == value


@pytest.mark.parametrize(
    "number", ["12345678901234567.89", "0.10", "123456789012345678901234567890", "1E+30", "-0.0000001"]
)
def test_numbers_keep_their_digits(number):
    assert decode(number) == Decimal(number)


def read(*lines: bytes) -> list[dict]:
    messages: list[dict] = []
    LineReader().process_lines(io.BytesIO(b"".join(lines)), {"STATE": messages.append})
    return messages


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]\n", b"3\n", b'{"stream":"a"}\n', b'{"type":3}\n', b"\xff\xfe\n", b'{"type":"STATE","value":1}}\n'],
)
def test_a_line_that_is_no_message_is_named_by_its_number(line):
    with pytest.raises(ContractBrokenError, match="Line 2 of the input is no Singer message"):
        read(b'{"type":"STATE","value":1}\n', line)


def test_a_file_opened_as_text_is_read_as_well(tmp_path):
    path = tmp_path / "lines"
    path.write_bytes('{"type":"RECORD","stream":"s","record":{"å":0.1}}\n'.encode())
    messages: list[dict] = []
    with path.open() as file:
        assert LineReader().process_lines(file, {"RECORD": messages.append}) == Counter(RECORD=1)
    assert messages[0]["record"] == {"å": Decimal("0.1")}


def test_records_wait_for_a_block_and_a_state_takes_them_along(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    writer = LineWriter(clock=lambda: 0.0)
    writer.write_message(RecordMessage(stream="a", record={"x": Decimal("1.10")}))
    assert out.buffer.getvalue() == b""
    writer.write_message(StateMessage(value={}))
    record, state = out.buffer.getvalue().splitlines()
    assert b'"record":{"x":1.10}' in record
    assert state == b'{"type":"STATE","value":{}}'


def test_a_record_waits_no_longer_than_a_second(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", out)
    now = [0.0]
    writer = LineWriter(clock=lambda: now[0])
    now[0] = 1.0
    writer.write_message(RecordMessage(stream="a", record={}))
    assert out.buffer.getvalue()


def test_a_line_that_is_cut_in_its_error_does_not_show_the_half_of_a_secret():
    REDACTOR.register("a-secret-of-forty-characters-0123456789ab")
    line = b'{"x": "' + b"." * 60 + b"a-secret-of-forty-characters-0123456789ab"
    with pytest.raises(ContractBrokenError) as broken:
        LineReader().deserialize_json(line)
    assert "a-secret" not in str(broken.value)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_row_with_what_is_no_number_is_read_with_its_flaw(constant):
    reader = LineReader()
    line = f'{{"type":"RECORD","stream":"s","record":{{"a":{constant},"b":1.50}}}}'.encode()
    message = reader.deserialize_json(line)
    assert message["record"] == {"a": None, "b": Decimal("1.50")}
    assert reader.flaw == f"it holds {constant}, which is no number of JSON"
    assert reader.deserialize_json(b'{"type":"RECORD","stream":"s","record":{}}')["record"] == {}
    assert reader.flaw is None


def test_any_other_message_with_what_is_no_number_is_none():
    with pytest.raises(ContractBrokenError, match="it holds NaN"):
        LineReader().deserialize_json(b'{"type":"STATE","value":{"a":NaN}}')
