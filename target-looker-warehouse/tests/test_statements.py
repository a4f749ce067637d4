from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.columnar.columns import Column, ColumnType, Kind
from singer_lines import STRING, record, schema
from target_looker_warehouse import loads, statements
from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.dialects.postgresql import POSTGRESQL
from target_looker_warehouse.dialects.snowflake import SNOWFLAKE
from target_looker_warehouse.merging import Application
from target_looker_warehouse.tables import Table
from target_looker_warehouse.warehouses.duckdb_file import _attaching

names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
nasty = st.sampled_from(
    ['"', '""', 'a"; DROP TABLE x; --', "'", "?", "$1", "%s", "select", "rowid", "\x01", " ", "a.b", "x" * 500]
)


@settings(max_examples=50, deadline=None)
@given(names | nasty, names | nasty)
def test_any_name_can_be_a_table_and_a_column(table, column):
    with duckdb.connect() as connection:
        there = DUCKDB.qualified("memory", "main", table)
        connection.execute(statements.create_table(there, [Column(column, column, ColumnType(Kind.TEXT))], DUCKDB))
        connection.register("incoming", pa.table({column: ["x"]}))
        application = Application(Table(table, (), (column,)), there, DUCKDB)
        for steps in (
            application.replace_rows("incoming", [column]),
            application.mark_rows("incoming", [column], [column]),
        ):
            for step in steps:
                connection.execute(step.text)
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
        (_attaching(Path("it's.duckdb")), "ATTACH 'it''s.duckdb' AS \"warehouse\" (ROW_GROUP_SIZE 20480)"),
        (
            statements.delete_unseen('"t"', "version", DUCKDB),
            'DELETE FROM "t" WHERE NOT coalesce("version" >= $1, FALSE)',
        ),
        (
            statements.add_column('"t"', Column("a", 'a"b', ColumnType(Kind.DECIMAL, 38, 2)), DUCKDB),
            'ALTER TABLE "t" ADD COLUMN "a""b" DECIMAL(38,2)',
        ),
        (
            statements.widen_column('"t"', Column("a", "a", ColumnType(Kind.DECIMAL, 38, 2)), POSTGRESQL),
            'ALTER TABLE "t" ALTER COLUMN "a" SET DATA TYPE numeric(38,2)',
        ),
        (
            loads.delete_old('"l"', SNOWFLAKE),
            (
                'DELETE FROM "l" WHERE "LOADED_AT" < CAST($1 AS TIMESTAMP_TZ) '
                'AND "LOADED_AT" NOT IN (SELECT max("LOADED_AT") FROM "l" GROUP BY "STREAM")'
            ),
        ),
        (statements.create_index('"t"', ["k", 'n"'], POSTGRESQL), 'CREATE INDEX ON "t" ("k", "n""")'),
    ],
)
def test_statements_read_like_this(statement, text):
    assert statement == text


VERSIONED = Table(
    "t",
    tuple(
        Column(source, name, ColumnType(Kind.TEXT))
        for source, name in {"k": "k", "_ifs_row_version": "v", "_sdc_table_version": "full", "a": "a"}.items()
    ),
    ("k",),
    others=("old",),
)
PLAIN = Table("t", (Column("k", "k", ColumnType(Kind.TEXT)), Column("n", "n", ColumnType(Kind.TEXT))), ("k", "n"))
MERGING = replace(DUCKDB, merges=True, quote="`", quote_escape="\\`")
SAME = "kept.`k` = incoming.`k`"
NOT_NEWER = "NOT coalesce(kept.`v` > incoming.`v`, FALSE)"


def texts(steps):
    return [(step.text, step.applies) for step in steps]


def test_rows_are_replaced_by_delete_and_insert():
    steps = Application(PLAIN, '"s"."t"', DUCKDB).replace_rows("incoming_1", ["k", "n"])
    assert texts(steps) == [
        (
            (
                'DELETE FROM "s"."t" USING incoming_1 AS _ifs_incoming '
                'WHERE "s"."t"."k" = _ifs_incoming."k" AND "s"."t"."n" = _ifs_incoming."n"'
            ),
            False,
        ),
        ('INSERT INTO "s"."t" ("k", "n") SELECT "k", "n" FROM incoming_1', True),
    ]


def test_rows_with_versions_are_replaced_where_they_are_not_newer():
    steps = Application(VERSIONED, "t", DUCKDB).replace_rows("incoming_1", ["k", "v", "full"])
    assert texts(steps) == [
        (
            (
                "DELETE FROM t USING incoming_1 AS _ifs_incoming "
                'WHERE t."k" = _ifs_incoming."k" AND NOT coalesce(t."v" > _ifs_incoming."v", FALSE)'
            ),
            False,
        ),
        (
            (
                'UPDATE t AS kept SET "full" = incoming."full" FROM incoming_1 AS incoming '
                'WHERE kept."k" = incoming."k" AND kept."v" > incoming."v"'
            ),
            False,
        ),
        (
            (
                'INSERT INTO t ("k", "v", "full") SELECT incoming."k", incoming."v", incoming."full" FROM incoming_1 AS incoming '
                'WHERE NOT EXISTS (SELECT 1 FROM t AS kept WHERE kept."k" = incoming."k")'
            ),
            True,
        ),
    ]


def test_rows_are_merged_where_the_warehouse_is_good_at_it_and_what_they_lack_becomes_null():
    steps = Application(VERSIONED, "t", MERGING).replace_rows("incoming_1", ["k", "v", "full"])
    merge = f"MERGE INTO t AS kept USING incoming_1 AS incoming ON {SAME}"
    assert texts(steps) == [
        (f"{merge} WHEN MATCHED AND kept.`v` > incoming.`v` THEN UPDATE SET `full` = incoming.`full`", False),
        (
            (
                f"{merge} WHEN MATCHED AND {NOT_NEWER} THEN UPDATE SET `k` = incoming.`k`, `v` = incoming.`v`, "
                "`full` = incoming.`full`, `a` = NULL, `old` = NULL "
                "WHEN NOT MATCHED THEN INSERT (`k`, `v`, `full`) VALUES (incoming.`k`, incoming.`v`, incoming.`full`)"
            ),
            True,
        ),
    ]


def test_deletes_are_merged_too():
    application = Application(VERSIONED, "t", MERGING)
    merge = f"MERGE INTO t AS kept USING i AS incoming ON {SAME} WHEN MATCHED AND {NOT_NEWER} THEN"
    assert texts(application.remove_rows("i")) == [(f"{merge} DELETE", False)]
    assert texts(application.mark_rows("i", ["k", "a"], ["a"])) == [
        (
            (
                f"{merge} UPDATE SET `a` = coalesce(incoming.`a`, kept.`a`) "
                "WHEN NOT MATCHED THEN INSERT (`k`, `a`) VALUES (incoming.`k`, incoming.`a`)"
            ),
            True,
        )
    ]


def test_kept_rows_are_marked_with_what_the_deletes_tell():
    steps = Application(PLAIN, "t", DUCKDB).mark_rows("i", ["k", "n", "gone"], ["gone"])
    assert texts(steps)[0] == (
        (
            'UPDATE t AS kept SET "gone" = coalesce(incoming."gone", kept."gone") FROM i AS incoming '
            'WHERE kept."k" = incoming."k" AND kept."n" = incoming."n"'
        ),
        True,
    )
