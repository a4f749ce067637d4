"""The least that loading takes, written by hand for these rows: no other stream, no ledger, no bad row, nothing that may change.

``floors.py FLOOR DATABASE``: `read_json` takes lines from standard input into a DuckDB file; the others take ready CSV into a
PostgreSQL database. All keep one row a key, so that the same command loads new rows and updates.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import duckdb
import psycopg
from fingerprints import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_TABLE = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())


def read_json(address: str) -> None:
    """DuckDB reads the lines itself into a temporary table, deletes by key, and inserts, in one transaction."""
    with duckdb.connect(address.removeprefix("duckdb:///")) as connection:
        connection.execute("SET preserve_insertion_order = false")
        connection.execute(f"CREATE TABLE IF NOT EXISTS order_lines ({_TABLE})")
        connection.execute(
            "CREATE TEMP TABLE staged AS SELECT unnest(record) FROM read_json('/dev/stdin', format='newline_delimited', "
            f"columns={{type: 'VARCHAR', record: 'STRUCT({_TABLE})'}}) WHERE type = 'RECORD'"
        )
        connection.execute("BEGIN")
        connection.execute('DELETE FROM order_lines USING staged WHERE order_lines."OrderNo" = staged."OrderNo"')
        connection.execute(f"INSERT INTO order_lines ({_NAMES}) SELECT {_NAMES} FROM staged")
        connection.execute("COMMIT")


def on_conflict(address: str) -> None:
    """COPY into an unlogged table, then INSERT ... ON CONFLICT."""
    updated = ", ".join(f'"{name}" = excluded."{name}"' for name in COLUMNS)
    _copied(address, [f'INSERT INTO order_lines SELECT * FROM staged ON CONFLICT ("OrderNo") DO UPDATE SET {updated}'])


def delete_insert(address: str) -> None:
    """COPY into an unlogged table, then DELETE by key and INSERT."""
    deleted = 'DELETE FROM order_lines USING staged WHERE order_lines."OrderNo" = staged."OrderNo"'
    _copied(address, [deleted, "INSERT INTO order_lines SELECT * FROM staged"])


def _copied(address: str, merged: list[str]) -> None:
    with psycopg.connect(address) as connection:
        connection.execute(f'CREATE TABLE IF NOT EXISTS order_lines ({_TABLE}, PRIMARY KEY ("OrderNo"))')
        connection.execute("DROP TABLE IF EXISTS staged")
        connection.execute(f"CREATE UNLOGGED TABLE staged ({_TABLE})")
        with connection.cursor().copy("COPY staged FROM STDIN CSV") as copy:
            while block := sys.stdin.buffer.read(1 << 20):
                copy.write(block)
        for statement in ["ANALYZE staged", *merged, "DROP TABLE staged"]:
            connection.execute(statement)


FLOORS: dict[str, Callable[[str], None]] = {floor.__name__: floor for floor in (read_json, on_conflict, delete_insert)}

if __name__ == "__main__":
    FLOORS[sys.argv[1]](sys.argv[2])
