"""Whatever a line, a schema or a value is: it is understood, or refused with the one error that says so."""

import gzip
import io
import json
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hostile import TEXTS, VALUES, refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.columnar.columns import Column, column_type
from ifs_bi_core.columnar.rows import to_arrow
from ifs_bi_core.errors import ContractBrokenError, UnavailableError
from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.singer import reader
from ifs_bi_core.singer.batch_files import batch_files
from ifs_bi_core.singer.lines import decode_flawed
from ifs_bi_core.singer.messages import KINDS, lack_of
from ifs_bi_core.singer.reader import LineReader, whole_lines
from ifs_bi_core.singer.validation import CompiledValidator
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord

MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | TEXTS},
    optional={
        "stream": st.just("s") | VALUES,
        "record": VALUES,
        "schema": VALUES,
        "value": VALUES,
        "version": VALUES,
        "key_properties": VALUES,
    },
)
KEYWORDS = st.sampled_from(
    [
        *(
            "type",
            "format",
            "multipleOf",
            "precision",
            "scale",
            "anyOf",
            "oneOf",
            "allOf",
            "not",
            "enum",
            "const",
            "$ref",
        ),
        *("items", "properties", "required", "pattern", "patternProperties", "dependencies", "additionalProperties"),
        *("maxLength", "minItems", "uniqueItems", "propertyNames", "if", "then", "default", "description", "$id", "id"),
    ]
)
DEFINITIONS = st.dictionaries(
    KEYWORDS, VALUES | st.sampled_from(["string", "number", ["integer", "null"], "#", "#/properties/a", 2]), max_size=4
)
TYPES = [
    {"type": kind, "format": form, "multipleOf": step}
    for kind in ("string", "integer", "number", "boolean", "object")
    for form in (None, "date", "date-time")
    for step in (None, 0.01)
]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | MESSAGES.map(json.dumps).map(str.encode))
def test_a_line_is_a_message_or_is_named_in_a_sentence(line):
    reading = LineReader()
    messages = []
    said = refusal(lambda: messages.append(reading.deserialize_json(line)), ContractBrokenError)
    assert said is None or said.startswith("Line 1 of the input is no Singer message (")
    for message in messages:
        assert lack_of(message) is None
        assert reading.flaw is None or message["type"] == "RECORD"


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_what_python_writes_as_json_is_read_with_its_flaw_named(value):
    text = json.dumps(value)
    read, flaw = decode_flawed(text)
    try:
        strict = json.loads(text.encode(), parse_constant=pytest.fail)
        json.dumps(strict, ensure_ascii=False).encode()
    except (UnicodeEncodeError, pytest.fail.Exception):
        assert flaw is not None
        return
    assert flaw is None
    assert read == json.loads(text, parse_float=Decimal)


@pytest.mark.parametrize(
    ("number", "flaw"),
    [
        ("9" * 5000, "an integer of 5,000 digits, which is more than can be read"),
        ("1e99999999999999999999", "the number 1e99999999999999999999, whose exponent is more than can be read"),
        ("NaN", "NaN, which is no number of JSON"),
        (r'"\ud800"', "half of a surrogate pair, which is no text"),
    ],
)
def test_a_flaw_is_named(number, flaw):
    _, said = decode_flawed(f'{{"a":1.50,"b":{number}}}')
    assert said == f"it holds {flaw}"


@settings(max_examples=150, deadline=None)
@given(VALUES | st.decimals() | st.integers(-(10**6), 10**6).map(lambda exponent: Decimal((0, (1,), exponent))))
def test_every_key_has_a_text_that_can_be_stored(value):
    if isinstance(value, Decimal) and not value.is_finite():
        value = None  # no line brings one
    text = key_text({"id": value}, ["id"])
    text.encode()
    assert len(text) < 100_000


@settings(max_examples=150, deadline=None)
@given(st.lists(VALUES | st.decimals(allow_nan=False) | TEXTS, max_size=3), st.sampled_from(TYPES))
def test_a_value_of_any_kind_is_held_or_refused_with_a_reason(values, definition):
    said = {name: value for name, value in definition.items() if value is not None}
    rows = [{"a": value} for value in values]
    table, flaws = to_arrow(rows, [Column("a", "a", column_type(said))])
    assert table.num_rows + len(flaws) == len(rows)


