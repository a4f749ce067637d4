"""The history of loads, which stands beside the tables: one row for each batch, written in the transaction of its rows. Pure.

It is what the next run asks when nobody knows whether a batch arrived, and what a Looker datagroup may watch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ifs_bi_core.columnar.columns import Column, ColumnType, Kind

from target_looker_warehouse.names import suffixed

if TYPE_CHECKING:
    from datetime import datetime

    from target_looker_warehouse.dialects.facts import Dialect

LOADS = "_ifs_loads"
"""The table's name, before `Dialect.cased`."""

_COLUMNS = {
    "stream": Kind.TEXT,
    "batch": Kind.TEXT,
    "run": Kind.TEXT,
    "rows": Kind.INTEGER,
    "bytes": Kind.INTEGER,
    "started_at": Kind.TIMESTAMP,
    "loaded_at": Kind.TIMESTAMP,
}


class Load(NamedTuple):
    """A batch, as far as it has come.

    Attributes:
        stream: whose rows.
        batch: the ledger's name of it.
        run: the ledger's name of the run.
        rows: how many of its rows, from the first on, are there or were refused.
        size: bytes of these rows as Arrow data.
        started_at: when the first of them were given to the warehouse.
        again: whether a part of the batch was loaded before.
    """

    stream: str
    batch: str
    run: str
    rows: int
    size: int
    started_at: datetime
    again: bool = False


def columns(dialect: Dialect) -> list[Column]:
    """The columns: stream, batch, run, rows, bytes, started_at and loaded_at."""
    return [Column(name, dialect.cased(name), ColumnType(kind)) for name, kind in _COLUMNS.items()]


def values(load: Load, loaded_at: datetime, dialect: Dialect) -> list[str | int]:
    """A row of the table, as parameters."""
    times = load.started_at.isoformat(), loaded_at.isoformat()
    return [told(load.stream, dialect), load.batch, load.run, load.rows, load.size, *times]


def told(stream: str, dialect: Dialect) -> str:
    """A stream's name as a value; a text may hold less than the name has."""
    return suffixed(stream, dialect) if dialect.unheld and dialect.unheld in stream else stream


def read_rows(table: str, dialect: Dialect) -> str:
    """How many rows of a batch are there. Parameters: stream, batch."""
    quoted = dialect.quoted(dialect.cased("rows"))
    return f"SELECT {quoted} FROM {table} WHERE {_of_batch(dialect)}"


def delete_load(table: str, dialect: Dialect) -> str:
    """Take out the row of a batch. Parameters: stream, batch."""
    return f"DELETE FROM {table} WHERE {_of_batch(dialect)}"


def count_old(table: str, dialect: Dialect) -> str:
    """How many rows `delete_old` takes out. Parameter: the same."""
    return f"SELECT count(*) FROM {table} WHERE {_old(table, dialect)}"


def delete_old(table: str, dialect: Dialect) -> str:
    """Take out what was loaded before a time, but for the last load of each stream. Parameter: the time as ISO 8601 writes it."""
    return f"DELETE FROM {table} WHERE {_old(table, dialect)}"


def _old(table: str, dialect: Dialect) -> str:
    stream, loaded_at = (dialect.quoted(dialect.cased(name)) for name in ("stream", "loaded_at"))
    return (
        f"{loaded_at} < CAST($1 AS {dialect.types[Kind.TIMESTAMP]}) "
        f"AND {loaded_at} NOT IN (SELECT max({loaded_at}) FROM {table} GROUP BY {stream})"
    )


def read_streams(table: str, dialect: Dialect) -> str:
    """The streams that were ever loaded."""
    stream = dialect.quoted(dialect.cased("stream"))
    return f"SELECT DISTINCT {stream} FROM {table}"


def _of_batch(dialect: Dialect) -> str:
    stream, batch = (dialect.quoted(dialect.cased(name)) for name in ("stream", "batch"))
    return f"{stream} = $1 AND {batch} = $2"
