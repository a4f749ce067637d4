"""One connection for two threads: the one that reads on, and the one that delivers a batch meanwhile."""

from __future__ import annotations

from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from target_looker_warehouse.warehouses.connection import Connection, Refusal


class TakingTurns:
    """A connection whose transactions are taken by turns (see `target_looker_warehouse.warehouses.connection.Connection`)."""

    def __init__(self, connection: Connection) -> None:
        self.dialect = connection.dialect
        self.main_schema = connection.main_schema
        self.inside = connection.inside
        self._connection = connection
        self._turn = RLock()

    @contextmanager
    def transaction(self, what: str, could_not: str, refused: Refusal | None = None) -> Iterator[None]:
        """A transaction; it begins when the other thread's has ended."""
        with self._turn, self._connection.transaction(what, could_not, refused):
            yield

    def claim(self, schema: str, stream: str) -> None:
        """Claim a stream."""
        with self._turn:
            self._connection.claim(schema, stream)

    def close(self) -> None:
        """Give everything back, when the other thread's transaction has ended."""
        with self._turn:
            self._connection.close()

    def query(self, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement's answer."""
        return self._connection.query(text, parameters)

    def define(self, text: str) -> None:
        """Make, change or remove a table or a schema."""
        self._connection.define(text)

    def write(self, text: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement wrote."""
        return self._connection.write(text, parameters)

    def append(self, table: str, rows: pa.Table) -> None:
        """Put rows into a table, in bulk."""
        self._connection.append(table, rows)

    def staged(self, rows: pa.Table, table: str) -> AbstractContextManager[str]:
        """Rows as a table."""
        return self._connection.staged(rows, table)
