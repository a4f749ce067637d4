"""What Power BI allows a push dataset, each number once, and when the next POST of rows may leave under it.

Sources:

- learn.microsoft.com/power-bi/developer/embedded/push-datasets-limitations: rows, requests, tables, columns, characters;
- MicrosoftDocs/powerbi-docs ``connect-data/service-real-time-streaming.md``: megabytes a request;
- MicrosoftDocs/powerbi-docs ``developer/automation/api-automatic-retention-policy-for-real-time-data.md``: rows of `basicFIFO`;
- MicrosoftDocs/powerbi-docs ``developer/api-dataset-properties.md``: ranges of the data types;
- microsoft/PowerBI-CSharp ``sdk/swaggers/swagger.json``: length of a table's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MINUTE, HOUR = 60.0, 3600.0
MARGIN = 0.001
"""Seconds beyond a window, whose last moment still counts."""


@dataclass(frozen=True)
class Limits:
    """Counts, unless a name says otherwise. At most 5 POSTs may be pending as well: the target sends one at a time."""

    rows_per_post: int = 10_000
    bytes_per_post: int = 16_000_000  # "16 MB", read as the smaller of its two meanings
    posts_per_minute: int = 120  # a dataset, all its tables together
    posts_per_hour_when_large: int = 120  # the same, once one of its tables is large
    large_table_rows: int = 250_000
    rows_per_hour: int = 1_000_000  # a dataset, all its tables together
    rows_per_table: int = 5_000_000  # without a retention policy
    rows_per_fifo_table: int = 200_000  # `basicFIFO` drops the oldest ones beyond
    tables_per_dataset: int = 75
    relationships_per_dataset: int = 75
    columns_per_table: int = 75
    characters_per_string: int = 4_000  # UTF-16 units, as .NET counts
    characters_per_mirrored_string: int = 32_764  # MicrosoftDocs/fabric-docs ``direct-lake-overview.md``
    characters_per_name: int = 100
    decimal_digits: int = 28
    decimal_scale: int = 4
    other_calls_per_minute: int = 120  # not published for the rest of the API; what POST rows and queries are allowed
    first_day: str = "1899-12-30"  # day zero of the engine's calendar


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Load:
    """One POST of rows.

    Attributes:
        rows: how many it brings.
        large: whether a table of the dataset is so large by then that the hour's limit of POSTs holds.
    """

    rows: int
    large: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Why the next POST does not leave at once.

    Attributes:
        until: when it may leave; seconds, of the clock that the moments before it are told in.
        reason: the limit, for a person.
    """

    until: float
    reason: str


def wait_for(load: Load, sent: Sequence[tuple[float, int]], now: float, limits: Limits = LIMITS) -> Wait | None:
    """How long a POST has to wait; None where it may leave now.

    The windows are read as closed ones: what is exactly an hour old still counts.

    Args:
        load: the POST.
        sent: when, and how many rows, each POST of the last hour brought, oldest first.
        now: the present moment.
        limits: of the service.
    """
    waits = [
        Wait(_when_posts_fit(sent, limits.posts_per_minute, MINUTE), f"{limits.posts_per_minute} requests a minute"),
        Wait(_when_rows_fit(sent, load.rows, limits.rows_per_hour), f"{limits.rows_per_hour:,} rows an hour"),
    ]
    if load.large:
        told = (
            f"{limits.posts_per_hour_when_large} requests an hour once a table holds {limits.large_table_rows:,} rows"
        )
        waits.append(Wait(_when_posts_fit(sent, limits.posts_per_hour_when_large, HOUR), told))
    longest = max(waits, key=lambda wait: wait.until)
    return longest if longest.until >= now else None


def finished_at(
    loads: Iterable[Load], sent: Iterable[tuple[float, int]], now: float, limits: Limits = LIMITS
) -> tuple[float, str | None]:
    """When the last of these POSTs may leave, were each answered at once, and which limit makes it so."""
    done, longest, reason = list(sent), 0.0, None
    for load in loads:
        if wait := wait_for(load, done[-_most(limits) :], now, limits):
            if wait.until - now >= longest:
                longest, reason = wait.until - now, wait.reason
            now = wait.until + MARGIN
        done.append((now, load.rows))
    return now, reason


def loads_of(rows: int, size: int, *, shown: int, large: bool, most_rows: int, limits: Limits = LIMITS) -> list[Load]:
    """The POSTs that rows are likely to need.

    Args:
        rows: how many.
        size: of all their bodies, in bytes.
        shown: how many the table holds before.
        large: whether another table of the dataset is large.
        most_rows: rows a POST at most.
        limits: of the service.
    """
    posts = max(-(-rows // most_rows), -(-size // limits.bytes_per_post))
    loads = []
    for number in range(posts):
        part = rows * (number + 1) // posts - rows * number // posts
        loads.append(Load(part, large or shown >= limits.large_table_rows))
        shown += part
    return loads


def duration(seconds: float) -> str:
    """How long that is, for a person: ``2 h 5 min``, ``40 s``."""
    if seconds < MINUTE:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / MINUTE), round(HOUR / MINUTE))
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _most(limits: Limits) -> int:
    """POSTs that fit into an hour at most."""
    return int(limits.posts_per_minute * HOUR / MINUTE)


def _when_posts_fit(sent: Sequence[tuple[float, int]], limit: int, window: float) -> float:
    return sent[-limit][0] + window if len(sent) >= limit else float("-inf")


def _when_rows_fit(sent: Sequence[tuple[float, int]], rows: int, limit: int) -> float:
    room = limit - rows
    for moment, count in reversed(sent):
        room -= count
        if room < 0:
            return moment + HOUR
    return float("-inf")
