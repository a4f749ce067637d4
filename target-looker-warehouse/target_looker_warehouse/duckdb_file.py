"""A DuckDB database file as the warehouse. The only module that speaks to DuckDB."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import duckdb
from ifs_bi_core.errors import ConfigError, IfsBiError

from target_looker_warehouse.dialects import DUCKDB
from target_looker_warehouse.statements import INCOMING, insert, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from target_looker_warehouse.connection import Refusal

_DATABASE = "warehouse"  # what the attached file is called in statements
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "512MB",  # for one transaction; what doesn't fit is spilled to a folder beside the file
    "threads": 1,  # reading the lines takes longer than loading them, and each thread needs memory of its own
    "checkpoint_threshold": "4MB",  # little is rewritten at a time
    "preserve_insertion_order": False,  # a table has no order, and keeping one costs memory
    "autoinstall_known_extensions": False,  # nothing here needs one, and none may be fetched from the network
}
_REFUSALS = (duckdb.ConstraintException, duckdb.ConversionException, duckdb.OutOfRangeException)
"""What DuckDB says of rows that a table of somebody else's making doesn't take: NOT NULL, UNIQUE, CHECK, a narrower type."""
_IDLE_MEMORY = "24MB"
"""What DuckDB may keep between transactions. Beyond it cached blocks are given back: memory doesn't grow with the tables."""
_LIMIT_MEMORY = "SET memory_limit = ?"
_ROW_GROUP_ROWS = 20_480
"""Rows of a new row group. A commit rewrites the last one that is not full, so the default of 122,880 makes every batch dearer
and takes twice the memory (duckdb.org/docs/current/sql/statements/attach)."""


class DuckDbFile:
    """The one connection of a run to its database file (see `target_looker_warehouse.connection.Connection`).

    The file's lock is held until it is closed; then its write-ahead log is folded in.
    """

    dialect = DUCKDB
    main_schema = "main"
    inside: tuple[str, ...] = (_DATABASE,)

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection = _opened(file)

    def query(self, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement's answer."""
        return self._connection.execute(text, list(parameters)).fetchall()

    def write(self, text: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement wrote."""
        return int((self._connection.execute(text, list(parameters)).fetchone() or (0,))[0] or 0)

    def append(self, table: str, rows: pa.Table) -> None:
        """Put rows into a table, straight from Arrow's memory."""
        with self.staged(rows, table):
            self.write(insert(table, rows.column_names, quoted(INCOMING)))

    @contextmanager
    def staged(self, rows: pa.Table, table: str) -> Iterator[None]:
        """Make rows visible to statements; nothing is copied."""
        del table
        self._connection.register(INCOMING, rows)
        yield
        self._connection.unregister(INCOMING)

    def claim(self, schema: str, stream: str) -> None:
        """The file's lock is all that is needed."""

    @contextmanager
    def transaction(self, what: str, could_not: str, refused: Refusal | None = None) -> Iterator[None]:
        """All statements inside, or none; what DuckDB says against one of them becomes a sentence."""
        self._connection.begin()
        try:
            yield
            self._connection.commit()
        except BaseException as error:
            with suppress(duckdb.Error):  # DuckDB has ended some failed transactions itself
                self._connection.rollback()
            if not isinstance(error, duckdb.Error):
                raise
            if refused is not None and isinstance(error, _REFUSALS):
                raise refused(_first_line(error)) from None
            raise IfsBiError(
                f"In {self._file} {what} could not {could_not}: {_first_line(error)} The state was not moved past it; run again "
                f"when the cause is gone."
            ) from None
        self._give_memory_back()

    def close(self) -> None:
        """Fold the write-ahead log in and give the lock back."""
        self._connection.close()

    def _give_memory_back(self) -> None:
        try:
            self._connection.execute(_LIMIT_MEMORY, [_IDLE_MEMORY])
        except duckdb.OutOfMemoryException:  # rows that are in the log alone can't be given back
            self._connection.execute(f"CHECKPOINT {quoted(_DATABASE)}")
        self._connection.execute(_LIMIT_MEMORY, [_SETTINGS["memory_limit"]])


def _opened(file: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=_SETTINGS | {"temp_directory": f"{file}.tmp"})
    try:
        connection.execute(_attach(str(file.absolute())))
    except duckdb.Error as error:
        connection.close()
        raise _unopened(file, str(error)) from None
    return connection


def _attach(path: str) -> str:
    """The statement that opens a database file. DuckDB before version 2 takes the path as a literal alone."""
    literal = "'" + path.replace("'", "''") + "'"
    return f"ATTACH {literal} AS {quoted(_DATABASE)} (ROW_GROUP_SIZE {_ROW_GROUP_ROWS})"


def _unopened(file: Path, reason: str) -> IfsBiError:
    """The sentence for a file that DuckDB doesn't open."""
    if "Could not set lock" in reason:
        holder = reason.partition("Conflicting lock is held in ")[2].partition(". See")[0]
        return IfsBiError(
            f"The warehouse {file} is held by another process{f': {holder}' if holder else ''}. DuckDB lets one process write a "
            f"file at a time: wait for that one or end it, then run again. Nothing was sent."
        )
    if file.is_dir():
        return ConfigError(f"Setting 'warehouse_url' names {file}, which is a folder. Name a file in it.")
    if "not a valid DuckDB database" in reason:
        return ConfigError(
            f"Setting 'warehouse_url' names {file}, which is there but is no DuckDB database. Name another file; this one was "
            f"left as it is."
        )
    return ConfigError(f"Setting 'warehouse_url' names {file}, which DuckDB can't open: {_first_line(reason)}")


def _first_line(error: Exception | str) -> str:
    line = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{line}."
