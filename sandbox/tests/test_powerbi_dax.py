"""DAX queries as a loader asks them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from ifs_bi_sandbox.powerbi.datasets import Table
from ifs_bi_sandbox.powerbi.dax import evaluate
from ifs_bi_sandbox.powerbi.errors import PowerBIError

ORDERS = Table("Open orders", {"Order no": "String", "a]b": "String", "Amount": "Decimal"})
ORDERS.rows.extend([("P1", 'x"y', None), ("p1", None, None), ("P2", "", None)])
EMPTY = Table("Empty", {"Name": "String"})
MEASURES = {
    "Total": {"expression": "SUMX(Lines, Lines[Amount] * Lines[_sign])"},
    "Broken": {"expression": "DATESMTD('Lines'[At])"},
}
LINES = Table(
    "Lines",
    {"No": "Int64", "Order": "String", "Amount": "Decimal", "_sign": "Int64", "At": "DateTime", "_ifs_batch": "String"},
    MEASURES,
)
LINES.rows.extend([(1, "P1", Decimal("10.0500"), 1, datetime(2026, 1, 1), "b1"), (2, "P2", None, 1, None, "b1")])  # noqa: DTZ001 - no zone
LINES.rows.extend([(1, "P1", Decimal("10.0500"), -1, datetime(2026, 1, 2), "b2")])  # noqa: DTZ001 - no zone
LINES.rows.extend([(1, "P1", Decimal("12.0000"), 1, datetime(2026, 1, 2), "b3")])  # noqa: DTZ001 - no zone
TABLES = {table.name: table for table in (ORDERS, EMPTY, LINES)}
TO_ORDERS = {"name": "r", "fromTable": "Lines", "fromColumn": "Order", "toTable": "Open orders", "toColumn": "Order no"}


@pytest.mark.parametrize(
    ("query", "row"),
    [
        ("EVALUATE ROW(\"n\", COUNTROWS('Open orders'))", {"[n]": 3}),
        ('evaluate row( "rows ""now""" , countrows( \'open orders\' ) )', {'[rows "now"]': 3}),
        ("EVALUATE\nROW(\"n\", COUNTROWS(FILTER('Open orders', 'Open orders'[Order no] = \"P1\")))", {"[n]": 2}),
        ('EVALUATE ROW("n", COUNTROWS(FILTER(\'Open orders\', \'Open orders\'[a]]b] = "x""y")))', {"[n]": 1}),
        ("EVALUATE ROW(\"n\", COUNTROWS(FILTER('Open orders', 'Open orders'[a]]b] = \"\")))", {"[n]": 2}),
        ('EVALUATE ROW("n", COUNTROWS(Empty))', {"[n]": None}),
    ],
)
def test_rows_are_counted_as_dax_counts(query: str, row: dict[str, int | None]) -> None:
    assert evaluate(query, TABLES) == [row]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("SUM('Lines'[Amount])", Decimal("32.1000")),
        ("SUM('Open orders'[Amount])", None),
        ("SUM(Lines[_sign])", 2),
        ("MIN(Lines[No])", 1),
        ("MAX(Lines[At])", datetime(2026, 1, 2)),  # noqa: DTZ001 - no zone
        ("MIN(Empty[Name])", None),
        ("AVERAGE(Lines[No])", 1.25),
        ("COUNT(Lines[Amount])", 3),
        ("DISTINCTCOUNT('Open orders'[Order no])", 2),
        ("SUMX('Lines', 'Lines'[Amount]*'Lines'[_sign])", Decimal("12.0000")),
        ("[total]", Decimal("12.0000")),
        ('CALCULATE([Total], Lines[_ifs_batch] = "B1")', Decimal("10.0500")),
        ("CALCULATE(SUM(Lines[_sign]), FILTER(Lines, Lines[At] >= DATE(2026, 1, 2)), Lines[Amount] > 11)", 1),
        ("CALCULATE(COUNTROWS(Lines), ALL(Lines))", 4),
        ("COUNTROWS(FILTER(Lines, [No] = 1 && NOT Lines[_sign] < 0))", 2),
        ('COUNTROWS(FILTER(Lines, Lines[_ifs_batch] IN {"b2", "b3"} || ISBLANK(Lines[Amount])))', 3),
        ("COUNTROWS(FILTER(Lines, Lines[Amount] = 0))", 1),
        ("COUNTROWS(FILTER(Lines, Lines[Amount] == 0))", None),
        ("COUNTROWS(VALUES(Lines[Order]))", 2),
        ("DIVIDE(1 + 2 * 3, 2) - 0.5", 3.0),
        ('IF(COUNTROWS(Empty) = 0, "none" & 1, BLANK())', "none1"),
        ("COALESCE(BLANK(), -2)", -2),
    ],
)
def test_sums_bounds_and_filters_are_those_of_dax(expression: str, value: Any) -> None:
    assert evaluate(f'EVALUATE ROW("v", {expression})', TABLES) == [{"[v]": value}]


