"""Steps of `ifs-bi warehouse-check`: what becomes of rows and columns that stand, and of names. Pure: data."""

from __future__ import annotations

from target_looker_warehouse.check.step import (
    DATE,
    INTEGER,
    MOMENT,
    STRING,
    Step,
    activate,
    decimal,
    lines,
    record,
    schema,
)

V1, V2 = (f"2024-01-0{day}T00:00:00.000000Z" for day in (1, 2))
_KT = {"k": STRING, "x": STRING}
_DELETED = {**_KT, "_sdc_deleted_at": MOMENT}
_VERSIONED = {**_DELETED, "_ifs_row_version": MOMENT}
_KEYS = ("a", "A", "a ", " a", "ä", "a\u0308", "'", '"', "\\", "\\N", "NULL", "")
_NAMES = (
    "select",
    "a b",
    'with "quotes"',
    "back`tick",
    "dollar$",
    "Größe",
    "1st",
    "%",
    ".",
    "",
    "xmin",
    "Name",
    "NAME",
)
_TABLES = ("select", "Odd name", "odd NAME", 'Größe "1"')
_LONG = "long_name_" * 20
_BULK = 3_000


def _bulk(first: int, said: str) -> list[str]:
    return lines(
        "bulk", {"k": INTEGER, "x": STRING}, *({"k": k, "x": f"{said} {k}"} for k in range(first, first + _BULK))
    )


def _bulk_rows() -> list[dict[str, str]]:
    half = _BULK // 2
    return [{"k": str(k), "x": f"{'new' if k >= half else 'old'} {k}"} for k in range(half + _BULK)]


