"""The sink of one stream: rows in, batches into the warehouse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from ifs_bi_core.ledger.batches import follows
from ifs_bi_core.singer.sinks import DELETED_AT, TABLE_VERSION, RowSink

from target_looker_warehouse.held import held
from target_looker_warehouse.rounds import rounds
from target_looker_warehouse.tables import Mark, incoming_name, plan, table_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_looker_warehouse.tables import Table
    from target_looker_warehouse.target import TargetLookerWarehouse

_CHUNK_BYTES = 2 << 20
"""Rows are kept as Python objects up to this many bytes of Singer lines (a tenth of a second's work), and as Arrow data beyond:
the same rows take a fifth of the memory there."""

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
        started_over: whether the table of an overwriting run is begun.
        mark: the last batch in the table of an overwriting run.
    """

    table: str | None = None
    versions: set[int | None] = field(default_factory=set)
    announced: int | None = None
    started_over: bool = False
    mark: Mark | None = None


class WarehouseSink(RowSink):
    """Gathers a stream's rows as Arrow data and loads them in batches.

    Attributes:
        held_bytes: how much Arrow data waits for its batch to be full.
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
        self._warehouse_target = target
        self._run = target.runs.setdefault(stream_name, StreamRun())
        self._method: str = target.config["load_method"]
        self._hard_delete: bool = target.config["hard_delete"]
        self._chunks: list[pa.Table] = []
        self._batch: pa.Table | None = None
        self._line_bytes = 0
        self._unloaded: set[str] = set()  # properties outside the SCHEMA that were spoken of
        self._properties: dict[str, Any] = dict(self.schema["properties"])
        self._table: Table
        self._sources: set[str] = set()

    def shape(self) -> None:
        """Make the table hold the stream's properties; in an overwriting run, the one that will take its place."""
        warehouse, run = self._warehouse_target.warehouse, self._run
        if run.table is None:
            warehouse.claim(self.stream_name)
        standing = warehouse.existing(self.stream_name)
        if run.table is None:
            in_use = self._warehouse_target.tables_in_use()
            run.table = table_name(self.stream_name, standing.keys() | in_use, warehouse.dialect)
        name = run.table
        if self._method == "overwrite":
            name = incoming_name(run.table, warehouse.dialect)
            standing = warehouse.existing(name) if run.started_over else {}
        planned = plan(name, self._properties, self.key_properties, standing.get(name), warehouse.dialect)
        if planned.create and self._method == "overwrite":
            warehouse.start_over(planned.table)
            run.started_over = True
        else:
            warehouse.shape(planned)
        self._table = planned.table
        self._sources = {column.source for column in planned.table.columns}

    def accept(self, row: dict[str, Any], message: dict[str, Any]) -> None:
        """Put a row into the batch, and keep the batch small in memory."""
        super().accept(row, message)
        self._run.versions.add(message.get("version"))
        self._line_bytes += len(self._warehouse_target.line)
        if self._line_bytes >= _CHUNK_BYTES:
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
        if self._batch is None:  # an earlier chunk may lack a column that came later: its rows are null there
            self._batch = pa.concat_tables(self._chunks, promote_options="default")
        rows = self._batch.slice(first, count)
        mark: Mark | None = Mark(self.stream_name, batch, first + count)
        warehouse = self._warehouse_target.warehouse
        if self._method == "overwrite":
            self._run.mark, mark = mark, None  # nobody sees these rows before `replace`
        if self._method == "append-only" or not self._table.key:
            return warehouse.append(self._table, rows, mark)
        return warehouse.merge(self._table, rounds(rows, self._table), mark, hard_delete=self._hard_delete)

    def held_of(self, batch: str, rows: int) -> int | None:
        """What the warehouse was told in the transaction that brought the rows."""
        mark = self._warehouse_target.warehouse.mark(self.stream_name)
        if mark is None:
            return 0
        if mark.batch == batch:
            return min(mark.rows, rows)
        return rows if follows(mark.batch, batch) else 0

    def forget(self) -> None:
        """Let go of the Arrow data."""
        self._chunks, self._batch, self.held_bytes = [], None, 0

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
            warehouse.replace(self._table.renamed(self._run.table), self._table, self._run.mark)
