"""Bulk loading: rows are checked one by one and reach SQLite in chunks, so that memory doesn't grow with their number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.tables import TABLES

if TYPE_CHECKING:
    import sqlite3

    from ifs_bi_sandbox.data.values import Row, Stored

CHUNK = 2000  # rows of a table


class Loader:
    """Takes rows for all tables; `flush` at the end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._waiting: dict[str, list[tuple[Stored, ...]]] = {name: [] for name in TABLES}
        self.rows = 0  # taken so far

    def write(self, table: str, row: Row, at: str) -> None:
        """Take a row that was last changed at that instant."""
        waiting = self._waiting[table]
        waiting.append(TABLES[table].stored(row, at))
        self.rows += 1
        if len(waiting) >= CHUNK:
            self._send(table)

    def flush(self) -> None:
        """Write what still waits."""
        for table in self._waiting:
            self._send(table)

    def _send(self, table: str) -> None:
        self._connection.executemany(TABLES[table].insertion, self._waiting[table])
        self._waiting[table].clear()
