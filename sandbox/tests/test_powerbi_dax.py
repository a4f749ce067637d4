"""The two DAX queries that count rows."""

from __future__ import annotations

import pytest
from ifs_bi_sandbox.powerbi.datasets import Table
from ifs_bi_sandbox.powerbi.dax import evaluate
from ifs_bi_sandbox.powerbi.errors import PowerBIError

ORDERS = Table("Open orders", {"Order no": "String", "a]b": "String", "Amount": "Decimal"})
ORDERS.rows = [("P1", 'x"y', None), ("p1", None, None), ("P2", "", None)]
EMPTY = Table("Empty", {"Name": "String"})
TABLES = {table.name: table for table in (ORDERS, EMPTY)}


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
    assert evaluate(query, TABLES) == row


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT 1", "counts the rows"),
        ("EVALUATE ROW(\"n\", COUNTROWS('Gone'))", "Cannot find table 'Gone'"),
        ("EVALUATE ROW(\"n\", COUNTROWS(FILTER('Empty', 'Empty'[Age] = \"1\")))", "Column 'Age' in table 'Empty'"),
        ("EVALUATE ROW(\"n\", COUNTROWS(FILTER('Empty', 'Open orders'[a]]b] = \"1\")))", "belongs to another table"),
        ("EVALUATE ROW(\"n\", COUNTROWS(FILTER('Open orders', 'Open orders'[Amount] = \"1\")))", "Decimal with Text"),
    ],
)
def test_what_is_not_understood_fails_like_a_query_of_the_service(query: str, reason: str) -> None:
    with pytest.raises(PowerBIError) as refused:
        evaluate(query, TABLES)
    assert refused.value.status == 400
    error = refused.value.body["error"]
    assert error["code"] == error["pbi.error"]["code"] == "DatasetExecuteQueriesError"
    assert reason in error["pbi.error"]["details"][0]["detail"]["value"]
