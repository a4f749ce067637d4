"""Batches into tables, over one connection: each in one transaction with what the table of loads is told of it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ifs_bi_core.singer.outgoing import BatchRefusedError

from target_looker_warehouse import loads, statements
from target_looker_warehouse.merging import Application

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import pyarrow as pa
    from ifs_bi_core.errors import IfsBiError

    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.loads import Load
    from target_looker_warehouse.merging import Step
    from target_looker_warehouse.rounds import Round
    from target_looker_warehouse.tables import Table
    from target_looker_warehouse.warehouses.connection import Connection

_LOADS_AT_ONCE = 100  # rows of one INSERT: warehouses bound the parameters of a statement


class Loading:
    """What one connection does with batches.

    Args:
        connection: of one thread at a time.
        dialect: of the warehouse, with the case that names are spelled in.
        schema: where the tables are.
        clock: tells the time, in UTC.
    """

    def __init__(self, connection: Connection, dialect: Dialect, schema: str, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._dialect = dialect
        self._schema = schema
        self._clock = clock

    def append(self, table: Table, rows: pa.Table, load: Load | None) -> int:
        """Add rows (see `target_looker_warehouse.warehouse.Warehouse.append`)."""
        what = f"table {table.name!r}"
        with self._connection.transaction(what, "take a batch", refused(what)):
            self._connection.append(self._qualified(table.name), rows)
            self.tell([load] if load else [])
        return 0

    def merge(self, table: Table, rounds: Sequence[Round], load: Load | None, *, hard_delete: bool) -> int:
        """Apply rounds (see `target_looker_warehouse.warehouse.Warehouse.merge`)."""
        outdated, what = 0, f"table {table.name!r}"
        with self._connection.transaction(what, "take a batch", refused(what)), ExitStack() as staging:
            for rows, steps in self._applied(table, rounds, staging, hard_delete=hard_delete):
                written = [(self._connection.write(step.text), step.applies) for step in steps]
                if any(applies for _, applies in written):
                    outdated += rows - sum(count for count, applies in written if applies)
            self.tell([load] if load else [])
        return outdated

    def _applied(
        self, table: Table, rounds: Sequence[Round], staging: ExitStack, *, hard_delete: bool
    ) -> list[tuple[int, list[Step]]]:
        """How many rows, and the statements that apply them. All are staged when this returns."""
        qualified = self._qualified(table.name)
        application = Application(table, qualified, self._dialect)
        work = []
        for live, gone in rounds:
            if live.num_rows:
                incoming = staging.enter_context(self._connection.staged(live, qualified))
                work.append((live.num_rows, application.replace_rows(incoming, live.column_names)))
            if gone.num_rows and hard_delete:
                incoming = staging.enter_context(self._connection.staged(gone, qualified))
                work.append((gone.num_rows, application.remove_rows(incoming)))
            elif gone.num_rows:
                incoming = staging.enter_context(self._connection.staged(gone, qualified))
                told = [name for name in gone.column_names if gone[name].null_count < gone.num_rows]
                carried = [name for name in told if name not in table.key]
                work.append((gone.num_rows, application.mark_rows(incoming, gone.column_names, carried)))
        return work

    def tell(self, done: Sequence[Load]) -> None:
        """Put loads into the table of loads, within a transaction."""
        columns, now, dialect = loads.columns(self._dialect), self._clock(), self._dialect
        table = self._qualified(dialect.cased(loads.LOADS))
        for load in done:
            if load.again:
                parameters = [loads.told(load.stream, dialect), load.batch]
                self._connection.write(loads.delete_load(table, dialect), parameters)
        for first in range(0, len(done), _LOADS_AT_ONCE):
            some = done[first : first + _LOADS_AT_ONCE]
            values = [value for load in some for value in loads.values(load, now, dialect)]
            self._connection.write(statements.insert_values(table, columns, len(some), dialect), values)

    def _qualified(self, table: str) -> str:
        return self._dialect.qualified(*self._connection.inside, self._schema, table)


def refused(what: str) -> Callable[[str], IfsBiError]:
    """Makes the error where it is values that a table does not take."""
    return lambda reason: BatchRefusedError(f"{what} does not take it: {reason}")
