"""The published limits of push datasets, and how much of them a dataset has spent.

Source: learn.microsoft.com/power-bi/developer/embedded/push-datasets-limitations and, for the size of a request,
learn.microsoft.com/power-bi/connect-data/service-real-time-streaming; of queries, the reference of executeQueries. Limits over
time and limits of what a table holds are switches, so that a test can reach them (``switches``).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

MINUTE, HOUR = 60, 3600


@dataclass(frozen=True)
class Limits:
    """Counts, unless a name says bytes."""

    rows_per_post: int = 10_000
    request_bytes: int = 16 * 1024 * 1024
    tables: int = 75
    columns: int = 75  # of one table
    relationships: int = 75
    string_length: int = 4_000  # of one value, in UTF-16 units as .NET counts
    query_rows: int = 100_000  # of one answer
    query_values: int = 1_000_000  # of one answer: rows times columns
    query_bytes: int = 15 * 1024 * 1024  # of one answer


LIMITS = Limits()


@dataclass
class Spent:
    """The last hour: when requests came, and when rows were accepted and how many.

    How the service counts is not published: the windows slide, or (``fixed``) begin on the full minute and hour.
    """

    requests: deque[float] = field(default_factory=deque)
    accepted: deque[tuple[float, int]] = field(default_factory=deque)

    def add_request(self, now: float) -> None:
        """Count one request; forget what is older than an hour."""
        self.requests.append(now)
        while self.requests[0] <= now - HOUR:
            self.requests.popleft()

    def add_rows(self, now: float, rows: int) -> None:
        """Count rows; forget what is older than an hour."""
        self.accepted.append((now, rows))
        while self.accepted[0][0] <= now - HOUR:
            self.accepted.popleft()

    def seconds_until_request(self, now: float, limit: int, window: int, *, fixed: bool = False) -> int:
        """0, or whole seconds until ``limit`` requests a ``window`` leave room for one more."""
        begin = _begin(now, window, fixed=fixed)
        recent = [time for time in self.requests if time > begin]
        if len(recent) < limit:
            return 0
        return _seconds((begin if fixed else recent[len(recent) - limit]) + window - now)

    def seconds_until_rows(self, now: float, rows: int, limit: int, *, fixed: bool = False) -> int:
        """0, or whole seconds until ``rows`` more fit into ``limit`` rows an hour."""
        begin = _begin(now, HOUR, fixed=fixed)
        recent = [(time, count) for time, count in self.accepted if time > begin]
        total = rows + sum(count for _, count in recent)
        wait = 0
        for time, count in recent:
            if total <= limit:
                break
            total -= count
            wait = _seconds((begin if fixed else time) + HOUR - now)
        return wait


def _begin(now: float, window: int, *, fixed: bool) -> float:
    """The second after which a request still counts; a fixed window's first moment belongs to it."""
    return math.nextafter(now - now % window, -math.inf) if fixed else now - window


def _seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))
