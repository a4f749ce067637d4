"""The published limits of push datasets, and how much of them a dataset has spent.

Source: learn.microsoft.com/power-bi/developer/embedded/push-datasets-limitations and, for the size of a request,
learn.microsoft.com/power-bi/connect-data/service-real-time-streaming. The hourly and minutely windows slide; how the service
itself counts is not published.
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
    posts_per_minute: int = 120
    rows_per_hour: int = 1_000_000
    large_table_rows: int = 250_000  # from here on ...
    posts_per_hour_when_large: int = 120  # ... this many POSTs an hour
    rows_per_table: int = 5_000_000  # without a retention policy
    fifo_rows: int = 200_000  # basicFIFO keeps at least this many ...
    fifo_slack: int = 10_000  # ... and at most this many more
    queries_per_minute: int = 120  # of one caller


LIMITS = Limits()


@dataclass
class Spent:
    """The requests of the last hour: when, and how many rows they brought."""

    requests: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, now: float, rows: int) -> None:
        """Count one request; forget what is older than an hour."""
        self.requests.append((now, rows))
        while self.requests[0][0] <= now - HOUR:
            self.requests.popleft()

    def seconds_until_request(self, now: float, limit: int, window: int) -> int:
        """0, or whole seconds until ``limit`` requests a ``window`` leave room for one more."""
        recent = [time for time, _ in self.requests if time > now - window]
        if len(recent) < limit:
            return 0
        return _seconds(recent[len(recent) - limit] + window - now)

    def seconds_until_rows(self, now: float, rows: int, limit: int) -> int:
        """0, or whole seconds until ``rows`` more fit into ``limit`` rows an hour."""
        recent = [(time, count) for time, count in self.requests if time > now - HOUR]
        total = rows + sum(count for _, count in recent)
        wait = 0
        for time, count in recent:
            if total <= limit:
                break
            total -= count
            wait = _seconds(time + HOUR - now)
        return wait


def _seconds(seconds: float) -> int:
    return max(1, math.ceil(seconds))
