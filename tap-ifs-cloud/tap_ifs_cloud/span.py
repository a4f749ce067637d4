"""How the companies of a stream begin a run, and the version that spans them.

A full reading has one version for all companies: what none of them brought is gone, which is known once the last one was read. So
either all companies of a stream begin anew, under one version, or all go on from their bookmarks; a company that is new among
others that go on is read from its beginning without a version, and what the destination may still have of it is looked for.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tap_ifs_cloud.reading import DELIVERED, HAD_ROWS, LEARNED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_ifs_cloud.parts import Part
    from tap_ifs_cloud.surroundings import Destination

_VERSION = "version"
"""Where the bookmark of a stream keeps the version of a full reading that has not come to its end in all companies."""


class Versions(Protocol):
    """Says to the destination which rows make up an entire stream."""

    def begin_version(self, version: int | None = None) -> int:
        """From here on, records belong to a reading of the entire set: a new one, or one that was cut short."""

    def activate_version(self) -> None:
        """All rows of the version were sent."""


class Span:
    """The parts of one stream in one run, and the version that spans them.

    Args:
        parts: of the stream, by company.
        stream_state: the stream's bookmark, which holds those of the parts.
        states: the bookmark of each part, by company.
        versions: hears of entire readings.
        log: the stream's.
        sees: whether the service user sees a company; None where that is not known.

    Attributes:
        goes_on: whether the parts go on from their bookmarks, so that none may begin a version.
    """

    def __init__(
        self,
        parts: Mapping[str, Part],
        stream_state: dict[str, Any],
        states: Mapping[str, dict[str, Any]],
        versions: Versions,
        log: logging.Logger,
        sees: Callable[[str], bool | None],
    ) -> None:
        self.goes_on = False
        self._parts = parts
        self._state = stream_state
        self._states = states
        self._versions = versions
        self._log = log
        self._sees = sees
        self._left = set(parts)
        self._new: set[str] = set()  # companies of which nothing counts as delivered yet
        self._doubted: set[str] = set()
        self._has_rows = False

    def begin(self, goes_on: Callable[[Part], bool]) -> None:
        """Decide whether the parts go on from their bookmarks or begin anew together.

        Args:
            goes_on: whether the bookmark of a part that has one is good for what is asked now.
        """
        known = [part for company, part in self._parts.items() if self._states[company].get(DELIVERED)]
        # What was read of all companies at once is no part's bookmark.
        self.goes_on = bool(known) and DELIVERED not in self._state and all(map(goes_on, known))
        if not self.goes_on:
            self._forget()
            self._state[_VERSION] = self._versions.begin_version()
        elif _VERSION in self._state:
            self._versions.begin_version(self._state[_VERSION])
        states = {company: state for company, state in self._states.items() if state.get(DELIVERED)}
        self._new = set(self._parts) - states.keys()
        self._has_rows = any(_rows_of(state) for state in states.values())

    def _forget(self) -> None:
        """No part's bookmark holds any more, those of companies that are not read now included: their rows will be removed."""
        contexts = [part.context for part in self._parts.values()]
        self._state["partitions"] = [
            each for each in self._state.get("partitions", ()) if each.get("context") in contexts
        ]
        for state in (self._state, *self._states.values()):
            rows = _rows_of(state) or state.get(HAD_ROWS)
            for name in (DELIVERED, "replication_key", "replication_key_value"):
                state.pop(name, None)
            if rows and state is not self._state:
                state[HAD_ROWS] = rows

    def state(self, part: Part) -> dict[str, Any]:
        """The bookmark of a part, with what other companies taught about the server, if it knows nothing of its own."""
        state = self._states[part.company]
        taught = next((each[LEARNED] for each in self._states.values() if LEARNED in each), None)
        if taught and LEARNED not in state:
            state[LEARNED] = copy.deepcopy(taught)
        return state

    def destination(self, part: Part) -> Destination:
        """What the reading of one part tells of entire sets."""
        return _OfPart(self, part)

    def version(self) -> int:
        """Of the full reading that goes on."""
        if _VERSION not in self._state:
            self._state[_VERSION] = self._versions.begin_version()
        return int(self._state[_VERSION])

    def believes(self, part: Part, count: int) -> bool:
        """Whether a part may have so many rows; an empty one that had rows, or whose company the user does not see, may not."""
        before = self._states[part.company].get(HAD_ROWS, 0)
        if count or not (before or self._sees(part.company) is False):
            return True
        if part.company not in self._doubted:
            self._log.log(
                logging.WARNING if before else logging.INFO,  # that the user does not see the company was said before
                "%s is empty, and had %d rows in the last run that is known: nothing of %s is removed. Check what the service "
                "user may see (permission set, Allowed Companies); if it is really empty, remove its rows at the destination.",
                part.label,
                before,
                part.stream,
            )
        self._doubted.add(part.company)
        return False

    def finished(self, part: Part, rows: int) -> None:
        """A part was read to its end; behind the last one, what no part brought is gone.

        Args:
            part: the part.
            rows: that were sent of it.
        """
        self._left.discard(part.company)
        self._has_rows = self._has_rows or rows > 0
        is_told = _VERSION not in self._state
        if part.company in self._new and not is_told:
            self.believes(part, rows)
        if part.company in self._doubted:
            self._unread(part.company)
        else:
            self._states[part.company].pop(HAD_ROWS, None)
        if self._left or is_told or self._doubted:
            return
        if self._has_rows:
            self._versions.activate_version()
            del self._state[_VERSION]
            return
        self._log.info("%s is empty in all companies: nothing is removed", part.stream)
        for company in self._parts:
            self._unread(company)

    def _unread(self, company: str) -> None:
        """The next run is to read a company from its beginning, too."""
        for name in (DELIVERED, "replication_key", "replication_key_value"):
            self._states[company].pop(name, None)


def _rows_of(state: Mapping[str, Any]) -> int:
    """How many rows were delivered, as far as a bookmark says it; at least one where it says when a row had changed."""
    rows = (state.get(DELIVERED) or {}).get("rows")
    return int(rows) if rows else int(bool(state.get("replication_key_value")))


@dataclass(frozen=True)
class _OfPart:
    """The destination of one part."""

    span: Span
    part: Part

    def begin_version(self, version: int | None = None) -> int:
        del version  # it spans all parts
        return self.span.version()

    def complete_version(self, count: int, before: int) -> bool:
        del before  # the span knows it of readings that were cut short, too
        return self.span.believes(self.part, count)
