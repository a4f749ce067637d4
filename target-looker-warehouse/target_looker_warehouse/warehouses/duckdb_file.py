"""A DuckDB database file as the warehouse. The only module that speaks to DuckDB, with the one that speaks to MotherDuck."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import duckdb
from ifs_bi_core.errors import ConfigError, IfsBiError

from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.statements import insert
from target_looker_warehouse.warehouses.connection import Address
from target_looker_warehouse.warehouses.sentences import Failure, failed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from target_looker_warehouse.warehouses.connection import Refusal

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
_URL = "duckdb:///"
_MAGIC = (8, b"DUCK")
"""What a database file says of itself, and where (duckdb.org/docs/current/internals/storage)."""


def address(warehouse_url: str, staging_url: str | None = None) -> Address:
    """What ``duckdb:///file.duckdb`` (in the working folder) or ``duckdb:////folder/file.duckdb`` means.

    Raises:
        ConfigError: it names no file, or one in a folder that isn't there.
    """
    del staging_url  # rows are read from this process's memory
    path = warehouse_url.removeprefix(_URL)
    if path == warehouse_url or not path.strip("/") or path == ":memory:":
        raise ConfigError(
            f"Setting 'warehouse_url' is {warehouse_url}, which names no warehouse. Write duckdb:///file.duckdb for a file in "
            f"the working folder, duckdb:////folder/file.duckdb with four slashes for any other."
        )
    file = Path(path)
    if not file.absolute().parent.is_dir():
        raise ConfigError(
            f"Setting 'warehouse_url' is {warehouse_url}, but there is no folder {file.absolute().parent}. "
            f"Make it, or name another one."
        )
    return Address(f"{_URL}{file.absolute()}", partial(DuckDbFile, file))


class DuckDB:
    """The one connection of a run to its database (see `target_looker_warehouse.warehouses.connection.Connection`).

    Args:
        connection: whose current database is the warehouse.
        database: its name in statements.
        name: of the warehouse, for sentences.
    """

    dialect = DUCKDB
    main_schema = "main"

    def __init__(self, connection: duckdb.DuckDBPyConnection, database: str, name: str) -> None:
        self._connection = connection
        self.inside: tuple[str, ...] = (database,)
        self._name = name
        self._numbers = count(1)

    def query(self, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement's answer."""
        return self._connection.execute(text, list(parameters)).fetchall()

    def define(self, text: str) -> None:
        """Make, change or remove a table or a schema."""
        self._connection.execute(text)

    def write(self, text: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement wrote."""
        return int((self._connection.execute(text, list(parameters)).fetchone() or (0,))[0] or 0)

    def append(self, table: str, rows: pa.Table) -> None:
        """Put rows into a table, straight from Arrow's memory."""
        with self.staged(rows, table) as incoming:
            self.write(insert(table, rows.column_names, incoming, self.dialect))

    @contextmanager
    def staged(self, rows: pa.Table, table: str) -> Iterator[str]:
        """The rows as they are; nothing is copied."""
        del table
        name = f"_ifs_incoming_{next(self._numbers)}"
        self._connection.register(name, rows)
        try:
            yield self.dialect.quoted(name)
        finally:
            with suppress(duckdb.Error):  # a failed transaction takes it along
                self._connection.unregister(name)

    def claim(self, schema: str, stream: str) -> None:
        """The lock of a file is all that is needed; MotherDuck has none."""

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
            kind = Failure.REFUSED if isinstance(error, _REFUSALS) else Failure.OTHER
            raise failed(kind, self._name, what, could_not, first_line(error), refused) from None
        self.settle()

    def settle(self) -> None:
        """What is good to do when a transaction has ended."""

    def close(self) -> None:
        """Give the database back."""
        self._connection.close()


class DuckDbFile(DuckDB):
    """A connection to a file. The file's lock is held until it is closed; then its write-ahead log is folded in."""

    def __init__(self, file: Path) -> None:
        super().__init__(_opened(file), _DATABASE, str(file))

    def settle(self) -> None:
        """Give memory back."""
        try:
            self._connection.execute(_LIMIT_MEMORY, [_IDLE_MEMORY])
        except duckdb.OutOfMemoryException:  # rows that are in the log alone can't be given back
            self._connection.execute(f"CHECKPOINT {DUCKDB.quoted(_DATABASE)}")
        self._connection.execute(_LIMIT_MEMORY, [_SETTINGS["memory_limit"]])


def _opened(file: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=_SETTINGS | {"temp_directory": f"{file}.tmp"})
    try:
        _attach(connection, file)
        connection.execute(f"USE {DUCKDB.quoted(_DATABASE)}")
    except (duckdb.Error, OSError) as error:
        connection.close()
        raise _unopened(file, str(error)) from None
    return connection


def _attach(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """Open a database file; one that a killed process had only begun to make is made anew."""
    statement = _attaching(file.absolute())
    try:
        connection.execute(statement)
    except duckdb.Error:
        if not _made_anew(file):
            raise
        connection.execute(statement)


def _attaching(file: Path) -> str:
    """The statement that opens a database file. DuckDB before version 2 takes the path as a literal alone."""
    literal = "'" + str(file).replace("'", "''") + "'"
    return f"ATTACH {literal} AS {DUCKDB.quoted(_DATABASE)} (ROW_GROUP_SIZE {_ROW_GROUP_ROWS})"


def _made_anew(file: Path) -> bool:
    """Whether this file was one that held no row yet, and now is a whole database without one.

    DuckDB writes the headers of a new file one after the other, and never opens one again that lacks some. Nothing can have
    been committed to it. DuckDB's own lock is held meanwhile: a process that is just making the file is left alone.

    Raises:
        OSError: it can't be written.
    """
    log = file.with_name(f"{file.name}.wal")
    if log.exists() or not file.is_file() or not os.access(file, os.W_OK):
        return False
    handle = os.open(file, os.O_RDWR)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        size, (place, magic), whole = os.fstat(handle).st_size, _MAGIC, _new_database()
        if size >= len(whole) or (size and os.pread(handle, len(magic), place) != magic):
            return False
        os.pwrite(handle, whole, 0)
        os.fsync(handle)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _new_database() -> bytes:
    with TemporaryDirectory() as folder, duckdb.connect(":memory:") as connection:
        file = Path(folder) / "new.duckdb"
        connection.execute(_attaching(file))
        connection.execute(f"DETACH {DUCKDB.quoted(_DATABASE)}")
        return file.read_bytes()


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
    return ConfigError(f"Setting 'warehouse_url' names {file}, which DuckDB can't open: {first_line(reason)}")


def first_line(error: Exception | str) -> str:
    """DuckDB's own words: the first line, as a sentence."""
    line = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{line}."
