"""Singer lines, short to write."""

from __future__ import annotations

import json
from typing import Any

STRING = {"type": ["string", "null"]}
INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}
MONEY = {"type": ["number", "null"], "multipleOf": 0.01, "precision": 38, "scale": 2}
BOOLEAN = {"type": ["boolean", "null"]}
DATE = {"type": ["string", "null"], "format": "date"}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
OBJECT = {"type": ["object", "null"]}


def schema(stream: str, key: list[str], **properties: Any) -> str:
    message = {
        "type": "SCHEMA",
        "stream": stream,
        "key_properties": key,
        "schema": {"type": "object", "properties": properties},
    }
    return json.dumps(message)


def record(stream: str, row: dict[str, Any], version: int | None = None) -> str:
    message: dict[str, Any] = {"type": "RECORD", "stream": stream, "record": row}
    return json.dumps(message if version is None else message | {"version": version})


def raw(stream: str, row: str) -> str:
    """A RECORD whose row is JSON text already: numbers keep their digits."""
    return f'{{"type":"RECORD","stream":"{stream}","record":{row}}}'


def activate(stream: str, version: int) -> str:
    return json.dumps({"type": "ACTIVATE_VERSION", "stream": stream, "version": version})


def state(value: Any) -> str:
    return json.dumps({"type": "STATE", "value": value})
