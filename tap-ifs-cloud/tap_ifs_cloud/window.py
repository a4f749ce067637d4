"""What was delivered around the bookmark, so that the lookback finds late commits without sending everything twice.

A row can be committed after rows with a later timestamp were read: each run therefore reads again from ``lookback_seconds``
before its bookmark. The rows it knows from the last run are recognised by a digest of key and version, which travels in the
STATE: it is true exactly when that state is.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from tap_ifs_cloud.odata import fixed, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_ifs_cloud.time_zone import SourceZone

MOST = 5_000
"""Digests that a STATE carries for one stream; rows beyond are sent again, which no destination minds."""

_BYTES = 8
_DATE_LENGTH = len("YYYY-MM-DD")


def digest(record: Mapping[str, Any]) -> str:
    """A short fingerprint of a whole record, 16 hexadecimal digits."""
    return hashlib.blake2b(msgspec.json.encode(record), digest_size=_BYTES).hexdigest()


def start_of(bookmark: str, lookback_seconds: float, zone: SourceZone | None = None) -> str:
    """Where to read from: ``lookback_seconds`` before a moment, fixed width, never before year 1.

    Args:
        bookmark: the moment, as the server writes it.
        lookback_seconds: how far before it.
        zone: whose wall clock the server writes; None: UTC. Where that clock is moved back, rows from after the moment may carry
            an earlier time, and the start lies before all of them.
    """
    moment = parse_instant(bookmark)
    try:
        if zone:
            return fixed(zone.wall(zone.moment(moment) - timedelta(seconds=lookback_seconds)))
        moment -= timedelta(seconds=lookback_seconds)
    except OverflowError:
        return bookmark
    return fixed(moment)


class DeliveredWindow:
    """The digests of the records that the next run will read again.

    Args:
        known: digests from the state that the run began with.
        began: when the run began, fixed width. A row dated later than that (a clock that is ahead, a typing error) must not
            make the next run overlook the rows between.
        lookback_seconds: how far back the next run will read.
        zone: whose wall clock the server writes, and ``began`` with it; None: UTC.
    """

    def __init__(
        self, known: Iterable[str], began: str, lookback_seconds: float, zone: SourceZone | None = None
    ) -> None:
        self._known = dict.fromkeys(known)
        self._met: set[str] = set()
        self._zone = zone
        self._began = began
        self._lookback = lookback_seconds
        self._recent: deque[tuple[str, _Fingerprint]] = deque(maxlen=MOST)
        self._undated: deque[_Fingerprint] = deque(maxlen=MOST)
        self.newest: str | None = None
        """The latest ``modified`` that was added."""
        self.count = 0
        """How many records were added."""

    @property
    def knows_any(self) -> bool:
        """Whether the run began with any record delivered that it may meet again."""
        return bool(self._known)

    @property
    def met_all_and_no_more(self) -> bool:
        """Whether the records that were added are those that the run began with."""
        return self.count == len(self._met) == len(self._known)

    def knows(self, fingerprint: str) -> bool:
        """Whether the run began with this record delivered."""
        return fingerprint in self._known

    def add(self, modified: str | None, fingerprint: str) -> None:
        """Note a record that is delivered, in the order of ``modified``.

        Args:
            modified: a timestamp of fixed width as the server writes it, a date, or None where the record has none.
            fingerprint: its `digest`.
        """
        self.count += 1
        if fingerprint in self._known:
            self._met.add(fingerprint)
        if modified is None:
            self._undated.append(fingerprint)
            return
        self.newest = max(self.newest or modified, modified)
        self._recent.append((_end_of(modified), fingerprint))

    def add_page(self, modified: Sequence[str | None], fingerprint: Callable[[int], str]) -> None:
        """Note the records of a page, of which few fingerprints will be asked for.

        Args:
            modified: of each record, as for `add`.
            fingerprint: gives the `digest` of a record by its place in the page.
        """
        self.count += len(modified)
        dated = [(moment, place) for place, moment in enumerate(modified) if moment is not None]
        if len(dated) < len(modified):
            places = (place for place, moment in enumerate(modified) if moment is None)
            self._undated.extend((fingerprint, place) for place in places)
        if dated:
            newest, _ = max(dated)
            self.newest = max(self.newest or newest, newest)
            self._recent.extend((_end_of(moment), (fingerprint, place)) for moment, place in dated)

    def digests(self) -> list[str]:
        """What the next run has to know of the records that were added."""
        if self.newest:
            start = start_of(min(self.newest, self._began), self._lookback, self._zone)
            while self._recent and self._recent[0][0] < start:
                self._recent.popleft()
        self._undated = deque(map(_told, self._undated), MOST)
        self._recent = deque([(moment, _told(fingerprint)) for moment, fingerprint in self._recent], MOST)
        return list(map(_told, [*self._undated, *(fingerprint for _, fingerprint in self._recent)]))

    def digests_so_far(self) -> list[str]:
        """What the next run has to know if this one ends here: it reads the rows again, too, that are still to come."""
        told = self.digests()
        to_come = [fingerprint for fingerprint in self._known if fingerprint not in self._met]
        return [*to_come[: max(0, MOST - len(told))], *told]


_Fingerprint = str | tuple[Callable[[int], str], int]
"""A digest, or what gives it and the place to ask for."""


def _told(fingerprint: _Fingerprint) -> str:
    if isinstance(fingerprint, str):
        return fingerprint
    give, place = fingerprint
    return give(place)


def _end_of(modified: str) -> str:
    """A day is over at its end: the next run reads the whole day again."""
    return f"{modified}T23:59:59.999999Z" if len(modified) == _DATE_LENGTH else modified
