"""The days that pass: what is done in the night after each, at the end of a week and of a month. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

EVE = date(2010, 1, 20)
"""The day before the first one. It is long ago: what a run writes is dated by the machine's clock until the run is over, and
must not look older to the run than it is."""

_WEEK = 7
_CLOSING, _NIGHT = time(20), time(2, tzinfo=UTC)


@dataclass(frozen=True)
class Day:
    """A virtual day.

    Attributes:
        number: of the day, from 1 on; the sandbox's data ends with `EVE`.
    """

    number: int

    @property
    def date(self) -> date:
        """Its date."""
        return EVE + timedelta(days=self.number)

    @property
    def business(self) -> str:
        """The instant at which its changes begin, as the sandbox takes it."""
        return datetime.combine(self.date, _CLOSING).isoformat()

    @property
    def night(self) -> datetime:
        """When its runs start."""
        return datetime.combine(self.date + timedelta(days=1), _NIGHT)

    @property
    def ends_week(self) -> bool:
        """Whether the weekly work is done in its night."""
        return self.number % _WEEK == 0

    @property
    def ends_month(self) -> bool:
        """Whether the monthly work is done in its night."""
        return (self.date + timedelta(days=1)).month != self.date.month
