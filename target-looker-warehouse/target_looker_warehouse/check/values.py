"""Steps of `ifs-bi warehouse-check`: each value comes back as it left. Pure: data."""

from __future__ import annotations

from target_looker_warehouse.check.step import (
    BOOLEAN,
    DATE,
    INTEGER,
    MOMENT,
    NUMBER,
    OBJECT,
    STRING,
    Step,
    decimal,
    lines,
)

_NINES = "9" * 38
_SMALL = f"0.{'0' * 37}1"
_JSON = f'{{"b":[1.10,null,true],"a":"","n":{_NINES}.{_NINES},"é":"\\""}}'
_ANY = "Ä A\u0308 漢字 🧾 'single' \"double\" `back` \\ \\N \\. $1 %s ? {x} ; -- /* \t\r\n |"
_LONG = "x" * 20_000
_LARGEST, _SMALLEST = str(2**63 - 1), str(-(2**63))
_KT = {"k": STRING, "x": STRING}

VALUES = (
    Step(
        "A row of each type, and one of nulls",
        [
            lines(
                "types",
                {"k": STRING, "i": INTEGER, "n": NUMBER, "b": BOOLEAN, "d": DATE, "at": MOMENT, "o": OBJECT},
                '{"k":"1","i":-7,"n":1.25,"b":true,"d":"2024-02-29","at":"2024-02-29T12:30:00Z","o":[1]}',
                f'{{"k":"2","i":{_LARGEST},"n":-0.000000000000000001,"b":false}}',
                f'{{"k":"3","i":{_SMALLEST}}}',
                '{"k":"4"}',
            )
        ],
        {
            "types": [
                {
                    "k": "1",
                    "i": "-7",
                    "n": "1.25",
                    "b": "true",
                    "d": "2024-02-29",
                    "at": "2024-02-29T12:30:00.000000Z",
                    "o": "[1]",
                },
                {"k": "2", "i": _LARGEST, "n": "-0.000000000000000001", "b": "false"},
                {"k": "3", "i": _SMALLEST},
                {"k": "4"},
            ]
        },
    ),
    Step(
        "Decimals of 38 digits",
        [
            lines(
                "decimals",
                {"k": STRING, "whole": decimal(38, 0), "money": decimal(38, 2), "usual": NUMBER},
                f'{{"k":"1","whole":{_NINES},"money":{_NINES[2:]}.99,"usual":{_NINES[18:]}.{_NINES[20:]}}}',
                f'{{"k":"2","whole":-{_NINES},"money":-{_NINES[2:]}.99,"usual":-{_NINES[18:]}.{_NINES[20:]}}}',
                '{"k":"3","whole":0,"money":0.10,"usual":0.1}',
            )
        ],
        {
            "decimals": [
                {"k": "1", "whole": _NINES, "money": f"{_NINES[2:]}.99", "usual": f"{_NINES[18:]}.{_NINES[20:]}"},
                {
                    "k": "2",
                    "whole": f"-{_NINES}",
                    "money": f"-{_NINES[2:]}.99",
                    "usual": f"-{_NINES[18:]}.{_NINES[20:]}",
                },
                {"k": "3", "whole": "0", "money": "0.1", "usual": "0.1"},
            ]
        },
    ),
    Step(
        "Decimals of 37 and 38 places",
        [
            lines(
                "places",
                {"k": STRING, "most": decimal(38, 37), "all": decimal(38, 38)},
                f'{{"k":"1","most":{_SMALL[:-2]}1,"all":{_SMALL}}}',
                f'{{"k":"2","most":-9.{_NINES[1:]},"all":-0.{_NINES}}}',
            )
        ],
        {
            "places": [
                {"k": "1", "most": f"{_SMALL[:-2]}1", "all": _SMALL},
                {"k": "2", "most": f"-9.{_NINES[1:]}", "all": f"-0.{_NINES}"},
            ]
        },
    ),
    Step(
        "Days of any year, and instants to the microsecond",
        [
            lines(
                "times",
                {"k": STRING, "d": DATE, "at": MOMENT},
                {"k": "1", "d": "0001-01-01", "at": "0001-01-01T00:00:00Z"},
                {"k": "2", "d": "1582-10-10", "at": "1582-10-10T10:10:10.000001Z"},
                {"k": "3", "d": "1899-12-31", "at": "1899-12-31T23:59:59.999999Z"},
                {"k": "4", "d": "2000-02-29", "at": "2024-06-01T02:00:00.5+05:30"},
                {"k": "5", "d": "9999-12-31", "at": "9999-12-31T23:59:59.999999Z"},
            )
        ],
        {
            "times": [
                {"k": "1", "d": "0001-01-01", "at": "0001-01-01T00:00:00.000000Z"},
                {"k": "2", "d": "1582-10-10", "at": "1582-10-10T10:10:10.000001Z"},
                {"k": "3", "d": "1899-12-31", "at": "1899-12-31T23:59:59.999999Z"},
                {"k": "4", "d": "2000-02-29", "at": "2024-05-31T20:30:00.500000Z"},
                {"k": "5", "d": "9999-12-31", "at": "9999-12-31T23:59:59.999999Z"},
            ]
        },
    ),
    Step(
        "Texts of any letters, and an empty one that is no null",
        [lines("texts", _KT, {"k": "1", "x": _ANY}, {"k": "2", "x": ""}, {"k": "3"}, {"k": "4", "x": _LONG})],
        {"texts": [{"k": "1", "x": _ANY}, {"k": "2", "x": ""}, {"k": "3"}, {"k": "4", "x": _LONG}]},
    ),
    Step(
        "JSON with every digit",
        [lines("json", {"k": STRING, "o": OBJECT}, f'{{"k":"1","o":{_JSON}}}', '{"k":"2","o":[]}', '{"k":"3","o":{}}')],
        {"json": [{"k": "1", "o": _JSON}, {"k": "2", "o": "[]"}, {"k": "3", "o": "{}"}]},
    ),
)
"""In the order in which they are run."""
