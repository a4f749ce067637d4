"""Lines of a stream without an end in sight, as fast as a pipe takes them: ``many_lines.py ROWS``."""

from __future__ import annotations

import json
import sys
from decimal import Decimal

STREAM = "lines"
_ROWS_AT_ONCE = 10_000
_TEXT, _NUMBER = ["string", "null"], ["number", "null"]
_PROPERTIES = {
    "Id": {"type": ["integer"]},
    "OrderNo": {"type": _TEXT},
    "Note": {"type": _TEXT},
    "Amount": {"type": _NUMBER, "precision": 18, "scale": 2},
    "Paid": {"type": ["boolean", "null"]},
    "OrderDate": {"type": _TEXT, "format": "date"},
    "ChangedAt": {"type": _TEXT, "format": "date-time"},
}


def again_after(rows: int) -> int:
    """How many keys there are: the last tenth of the rows comes with the first ones' keys."""
    return rows - rows // 10


def amount(number: int) -> Decimal:
    """What the row of that number says in ``Amount``."""
    return Decimal(number % 1_000_000) / 100


def total(rows: int) -> Decimal:
    """The sum of ``Amount`` over the rows that stay."""
    return sum((amount(number) for number in range(rows - again_after(rows), rows)), Decimal())


def _line(number: int, keys: int) -> str:
    changed = f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}"
    return (
        f'{{"type":"RECORD","stream":"{STREAM}","record":{{"Id":{number % keys},"OrderNo":"P{number % 90_000}",'
        f'"Note":"Line {number}, with some words of text","Amount":{amount(number)},"Paid":{"true" if number % 2 else "null"},'
        f'"OrderDate":"{changed}","ChangedAt":"{changed}T10:20:30.{number % 1_000_000:06}Z"}}}}\n'
    )


def main() -> None:
    """Write them, with a STATE at the end."""
    rows = int(sys.argv[1])
    keys = again_after(rows)
    definition = {"type": "object", "properties": _PROPERTIES}
    schema = {"type": "SCHEMA", "stream": STREAM, "schema": definition, "key_properties": ["Id"]}
    sys.stdout.write(f"{json.dumps(schema)}\n")
    for first in range(0, rows, _ROWS_AT_ONCE):
        sys.stdout.write("".join(_line(number, keys) for number in range(first, min(first + _ROWS_AT_ONCE, rows))))
    state = {"type": "STATE", "value": {"bookmarks": {STREAM: rows}}}
    sys.stdout.write(f"{json.dumps(state)}\n")


if __name__ == "__main__":
    main()
