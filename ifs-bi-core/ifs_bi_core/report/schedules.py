"""How often a stream should be delivered, and whether it is late: pure.

The ledger knows no schedule, since Meltano, cron or Airflow keeps it. So one is given (``--every``), or told from how often the
stream was delivered so far.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HOUR = 3600.0
DAY = 24 * HOUR

_UNITS = {"m": 60.0, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([mhdw])")

_FEWEST = 3  # distances between deliveries that make a habit
_MOST = 30  # that are looked at, the newest: a schedule may change
_SHORTEST = HOUR  # runs that somebody starts by hand one after the other make no schedule
_SLACK = 1.25  # a run takes time, and not always the same
_USUAL = 0.9  # of the distances; the weekend of a schedule for weekdays is one of five
_FORGOTTEN = 35 * DAY  # a stream that nobody has expected for so long is no longer delivered

EVERY_STREAM = ""
"""The name in a schedule that stands for all streams that are not named."""


class Freshness(StrEnum):
    """How a stream is."""

    FRESH = "fresh"
    LATE = "late"
    """It was not delivered when it should have been."""
    UNKNOWN = "unknown"
    """It was not delivered often enough to know when it should be."""
    STOPPED = "stopped"
    """It has not been delivered for five weeks, and no schedule was given."""
    NEVER = "never"
    """A run carried it, and none to its end."""


class Origin(StrEnum):
    """Where a schedule is from."""

    GIVEN = "given"
    DERIVED = "derived"
    """From the past: the median of the distances between deliveries."""
    NONE = "none"


@dataclass(frozen=True)
class Schedule:
    """How often a stream should be delivered.

    Attributes:
        every_seconds: None where that is not known.
        late_after_seconds: the age from which it is late.
    """

    origin: Origin
    every_seconds: float | None = None
    late_after_seconds: float | None = None

    def freshness(self, age_seconds: float | None) -> Freshness:
        """What a stream is that was delivered so long ago; None: never."""
        if age_seconds is None:
            return Freshness.NEVER
        if self.late_after_seconds is None:
            return Freshness.UNKNOWN
        if self.origin is Origin.DERIVED and age_seconds > max(_FORGOTTEN, 2 * self.late_after_seconds):
            return Freshness.STOPPED
        return Freshness.LATE if age_seconds > self.late_after_seconds else Freshness.FRESH


def schedule(stream: str, deliveries: Sequence[float], given: Mapping[str, float]) -> Schedule:
    """The schedule of a stream.

    Args:
        stream: its name.
        deliveries: when it was delivered, in seconds of any one clock, in any order.
        given: seconds by stream; `EVERY_STREAM` for all others.
    """
    every = given.get(stream, given.get(EVERY_STREAM))
    if every is not None:
        return Schedule(Origin.GIVEN, every, every * _SLACK)
    distances = [later - earlier for earlier, later in pairwise(sorted(deliveries))][-_MOST:]
    if len(distances) < _FEWEST:
        return Schedule(Origin.NONE)
    usual = max(median(distances), _SHORTEST)
    seldom = sorted(distances)[round(_USUAL * (len(distances) - 1))]
    return Schedule(Origin.DERIVED, usual, max(usual, seldom) * _SLACK)


def given_schedules(texts: Iterable[str]) -> dict[str, float]:
    """Schedules as people write them: ``24h`` for every stream, ``gl_accounts=7d`` for one.

    Raises:
        ConfigError: a text is none.
    """
    found: dict[str, float] = {}
    for text in texts:
        stream, equals, words = text.rpartition("=")
        if equals and not stream:
            raise ConfigError(f"--every {text} names no stream. Write STREAM=24h, or 24h for every stream.")
        found[stream if equals else EVERY_STREAM] = duration(words, f"--every {text}")
    return found


def duration(text: str, where: str) -> float:
    """Seconds of ``90m``, ``24h``, ``7d`` or ``1w``.

    Raises:
        ConfigError: it is none, which ``where`` says.
    """
    parts = _DURATION.fullmatch(text.strip())
    seconds = float(parts[1]) * _UNITS[parts[2]] if parts else 0.0
    if seconds <= 0:
        raise ConfigError(f"{where} gives no time. Write a number with m, h, d or w behind it, such as 90m, 24h or 7d.")
    return seconds
