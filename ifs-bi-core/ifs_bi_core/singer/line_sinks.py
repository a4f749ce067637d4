"""A sink that takes RECORD lines as bytes, converts many of them together, and reads on while they are delivered.

A row is looked at by itself only where something is out of the ordinary; what is delivered, refused and written down of it is the
same either way (`ifs_bi_core.columnar.records`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from ifs_bi_core.columnar.records import RecordReader, parted
from ifs_bi_core.ledger.keys import key_texts
from ifs_bi_core.ledger.trail import TrailColumns
from ifs_bi_core.singer.sinks import DELETED_AT, ROW_VERSION, TABLE_VERSION, RowSink
from ifs_bi_core.singer.validation import CompiledValidator

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from ifs_bi_core.columnar.columns import Column
    from ifs_bi_core.columnar.records import Records
    from ifs_bi_core.singer.target import OrderedTarget

_FEW = 16
"""Rows of a chunk that are taken one by one rather than parted again to find the one that has to be."""


class LineSink(RowSink):
    """Gathers the lines of a stream as they are until there are enough to convert them together.

    Attributes:
        chunk_bytes: how much that is: a few thousand rows, after which more of them make no row cheaper.
    """

    chunk_bytes = 2 << 20

    def __init__(
        self, target: OrderedTarget, stream_name: str, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        self._taken: list[bytes] = []
        self._numbers: list[int] = []
        self._taken_bytes = 0
        self._reader: RecordReader | None = None
        self._reads: Sequence[Column] | None = None

    @property
    @abstractmethod
    def columns(self) -> Sequence[Column]:
        """What the stream's rows become; another object when it is something else."""

    @abstractmethod
    def keep(self, table: pa.Table) -> bool:
        """Keep rows behind those that are kept already, as `prepare` does it; False: they have to come one by one."""

    @property
    def takes_lines(self) -> bool:
        """Whether rows need nothing but to be typed."""
        return not self.include_sdc_metadata_properties and self._reader_now() is not None

    def accept_lines(self, lines: bytes, count: int, number: int) -> None:
        """Put rows into the batch (see `ifs_bi_core.singer.reader.TakesLines`)."""
        if self.rows:  # they came before
            self.stage()
        self._taken.append(lines)
        self._numbers += range(number, number + count)
        self._taken_bytes += len(lines)
        self.tally_record_read(count)
        if self._taken_bytes >= self.chunk_bytes:
            self.stage()

    def accept(self, row: dict[str, Any], message: dict[str, Any]) -> None:
        """Check a row and put it into the batch; one that can't be accepted is refused."""
        if self._taken:
            self.stage()
        super().accept(row, message)

    def stage(self) -> None:
        """Convert what was accepted and put it on disk."""
        taken, numbers = self._taken, self._numbers
        self._taken, self._numbers, self._taken_bytes = [], [], 0
        if taken:
            self._stage_lines(b"\n".join(taken), numbers)
        super().stage()

    def process_batch(self, context: dict[str, Any]) -> None:
        """Begin to deliver the rows that were gathered, when those that are on their way have arrived."""
        del context
        part = self._target.parts.leaves(self.stream_name)
        self.stage()
        target, flight = self._target, self._target.flight
        flight.land_of(self.stream_name)
        size = self.release()
        flight.make_room(size, *target.deliveries_at_once)
        sending = self._outgoing.send(flight.begin)

        def land() -> None:
            try:
                pushed = self._outgoing.landed(sending) if sending else None
            finally:
                self.forget()
            if pushed is not None:
                target.pushed(self.stream_name, pushed)
            target.arrived(part)

        if sending is None:
            land()
        else:
            flight.launched(self.stream_name, land, size)

    @abstractmethod
    def release(self) -> int:
        """What was kept leaves now: `deliver` is about these rows until `forget`, and what comes is gathered apart from them.

        Returns:
            How many bytes of memory it takes.
        """

    def _stage_lines(self, lines: bytes, numbers: list[int]) -> None:
        records = self._read(lines)
        if records is None:
            self._halve(lines, numbers)
        elif not self._stage_records(records, lines):
            self._one_by_one(lines.split(b"\n"), numbers)

    def _halve(self, lines: bytes, numbers: list[int]) -> None:
        """Find the rows that are out of the ordinary; where they are everywhere, take all one by one."""
        parts = lines.split(b"\n")
        middle = len(parts) // 2
        halves = [(parts[:middle], numbers[:middle]), (parts[middle:], numbers[middle:])]
        texts = [b"\n".join(part) for part, _ in halves]
        found = [self._read(text) for text in texts] if len(parts) > _FEW else [None, None]
        if found == [None, None]:
            self._one_by_one(parts, numbers)
            return
        for records, text, (part, part_numbers) in zip(found, texts, halves, strict=True):
            if records is None:
                self._halve(text, part_numbers)
            elif not self._stage_records(records, text):
                self._one_by_one(part, part_numbers)

    def _read(self, lines: bytes) -> Records | None:
        reader = self._reader_now()
        return reader.read(lines, version=self._target.activated.get(self.stream_name)) if reader else None

    def _reader_now(self) -> RecordReader | None:
        if self._reads is not self.columns:
            self._reads, self._reader = self.columns, self._reader_of(self.columns)
        return self._reader

    def _reader_of(self, columns: Sequence[Column]) -> RecordReader | None:
        kinds = self._validator.kinds if isinstance(self._validator, CompiledValidator) else None
        if kinds is None and self._validator is not None:  # the SCHEMA asks for more than types
            return None
        try:
            return RecordReader(
                self.stream_name,
                columns,
                kinds=kinds,
                present=self._key_names,
                asked=(ROW_VERSION, DELETED_AT),
                version=TABLE_VERSION,
            )
        except ValueError:  # a property has a name that no structure can have
            return None

    def _stage_records(self, records: Records, lines: bytes) -> bool:
        super().stage()  # rows that came one by one, and before these
        if not self.keep(records.table):
            return False
        count, account, names = records.table.num_rows, self._target.account, self._key_names
        account.run.read(self.stream_name, count)
        self.record_counter_metric.increment(count)
        nothing = [None] * count
        trail = TrailColumns(
            key_texts([records.values[name] for name in names], names) if names else [""] * count,
            records.values.get(ROW_VERSION, nothing),
            records.extracted,
            [account.ledger.now()] * count,
            list(map(bool, records.values.get(DELETED_AT, nothing))),
            parted(lines),
        )
        self._outgoing.add(trail, {})
        self.versions_met(records.versions)
        return True

    def versions_met(self, versions: Sequence[int | None]) -> None:
        """Take note of the versions that rows came with."""

    def _one_by_one(self, lines: Sequence[bytes], numbers: Sequence[int]) -> None:
        self.tally_record_read(-len(lines))  # each is counted again
        for line, number in zip(lines, numbers, strict=True):
            with self._target.again(line, number) as message:
                self.accept(dict(message["record"]), message)
