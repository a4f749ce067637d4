"""The laws of upsert, held against the warehouses themselves."""

import itertools
from dataclasses import replace

import pytest
from boxes import DuckDbBox, PostgresBox
from hypothesis import given, settings
from hypothesis import strategies as st
from row_laws import KEY, PROPERTIES, applied, arrow, repr_of, streams_of_rows
from target_looker_warehouse.rounds import rounds
from target_looker_warehouse.tables import plan

_COUNTER = itertools.count()
_COLUMNS = "k, n, a, b, _ifs_row_version, replace(_sdc_deleted_at::VARCHAR, '+00', '.000000Z')"


@pytest.fixture(scope="module", params=["duckdb", "postgresql", "duckdb by MERGE"])
def warehouse(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("laws")
    if request.param.startswith("duckdb"):
        box = DuckDbBox(folder)
    else:
        postgres = request.getfixturevalue("postgres")
        box = PostgresBox(folder, postgres.url(postgres.database()))
    opened = box.warehouse()
    opened.dialect = replace(opened.dialect, merges=request.param.endswith("MERGE"))
    with opened._connection.transaction("the session", "be prepared"):
        opened._connection.write("SET TimeZone = 'UTC'")
    yield opened
    opened.close()


def loaded(warehouse, batches, *, hard_delete):
    """What a new table holds after the batches."""
    planned = plan(f"t{next(_COUNTER)}", PROPERTIES, KEY, None, warehouse.dialect)
    warehouse.shape(planned)
    for batch in batches:
        warehouse.merge(planned.table, rounds(arrow(batch), planned.table), None, hard_delete=hard_delete)
    with warehouse._connection.transaction("the table", "be read"):
        found = warehouse._connection.query(f"SELECT {_COLUMNS} FROM {warehouse._qualified(planned.table.name)}")
    rows = [
        {
            name: value.replace(" ", "T") if name == "_sdc_deleted_at" and value else value
            for name, value in dict(zip(PROPERTIES, row, strict=True)).items()
        }
        for row in found
    ]
    return sorted(({name: value for name, value in row.items() if value is not None} for row in rows), key=repr_of)


def split(rows, places):
    cuts = sorted({min(place, len(rows)) for place in places} | {0, len(rows)})
    return [rows[first:last] for first, last in itertools.pairwise(cuts)]


@settings(max_examples=30, deadline=None)
@given(rows=streams_of_rows, places=st.lists(st.integers(0, 12), max_size=4), hard_delete=st.booleans())
def test_batches_in_any_split_leave_what_the_rows_one_by_one_leave(warehouse, rows, places, hard_delete):
    assert loaded(warehouse, split(rows, places), hard_delete=hard_delete) == applied(rows, hard_delete=hard_delete)


@settings(max_examples=30, deadline=None)
@given(rows=streams_of_rows, versioned=st.booleans(), hard_delete=st.booleans())
def test_the_same_rows_again_change_nothing(warehouse, rows, versioned, hard_delete):
    """A source gives every row of a stream a version, or none. (A delete without one is news whenever it comes.)"""
    rows = [row | {"_ifs_row_version": row.get("_ifs_row_version", 1) if versioned else None} for row in rows]
    once = loaded(warehouse, [rows], hard_delete=hard_delete)
    assert loaded(warehouse, [rows, rows], hard_delete=hard_delete) == once


@settings(max_examples=30, deadline=None)
@given(rows=streams_of_rows, late=streams_of_rows)
def test_older_versions_that_come_late_change_nothing(warehouse, rows, late):
    """Newest wins: a row that is sent again with an older version than every kept one is as if it had not been sent."""
    newest = [row | {"_ifs_row_version": 4} for row in rows]
    keys = {(row["k"], row["n"]) for row in newest}
    older = [row | {"_ifs_row_version": 3} for row in late if (row["k"], row["n"]) in keys]
    assert loaded(warehouse, [newest, older], hard_delete=False) == loaded(warehouse, [newest], hard_delete=False)


def test_a_row_leaves_nothing_in_columns_that_its_stream_no_longer_has(warehouse):
    before = plan(f"t{next(_COUNTER)}", PROPERTIES, KEY, None, warehouse.dialect)
    warehouse.shape(before)
    row = {"k": "x", "n": 1, "a": "old", "b": 5}
    warehouse.merge(before.table, rounds(arrow([row]), before.table), None, hard_delete=False)
    properties = {name: PROPERTIES[name] for name in ("k", "n", "a")}
    standing = warehouse.existing(before.table.name)[before.table.name]
    after = plan(before.table.name, properties, KEY, standing, warehouse.dialect)
    assert after.table.others == ("b", "_ifs_row_version", "_sdc_deleted_at")
    rows = arrow([row | {"a": "new"}]).select(["k", "n", "a"])
    warehouse.merge(after.table, rounds(rows, after.table), None, hard_delete=False)
    with warehouse._connection.transaction("the table", "be read"):
        found = warehouse._connection.query(f"SELECT k, n, a, b FROM {warehouse._qualified(after.table.name)}")
    assert found == [("x", 1, "new", None)]
