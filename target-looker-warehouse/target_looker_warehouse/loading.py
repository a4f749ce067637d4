"""Batches into tables, over one connection: each in one transaction with what the table of loads is told of it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

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


class _Work(NamedTuple):
    """Rows that are applied together.

    Attributes:
        rows: how many.
        steps: that apply them to any table.
        added: a question, and the one step that is enough where the answer is yes; None where asking costs too much.
    """

    rows: int
    steps: list[Step]
    added: tuple[str, Step] | None = None


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
            for work in self._staged(table, rounds, staging, hard_delete=hard_delete):
                written = [(self._connection.write(step.text), step.applies) for step in self._steps(work)]
                if any(applies for _, applies in written):
                    outdated += work.rows - sum(count for count, applies in written if applies)
            self.tell([load] if load else [])
        return outdated

    def _staged(self, table: Table, rounds: Sequence[Round], staging: ExitStack, *, hard_delete: bool) -> list[_Work]:
        """What is to be done with which rows. All are staged when this returns."""
        qualified = self._qualified(table.name)
        application = Application(table, qualified, self._dialect)
        work = []
        for live, gone in rounds:
            if live.num_rows:
                incoming, columns = staging.enter_context(self._connection.staged(live, qualified)), live.column_names
                added = (application.are_behind(incoming), application.add_rows(incoming, columns))
                steps = application.replace_rows(incoming, columns)
                work.append(_Work(live.num_rows, steps, added if self._dialect.indexes_keys else None))
            if gone.num_rows and hard_delete:
                incoming = staging.enter_context(self._connection.staged(gone, qualified))
                work.append(_Work(gone.num_rows, application.remove_rows(incoming)))
            elif gone.num_rows:
                incoming = staging.enter_context(self._connection.staged(gone, qualified))
                told = [name for name in gone.column_names if gone[name].null_count < gone.num_rows]
                carried = [name for name in told if name not in table.key]
                work.append(_Work(gone.num_rows, application.mark_rows(incoming, gone.column_names, carried)))
        return work

    def _steps(self, work: _Work) -> list[Step]:
        """The statements that apply rows to the table as it is now."""
        if work.added:
            question, add = work.added
            [(are_behind,)] = self._connection.query(question)
            if are_behind:
                return [add]
        return work.steps

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
