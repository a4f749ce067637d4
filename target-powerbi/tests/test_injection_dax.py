"""Whatever tables and columns are called, in DAX each is one name."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError
from target_powerbi.command.verification import query_of
from target_powerbi.measures import with_measures
from target_powerbi.tables import Table, table_of

HOSTILE = [
    'a\'), ROW("x", 1)',
    "'Other'[Amount]",
    "x] + 'Other'[Amount",
    "]]",
    "]",
    '"',
    "a\"; EVALUATE 'Other' --",
    "/* a */ // b -- c",
    "a\nb\r\nc",
    "\u2019 \uff07 \uff3d",
    "{OrderNo}",
    "../datasets/x?y#z%27",
    "<script>alert(1)</script>",
]
TOKEN = re.compile(r"""'(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*"|[^'\["\s]+|\s+""", re.DOTALL)
NUMBER = {"type": "number", "scale": 2, "multipleOf": 0.01}
TEXT = {"type": "string"}


def shape(expression: str) -> tuple[str, list[str]]:
    """An expression with a mark for each name, and the names, read as DAX reads them."""
    found = TOKEN.findall(expression)
    assert "".join(found) == expression
    names = [one[1:-1].replace(one[-1] * 2, one[-1]) for one in found if one[0] in "'[" and one != "[Value]"]
    return "".join(one[0] if one[0] in "'[" else one for one in found), names


def tables(stream: str, columns: list[str], mode: str) -> Table:
    properties: dict[str, Any] = {"Id": TEXT} | dict.fromkeys(columns, NUMBER)
    properties["_ifs_row_version"] = {"type": ["string", "null"], "format": "date-time"}
    return table_of(stream, {"properties": properties}, ("Id",), write_mode=mode, choice=None)


@pytest.mark.parametrize("mode", ["mirror", "signed", "append"])
@given(
    st.lists(
        st.sampled_from(HOSTILE) | st.text("'[]\"a{}(),-/\n ", min_size=1),
        min_size=2,
        max_size=2,
        unique_by=str.casefold,
    )
)
def test_queries_and_measures_name_what_they_name_and_no_more(mode, names):
    try:
        hostile = tables(names[0], names, mode)
    except ConfigError:  # two names that are one to Power BI
        return
    harmless = tables("s", ["c0", "c1"], mode)
    signed = mode == "signed"
    pairs = [
        (query_of(one, one.columns, signed=signed), query_of(other, other.columns, signed=signed))
        for one, other in [(hostile, harmless)]
    ]
    made, plain = (with_measures(one, {one.stream: one}, mode) for one in (hostile, harmless))
    pairs += [(one.expression, other.expression) for one, other in zip(made, plain, strict=False)]
    known = {hostile.name, *(column.name for column in hostile.all_columns)}
    for one, other in pairs:
        assert shape(one)[0] == shape(other)[0]
        assert set(shape(one)[1]) <= known


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_column_keeps_its_name_as_far_as_power_bi_has_it(name):
    made = tables("s", [name], "mirror")
    assert made.column_of(name).name == name
    queried = query_of(made, [made.column_of(name)], signed=False)
    assert name in shape(queried)[1]
