"""The sink of one stream: rows are checked, converted, put on disk, and only then delivered."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_sdk import Sink
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord, MissingKeyPropertiesError

from ifs_bi_core.dead_letter.letter import RefusedRow
from ifs_bi_core.dead_letter.lines import MEMBER
from ifs_bi_core.errors import ContractBrokenError, RowRejectedError
from ifs_bi_core.ledger.keys import key_text, key_texts
from ifs_bi_core.ledger.trail import TrailColumns
from ifs_bi_core.singer.lines import encode
from ifs_bi_core.singer.outgoing import Outgoing
from ifs_bi_core.singer.validation import CompiledValidator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.sinks.core import BaseJSONSchemaValidator

    from ifs_bi_core.dead_letter.lines import Mark
    from ifs_bi_core.singer.target import OrderedTarget

DELETED_AT = "_sdc_deleted_at"
"""A row that carries a value here is gone at the source."""

TABLE_VERSION = "_sdc_table_version"
"""The version of a full refresh that last carried the row (integer); present where the tap sends versions."""


ROW_VERSION = "_ifs_row_version"
"""When the row last changed at the source (timestamp): an older one never replaces a newer one."""


class KeylessRowError(RowRejectedError, MissingKeyPropertiesError):
    """A row lacks a value of its stream's key."""


