"""The target: Singer lines in, one warehouse connection, STATE out when its rows are committed."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ifs_bi_core.singer.plugin import run
from ifs_bi_core.singer.target import OrderedTarget

from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.settings import SETTINGS
from target_looker_warehouse.sinks import StreamRun, WarehouseSink
from target_looker_warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable

_HELD_BYTES = 32 << 20
"""Arrow data of all streams together that may wait for full batches: about 70,000 rows of 25 columns."""


class TargetLookerWarehouse(OrderedTarget):
    """Keeps the tables of a warehouse equal to the streams it reads."""

    name = "target-looker-warehouse"
    package_name = "target-looker-warehouse"
    config_jsonschema = SETTINGS
    default_sink_class = WarehouseSink

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._address = check_address(self.config["warehouse_url"])
        self.runs: dict[str, StreamRun] = {}
        """What the run knows of each stream."""
        self.confirms_at_end = self.holds_state = self.config["load_method"] == "overwrite"
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        """Tells the time, in UTC."""

    @cached_property
    def warehouse(self) -> Warehouse:
        """The connection of this run, opened with the first SCHEMA."""
        return Warehouse(self._address.open(), self.config.get("schema"))

    @property
    def destination(self) -> str:
        """The warehouse and the schema in it."""
        return f"{self._address.destination}#{self.config.get('schema') or ''}"

    def tables_in_use(self) -> set[str]:
        """The names of the tables of this run's streams."""
        return {stream.table for stream in self.runs.values() if stream.table is not None}

    def bound_memory(self) -> None:
        """Load the largest waiting batch, if all of them together take too much memory."""
        sinks = [sink for sink in self._sinks_active.values() if isinstance(sink, WarehouseSink)]
        if sum(sink.held_bytes for sink in sinks) > _HELD_BYTES:
            self.drain_one(max(sinks, key=lambda sink: sink.held_bytes))

    def process_endofpipe(self) -> None:
        """Load what is left, finish each stream, write STATE, close the warehouse."""
        super().process_endofpipe()
        self.close()

    def close(self) -> None:
        """Give the warehouse back, if it was opened; after an error the end of the process does."""
        if "warehouse" in vars(self):
            self.warehouse.close()


def main() -> None:
    """The command `target-looker-warehouse`."""
    run(TargetLookerWarehouse)
