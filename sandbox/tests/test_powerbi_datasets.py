"""Definitions of push datasets as the service checks them, and what becomes of the rows."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from ifs_bi_sandbox.powerbi.bodies import read_json, read_rows
from ifs_bi_sandbox.powerbi.datasets import Block, Dataset, Table
from ifs_bi_sandbox.powerbi.definitions import read_dataset, read_table
from ifs_bi_sandbox.powerbi.errors import PowerBIError
from ifs_bi_sandbox.powerbi.limits import Spent
from ifs_bi_sandbox.powerbi.switches import PowerBISwitches

PRODUCT = {
    "name": "Product",
    "columns": [
        {"name": "ProductID", "dataType": "Int64"},
        {"name": "Name", "dataType": "string"},
        {"name": "IsCompete", "dataType": "bool"},
        {"name": "ManufacturedOn", "dataType": "DateTime"},
        {"name": "Sales", "dataType": "decimal", "formatString": "Currency"},
    ],
}
REGION = {"name": "Region", "columns": [{"name": "Id", "dataType": "int64"}]}
TO_REGION = {"name": "r", "fromTable": "Product", "fromColumn": "ProductID", "toTable": "Region", "toColumn": "Id"}


def definition(**changes: Any) -> dict[str, Any]:
    return {"name": "SalesMarketing", "defaultMode": "Push", "tables": [PRODUCT, REGION]} | changes


def made(**changes: Any) -> Dataset:
    return read_dataset(definition(**changes), id="1", created="", retention="basicFifo")


def reason(refused: pytest.ExceptionInfo[PowerBIError]) -> str:
    assert refused.value.status == 400
    return str(refused.value.body["error"]["details"][0]["message"])


def columns(count: int) -> list[dict[str, str]]:
    return [{"name": f"c{number}", "dataType": "String"} for number in range(count)]


def test_the_documented_definition_is_understood() -> None:
    dataset = made(relationships=[TO_REGION])
    assert (dataset.name, dataset.retention, dataset.push) == ("SalesMarketing", "basicFIFO", True)
    assert dataset.tables["Product"].columns == {
        "ProductID": "Int64",
        "Name": "String",
        "IsCompete": "Boolean",
        "ManufacturedOn": "DateTime",
        "Sales": "Decimal",
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"compatibilityLevel": 1550},
            "The property 'compatibilityLevel' does not exist on type 'Microsoft.PowerBI.ServiceContracts.Api.Dataset'.",
        ),
        ({"tables": [PRODUCT | {"Columns": []}]}, "The property 'Columns' does not exist on type"),
        ({"tables": [{"name": "T", "columns": [{"name": "a", "datatype": "Int64"}]}]}, "'datatype' does not exist"),
        ({"tables": [{"name": "T", "columns": [{"name": "a", "dataType": "Date"}]}]}, "'Date' is not a data type"),
        ({"tables": [{"name": "T", "columns": [{"name": "a"}]}]}, "'dataType' is required"),
        ({"tables": [{"name": "public.orders", "columns": columns(1)}]}, "'public.orders' is not a valid table name"),
        ({"tables": [{"name": "x" * 101, "columns": columns(1)}]}, "is not a valid table name"),
        ({"tables": [{"name": "T", "columns": columns(76)}]}, "76 columns: at most 75"),
        ({"tables": [REGION | {"name": f"T{n}"} for n in range(76)]}, "76 tables: at most 75"),
        ({"tables": [REGION, REGION | {"name": "REGION"}]}, "Two tables have the same name"),
        ({"tables": []}, "'tables' is required"),
        ({"tables": [REGION | {"rows": [{"Id": 1}]}]}, "takes no rows"),
        ({"tables": [REGION | {"measures": [{"name": "m"}]}]}, "'expression' is required"),
        ({"name": 5}, "'name' must be of JSON type str"),
        ({"defaultMode": "push"}, "Requested value 'push' was not found"),
        ({"defaultMode": "Streaming"}, "push datasets alone"),
        ({"relationships": [TO_REGION | {"toColumn": "Gone"}]}, "the to column isn't there"),
        ({"relationships": [TO_REGION | {"crossFilteringBehavior": "Sideways"}]}, "is not a filter direction"),
    ],
)
def test_a_definition_that_breaks_a_rule_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(PowerBIError) as refused:
        made(**changes)
    assert told in reason(refused)


@pytest.mark.parametrize("name", ["Purchase orders", "Order #1", "a-b_c@d", "Bestellungen Ä", "x" * 100])
def test_these_table_names_are_allowed(name: str) -> None:
    assert read_table({"name": name, "columns": columns(75)}).name == name


@pytest.mark.parametrize("name", [*".'\"[]()/:%&+,;*?!$|{}<>`\\=", ""])
def test_these_characters_are_not_allowed_in_a_table_name(name: str) -> None:
    with pytest.raises(PowerBIError):
        read_table({"name": name, "columns": columns(1)})


@pytest.mark.parametrize("body", [b'{"rows":[{"a":1}]}', b'{"Rows":[{"a":1}]}', b'[{"a":1}]', b'\xef\xbb\xbf[{"a":1}]'])
def test_rows_come_in_three_shapes(body: bytes) -> None:
    assert read_rows(body) == [{"a": 1}]


def test_numbers_of_a_request_keep_every_digit() -> None:
    assert read_json(b"[12345678901234567.8901, 133268025267401716]") == [
        Decimal("12345678901234567.8901"),
        133268025267401716,
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"[NaN]", b'{"rows": 5}', b"\xff[]", b"[" * 100_000])
def test_a_body_that_is_no_rows_is_refused(body: bytes) -> None:
    with pytest.raises(PowerBIError) as refused:
        read_rows(body)
    assert refused.value.status == 400


def test_more_rows_than_a_request_may_have_are_refused() -> None:
    assert len(read_rows(b"[" + b"{}," * 9_999 + b"{}]")) == 10_000
    with pytest.raises(PowerBIError) as refused:
        read_rows(b"[" + b"{}," * 10_000 + b"{}]")
    assert "10001 rows in one request" in reason(refused)


def test_rows_are_stored_typed_with_nulls_for_what_is_missing() -> None:
    table = made().tables["Product"]
    rows = [{"ProductID": 1, "Name": "Race", "ManufacturedOn": "07/30/2014", "Sales": Decimal("12.5")}, {"Name": None}]
    table.rows.add(2, table.read(rows).values)
    assert table.rows == [
        (1, "Race", None, datetime(2014, 7, 30), Decimal("12.5000")),  # noqa: DTZ001 - a DateTime column knows no zone
        (None, None, None, None, None),
    ]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"ProductID": "one"}, "Row 1, column 'ProductID' (Int64): 'one' is not a number."),
        ({"Nam": "x"}, "Row 1: column 'Nam' does not exist in table 'Product'."),
        ([], "Row 1 is not an object."),
    ],
)
def test_the_first_wrong_value_refuses_the_whole_request(row: object, told: str) -> None:
    with pytest.raises(PowerBIError) as refused:
        made().tables["Product"].read([{"ProductID": 1}, row])
    assert reason(refused) == told


def test_a_new_definition_keeps_the_rows() -> None:
    table = Table("T", {"a": "Int64", "b": "String"}, {"m": {}})
    table.rows.extend([(1, "x"), (2, "y")])
    table.redefine(Table("T", {"c": "Decimal", "a": "Int64"}))
    assert (table.columns, table.measures) == ({"c": "Decimal", "a": "Int64"}, {})
    assert table.rows == [(None, 1), (None, 2)]


def test_a_column_with_values_keeps_its_type() -> None:
    table = Table("T", {"a": "Int64"})
    table.rows.append((1,))
    with pytest.raises(PowerBIError) as refused:
        table.redefine(Table("T", {"a": "String"}))
    assert "can't change" in reason(refused)
    table.rows.clear()
    table.redefine(Table("T", {"a": "String"}))
    assert table.columns == {"a": "String"}


def test_a_column_of_a_relationship_stays() -> None:
    dataset = made(relationships=[TO_REGION])
    with pytest.raises(PowerBIError) as refused:
        dataset.redefine(read_table({"name": "Region", "columns": columns(1)}))
    assert "Relationship 'r' needs a column" in reason(refused)


def numbers(*values: int) -> Block:
    return Block(len(values), {"Id": list(values)})


def test_a_fifo_table_drops_its_oldest_rows() -> None:
    rules = PowerBISwitches(powerbi_fifo_rows=20, powerbi_fifo_slack=1)
    dataset = made()
    table = dataset.tables["Region"]
    dataset.add(table, numbers(*range(21)), rules)
    assert len(table.rows) == 21
    dataset.add(table, numbers(21, 22), rules)
    assert table.rows == [(number,) for number in range(3, 23)]
    assert len(table.rows) == 20


@pytest.mark.parametrize(("full", "kept"), [("refuse", [(1,), (2,)]), ("drop_oldest", [(2,), (3,)])])
def test_a_table_without_a_policy_is_full_one_day(full: Any, kept: list[tuple[int]]) -> None:
    rules = PowerBISwitches(powerbi_rows_per_table=2, powerbi_full_table=full)
    dataset = replace(made(), retention="None")
    table = dataset.tables["Region"]
    dataset.add(table, numbers(1, 2), rules)
    with pytest.raises(PowerBIError) if full == "refuse" else nullcontext():
        dataset.add(table, numbers(3), rules)
    assert table.rows == kept


def test_the_one_side_of_a_relationship_may_refuse_a_value_twice() -> None:
    rules = PowerBISwitches(powerbi_duplicate_keys="refuse")
    dataset = made(relationships=[TO_REGION])
    region, product = dataset.tables["Region"], dataset.tables["Product"]
    dataset.add(region, numbers(1, 2), rules)
    for block in (numbers(2), numbers(3, 3)):
        with pytest.raises(PowerBIError) as refused:
            dataset.add(region, block, rules)
        assert "contains a duplicate value" in reason(refused)
    many = product.read([{"ProductID": 1}, {"ProductID": 1}])
    dataset.add(product, many, rules)
    assert (len(region.rows), len(product.rows)) == (2, 2)


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ({"powerbi_type_change": "convert"}, [(1, None), (None, None), (None, None)]),
        ({"powerbi_type_change": "blank"}, [(None, None)] * 3),
        ({"powerbi_put_rows": "clear"}, []),
    ],
)
def test_what_a_new_definition_does_to_rows_is_a_switch(rules: dict[str, Any], left: list[Any]) -> None:
    table = Table("T", {"a": "String"})
    table.rows.append(("1",))
    table.rows.extend([("x",), (None,)])
    table.redefine(Table("T", {"a": "Int64", "b": "Double"}), PowerBISwitches(**rules))
    assert table.rows == left


def test_measures_that_a_new_definition_leaves_out_go_or_stay() -> None:
    for how, names in (("replace", {"n"}), ("merge", {"m", "n"})):
        table = Table("T", {"a": "Int64"}, {"m": {}})
        table.redefine(Table("T", {"a": "Int64"}, {"n": {}}), PowerBISwitches(powerbi_put_measures=how))
        assert table.measures.keys() == names


def test_the_budget_of_requests_slides() -> None:
    spent = Spent()
    for second in (0, 10, 20):
        spent.add_request(second)
    assert spent.seconds_until_request(20, limit=4, window=60) == 0
    assert spent.seconds_until_request(20, limit=3, window=60) == 40
    assert spent.seconds_until_request(20, limit=2, window=60) == 50
    assert spent.seconds_until_request(60, limit=3, window=60) == 0


def test_the_budget_of_requests_may_begin_on_the_full_minute() -> None:
    spent = Spent()
    for second in (50, 60, 70):
        spent.add_request(second)
    assert spent.seconds_until_request(70, limit=3, window=60, fixed=True) == 0
    assert spent.seconds_until_request(70, limit=2, window=60, fixed=True) == 50
    assert spent.seconds_until_request(120, limit=1, window=60, fixed=True) == 0


def test_the_budget_of_rows_slides() -> None:
    spent = Spent()
    spent.add_rows(0, 600)
    spent.add_rows(100, 300)
    assert spent.seconds_until_rows(100, 100, limit=1000) == 0
    assert spent.seconds_until_rows(100, 101, limit=1000) == 3500
    assert spent.seconds_until_rows(100, 900, limit=1000) == 3600
    assert spent.seconds_until_rows(3600, 700, limit=1000) == 0
