"""What a warehouse can't hold beyond what no column holds."""

from dataclasses import replace
from decimal import Decimal

import pytest
from ifs_bi_core.columnar.columns import Column, ColumnType, Kind
from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.dialects.facts import DecimalType
from target_looker_warehouse.held import held

SHORT = replace(DUCKDB, text_bytes=4, types=DUCKDB.types | {Kind.JSON: "VARCHAR"})
NARROW = replace(DUCKDB, decimals=(DecimalType("DECIMAL", 38, 9, 29),))


def column(kind, *digits):
    return Column("x", "x", ColumnType(kind, *digits))


@pytest.mark.parametrize(
    ("kind", "fits", "too_long"), [(Kind.TEXT, "éé", "ééx"), (Kind.TEXT, "", "abcde"), (Kind.JSON, [1], [10, 20])]
)
def test_a_text_that_is_longer_than_any_of_the_warehouse_is_refused(kind, fits, too_long):
    rows = [{"x": value} for value in (fits, too_long, None, fits)]
    table, flaws = held(rows, [column(kind)], SHORT)
    assert flaws == {1: "x can't be held as VARCHAR: it is longer than 4 bytes"}
    assert table.num_rows == 3


def test_json_that_is_no_text_in_the_warehouse_may_be_long():
    table, flaws = held([{"x": [10, 20]}], [column(Kind.JSON)], replace(DUCKDB, text_bytes=4))
    assert (table.num_rows, flaws) == (1, {})


def test_a_decimal_that_the_warehouse_has_no_type_for_is_a_text_with_every_digit():
    values = [Decimal("0.00000000000000000001"), Decimal("-12.5"), 3, None]
    table, flaws = held([{"x": value} for value in values], [column(Kind.DECIMAL, 38, 20)], NARROW)
    assert flaws == {}
    assert table["x"].to_pylist() == [
        "0.00000000000000000001",
        "-12.50000000000000000000",
        "3.00000000000000000000",
        None,
    ]


def test_a_decimal_that_the_warehouse_holds_stays_one():
    table, _ = held([{"x": Decimal("1.5")}], [column(Kind.DECIMAL, 20, 2)], NARROW)
    assert table["x"].to_pylist() == [Decimal("1.50")]
