"""What "Z" means on a tenant: the wall clock of a place, where the setting ``source_time_zone`` says so, or UTC.

IFS Cloud writes the database's wall clock and marks it ``Z``, whatever the zone the database lives in. With the setting, such a
time is written out as the instant it names. Everything that is asked of the server, and all that STATE and key store hold, stays
in the server's own wall time; only records are converted.

A wall clock repeats an hour in autumn. Which of the two a row means is not said: the earlier one is taken. A bookmark within
that hour may belong to either, so the next run reads again from where the hour first began: rows come twice, none is lost. A
time in the hour that spring leaves out is read as if the clock had not been moved yet (PEP 495, ``fold=0``).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ifs_bi_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_WALL = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d)?(\.\d+)?Z", re.IGNORECASE)
_STEP = timedelta(minutes=15)  # clocks are moved at whole quarters of an hour of UTC, everywhere since 1972
_HORIZON = timedelta(hours=25)  # no clock is moved back by more than a day


class SourceZone:
    """The zone whose wall clock the server marks ``Z``.

    Args:
        name: IANA name, ``Europe/Berlin``.

    Raises:
        ConfigError: there is no such zone, or none is known here.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        try:
            self._zone = ZoneInfo(name)
        except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError, a folder's name, a path out of the database
            raise _unknown(name) from None
        self.instant = lru_cache(maxsize=4096)(self._instant)

    def _instant(self, text: str) -> str:
        """The instant that a timestamp of the server names, with the fraction it has; one with an offset is one already.

        A moment that the calendar does not hold elsewhere (``9999-12-31T23:59:59Z``, for ever) stays as it is.

        Raises:
            ValueError: it is no timestamp.
        """
        match = _WALL.fullmatch(text)
        if match is None:
            datetime.fromisoformat(text)
            return text
        wall = datetime.fromisoformat(match[1] + (match[2] or ":00"))
        try:
            moment = wall.replace(tzinfo=self._zone).astimezone(UTC)
        except OverflowError:
            return text
        return f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}{match[3] or ''}Z"

    def moment(self, wall: datetime) -> datetime:
        """The earlier instant at which the wall clock shows this.

        Args:
            wall: what it shows, marked UTC as the server does.
        """
        try:
            return wall.replace(tzinfo=self._zone, fold=0).astimezone(UTC)
        except OverflowError:
            return wall

    def wall(self, moment: datetime) -> datetime:
        """The earliest that the wall clock shows from an instant on, marked UTC as the server does.

        It is what the clock shows then, unless the clock is moved back soon after.
        """
        try:
            shown = [self._shown(moment)]
            step = datetime.min.replace(tzinfo=UTC) + ((moment - datetime.min.replace(tzinfo=UTC)) // _STEP + 1) * _STEP
            while step < moment + _HORIZON:
                shown.append(self._shown(step))
                step += _STEP
        except OverflowError:
            return moment
        return min(shown)

    def _shown(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone).replace(tzinfo=UTC, fold=0)


def source_zone(config: Mapping[str, Any]) -> SourceZone | None:
    """The zone of the setting ``source_time_zone``; None where "Z" means UTC.

    Raises:
        ConfigError: there is no such zone.
    """
    name = config.get("source_time_zone")
    return SourceZone(name) if name else None


def _unknown(name: str) -> ConfigError:
    return ConfigError(
        f"source_time_zone is {name!r}, which is no time zone known here. Write an IANA name such as Europe/Berlin; where no "
        f"name is known, install the Python package tzdata."
    )