HISTORY = Table("H", {"Key": "String", "Version": "String", "Gone": "String", "Amount": "Int64", "State": "String"})
HISTORY.rows.extend([("a", "1", None, 10, "Open"), ("b", "1", None, 20, "Open")])
HISTORY.rows.extend([("a", "2", None, 11, "Closed"), ("b", "1", "2", None, None), ("c", "2", None, 30, "Open")])
LATEST = """SUMX(SUMMARIZE('H', 'H'[Key]),
  VAR newest = CALCULATE(MAX('H'[Version]), ALLEXCEPT('H', 'H'[Key]))
  VAR gone = CALCULATE(MAX('H'[Gone]), ALLEXCEPT('H', 'H'[Key]))
  RETURN IF(NOT (gone > newest), CALCULATE(MAXX('H', 'H'[Amount]), 'H'[Version] = newest)))"""


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        (LATEST, 41),
        (f"CALCULATE({LATEST}, KEEPFILTERS('H'[State] = \"Open\"))", 30),
        ("SUMX(VALUES('H'[Key]), CALCULATE(COUNTROWS('H')))", 5),
        ("COUNTROWS(FILTER(SUMMARIZE('H', 'H'[Key]), CALCULATE(SUM('H'[Amount])) > 20))", 2),
        ("CALCULATE(SUM('Lines'[_sign]), KEEPFILTERS(TREATAS(VALUES('Open orders'[Order no]), 'Lines'[Order])))", 2),
        ("CALCULATE(SUM('Lines'[_sign]), TREATAS(FILTER(VALUES('H'[Key]), 'H'[Key] = \"x\"), 'Lines'[Order]))", None),
        ("COUNTROWS(CALCULATETABLE(VALUES('H'[Key]), 'H'[State] IN {\"Open\"}))", 3),
        ("IF(ISEMPTY(FILTER('H', 'H'[Amount] > 99)), 1, 2)", 1),
        ("CALCULATE(CALCULATE(COUNTROWS('H'), 'H'[Key] = \"a\"), 'H'[Key] = \"c\")", 2),
        ("CALCULATE(CALCULATE(COUNTROWS('H'), KEEPFILTERS('H'[Key] = \"a\")), 'H'[Key] = \"c\")", None),
        ("COUNTROWS(FILTER('Lines', [Total] > 11))", 1),
    ],
)
def test_calculate_turns_rows_into_filters_and_filters_replace_each_other(expression: str, value: Any) -> None:
    assert evaluate(f'EVALUATE ROW("v", {expression})', TABLES | {"H": HISTORY}) == [{"[v]": value}]


def test_today_is_that_of_the_clock() -> None:
    query = 'EVALUATE ROW("v", DATE(YEAR(TODAY()), MONTH(TODAY()), 1), "w", TODAY() + 1)'
    (row,) = evaluate(query, {}, now=datetime(2026, 11, 20, 13, tzinfo=UTC).timestamp())
    assert [str(value) for value in row.values()] == ["2026-11-01 00:00:00", "2026-11-21 00:00:00"]


