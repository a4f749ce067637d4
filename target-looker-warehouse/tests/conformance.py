"""What a stream becomes in the warehouse: lines in, rows out. Each case is data, and held against every warehouse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from boxes import Box
from singer_lines import BOOLEAN, DATE, INTEGER, MOMENT, MONEY, NUMBER, OBJECT, STRING, activate, raw, record, schema

KEYS = ["a", "A", "a ", "ä", "a\u0308", "'", '"', "\\", "\\N", "\t\n\r", "\\.", "NULL"]
DELETED = {"_sdc_deleted_at": MOMENT}
VERSIONED = {"_ifs_row_version": MOMENT}
V1, V2, V3 = (f"2024-01-0{day}T00:00:00.000000Z" for day in (1, 2, 3))
SHOWN_V1, SHOWN_V2 = "2024-01-01 00:00:00+00", "2024-01-02 00:00:00+00"

ORDERS = schema("orders", ["id"], id=STRING, a=STRING, b=INTEGER)
ORDERS_DELETED = schema("orders", ["id"], id=STRING, a=STRING, b=INTEGER, **DELETED)
ORDERS_VERSIONED = schema("orders", ["id"], id=STRING, a=STRING, **VERSIONED, **DELETED)


def in_order(rows):
    return sorted(rows, key=lambda row: sorted(row.items()))


@dataclass(frozen=True)
class Case:
    """Runs of lines, one after another, and the tables they leave: other ones where names are told apart by their case."""

    runs: list[list[str]]
    tables: dict[str, list[dict[str, str]]]
    config: dict[str, Any] = field(default_factory=dict)
    case_sensitive: dict[str, list[dict[str, str]]] | None = None

    def found(self, box: Box) -> dict[str, list[dict[str, str]]]:
        """What the tables of the streams hold."""
        return {name: in_order(box.rows(name, self.config.get("schema"))) for name in box.tables()}

    def left(self, box: Box) -> dict[str, list[dict[str, str]]]:
        """What they have to hold."""
        tables = self.case_sensitive if self.case_sensitive and box.dialect.case_sensitive else self.tables
        return {name: in_order(rows) for name, rows in tables.items()}


CASES = {
    "a row of each type": Case(
        [
            [
                schema("s", ["k"], k=STRING, i=INTEGER, n=NUMBER, m=MONEY, t=BOOLEAN, d=DATE, at=MOMENT, o=OBJECT),
                raw(
                    "s",
                    '{"k":"","i":-9223372036854775808,"n":-0.000000000000000001,"m":12345678901234567.89,"t":false}',
                ),
                raw("s", '{"k":"x","d":"0001-01-01","at":"0001-01-01T00:00:00Z","o":{"b":[1.10,null],"a":""}}'),
                raw("s", '{"k":"y","d":"9999-12-31","at":"9999-12-31T23:59:59.999999Z","o":{}}'),
                raw("s", '{"k":"z","at":"2024-06-01T02:00:00+02:00"}'),
            ]
        ],
        {
            "s": [
                {
                    "k": "",
                    "i": "-9223372036854775808",
                    "n": "-0.000000000000000001",
                    "m": "12345678901234567.89",
                    "t": "false",
                },
                {"k": "x", "d": "0001-01-01", "at": "0001-01-01 00:00:00+00", "o": '{"a":"","b":[1.10,null]}'},
                {"k": "y", "d": "9999-12-31", "at": "9999-12-31 23:59:59.999999+00", "o": "{}"},
                {"k": "z", "at": "2024-06-01 00:00:00+00"},
            ]
        },
    ),
    "the last row of a key stays, and a row replaces all of the one before": Case(
        [
            [ORDERS, record("orders", {"id": "1", "a": "x", "b": 1}), record("orders", {"id": "1", "a": "y"})],
            [ORDERS, record("orders", {"id": "2", "a": "z"}), record("orders", {"id": "1", "b": 2})],
        ],
        {"orders": [{"id": "1", "b": "2"}, {"id": "2", "a": "z"}]},
    ),
    "an empty text is no null": Case(
        [[ORDERS, record("orders", {"id": "", "a": ""}), record("orders", {"id": "1", "a": None})]],
        {"orders": [{"id": "", "a": ""}, {"id": "1"}]},
    ),
    "keys are compared letter for letter": Case(
        [
            [
                ORDERS,
                *(record("orders", {"id": key, "b": 1}) for key in KEYS),
                *(record("orders", {"id": key, "b": 2}) for key in ["A", "ä", "'"]),
            ]
        ],
        {"orders": [{"id": key, "b": "2" if key in {"A", "ä", "'"} else "1"} for key in KEYS]},
    ),
    "one key written in two ways is one key": Case(
        [
            [
                schema("s", ["n", "at"], n=MONEY, at=MOMENT, x=STRING),
                raw("s", '{"n":1,"at":"2024-01-01T00:00:00Z","x":"a"}'),
                raw("s", '{"n":1.00,"at":"2024-01-01T02:00:00.000000+02:00","x":"b"}'),
            ]
        ],
        {"s": [{"n": "1.00", "at": SHOWN_V1, "x": "b"}]},
    ),
    "a stream without key is appended": Case(
        [
            [schema("s", [], x=INTEGER), record("s", {"x": 1}), record("s", {"x": 1})],
            [schema("s", [], x=INTEGER), record("s", {"x": 1})],
        ],
        {"s": [{"x": "1"}] * 3},
    ),
    "append-only keeps every row": Case(
        [
            [ORDERS_DELETED, record("orders", {"id": "1"}, 1), record("orders", {"id": "1", "_sdc_deleted_at": V1}, 1)],
            [ORDERS_DELETED, record("orders", {"id": "1"}, 2), activate("orders", 2)],
        ],
        {
            "orders": [
                {"id": "1", "_sdc_table_version": "1"},
                {"id": "1", "_sdc_deleted_at": SHOWN_V1, "_sdc_table_version": "1"},
                {"id": "1", "_sdc_table_version": "2"},
            ]
        },
        {"load_method": "append-only"},
    ),
    "overwrite leaves what the last run brought": Case(
        [
            [ORDERS, record("orders", {"id": "1", "a": "x"}), record("orders", {"id": "2"})],
            [
                ORDERS,
                record("orders", {"id": "3"}),
                record("orders", {"id": "4"}),
                record("orders", {"id": "3", "a": "y"}),
            ],
        ],
        {"orders": [{"id": "3", "a": "y"}, {"id": "4"}]},
        {"load_method": "overwrite"},
    ),
    "overwrite puts a type that nothing could be widened to beside the old one, and leaves other streams alone": Case(
        [
            [
                ORDERS,
                record("orders", {"id": "1", "b": 1}),
                schema("other", ["id"], id=INTEGER),
                record("other", {"id": 1}),
            ],
            [schema("orders", ["id"], id=INTEGER, b=STRING), record("orders", {"id": 1, "b": "x"})],
        ],
        {"orders": [{"id_v2": "1", "b_v2": "x"}], "other": [{"id": "1"}]},
        {"load_method": "overwrite"},
    ),
    "overwrite goes on over a changed schema": Case(
        [
            [
                schema("s", ["id"], id=INTEGER),
                record("s", {"id": 1}),
                schema("s", ["id"], id=INTEGER, x=STRING),
                record("s", {"id": 2, "x": "new"}),
            ]
        ],
        {"s": [{"id": "1"}, {"id": "2", "x": "new"}]},
        {"load_method": "overwrite"},
    ),
    "overwrite goes on over a column that the schema lost, beside one that the table alone has": Case(
        [
            [schema("s", ["id"], id=INTEGER, old=STRING), record("s", {"id": 1, "old": "o"})],
            [
                schema("s", ["id"], id=INTEGER, x=STRING),
                record("s", {"id": 1, "x": "a"}),
                record("s", {"id": 2, "x": "b"}),
                schema("s", ["id"], id=INTEGER, y=STRING),
                record("s", {"id": 2, "y": "c"}),
            ],
        ],
        {"s": [{"id": "1", "x": "a"}, {"id": "2", "y": "c"}]},
        {"load_method": "overwrite"},
    ),
    "overwrite with nothing leaves an empty table": Case(
        [[ORDERS, record("orders", {"id": "1"})], [ORDERS]], {"orders": []}, {"load_method": "overwrite"}
    ),
    "a deleted row keeps its values": Case(
        [
            [ORDERS_DELETED, record("orders", {"id": "1", "a": "x", "b": 1}), record("orders", {"id": "2", "a": "y"})],
            [ORDERS_DELETED, record("orders", {"id": "1", "_sdc_deleted_at": V1})],
        ],
        {"orders": [{"id": "1", "a": "x", "b": "1", "_sdc_deleted_at": SHOWN_V1}, {"id": "2", "a": "y"}]},
    ),
    "a deleted row keeps its values in one batch too, and columns that the schema lost": Case(
        [
            [
                schema("orders", ["id"], id=STRING, old=STRING),
                record("orders", {"id": "1", "old": "o"}),
                record("orders", {"id": "2"}),
            ],
            [
                ORDERS_DELETED,
                record("orders", {"id": "1", "_sdc_deleted_at": V1}),
                record("orders", {"id": "2", "a": "x"}),
                record("orders", {"id": "2", "_sdc_deleted_at": V2}),
            ],
        ],
        {
            "orders": [
                {"id": "1", "old": "o", "_sdc_deleted_at": SHOWN_V1},
                {"id": "2", "a": "x", "_sdc_deleted_at": SHOWN_V2},
            ]
        },
    ),
    "a delete is marked where the schema has no word of it": Case(
        [
            [ORDERS, record("orders", {"id": "1", "a": "x"})],
            [ORDERS, record("orders", {"id": "1", "_sdc_deleted_at": V1})],
        ],
        {"orders": [{"id": "1", "a": "x", "_sdc_deleted_at": SHOWN_V1}]},
    ),
    "a row that comes back is live again": Case(
        [
            [ORDERS_DELETED, record("orders", {"id": "1", "_sdc_deleted_at": V1}), record("orders", {"id": "2"})],
            [ORDERS_DELETED, record("orders", {"id": "2", "_sdc_deleted_at": V1})],
            [ORDERS, record("orders", {"id": "1", "a": "x"}), record("orders", {"id": "2", "a": "y"})],
        ],
        {"orders": [{"id": "1", "a": "x"}, {"id": "2", "a": "y"}]},
    ),
    "a hard delete removes": Case(
        [
            [ORDERS, record("orders", {"id": "1"}), record("orders", {"id": "2"})],
            [
                ORDERS_DELETED,
                record("orders", {"id": "1", "_sdc_deleted_at": V1}),
                record("orders", {"id": "3", "a": "x"}),
                record("orders", {"id": "3", "_sdc_deleted_at": V1}),
                record("orders", {"id": "9", "_sdc_deleted_at": V1}),
            ],
        ],
        {"orders": [{"id": "2"}]},
        {"hard_delete": True},
    ),
    "an older version never replaces a newer one": Case(
        [
            [ORDERS_VERSIONED, record("orders", {"id": "1", "a": "new", "_ifs_row_version": V2})],
            [
                ORDERS_VERSIONED,
                record("orders", {"id": "1", "a": "old", "_ifs_row_version": V1}),
                record("orders", {"id": "2", "a": "new", "_ifs_row_version": V2}),
                record("orders", {"id": "2", "a": "old", "_ifs_row_version": V1}),
            ],
        ],
        {"orders": [{"id": n, "a": "new", "_ifs_row_version": SHOWN_V2} for n in ("1", "2")]},
    ),
    "a full refresh that carries an older version of a row does not retire the newer one": Case(
        [
            [ORDERS_VERSIONED, record("orders", {"id": "1", "a": "new", "_ifs_row_version": V2}, 1)],
            [
                ORDERS_VERSIONED,
                record("orders", {"id": "1", "a": "old", "_ifs_row_version": V1}, 2),
                activate("orders", 2),
            ],
        ],
        {"orders": [{"id": "1", "a": "new", "_ifs_row_version": SHOWN_V2, "_sdc_table_version": "2"}]},
    ),
    "an equal version replaces": Case(
        [
            [ORDERS_VERSIONED, record("orders", {"id": "1", "a": "x", "_ifs_row_version": V1})],
            [ORDERS_VERSIONED, record("orders", {"id": "1", "a": "y", "_ifs_row_version": V1})],
        ],
        {"orders": [{"id": "1", "a": "y", "_ifs_row_version": SHOWN_V1}]},
    ),
    "a delete without version wins, one that is older than the row does not": Case(
        [
            [ORDERS_VERSIONED, *(record("orders", {"id": n, "_ifs_row_version": V2}) for n in ("1", "2"))],
            [
                ORDERS_VERSIONED,
                record("orders", {"id": "1", "_sdc_deleted_at": V3}),
                record("orders", {"id": "2", "_sdc_deleted_at": V3, "_ifs_row_version": V1}),
            ],
        ],
        {
            "orders": [
                {"id": "1", "_ifs_row_version": SHOWN_V2, "_sdc_deleted_at": "2024-01-03 00:00:00+00"},
                {"id": "2", "_ifs_row_version": SHOWN_V2},
            ]
        },
    ),
    "columns are added, a column that is gone stays": Case(
        [
            [
                schema("s", ["id"], id=INTEGER, old=STRING),
                record("s", {"id": 1, "old": "o"}),
                record("s", {"id": 2, "old": "p"}),
            ],
            [schema("s", ["id"], id=INTEGER, new=MONEY), record("s", {"id": 2, "new": 1.5}), record("s", {"id": 3})],
        ],
        {"s": [{"id": "1", "old": "o"}, {"id": "2", "new": "1.50"}, {"id": "3"}]},
    ),
    "a changed schema keeps the order of the rows": Case(
        [
            [
                schema("s", ["id"], id=INTEGER, x=STRING),
                record("s", {"id": 1, "x": "old"}),
                record("s", {"id": 2, "x": "stays"}),
                schema("s", ["id"], id=INTEGER, x=STRING, y=STRING),
                record("s", {"id": 1, "x": "new", "y": "y"}),
                schema("s", ["id"], id=INTEGER, x=STRING),
                record("s", {"id": 1, "x": "newest"}),
            ]
        ],
        {"s": [{"id": "1", "x": "newest"}, {"id": "2", "x": "stays"}]},
    ),
    "a schema that comes again unchanged changes nothing": Case(
        [[ORDERS, record("orders", {"id": "1"}), ORDERS, record("orders", {"id": "2"}), ORDERS]],
        {"orders": [{"id": "1"}, {"id": "2"}]},
    ),
    "numbers widen and keep their values": Case(
        [
            [schema("s", ["id"], id=INTEGER, n=INTEGER), record("s", {"id": 1, "n": 2**62})],
            [schema("s", ["id"], id=INTEGER, n=MONEY), raw("s", '{"id":2,"n":0.01}')],
            [schema("s", ["id"], id=INTEGER, n=INTEGER), record("s", {"id": 3, "n": 7})],
        ],
        {"s": [{"id": "1", "n": "4611686018427387904.00"}, {"id": "2", "n": "0.01"}, {"id": "3", "n": "7.00"}]},
    ),
    "a type that a column can't become has a column beside it from then on": Case(
        [
            [
                schema("s", ["id"], id=INTEGER, x=INTEGER, y=STRING),
                record("s", {"id": 1, "x": 1}),
                record("s", {"id": 2}),
            ],
            [
                schema("s", ["id"], id=INTEGER, x=STRING),
                record("s", {"id": 1, "x": "a"}),
                record("s", {"id": 3, "x": "b"}),
            ],
            [schema("s", ["id"], id=INTEGER, x=DATE), record("s", {"id": 3, "x": "2024-01-01"})],
            [schema("s", ["id"], id=INTEGER, x=INTEGER), record("s", {"id": 4, "x": 4})],
        ],
        {
            "s": [
                {"id": "1", "x_v2": "a"},
                {"id": "2"},
                {"id": "3", "x_v3": "2024-01-01"},
                {"id": "4", "x": "4"},
            ]
        },
    ),
    "properties that differ in case alone, and ones that SQL knows": Case(
        [
            [
                schema("select", ["Id"], Id=INTEGER, ID=STRING, **{'a "b"': STRING, "": STRING}),
                record("select", {"Id": 1, "ID": "x"}),
            ],
            [
                schema("select", ["Id"], ID=STRING, Id=INTEGER, **{'a "b"': STRING, "": STRING}),
                record("select", {"ID": "y", "Id": 2, 'a "b"': "z", "": "e"}),
            ],
        ],
        {
            "select": [
                {"Id": "1", "ID_3843971d": "x"},
                {"Id": "2", "ID_3843971d": "y", 'a "b"': "z", "_e3b0c442": "e"},
            ]
        },
        case_sensitive={
            "select": [{"Id": "1", "ID": "x"}, {"Id": "2", "ID": "y", 'a "b"': "z", "_e3b0c442": "e"}],
        },
    ),
    "streams that differ in case alone, in any order": Case(
        [
            [
                schema("Orders", ["id"], id=INTEGER),
                schema("orders", ["id"], id=INTEGER),
                record("Orders", {"id": 1}),
                record("orders", {"id": 2}),
            ],
            [schema("orders", ["id"], id=INTEGER), record("orders", {"id": 3})],
        ],
        {"Orders": [{"id": "1"}], "orders_1c168adb": [{"id": "2"}, {"id": "3"}]},
        case_sensitive={"Orders": [{"id": "1"}], "orders": [{"id": "2"}, {"id": "3"}]},
    ),
    "a full refresh retires what it did not carry": Case(
        [
            [ORDERS, record("orders", {"id": "0"})],
            [ORDERS, record("orders", {"id": "1"}, 1), record("orders", {"id": "2"}, 1), activate("orders", 1)],
            [ORDERS, record("orders", {"id": "2"}, 2), activate("orders", 2)],
        ],
        {"orders": [{"id": "2", "_sdc_table_version": "2"}]},
        {"hard_delete": True},
    ),
    "a row without a version behind a full refresh stays": Case(
        [[ORDERS, record("orders", {"id": "1"}, 1), activate("orders", 2), record("orders", {"id": "2"})]],
        {"orders": [{"id": "2", "_sdc_table_version": "2"}]},
        {"hard_delete": True},
    ),
    "ACTIVATE_VERSION before the rows waits for them": Case(
        [
            [ORDERS, record("orders", {"id": "1", "a": "x"}, 1), record("orders", {"id": "2"}, 1)],
            [
                ORDERS,
                activate("orders", 2),
                record("orders", {"id": "1", "a": "y"}, 2),
                activate("orders", 2),
                record("orders", {"id": "3"}, 2),
            ],
        ],
        {"orders": [{"id": "1", "a": "y", "_sdc_table_version": "2"}, {"id": "3", "_sdc_table_version": "2"}]},
        {"hard_delete": True},
    ),
    "a full refresh of nothing retires everything": Case(
        [[ORDERS, record("orders", {"id": "1"}, 1)], [ORDERS, activate("orders", 2)]],
        {"orders": []},
        {"hard_delete": True},
    ),
    "a full refresh of a stream without key leaves its rows alone": Case(
        [
            [schema("s", [], x=INTEGER), record("s", {"x": n}, n), record("s", {"x": 0}, n), activate("s", n)]
            for n in (1, 2)
        ],
        {"s": [{"x": "2", "_sdc_table_version": "2"}, {"x": "0", "_sdc_table_version": "2"}]},
        {"hard_delete": True},
    ),
    "rows without versions retire nothing": Case(
        [
            [ORDERS, record("orders", {"id": "1"}, 1), activate("orders", 1)],
            [ORDERS, record("orders", {"id": "2"})],
            [ORDERS, record("orders", {"id": "3"}), activate("orders", 5)],
        ],
        {"orders": [{"id": "1", "_sdc_table_version": "1"}, {"id": "2"}, {"id": "3"}]},
        {"hard_delete": True},
    ),
    "a schema of its own": Case(
        [[ORDERS, record("orders", {"id": "1"})]], {"orders": [{"id": "1"}]}, {"schema": 'erp "x"'}
    ),
}


REPRESENTATIVE = {
    "a row of each type",
    "an empty text is no null",
    "keys are compared letter for letter",
    "append-only keeps every row",
    "overwrite leaves what the last run brought",
    "overwrite goes on over a changed schema",
    "a deleted row keeps its values in one batch too, and columns that the schema lost",
    "a hard delete removes",
    "an older version never replaces a newer one",
    "numbers widen and keep their values",
    "a type that a column can't become has a column beside it from then on",
    "properties that differ in case alone, and ones that SQL knows",
    "streams that differ in case alone, in any order",
    "a full refresh retires what it did not carry",
    "ACTIVATE_VERSION before the rows waits for them",
    "a schema of its own",
}
"""One case of each kind: what `make test` holds against the emulators, of which each is slow. `make prove` adds the others."""


def representative_first(names: Iterable[str]) -> list[Any]:
    """Cases by name as parameters of a test, of which all but the representative ones are left to `make prove`."""
    return [name if name in REPRESENTATIVE else pytest.param(name, marks=pytest.mark.prove) for name in names]


IN_DUCKDB_FIRST = pytest.mark.parametrize(
    "new_box", ["duckdb", pytest.param("postgresql", marks=pytest.mark.prove)], indirect=True
)
"""What hardly differs from one warehouse to the other is left to `make prove` in the slower one."""
