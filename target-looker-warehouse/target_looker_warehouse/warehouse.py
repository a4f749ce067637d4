"""The engine: tables of a warehouse get their shape and their rows, in transactions. The same for every warehouse."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ContractBrokenError, IfsBiError
from ifs_bi_core.singer.outgoing import BatchRefusedError

from target_looker_warehouse import statements
from target_looker_warehouse.names import suffixed
from target_looker_warehouse.tables import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import pyarrow as pa

    from target_looker_warehouse.connection import Connection
    from target_looker_warehouse.rounds import Round
    from target_looker_warehouse.tables import ExistingTables, Plan, Table


class Warehouse:
    """One open warehouse. What a method does to rows is one transaction: done when it returns, undone when it raises.

    By `close`, or at the latest when the process ends (also after an error), tables that were never put in place are dropped and
    the connection is given back.

    Args:
        connection: of this run.
        schema: where tables are; the warehouse's main schema if there is none. It is created if absent.

    Raises:
        ConfigError: the schema can't be used; or, from any method, this user may not do what it does.
        IfsBiError: from any method, the warehouse could not do it; the message says what and where.
        OutcomeUnknownError: from a method that writes, nobody knows whether it was done.
    """

    def __init__(self, connection: Connection, schema: str | None) -> None:
        self.dialect = connection.dialect
        self._connection = connection
        self._schema = schema or connection.main_schema
        self._marks = self._qualified(statements.MARKS)
        self._started_over: set[str] = set()
        self._closing = weakref.finalize(self, _close, connection, self._started_over)
        try:
            self._prepare()
        except IfsBiError:  # another run makes them at this moment; or the error comes again
            self._prepare()

    def _prepare(self) -> None:
        """See that there are the schema and the table of marks; who may load tables needs no right to make a schema."""
        query, write = self._connection.query, self._connection.write
        with self._connection.transaction(f"schema {self._schema!r}", "be prepared"):
            if query(self.dialect.columns_of_tables, [self._schema, statements.MARKS, statements.MARKS]):
                return
            if not query(self.dialect.schemas, [self._schema]):
                write(statements.create_schema(statements.qualified(*self._connection.inside, self._schema)))
            write(statements.create_marks(self._marks))

    def close(self) -> None:
        """Give everything back. Closing twice does no harm."""
        self._closing()

    def claim(self, stream: str) -> None:
        """See that no other run writes this stream's table until the warehouse is closed.

        Raises:
            IfsBiError: another one does.
        """
        self._connection.claim(self._schema, stream)

    def existing(self, name: str) -> ExistingTables:
        """The tables whose names may be meant by ``name``: as it is, in other case, or suffixed. One statement."""
        with self._connection.transaction(f"table {name!r}", "be looked up"):
            return self._standing(name)

    def _standing(self, name: str) -> ExistingTables:
        other = suffixed(name, self.dialect)
        spelled = name if self.dialect.holds(name) else other
        found: ExistingTables = {}
        for table, column, type_name in self._connection.query(
            self.dialect.columns_of_tables, [self._schema, spelled, other]
        ):
            found.setdefault(table, {})[column] = type_name
        return found

    def shape(self, plan: Plan) -> None:
        """Make the table of the plan, or add and widen its columns.

        Raises:
            ContractBrokenError: a value doesn't fit the type that its column has to have.
        """
        table, what = self._qualified(plan.table.name), f"table {plan.table.name!r}"
        if plan.create or plan.added:
            with self._connection.transaction(what, "be given its columns"):
                if plan.create:
                    self._create(plan.table)
                for column in plan.added:
                    self._connection.write(statements.add_column(table, column, self.dialect))
        for column in plan.widened:
            refused = _unwidened(column.name, what, self.dialect.type_name(column.type))
            with self._connection.transaction(f'column "{column.name}" of {what}', "be widened", refused):
                self._connection.write(statements.widen_column(table, column, self.dialect))

    def _create(self, table: Table) -> None:
        qualified = self._qualified(table.name)
        self._connection.write(statements.create_table(qualified, table.columns, self.dialect))
        if self.dialect.indexes_keys and table.key:
            self._connection.write(statements.create_index(qualified, table.key))

    def append(self, table: Table, rows: pa.Table, mark: Mark | None) -> int:
        """Add rows. None of them is older than what the warehouse holds: 0.

        Raises:
            BatchRefusedError: the table does not take them, for good.
        """
        what = f"table {table.name!r}"
        with self._connection.transaction(what, "take a batch", _refused(what)):
            self._connection.append(self._qualified(table.name), rows)
            self._write_mark(mark)
        return 0

    def merge(self, table: Table, rounds: Sequence[Round], mark: Mark | None, *, hard_delete: bool) -> int:
        """Apply the rounds one after another; with ``hard_delete`` rows that are gone at the source are removed, else marked.

        Returns:
            How many rows were older than what the warehouse holds, and left aside.

        Raises:
            BatchRefusedError: the table does not take them, for good.
        """
        outdated, what = 0, f"table {table.name!r}"
        with self._connection.transaction(what, "take a batch", _refused(what)):
            for live, gone in rounds:
                if live.num_rows:
                    outdated += self._replace_rows(table, live)
                if gone.num_rows and hard_delete:
                    delete = statements.delete_kept(self._qualified(table.name), table.key, table.row_version)
                    self._apply(table, gone, delete)
                elif gone.num_rows:
                    outdated += self._mark_rows(table, gone)
            self._write_mark(mark)
        return outdated

    def _replace_rows(self, table: Table, live: pa.Table) -> int:
        """Returns how many rows were older than those that are kept."""
        qualified, names, version = self._qualified(table.name), live.column_names, table.row_version
        texts = [statements.delete_kept(qualified, table.key, version)]
        if version is None:
            texts.append(statements.insert(qualified, names, statements.quoted(statements.INCOMING)))
        else:
            if table.table_version in names:
                texts.append(statements.carry_on_newer(qualified, table.table_version or "", table.key, version))
            texts.append(statements.insert_unkept(qualified, names, table.key))
        return int(live.num_rows) - self._apply(table, live, *texts)[-1]

    def _mark_rows(self, table: Table, gone: pa.Table) -> int:
        """Returns how many deletes were older than the rows that are kept."""
        qualified = self._qualified(table.name)
        told = (name for name in gone.column_names if gone[name].null_count < gone.num_rows)
        carried = [name for name in told if name not in table.key]
        marked, inserted = self._apply(
            table,
            gone,
            statements.mark_kept(qualified, carried, table.key, table.row_version),
            statements.insert_unkept(qualified, gone.column_names, table.key),
        )
        return int(gone.num_rows) - marked - inserted

    def _apply(self, table: Table, rows: pa.Table, *texts: str) -> list[int]:
        """Run statements that read ``rows`` as the incoming batch; how many rows each of them wrote."""
        with self._connection.staged(rows, self._qualified(table.name)):
            return [self._connection.write(text) for text in texts]

    def mark(self, stream: str) -> Mark | None:
        """How far the stream has come; None where that was never told."""
        with self._connection.transaction(f"table {statements.MARKS!r}", "be read"):
            found = self._connection.query(statements.read_mark(self._marks), [self._told(stream)])
        return Mark(stream, *found[0][1:]) if found else None

    def _write_mark(self, mark: Mark | None) -> None:
        if mark is not None:
            stream = self._told(mark.stream)
            self._connection.write(statements.delete_mark(self._marks), [stream])
            self._connection.write(statements.insert_mark(self._marks), [stream, mark.batch, mark.rows])

    def _told(self, stream: str) -> str:
        """The stream's name as a value; a text may hold less than the name has."""
        unheld = self.dialect.unheld
        return suffixed(stream, self.dialect) if unheld and unheld in stream else stream

    def retire(self, table: Table, version: int, *, at: datetime | None) -> None:
        """Mark the rows that the full refresh ``version`` didn't carry as deleted ``at`` a time; without one, remove them."""
        qualified, table_version = self._qualified(table.name), table.table_version or ""
        with self._connection.transaction(f"table {table.name!r}", f"be rid of what version {version} didn't carry"):
            if at is None:
                self._connection.write(statements.delete_unseen(qualified, table_version), [version])
            else:
                statement = statements.mark_unseen(qualified, table.deleted_at or "", table_version)
                self._connection.write(statement, [at.isoformat(), version])

    def start_over(self, table: Table) -> None:
        """Make the table anew, empty; until `replace` it is dropped when the warehouse is closed."""
        qualified = self._qualified(table.name)
        with self._connection.transaction(f"table {table.name!r}", "be created"):
            self._connection.write(statements.drop_table(qualified))
            self._create(table)
        self._started_over.add(qualified)

    def replace(self, table: Table, incoming: Table, mark: Mark | None) -> None:
        """Put ``incoming`` in the place of ``table``; a reader sees the one or the other."""
        qualified, gathered = self._qualified(table.name), self._qualified(incoming.name)
        what = f"table {table.name!r}"
        with self._connection.transaction(what, "be replaced", _refused(what)):
            self._write_mark(mark)
            if self.dialect.refills and (standing := self._standing(table.name).get(table.name)):
                self._refill(table, standing, incoming)
            else:
                self._connection.write(statements.drop_table(qualified))
                self._connection.write(statements.rename_table(gathered, table.name))
        self._started_over.discard(gathered)

    def _refill(self, table: Table, standing: dict[str, str], incoming: Table) -> None:
        """Empty a table and give it the columns and the rows of another one, which is dropped."""
        write, qualified, gathered = self._connection.write, self._qualified(table.name), self._qualified(incoming.name)
        write(statements.delete_all(qualified))
        wanted = {column.name: column for column in incoming.columns}
        fitting = {name for name in standing if name in wanted and self._is(standing[name], wanted[name].type)}
        for name in standing.keys() - fitting:
            write(statements.drop_column(qualified, name))
        for column in incoming.columns:
            if column.name not in fitting:
                write(statements.add_column(qualified, column, self.dialect))
        if self.dialect.indexes_keys and not fitting >= set(incoming.key):  # the index went with its column
            write(statements.create_index(qualified, incoming.key))
        write(statements.insert(qualified, list(wanted), gathered))
        write(statements.drop_table(gathered))

    def _is(self, type_name: str, column_type: object) -> bool:
        return self.dialect.column_type(type_name) == column_type

    def _qualified(self, table: str) -> str:
        return statements.qualified(*self._connection.inside, self._schema, table)


def _refused(what: str) -> Callable[[str], IfsBiError]:
    return lambda reason: BatchRefusedError(f"{what} does not take it: {reason}")


def _unwidened(column: str, what: str, becomes: str) -> Callable[[str], IfsBiError]:
    return lambda reason: ContractBrokenError(
        f'Column "{column}" of {what} has to become {becomes} to hold what the SCHEMA now announces, and a value in it doesn\'t '
        f"fit: {reason} Rename or drop that column in the warehouse, or load the stream once with load_method overwrite, then "
        f"run again."
    )


def _close(connection: Connection, started_over: set[str]) -> None:
    """Drop what was never put in place, and give the connection back."""
    for table in started_over:
        with (
            suppress(IfsBiError),
            connection.transaction(table, "be dropped"),
        ):  # else the next overwriting run drops it
            connection.write(statements.drop_table(table))
    connection.close()
