"""A Singer stream that writes whole pages of records where nobody looks at them one by one."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

from ifs_bi_core.singer.lines import LineWriter
from singer_sdk import Stream
from singer_sdk.helpers._util import utc_now
from singer_sdk.mapper import SameRecordTransform

from tap_ifs_cloud.record_pages import RecordPage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

_DEPTH = len(("properties", "name"))  # of what a catalog can select here


class PageStream(Stream):
    """A stream whose records can be had as pages.

    The way of pages leaves the same lines behind as the SDK's way, STATE at the same places. It is taken where records leave as
    they are: without stream maps, flattening, child streams, a limit for tests, or a selection inside of values. Whether they go
    into lines or into files is the writer's affair (`ifs_bi_core.singer.record_files`).
    """

    def get_batch_config(self, config: Mapping[str, Any]) -> None:
        """None, whatever is configured: the SDK's own way would make a file without stream maps and deletes."""
        del config

    @property
    def STATE_MSG_FREQUENCY(self) -> int:  # type: ignore[override]  # noqa: N802 - the SDK's name
        """Records between one STATE and the next."""
        writer = self._tap.message_writer
        return writer.rows_between_states if isinstance(writer, LineWriter) else Stream.STATE_MSG_FREQUENCY

    @property
    @abc.abstractmethod
    def has_pages(self) -> bool:
        """Whether the stream's records can be had as pages."""

    @abc.abstractmethod
    def get_pages(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any] | RecordPage]:
        """What `get_records` gives, page by page where that can be, else one by one."""

    def _writes_pages(self) -> LineWriter | None:
        """What pages are written to; None where each record has to be looked at."""
        writer = self._tap.message_writer
        leaves_as_it_is = [
            type(each) is SameRecordTransform and not each.flattening_enabled for each in self.stream_maps
        ]
        as_pages = (
            self.has_pages
            and leaves_as_it_is == [True]
            and self.selected
            and not self.child_streams
            and self.ABORT_AT_RECORD_COUNT is None
            and all(len(breadcrumb) <= _DEPTH for breadcrumb in self.mask)
        )
        return writer if as_pages and isinstance(writer, LineWriter) else None

    def _sync_records(
        self, context: Mapping[str, Any] | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        """Write RECORD and STATE lines; records that are written as pages are not given."""
        writer = self._writes_pages() if write_messages else None
        if writer is None:
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        counter, timer = self.get_record_counter(), self.get_sync_timer()
        written = 0
        with counter, timer:
            contexts = [context] if context is not None else self.partitions
            for element in contexts or [{}]:
                counter.with_context(dict(element))
                timer.with_context(dict(element))
                current = element or None
                self._write_starting_replication_value(current)
                for piece in self.get_pages(current):
                    count = len(piece) if isinstance(piece, RecordPage) else 1
                    counter.increment(count)
                    self._write_piece(piece, writer, written)
                    written += count
                    if not isinstance(piece, RecordPage):
                        yield piece
                    del piece  # before the next one is decoded
                if current == self._get_state_partition_context(current):
                    self._finalize_state(self.get_context_state(current))
        if not context:
            self._finalize_state(self.stream_state)
        self._write_state_message()

    def _write_piece(self, piece: dict[str, Any] | RecordPage, writer: LineWriter, written: int) -> None:
        """Write a page or a record, and a STATE wherever so many records lie behind the last one.

        Args:
            piece: what is written.
            writer: takes pages.
            written: how many records were written before.
        """
        every, count = self.STATE_MSG_FREQUENCY, len(piece) if isinstance(piece, RecordPage) else 1
        begin = 0
        while begin < count:
            end = min(count, begin + every - (written + begin) % every)
            if isinstance(piece, RecordPage):
                now = utc_now()
                for records, rows in piece.records(begin, end):
                    writer.write_records(self.name, self._stream_version, now, records, rows)
                self.state_manager.is_flushed = False
            else:
                self._write_record_message(piece)
            if (written + end) % every == 0:
                self._write_state_message()
            begin = end
