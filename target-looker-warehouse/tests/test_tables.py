from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.columnar.columns import Kind
from ifs_bi_core.errors import ContractBrokenError
from singer_lines import BOOLEAN, DATE, INTEGER, MOMENT, MONEY, NUMBER, OBJECT, STRING
from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.dialects.facts import DecimalType, Widening
from target_looker_warehouse.dialects.postgresql import POSTGRESQL
from target_looker_warehouse.tables import incoming_name, plan, table_name

DEFINITIONS = [BOOLEAN, DATE, INTEGER, MOMENT, MONEY, NUMBER, OBJECT, STRING]
properties = st.dictionaries(
    st.text("aAb", min_size=1, max_size=3), st.sampled_from(DEFINITIONS), min_size=1, max_size=6
)


def standing(planned):
    """The table as the warehouse would describe it."""
    return {column.name: str(column.type) for column in planned.table.columns}


def test_a_new_table_has_a_column_for_each_property_in_the_schemas_order():
    planned = plan("orders", {"OrderNo": STRING, "Amount": MONEY, "_sdc_deleted_at": STRING}, ["OrderNo"], None, DUCKDB)
    assert planned.create
    assert standing(planned) == {
        "OrderNo": "VARCHAR",
        "Amount": "DECIMAL(38,2)",
        "_sdc_deleted_at": "TIMESTAMP WITH TIME ZONE",
    }
    assert planned.table.key == ("OrderNo",)
    assert planned.table.deleted_at == "_sdc_deleted_at"
    assert planned.table.row_version is None


@given(properties)
def test_an_unchanged_schema_needs_nothing(given_properties):
    first = plan("t", given_properties, [], None, DUCKDB)
    again = plan("t", given_properties, [], standing(first), DUCKDB)
    assert (again.create, again.added, again.widened) == (False, (), ())
    assert again.table == first.table


@given(properties, properties)
def test_columns_are_added_and_none_is_taken_away_or_narrowed(before, after):
    first = plan("t", before, [], None, DUCKDB)
    second = plan("t", after, [], standing(first), DUCKDB)
    assert not second.create
    assert {column.source for column in second.added} >= after.keys() - before.keys() - set(standing(first))
    for column in second.widened:
        assert column.type.whole_digits >= 0
        assert standing(first)[column.name] != str(column.type)


@pytest.mark.parametrize(
    ("standing_type", "definition", "becomes"),
    [
        ("BIGINT", NUMBER, "DECIMAL(38,18)"),
        ("BIGINT", MONEY, "DECIMAL(38,2)"),
        ("DECIMAL(10,2)", {"type": "number", "precision": 12, "scale": 4}, "DECIMAL(12,4)"),
        ("DECIMAL(10,2)", INTEGER, "DECIMAL(21,2)"),
        ("DECIMAL(38,18)", MONEY, None),
        ("DECIMAL(38,18)", INTEGER, None),
    ],
)
def test_numbers_widen_where_that_is_exact(standing_type, definition, becomes):
    planned = plan("t", {"x": definition}, [], {"x": standing_type}, DUCKDB)
    assert [str(column.type) for column in planned.widened] == ([becomes] if becomes else [])
    assert str(planned.table.columns[0].type) == (becomes or standing_type)


@pytest.mark.parametrize(
    ("standing_type", "definition", "needs"),
    [
        ("VARCHAR", INTEGER, "BIGINT"),
        ("BIGINT", STRING, "VARCHAR"),
        ("DATE", MOMENT, "TIMESTAMP WITH TIME ZONE"),
        ("VARCHAR", OBJECT, "JSON"),
        ("DOUBLE", NUMBER, "DECIMAL(38,18)"),
        ("TIMESTAMP", MOMENT, "TIMESTAMP WITH TIME ZONE"),
    ],
)
def test_any_other_change_of_type_has_a_column_beside_the_old_one(standing_type, definition, needs):
    planned = plan("orders", {"Amount": definition}, [], {"Amount": standing_type}, DUCKDB)
    assert (planned.create, planned.widened) == (False, ())
    assert [(column.name, str(column.type)) for column in planned.added] == [("Amount_v2", needs)]
    assert planned.table.name_of("Amount") == "Amount_v2"
    assert planned.table.others == ("Amount",)
    again = plan("orders", {"Amount": definition}, [], {"Amount": standing_type, "Amount_v2": needs}, DUCKDB)
    assert (again.added, again.table.columns) == ((), planned.table.columns)


