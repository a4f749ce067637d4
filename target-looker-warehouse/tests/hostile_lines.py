"""Singer lines that no good tap writes, and what has to become of each."""

from __future__ import annotations

import json
from typing import Any

STREAM = "orders"
PROPERTIES: dict[str, Any] = {
    "id": {"type": "integer"},
    "a": {"type": ["string", "null"]},
    "m": {"type": ["number", "null"], "multipleOf": 0.01, "precision": 18, "scale": 2},
    "n": {"type": ["number", "null"]},
    "j": {"type": ["object", "null"]},
    "d": {"type": ["string", "null"], "format": "date-time"},
    "x": {},
}
_MANY = 100_000
_DEEP = b"[" * _MANY + b"]" * _MANY
_DIGITS = b"9" * _MANY


def schema_line(schema: Any = None, key: Any = ("id",), **members: Any) -> bytes:
    said = {"properties": PROPERTIES} if schema is None else schema
    return json.dumps({"type": "SCHEMA", "stream": STREAM, "schema": said, "key_properties": key} | members).encode()


def row_line(row: bytes) -> bytes:
    return b'{"type":"RECORD","stream":"orders","record":' + row + b"}"


def _properties(**more: Any) -> bytes:
    return schema_line({"properties": {"id": {"type": "integer"}} | more})


REFUSED_ROWS = {
    "NaN": row_line(b'{"id":1000,"n":NaN}'),
    "infinity in an object": row_line(b'{"id":1000,"j":{"v":[-Infinity]}}'),
    "half of a surrogate pair": row_line(rb'{"id":1000,"a":"\ud800"}'),
    "the other half": row_line(rb'{"id":1000,"a":"x\udc00x"}'),
    "half of one in a name": row_line(rb'{"id":1000,"a\ud800":1}'),
    "half of one in the key": row_line(rb'{"id":"\ud800"}'),
    "100,000 digits": row_line(b'{"id":1000,"n":' + _DIGITS + b"}"),
    "100,000 digits in the key": row_line(b'{"id":' + _DIGITS + b"}"),
    "100,000 digits in an object": row_line(b'{"id":1000,"j":{"v":' + _DIGITS + b"}}"),
    "100,000 decimals": row_line(b'{"id":1000,"n":0.' + _DIGITS + b"}"),
    "1e400": row_line(b'{"id":1000,"n":1e400}'),
    "1e400 in the key": row_line(b'{"id":1e400}'),
    "an exponent of a billion in the key": row_line(b'{"id":1e1000000000}'),
    "a small exponent of a billion in the key": row_line(b'{"id":1e-1000000000}'),
    "an exponent of 20 digits": row_line(b'{"id":1000,"n":1e99999999999999999999}'),
    "an exponent of 20 digits anywhere": row_line(b'{"id":1000,"x":-1e-99999999999999999999}'),
    "more than 64 bits": row_line(b'{"id":9223372036854775808}'),
    "no key": row_line(b"{}"),
    "null as the key": row_line(b'{"id":null,"a":"x"}'),
    "text as the key": row_line(b'{"id":"1000"}'),
    "a number for text": row_line(b'{"id":1000,"a":5}'),
    "a list for an object": row_line(b'{"id":1000,"j":[1]}'),
    "no moment": row_line(b'{"id":1000,"d":"2026-02-30T00:00:00Z"}'),
}
"""Rows that go to the dead letters alone."""

TAKEN_ROWS = {
    "20 MB": row_line(b'{"id":1000,"a":"' + b"x" * 20_000_000 + b'"}'),
    "names twice": row_line(b'{"id":1000,"id":1001,"a":"x","a":"y"}'),
    "NUL": row_line(rb'{"id":1000,"a":"a\u0000b"}'),
    "CRLF": row_line(b'{"id":1000}') + b"\r",
    "spaces": b'  {"type" : "RECORD" ,\t"stream":"orders", "record": {"id":1000}}  ',
    "the type last": b'{"record":{"id":1000},"stream":"orders","type":"RECORD"}',
    "1e400 in an object": row_line(b'{"id":1000,"j":{"v":1e400}}'),
    "nested 500 times": row_line(b'{"id":1000,"x":' + b"[" * 500 + b"]" * 500 + b"}"),
    "members that nobody knows": b'{"type":"RECORD","stream":"orders","record":{"id":1000},"more":[{}]}',
    "an odd time": b'{"type":"RECORD","stream":"orders","record":{"id":1000},"time_extracted":{"a":1}}',
    "-0": row_line(b'{"id":1000,"n":-0}'),
}
"""Rows that are delivered."""

