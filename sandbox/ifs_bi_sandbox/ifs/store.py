"""The SQLite file behind the tenant: connections to read with, and short write transactions."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from ifs_bi_sandbox.ifs.aggregation import FUNCTIONS
from ifs_bi_sandbox.ifs.catalogue import LISTING_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LOCK_TIMEOUT = 30.0  # seconds a writer waits for another


class Store:
    """Connections to one database file.

    Readers never wait for writers, which is what WAL mode is for; it is switched on if the file isn't in it.

    Args:
        database: The file.
        listing: Name, description and category of each projection, for the table behind ``AllProjections``.
    """

    def __init__(self, database: Path, listing: Sequence[tuple[str, str, str]]) -> None:
        self._database = database
        self._listing = listing
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode=WAL")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that cannot write, for one request: opening one takes less than a millisecond."""
        with closing(self._connect()) as connection:
            connection.execute(
                f'CREATE TEMP TABLE "{LISTING_TABLE}" ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT, '
                '"Name" TEXT UNIQUE, "Description" TEXT, "Categories" TEXT)'
            )
            connection.executemany(
                f'INSERT INTO "{LISTING_TABLE}" ("Name", "Description", "Categories") VALUES (?, ?, ?)',  # noqa: S608 - a constant
                self._listing,
            )
            connection.execute("PRAGMA query_only=ON")
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection within one write transaction, undone when the block fails."""
        with closing(self._connect()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        """A connection with the functions that filters need."""
        connection = sqlite3.connect(self._database, timeout=LOCK_TIMEOUT, isolation_level=None)
        # SQLite's own lower and upper know ASCII only; Oracle's know every letter.
        connection.create_function("odp_lower", 1, _lower, deterministic=True)
        connection.create_function("odp_upper", 1, _upper, deterministic=True)
        connection.create_function("odp_endswith", 2, _endswith, deterministic=True)
        for name, function in FUNCTIONS.items():
            connection.create_aggregate(name, 1, function)
        return connection


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _upper(text: str | None) -> str | None:
    return None if text is None else text.upper()


def _endswith(text: str | None, end: str | None) -> bool | None:
    return None if text is None or end is None else text.endswith(end)
