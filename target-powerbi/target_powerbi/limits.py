"""What Power BI allows a push dataset, each number once, and the budget of rows that is spent under it.

Sources:

- learn.microsoft.com/power-bi/developer/embedded/push-datasets-limitations: rows, requests, tables, columns, characters;
- MicrosoftDocs/powerbi-docs ``connect-data/service-real-time-streaming.md``: megabytes a request;
- MicrosoftDocs/powerbi-docs ``developer/api-dataset-properties.md``: ranges of the data types;
- microsoft/PowerBI-CSharp ``sdk/swaggers/swagger.json``: length of a table's name.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Limits:
    """Counts, unless a name says otherwise."""

    rows_per_post: int = 10_000
    bytes_per_post: int = 16_000_000  # "16 MB", read as the smaller of its two meanings
    posts_per_minute: int = 120  # a dataset, all its tables together
    rows_per_hour: int = 1_000_000  # a dataset, all its tables together
    tables_per_dataset: int = 75
    columns_per_table: int = 75
    characters_per_string: int = 4_000  # UTF-16 units, as .NET counts
    characters_per_name: int = 100
    decimal_digits: int = 28
    decimal_scale: int = 4
    other_calls_per_minute: int = 120  # not published for the rest of the API; what POST rows and queries are allowed
    first_day: str = "1899-12-30"  # day zero of the engine's calendar


LIMITS = Limits()

HOUR = 3600.0


def seconds_until_rows_fit(
    sent: Iterable[tuple[float, int]], rows: int, now: float, *, limit: int = LIMITS.rows_per_hour
) -> float:
    """How long to wait until ``rows`` more are at most ``limit`` in any hour; 0 where they are already.

    Args:
        sent: when, and how many rows, oldest first.
        rows: how many are to be sent; no more than the limit.
        now: seconds, of the same clock.
        limit: rows an hour.
    """
    recent = [(moment, count) for moment, count in sent if moment + HOUR > now]
    excess = sum(count for _, count in recent) + rows - limit
    wait = 0.0
    for moment, count in recent:
        if excess <= 0:
            break
        excess -= count
        wait = moment + HOUR - now
    return max(0.0, wait)


class RowBudget:
    """Keeps one run of one dataset under the rows an hour; what other processes send shows as 429 with Retry-After.

    Args:
        limit: rows an hour.
        clock: monotonic seconds.
        sleep: waits the given seconds.
    """

    def __init__(
        self,
        limit: int = LIMITS.rows_per_hour,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._sleep = sleep
        self._sent: deque[tuple[float, int]] = deque()

    def acquire(self, rows: int) -> None:
        """Wait until ``rows`` more may be sent, at most an hour, and count them."""
        now = self._clock()
        while self._sent and self._sent[0][0] + HOUR <= now:
            self._sent.popleft()
        wait = seconds_until_rows_fit(self._sent, rows, now, limit=self._limit)
        if wait > 0:
            logging.getLogger(__name__).info(
                "Power BI takes %s rows an hour in one dataset: the next %s wait %.0f minutes.",
                f"{self._limit:,}",
                f"{rows:,}",
                wait / 60,
            )
            self._sleep(wait)
        self._sent.append((self._clock(), rows))
