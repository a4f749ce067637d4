"""Replication by the versions of rows, which IFS Cloud's ETags hold: no modified field, no clock, and deletes fall out of it.

The first run reads everything. Each later one looks at the keys and versions alone, and fetches the rows that the destination
doesn't have in that version: by their keys, or all of them where that is less work or where the set takes no such question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.deletes import detects_deletes
from tap_ifs_cloud.key_filter import key_filters
from tap_ifs_cloud.key_scan import UNKNOWN_VERSION, gone_records, see_all_versions
from tap_ifs_cloud.odata import ETAG_MEMBER, all_of
from tap_ifs_cloud.outcomes import RefusedError
from tap_ifs_cloud.reading import DELIVERED
from tap_ifs_cloud.versions import Provisional, SecondsOver, version_of
from tap_ifs_cloud.window import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_ifs_cloud.delivered import Line, Picked
    from tap_ifs_cloud.reading import Reading
    from tap_ifs_cloud.record_pages import RecordPage
    from tap_ifs_cloud.versions import Version

_WHOLE_FROM = 5  # where more than a fifth of the rows changed, all are read


def versioned_records(reading: Reading) -> Iterator[dict[str, Any] | RecordPage]:
    """The rows that differ from what was delivered as records or pages of them, and those that are gone.

    Raises:
        KeyStoreError: what was delivered can't be looked up or noted.
    """
    question = reading.question()
    with reading.line(question) as line:
        run = _Comparison(reading, line, question)
        yield from run.differences() if line.known or reading.joins else run.everything()
        line.saw_page(reading.longest_page)


def goes_on(reading: Reading) -> bool:
    """Whether a run can compare with what was delivered."""
    return reading.has_line(reading.question())


class _Comparison:
    """One run over a set whose rows have versions."""

    def __init__(self, reading: Reading, line: Line, question: str) -> None:
        self._reading = reading
        self._line = line
        self._question = question
        self._to_record = reading.records()
        self._seconds = SecondsOver(lambda: reading.received_at)
        self._before = reading.delivered
        self._takes_key_filters = self._before.get("key_filters", True)
        self._began = reading.clock()
        self._untold = True

    def everything(self) -> Iterator[dict[str, Any] | RecordPage]:
        """The first run: every row, in a version of the entire set."""
        reading = self._reading
        compares, may_lack = True, reading.source.entity.replication != "row_version"
        reading.destination.begin_version()
        count = 0
        for rows in reading.pages(reading.source.key, reading.scope):
            if may_lack and compares and rows:
                compares = any(ETAG_MEMBER in row for row in rows)
                if not compares and reading.select_nothing():  # selected rows may lack what whole ones have
                    yield from self.everything()
                    return
                if not compares:
                    reading.log.info("The rows of %s carry no ETag; it is read in full", reading.name)
            page = reading.page(rows)
            versions = page.versions if page is not None and compares else None
            if page is not None and (versions or not compares):
                if versions:
                    self._note_page(page, versions)
                yield page
            else:
                yield from self._noted(rows) if compares else map(self._to_record.record, rows)
            count += len(rows)
            del rows, page  # before the next one is decoded
        if reading.destination.complete_version(reading.believed(count), self._before.get("rows", 0)):
            self._line.stands_alone()
            said = self._said() if compares else {}
            reading.state[DELIVERED] = {"rows": count, **said}

    def _noted(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The records of a page of the first run, which are noted."""
        records = list(map(self._to_record.record, rows))
        keys = list(map(self._reading.keys.of_delivered, rows, records))
        superseding = self._superseding(keys, records)
        self._note(list(zip(map(self._version, rows, records), keys, records, strict=True)))
        return superseding

    def _note_page(self, page: RecordPage, versions: Sequence[int]) -> None:
        """The same of records that nobody looks at, as far as their seconds are over."""
        border = self._border(versions)
        now, keys = self._reading.received_at, self._reading.keys.of_page(page)
        if max(versions) < border:
            self._line.note(zip(keys, versions, strict=True))
            return
        self._line.note(
            (
                key,
                Provisional.of(version, self._to_record.record(row), now).text if version >= border else version,
            )
            for key, version, row in zip(keys, versions, page.rows, strict=True)
        )

    def differences(self) -> Iterator[dict[str, Any]]:
        """A later run: what differs from what was delivered."""
        reading, line = self._reading, self._line
        scans = not reading.source.expanded and self._takes_key_filters and not reading.refuses_select and line.known
        if scans and not see_all_versions(reading, line, self._seconds):
            scans = False
            if not reading.refuses_select:
                reading.log.warning(
                    "%s has no ETag in rows of which only the keys are asked for: whole rows are read and compared in each run",
                    reading.name,
                )
        if scans:
            changed = line.changed().count
            reading.log.info(
                "%s: %d of %d rows differ from what was delivered", self._reading.name, changed, line.seen()
            )
            scans = changed * _WHOLE_FROM <= line.seen()
        if scans:
            yield from self._gone()
            yield from self._fetched(line.changed())
        else:
            yield from self._all_that_differ()
            yield from self._gone()
        reading.state[DELIVERED] = {"rows": line.count(), **self._said()}

    def _said(self) -> dict[str, Any]:
        said = {"query": self._question, "generation": self._line.token()}
        return said if self._takes_key_filters else {**said, "key_filters": False}

    def _gone(self) -> Iterator[dict[str, Any]]:
        if detects_deletes(self._reading.config):
            yield from gone_records(self._reading, self._line, self._began)

    def _all_that_differ(self) -> Iterator[dict[str, Any]]:
        """Those of all rows that differ; the keys of all are taken down."""
        reading = self._reading
        self._line.begin_scan()
        self._began = reading.clock()
        for rows in reading.pages(reading.source.key, reading.scope):
            self._line.see((reading.keys.of_row(row), UNKNOWN_VERSION) for row in rows)
            yield from self._differing(rows)
            del rows  # before the next ones are decoded

    def _fetched(self, changed: Picked) -> Iterator[dict[str, Any]]:
        """The rows of these keys, whole, as far as they are still there."""
        reading = self._reading
        try:
            for place, stage in enumerate(reading.stages):
                for keys, question in key_filters(self._keys_of(changed, stage), stage.source.key):
                    missing = set(keys)
                    for later in reading.stages[place:]:  # where a row may have moved since its key was seen
                        yield from self._found(later, question, missing)
        except RefusedError:
            reading.log.info("%s refuses filters on its keys; all rows are read and compared in each run", reading.name)
            self._takes_key_filters = False
            yield from self._all_that_differ()
            yield from self._gone()

    def _found(self, stage: Reading, question: str, missing: set[bytes]) -> Iterator[dict[str, Any]]:
        """The rows of these keys that are in one set; what was found is missing no more."""
        if not missing:
            return
        for rows in stage.pages(stage.source.key, all_of(stage.scope, question)):
            asked = [row for row in rows if stage.keys.of_row(row) in missing]
            missing.difference_update(map(stage.keys.of_row, asked))
            yield from self._differing(asked)
            del rows, asked  # before the next ones are decoded
            if not missing:
                break

    def _keys_of(self, changed: Picked, stage: Reading) -> Iterator[tuple[bytes, Mapping[str, Any]]]:
        """Of the keys that were picked, those that were seen in a stage."""
        joins = len(self._reading.stages) > 1
        for keys in changed.slices():
            for key in keys:
                if not joins or stage.holds(self._line.seen_version(key)):
                    yield key, self._reading.keys.values(key)

    def _differing(self, rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The records of the whole rows that differ from what was delivered, which are noted."""
        now = self._reading.asked_at
        told: list[tuple[Version, bytes, dict[str, Any]]] = []
        settled: list[tuple[bytes, Version]] = []
        for row in rows:
            record = self._to_record.record(row)
            version, key = self._version(row, record), self._reading.keys.of_delivered(row, record)
            delivered = self._line.version(key)
            if self._reading.marked(version, record) == delivered:
                continue
            before = Provisional.parsed(delivered)
            if before and before.version == version and before.digest == digest(record):
                if before.is_over(now):
                    settled.append((key, self._reading.marked(version, record)))
                continue
            told.append((version, key, record))
        superseding = self._superseding([key for _, key, _ in told], [record for _, _, record in told])
        self._line.note(settled)
        self._note(told)
        yield from superseding

    def _superseding(self, keys: Sequence[bytes], records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Records such that they replace what was delivered before them."""
        if len(self._reading.stages) == 1:
            return list(records)
        versions = map(self._line.version, keys)
        return [self._reading.superseding(*told) for told in zip(records, versions, strict=True)]

    def _note(self, read: Sequence[tuple[Version, bytes, Mapping[str, Any]]]) -> None:
        """Remember records that are about to be written out, which were read just now."""
        now, border = self._reading.received_at, self._border([version for version, _, _ in read])
        self._line.note(
            (
                key,
                Provisional.of(version, record, now).text
                if isinstance(version, int) and version >= border
                else self._reading.marked(version, record),
            )
            for version, key, record in read
        )

    def _border(self, versions: Sequence[Version]) -> int:
        """The first version whose second may not be over, after some that were read just now."""
        self._seconds.read(versions)
        return self._seconds.border(self._reading.asked_at)

    def _version(self, row: Mapping[str, Any], record: Mapping[str, Any]) -> Version:
        etag = row.get(ETAG_MEMBER)
        if etag and not self._reading.source.expanded:  # an ETag doesn't speak for the rows of references
            return version_of(etag)
        if self._untold:
            self._untold = False
            self._reading.log.info(
                "Rows of %s %s; they are compared by all they hold",
                self._reading.name,
                "carry other entities' fields" if etag else "carry no ETag",
            )
        return f"#{digest(record)}"