ROWS = (
    Step(
        f"Batches of {_BULK:,} rows, half of which stand already",
        [_bulk(0, "old"), _bulk(_BULK // 2, "new")],
        {"bulk": _bulk_rows()},
    ),
    Step(
        "A row replaces the one of its key, the last of a batch stays, and the same again changes nothing",
        [
            lines("upsert", _KT, {"k": "1", "x": "a"}, {"k": "2", "x": "b"}, {"k": "1", "x": "c"}),
            *[lines("upsert", _KT, {"k": "2"}, {"k": "3", "x": "d"})] * 2,
        ],
        {"upsert": [{"k": "1", "x": "c"}, {"k": "2"}, {"k": "3", "x": "d"}]},
    ),
    Step(
        "Keys are compared letter for letter, blanks and case among them",
        [
            lines("keys", _KT, *({"k": key, "x": "old"} for key in _KEYS)),
            lines("keys", _KT, *({"k": key, "x": "new"} for key in _KEYS[1::2])),
        ],
        {"keys": [{"k": key, "x": "new" if place % 2 else "old"} for place, key in enumerate(_KEYS)]},
    ),
    Step(
        "The newest version of a row wins, whenever it comes",
        [
            lines("versions", _VERSIONED, {"k": "1", "x": "new", "_ifs_row_version": V2}),
            lines(
                "versions",
                _VERSIONED,
                {"k": "1", "x": "old", "_ifs_row_version": V1},
                {"k": "2", "x": "new", "_ifs_row_version": V2},
                {"k": "2", "x": "old", "_ifs_row_version": V1},
            ),
        ],
        {"versions": [{"k": k, "x": "new", "_ifs_row_version": V2} for k in ("1", "2")]},
    ),
    Step(
        "A delete marks the row, and a row that comes back is live",
        [
            lines("marked", _DELETED, *({"k": k, "x": "a"} for k in ("1", "2", "3"))),
            lines("marked", _DELETED, {"k": "1", "_sdc_deleted_at": V1}, {"k": "2", "_sdc_deleted_at": V1}),
            lines("marked", _DELETED, {"k": "2", "x": "b"}),
        ],
        {"marked": [{"k": "1", "x": "a", "_sdc_deleted_at": V1}, {"k": "2", "x": "b"}, {"k": "3", "x": "a"}]},
    ),
    Step(
        "A hard delete removes the row",
        [
            lines("removed", _DELETED, {"k": "1"}, {"k": "2"}),
            lines("removed", _DELETED, {"k": "1", "_sdc_deleted_at": V1}, {"k": "9", "_sdc_deleted_at": V1}),
        ],
        {"removed": [{"k": "2"}]},
        {"hard_delete": True},
    ),
    Step(
        "A full refresh removes what it did not carry",
        [
            [
                schema("refreshed", ["k"], _KT),
                *(record("refreshed", {"k": k}, 1) for k in ("1", "2")),
                activate("refreshed", 1),
            ],
            [schema("refreshed", ["k"], _KT), record("refreshed", {"k": "2"}, 2), activate("refreshed", 2)],
        ],
        {"refreshed": [{"k": "2", "_sdc_table_version": "2"}]},
        {"hard_delete": True},
    ),
    Step(
        "Append-only keeps every row",
        [
            lines("appended", _KT, {"k": "1", "x": "a"}),
            lines("appended", _KT, {"k": "1", "x": "a"}, {"k": "1", "x": "b"}),
        ],
        {"appended": [{"k": "1", "x": "a"}, {"k": "1", "x": "a"}, {"k": "1", "x": "b"}]},
        {"load_method": "append-only"},
    ),
    Step(
        "Overwrite leaves what the last run brought",
        [
            lines("overwritten", _KT, {"k": "1", "x": "a"}, {"k": "2"}),
            lines("overwritten", {**_KT, "y": INTEGER}, {"k": "3", "y": 3}, {"k": "4", "x": "a"}, {"k": "3", "y": 4}),
        ],
        {"overwritten": [{"k": "3", "y": "4"}, {"k": "4", "x": "a"}]},
        {"load_method": "overwrite"},
    ),
    Step(
        "A row that the table does not take is put aside, and the others of its batch arrive",
        [lines("strict", _KT, *({"k": str(k), "x": None if k == 5 else "a"} for k in range(8)))],  # noqa: PLR2004 - any one
        {"strict": [{"k": str(k), "x": "a"} for k in range(8) if k != 5]},  # noqa: PLR2004 - the same
        strict=("strict",),
        refused=1,
    ),
)
"""What becomes of rows, in the order in which they are run."""

_INTEGER_THEN = [lines("widened", {"k": STRING, "n": INTEGER}, f'{{"k":"1","n":{2**62}}}')]
_WIDER = [
    lines("widened", {"k": STRING, "n": decimal(*digits)}, f'{{"k":"{digits[0]}","n":{value}}}')
    for digits, value in (((19, 0), "9" * 19), ((24, 0), "9" * 24), ((38, 2), "0.01"))
]

SHAPES = (
    Step(
        "Columns are added, and one that is gone stays",
        [
            lines("added", {"k": STRING, "old": STRING}, {"k": "1", "old": "a"}, {"k": "2", "old": "b"}),
            lines("added", {"k": STRING, "new": DATE}, {"k": "2", "new": "2024-01-01"}, {"k": "3"}),
        ],
        {"added": [{"k": "1", "old": "a"}, {"k": "2", "new": "2024-01-01"}, {"k": "3"}]},
    ),
    Step(
        "Numbers become wider and keep their values",
        [*_INTEGER_THEN, *_WIDER],
        {
            "widened": [
                {"k": "1", "n": str(2**62)},
                {"k": "19", "n": "9" * 19},
                {"k": "24", "n": "9" * 24},
                {"k": "38", "n": "0.01"},
            ]
        },
        beside=frozenset({"n"}),
    ),
    Step(
        "A type that a column can't become has a column beside it",
        [
            lines("beside", {"k": STRING, "x": INTEGER}, {"k": "1", "x": 1}, {"k": "2", "x": 2}),
            lines("beside", {"k": STRING, "x": DATE}, {"k": "2", "x": "2024-01-01"}, {"k": "3", "x": "2024-01-02"}),
        ],
        {"beside": [{"k": "1", "x": "1"}, {"k": "2", "x_v2": "2024-01-01"}, {"k": "3", "x_v2": "2024-01-02"}]},
    ),
    Step(
        "Reserved and odd names of columns, and ones that differ in case alone",
        [lines("names", {"k": STRING, **dict.fromkeys(_NAMES, STRING)}, {"k": "1", **{name: name for name in _NAMES}})],
        {"names": [{"k": "1", **{name: name for name in _NAMES}}]},
    ),
    Step(
        "Reserved and odd names of tables, and ones that differ in case alone",
        [[line for name in _TABLES for line in lines(name, _KT, {"k": "1", "x": name})]],
        {name: [{"k": "1", "x": name}] for name in _TABLES},
    ),
    Step(
        "Names that are longer than most warehouses take",
        [lines(_LONG, {**_KT, _LONG: STRING, f"{_LONG}2": STRING}, {"k": "1", _LONG: "a", f"{_LONG}2": "b"})],
        {_LONG: [{"k": "1", _LONG: "a", f"{_LONG}2": "b"}]},
    ),
)
"""What becomes of columns and names, in the order in which they are run."""
