"""The sink of one stream: rows in, batches into the warehouse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from ifs_bi_core.singer.target import DELETED_AT, TABLE_VERSION, RowSink

from target_looker_warehouse.rounds import rounds
from target_looker_warehouse.rows import to_arrow
from target_looker_warehouse.tables import incoming_name, plan, table_name

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
    """

    table: str | None = None
    versions: set[int | None] = field(default_factory=set)
    announced: int | None = None
    started_over: bool = False


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
        self._target = target
        self._run = target.runs.setdefault(stream_name, StreamRun())
        self._method: str = target.config["load_method"]
        self._hard_delete: bool = target.config["hard_delete"]
        self._chunks: list[pa.Table] = []
        self._line_bytes = 0
        self._unloaded: set[str] = set()  # properties outside the SCHEMA that were spoken of
        self._properties: dict[str, Any] = dict(self.schema["properties"])
        self._table: Table
        self._sources: set[str] = set()

    def setup(self) -> None:
        """Give the stream's table its shape."""
        super().setup()
        self._shape()

    def _shape(self) -> None:
        """Make the table hold the stream's properties; in an overwriting run, the one that will take its place."""
        warehouse, run = self._target.warehouse, self._run
        standing = warehouse.existing(self.stream_name)
        if run.table is None:
            run.table = table_name(self.stream_name, standing.keys() | self._target.tables_in_use())
        name = run.table
        if self._method == "overwrite":
            name = incoming_name(run.table)
            standing = warehouse.existing(name) if run.started_over else {}
        planned = plan(name, self._properties, self.key_properties, standing.get(name))
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
        self._line_bytes += self._target.line_bytes
        if self._line_bytes >= _CHUNK_BYTES:
            rows, self.rows = self.rows, []
            self._gather(rows)
            self._target.bound_memory()

    def load(self, rows: list[dict[str, Any]]) -> None:
        """Load what was gathered, and these rows after it, in one transaction."""
        self._gather(rows)
        chunks, self._chunks, self.held_bytes = self._chunks, [], 0
        # An earlier chunk may lack a column that came later: its rows are null there.
        batch = pa.concat_tables(chunks, promote_options="default")
        if self._method == "append-only" or not self._table.key:
            self._target.warehouse.append(self._table, batch)
        else:
            self._target.warehouse.merge(self._table, rounds(batch, self._table), hard_delete=self._hard_delete)

    def _gather(self, rows: list[dict[str, Any]]) -> None:
        """Turn rows into Arrow data."""
        self._line_bytes = 0
        unknown = set().union(*rows) - self._sources
        if unknown:
            self._meet(unknown, rows)
        chunk = to_arrow(rows, self._table.columns, self.reject)
        self._chunks.append(chunk)
        self.held_bytes += chunk.nbytes

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
        self._shape()

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
            self._target.holds_state = True

    def _retire(self, version: int) -> None:
        if self._run.versions == {None}:
            self.logger.warning(
                "ACTIVATE_VERSION %s has no effect: no row of this run carried a version, so none can be told to be older",
                version,
            )
            return
        self._extend({TABLE_VERSION} if self._hard_delete else {TABLE_VERSION, DELETED_AT})
        self._target.warehouse.retire(self._table, version, at=None if self._hard_delete else self._target.clock())

    def clean_up(self) -> None:
        """At the end of the run: retire what was announced, put an overwriting table in place."""
        super().clean_up()
        if not self._target.ending:
            return  # a changed SCHEMA ends this sink, and its successor goes on
        if self._run.announced is not None:
            self._retire(self._run.announced)
        if self._run.table is not None and self._method == "overwrite":
            self._target.warehouse.replace(self._table.renamed(self._run.table), self._table)