@pytest.mark.parametrize("source", ["id", "_ifs_row_version", "_sdc_deleted_at"])
def test_a_column_by_which_rows_are_matched_is_refused_with_both_types_and_the_ways_out(source):
    with pytest.raises(ContractBrokenError) as refused:
        plan("orders", {"id": STRING, source: MOMENT}, ["id"], {"id": "VARCHAR", source: "DATE"}, DUCKDB)
    sentence = str(refused.value)
    told = [f'"{source}"', '"orders"', "DATE", "TIMESTAMP WITH TIME ZONE", "Rename or drop", "overwrite"]
    assert all(part in sentence for part in told)


def test_a_key_whose_rows_are_all_replaced_may_have_a_column_beside_the_old_one():
    planned = plan("orders", {"id": INTEGER}, ["id"], {"id": "VARCHAR"}, DUCKDB, replaced=True)
    assert planned.table.key == ("id_v2",)


def test_a_column_beside_another_is_never_one_of_the_streams_own():
    properties = {"a": DATE, "a_v2": STRING}
    planned = plan("t", properties, [], {"a": "VARCHAR", "a_v2": "VARCHAR"}, DUCKDB)
    assert {column.source: column.name for column in planned.table.columns} == {"a": "a_v3", "a_v2": "a_v2"}


def test_of_columns_beside_another_the_first_that_fits_is_taken():
    standing_types = {"a": "VARCHAR", "a_v2": "BIGINT", "a_v3": "DATE"}
    for definition, name in [(STRING, "a"), (INTEGER, "a_v2"), (MONEY, "a_v2"), (DATE, "a_v3"), (BOOLEAN, "a_v4")]:
        assert plan("t", {"a": definition}, [], standing_types, DUCKDB).table.columns[0].name == name


@pytest.mark.parametrize(
    ("standing_type", "definition", "widens", "column"),
    [
        ("DECIMAL(38,2)", NUMBER, Widening.EVERYTHING, "x_v2"),  # 36 digits before the point, and then 20
        ("DECIMAL(10,2)", {"type": "number", "precision": 12, "scale": 2}, Widening.PRECISION, "x"),
        ("DECIMAL(10,2)", {"type": "number", "precision": 12, "scale": 4}, Widening.PRECISION, "x_v2"),
        ("BIGINT", MONEY, Widening.PRECISION, "x_v2"),
        ("DECIMAL(10,2)", {"type": "number", "precision": 12, "scale": 2}, Widening.NOTHING, "x_v2"),
        ("DECIMAL(10,2)", {"type": "number", "precision": 8, "scale": 2}, Widening.NOTHING, "x"),
    ],
)
def test_a_column_widens_where_the_warehouse_can_and_no_value_could_be_lost(standing_type, definition, widens, column):
    dialect = replace(DUCKDB, widens=widens)
    planned = plan("t", {"x": definition}, [], {"x": standing_type}, dialect)
    assert planned.table.columns[0].name == column
    assert len(planned.widened) == (column == "x" and str(planned.table.columns[0].type) != standing_type)


NARROW = replace(
    DUCKDB,
    decimals=(DecimalType("DECIMAL", 38, 9, 29), DecimalType("BIG", 38, 37, 38)),
    types=DUCKDB.types | {Kind.JSON: "VARCHAR", Kind.INTEGER: "DECIMAL(29,0)"},
)


