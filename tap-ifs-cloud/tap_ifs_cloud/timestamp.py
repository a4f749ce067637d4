"""Replication by a property that moves with every change: from its bookmark on, less what may have been committed late."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.deletes import detects_deletes, is_due
from tap_ifs_cloud.history_log import HistoryLog, LogUnusableError
from tap_ifs_cloud.key_scan import gone_records, see_all_keys, told_gone
from tap_ifs_cloud.odata import all_of, fixed, fixed_width, literal, parse_instant
from tap_ifs_cloud.reading import DELIVERED
from tap_ifs_cloud.window import DeliveredWindow, digest, start_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_ifs_cloud.delivered import Line
    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.reading import Reading
    from tap_ifs_cloud.record_pages import RecordPage

_SLICE = 500  # keys


def changed_records(reading: Reading, modified: Property) -> Iterator[dict[str, Any] | RecordPage]:
    """The rows from the bookmark on as records or pages of them, then those that are gone, if it is time to look for them.

    Raises:
        KeyStoreError: what was delivered can't be looked up or noted.
    """
    question = _question(reading, modified)
    if reading.delivered.get("query") != question:  # the bookmark belongs to another question: this run begins anew
        _begin_anew(reading)
    with ExitStack() as stack:
        line = stack.enter_context(reading.line(question)) if detects_deletes(reading.config) else None
        if line and not line.known and reading.delivered:
            reading.log.info(
                "%s is read from the beginning, once: which rows were delivered is not known here, and rows that went would "
                "not be missed.",
                reading.name,
            )
            _begin_anew(reading)
        yield from _Changes(reading, modified, question, line).records()
        if line:
            line.saw_page(reading.longest_page)


def goes_on(reading: Reading, modified: Property) -> bool:
    """Whether a run can begin with the bookmark, so that what it finds is all that the destination lacks."""
    question = _question(reading, modified)
    is_the_same = reading.delivered.get("query") == question
    return is_the_same and (not detects_deletes(reading.config) or reading.has_line(question))


def _question(reading: Reading, modified: Property) -> str:
    return reading.question(modified.name, reading.config.get("start_date"))


def _begin_anew(reading: Reading) -> None:
    reading.state.pop(DELIVERED, None)
    reading.state.pop("replication_key_value", None)


class _Changes:
    """One run over what has changed."""

    def __init__(self, reading: Reading, modified: Property, question: str, line: Line | None) -> None:
        self._reading = reading
        self._modified = modified
        self._line = line
        self._began = reading.clock()
        self._lookback = float(reading.config["lookback_seconds"])
        self._before = reading.delivered
        self._said: dict[str, Any] = {"query": question, "began": fixed(self._began)}
        if line:
            self._said |= {
                name: self._before[name] for name in ("generation", "scanned", "log") if name in self._before
            }
        source = reading.source.history_log if line else None
        self._log = HistoryLog(source, reading, self._before.get("log") or {}) if source else None
        self._log_ends: dict[str, str] | None = None
        self._to_record = reading.records()
        self._zone = reading.zone
        began = self._wall(fixed(self._began))
        self._window = DeliveredWindow(self._before.get("digests", ()), began, self._lookback, self._zone)

    def records(self) -> Iterator[dict[str, Any] | RecordPage]:
        reading = self._reading
        bookmark: str | None = reading.state.get("replication_key_value")
        start = self._start(bookmark)
        if self._log:
            self._log_ends = self._end_of_log(self._log)  # first: what is deleted from here on is of the next run
        # A reading of the entire set that was cut short goes on under its version: else what went before it would stay.
        version = self._before.get("version") if bookmark else None
        if version or (start is None and not self._reading.joins):
            self._said["version"] = self._reading.destination.begin_version(version)
        for order, question in self._questions(start):
            for rows in reading.pages(order, question, is_all=self._has_all_that_came):
                page = reading.page(rows)
                moments = self._moments_of(page) if page is not None else []
                if page is not None and self._are_new(moments, bookmark):
                    yield from self._new_page(page, moments)
                else:
                    yield from self._new_records(rows)
                del rows, page, moments  # before the next one is decoded
                self._remember(max(bookmark or "", self._window.newest or ""), self._window.digests_so_far())
        if "version" in self._said and self._completes_version(resumed=bookmark is not None):
            del self._said["version"]
        self._remember(max(bookmark or "", self._window.newest or ""), self._window.digests())
        if self._line:
            yield from self._gone_records(self._line, all_were_read=bookmark is None and not self._reading.joins)

    def _completes_version(self, *, resumed: bool) -> bool:
        count = self._window.count + resumed  # one that goes on has sent rows before
        complete = self._reading.destination.complete_version(count, 0)
        if complete and self._line:
            self._line.stands_alone()
        return complete

    def _has_all_that_came(self, rows: int) -> bool:
        """Whether nobody needs to ask what lies behind a page of so many rows, which may be the last one.

        The rows that were read are those that the run before knew, all of them and no other. Were there more, the system would
        have cut the page just behind the last one that is known, and shorter than it has ever done.
        """
        return self._line is not None and not self._line.may_be_cut(rows) and self._window.met_all_and_no_more

    def _moments_of(self, page: RecordPage) -> Sequence[str | None]:
        name = self._modified.name
        if self._zone is None or self._modified.type != "Edm.DateTimeOffset":
            return page.values(name)
        return [None if row.get(name) is None else fixed_width(row[name]) for row in page.rows]

    def _are_new(self, moments: Sequence[str | None], bookmark: str | None) -> bool:
        """Whether the destination can't have any of these rows as it is: they were changed after all that it has."""
        if not self._window.knows_any:
            return True
        dated = [moment for moment in moments if moment is not None]
        return bool(bookmark and not self._zone and len(dated) == len(moments) and min(dated) > bookmark)

    def _new_page(self, page: RecordPage, moments: Sequence[str | None]) -> Iterator[RecordPage]:
        if self._line:
            self._line.note((key, None) for key in self._reading.keys.of_page(page))
        yield page
        self._window.add_page(moments, lambda place: digest(self._to_record.record(page.rows[place])))

    def _new_records(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        marked = [
            (row, record, digest(record)) for row, record in zip(rows, map(self._to_record.record, rows), strict=True)
        ]
        new = [(row, record) for row, record, mark in marked if not self._is_known(row, record, mark)]
        if self._line:
            self._line.note((self._reading.keys.of_delivered(row, record), None) for row, record in new)
        yield from (record for _, record in new)
        for row, record, mark in marked:
            self._window.add(self._moment_of(row, record), mark)

    def _is_known(self, row: dict[str, Any], record: dict[str, Any], mark: str) -> bool:
        """Whether the destination has the row as it is; one that it was told is gone can come back as it was."""
        if not self._window.knows(mark):
            return False
        return self._line is None or self._line.holds(self._reading.keys.of_delivered(row, record))

    def _moment_of(self, row: dict[str, Any], record: dict[str, Any]) -> str | None:
        """When the row was changed, as the server writes it: bookmarks are the server's, whatever a record says."""
        name = self._modified.name
        if self._zone is None or self._modified.type != "Edm.DateTimeOffset" or row.get(name) is None:
            return record.get(name)
        return fixed_width(row[name])

    def _wall(self, moment: str) -> str:
        """An instant in the server's wall time, fixed width."""
        return fixed(self._zone.wall(parse_instant(moment))) if self._zone else fixed_width(moment)

    def _remember(self, bookmark: str, digests: list[str]) -> None:
        """Say it when the rows are written: the SDK sends the state along after them."""
        state = self._reading.state
        if self._line:
            self._said["generation"] = self._line.token()
        state[DELIVERED] = {**self._said, "digests": digests}
        if bookmark:
            state["replication_key"] = self._modified.name
            state["replication_key_value"] = bookmark

    def _gone_records(self, line: Line, *, all_were_read: bool) -> Iterator[dict[str, Any]]:
        reading = self._reading
        if all_were_read:  # what the destination has is what is there
            self._said["scanned"] = fixed(self._began)
            self._note_log()
        elif self._log and self._log_ends and (gone := self._gone_by_log(line, self._log)) is not None:
            line.next_generation()
            seen = line.count() - len(gone)
            yield from told_gone(reading, line, _sliced(gone), gone=len(gone), seen=seen, at=self._began)
            if line.count() <= seen:  # else they were not believed, and are looked for again
                self._said["log"] = self._log_ends
        elif is_due(self._said.get("scanned"), self._began, float(reading.config["delete_scan_hours"])):
            line.next_generation()  # until all of them are written, the state is to name the one before
            see_all_keys(reading, line)
            yield from gone_records(reading, line, self._began)
            self._said["scanned"] = fixed(self._began)
            self._note_log()
        reading.state[DELIVERED] = {**self._said, "generation": line.token(), "digests": self._window.digests()}

    def _gone_by_log(self, line: Line, log: HistoryLog) -> list[bytes] | None:
        """The keys of the rows that are gone, as the history log says; None where it doesn't, and the keys are looked at."""
        try:
            return log.gone(line)
        except LogUnusableError as error:
            self._tell_unusable(error)
            return None

    def _end_of_log(self, log: HistoryLog) -> dict[str, str] | None:
        try:
            return log.position()
        except LogUnusableError as error:
            self._tell_unusable(error)
            return None

    def _tell_unusable(self, error: LogUnusableError) -> None:
        self._reading.log.warning("%s: gone rows are looked for by their keys. %s", self._reading.name, error)

    def _note_log(self) -> None:
        """All rows were looked at: what the log has from before this run is known."""
        self._said.pop("log", None)
        if self._log_ends:
            self._said["log"] = self._log_ends

    def _questions(self, start: str | None) -> list[tuple[tuple[Property, ...], str]]:
        """What to read, each with its order: the rows from a moment on, and those that were never dated."""
        modified, key, scope = self._modified, self._reading.source.key, self._reading.scope
        since = f"{modified.name} ge {literal(start, modified)}" if start else ""
        if not modified.nullable:
            return [((modified, *key), all_of(scope, since))]
        dated = all_of(scope, since or f"{modified.name} ne null")
        undated = all_of(scope, f"{modified.name} eq null")
        return [((modified, *key), dated), (key, undated)]

    def _start(self, bookmark: str | None) -> str | None:
        """Where to read from: the bookmark less the lookback, or the start date; None for the beginning."""
        start_date = self._reading.config.get("start_date")
        starts = [self._wall(start_date)] if start_date else []
        if bookmark:
            began = self._before.get("began")
            starts.append(start_of(min(bookmark, self._wall(began) if began else bookmark), self._lookback, self._zone))
        start = max(starts, default=None)
        return start[:10] if start and self._modified.type == "Edm.Date" else start


def _sliced(keys: list[bytes]) -> Iterator[list[bytes]]:
    return (keys[place : place + _SLICE] for place in range(0, len(keys), _SLICE))
