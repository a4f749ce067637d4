"""Columns of values against the same values one by one."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_sandbox.powerbi.values import COERCIONS
from target_powerbi.rows import RowWriter
from target_powerbi.tables import Column, Table
from target_powerbi.value_columns import column_converter
from target_powerbi.values import UnfitValueError, converter

MOMENTS = st.datetimes().map(lambda moment: moment.isoformat() + "Z") | st.dates().map(str)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**53) - 1, 2**53 + 1)
    | st.decimals()
    | st.decimals(min_value=-100, max_value=100, places=4)
    | st.text("aä😀", max_size=3)
    | MOMENTS
    | st.sampled_from(["x" * 4001, "😀" * 2001, [1], {"a": 1}, Decimal("NaN"), Decimal("sNaN"), 2.5])
)


@settings(max_examples=100)
@given(st.sampled_from(sorted(COERCIONS)), st.booleans(), st.lists(st.lists(VALUES, max_size=4), max_size=3))
def test_a_column_becomes_what_its_values_become_one_by_one(kind, chosen, columns):
    column = Column("p", "C", kind, chosen=chosen)
    convert = converter(column, "s")
    convert_all = column_converter(column, convert)
    for values in columns:  # one after the other: dates are remembered
        try:
            singly = [None if value is None else convert(value) for value in values]
        except UnfitValueError:
            with pytest.raises(UnfitValueError):
                convert_all(values)
        else:
            assert list(map(repr, convert_all(values))) == list(map(repr, singly))


def test_columns_have_the_names_that_they_were_given():
    names = ['a "quoted" name', "back\\slash", "tab\there", "ä", "plain"]
    table = Table("s", "T", (), tuple(Column(f"p{number}", name, "Int64") for number, name in enumerate(names)))
    (row, partly) = RowWriter(table).write([{f"p{number}": number for number in range(5)}, {"p1": 7, "p4": None}])
    assert json.loads(row) == dict(zip(names, range(5), strict=True))
    assert json.loads(partly) == {"back\\slash": 7}


def test_a_row_that_is_refused_has_cut_no_string():
    writer = RowWriter(
        Table("s", "T", (), (Column("a", "A", "String"), Column("b", "B", "Int64"))), truncate_strings=True
    )
    with pytest.raises(UnfitValueError, match=r"^b is 'no', which is no number$"):
        writer.write([{"a": "x" * 5000, "b": "no"}])
    assert writer.truncated == 0
