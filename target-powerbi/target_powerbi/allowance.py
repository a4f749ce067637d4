"""What Power BI's limits leave of the present hour and minute, given what was sent. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_powerbi.limits import HOUR, LIMITS, MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_powerbi.limits import Limits


@dataclass(frozen=True)
class Allowance:
    """What may still be sent to a dataset.

    Attributes:
        rows: in this hour.
        requests: in this minute.
        requests_this_hour: the same of the hour; None where no table is so large that this is limited.
    """

    rows: int
    requests: int
    requests_this_hour: int | None

    @property
    def sentence(self) -> str:
        """In words."""
        hour = "" if self.requests_this_hour is None else f", {self.requests_this_hour} requests in this hour"
        return f"{self.rows:,} rows in this hour, {self.requests} requests in this minute{hour}"


def allowance(sent: Iterable[tuple[float, int]], now: float, *, large: bool, limits: Limits = LIMITS) -> Allowance:
    """What is left.

    Args:
        sent: when, and how many rows, each request brought; those of the last hour at least.
        now: the present moment, of the same clock.
        large: whether a table holds so many rows that requests an hour are limited.
        limits: of the service.
    """
    recent = [(at, rows) for at, rows in sent if at + HOUR > now]
    minute = sum(at + MINUTE > now for at, _ in recent)
    return Allowance(
        rows=max(0, limits.rows_per_hour - sum(rows for _, rows in recent)),
        requests=max(0, limits.posts_per_minute - minute),
        requests_this_hour=max(0, limits.posts_per_hour_when_large - len(recent)) if large else None,
    )