def test_a_value_that_is_nested_too_deeply_is_refused_alone():
    deep = []
    for _ in range(5000):
        deep = [deep]
    table, flaws = to_arrow([{"a": 1}, {"a": deep}], [Column("a", "a", column_type({}))])
    assert (table.num_rows, list(flaws.values())) == (1, ["a can't be held as JSON: it is nested too deeply"])


@settings(max_examples=150, deadline=None)
@given(DEFINITIONS | VALUES, DEFINITIONS, VALUES)
def test_a_schema_of_anything_is_compiled_or_refused(definition, around, value):
    schema = {"properties": {"a": definition}} | around
    if isinstance(definition, dict):
        column_type(definition)
    try:
        validator = CompiledValidator(schema)
    except InvalidJSONSchema:
        return
    assert refusal(lambda: validator.validate({"a": value}), InvalidRecord) != ""


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "http://127.0.0.1:9/x", "ftp://a/b", "other.json", "//host/x"]
)
@pytest.mark.parametrize("base", [{}, {"$id": "http://127.0.0.1:9/"}, {"id": "file:///etc/"}], ids=str)
def test_a_schema_that_refers_elsewhere_is_refused_and_nothing_is_opened(address, base):
    with pytest.raises(InvalidJSONSchema, match=r"it refers to|Unresolvable"):
        CompiledValidator({"properties": {"a": {"$ref": address}}} | base)


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(reader, "_LONGEST_LINE_BYTES", 1 << 20)
    given_bytes = []

    def read(size):
        given_bytes.append(size)
        return b" " * size

    with pytest.raises(ContractBrokenError, match="A line in the input is longer than 1 MiB"):
        list(whole_lines(read, "the input"))
    assert sum(given_bytes) <= 3 << 20


def batch_message(path, compression="gzip"):
    encoding = {"format": "jsonl", "compression": compression}
    return {"type": "BATCH", "stream": "s", "encoding": encoding, "manifest": [path.as_uri()]}


def test_a_file_that_unpacks_without_an_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "_LONGEST_LINE_BYTES", 1 << 20)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b" " * (64 << 20)))
    [file] = batch_files(batch_message(path))
    with pytest.raises(ContractBrokenError, match=r"A line in the batch file .* is longer than 1 MiB"):
        list(file.record_lines())


ROWS = [{"id": number, "note": "x" * number} for number in range(200)]
PACKED = gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in ROWS))


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.none() | st.integers(0, 7), st.binary(max_size=20))
def test_a_packed_file_that_was_cut_or_changed_gives_no_row_that_was_not_in_it(tmp_path_factory, part, bit, more):
    at = min(int(part * len(PACKED)), len(PACKED) - 1)
    content = bytearray(PACKED)
    if bit is None:
        content[at:] = more
    else:
        content[at] ^= 1 << bit
    path = tmp_path_factory.mktemp("packed") / "a.gz"
    path.write_bytes(content)
    [file] = batch_files(batch_message(path))
    came = []

    def read():
        for block in file.record_lines():
            came.extend(json.loads(line)["record"] for line in block.splitlines())

    said = refusal(read, UnavailableError)
    assert came == ROWS if said is None else "can't be read" in said


@pytest.mark.parametrize(
    "address", ["gopher://a/b", "s3://bucket/key", "file://[::1/x", "/tmp/a\0b", "", "zip://a::file:///none.zip", "/"]
)
def test_an_address_that_leads_to_no_file_is_named(address):
    message = batch_message(SimpleNamespace(as_uri=lambda: address))
    with pytest.raises(UnavailableError, match=r"The batch file .* can't be read"):
        [list(file.record_lines()) for file in batch_files(message)]


@pytest.mark.parametrize(
    "change", [{"manifest": [5]}, {"manifest": [None]}, {"encoding": {"format": "jsonl", "compression": []}}], ids=str
)
def test_a_batch_message_of_odd_members_is_refused(change, tmp_path):
    with pytest.raises(ContractBrokenError, match="BATCH message"):
        batch_files(batch_message(tmp_path / "a") | change)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"{", b"}", b'"', b"\n", b"\r", b"\\", b"\x00", b"\xff", b'{"type":"STATE","value":1}\n'])
    )
)
def test_an_input_of_anything_ends_at_its_end_or_at_the_line_that_is_none(parts):
    data = b"".join(parts)
    states = []
    said = refusal(lambda: LineReader().process_lines(io.BytesIO(data), {"STATE": states.append}), ContractBrokenError)
    assert len(states) == data.count(b"STATE") if said is None else f"Line {len(states) + 1} of the input" in said
