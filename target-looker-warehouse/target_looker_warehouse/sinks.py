"""The sink of one stream: rows in, batches into the warehouse."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.singer.line_sinks import LineSink
from ifs_bi_core.singer.sinks import DELETED_AT, TABLE_VERSION

from target_looker_warehouse.held import held, stored
from target_looker_warehouse.loads import Load
from target_looker_warehouse.names import suffixed
from target_looker_warehouse.rounds import rounds
from target_looker_warehouse.tables import Table, changes, incoming_name, plan, table_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ifs_bi_core.columnar.columns import Column

    from target_looker_warehouse.tables import ExistingTables
    from target_looker_warehouse.target import TargetLookerWarehouse

_OWN_PROPERTIES: dict[str, dict[str, Any]] = {
    DELETED_AT: {"type": ["string", "null"], "format": "date-time"},
    TABLE_VERSION: {"type": ["integer", "null"]},
}

_METADATA = frozenset(
    {"_sdc_extracted_at", "_sdc_received_at", "_sdc_batched_at", "_sdc_sequence", "_sdc_sync_started_at"}
)
"""What the SDK leaves out of the SCHEMA unless `add_record_metadata` is on; with the two above, all it knows."""


@dataclass(slots=True)
class StreamRun:
    """What a run has to remember of a stream beyond one SCHEMA.

    Attributes:
        table: the table's name, once it is chosen.
        versions: the versions of full refreshes that its rows carried; None for rows without one.
        announced: the version whose predecessors are to be retired when all rows have come.
        aside: the columns that the table of an overwriting run has, by name; empty before it is begun.
        loads: the batches in the table of an overwriting run.
    """

    table: str | None = None
    versions: set[int | None] = field(default_factory=set)
    announced: int | None = None
    aside: dict[str, Column] = field(default_factory=dict)
    loads: dict[str, Load] = field(default_factory=dict)


class WarehouseSink(LineSink):
    """Gathers a stream's rows as Arrow data and loads them in batches.

    Attributes:
        held_bytes: how much Arrow data waits for its batch to be full.
        waiting_since: when the first row came that waits for its batch; None where none does.
    """

    def __init__(
        self,
        target: TargetLookerWarehouse,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.held_bytes = 0
        self.waiting_since: datetime | None = None
        self._warehouse_target = target
        self._run = target.runs.setdefault(stream_name, StreamRun())
        self._method: str = target.config["load_method"]
        self._hard_delete: bool = target.config["hard_delete"]
        self._chunks: list[pa.Table] = []
        self._line_bytes = 0
        self._started: dict[str, datetime] = {}  # when the first rows of a batch were given to the warehouse
        self._unloaded: set[str] = set()  # properties outside the SCHEMA that were spoken of
        self._properties: dict[str, Any] = dict(self.schema["properties"])
        self._table: Table
        self._leaving: tuple[pa.Table, Table]
        self._sources: set[str] = set()

    def shape(self) -> None:
        """Make the table hold the stream's properties; in an overwriting run, the one that will take its place."""
        warehouse, run = self._warehouse_target.warehouse, self._run
        if run.table is None:
            warehouse.claim(self.stream_name)
        standing = warehouse.existing(self.stream_name)
        if run.table is None:
            run.table = self._own_table(standing)
        if self._method == "overwrite":
            self._table = self._shape_aside(standing.get(run.table))
        else:
            planned = plan(run.table, self._properties, self.key_properties, standing.get(run.table), warehouse.dialect)
            warehouse.shape(planned)
            self._table = planned.table
        self._sources = {column.source for column in self._table.columns}

    def _own_table(self, standing: ExistingTables) -> str:
        """The name of the stream's table, where no other stream's rows are.

        Another stream's name may be the same one in the case of names that are made.
        """
        warehouse, in_use = self._warehouse_target.warehouse, self._warehouse_target.tables_in_use()
        name = table_name(self.stream_name, standing.keys() | in_use, warehouse.dialect)
        other_name = suffixed(self.stream_name, warehouse.dialect)
        if name in in_use:
            return other_name
        others = warehouse.namesakes(self.stream_name) if name in standing and name != other_name else []
        if others:
            raise ContractBrokenError(
                f"Table {name!r} holds the rows of stream {others[0]!r}, and stream {self.stream_name!r} differs from it in case "
                f"alone. If it is the same, name it {others[0]!r} with a stream map (__alias__), else by any other name, then "
                f"run again; nothing was changed."
            )
        return name

    def _shape_aside(self, standing: dict[str, str] | None) -> Table:
        """Make the table that gathers the rows of an overwriting run, with columns that the stream's own table has or can get."""
        warehouse, run = self._warehouse_target.warehouse, self._run
        dialect = warehouse.dialect
        aside = {name: dialect.type_name(column.type) for name, column in run.aside.items()}
        there = None if standing is None and not aside else (standing or {}) | aside
        wanted = plan(run.table or "", self._properties, self.key_properties, there, dialect, replaced=True).table
        table = wanted.aside(incoming_name(run.table or "", dialect), aside)
        if aside:
            warehouse.shape(changes(table, aside, dialect))
        else:
            warehouse.start_over(table)
        run.aside |= {column.name: column for column in table.columns}
        return table

    @cached_property
    def max_size(self) -> int:
        """Rows of a batch; asked of every row."""
        return self.batch_size_rows or self._warehouse_target.warehouse.dialect.batch_size_rows

    @property
    def columns(self) -> Sequence[Column]:
        """Those of the table that this stream fills."""
        return self._table.columns

    def accept_lines(self, lines: bytes, count: int, number: int) -> None:
        """Put rows into the batch, and keep the batch small in memory."""
        super().accept_lines(lines, count, number)
        if self.waiting_since is None:
            self.waiting_since = self._warehouse_target.clock()
        self._warehouse_target.bound_memory()

    def versions_met(self, versions: Sequence[int | None]) -> None:
        """Take note of the versions that rows came with."""
        self._run.versions.update(versions)

    def keep(self, table: pa.Table) -> bool:
        """Keep typed rows, if the warehouse can hold all of them."""
        chunk, flaws = stored(table, self._table.columns, self._warehouse_target.warehouse.dialect)
        if flaws:
            return False
        self._chunks.append(chunk)
        self.held_bytes += chunk.nbytes
        return True

    def accept(self, row: dict[str, Any], message: dict[str, Any]) -> None:
        """Put a row into the batch, and keep the batch small in memory."""
        super().accept(row, message)
        if self.waiting_since is None:
            self.waiting_since = self._warehouse_target.clock()
        self._run.versions.add(message.get("version"))
        self._line_bytes += len(self._warehouse_target.line)
        if self._line_bytes >= self.chunk_bytes:  # the same rows take a fifth of the memory as Arrow data
            self.stage()
            self._warehouse_target.bound_memory()

    def prepare(self, rows: list[dict[str, Any]]) -> dict[int, str]:
        """Turn rows into Arrow data; those that a column can't hold exactly are refused."""
        self._line_bytes = 0
        unknown = set().union(*rows) - self._sources
        if unknown:
            self._meet(unknown, rows)
        chunk, flaws = held(rows, self._table.columns, self._warehouse_target.warehouse.dialect)
        self._chunks.append(chunk)
        self.held_bytes += chunk.nbytes
        return flaws

    def deliver(self, first: int, count: int, batch: str) -> int:
        """Load rows, in one transaction."""
        leaving, table = self._leaving
        rows = leaving.slice(first, count)
        load = self._load(first, count, batch)
        if self._method == "overwrite":
            outdated = self._put(table, rows, None)  # nobody sees these rows, or hears of them, before `refill`
            self._run.loads[batch] = load
            return outdated
        return self._put(table, rows, load)

    def _put(self, table: Table, rows: pa.Table, load: Load | None) -> int:
        warehouse = self._warehouse_target.warehouse
        if self._method == "append-only" or not table.key:
            return warehouse.append(table, rows, load)
        return warehouse.merge(table, rounds(rows, table), load, hard_delete=self._hard_delete)

    def _load(self, first: int, count: int, batch: str) -> Load:
        """What the warehouse is told of a part of a batch, and of what came before it."""
        return Load(
            stream=self.stream_name,
            batch=batch,
            run=self._warehouse_target.account.run.id,
            rows=first + count,
            size=self._leaving[0].slice(0, first + count).nbytes,
            started_at=self._started.setdefault(batch, self._warehouse_target.clock()),
            again=first > 0,
        )

    def held_of(self, batch: str, rows: int) -> int | None:
        """What the warehouse was told in the transaction that brought the rows."""
        return min(self._warehouse_target.warehouse.rows_of(self.stream_name, batch), rows)

    def release(self) -> int:
        """What was kept leaves now, for the table as it is now."""
        size = self.held_bytes
        if self._chunks:
            self._warehouse_target.changes(self.stream_name)
            # An earlier chunk may lack a column that came later: its rows are null there.
            self._leaving = pa.concat_tables(self._chunks, promote_options="default"), self._table
        self._chunks, self.held_bytes, self.waiting_since = [], 0, None
        return size

    def forget(self) -> None:
        """Let go of the rows that left."""
        self._leaving = pa.table({}), self._table
        self._started.clear()

    def _meet(self, unknown: set[str], rows: list[dict[str, Any]]) -> None:
        """Add the columns that rows bring without the SCHEMA's word for it; speak once of properties that aren't loaded."""
        own = {name for name in unknown & _OWN_PROPERTIES.keys() if any(row.get(name) is not None for row in rows)}
        if own:
            self._extend(own)
        unloaded = unknown - self._unloaded - _METADATA - _OWN_PROPERTIES.keys()
        if unloaded:
            self._unloaded |= unloaded
            self.logger.warning("Not loaded, because the SCHEMA doesn't have it: %s", ", ".join(sorted(unloaded)))

    def _extend(self, own: set[str]) -> None:
        """Give the table columns that this target knows itself."""
        for name in sorted(own):
            self._properties.setdefault(name, _OWN_PROPERTIES[name])
        self.shape()

    def activate_version(self, new_version: int) -> None:
        """Retire the rows that the full refresh ``new_version`` didn't carry.

        Some taps send ACTIVATE_VERSION after the last row, others before the first one, and again for each parent of a child
        stream. Where it comes before the rows of its version, it waits for the end of the run: what has not come by then is gone.
        """
        if self._method != "upsert":
            return  # appended rows are a history, and an overwritten table has no row of an earlier version
        if new_version in self._run.versions and self._run.announced is None:
            self._retire(new_version)
        else:
            self._run.announced = new_version
            self._warehouse_target.holds_state = True

    def _retire(self, version: int) -> None:
        if self._run.versions == {None}:
            self.logger.warning(
                "ACTIVATE_VERSION %s has no effect: no row of this run carried a version, so none can be told to be older",
                version,
            )
            return
        self._extend({TABLE_VERSION} if self._hard_delete else {TABLE_VERSION, DELETED_AT})
        at = None if self._hard_delete else self._warehouse_target.clock()
        self._warehouse_target.warehouse.retire(self._table, version, at=at)

    def finish(self) -> None:
        """Retire what was announced, put an overwriting table in place."""
        if self._run.announced is not None:
            self._retire(self._run.announced)
        if self._run.table is not None and self._method == "overwrite":
            warehouse = self._warehouse_target.warehouse
            table = Table(self._run.table, tuple(self._run.aside.values()), self._table.key)
            standing = warehouse.existing(self.stream_name).get(table.name)
            loads = list(self._run.loads.values())
            warehouse.refill(changes(table, standing, warehouse.dialect), self._table.name, loads)
