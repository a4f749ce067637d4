from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.columnar.columns import DECIMAL_DIGITS, ColumnType, Kind, column_type, widest

NULLABLE = ["null", "string"]


@pytest.mark.parametrize(
    ("definition", "name"),
    [
        ({"type": "string"}, "VARCHAR"),
        ({"type": NULLABLE, "maxLength": 20}, "VARCHAR"),
        ({"type": NULLABLE, "format": "date"}, "DATE"),
        ({"type": NULLABLE, "format": "date-time"}, "TIMESTAMP WITH TIME ZONE"),
        ({"type": NULLABLE, "format": "time"}, "VARCHAR"),
        ({"type": NULLABLE, "format": "uuid"}, "VARCHAR"),
        ({"type": ["integer", "null"]}, "BIGINT"),
        ({"type": ["boolean", "null"]}, "BOOLEAN"),
        ({"type": "number"}, "DECIMAL(38,18)"),
        ({"type": "number", "multipleOf": Decimal("0.01")}, "DECIMAL(38,2)"),
        ({"type": "number", "multipleOf": 1e-05}, "DECIMAL(38,5)"),
        ({"type": "number", "multipleOf": Decimal("0.25")}, "DECIMAL(38,2)"),
        ({"type": "number", "multipleOf": 10}, "DECIMAL(38,0)"),
        ({"type": "number", "multipleOf": Decimal("1E-18"), "precision": 38, "scale": 18}, "DECIMAL(38,18)"),
        ({"type": "number", "precision": 10, "scale": 2}, "DECIMAL(10,2)"),
        ({"type": "number", "precision": 10}, "DECIMAL(38,18)"),
        ({"type": "number", "precision": 60, "scale": 50}, "DECIMAL(38,38)"),
        ({"type": "number", "precision": 2, "scale": 4}, "DECIMAL(4,4)"),
        ({"type": "string", "format": "x-singer.decimal", "precision": 12, "scale": 3}, "DECIMAL(12,3)"),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, "JSON"),
        ({"type": ["array", "null"], "items": {"type": "string"}}, "JSON"),
        ({"type": ["string", "integer"]}, "JSON"),
        ({"type": ["integer", "number"]}, "DECIMAL(38,18)"),
        ({"type": ["null"]}, "JSON"),
        ({}, "JSON"),
        ({"$ref": "#/definitions/money"}, "JSON"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, "TIMESTAMP WITH TIME ZONE"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": ["string", "null"]}]}, "VARCHAR"),
        ({"oneOf": [{"type": "integer"}, {"type": "number", "multipleOf": 0.01}]}, "DECIMAL(38,2)"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "JSON"),
    ],
)
def test_a_definition_has_the_type_that_holds_what_it_allows(definition, name):
    assert str(column_type(definition)) == name


decimals = st.integers(1, DECIMAL_DIGITS).flatmap(
    lambda precision: st.integers(0, precision).map(lambda scale: ColumnType(Kind.DECIMAL, precision, scale))
)
types = decimals | st.sampled_from([ColumnType(kind) for kind in Kind if kind is not Kind.DECIMAL])


@given(types)
def test_a_type_is_known_again_by_its_name(column):
    assert ColumnType.parse(str(column)) == column


@pytest.mark.parametrize("name", ["DOUBLE", "INTEGER", "DECIMAL", "TIMESTAMP", "VARCHAR[]", ""])
def test_a_type_that_this_target_never_makes_is_not_known(name):
    assert ColumnType.parse(name) is None


@given(types, types)
def test_widening_is_the_same_both_ways_and_needs_no_second_time(one, other):
    together = widest(one, other)
    assert together == widest(other, one)
    if together is not None:
        assert widest(together, one) == together


@given(decimals, decimals)
def test_numbers_keep_every_decimal_and_as_many_whole_digits_as_fit(one, other):
    together = widest(one, other)
    assert together.scale == max(one.scale, other.scale)
    whole = max(one.whole_digits, other.whole_digits)
    assert together.whole_digits == min(whole, DECIMAL_DIGITS - together.scale)


@pytest.mark.parametrize("other", [kind for kind in Kind if kind not in {Kind.INTEGER, Kind.DECIMAL}])
def test_an_integer_becomes_nothing_but_a_decimal(other):
    assert widest(ColumnType(Kind.INTEGER), ColumnType(other)) is None
    assert widest(ColumnType(Kind.INTEGER), ColumnType(Kind.DECIMAL, 10, 2)) == ColumnType(Kind.DECIMAL, 21, 2)