NO_MESSAGES = {
    "cut": b'{"type":"RECORD","stream":"orders","rec',
    "20 MB of nothing": b'{"type":"RECORD"' + b"x" * 20_000_000,
    "nested 100,000 times": row_line(b'{"id":1000,"x":' + _DEEP + b"}"),
    "nested 100,000 times beside NaN": row_line(b'{"id":1000,"n":NaN,"x":' + _DEEP + b"}"),
    "100,000 brackets": b"[" * _MANY,
    "100,000 objects": b'{"a":' * _MANY,
    "empty": b"",
    "white": b" \t ",
    "a list": b"[1]",
    "a number": b"1",
    "no type": b"{}",
    "a type that is a number": b'{"type":1}',
    "a type that nobody knows": b'{"type":"WHAT","stream":"orders"}',
    "byte order mark": b"\xef\xbb\xbf" + row_line(b'{"id":1000}'),
    "latin-1": row_line(b'{"id":1000,"a":"\xe9"}'),
    "overlong UTF-8": row_line(b'{"id":1000,"a":"\xc0\x80"}'),
    "UTF-8 of a surrogate": row_line(b'{"id":1000,"a":"\xed\xa0\x80"}'),
    "a bare control character": row_line(b'{"id":1000,"a":"\x00"}'),
    "no record": b'{"type":"RECORD","stream":"orders"}',
    "a record that is a list": row_line(b"[1]"),
    "a record that is null": row_line(b"null"),
    "a record that is text": row_line(b'"x"'),
    "no stream": b'{"type":"RECORD","record":{"id":1000}}',
    "a stream that is a list": b'{"type":"RECORD","stream":["orders"],"record":{"id":1000}}',
    "a version that is a list": b'{"type":"RECORD","stream":"orders","version":[1],"record":{"id":1000}}',
    "a version of 80 bits": b'{"type":"RECORD","stream":"orders","version":1208925819614629174706176,"record":{}}',
    "a stream without SCHEMA": b'{"type":"RECORD","stream":"nobody","record":{"id":1000}}',
    "STATE without value": b'{"type":"STATE"}',
    "STATE with NaN": b'{"type":"STATE","value":{"at":NaN}}',
    "STATE with half of a surrogate pair": rb'{"type":"STATE","value":{"at":"\ud800"}}',
    "ACTIVATE_VERSION without version": b'{"type":"ACTIVATE_VERSION","stream":"orders"}',
    "ACTIVATE_VERSION with text": b'{"type":"ACTIVATE_VERSION","stream":"orders","version":"x"}',
    "ACTIVATE_VERSION with half": b'{"type":"ACTIVATE_VERSION","stream":"orders","version":1.5}',
    "ACTIVATE_VERSION of nobody": b'{"type":"ACTIVATE_VERSION","stream":"nobody","version":1}',
    "SCHEMA without schema": b'{"type":"SCHEMA","stream":"orders","key_properties":["id"]}',
    "SCHEMA without properties": schema_line({}),
    "SCHEMA of a list": schema_line([1]),
    "properties that are a list": schema_line({"properties": [1]}),
    "a property that is true": schema_line({"properties": {"id": True}}),
    "keys that are text": schema_line(key="id"),
    "keys that are numbers": schema_line(key=[5]),
    "keys that are no property": schema_line(key=["nobody"]),
    "a type that is none": _properties(q={"type": "wat"}),
    "a type that is a number in SCHEMA": _properties(q={"type": 5}),
    "a type that is null": _properties(q={"type": None}),
    "a pattern that is none": _properties(q={"type": "string", "pattern": "("}),
    "an enum that is none": _properties(q={"enum": 5}),
    "choices that are none": _properties(q={"oneOf": [5]}),
    "another file": _properties(q={"$ref": "file:///etc/passwd"}),
    "another address": _properties(q={"$ref": "http://127.0.0.1:9/schema.json"}),
    "a key of another type": schema_line({"properties": {"id": {"type": "string"}}}),
    "SCHEMA nested 300 times": b'{"type":"SCHEMA","stream":"orders","schema":{"properties":{"q":'
    + b'{"type":"object","properties":{"q":' * 300
    + b"{}"
    + b"}}" * 300
    + b"}}}",
    "BATCH without encoding": b'{"type":"BATCH","stream":"orders","manifest":[]}',
    "BATCH of numbers": b'{"type":"BATCH","stream":"orders","encoding":{"format":"jsonl"},"manifest":[5]}',
    "BATCH compressed oddly": b'{"type":"BATCH","stream":"orders","encoding":{"format":"jsonl","compression":[]},"manifest":[]}',
    "BATCH of no file": b'{"type":"BATCH","stream":"orders","encoding":{"format":"jsonl"},"manifest":["/no/such/file"]}',
    "BATCH of odd addresses": b'{"type":"BATCH","stream":"orders","encoding":{"format":"jsonl"},"manifest":["gopher://a/b"]}',
    "BATCH of an address with NUL": rb'{"type":"BATCH","stream":"orders","encoding":{"format":"jsonl"},"manifest":["/a\u0000"]}',
}
"""Lines that end the run."""
