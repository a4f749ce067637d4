"""Replication by the versions of rows, which IFS Cloud's ETags hold: no modified field, no clock, and deletes fall out of it.

The first run reads everything. Each later one looks at the keys and versions alone, and fetches the rows that the destination
doesn't have in that version: by their keys, or all of them where that is less work or where the set takes no such question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tap_ifs_cloud.deletes import detects_deletes
from tap_ifs_cloud.key_scan import UNKNOWN_VERSION, gone_records, see_all_versions
from tap_ifs_cloud.odata import all_of, literal
from tap_ifs_cloud.outcomes import RefusedError
from tap_ifs_cloud.reading import DELIVERED
from tap_ifs_cloud.versions import ETAG_MEMBER, Provisional, SecondsOver, version_of
from tap_ifs_cloud.window import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_ifs_cloud.delivered import Line, Picked
    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.reading import Reading
    from tap_ifs_cloud.versions import Version

FILTER_LENGTH = 1_800
"""Characters of a filter that names rows by their keys. Servers and proxies are known that take no address beyond 8 KB, and a
character may take nine in it."""

_ADDRESS_LENGTH = 4_000  # the same filter, percent-encoded
_WHOLE_FROM = 5  # where more than a fifth of the rows changed, all are read


def versioned_records(reading: Reading) -> Iterator[dict[str, Any]]:
    """The rows that differ from what was delivered as records, and those that are gone.

    Raises:
        KeyStoreError: what was delivered can't be looked up or noted.
    """
    question = reading.question()
    with reading.line(question) as line:
        run = _Comparison(reading, line, question)
        yield from run.differences() if line.known else run.everything()


class _Comparison:
    """One run over a set whose rows have versions."""

    def __init__(self, reading: Reading, line: Line, question: str) -> None:
        self._reading = reading
        self._line = line
        self._question = question
        self._to_record = reading.records()
        self._seconds = SecondsOver(reading.clock)
        self._before = reading.delivered
        self._takes_key_filters = self._before.get("key_filters", True)
        self._began = reading.clock()
        self._untold = True

    def everything(self) -> Iterator[dict[str, Any]]:
        """The first run: every row, in a version of the entire set."""
        reading = self._reading
        compares: bool | None = True if reading.source.entity.replication == "row_version" else None
        reading.destination.begin_version()
        count = 0
        for rows in reading.pages(reading.source.key, reading.scope):
            if compares is None and rows:
                compares = any(ETAG_MEMBER in row for row in rows)
                if not compares and reading.select_nothing():  # selected rows may lack what whole ones have
                    yield from self.everything()
                    return
                if not compares:
                    reading.log.info("The rows of %s carry no ETag; it is read in full", reading.name)
            records = list(map(self._to_record.record, rows))
            if compares:
                self._note(list(zip(map(self._version, rows, records), records, strict=True)))
            yield from records
            count += len(rows)
        if reading.destination.complete_version(count, self._before.get("rows", 0)):
            self._line.stands_alone()
            said = self._said() if compares else {}
            reading.state[DELIVERED] = {"rows": count, **said}

    def differences(self) -> Iterator[dict[str, Any]]:
        """A later run: what differs from what was delivered."""
        reading, line = self._reading, self._line
        scans = not reading.source.expanded and self._takes_key_filters and not reading.refuses_select
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

    def _fetched(self, changed: Picked) -> Iterator[dict[str, Any]]:
        """The rows of these keys, whole, as far as they are still there."""
        reading = self._reading
        for keys, question in key_filters(self._keys_of(changed), reading.source.key):
            missing = set(keys)
            try:
                for rows in reading.pages(reading.source.key, all_of(reading.scope, question)):
                    asked = [row for row in rows if reading.keys.of_row(row) in missing]
                    missing.difference_update(map(reading.keys.of_row, asked))
                    yield from self._differing(asked)
                    if not missing:
                        break
            except RefusedError:
                reading.log.info(
                    "%s refuses filters on its keys; all rows are read and compared in each run", reading.name
                )
                self._takes_key_filters = False
                yield from self._all_that_differ()
                yield from self._gone()
                return

    def _keys_of(self, changed: Picked) -> Iterator[tuple[bytes, Mapping[str, Any]]]:
        for keys in changed.slices():
            for key in keys:
                yield key, self._reading.keys.values(key)

    def _differing(self, rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The records of the whole rows that differ from what was delivered, which are noted."""
        now = self._reading.clock()
        told: list[tuple[Version, dict[str, Any]]] = []
        settled: list[tuple[bytes, Version]] = []
        for row in rows:
            record = self._to_record.record(row)
            version, key = self._version(row, record), self._reading.keys.of_record(record)
            delivered = self._line.version(key)
            if version == delivered:
                continue
            before = Provisional.parsed(delivered)
            if before and before.version == version and before.digest == digest(record):
                if before.is_over(now):
                    settled.append((key, version))
                continue
            told.append((version, record))
        self._line.note(settled)
        self._note(told)
        yield from (record for _, record in told)

    def _note(self, read: Sequence[tuple[Version, Mapping[str, Any]]]) -> None:
        """Remember records that are about to be written out, which were read just now."""
        self._seconds.read(version for version, _ in read)
        now, border = self._reading.clock(), self._seconds.border()
        self._line.note(
            (
                self._reading.keys.of_record(record),
                Provisional.of(version, record, now).text
                if isinstance(version, int) and version >= border
                else version,
            )
            for version, record in read
        )

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


def key_filters(
    keys: Iterable[tuple[bytes, Mapping[str, Any]]], properties: Sequence[Property]
) -> Iterator[tuple[list[bytes], str]]:
    """Filters that each name some rows by their keys, and those keys; as many as fit into `FILTER_LENGTH`.

    ``OrderNo eq 'A' or OrderNo eq 'B'``, or of a key with several parts ``(OrderNo eq 'A' and LineNo eq '1') or (…)``
    """
    some: list[bytes] = []
    parts: list[str] = []
    length = encoded = 0
    for key, values in keys:
        part = " and ".join(f"{prop.name} eq {literal(values[prop.name], prop)}" for prop in properties)
        part = f"({part})" if len(properties) > 1 else part
        longer, longer_encoded = len(part) + len(_OR), len(quote(part + _OR, safe=""))
        if some and (length + longer > FILTER_LENGTH or encoded + longer_encoded > _ADDRESS_LENGTH):
            yield some, _OR.join(parts)
            some, parts, length, encoded = [], [], 0, 0
        some.append(key)
        parts.append(part)
        length += longer
        encoded += longer_encoded
    if some:
        yield some, _OR.join(parts)


_OR = " or "