@pytest.mark.parametrize(
    ("precision", "scale", "type_name"),
    [(38, 9, "DECIMAL(38,9)"), (38, 2, "BIG(38,2)"), (20, 10, "BIG(20,10)"), (38, 38, "VARCHAR")],
)
def test_a_decimal_is_of_the_first_family_that_holds_it_or_a_text(precision, scale, type_name):
    definition = {"type": "number", "precision": precision, "scale": scale}
    planned = plan("t", {"x": definition}, [], None, NARROW)
    assert NARROW.type_name(planned.table.columns[0].type) == type_name
    again = plan("t", {"x": definition}, [], {"x": type_name}, NARROW)
    assert (again.added, again.widened, again.table) == ((), (), planned.table)


@pytest.mark.parametrize(("definition", "type_name"), [(OBJECT, "VARCHAR"), (INTEGER, "DECIMAL(29,0)")])
def test_a_type_that_the_warehouse_keeps_as_another_one_is_found_again(definition, type_name):
    planned = plan("t", {"x": definition}, [], {"x": type_name}, NARROW)
    assert (planned.added, planned.widened) == ((), ())
    assert planned.table.columns[0].type == plan("t", {"x": definition}, [], None, DUCKDB).table.columns[0].type


def test_a_column_that_the_schema_no_longer_has_is_not_this_tables_matter():
    planned = plan("t", {"a": STRING}, [], {"a": "VARCHAR", "b": "DOUBLE"}, DUCKDB)
    assert [column.name for column in planned.table.columns] == ["a"]
    assert (planned.added, planned.widened) == ((), ())


def test_properties_that_differ_in_case_alone_have_columns_of_their_own():
    planned = plan("t", {"id": STRING, "ID": INTEGER}, ["ID"], None, DUCKDB)
    assert [(column.source, str(column.type)) for column in planned.table.columns] == [
        ("id", "VARCHAR"),
        ("ID", "BIGINT"),
    ]
    assert planned.table.key == (planned.table.columns[1].name,)
    again = plan("t", {"ID": INTEGER, "id": STRING}, ["ID"], standing(planned), DUCKDB)
    assert {column.source: column.name for column in again.table.columns} == {
        column.source: column.name for column in planned.table.columns
    }


def test_streams_that_differ_in_case_alone_have_tables_of_their_own():
    assert table_name("Orders", [], DUCKDB) == "Orders"
    assert table_name("orders", ["Orders"], DUCKDB) not in {"orders", "Orders"}
    assert table_name("Orders", ["Orders"], DUCKDB) == "Orders"


def test_an_incoming_table_is_never_the_table_itself():
    assert incoming_name("orders", DUCKDB) != "orders"


def test_a_version_that_has_no_order_is_no_version():
    ordered, unordered = (
        plan("t", {"_ifs_row_version": d}, [], None, DUCKDB).table.row_version for d in (MOMENT, OBJECT)
    )
    assert (ordered, unordered) == ("_ifs_row_version", None)


def test_a_schema_without_properties_is_refused():
    with pytest.raises(ContractBrokenError, match="no properties"):
        plan("t", {}, [], None, DUCKDB)


@pytest.mark.parametrize("standing_type", ["text", "character varying"])
def test_another_name_of_the_same_type_needs_nothing(standing_type):
    planned = plan("t", {"x": STRING, "n": MONEY}, [], {"x": standing_type, "n": "numeric(38,2)"}, POSTGRESQL)
    assert (planned.added, planned.widened) == ((), ())


@pytest.mark.parametrize(
    ("standing_type", "definition", "needs"),
    [("character varying(20)", STRING, "text"), ("numeric", MONEY, "numeric(38,2)"), ("integer", INTEGER, "bigint")],
)
def test_a_type_that_may_cut_or_round_is_left_alone(standing_type, definition, needs):
    planned = plan("t", {"x": definition}, [], {"x": standing_type}, POSTGRESQL)
    assert [(column.name, POSTGRESQL.type_name(column.type)) for column in planned.added] == [("x_v2", needs)]
