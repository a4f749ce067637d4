"""The same file again: the tables stay as they are, and the table of loads says that somebody brought it twice."""

import shutil

import pytest
from pipeline.foreign_streams import STREAMS, lines_of

TAP_STREAMS = ["suppliers", "purchase_orders", "journal_entries"]
REPEATABLE = [name for name in STREAMS if name not in {"keyless", "refreshed"}]
"""Rows without a key are new rows each time, and a row that a full refresh left out comes before it once more."""


@pytest.fixture
def lines(pipeline):
    """What our tap says of a few streams, and what other taps may say."""
    pipeline.tap_settings["streams"] = TAP_STREAMS
    extracted = pipeline.extract()
    assert extracted.code == 0, extracted.err
    return lines_of(REPEATABLE) + extracted.out


def shapes(warehouse):
    """Tables, views and columns with their types; in PostgreSQL with their numbers too, which a new one would not have."""
    columns = warehouse.query(
        "SELECT table_name, column_name, data_type, ordinal_position FROM information_schema.columns "
        "WHERE table_schema IN ('main', 'public') ORDER BY table_name, ordinal_position"
    )
    if warehouse.url.startswith("duckdb:"):
        return columns
    relations = (
        "SELECT oid, relname, relkind, relfilenode, xmin::text FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace ORDER BY oid"
    )
    return columns + warehouse.query(relations)


def loads(warehouse):
    """By run, the rows of each stream that it brought."""
    told = warehouse.query('SELECT run, stream, CAST(sum("rows") AS BIGINT) FROM _ifs_loads GROUP BY run, stream')
    runs = {}
    for run, stream, rows in told:
        runs.setdefault(run, {})[stream] = rows
    return runs


@pytest.mark.parametrize("load_method", ["upsert", pytest.param("overwrite", marks=pytest.mark.prove)])
def test_the_same_file_again_leaves_every_table_as_it_was(warehouse, lines, load_method):
    def held():
        return {name: warehouse.rows(name) for name in warehouse.tables()}

    def load():
        loaded = warehouse.load(lines, load_method=load_method, batch_size_rows=50)
        assert loaded.code == 0, loaded.err
        return loaded.state

    state, once, made = load(), held(), shapes(warehouse)
    assert {*TAP_STREAMS, *REPEATABLE} <= once.keys()
    assert all(once[name] for name in TAP_STREAMS)
    (first,) = loads(warehouse).values()
    assert load() == state
    assert held() == once
    shutil.rmtree(warehouse.folder / ".ifs-bi")  # a machine that knows of nothing
    assert load() == state
    assert held() == once
    assert shapes(warehouse) == made
    assert list(loads(warehouse).values()) == [first] * 3
