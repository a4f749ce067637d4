"""The statements that make views: the same in every run, in the words of each warehouse, true for any hierarchy."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.columnar.columns import ColumnType, Kind
from target_looker_warehouse.dialects.bigquery import BIGQUERY
from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.dialects.redshift import REDSHIFT
from target_looker_warehouse.dialects.snowflake import SNOWFLAKE
from target_looker_warehouse.names import names_for, suffixed
from target_looker_warehouse.views.catalogue import KINDS, VIEWS
from target_looker_warehouse.views.rendering import Lack, Standing, column_names, create_view, view_name
from view_rows import STREAMS, properties

GOLDEN = Path(__file__).parent / "golden"
UNTESTED = {"bigquery": BIGQUERY, "redshift": REDSHIFT, "snowflake": SNOWFLAKE}
"""Those that no real one of stands here."""
_ANNOUNCED = {  # as the tap's SCHEMA announces them
    Kind.INTEGER: ColumnType(Kind.DECIMAL, 38, 18),
    Kind.DECIMAL: ColumnType(Kind.DECIMAL, 38, 2),
}
BY_NAME = {view.name: view for view in VIEWS}


def tables(dialect, *, deleted_at=True):
    """All streams' tables, as a first run makes them."""
    found = {}
    for stream in STREAMS:
        kinds = {name: KINDS.get(name, Kind.TEXT) for name in properties(stream)}
        kinds |= {"_sdc_deleted_at": Kind.TIMESTAMP} if deleted_at else {}
        names = names_for(kinds, (), dialect)
        columns = {names[n]: dialect.type_name(_ANNOUNCED.get(kind, ColumnType(kind))) for n, kind in kinds.items()}
        found[stream] = Standing(dialect.qualified("sales", names_for([stream], (), dialect)[stream]), columns)
    return found


def statements(dialect):
    """Of every view and every way to make it."""
    ways = [replace(view, definitions=(definition,)) for view in VIEWS for definition in view.definitions]
    standing = tables(dialect)
    return [create_view(dialect.qualified("sales", view_name(view, dialect)), view, standing, dialect) for view in ways]


@pytest.mark.parametrize("warehouse", UNTESTED)
def test_the_statements_of_a_warehouse_that_is_not_here_are_those_on_file(warehouse):
    expected = (GOLDEN / f"views_{warehouse}.sql").read_text("utf-8")
    assert ";\n\n".join(statements(UNTESTED[warehouse])) + ";\n" == expected


@pytest.mark.parametrize("warehouse", UNTESTED)
def test_nothing_is_left_of_the_words_that_a_warehouse_does_not_know(warehouse):
    dialect = UNTESTED[warehouse]
    for text in statements(dialect):
        assert "days_between" not in text
        assert dialect.quote == '"' or '"' not in text
        assert dialect.types[Kind.TEXT] == "TEXT" or "AS TEXT)" not in text


def test_rows_that_no_column_marks_are_all_present():
    text = create_view("v", BY_NAME["cost_dimensions"], tables(DUCKDB, deleted_at=False), DUCKDB)
    assert "_sdc_deleted_at" not in text


def test_a_column_under_a_suffixed_name_is_found():
    standing = tables(DUCKDB)
    place, columns = standing["code_part_values"]
    renamed = {
        suffixed(n, DUCKDB) if n in {"Description", "_sdc_deleted_at"} else n: kind for n, kind in columns.items()
    }
    text = create_view(
        "v", BY_NAME["cost_dimensions"], standing | {"code_part_values": Standing(place, renamed)}, DUCKDB
    )
    assert f'"{suffixed("Description", DUCKDB)}" AS "Description"' in text
    assert f'"{suffixed("_sdc_deleted_at", DUCKDB)}" IS NULL' in text


@pytest.mark.parametrize("type_name", ["VARCHAR", "DOUBLE", "BOOLEAN", "DATE"])
def test_money_of_a_type_that_may_lose_digits_makes_no_view(type_name):
    standing = tables(DUCKDB)
    standing["purchase_order_lines"].columns["NetAmtCurr"] = type_name
    assert isinstance(create_view("v", BY_NAME["open_purchase_orders"], standing, DUCKDB), Lack)


def test_what_a_view_may_do_without_is_null_and_what_it_needs_is_told():
    view, standing = BY_NAME["open_purchase_orders"], tables(DUCKDB)
    del standing["suppliers"], standing["purchase_order_lines"].columns["NetAmtBase"]
    assert 'CAST(NULL AS DECIMAL(38,2)) AS "NetAmtBase"' in create_view("v", view, standing, DUCKDB)
    del standing["purchase_orders"].columns["VendorNo"]
    lack = create_view("v", view, standing, DUCKDB)
    assert lack == Lack("column \"VendorNo\" of table 'purchase_orders' that holds TEXT values")


def test_keys_and_columns_of_a_view_have_names_that_every_warehouse_holds():
    for view in VIEWS:
        names = [column.name for column in view.columns]
        assert len(set(names)) == len(names)
        assert set(view.key) <= set(names)
        assert all(column.description.endswith(".") for column in view.columns)
        for dialect in (DUCKDB, *UNTESTED.values()):
            assert list(column_names(view, dialect).values()) == [dialect.cased(name) for name in names]


def test_a_view_with_another_column_or_another_text_has_another_fingerprint():
    assert len({view.fingerprint for view in VIEWS}) == len(VIEWS)


NODES = ("A", "B", "C", "D", "E")
LEAVES = ("1000", "2000")


@settings(max_examples=40, deadline=None)
@given(
    above=st.fixed_dictionaries({name: st.sampled_from([None, "missing", *NODES]) for name in (*NODES, *LEAVES)}),
)
def test_whatever_the_hierarchy_an_account_is_below_each_node_above_it_once(above):
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA sales")
        for stream, (place, columns) in tables(DUCKDB).items():
            if stream in {"account_structures", "account_structure_items", "gl_accounts"}:
                connection.execute(
                    f"CREATE TABLE {place} ({', '.join(f'{DUCKDB.quoted(n)} {t}' for n, t in columns.items())})"
                )
        connection.execute(
            'INSERT INTO sales.account_structures ("Company", "StructureId", "CodePart") VALUES (1, 1, \'A\')'
        )
        for name, other in above.items():
            kind = "CodePartValue" if name in LEAVES else "Node"
            connection.execute(
                'INSERT INTO sales.account_structure_items ("Company", "StructureId", "StructureItem", "StructureItemType", '
                '"ItemAbove") VALUES (1, 1, ?, ?, ?)',
                [name, kind, other],
            )
        for name in ("gl_account_closure", "gl_account_levels"):
            connection.execute(create_view(f"sales.{name}", BY_NAME[name], tables(DUCKDB), DUCKDB))
        found = connection.execute(
            'SELECT "Account", "AncestorNode", "Distance" FROM sales.gl_account_closure'
        ).fetchall()
        levels = connection.execute('SELECT "Account", "Depth", "Level1" FROM sales.gl_account_levels').fetchall()
    climbed = {leaf: climb(leaf, above) for leaf in LEAVES}
    assert sorted(found) == sorted((leaf, node, far) for leaf, path in climbed.items() for far, node in enumerate(path))
    assert sorted(levels) == [(leaf, len(path) - 1, path[-1]) for leaf, path in climbed.items()]


def climb(leaf, above):
    """The leaf and the nodes above it, each once."""
    path = [leaf]
    while (node := above[path[-1]]) in above and node not in path:
        path.append(node)
    return path
