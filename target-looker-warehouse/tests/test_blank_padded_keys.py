"""Keys where texts that differ in blanks at their ends are equal: PostgreSQL's `bpchar` compares as Redshift's VARCHAR does."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest
from ifs_bi_core.columnar.columns import Column, ColumnType, Kind
from ifs_bi_core.source_counts import Shape
from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.command.standing_tables import StandingTables
from target_looker_warehouse.dialects.postgresql import POSTGRESQL
from target_looker_warehouse.dialects.redshift import REDSHIFT
from target_looker_warehouse.merging import Application
from target_looker_warehouse.tables import Table

TEXT, NUMBER = ColumnType(Kind.TEXT), ColumnType(Kind.INTEGER)
TABLE = Table("t", (Column("k", "k", TEXT), Column("n", "n", NUMBER), Column("x", "x", TEXT)), ("k", "n"))
VERSIONED = Table(
    "t", (*TABLE.columns, Column("_ifs_row_version", "v", NUMBER), Column("_sdc_deleted_at", "d", TEXT)), TABLE.key
)
KEPT = [("a", 1, "kept"), ("a ", 1, "kept"), ("a  ", 1, "kept"), ("b", 1, "kept")]


@pytest.fixture
def padded(postgres_url):
    """Two tables of padded texts, one of which has rows."""
    with psycopg.connect(postgres_url) as connection:
        for name in ("kept_rows", "incoming_rows"):
            connection.execute(f"CREATE TABLE {name} (k bpchar, n bigint, x bpchar, v bigint, d bpchar)")
        connection.cursor().executemany("INSERT INTO kept_rows VALUES (%s, %s, %s)", KEPT)
        yield connection


def applied(connection, steps):
    for step in steps:
        connection.execute(step.text)
    return connection.execute(
        "SELECT CAST(format('%s|', k) AS text), n, x, d FROM kept_rows ORDER BY octet_length(k), k"
    ).fetchall()


def incoming(connection, *rows):
    connection.cursor().executemany("INSERT INTO incoming_rows VALUES (%s, %s, %s, %s, %s)", rows)


def test_here_a_text_is_equal_to_itself_with_a_blank(padded):
    assert padded.execute("SELECT bpchar 'a' = bpchar 'a '").fetchone() == (True,)


@pytest.mark.parametrize("table", [TABLE, VERSIONED])
def test_a_row_replaces_the_row_of_its_key_and_none_whose_key_has_more_blanks(padded, table):
    incoming(padded, ("a ", 1, "new", 2, None), ("b ", 1, "new", 2, None))
    found = applied(padded, Application(table, "kept_rows", REDSHIFT).replace_rows("incoming_rows", ["k", "n", "x"]))
    assert [(key, x) for key, _, x, _ in found] == [
        ("a|", "kept"),
        ("b|", "kept"),
        ("a |", "new"),
        ("b |", "new"),
        ("a  |", "kept"),
    ]


def test_a_delete_takes_the_row_of_its_key_alone(padded):
    incoming(padded, ("a", 1, None, None, None))
    found = applied(padded, Application(TABLE, "kept_rows", REDSHIFT).remove_rows("incoming_rows"))
    assert [key for key, *_ in found] == ["b|", "a |", "a  |"]


def test_a_delete_marks_the_row_of_its_key_alone(padded):
    incoming(padded, ("a ", 1, None, None, "gone"))
    steps = Application(VERSIONED, "kept_rows", REDSHIFT).mark_rows("incoming_rows", ["k", "n", "d"], ["d"])
    assert [key for key, _, _, gone in applied(padded, steps) if gone] == ["a |"]


def test_numbers_have_no_blanks_and_are_compared_once():
    [delete] = Application(TABLE, "t", REDSHIFT).remove_rows("i")
    assert delete.text.count("octet_length") == 2
    assert 'octet_length(t."k") = octet_length(_ifs_incoming."k")' in delete.text


@pytest.mark.parametrize("page_rows", [1, 2, 3, 100])
def test_each_key_is_told_once_where_pages_end_between_keys_that_differ_in_blanks(padded, postgres_url, page_rows):
    others = [(text, number, "x", None, None) for text in ("", " ", "b ", "c") for number in (2, 1)]
    incoming(
        padded, *others, *((key, number, x, None, None) for key, number, x in KEPT), ("a ", 1, "again", None, None)
    )
    padded.commit()
    shape = Shape({"k": {"type": "string"}, "n": {"type": "integer"}, "v": {"type": "integer"}}, ("k", "n"), None)
    with closing(check_address(postgres_url).open()) as connection:
        standing = StandingTables(connection, replace(POSTGRESQL, blank_padded=True), "public")
        table = standing.table("incoming_rows", shape)
        told = [(key, number) for page in table.key_pages(page_rows) for key, _, number in page]
        sums = table.sums(("k",), ("n",))
    kept = {(key, str(number)) for key, number, *_ in (*others, *KEPT)}
    assert len(told) == len(kept)
    assert dict(told) == {key: 2 if key == ("a ", "1") else 1 for key in kept}
    assert sums[("a",)] == sums[("a  ",)] == (Decimal(1),)
    assert sums[("a ",)] == (Decimal(2),)
    assert sums[("",)] == sums[(" ",)] == (Decimal(3),)
