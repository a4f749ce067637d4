"""The one stream class: every entity of the catalogue is an instance of it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError, IfsBiError
from ifs_bi_core.singer.progress import Progress
from singer_sdk.helpers.conform import TypeConformanceLevel

from tap_ifs_cloud.full import all_records
from tap_ifs_cloud.key_store import KeyStoreError
from tap_ifs_cloud.page_stream import PageStream
from tap_ifs_cloud.parts import Part, Share, parts_of
from tap_ifs_cloud.reading import DELIVERED, HAD_ROWS, Reading
from tap_ifs_cloud.record_pages import RecordPage, RecordPages
from tap_ifs_cloud.row_version import goes_on as versions_go_on
from tap_ifs_cloud.row_version import versioned_records
from tap_ifs_cloud.schema import DELETED_AT, catalog_schema
from tap_ifs_cloud.span import Span
from tap_ifs_cloud.stages import StagedReading
from tap_ifs_cloud.surroundings import Surroundings
from tap_ifs_cloud.time_zone import source_zone
from tap_ifs_cloud.timestamp import changed_records
from tap_ifs_cloud.timestamp import goes_on as changes_go_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from ifs_bi_core.ledger.runs import Run
    from singer_sdk import Tap
    from singer_sdk.singerlib import SelectionMask

    from tap_ifs_cloud.allowed_companies import AllowedCompanies
    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.source import Replication, Source
    from tap_ifs_cloud.surroundings import Destination
    from tap_ifs_cloud.turns import Turns


class EntityStream(PageStream):
    """Reads one entity set, in the way that its source says.

    Args:
        tap: the tap.
        source: what is read.
        cloud: where it is read.
        run: the run in the ledger, if it is kept.
        key_store: the file of what was delivered; None for one that forgets.
        turns: who may write, where streams are read side by side.
        allowed: which companies the service user sees.
        companies: those that a source is read in, one at a time; none: all at once.

    Attributes:
        source: what is read.
        failure: why the stream stopped early.
        wire_schema: the schema with all that ``$metadata`` says.
    """

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # `RowReader` has given every value its type
    is_sorted = True  # a run that was interrupted goes on from its last STATE

    def __init__(
        self,
        tap: Tap,
        source: Source,
        cloud: IfsCloud,
        run: Run | None,
        key_store: Path | None,
        turns: Turns,
        allowed: AllowedCompanies,
        companies: Callable[[Source], Iterable[str]],
    ) -> None:
        self.source = source
        self._allowed = allowed
        self._span: Span | None = None
        self._lines: dict[str, int] = {}
        self._schema_is_written = False
        self._companies = companies
        self._cloud = cloud
        self._run = run
        self._key_store = key_store
        self._turns = turns
        self.failure: IfsBiError | None = None
        self.wire_schema = source.schema
        super().__init__(tap, schema=catalog_schema(source.schema), name=source.entity.name)
        self.primary_keys = [prop.name for prop in source.key]
        self.replication_key = source.modified.name if source.modified else None

    def apply_catalog(self, catalog: Any) -> None:
        """Take selection, keys and replication from a catalog; types stay those of ``$metadata``."""
        super().apply_catalog(catalog)
        self._input_schema = None

    @property
    def mask(self) -> SelectionMask:
        """What is selected; a gone row says so, whatever a catalog selects, or its record would be one of nulls."""
        mask = super().mask
        mask[("properties", DELETED_AT)] = True
        return mask

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """The records of this run, one by one."""
        for record in self._pieces(context, None):
            if isinstance(record, RecordPage):
                raise TypeError("a page was read where records are looked at one by one")
            yield record

    def get_pages(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any] | RecordPage]:
        """The same in whole pages, as far as they are of the ordinary form."""
        left_out = [name for name in self.wire_schema["properties"] if not self.mask[("properties", name)]]
        return self._pieces(context, RecordPages(self.source, left_out, source_zone(self.config)))

    @property
    def has_pages(self) -> bool:
        """Whether rows are all that records are made of: not where stages are joined or references expanded."""
        return not self.source.stages and not self.source.expanded

    def _pieces(
        self, context: Mapping[str, Any] | None, record_pages: RecordPages | None
    ) -> Iterator[dict[str, Any] | RecordPage]:
        """What this run reads.

        A stream whose source is not what the catalogue says stops here and leaves the others to go on; the tap ends with
        exit code 1.
        """
        (company,) = (context or {"": None}).values()
        part = self.parts[company] if company is not None else None
        try:
            reading = self._part_reading(part, record_pages) if part else self._whole_reading(record_pages)
            rows = 0
            for piece in self._records(reading):
                rows += len(piece) if isinstance(piece, RecordPage) else DELETED_AT not in piece
                yield piece
                del piece  # before the next one is decoded
        except (ContractBrokenError, KeyStoreError) as error:
            self.failed_with(error)
        else:
            reading.done()
            if part and self._span:
                self._span.finished(part, rows)

    def failed_with(self, error: IfsBiError) -> None:
        """Say that the stream, or a company in it, stopped early; the first reason is kept."""
        self.failure = self.failure or error
        self.logger.error("%s", error)  # the sentence is for a person; it needs no traceback

    def _whole_reading(self, record_pages: RecordPages | None) -> Reading:
        state = self.get_context_state(None)
        if state.pop("partitions", None) is not None:  # from now on one bookmark is good for all companies
            state.pop("version", None)
        return self._reading(None, state, self, record_pages=record_pages)

    def _part_reading(self, part: Part, record_pages: RecordPages | None) -> Reading:
        span = self._span or self._begun()
        destination = span.destination(part)
        return self._reading(part, span.state(part), destination, joins=span.goes_on, record_pages=record_pages)

    def _begun(self) -> Span:
        """The companies of this run, of which it is decided how they begin."""
        states = {company: self.get_context_state(part.context) for company, part in self.parts.items()}
        span = Span(self.parts, self.stream_state, states, self, self.logger, self._allowed.sees)
        span.begin(lambda part: self._goes_on(self._reading(part, states[part.company], self)))
        self._span = span
        return span

    def _reading(
        self,
        part: Part | None,
        state: dict[str, Any],
        destination: Destination,
        *,
        joins: bool = False,
        record_pages: RecordPages | None = None,
    ) -> Reading:
        label, rows = part.label if part else self.name, (state.get(DELIVERED) or {}).get("rows") or state.get(HAD_ROWS)
        return (StagedReading if self.source.stages else Reading)(
            self.source,
            self.config,
            self._cloud,
            destination=destination,
            state=state,
            surroundings=Surroundings(
                self.logger,
                Progress(label, estimate=rows, log=self.logger.info),
                self._run,
                self._key_store,
                turns=self._turns,
                found_empty=self._found_empty,
                record_pages=record_pages,
            ),
            deselected=[name for name in self.source.properties if not self.mask[("properties", name)]],
            share=Share(part, joins, self._lines),
        )

    @property
    def _way(self) -> Replication:
        """How changes are found, as far as that is known before the rows are."""
        if self.source.modified and self.replication_method == "INCREMENTAL":
            return "timestamp"
        return "row_version" if self.source.replication == "row_version" else "full"

    def _records(self, reading: Reading) -> Iterator[dict[str, Any] | RecordPage]:
        if self._way == "timestamp" and self.source.modified:
            return changed_records(reading, self.source.modified)
        return versioned_records(reading) if self._way == "row_version" else all_records(reading)

    def _goes_on(self, reading: Reading) -> bool:
        """Whether a bookmark is good for what is asked now; one of a full reading says nothing of the next."""
        if self._way == "timestamp" and self.source.modified:
            return changes_go_on(reading, self.source.modified)
        return self._way == "row_version" and versions_go_on(reading)

    def _found_empty(self) -> None:
        """An empty answer may be one to a user who sees no company."""
        if self.source.entity.company:
            self._allowed.check(self._turns.asking)

    @cached_property
    def parts(self) -> dict[str, Part]:
        """The companies that are read one at a time, each with its own bookmark; none where all are read at once.

        Raises:
            ContractBrokenError: the companies by which IFS Cloud keys the set can't be found out.
        """
        return parts_of(self.name, self.source.entity.company, self._companies(self.source))

    @property
    def partitions(self) -> list[dict[str, Any]] | None:
        """The contexts of the companies that are read one at a time."""
        return [part.context for part in self.parts.values()] or None

    def begin_version(self, version: int | None = None) -> int:
        """From here on, records say that they belong to a reading of the entire set: a new one, or one that was cut short."""
        self._stream_version = version or int(datetime.now(UTC).timestamp() * 1000)
        return self._stream_version

    def complete_version(self, count: int, before: int) -> bool:
        """The entire set was read: only now is it known that what was not sent is gone.

        Args:
            count: rows that were read.
            before: rows of the last reading.

        Returns:
            False where the set is empty, which is not believed.
        """
        if count == 0:
            self._found_empty()
            # A service user that lost its Allowed Companies is answered like this, too, also in a run without state.
            self.logger.log(
                logging.WARNING if before else logging.INFO,
                "%s is empty, and had %d rows in the last run that is known: nothing is removed. Check what the service user may "
                "see (permission set, Allowed Companies); if the set is really empty, remove its rows at the destination.",
                self.name,
                before,
            )
            return False
        self.activate_version()
        return True

    def activate_version(self) -> None:
        """Say that what the present version doesn't have is gone."""
        if self.selected and self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)
        self._stream_version = None

    def _write_schema_message(self) -> None:
        """Once in a run, in however many parts the stream is read."""
        if not (self._schema_is_written and self.parts):
            super()._write_schema_message()
        self._schema_is_written = True

    def _process_record(self, record: Any, child_context: Any = None, partition_context: Any = None) -> None:
        """Nothing: there are no child streams, and a record has its company where its source has one."""

    def _increment_stream_state(self, latest_record: Any, *, context: Any = None) -> None:
        """Nothing: the ways of replication keep the bookmark, and know what is written."""