class RowSink(Sink):
    """Gathers the rows of one stream and delivers them in batches.

    A row that was accepted is converted by `prepare` and lies on disk before `deliver` gives it to the destination.

    Attributes:
        rows: what was accepted and not converted yet; values as they came off the line (numbers are int or Decimal, dates and
            timestamps are text).
    """

    def __init__(
        self, target: OrderedTarget, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self.rows: list[dict[str, Any]] = []
        self._target = target
        self._lines: list[bytes] = []
        self._extracted: list[Any] = []
        self._marks: dict[int, Mark] = {}
        self._key_names = sorted(self.key_properties)
        self._outgoing = Outgoing(
            target.account, target.refusals, stream_name, target.destination, self, fails=target.fails_on_refusal
        )
        absent = [key for key in self.key_properties if key not in self.schema["properties"]]
        if absent:
            raise ContractBrokenError(
                f"The SCHEMA of '{stream_name}' names keys that it has no property for: {', '.join(absent)}. Check "
                f"what writes it, then run again."
            )

    def setup(self) -> None:
        """Be ready for rows: the table has its shape, and what earlier runs left open is settled."""
        super().setup()
        self.shape()
        self._outgoing.resolve()
        self._target.progress_of(self.stream_name)

    @cached_property
    def include_sdc_metadata_properties(self) -> bool:
        """Whether metadata columns are added; asked of every row."""
        return bool(super().include_sdc_metadata_properties)

    @cached_property
    def max_size(self) -> int:
        """Rows of a batch; asked of every row."""
        return int(super().max_size)

    def get_validator(self) -> BaseJSONSchemaValidator | None:
        """A compiled validator, unless `validate_records` is off."""
        if not self.validate_schema:
            return None
        try:
            return CompiledValidator(self.schema)
        except InvalidJSONSchema as error:
            raise ContractBrokenError(
                f"The SCHEMA of '{self.stream_name}' is none: {error}. Check what writes it, then run again."
            ) from None

    def accept(self, row: dict[str, Any], message: dict[str, Any]) -> None:
        """Check a row and put it into the batch; one that can't be accepted is refused."""
        if self.include_sdc_metadata_properties:
            self._add_sdc_metadata_to_record(row, message, {})
        version = message.get("version")
        if version is None:
            version = self._target.activated.get(self.stream_name)
        if version is not None:
            row[TABLE_VERSION] = version
        reason = self._flaw(row)
        line = self._target.line or encode(message)
        mark = self._target.refusals.mark_of(message) if MEMBER in message else None
        if reason is not None:
            self._target.account.run.read(self.stream_name, 1)
            self._refuse(row, line, mark, reason)
            return
        self.tally_record_read()
        if mark is not None:
            self._marks[len(self.rows)] = mark
        self.rows.append(row)
        self._lines.append(line)
        self._extracted.append(message.get("time_extracted"))

    def _flaw(self, row: dict[str, Any]) -> str | None:
        if self._target.flaw is not None:
            return self._target.flaw
        for name in self._key_names:
            if row.get(name) is None:
                missing = [key for key in self.key_properties if row.get(key) is None]
                return f"its key {', '.join(missing)} is missing or null"
        # A delete carries the keys alone; properties that a live row must have are not asked of it.
        if self._validator is not None and not row.get(DELETED_AT):
            try:
                self._validator.validate(row)
            except InvalidRecord as error:
                return str(error.error_message)
        return None

    def _refuse(self, row: dict[str, Any], line: bytes, mark: Mark | None, reason: str) -> None:
        """A row can't be delivered: it goes to the dead letters, or the run stops and says which row and why.

        Raises:
            RowRejectedError: `on_row_error` is `fail`.
        """
        lacking = any(row.get(name) is None for name in self.key_properties)
        if self._target.fails_on_refusal:
            self._target.refusals.returned([mark] if mark else [])
            shown = ", ".join(f"{name}={row.get(name)!r}" for name in self.key_properties) or "without a key"
            raise (KeylessRowError if lacking else RowRejectedError)(
                f"{self.stream_name}: the row {shown} can't be delivered: {reason}. Mend it at the source or leave the "
                f"column out; the state was not moved past it."
            )
        key = None if lacking or not self._key_names else key_text(row, self._key_names)
        self._target.refusals.refuse(self.stream_name, RefusedRow(line, reason, key), mark)

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Rows come through `accept`."""
        self.accept(record, context)

    def stage(self) -> None:
        """Convert the rows that were accepted and put them on disk, so that few are in memory as objects.

        Raises:
            LedgerError: they can't be written.
        """
        rows, lines, extracted, marks = self.rows, self._lines, self._extracted, self._marks
        if not rows:
            return
        self.rows, self._lines, self._extracted = [], [], []
        account, names = self._target.account, self._key_names
        account.run.read(self.stream_name, len(rows))
        self.record_counter_metric.increment(len(rows))
        refused = self.prepare(rows)
        for position, reason in sorted(refused.items()):
            self._refuse(rows[position], lines[position], marks.get(position), reason)
        if refused:
            taken = [position for position in range(len(rows)) if position not in refused]
            rows = [rows[position] for position in taken]
            lines = [lines[position] for position in taken]
            extracted = [extracted[position] for position in taken]
            marks = {place: marks[position] for place, position in enumerate(taken) if position in marks}
        trail = TrailColumns(
            key_texts([[row.get(name) for row in rows] for name in names], names) if names else [""] * len(rows),
            [_text(row.get(ROW_VERSION)) for row in rows],
            list(map(_text, extracted)),
            [account.ledger.now()] * len(rows),
            [bool(row.get(DELETED_AT)) for row in rows],
            lines,
        )
        self._outgoing.add(trail, marks)
        self._marks = {}  # not before: `abandon` gives back what did not come so far

    def process_batch(self, context: dict[str, Any]) -> None:
        """Deliver the rows that were gathered."""
        del context
        part = self._target.parts.leaves(self.stream_name)
        self.stage()
        try:
            pushed = self._outgoing.push()
        finally:
            self.forget()
        if pushed is not None:
            self._target.pushed(self.stream_name, pushed)
        self._target.arrived(part)

    def abandon(self) -> None:
        """The run ends here by an error: nothing that was gathered is delivered, and replayed rows may be replayed again."""
        self._outgoing.discard()
        self._target.refusals.returned(self._marks.values())

    @abstractmethod
    def shape(self) -> None:
        """See that the destination has a table for the stream."""

    @abstractmethod
    def prepare(self, rows: list[dict[str, Any]]) -> dict[int, str]:
        """Convert rows and keep them behind those that are kept already, until `forget`.

        Returns:
            The rows that can't be delivered as they are, by position, with the reason; they are not kept.
        """

    @abstractmethod
    def deliver(self, first: int, count: int, batch: str) -> int:
        """Deliver prepared rows (see `ifs_bi_core.singer.outgoing.Adapter`)."""

    @abstractmethod
    def held_of(self, batch: str, rows: int) -> int | None:
        """How many rows of an earlier batch the destination holds (see `ifs_bi_core.singer.outgoing.Adapter`)."""

    @abstractmethod
    def forget(self) -> None:
        """Let go of the prepared rows."""

    def finish(self) -> None:
        """All rows of the run have come: do what had to wait for that."""

    # A delete has to survive, and versions have to be known, whether or not metadata columns are wanted.

    def _remove_sdc_metadata_from_schema(self) -> None:
        kept = {name: self.schema["properties"].get(name) for name in (DELETED_AT, TABLE_VERSION)}
        super()._remove_sdc_metadata_from_schema()
        self.schema["properties"] |= {name: definition for name, definition in kept.items() if definition}


def _text(value: Any) -> str | None:
    """A time as text; a tap that nobody here wrote may send something else."""
    return value if value is None or isinstance(value, str) else str(value)
