"""Streams as any tap may send them, and the rows that they have to leave in PostgreSQL: what targets are compared by.

A row shows its values in one form whoever loaded them: numbers without zeros at their ends, moments in UTC, names and texts as
they are, nulls left out; of ``_sdc_deleted_at``, only that it is set.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import psycopg

Rows = list[dict[str, Any]]

STRING = {"type": ["string", "null"]}
INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}
MONEY = NUMBER | {"multipleOf": 0.01, "precision": 38, "scale": 2}
BOOLEAN = {"type": ["boolean", "null"]}
DATE = STRING | {"format": "date"}
MOMENT = STRING | {"format": "date-time"}
OBJECT = {"type": ["object", "null"]}
ARRAY = {"type": ["array", "null"], "items": INTEGER}
ENCODED = STRING | {"format": "x-singer.decimal", "precision": 20, "scale": 4}
TEXTS = ["a", "A", "a ", "ä", "a\u0308", "'", '"', "\\", "\\N", "\\\\", '\\"', "\\.", "NULL", "😀", "\u2028", "\x7f"]
CONTROLS = ["\t", "\n", "\r", "\b\f"]
LONG = "n" * 70
"""More than the 63 characters that a name may have in PostgreSQL."""
LATER = re.compile(r"_\d{8}_\d{4}$")


@dataclass(frozen=True)
class Stream:
    """What a tap says of a stream, as messages without its name or as whole lines, and the rows of its table."""

    lines: list[dict[str, Any] | str]
    rows: Rows


def schema(key: list[str], **properties: Any) -> dict[str, Any]:
    definition = {"type": "object", "properties": properties}
    return {"type": "SCHEMA", "key_properties": key, "schema": definition}


def record(row: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"type": "RECORD", "record": row, **members}


def number(text: str) -> Decimal:
    return Decimal(text)


STREAMS = {
    "kinds": Stream(
        [
            schema(["i"], i=INTEGER, n=NUMBER, b=BOOLEAN, s=STRING, d=DATE, at=MOMENT, o=OBJECT, a=ARRAY),
            record({"i": -9007199254740993, "n": 0.1, "b": True, "s": "x", "d": "2024-02-29", "a": [1, 2]}),
            record({"i": 0, "n": 0, "b": False, "s": "0", "o": {}, "a": []}),
            record({"i": 1, "at": "2024-02-29T23:59:59.999999Z", "o": {"b": [1, 2.5, None], "a": "ä"}}),
            record({"i": 2, "n": None}),
        ],
        [
            {"i": -9007199254740993, "n": number("0.1"), "b": True, "s": "x", "d": "2024-02-29", "a": [1, 2]},
            {"i": 0, "n": 0, "b": False, "s": "0", "o": {}, "a": []},
            {"i": 1, "at": "2024-02-29T23:59:59.999999", "o": {"b": [1, number("2.5"), None], "a": "ä"}},
            {"i": 2},
        ],
    ),
    "early_and_late": Stream(
        [
            schema(["i"], i=INTEGER, d=DATE, at=MOMENT),
            record({"i": 1, "d": "0001-01-01", "at": "0001-01-01T00:00:00Z"}),
            record({"i": 2, "d": "1899-12-31", "at": "1899-12-31T00:00:00Z"}),
            record({"i": 3, "d": "9999-12-31", "at": "9999-12-31T23:59:59.999999Z"}),
        ],
        [
            {"i": 1, "d": "0001-01-01", "at": "0001-01-01T00:00:00"},
            {"i": 2, "d": "1899-12-31", "at": "1899-12-31T00:00:00"},
            {"i": 3, "d": "9999-12-31", "at": "9999-12-31T23:59:59.999999"},
        ],
    ),
    "texts": Stream(
        [schema(["k"], k=STRING, s=STRING), *(record({"k": text, "s": text}) for text in TEXTS)],
        [{"k": text, "s": text} for text in TEXTS],
    ),
    "controls": Stream(
        [schema(["k"], k=INTEGER, s=STRING), *(record({"k": k, "s": text}) for k, text in enumerate(CONTROLS))],
        [{"k": k, "s": text} for k, text in enumerate(CONTROLS)],
    ),
    "updates": Stream(
        [
            schema(["k"], k=STRING, s=STRING, n=INTEGER),
            *(record({"k": k, "s": s}) for k, s in [*zip("121324", "abcdef", strict=True), ("1", "g")]),
            record({"k": "1", "n": 3}),
        ],
        [{"k": "1", "n": 3}, {"k": "2", "s": "e"}, {"k": "3", "s": "d"}, {"k": "4", "s": "f"}],
    ),
    "keyless": Stream([schema([], s=STRING), record({"s": "a"}), record({"s": "a"})], [{"s": "a"}, {"s": "a"}]),
    "empty": Stream([schema(["k"], k=INTEGER, s=STRING), record({"k": 1, "s": ""})], [{"k": 1, "s": ""}]),
    "empty_key": Stream([schema(["k"], k=STRING, s=STRING), record({"k": "", "s": "x"})], [{"k": "", "s": "x"}]),
    "digits": Stream(
        [
            schema(["k"], k=INTEGER, m=MONEY, n=NUMBER),
            '{"type":"RECORD","stream":"digits","record":{"k":1,"m":12345678901234567.89,"n":0.000000000000000001}}',
        ],
        [{"k": 1, "m": number("12345678901234567.89"), "n": number("1E-18")}],
    ),
    "digits_in_objects": Stream(
        [
            schema(["k"], k=INTEGER, o=OBJECT),
            '{"type":"RECORD","stream":"digits_in_objects","record":{"k":1,"o":{"m":12345678901234567.89}}}',
        ],
        [{"k": 1, "o": {"m": number("12345678901234567.89")}}],
    ),
    "decimals_as_text": Stream(
        [schema(["k"], k=INTEGER, x=ENCODED), record({"k": 1, "x": "1.2345"})], [{"k": 1, "x": number("1.2345")}]
    ),
    "offsets": Stream(
        [schema(["k"], k=INTEGER, at=MOMENT), record({"k": 1, "at": "2024-06-01T02:00:00+02:00"})],
        [{"k": 1, "at": "2024-06-01T00:00:00"}],
    ),
    "times": Stream(
        [schema(["k"], k=INTEGER, x=STRING | {"format": "time"}), record({"k": 1, "x": "10:11:12"})],
        [{"k": 1, "x": "10:11:12"}],
    ),
    "mixed": Stream(
        [
            schema(["k"], k=INTEGER, x={"type": ["string", "integer", "null"]}),
            record({"k": 1, "x": "a"}),
            record({"k": 2, "x": 5}),
        ],
        [{"k": 1, "x": "a"}, {"k": 2, "x": 5}],
    ),
    "commas_in_keys": Stream(
        [
            schema(["a", "b"], a=STRING, b=STRING, n=INTEGER),
            record({"a": "x,y", "b": "z", "n": 1}),
            record({"a": "x", "b": "y,z", "n": 2}),
        ],
        [{"a": "x,y", "b": "z", "n": 1}, {"a": "x", "b": "y,z", "n": 2}],
    ),
    "gone": Stream(
        [
            schema(["k"], k=INTEGER, s=STRING, _sdc_deleted_at=MOMENT),
            record({"k": 1, "s": "x"}),
            record({"k": 1, "_sdc_deleted_at": "2024-01-01T00:00:00Z"}),
        ],
        [{"k": 1, "s": "x", "_sdc_deleted_at": True}],
    ),
    "refreshed": Stream(
        [
            schema(["k"], k=INTEGER, s=STRING),
            record({"k": 1, "s": "x"}, version=1),
            record({"k": 2, "s": "y"}, version=2),
            {"type": "ACTIVATE_VERSION", "version": 2},
        ],
        [{"k": 1, "s": "x", "_sdc_deleted_at": True}, {"k": 2, "s": "y"}],
    ),
    "versioned": Stream(
        [
            schema(["k"], k=INTEGER, s=STRING, _ifs_row_version=MOMENT),
            record({"k": 1, "s": "new", "_ifs_row_version": "2024-01-02T00:00:00Z"}),
            record({"k": 1, "s": "old", "_ifs_row_version": "2024-01-01T00:00:00Z"}),
        ],
        [{"k": 1, "s": "new", "_ifs_row_version": "2024-01-02T00:00:00"}],
    ),
    "added": Stream(
        [
            schema(["k"], k=INTEGER, s=STRING),
            record({"k": 1, "s": "x"}),
            schema(["k"], k=INTEGER, s=STRING, n=INTEGER),
            record({"k": 2, "n": 2}),
        ],
        [{"k": 1, "s": "x"}, {"k": 2, "n": 2}],
    ),
    "lost": Stream(
        [
            schema(["k"], k=INTEGER, s=STRING),
            record({"k": 1, "s": "x"}),
            record({"k": 2, "s": "y"}),
            schema(["k"], k=INTEGER, n=INTEGER),
            record({"k": 1, "n": 2}),
        ],
        [{"k": 1, "n": 2}, {"k": 2, "s": "y"}],
    ),
    "widened": Stream(
        [
            schema(["k"], k=INTEGER, n=INTEGER),
            record({"k": 1, "n": 1}),
            schema(["k"], k=INTEGER, n=MONEY),
            record({"k": 2, "n": 2.25}),
        ],
        [{"k": 1, "n": 1}, {"k": 2, "n": number("2.25")}],
    ),
    "Cased": Stream(
        [schema(["Id"], Id=INTEGER, NaMe=STRING), record({"Id": 1, "NaMe": "x"})], [{"Id": 1, "NaMe": "x"}]
    ),
    "select": Stream(
        [
            schema(["from"], **{"from": INTEGER, "order by": STRING}),
            record({"from": 1, "order by": "x"}),
        ],
        [{"from": 1, "order by": "x"}],
    ),
    "twins": Stream(
        [schema(["k"], k=INTEGER, a=STRING, A=STRING), record({"k": 1, "a": "x", "A": "y"})],
        [{"k": 1, "a": "x", "A": "y"}],
    ),
    "long_names": Stream(
        [
            schema(["k"], k=INTEGER, **{f"{LONG}a": STRING, f"{LONG}b": STRING}),
            record({"k": 1, f"{LONG}a": "x", f"{LONG}b": "y"}),
        ],
        [{"k": 1, f"{LONG[:54]}_5fc1756b": "x", f"{LONG[:54]}_de54168a": "y"}],
    ),
    "quoted": Stream(
        [schema(["k"], k=INTEGER, **{'a"b': STRING}), record({"k": 1, 'a"b': "x"})], [{"k": 1, 'a"b': "x"}]
    ),
}


def lines_of(names: Iterable[str]) -> bytes:
    """The lines of these streams, one stream after another, and a STATE."""
    found = [
        line if isinstance(line, str) else json.dumps(line | {"stream": name})
        for name in names
        for line in STREAMS[name].lines
    ]
    return "".join(f"{line}\n" for line in [*found, '{"type":"STATE","value":{"bookmarks":{}}}']).encode()


def many(seed: int) -> Iterable[tuple[str, dict[str, Any]]]:
    """A SCHEMA and many RECORDs of values that no target is known to spoil, each line with its row; keys come again and again."""
    chance = random.Random(seed)
    fields = {"s": STRING, "i": INTEGER, "n": NUMBER, "b": BOOLEAN, "d": DATE, "at": MOMENT, "o": OBJECT}
    yield json.dumps(schema(["k", "part"], k=INTEGER, part=STRING, **fields) | {"stream": "many"}), {}
    for _ in range(2_000):
        day = f"{chance.randint(1, 9999):04}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        row = {
            "k": chance.randint(-300, 300),
            "part": chance.choice(["é", "E", "e"]),
            "s": "".join(chance.choices("aåä 'x\"\\{}€😀,;", k=chance.randint(1, 30))),
            "i": chance.randint(-(2**63), 2**63 - 1),
            "n": chance.randint(-(10**9), 10**9) / 1000,
            "b": chance.random() < 0.5,
            "d": day,
            "at": f"{day}T{chance.randint(0, 23):02}:59:00.{chance.randint(0, 999_999):06}Z",
            "o": {"a": [chance.randint(0, 9), None], "b": chance.choice(["", "x"])},
        }
        said = {name: value for name, value in row.items() if name in {"k", "part"} or chance.random() < 0.8}
        line = {
            "type": "RECORD",
            "stream": "many",
            "record": {name: said[name] for name in chance.sample(list(said), len(said))},
        }
        yield (
            json.dumps(line, ensure_ascii=chance.random() < 0.5, separators=chance.choice([(",", ":"), (", ", ": ")])),
            said,
        )


def plain(value: Any) -> Any:
    """A value in the form in which those of all targets are compared."""
    match value:
        case bool():
            return value
        case int() | float() | Decimal():
            return Decimal(str(value)).normalize()
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat()
        case date() | time():
            return value.isoformat()
        case dict():
            return {name: plain(part) for name, part in value.items()}
        case list():
            return [plain(part) for part in value]
        case _:
            return value


def in_order(rows: Iterable[dict[str, Any]]) -> Rows:
    """Rows in one form and order, whoever loaded them."""
    shown = [
        {LATER.sub("_LATER", name): True if name == "_sdc_deleted_at" else plain(value) for name, value in row.items()}
        for row in rows
    ]
    return sorted(shown, key=lambda row: repr(sorted(row.items())))


def rows_in(url: str, schema_name: str, table: str) -> Rows:
    """The rows of a table in PostgreSQL, without nulls and without what targets say of themselves in ``_sdc_`` columns."""
    with closing(psycopg.connect(url, options="-c TimeZone=UTC")) as connection:
        psycopg.types.json.set_json_loads(lambda text: json.loads(text, parse_float=Decimal), connection)
        cursor = connection.execute(f'SELECT * FROM {schema_name}."{table}"'.encode())
        names = [column.name for column in cursor.description or ()]
        return in_order(
            {
                name: value
                for name, value in zip(names, row, strict=True)
                if value is not None and (name == "_sdc_deleted_at" or not name.startswith("_sdc_"))
            }
            for row in cursor.fetchall()
        )