def test_one_query_may_ask_for_several_values() -> None:
    query = "EVALUATE ROW(\"n\", COUNTROWS('Lines'), \"s\", SUM('Lines'[No]))"
    assert evaluate(query, TABLES) == [{"[n]": 4, "[s]": 5}]


def test_a_filter_of_one_side_reaches_the_many_side() -> None:
    query = 'EVALUATE ROW("n", CALCULATE(COUNTROWS(Lines), \'Open orders\'[Order no] = "P2"))'
    assert evaluate(query, TABLES, [TO_ORDERS]) == [{"[n]": 1}]
    assert evaluate(query, TABLES) == [{"[n]": 4}]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("EVALUATE 'Lines'", [1, 2, 1, 1]),
        ("EVALUATE TOPN(3, 'Lines')", [1, 2, 1]),
        ("EVALUATE TOPN(0, 'Lines')", []),
        ("EVALUATE TOPN(1, Lines, Lines[No], DESC)", [2]),
        ("EVALUATE TOPN(2, Lines, Lines[No], ASC)", [1, 1]),
        ("EVALUATE FILTER(Lines, Lines[No] > 1)", [2]),
    ],
)
def test_rows_of_a_table_come_with_its_name(query: str, numbers: list[int]) -> None:
    rows = evaluate(query, TABLES)
    assert [row["Lines[No]"] for row in rows] == numbers
    assert all(list(row) == [f"Lines[{name}]" for name in LINES.columns] for row in rows)


def test_columns_can_be_chosen_and_renamed() -> None:
    query = 'EVALUATE SELECTCOLUMNS(TOPN(1, Lines), "key", Lines[Order], "twice", [No] * 2)'
    assert evaluate(query, TABLES) == [{"[key]": "P1", "[twice]": 2}]


def test_rows_are_seen_once_they_are_visible() -> None:
    table = Table("T", {"a": "Int64"})
    table.rows.add(1, {"a": [1]}, visible=10)
    query = 'EVALUATE ROW("n", COUNTROWS(T))'
    assert [evaluate(query, {"T": table}, now=second) for second in (9, 10)] == [[{"[n]": None}], [{"[n]": 1}]]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT 1", "Query (1, 1) The syntax for 'SELECT' is incorrect"),
        ("EVALUATE\n ROW(§)", "Query (2, 6)"),
        (
            "EVALUATE SELECTCOLUMNS(TOPN(0, 'Lines'), \"x\", 'Lines'[Gone])",
            "Column 'Gone' in table 'Lines' cannot be found",
        ),
        ('EVALUATE ROW("s", SUM(Lines[Gone]))', "Column 'Gone' in table 'Lines' cannot be found"),
        ('EVALUATE ROW("s", SUM(Lines[Order]))', "cannot work with values of type String"),
        ('EVALUATE ROW("s", Lines[Order])', "A single value for column 'Order' in table 'Lines'"),
        ('EVALUATE ROW("s", [Broken])', "doesn't know DATESMTD"),
        ('EVALUATE ROW("s", COUNTROWS(Lines)', "The syntax for '' is incorrect"),
        ("EVALUATE ROW(\"n\", COUNTROWS('Gone'))", "Cannot find table 'Gone'"),
        ("EVALUATE ROW(\"n\", COUNTROWS(FILTER('Empty', 'Empty'[Age] = \"1\")))", "Column 'Age' in table 'Empty'"),
        ("EVALUATE ROW(\"n\", COUNTROWS(FILTER('Empty', 'Open orders'[a]]b] = \"1\")))", "belongs to another table"),
        (
            "EVALUATE ROW(\"n\", COUNTROWS(FILTER('Open orders', 'Open orders'[Amount] = \"1\")))",
            "type Number with values of type Text",
        ),
    ],
)
def test_what_is_not_understood_fails_like_a_query_of_the_service(query: str, reason: str) -> None:
    with pytest.raises(PowerBIError) as refused:
        evaluate(query, TABLES)
    assert refused.value.status == 400
    error = refused.value.body["error"]
    assert error["code"] == error["pbi.error"]["code"] == "DatasetExecuteQueriesError"
    assert reason in error["pbi.error"]["details"][0]["detail"]["value"]
