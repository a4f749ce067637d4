"""A DuckDB database file as the warehouse. The only module that speaks to DuckDB."""

from __future__ import annotations

import weakref
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import duckdb
from ifs_bi_core.errors import ConfigError, ContractBrokenError, IfsBiError
from ifs_bi_core.singer.outgoing import BatchRefusedError

from target_looker_warehouse import statements
from target_looker_warehouse.names import suffixed
from target_looker_warehouse.tables import Mark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from target_looker_warehouse.rounds import Round
    from target_looker_warehouse.tables import ExistingTables, Plan, Table

_DATABASE = "warehouse"  # what the attached file is called in statements
_MAIN_SCHEMA = "main"
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
_ROW_GROUP_ROWS = 20_480
"""Rows of a new row group. A commit rewrites the last one that is not full, so the default of 122,880 makes every batch dearer
and takes twice the memory (duckdb.org/docs/current/sql/statements/attach)."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class DuckDbFile:
    """The one connection of a run to its database file (see `target_looker_warehouse.warehouse.Warehouse`).

    By `close`, or at the latest when the process ends (also after an error), the file's write-ahead log is folded in and its lock
    given back.
    """

    def __init__(self, file: Path, schema: str | None) -> None:
        self._file = file
        self._schema = schema or _MAIN_SCHEMA
        self._connection = _opened(file)
        self._started_over: set[str] = set()
        self._closing = weakref.finalize(self, _close, self._connection, self._started_over)
        with self._transaction(f"schema {self._schema!r}", "be created"):
            self._connection.execute(statements.create_schema(statements.qualified(_DATABASE, self._schema)))
            self._connection.execute(statements.create_marks(self._marks))

    def close(self) -> None:
        """Fold the write-ahead log in and give the lock back."""
        self._closing()

    def existing(self, name: str) -> ExistingTables:
        """The tables whose names may be meant by ``name``."""
        found: ExistingTables = {}
        with self._transaction(f"table {name!r}", "be looked up"):
            parameters = [_DATABASE, self._schema, name, suffixed(name)]
            columns = self._connection.execute(statements.COLUMNS_OF_TABLES, parameters).fetchall()
        for table, column, type_name in columns:
            found.setdefault(table, {})[column] = type_name
        return found

    def shape(self, plan: Plan) -> None:
        """Make the table, or add and widen its columns."""
        table, what = self._qualified(plan.table), f"table {plan.table.name!r}"
        with self._transaction(what, "be given its columns"):
            if plan.create:
                self._connection.execute(statements.create_table(table, plan.table.columns))
            for column in plan.added:
                self._connection.execute(statements.add_column(table, column))
        for column in plan.widened:
            try:
                self._connection.execute(statements.widen_column(table, column))
            except duckdb.Error as error:
                raise ContractBrokenError(
                    f'Column "{column.name}" of {what} has to become {column.type} to hold what the SCHEMA now announces, and a '
                    f"value in it doesn't fit: {_first_line(error)} Rename or drop that column in the warehouse, or load the "
                    f"stream once with load_method overwrite, then run again."
                ) from None

    def append(self, table: Table, rows: pa.Table, mark: Mark | None) -> int:
        """Add rows."""
        with self._transaction(f"table {table.name!r}", "take a batch", refusals=_REFUSALS):
            self._apply(rows, statements.insert(self._qualified(table), rows.column_names))
            self._write_mark(mark)
        return 0

    def merge(self, table: Table, rounds: Sequence[Round], mark: Mark | None, *, hard_delete: bool) -> int:
        """Apply the rounds one after another, in one transaction."""
        outdated = 0
        with self._transaction(f"table {table.name!r}", "take a batch", refusals=_REFUSALS):
            for live, gone in rounds:
                if live.num_rows:
                    outdated += self._replace_rows(table, live)
                if gone.num_rows and hard_delete:
                    self._apply(gone, statements.delete_kept(self._qualified(table), table.key, table.row_version))
                elif gone.num_rows:
                    outdated += self._mark_rows(table, gone)
            self._write_mark(mark)
        return outdated

    def _replace_rows(self, table: Table, live: pa.Table) -> int:
        """Returns how many rows were older than those that are kept."""
        qualified, names, version = self._qualified(table), live.column_names, table.row_version
        texts = [statements.delete_kept(qualified, table.key, version)]
        if version is None:
            texts.append(statements.insert(qualified, names))
        else:
            if table.table_version in names:
                texts.append(statements.carry_on_newer(qualified, table.table_version or "", table.key, version))
            texts.append(statements.insert_unkept(qualified, names, table.key))
        return int(live.num_rows) - self._apply(live, *texts)[-1]

    def _mark_rows(self, table: Table, gone: pa.Table) -> int:
        """Returns how many deletes were older than the rows that are kept."""
        qualified = self._qualified(table)
        told = (name for name in gone.column_names if gone[name].null_count < gone.num_rows)
        carried = [name for name in told if name not in table.key]
        marked, inserted = self._apply(
            gone,
            statements.mark_kept(qualified, carried, table.key, table.row_version),
            statements.insert_unkept(qualified, gone.column_names, table.key),
        )
        return int(gone.num_rows) - marked - inserted

    def mark(self, stream: str) -> Mark | None:
        """How far the stream has come."""
        with self._transaction(f"table {statements.MARKS!r}", "be read"):
            found = self._connection.execute(statements.read_mark(self._marks), [stream]).fetchone()
        return Mark(*found) if found else None

    def _write_mark(self, mark: Mark | None) -> None:
        if mark is not None:
            self._connection.execute(statements.delete_mark(self._marks), [mark.stream])
            self._connection.execute(statements.insert_mark(self._marks), list(mark))

    def retire(self, table: Table, version: int, *, at: datetime | None) -> None:
        """Mark or remove the rows that the full refresh ``version`` didn't carry."""
        qualified, table_version = self._qualified(table), table.table_version or ""
        with self._transaction(f"table {table.name!r}", f"be rid of what version {version} didn't carry"):
            if at is None:
                self._connection.execute(statements.delete_unseen(qualified, table_version), [version])
            else:
                moment = (at - _EPOCH) // _MICROSECOND
                statement = statements.mark_unseen(qualified, table.deleted_at or "", table_version)
                self._connection.execute(statement, [moment, version])

    def start_over(self, table: Table) -> None:
        """Make the table anew, empty."""
        qualified = self._qualified(table)
        with self._transaction(f"table {table.name!r}", "be created"):
            self._connection.execute(statements.drop_table(qualified))
            self._connection.execute(statements.create_table(qualified, table.columns))
        self._started_over.add(qualified)

    def replace(self, table: Table, incoming: Table, mark: Mark | None) -> None:
        """Put ``incoming`` in the place of ``table``."""
        with self._transaction(f"table {table.name!r}", "be replaced"):
            self._write_mark(mark)
            self._connection.execute(statements.drop_table(self._qualified(table)))
            self._connection.execute(statements.rename_table(self._qualified(incoming), table.name))
        self._started_over.discard(self._qualified(incoming))

    def _qualified(self, table: Table) -> str:
        return statements.qualified(_DATABASE, self._schema, table.name)

    @property
    def _marks(self) -> str:
        return statements.qualified(_DATABASE, self._schema, statements.MARKS)

    def _apply(self, rows: pa.Table, *texts: str) -> list[int]:
        """Run statements that read ``rows`` as the incoming batch; how many rows each of them wrote."""
        self._connection.register(statements.INCOMING, rows)
        written = [int((self._connection.execute(text).fetchone() or (0,))[0]) for text in texts]
        self._connection.unregister(statements.INCOMING)
        return written

    @contextmanager
    def _transaction(
        self, what: str, could_not: str, *, refusals: tuple[type[duckdb.Error], ...] = ()
    ) -> Iterator[None]:
        """All statements inside, or none; what DuckDB says against one of them becomes a sentence.

        Args:
            what: the table.
            could_not: what could not be done with it.
            refusals: errors that are about the rows, not about the warehouse.
        """
        self._connection.begin()
        try:
            yield
            self._connection.commit()
        except BaseException as error:
            with suppress(duckdb.Error):  # DuckDB has ended some failed transactions itself
                self._connection.rollback()
            if not isinstance(error, duckdb.Error):
                raise
            if isinstance(error, refusals):
                raise BatchRefusedError(f"{what} does not take it: {_first_line(error)}") from None
            raise IfsBiError(
                f"In {self._file} {what} could not {could_not}: {_first_line(error)} The state was not moved past it; run again "
                f"when the cause is gone."
            ) from None
        self._give_memory_back()

    def _give_memory_back(self) -> None:
        try:
            self._connection.execute(statements.LIMIT_MEMORY, [_IDLE_MEMORY])
        except duckdb.OutOfMemoryException:  # rows that are in the log alone can't be given back
            self._connection.execute(statements.checkpoint(_DATABASE))
        self._connection.execute(statements.LIMIT_MEMORY, [_SETTINGS["memory_limit"]])


def _opened(file: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config=_SETTINGS | {"temp_directory": f"{file}.tmp"})
    try:
        connection.execute(statements.attach(str(file.absolute()), _DATABASE, _ROW_GROUP_ROWS))
    except duckdb.Error as error:
        connection.close()
        raise _unopened(file, str(error)) from None
    return connection


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


def _close(connection: duckdb.DuckDBPyConnection, started_over: set[str]) -> None:
    """Drop what was never put in place, fold the write-ahead log in and give the lock back."""
    for table in started_over:
        with suppress(duckdb.Error):  # the next overwriting run drops it
            connection.execute(statements.drop_table(table))
    connection.close()


def _first_line(error: Exception | str) -> str:
    line = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{line}."
