"""A Singer target that keeps the order of what it is told, and a sink that gathers rows for it.

Three habits of the SDK would lose or resurrect rows, and are replaced here:

- A new SCHEMA for a stream puts the old sink aside and drains it after the new one; here it is drained first.
- ACTIVATE_VERSION reaches a sink that still holds rows; here they are drained first.
- ``_sdc_deleted_at`` is dropped from schema and record unless metadata columns are on; here a delete stays a delete.

STATE is written when everything before it is confirmed by the destination (docs/adr/0003).
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from singer_sdk import Sink, Target
from singer_sdk.exceptions import (
    InvalidJSONSchema,
    InvalidRecord,
    MissingKeyPropertiesError,
    RecordsWithoutSchemaException,
)

from ifs_bi_core.errors import ContractBrokenError, RowRejectedError
from ifs_bi_core.singer.lines import LineReader, encode
from ifs_bi_core.singer.plugin import Plugin
from ifs_bi_core.singer.validation import CompiledValidator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.sinks.core import BaseJSONSchemaValidator

DELETED_AT = "_sdc_deleted_at"
"""A row that carries a value here is gone at the source."""

TABLE_VERSION = "_sdc_table_version"
"""The version of a full refresh that last carried the row (integer); present where the tap sends versions."""


class UnannouncedStreamError(ContractBrokenError, RecordsWithoutSchemaException):
    """A message for a stream came before its SCHEMA."""


class KeylessRowError(RowRejectedError, MissingKeyPropertiesError):
    """A row lacks a value of its stream's key."""


class OrderedTarget(Plugin, Target):
    """A target whose sinks are `RowSink`."""

    message_reader_class = LineReader

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_parallelism = 1  # sinks of one target share one connection

    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> Sink:
        """The stream's sink. Where the schema changed, the rows of the old one are delivered before the new one is made."""
        existing = self._sinks_active.get(stream_name)
        changed = (
            existing is not None
            and schema is not None
            and (existing.original_schema != schema or list(existing.key_properties) != list(key_properties or []))
        )
        if existing is not None and changed:
            self.drain_one(existing)
            existing.clean_up()
            del self._sinks_active[stream_name]
            return self.add_sink(stream_name, schema or {}, key_properties)
        if existing is not None and schema is not None:
            return existing
        return super().get_sink(stream_name, record=record, schema=schema, key_properties=key_properties)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self._assert_line_requires(message_dict, requires={"stream", "record"})
        for stream_map in self._stream_maps(message_dict["stream"]):
            row = stream_map.transform(dict(message_dict["record"]))
            if row is None:  # filtered out by the map
                continue
            sink = self.get_sink(stream_map.stream_alias)
            if not isinstance(sink, RowSink):
                raise TypeError(f"{type(sink).__name__} is no RowSink")
            sink.accept(row, message_dict)
            if sink.is_full:
                self.drain_one(sink)
        self._handle_max_record_age()

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        self._assert_line_requires(message_dict, requires={"stream", "version"})
        for stream_map in self._stream_maps(message_dict["stream"]):
            sink = self.get_sink(stream_map.stream_alias)
            self.drain_one(sink)
            sink.activate_version(message_dict["version"])

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:
        raise ContractBrokenError(
            f"A BATCH message came for stream '{message_dict.get('stream')}', and {self.name} reads rows from RECORD messages "
            f"alone. Leave batch_config out of the tap's settings, then run again."
        )

    def _stream_maps(self, stream: str) -> Sequence[Any]:
        if stream not in self.mapper.stream_maps:
            raise UnannouncedStreamError(
                f"A message for stream '{stream}' came before its SCHEMA. The tap has to send the SCHEMA first."
            )
        return self.mapper.stream_maps[stream]

    def _write_state_message(self, state: dict[str, Any]) -> None:
        sys.stdout.write(encode(state).decode() + "\n")  # a decimal inside a foreign tap's state stays a number
        sys.stdout.flush()


class RowSink(Sink):
    """Gathers the rows of one stream and hands them to `load` as a batch.

    Attributes:
        rows: what was accepted since the last batch; values as they came off the line (numbers are int or Decimal, dates and
            timestamps are text).
    """

    def __init__(
        self, target: Target, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.rows: list[dict[str, Any]] = []
        absent = [key for key in self.key_properties if key not in self.schema["properties"]]
        if absent:
            raise ContractBrokenError(
                f"The SCHEMA of '{stream_name}' names keys that it has no property for: {', '.join(absent)}."
            )

    def get_validator(self) -> BaseJSONSchemaValidator | None:
        """A compiled validator, unless `validate_records` is off."""
        if not self.validate_schema:
            return None
        try:
            return CompiledValidator(self.schema)
        except InvalidJSONSchema as error:
            raise ContractBrokenError(f"The SCHEMA of '{self.stream_name}' is none: {error}.") from None

    def accept(self, row: dict[str, Any], message: dict[str, Any]) -> None:
        """Check a row and put it into the batch; one that can't be accepted goes to `reject`."""
        if self.include_sdc_metadata_properties:
            self._add_sdc_metadata_to_record(row, message, {})
        elif message.get("version") is not None:
            row[TABLE_VERSION] = message["version"]
        reason = self._flaw(row)
        if reason is not None:
            self.reject(row, reason)
            return
        self.tally_record_read()
        self.record_counter_metric.increment()
        self.rows.append(row)

    def _flaw(self, row: dict[str, Any]) -> str | None:
        missing = [key for key in self.key_properties if row.get(key) is None]
        if missing:
            return f"its key {', '.join(missing)} is missing or null"
        # A delete carries the keys alone; properties that a live row must have are not asked of it.
        if self._validator is not None and not row.get(DELETED_AT):
            try:
                self._validator.validate(row)
            except InvalidRecord as error:
                return str(error.error_message)
        return None

    def reject(self, row: dict[str, Any], reason: str) -> None:
        """What happens to a row that can't be delivered: the run stops and says which row and why.

        Raises:
            RowRejectedError: always.
        """
        key = ", ".join(f"{name}={row.get(name)!r}" for name in self.key_properties) or "without a key"
        lacking = any(row.get(name) is None for name in self.key_properties)
        raise (KeylessRowError if lacking else RowRejectedError)(
            f"{self.stream_name}: the row {key} can't be delivered: {reason}. Mend it at the source or leave the column out; "
            f"the state was not moved past it."
        )

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Rows come through `accept`."""
        self.accept(record, context)

    def process_batch(self, context: dict[str, Any]) -> None:
        """Hand the gathered rows to `load`."""
        del context
        rows, self.rows = self.rows, []
        self.load(rows)

    @abstractmethod
    def load(self, rows: list[dict[str, Any]]) -> None:
        """Deliver the rows, in the order given; return when the destination has confirmed them."""

    # A delete has to survive, and versions have to be known, whether or not metadata columns are wanted.

    def _remove_sdc_metadata_from_schema(self) -> None:
        kept = {name: self.schema["properties"].get(name) for name in (DELETED_AT, TABLE_VERSION)}
        super()._remove_sdc_metadata_from_schema()
        self.schema["properties"] |= {name: definition for name, definition in kept.items() if definition}
