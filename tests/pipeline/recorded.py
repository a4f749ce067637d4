"""What a tap said in two runs: rows that are new, changed, deleted, older, refused, in full refreshes and without keys."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

STRING = {"type": ["string", "null"]}
AMOUNT = {"type": ["number", "null"], "multipleOf": 0.01, "precision": 18, "scale": 2}
MOMENT = {"type": ["string", "null"], "format": "date-time"}

ORDERS = {
    "OrderNo": {"type": "string"},
    "Amount": AMOUNT,
    "Note": STRING,
    "_ifs_row_version": MOMENT,
    "_sdc_deleted_at": MOMENT,
}
SITES = {"Site": {"type": "string"}, "Town": STRING}
PRICES = {"Article": {"type": "string"}, "Price": AMOUNT}
EVENTS = {"What": {"type": "string"}, "Amount": AMOUNT}

BATCH_ROWS = 10


def schema(stream: str, keys: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    definition = {"type": "object", "properties": properties}
    return {"type": "SCHEMA", "stream": stream, "schema": definition, "key_properties": keys}


def record(stream: str, row: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": row, **members}


def state(said: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": {"bookmarks": said}}


def singer(messages: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def order(number: int, amount: Any, hour: int, **more: Any) -> dict[str, Any]:
    row = {"OrderNo": f"{number:03}", "Amount": amount, "Note": "é" * (number % 7), "_ifs_row_version": moment(hour)}
    return record("orders", row | more)


def deleted(number: int, hour: int) -> dict[str, Any]:
    gone = {"OrderNo": f"{number:03}", "_ifs_row_version": moment(hour), "_sdc_deleted_at": moment(hour)}
    return record("orders", gone)


def moment(hour: int) -> str:
    return f"2026-11-20T{hour:02}:00:00.000000Z"


def site(number: int, town: str, version: int) -> dict[str, Any]:
    return record("sites", {"Site": f"S{number}", "Town": town}, version=version)


def event(number: int, day: int) -> dict[str, Any]:
    return record("events", {"What": f"event {number} of day {day}", "Amount": number + 0.25})


def price(number: int, amount: Any) -> dict[str, Any]:
    return record("prices", {"Article": f"A{number}", "Price": amount})


ORDERS_SCHEMA = schema("orders", ["OrderNo"], ORDERS)
SITES_SCHEMA = schema("sites", ["Site"], SITES)
EVENTS_SCHEMA = schema("events", [], EVENTS)
PRICES_SCHEMA = schema("prices", ["Article"], PRICES)
SCHEMAS = {
    "orders": ORDERS_SCHEMA,
    "sites": SITES_SCHEMA,
    "events": EVENTS_SCHEMA,
    "prices": PRICES_SCHEMA,
}

FIRST: list[dict[str, Any]] = [
    ORDERS_SCHEMA,
    *(order(number, number + 0.5, 1) for number in range(24)),
    SITES_SCHEMA,
    *(site(number, "Lund", 1) for number in range(12)),
    {"type": "ACTIVATE_VERSION", "stream": "sites", "version": 1},
    EVENTS_SCHEMA,
    *(event(number, 1) for number in range(12)),
    PRICES_SCHEMA,
    *(price(number, number) for number in range(4)),
    state("first"),
]

SECOND: list[dict[str, Any]] = [
    ORDERS_SCHEMA,
    *(order(number, number * 2, 3) for number in range(5, 12)),  # changed
    order(12, 99, 0),  # older than what was delivered
    order(900, "much", 3),  # refused: no amount
    *(deleted(number, 3) for number in range(15, 18)),
    SITES_SCHEMA,
    *(site(number, "Växjö" if number % 2 else "Lund", 2) for number in range(9)),
    state("halfway"),
    EVENTS_SCHEMA,
    *(event(number, 2) for number in range(13)),
    *(order(number, number, 3) for number in range(24, 40)),  # new
    order(6, 7, 4),  # changed again, in another batch
    deleted(25, 4),  # new in this run, and gone
    PRICES_SCHEMA,
    *(price(number, 16 - 3 * number) for number in (5, 6, 7)),  # all new, and the last two less than nothing
    {"type": "ACTIVATE_VERSION", "stream": "sites", "version": 2},
    state("second"),
]


def of_streams(messages: Iterable[dict[str, Any]], *streams: str) -> list[dict[str, Any]]:
    """The messages of these streams, and the states."""
    return [message for message in messages if message.get("stream") in {None, *streams}]


def what_is_left(messages: Iterable[dict[str, Any]], last: Any) -> list[dict[str, Any]]:
    """What a tap says that goes on from a state, and whose source did not change since: schemas and what came behind it."""
    messages = list(messages)
    schemas = {message["stream"]: message for message in messages if message["type"] == "SCHEMA"}
    told = {"type": "STATE", "value": last}
    return [*schemas.values(), told, *messages[messages.index(told) + 1 :]]
