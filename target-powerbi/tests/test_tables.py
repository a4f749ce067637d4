"""From SCHEMA to table."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError, ContractBrokenError
from ifs_bi_sandbox.powerbi.definitions import read_table
from target_powerbi.choices import ColumnChoice, TableChoice
from target_powerbi.columns import data_type
from target_powerbi.differences import difference, difference_table
from target_powerbi.tables import Column, Table, table_of, unknown_choices


def made(properties, stream="orders", choice=None, write_mode="mirror", keys=()) -> Table:
    return table_of(stream, {"properties": properties}, keys, write_mode=write_mode, choice=choice)


@pytest.mark.parametrize(
    ("definition", "kind"),
    [
        ({"type": "string"}, "String"),
        ({"type": ["null", "string"], "format": "date"}, "DateTime"),
        ({"type": "string", "format": "date-time"}, "DateTime"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}, "DateTime"),
        ({"anyOf": [{"type": "string", "format": "date-time"}, {"type": ["string", "null"]}]}, "String"),
        ({"type": "string", "format": "time"}, "String"),
        ({"type": ["integer", "null"]}, "Int64"),
        ({"type": "boolean"}, "Boolean"),
        ({"type": "number"}, "Double"),
        ({"type": "number", "multipleOf": Decimal("0.01")}, "Decimal"),
        ({"type": "number", "multipleOf": 0.0001}, "Decimal"),
        ({"type": "number", "multipleOf": Decimal("0.00001")}, "Double"),
        ({"type": "number", "multipleOf": 1}, "Decimal"),
        ({"type": "number", "scale": 2, "precision": 18}, "Decimal"),
        ({"type": "number", "scale": 2, "precision": 38}, "Double"),
        ({"type": ["integer", "number"], "scale": 4}, "Decimal"),
        ({"type": ["string", "integer"]}, "String"),
        ({"type": "object"}, "String"),
        ({"type": ["array", "null"]}, "String"),
        ({"type": "null"}, "String"),
        ({}, "String"),
    ],
)
def test_a_property_has_the_data_type_that_holds_all_its_values(definition, kind):
    assert data_type(definition) == kind


def test_a_table_and_its_columns_are_named_like_stream_and_properties():
    table = made({"OrderNo": {"type": "string"}, "Disk read bytes/sec": {"type": "integer"}}, "public.orders")
    assert table.definition() == {
        "name": "public_orders",
        "columns": [
            {"name": "OrderNo", "dataType": "String"},
            {"name": "Disk read bytes/sec", "dataType": "Int64"},
            {"name": "_ifs_batch", "dataType": "String", "isHidden": True},
        ],
    }


@given(st.text(min_size=1, max_size=100), st.text(min_size=1, max_size=100))
def test_every_name_becomes_one_that_the_service_takes_or_is_refused(stream, name):
    try:
        definition = made({name: {"type": "string"}}, stream).definition()
    except (ConfigError, ContractBrokenError):
        assert not stream.strip() or not name.strip() or name.startswith("_sdc_")
    else:
        read_table(json.loads(json.dumps(definition)))


def test_the_setting_names_types_formats_drops_and_measures():
    choice = TableChoice(
        "Purchase orders",
        {
            "OrderNo": ColumnChoice(name="Order no", hidden=True),
            "Amount": ColumnChoice(type="Decimal", format="#,0.00", summarize_by="average"),
            "Note": ColumnChoice(drop=True),
        },
        {"Open": "SUM('Purchase orders'[Amount])"},
    )
    table = made({"OrderNo": {}, "Amount": {"type": "number"}, "Note": {}}, choice=choice, keys=["OrderNo"])
    assert table.definition() == {
        "name": "Purchase orders",
        "columns": [
            {"name": "Order no", "dataType": "String", "isHidden": True},
            {"name": "Amount", "dataType": "Decimal", "formatString": "#,0.00", "summarizeBy": "average"},
            {"name": "_ifs_batch", "dataType": "String", "isHidden": True},
        ],
        "measures": [{"name": "Open", "expression": "SUM('Purchase orders'[Amount])"}],
    }
    assert table.keys == ("OrderNo",)


def test_what_a_pipe_notes_about_rows_has_columns_in_append_alone():
    properties = {"a": {}, "_sdc_extracted_at": {"type": "string", "format": "date-time"}}
    assert [column.name for column in made(properties).columns] == ["a"]
    appended = made(properties, write_mode="append").columns
    assert [(column.name, column.type) for column in appended] == [
        ("a", "String"),
        ("_sdc_extracted_at", "DateTime"),
        ("_sdc_deleted_at", "DateTime"),
    ]


@pytest.mark.parametrize(
    ("properties", "choice", "sentence"),
    [
        ({"a": {}, "A": {}}, None, "orders: a and A would both be called 'A' in Power BI"),
        ({"a\x01": {}, "a\x02": {}}, None, "would both be called 'a_'"),
        ({"a": {}}, TableChoice(measures={"A": "1"}), "a and measure A would both be called 'A'"),
        (
            {"x" * 101: {}},
            None,
            "that has 101 characters, and Power BI allows 1 to 100. Give it a name with tables.orders.columns.x",
        ),
        (
            {"a": {}},
            TableChoice("a.b"),
            "is to be called 'a.b', and Power BI forbids '.' there. Mend tables.orders.table",
        ),
        ({"a": {}}, TableChoice("x" * 101), "table of stream 'orders' would be called"),
        (
            {f"c{n}": {} for n in range(77)},
            None,
            "orders has 77 columns and needs _ifs_batch beside them, and a table of a push dataset holds 75: 3 too many.",
        ),
        ({"_IFS_batch": {}}, None, "the target's own column _ifs_batch and _IFS_batch would both be called"),
        ({"a": {}}, TableChoice("DATE"), "would be called 'DATE', and Power BI loses a pushed table of that name"),
    ],
)
def test_names_that_can_not_be_are_refused_with_both_named(properties, choice, sentence):
    with pytest.raises(ConfigError) as refused:
        made(properties, choice=choice)
    assert sentence in str(refused.value)


def test_too_many_columns_are_listed_and_dropping_some_is_enough():
    properties = {f"c{n}": {} for n in range(77)}
    with pytest.raises(ConfigError, match=r"3 too many.*these would go: c74, c75, c76\."):
        made(properties)
    with pytest.raises(ConfigError, match=r"these would go: c73, c74, c75\."):
        made(properties, keys=["c76"])
    choice = TableChoice(columns={f"c{number}": ColumnChoice(drop=True) for number in range(1, 4)})
    assert len(made(properties, choice=choice).columns) == 74
    with pytest.raises(ConfigError, match=r"_sign and _ifs_batch beside them.*: 1 too many"):
        made(properties, choice=choice, write_mode="signed")


def test_columns_that_the_model_builds_on_are_not_offered_for_dropping():
    properties = {f"c{n}": {} for n in range(80)} | {"NetAmtCurr": {"type": "number"}, "OrderNo": {}, "Objstate": {}}
    with pytest.raises(ConfigError) as refused:
        made(properties, "purchase_order_lines")
    assert "c79." in str(refused.value)
    assert "NetAmtCurr" not in str(refused.value)


@pytest.mark.parametrize(
    ("write_mode", "keys", "shown"),
    [("mirror", ["a"], "sum"), ("signed", ["a"], "none"), ("append", ["a"], "none"), ("append", [], "sum")],
)
def test_visuals_add_up_no_rows_that_do_not_count_once(write_mode, keys, shown):
    choice = TableChoice(columns={"n": ColumnChoice(summarize_by="sum")})
    table = made({"a": {}, "n": {"type": "integer"}}, choice=choice, write_mode=write_mode, keys=keys)
    columns = {column["name"]: column for column in table.definition()["columns"]}
    assert columns["n"]["summarizeBy"] == shown
    assert columns.get("_sign", {"summarizeBy": "sum"})["summarizeBy"] == "sum"


def test_a_schema_without_properties_is_refused():
    with pytest.raises(ContractBrokenError, match="has no property to make a column of"):
        made({"_sdc_sequence": {}})


def test_misspelt_properties_of_the_setting_are_found():
    choice = TableChoice(
        columns={"OrderNo": ColumnChoice(), "OrdrNo": ColumnChoice(), "_sdc_deleted_at": ColumnChoice()},
        relationships={"VendrNo": "suppliers"},
    )
    assert unknown_choices({"properties": {"OrderNo": {}}}, choice) == ["OrdrNo", "VendrNo"]


def test_a_table_survives_its_record():
    table = made({"a": {}, "b": {"type": "number"}}, choice=TableChoice(measures={"M": "1"}), keys=["a"])
    assert Table.from_record(json.loads(json.dumps(table.record()))) == table


def test_the_record_of_an_earlier_version_is_read():
    column = {"property": "a", "name": "a", "type": "String", "format": None, "chosen": False}
    record = {"stream": "s", "name": "T", "keys": ["a"], "columns": [column], "measures": [["M", "1"]]}
    table = Table.from_record(record)
    assert table.definition() == {
        "name": "T",
        "columns": [{"name": "a", "dataType": "String"}],
        "measures": [{"name": "M", "expression": "1"}],
    }


def test_what_became_different_is_added_or_broken():
    now = made({"a": {}, "b": {"type": "integer"}, "c": {}})
    assert difference(now, made({"c": {}, "b": {"type": "integer"}, "a": {}, "d": {}})).added == (
        Column("d", "d", "String"),
    )
    broken = difference(now, made({"a": {"type": "boolean"}, "b": {"type": "integer"}})).broken
    assert broken == (("a", "String", "Boolean"), ("c", "String", "gone"))
    assert difference_table(broken) == (
        "  column  in Power BI  in the SCHEMA\n  a       String       Boolean\n  c       String       gone"
    )
