"""The one stream class: every entity of the catalogue is an instance of it."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.singer.progress import Progress
from singer_sdk import Stream
from singer_sdk.helpers.conform import TypeConformanceLevel

from tap_ifs_cloud.odata import all_of, any_equal, collection_url, fixed_width, literal
from tap_ifs_cloud.outcomes import RefusedError
from tap_ifs_cloud.paging import Walk
from tap_ifs_cloud.rows import RowReader
from tap_ifs_cloud.schema import catalog_schema, json_schema
from tap_ifs_cloud.window import DeliveredWindow, digest, start_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ifs_bi_core.ledger.runs import Run
    from singer_sdk import Tap

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.entities import Entity
    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.paging import Ask

_STATE = "delivered"
"""Where a bookmark keeps what the window has to know, beside the SDK's own keys."""


@dataclass(frozen=True)
class Source:
    """An entity as the tenant has it: the catalogue's row joined with ``$metadata``.

    Attributes:
        entity: the catalogue's row.
        service: address of the projection or entity service.
        key: properties that identify a row.
        modified: the replication key, or None for a full stream.
        properties: what is read, by name.
        expanded: the same for each expanded reference.
    """

    entity: Entity
    service: str
    key: tuple[Property, ...]
    modified: Property | None
    properties: dict[str, Property]
    expanded: dict[str, dict[str, Property]]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the stream."""
        return json_schema(
            self.properties,
            key=[prop.name for prop in self.key],
            has_etag=self.entity.has_etag,
            expanded=self.expanded,
        )


class EntityStream(Stream):
    """Reads one entity set, in full or from its bookmark on."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # `RowReader` has given every value its type
    is_sorted = True  # a run that was interrupted goes on from its last STATE
    check_sorted = False  # a late commit is older than the bookmark; `_changed_records` keeps the bookmark itself

    def __init__(self, tap: Tap, source: Source, cloud: IfsCloud, run: Run | None = None) -> None:
        self._source = source
        self._cloud = cloud
        self._run = run
        self._progress = Progress(source.entity.name)
        self.failure: ContractBrokenError | None = None
        self.wire_schema = source.schema
        super().__init__(tap, schema=catalog_schema(source.schema), name=source.entity.name)
        self.primary_keys = [prop.name for prop in source.key]
        self.replication_key = source.modified.name if source.modified else None

    def apply_catalog(self, catalog: Any) -> None:
        """Take selection, keys and replication from a catalog; types stay those of ``$metadata``."""
        super().apply_catalog(catalog)
        self._input_schema = None

    def get_records(self, context: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        """All records of a full stream, or those from the bookmark on.

        A stream whose source is not what the catalogue says stops here and leaves the others to go on; the tap ends with
        exit code 1.
        """
        del context
        self._progress = self._progress_of(self.get_context_state(None))
        try:
            if self.replication_method == "INCREMENTAL" and self._source.modified:
                yield from self._changed_records(self._source.modified)
            else:
                yield from self._all_records()
        except ContractBrokenError as error:
            self.failure = error
            self.logger.error("%s", error)  # noqa: TRY400 - the sentence is for a person; it needs no traceback
        else:
            self._progress.done()

    def _progress_of(self, state: Mapping[str, Any]) -> Progress:
        """Tells how far the stream is; of a full reading the last one is the estimate."""
        rows = (state.get(_STATE) or {}).get("rows")
        return Progress(self.name, estimate=rows, log=self.logger.info)

    def _all_records(self) -> Iterator[dict[str, Any]]:
        state = self.get_context_state(None)
        before = (state.get(_STATE) or {}).get("rows", 0)
        reader = self._reader(None)
        self._begin_version()
        count = 0
        for rows in self._pages(self._source.key, self._scope()):
            yield from map(reader.record, rows)
            count += len(rows)
        if self._complete_version(count, before):
            state[_STATE] = {"rows": count}

    def _changed_records(self, modified: Property) -> Iterator[dict[str, Any]]:
        state = self.get_context_state(None)
        query = self._fingerprint()
        remembered = state.get(_STATE) or {}
        if remembered.get("query") != query:  # the bookmark belongs to another question: this run begins anew
            remembered = {}
            state.pop("replication_key_value", None)
        bookmark: str | None = state.get("replication_key_value")
        began = fixed_width(datetime.now(UTC).isoformat())
        lookback = float(self.config["lookback_seconds"])
        window = DeliveredWindow(remembered.get("digests", ()), began, lookback)
        start = self._start(bookmark, remembered.get("began"), lookback)
        if start is None:
            self._begin_version()
        reader = self._reader(modified.name)
        for order, question in self._questions(modified, start):
            for rows in self._pages(order, question):
                for row in rows:
                    record = reader.record(row)
                    moment, fingerprint = record.get(modified.name), digest(record)
                    if not window.knows(fingerprint):
                        yield record
                    window.add(moment, fingerprint)
                # Written when the rows are: the SDK sends the state along after them.
                state[_STATE] = {"query": query, "began": began, "digests": window.digests()}
                newest = max(bookmark or "", window.newest or "")
                if newest:
                    state["replication_key"] = modified.name
                    state["replication_key_value"] = newest
        if start is None:
            self._complete_version(window.count, 0)

    def _begin_version(self) -> None:
        """From here on, records say that they belong to a reading of the entire set."""
        self._stream_version = int(datetime.now(UTC).timestamp() * 1000)

    def _complete_version(self, count: int, before: int) -> bool:
        """The entire set was read: only now is it known that what was not sent is gone.

        Args:
            count: rows that were read.
            before: rows of the last reading.

        Returns:
            False where the set is empty, which is not believed.
        """
        if count == 0:
            # A service user that lost its Allowed Companies is answered like this, too, also in a run without state.
            self.logger.log(
                logging.WARNING if before else logging.INFO,
                "%s is empty, and had %d rows in the last run that is known: nothing is removed. Check what the service user may "
                "see (permission set, Allowed Companies); if the set is really empty, remove its rows at the destination.",
                self.name,
                before,
            )
            return False
        if self.selected and self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)
        return True

    def _questions(self, modified: Property, start: str | None) -> list[tuple[tuple[Property, ...], str]]:
        """What to read, each with its order: the rows from a moment on, and those that were never dated."""
        since = f"{modified.name} ge {literal(start, modified)}" if start else ""
        if not modified.nullable:
            return [((modified, *self._source.key), all_of(self._scope(), since))]
        dated = all_of(self._scope(), since or f"{modified.name} ne null")
        undated = all_of(self._scope(), f"{modified.name} eq null")
        return [((modified, *self._source.key), dated), (self._source.key, undated)]

    def _start(self, bookmark: str | None, began: str | None, lookback: float) -> str | None:
        """Where to read from: the bookmark less the lookback, or the start date; None for the beginning."""
        start_date = self.config.get("start_date")
        starts = [fixed_width(start_date)] if start_date else []
        if bookmark:
            starts.append(start_of(min(bookmark, began or bookmark), lookback))
        start = max(starts, default=None)
        is_date = self._source.modified is not None and self._source.modified.type == "Edm.Date"
        return start[:10] if start and is_date else start

    def _fingerprint(self) -> str:
        """What the stream asks for: a bookmark is good for the same question alone."""
        entity = self._source.entity
        question = [entity.where, self._scope(), self.replication_key, self.config.get("start_date")]
        return hashlib.blake2b(json.dumps(question).encode(), digest_size=8).hexdigest()

    def _scope(self) -> str:
        entity = self._source.entity
        companies = self.config.get("companies")
        if not companies or not entity.company:
            return entity.filter or ""
        return all_of(any_equal(companies, self._source.properties[entity.company]), entity.filter)

    def _reader(self, modified: str | None) -> RowReader:
        return RowReader(self.name, self._source.properties, self._source.expanded, modified)

    def _pages(self, order: tuple[Property, ...], base_filter: str) -> Iterator[list[dict[str, Any]]]:
        paging = self.config["paging"]
        walk = Walk(self.name, order, base_filter, self.config["page_size"], "skip" if paging == "skip" else "keyset")
        select = self._source.entity.select
        while walk.ask:
            url = walk.ask.link or self._url(walk.ask, order, select)
            try:
                page = self._cloud.page(url, f"{self.name} page {walk.page + 1}")
            except RefusedError:
                if paging == "auto" and walk.fall_back():
                    self.logger.info("%s refuses filters on its keys; its rows are counted instead", self.name)
                elif select:
                    self.logger.warning("%s refuses $select; whole rows are read", self.name)
                    select = ()
                else:
                    raise
                continue
            rows = walk.received(page.rows, page.link)
            self._account_for(walk.page, rows, url)
            self._progress.add(len(rows), 1)
            if walk.capped_at:
                self.logger.info("IFS Cloud cuts pages of %s to %d rows", self.name, walk.capped_at)
                walk.capped_at = None
            yield rows

    def _account_for(self, number: int, rows: list[dict[str, Any]], url: str) -> None:
        """Tell the ledger of a page and of the rows in it that are new."""
        if self._run is None:
            return
        names = sorted(prop.name for prop in self._source.key)
        first, last = (key_text(rows[place], names) if rows else None for place in (0, -1))
        self._run.page(self.name, number=number, rows=len(rows), query=url, first_key=first, last_key=last)

    def _url(self, ask: Ask, order: tuple[Property, ...], select: tuple[str, ...]) -> str:
        names = dict.fromkeys((*select, *(prop.name for prop in order))) if select else ()
        return collection_url(
            self._source.service,
            self._source.entity.entity_set,
            {
                "$filter": ask.filter,
                "$orderby": ",".join(prop.name for prop in order),
                "$select": ",".join(names),
                "$expand": ",".join(self._source.entity.expand),
                "$top": str(self.config["page_size"]),
                "$skip": str(ask.skip) if ask.skip else "",
            },
        )
