import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.columnar.columns import Column, ColumnType, Kind
from singer_lines import STRING, record, schema
from target_looker_warehouse import statements
from target_looker_warehouse.dialects import DUCKDB, POSTGRESQL
from target_looker_warehouse.duckdb_file import _attach

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
nasty = st.sampled_from(
    ['"', '""', 'a"; DROP TABLE x; --', "'", "?", "$1", "%s", "select", "rowid", "\x01", " ", "a.b", "x" * 500]
)


@settings(max_examples=50, deadline=None)
@given(names | nasty, names | nasty)
def test_any_name_can_be_a_table_and_a_column(table, column):
    with duckdb.connect() as connection:
        there = statements.qualified("memory", "main", table)
        connection.execute(statements.create_table(there, [Column(column, column, ColumnType(Kind.TEXT))], DUCKDB))
        connection.register(statements.INCOMING, pa.table({column: ["x"]}))
        connection.execute(statements.insert(there, [column], statements.quoted(statements.INCOMING)))
        connection.execute(statements.delete_kept(there, [column], None))
        connection.execute(statements.insert_unkept(there, [column], [column]))
        found = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND database_name = 'memory'"
        )
        assert (table, column) in found.fetchall()
        assert connection.execute(f"SELECT * FROM {there}").fetchall() == [("x",)]


NAMES = [
    '"',
    '""',
    'a"; DROP TABLE x; --',
    "'",
    "?",
    "$1",
    "%s",
    "%",
    "select",
    "\x01",
    " ",
    "a.b",
    "Ä€",
    "\\",
    "x" * 63,
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_can_be_a_stream_and_a_property(box, name):
    for _ in range(2):
        box.feed(schema(name, [name], **{name: STRING, "b": STRING}), record(name, {name: "x", "b": "y"}))
    assert box.rows(name) == [{name: "x", "b": "y"}]


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        (
            statements.delete_kept('"t"', ["k", "n"], "v"),
            (
                'DELETE FROM "t" AS kept USING "_ifs_incoming" AS incoming '
                'WHERE kept."k" = incoming."k" AND kept."n" = incoming."n" AND (kept."v" > incoming."v") IS NOT TRUE'
            ),
        ),
        (
            statements.mark_kept('"t"', ["gone", "v"], ["k"], None),
            (
                'UPDATE "t" AS kept SET "gone" = coalesce(incoming."gone", kept."gone"), "v" = coalesce(incoming."v", kept."v") '
                'FROM "_ifs_incoming" AS incoming WHERE kept."k" = incoming."k"'
            ),
        ),
        (_attach("it's.duckdb"), "ATTACH 'it''s.duckdb' AS \"warehouse\" (ROW_GROUP_SIZE 20480)"),
        (statements.delete_unseen('"t"', "version"), 'DELETE FROM "t" WHERE ("version" >= $1) IS NOT TRUE'),
        (
            statements.add_column('"t"', Column("a", 'a"b', ColumnType(Kind.DECIMAL, 38, 2)), DUCKDB),
            'ALTER TABLE "t" ADD COLUMN "a""b" DECIMAL(38,2)',
        ),
        (
            statements.widen_column('"t"', Column("a", "a", ColumnType(Kind.DECIMAL, 38, 2)), POSTGRESQL),
            'ALTER TABLE "t" ALTER COLUMN "a" SET DATA TYPE numeric(38,2)',
        ),
        (statements.create_index('"t"', ["k", 'n"']), 'CREATE INDEX ON "t" ("k", "n""")'),
    ],
)
def test_statements_read_like_this(statement, text):
    assert statement == text
