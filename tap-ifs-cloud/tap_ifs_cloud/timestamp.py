"""Replication by a property that moves with every change: from its bookmark on, less what may have been committed late."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.deletes import detects_deletes, is_due
from tap_ifs_cloud.key_scan import gone_records, see_all_keys
from tap_ifs_cloud.odata import all_of, fixed, fixed_width, literal
from tap_ifs_cloud.reading import DELIVERED
from tap_ifs_cloud.window import DeliveredWindow, digest, start_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_ifs_cloud.delivered import Line
    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.reading import Reading


def changed_records(reading: Reading, modified: Property) -> Iterator[dict[str, Any]]:
    """The rows from the bookmark on as records, then those that are gone, if it is time to look for them.

    Raises:
        KeyStoreError: what was delivered can't be looked up or noted.
    """
    question = reading.question(modified.name, reading.config.get("start_date"))
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
            self._said |= {name: self._before[name] for name in ("generation", "scanned") if name in self._before}
        self._to_record = reading.records()
        self._window = DeliveredWindow(self._before.get("digests", ()), fixed(self._began), self._lookback)

    def records(self) -> Iterator[dict[str, Any]]:
        bookmark: str | None = self._reading.state.get("replication_key_value")
        start = self._start(bookmark)
        # A reading of the entire set that was cut short goes on under its version: else what went before it would stay.
        version = self._before.get("version") if bookmark else None
        if start is None or version:
            self._said["version"] = self._reading.destination.begin_version(version)
        for order, question in self._questions(start):
            for rows in self._reading.pages(order, question):
                yield from self._new_records(rows)
                self._remember(max(bookmark or "", self._window.newest or ""))
        if "version" in self._said and self._completes_version(resumed=bookmark is not None):
            del self._said["version"]
            self._remember(max(bookmark or "", self._window.newest or ""))
        if self._line:
            yield from self._gone_records(self._line, all_were_read=bookmark is None)

    def _completes_version(self, *, resumed: bool) -> bool:
        count = self._window.count + resumed  # one that goes on has sent rows before
        complete = self._reading.destination.complete_version(count, 0)
        if complete and self._line:
            self._line.stands_alone()
        return complete

    def _new_records(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        marked = [(record, digest(record)) for record in map(self._to_record.record, rows)]
        new = [record for record, mark in marked if not self._is_known(record, mark)]
        if self._line:
            self._line.note((self._reading.keys.of_record(record), None) for record in new)
        yield from new
        for record, mark in marked:
            self._window.add(record.get(self._modified.name), mark)

    def _is_known(self, record: dict[str, Any], mark: str) -> bool:
        """Whether the destination has the row as it is; one that it was told is gone can come back as it was."""
        if not self._window.knows(mark):
            return False
        return self._line is None or self._line.holds(self._reading.keys.of_record(record))

    def _remember(self, bookmark: str) -> None:
        """Say it when the rows are written: the SDK sends the state along after them."""
        state = self._reading.state
        if self._line:
            self._said["generation"] = self._line.token()
        state[DELIVERED] = {**self._said, "digests": self._window.digests()}
        if bookmark:
            state["replication_key"] = self._modified.name
            state["replication_key_value"] = bookmark

    def _gone_records(self, line: Line, *, all_were_read: bool) -> Iterator[dict[str, Any]]:
        reading = self._reading
        if all_were_read:  # what the destination has is what is there
            self._said["scanned"] = fixed(self._began)
        elif is_due(self._said.get("scanned"), self._began, float(reading.config["delete_scan_hours"])):
            line.next_generation()  # until all of them are written, the state is to name the one before
            see_all_keys(reading, line)
            yield from gone_records(reading, line, self._began)
            self._said["scanned"] = fixed(self._began)
        reading.state[DELIVERED] = {**self._said, "generation": line.token(), "digests": self._window.digests()}

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
        starts = [fixed_width(start_date)] if start_date else []
        if bookmark:
            starts.append(start_of(min(bookmark, self._before.get("began") or bookmark), self._lookback))
        start = max(starts, default=None)
        return start[:10] if start and self._modified.type == "Edm.Date" else start
