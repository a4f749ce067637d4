"""The one limiter of a dataset: every POST of rows, whatever its table, waits here for its turn.

What earlier runs of the last hour sent counts too (`target_powerbi.traffic`). A request counts from the moment of its answer,
since nobody knows when between the two the service counted it.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, Protocol

from target_powerbi.limits import HOUR, LIMITS, MARGIN, Load, finished_at, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from target_powerbi.limits import Limits

_LOOK = 300.0  # seconds between two lines about one wait
_WORTH_TELLING = 60.0  # seconds


class Sendings(Protocol):
    """What outlives a run of the POSTs of the last hour."""

    def sendings(self, since: float) -> list[tuple[float, int]]:
        """When, and how many rows, each POST since a moment brought; oldest first."""

    def sent(self, moment: float, rows: int) -> None:
        """Note one that is over."""


class Pace:
    """Keeps one dataset under its limits.

    Args:
        sendings: of earlier runs and of this one.
        clock: seconds since the epoch.
        sleep: waits the given seconds.
        limits: of the service.
    """

    def __init__(
        self,
        sendings: Sendings,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        limits: Limits = LIMITS,
    ) -> None:
        self._sendings = sendings
        self._clock = clock
        self._sleep = sleep
        self._limits = limits
        now = clock()  # a clock that was set back since must not make anybody wait for longer than the window
        self._sent = deque((min(moment, now), rows) for moment, rows in sendings.sendings(now - HOUR))
        self._log = logging.getLogger(__name__)

    def turn(self, load: Load) -> Turn:
        """The turn of one POST."""
        return Turn(self, load)

    def seconds_for(self, loads: Iterable[Load]) -> tuple[float, str | None]:
        """How long these POSTs take at least from now on, and the limit that makes it so; None where none does."""
        now = self._clock()
        end, reason = finished_at(loads, self._recent(now), now, self._limits)
        return end - now, reason

    def seconds_alone(self, loads: Iterable[Load]) -> float:
        """How long they would take on a dataset that nothing was sent to."""
        return finished_at(loads, (), 0.0, self._limits)[0]

    def wait_until_all_fit(self, loads: Sequence[Load]) -> None:
        """Wait until the POSTs can follow each other as fast as on an idle dataset; at most an hour.

        A table that was emptied is then not half full for longer than it has to be.
        """
        now = self._clock()
        alone = self.seconds_alone(loads)
        moments = [now, *(moment + HOUR + MARGIN for moment, _ in self._recent(now))]

        def fits(moment: float) -> bool:
            recent = [(at, rows) for at, rows in self._sent if at + HOUR >= moment]
            return finished_at(loads, recent, moment, self._limits)[0] - moment <= alone + _WORTH_TELLING

        first = bisect_left(moments, 1, key=fits)  # the later, the less is in the way
        if first:
            self._pause(moments[first], f"{self._limits.rows_per_hour:,} rows an hour")

    def wait(self, load: Load) -> None:
        """Wait until a POST may leave."""
        while (wait := wait_for(load, self._recent(self._clock()), self._clock(), self._limits)) is not None:
            self._pause(wait.until + MARGIN, wait.reason)

    def _pause(self, until: float, reason: str) -> None:
        while (left := until - self._clock()) > 0:
            if left > _WORTH_TELLING:
                self._log.info("Power BI takes %s in one dataset: going on in %.0f minutes.", reason, left / 60)
            self._sleep(max(min(left, _LOOK), MARGIN))

    def count(self, rows: int) -> None:
        """Count a POST that is over now, with the rows that it may have brought."""
        now = self._clock()
        self._sendings.sent(now, rows)
        self._sent.append((now, rows))

    def _recent(self, now: float) -> deque[tuple[float, int]]:
        while self._sent and self._sent[0][0] + HOUR < now:
            self._sent.popleft()
        return self._sent


class Turn:
    """The turn of one POST, whose every attempt waits and counts (`ifs_bi_core.http.limits.Limiter`)."""

    def __init__(self, pace: Pace, load: Load) -> None:
        self._pace = pace
        self._load = load
        self._begun = False

    def acquire(self) -> None:
        """Wait until one more attempt may begin, and count it. The one before, if any, brought no rows."""
        self.end(stored=False)
        self._pace.wait(self._load)
        self._begun = True

    def end(self, *, stored: bool) -> None:
        """The last attempt is over; ``stored``: its rows may have been taken."""
        if self._begun:
            self._pace.count(self._load.rows if stored else 0)
        self._begun = False
