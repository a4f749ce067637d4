"""The engine: tables of a warehouse get their shape and their rows, in transactions. The same for every warehouse."""

from __future__ import annotations

import weakref
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from ifs_bi_core.errors import IfsBiError
from ifs_bi_core.ledger.journal import utc_now

from target_looker_warehouse import loads, statements
from target_looker_warehouse.loading import Loading, refused
from target_looker_warehouse.names import namesakes, suffixed
from target_looker_warehouse.row_counts import count_query
from target_looker_warehouse.views import upkeep
from target_looker_warehouse.warehouses.pool import Pool
from target_looker_warehouse.warehouses.turns import TakingTurns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    import pyarrow as pa

    from target_looker_warehouse.dialects.facts import Dialect, IdentifierCase
    from target_looker_warehouse.loads import Load
    from target_looker_warehouse.rounds import Round
    from target_looker_warehouse.tables import ExistingTables, Plan, Table
    from target_looker_warehouse.warehouses.connection import Connection


class Warehouse:
    """One open warehouse. What a method does to rows is one transaction: done when it returns, undone when it raises.

    By `close`, or at the latest when the process ends (also after an error), tables that were never put in place are dropped and
    the connection is given back.

    Attributes:
        dialect: what the warehouse can do, and the case of names in it.
        schema: where the tables are, as the warehouse spells it.
        loads: the table of loads (`target_looker_warehouse.loads`), as SQL text.
        views: the views beside the tables.

    Args:
        connection: of this run.
        schema: where tables are; the warehouse's main schema if there is none. It is created if absent.
        identifier_case: the case of names that are made; the warehouse's own if there is none.
        clock: tells the time, in UTC.
        another: opens one more connection, over which a batch is loaded while others are; without it, one is loaded at a time.

    Raises:
        ConfigError: the schema can't be used; or, from any method, this user may not do what it does.
        IfsBiError: from any method, the warehouse could not do it; the message says what and where.
        OutcomeUnknownError: from a method that writes, nobody knows whether it was done.
    """

    def __init__(
        self,
        connection: Connection,
        schema: str | None,
        *,
        identifier_case: IdentifierCase | None = None,
        clock: Callable[[], datetime] = utc_now,
        another: Callable[[], Connection] | None = None,
    ) -> None:
        connection = TakingTurns(connection)
        own_case = connection.dialect.identifier_case
        self.dialect = replace(connection.dialect, identifier_case=identifier_case or own_case)
        self._connection = connection
        self._clock = clock
        self.schema = self.dialect.cased(schema) if schema else connection.main_schema
        self.loads = self._qualified(self.dialect.cased(loads.LOADS))
        self.views = upkeep.ViewUpkeep(connection, self.dialect, self.schema, self._standing)
        self._loading = Loading(connection, self.dialect, self.schema, clock)
        self._pool = Pool(another) if another is not None and self.dialect.connections > 1 else None
        self._started_over: set[str] = set()
        self._closing = weakref.finalize(self, _close, connection, self._pool, self._started_over)
        try:
            self._prepare()
        except IfsBiError:  # another run makes them at this moment; or the error comes again
            self._prepare()

    def _prepare(self) -> None:
        """See that there are the schema and the tables of loads and views; who may load needs no right to make a schema."""
        query, define, name = self._connection.query, self._connection.define, self.dialect.cased(loads.LOADS)
        with self._connection.transaction(f"schema {self.schema!r}", "be prepared"):
            views = self.dialect.cased(upkeep.OWN_VIEWS)
            standing = {table for table, _, _ in query(self.dialect.columns_of_tables, [self.schema, name, views])}
            if views not in standing:
                if not standing and not query(self.dialect.schemas, [self.schema]):
                    define(statements.create_schema(self.dialect.qualified(*self._connection.inside, self.schema)))
                define(statements.create_table(self._qualified(views), upkeep.columns(self.dialect), self.dialect))
            if name in standing:
                return
            columns = loads.columns(self.dialect)
            define(statements.create_table(self.loads, columns, self.dialect))
            if self.dialect.indexes_keys:
                batch = [column.name for column in columns if column.source == "batch"]
                define(statements.create_index(self.loads, batch, self.dialect))

    def close(self) -> None:
        """Give everything back. Closing twice does no harm."""
        self._closing()

    def claim(self, stream: str) -> None:
        """See that no other run writes this stream's table until the warehouse is closed.

        Raises:
            IfsBiError: another one does.
        """
        self._connection.claim(self.schema, stream)

    def existing(self, name: str) -> ExistingTables:
        """The tables whose names may be meant by ``name``: as it is, in other case, or suffixed. One statement."""
        with self._connection.transaction(f"table {name!r}", "be looked up"):
            return self._standing(name)

    def _standing(self, name: str) -> ExistingTables:
        """The same, within a transaction."""
        return tables_called(name, self.schema, self._connection, self.dialect)

    def shape(self, plan: Plan) -> None:
        """Make the table of the plan, or add and widen its columns."""
        table, what = self._qualified(plan.table.name), f"table {plan.table.name!r}"
        if plan.create or plan.added or plan.widened:
            self.views.outdate(plan.table.name)
        if plan.create or plan.added:
            with self._connection.transaction(what, "be given its columns"):
                if plan.create:
                    self._create(plan.table)
                for column in plan.added:
                    self._connection.define(statements.add_column(table, column, self.dialect))
                if {column.name for column in plan.added} & set(plan.table.key):
                    self._index(plan.table)
        for column in plan.widened:
            widening = self._connection.transaction(f'column "{column.name}" of {what}', "be widened")
            with widening, self.views.aside(plan.table.name):
                self._connection.define(statements.widen_column(table, column, self.dialect))

    def _create(self, table: Table) -> None:
        self._connection.define(statements.create_table(self._qualified(table.name), table.columns, self.dialect))
        self._index(table)

    def _index(self, table: Table) -> None:
        if self.dialect.indexes_keys and table.key:
            self._connection.define(statements.create_index(self._qualified(table.name), table.key, self.dialect))

    def append(self, table: Table, rows: pa.Table, load: Load | None) -> int:
        """Add rows. None of them is older than what the warehouse holds: 0.

        Raises:
            BatchRefusedError: the table does not take them, for good.
        """
        with self._loader() as loading:
            return loading.append(table, rows, load)

    def merge(self, table: Table, rounds: Sequence[Round], load: Load | None, *, hard_delete: bool) -> int:
        """Apply the rounds one after another; with ``hard_delete`` rows that are gone at the source are removed, else marked.

        Returns:
            How many rows were older than what the warehouse holds, and left aside.

        Raises:
            BatchRefusedError: the table does not take them, for good.
        """
        with self._loader() as loading:
            return loading.merge(table, rounds, load, hard_delete=hard_delete)

    @contextmanager
    def _loader(self) -> Iterator[Loading]:
        """Over the one connection, or over one of those for batches that are loaded at the same time."""
        if self._pool is None:
            yield self._loading
            return
        with self._pool.lent() as connection:
            yield Loading(connection, self.dialect, self.schema, self._clock)

    def rows_of(self, stream: str, batch: str) -> int:
        """How many rows of a batch are here, from the first on."""
        parameters = [loads.told(stream, self.dialect), batch]
        with self._connection.transaction(f"table {loads.LOADS!r}", "be read"):
            found = self._connection.query(loads.read_rows(self.loads, self.dialect), parameters)
        return max((int(rows) for (rows,) in found), default=0)

    def forget_loads(self, before: datetime) -> None:
        """Take what was loaded before a time out of the table of loads, but for the last load of each stream.

        A DELETE is in the way of other runs, which write to this table too, also where it finds nothing: so it is asked first.
        """
        with self._connection.transaction(f"table {loads.LOADS!r}", "be rid of old rows"):
            found = self._connection.query(loads.count_old(self.loads, self.dialect), [before.isoformat()])
            if any(int(old) for (old,) in found):
                self._connection.write(loads.delete_old(self.loads, self.dialect), [before.isoformat()])

    def namesakes(self, stream: str) -> list[str]:
        """Other streams that were loaded and that have the table of this stream's name: they differ from it in case alone."""
        if self.dialect.identifier_case == "keep":
            return []
        with self._connection.transaction(f"table {loads.LOADS!r}", "be read"):
            others = namesakes(loads.told(stream, self.dialect), self._loaded_streams, self.dialect)
            return [other for other in others if suffixed(other, self.dialect) not in self._standing(other)]

    @cached_property
    def _loaded_streams(self) -> list[str]:
        """Those of earlier runs, or of this one so far; within a transaction."""
        return [name for (name,) in self._connection.query(loads.read_streams(self.loads, self.dialect))]

    def row_counts(self, tables: Iterable[str]) -> dict[str, int]:
        """How many rows tables have, those that are marked as deleted among them; by their names as SQL text. One statement."""
        names = [self._qualified(table) for table in tables]
        if not names:
            return {}
        with self._connection.transaction("the tables that changed", "be counted"):
            found = self._connection.query(count_query(names))
        return {names[int(place)]: int(rows) for place, rows in sorted(found)}

    def retire(self, table: Table, version: int, *, at: datetime | None) -> None:
        """Mark the rows that the full refresh ``version`` didn't carry as deleted ``at`` a time; without one, remove them."""
        qualified, table_version = self._qualified(table.name), table.table_version or ""
        with self._connection.transaction(f"table {table.name!r}", f"be rid of what version {version} didn't carry"):
            if at is None:
                self._connection.write(statements.delete_unseen(qualified, table_version, self.dialect), [version])
            else:
                deleted_at = table.deleted_at or ""
                statement = statements.mark_unseen(qualified, deleted_at, table_version, self.dialect)
                self._connection.write(statement, [at.isoformat(), version])

    def start_over(self, table: Table) -> None:
        """Make a table anew, empty; until `refill` took its rows it is dropped when the warehouse is closed."""
        qualified = self._qualified(table.name)
        with self._connection.transaction(f"table {table.name!r}", "be created"):
            self._connection.define(statements.drop_table(qualified))
            self._create(table)
        self._started_over.add(qualified)

    def refill(self, plan: Plan, incoming: str, done: Sequence[Load]) -> None:
        """Give a table the rows of the table ``incoming``, and only those; a reader sees the old ones or the new ones.

        Args:
            plan: gives it all columns of that other table.
            incoming: its name. It is dropped.
            done: the loads that brought the rows.
        """
        self.shape(plan)
        write, what = self._connection.write, f"table {plan.table.name!r}"
        qualified, gathered = self._qualified(plan.table.name), self._qualified(incoming)
        with self._connection.transaction(what, "be replaced", refused(what)):
            write(statements.delete_all(qualified))
            names = [column.name for column in plan.table.columns]
            write(statements.insert(qualified, names, gathered, self.dialect))
            self._loading.tell(done)
        with self._connection.transaction(f"table {incoming!r}", "be dropped"):
            self._connection.define(statements.drop_table(gathered))
        self._started_over.discard(gathered)

    def _qualified(self, table: str) -> str:
        return self.dialect.qualified(*self._connection.inside, self.schema, table)


def tables_called(name: str, schema: str, connection: Connection, dialect: Dialect) -> ExistingTables:
    """The tables of a schema that may be meant by a name, within a transaction (`Warehouse.existing`)."""
    own, other = dialect.cased(name), suffixed(name, dialect)
    spelled = own if dialect.holds(own) else other
    found: ExistingTables = {}
    for table, column, type_name in connection.query(dialect.columns_of_tables, [schema, spelled, other]):
        found.setdefault(table, {})[column] = type_name
    return found


def _close(connection: Connection, pool: Pool | None, started_over: set[str]) -> None:
    """Drop what was never put in place, and give the connections back."""
    if pool is not None:
        pool.close()
    for table in started_over:
        with (
            suppress(IfsBiError),
            connection.transaction(table, "be dropped"),
        ):  # else the next overwriting run drops it
            connection.define(statements.drop_table(table))
    connection.close()
