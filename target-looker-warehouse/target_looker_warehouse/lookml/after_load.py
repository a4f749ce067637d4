"""The setting ``lookml_dir``: after a load, the LookML of the streams that it brought."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import IfsBiError

from target_looker_warehouse.lookml.lkml_extra import require_lkml
from target_looker_warehouse.lookml.schemas import Schema

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Mapping

    from target_looker_warehouse.sinks import WarehouseSink
    from target_looker_warehouse.warehouse import Warehouse


class LookmlFolder:
    """The folder of a LookML project that a run keeps up to date.

    Args:
        config: the target's settings, with ``lookml_dir``.

    Raises:
        ConfigError: what writes LookML isn't installed.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        require_lkml("Setting 'lookml_dir'")
        self._folder = Path(config["lookml_dir"])
        self._connection: str | None = (config.get("looker") or {}).get("connection")
        self._one_row_a_key = config["load_method"] != "append-only"
        self._roll_ups = bool(config["views"]) and self._one_row_a_key

    def update(
        self,
        sinks: Iterable[WarehouseSink],
        names: Mapping[str, str | None],
        warehouse: Warehouse,
        logger: logging.Logger,
    ) -> None:
        """Write the project; what is in the way is said, and the load stands.

        Args:
            sinks: of the run's streams.
            names: stream → table; None for one without rows or SCHEMA.
            warehouse: where the tables stand.
            logger: is told what was kept or could not be done.
        """
        # Here and not above: who wants no LookML needn't have what writes it.
        from target_looker_warehouse.lookml.project import DEFAULT_CONNECTION, Place  # noqa: PLC0415 - the reason is the line above
        from target_looker_warehouse.lookml.updating import loaded, standing_roll_ups, update  # noqa: PLC0415 - the same

        tables = {stream: table for stream, table in names.items() if table is not None}
        schemas = [
            Schema(sink.stream_name, sink.schema["properties"], tuple(sink.key_properties))
            for sink in sinks
            if sink.stream_name in tables
        ]
        try:
            roll_ups = standing_roll_ups(warehouse) if self._roll_ups else frozenset()
            connection = self._connection or DEFAULT_CONNECTION
            place = Place(warehouse.dialect, warehouse.schema, connection, roll_ups=roll_ups)
            done = update(self._folder, loaded(schemas, tables, warehouse, keys=self._one_row_a_key), place)
        except IfsBiError as error:
            logger.warning(
                "The rows are loaded, and the LookML in %s was not brought up to date. %s", self._folder, error
            )
            return
        for path in done.files.kept:
            logger.warning(
                "%s was edited by hand and is kept as it is. Put what you want otherwise into refinements/, then remove it",
                self._folder / path,
            )
        for name in done.left_out:
            logger.warning("%s has no field in LookML, which can't name it. Rename it with a stream map", name)
        if done.files.written or done.files.removed:
            logger.info("LookML in %s: %s files written", self._folder, len(done.files.written))
