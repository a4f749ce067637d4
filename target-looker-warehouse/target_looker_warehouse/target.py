"""The target: Singer lines in, one warehouse connection, STATE out when its rows are committed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import IfsBiError
from ifs_bi_core.http.client import REAL
from ifs_bi_core.singer.plugin import run
from ifs_bi_core.singer.target import OrderedTarget

from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.looker.notifier import Notifier, check_installed
from target_looker_warehouse.looker.settings import read_looker
from target_looker_warehouse.lookml.after_load import LookmlFolder
from target_looker_warehouse.settings import SETTINGS
from target_looker_warehouse.sinks import StreamRun, WarehouseSink
from target_looker_warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_core.http.client import Surroundings


_LONGEST_WAIT_SECONDS = 366 * 24 * 3600  # no run is as long, and no calendar reaches as far as a setting can say


class TargetLookerWarehouse(OrderedTarget):
    """Keeps the tables of a warehouse equal to the streams it reads."""

    name = "target-looker-warehouse"
    package_name = "target-looker-warehouse"
    config_jsonschema = SETTINGS
    default_sink_class = WarehouseSink
    surroundings: Surroundings = REAL

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._address = check_address(self.config["warehouse_url"], self.config.get("staging_url"))
        self._looker = read_looker(self.config)
        if self._looker is not None:
            check_installed()
        self._lookml = LookmlFolder(self.config) if self.config.get("lookml_dir") else None
        self.runs: dict[str, StreamRun] = {}
        """What the run knows of each stream."""
        self.confirms_at_end = self.holds_state = self.config["load_method"] == "overwrite"
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        """Tells the time, in UTC."""
        limit = self.config.get("batch_wait_limit_seconds")
        self._wait_limit = timedelta(seconds=min(limit, _LONGEST_WAIT_SECONDS)) if limit else None
        self._wait_ends: datetime | None = None

    @cached_property
    def warehouse(self) -> Warehouse:
        """The connection of this run, opened with the first SCHEMA."""
        return Warehouse(
            self._address.open(),
            self.config.get("schema"),
            identifier_case=self.config.get("identifier_case"),
            clock=self.clock,
            another=self._address.open,
        )

    @cached_property
    def notifier(self) -> Notifier | None:
        """What tells Looker of this run, if there is one to tell."""
        if self._looker is None:
            return None
        return Notifier(self._looker, self.account, self.logger, self.surroundings)

    @property
    def destination(self) -> str:
        """The warehouse and the schema in it."""
        return f"{self._address.destination}#{self.config.get('schema') or ''}"

    @property
    def deliveries_at_once(self) -> tuple[int, int]:
        """How many batches the warehouse takes at a time, and how many bytes of them."""
        dialect = self.warehouse.dialect
        return dialect.connections, dialect.held_bytes

    def tables_in_use(self) -> set[str]:
        """The names of the tables of this run's streams."""
        return {stream.table for stream in self.runs.values() if stream.table is not None}

    def bound_memory(self) -> None:
        """Load the largest waiting batch, if all of them together take too much memory."""
        sinks = [sink for sink in self._sinks_active.values() if isinstance(sink, WarehouseSink)]
        if sum(sink.held_bytes for sink in sinks) > self.warehouse.dialect.held_bytes:
            self.drain(max(sinks, key=lambda sink: sink.held_bytes))

    def _handle_max_record_age(self) -> None:
        """After each row: load what has waited long enough, and let STATE go now and then."""
        if self._wait_limit is not None:
            self._end_waits(self._wait_limit)
        super()._handle_max_record_age()

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_state_message(message_dict)
        if self._wait_limit is not None:
            self._end_waits(self._wait_limit)

    def _end_waits(self, limit: timedelta) -> None:
        """Load the batches whose first row came so long ago."""
        now = self.clock()
        if self._wait_ends is not None and now < self._wait_ends:
            return  # what has come since the last look has waited no longer than that
        sinks = [sink for sink in self._sinks_active.values() if isinstance(sink, WarehouseSink)]
        for sink in sinks:
            if sink.waiting_since is not None and now - sink.waiting_since >= limit:
                self.drain(sink)
        self._wait_ends = min((sink.waiting_since for sink in sinks if sink.waiting_since), default=now) + limit

    def changes(self, stream: str) -> None:
        """Note, before it happens, that a stream's table changes: Looker has to be told."""
        if self.notifier:
            self.notifier.expect(stream)

    def finish(self) -> None:
        """Finish each stream, which may change its table though no row of it came."""
        for stream, known in self.runs.items():
            if known.announced is not None or self.config["load_method"] == "overwrite":
                self.changes(stream)
        super().finish()

    def process_endofpipe(self) -> None:
        """Load what is left, finish each stream, write STATE, keep the views, close the warehouse, tell Looker."""
        super().process_endofpipe()
        if self.config["views"] and self.config["load_method"] != "append-only" and "warehouse" in vars(self):
            self.warehouse.views.keep(self.logger)  # where every change is a row of its own, sums would count it twice
        if self._lookml and "warehouse" in vars(self):
            sinks = [sink for sink in self._sinks_active.values() if isinstance(sink, WarehouseSink)]
            names = {stream: known.table for stream, known in self.runs.items()}
            self._lookml.update(sinks, names, self.warehouse, self.logger)
        if "warehouse" in vars(self):
            self.account.prune_destination(self.destination, self.warehouse.forget_loads)
        counts = self._row_counts()
        self.close()  # Looker may look at the same DuckDB file, which only one process can have open
        if self.notifier:
            self.notifier.tell(counts)

    def _row_counts(self) -> dict[str, int]:
        """How many rows the tables have that this run changed, where Looker's numbers are compared with them."""
        if not (self.notifier and self.notifier.compares and self.notifier.streams):
            return {}
        tables = [self.runs[stream].table for stream in sorted(self.notifier.streams)]
        try:
            return self.warehouse.row_counts(table for table in tables if table is not None)
        except IfsBiError as error:
            self.logger.warning("The load stands, and it is not compared with what Looker sees: %s", error)
            return {}

    def close(self) -> None:
        """Give the warehouse back, if it was opened; after an error the end of the process does."""
        if "warehouse" in vars(self):
            self.warehouse.close()


def main() -> None:
    """The command `target-looker-warehouse`."""
    run(TargetLookerWarehouse)
