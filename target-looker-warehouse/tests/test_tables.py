import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from singer_lines import BOOLEAN, DATE, INTEGER, MOMENT, MONEY, NUMBER, OBJECT, STRING
from target_looker_warehouse.dialects import DUCKDB, POSTGRESQL
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
    try:
        second = plan("t", after, [], standing(first), DUCKDB)
    except ContractBrokenError:
        return  # a type that can't change; told in the tests below
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
def test_any_other_change_of_type_is_refused_with_both_types_and_the_ways_out(standing_type, definition, needs):
    with pytest.raises(ContractBrokenError) as refused:
        plan("orders", {"Amount": definition}, [], {"Amount": standing_type}, DUCKDB)
    sentence = str(refused.value)
    assert all(
        part in sentence for part in ['"Amount"', '"orders"', standing_type, needs, "Rename or drop", "overwrite"]
    )


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
def test_a_type_that_may_cut_or_round_is_refused_in_the_warehouses_own_words(standing_type, definition, needs):
    with pytest.raises(ContractBrokenError) as refused:
        plan("t", {"x": definition}, [], {"x": standing_type}, POSTGRESQL)
    assert f'Column "x" of table "t" is {standing_type}, and the SCHEMA now needs {needs}' in str(refused.value)
