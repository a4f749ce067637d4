"""Dates and timestamps out of text, exactly. Pure.

Counts are what Arrow and DuckDB keep: days and microseconds since 1970-01-01, in UTC. A timestamp without an offset is taken as
UTC. Years reach from 1 to 9999, what every warehouse and Python itself can hold.
"""

from __future__ import annotations

import re
from datetime import date

_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400_000_000  # microseconds
_MICROSECOND_DIGITS = 6

FIRST_DAY = date.min.toordinal() - _EPOCH
LAST_DAY = date.max.toordinal() - _EPOCH
FIRST_MOMENT = FIRST_DAY * _DAY
LAST_MOMENT = (LAST_DAY + 1) * _DAY - 1

_TEXT = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[Tt ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r" ?(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


class FlawError(ValueError):
    """A value can't be held exactly; the message says why."""


def days(text: str) -> int:
    """Days since 1970-01-01 of a date; midnight in UTC after it says nothing more and is allowed.

    Raises:
        FlawError: it is no date, none of the calendar, or has a time of day.
    """
    parts = _parts(text, "date")
    if any(parts[part] and parts[part].strip("0:+-Zz") for part in ("hour", "minute", "second", "fraction", "offset")):
        raise FlawError(f"{text!r} has a time of day, which a date can't hold")
    return _day(text, parts)


def microseconds(text: str) -> int:
    """Microseconds since 1970-01-01T00:00:00Z of a timestamp; a bare date is its midnight.

    Raises:
        FlawError: it is no timestamp, none of the calendar, finer than microseconds, or outside the years 1 to 9999 in UTC.
    """
    parts = _parts(text, "timestamp")
    hour, minute, second = (int(parts[part] or 0) for part in ("hour", "minute", "second"))
    if hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004 - the clock's own numbers
        raise FlawError(f"{text!r} is no time of day")
    fraction = parts["fraction"] or ""
    if fraction[_MICROSECOND_DIGITS:].strip("0"):
        raise FlawError(f"{text!r} is finer than microseconds")
    since_midnight = ((hour * 60 + minute) * 60 + second) * 1_000_000
    since_midnight += int(fraction[:_MICROSECOND_DIGITS].ljust(_MICROSECOND_DIGITS, "0"))
    moment = _day(text, parts) * _DAY + since_midnight - _offset(text, parts["offset"] or "")
    if not FIRST_MOMENT <= moment <= LAST_MOMENT:
        raise FlawError(f"{text!r} is outside the years 1 to 9999 in UTC")
    return moment


def _parts(text: str, what: str) -> dict[str, str]:
    match = _TEXT.fullmatch(text)
    if match is None:
        raise FlawError(f"{text[:60]!r} is no {what} as ISO 8601 writes it")
    return match.groupdict()


def _day(text: str, parts: dict[str, str]) -> int:
    try:
        return date(int(parts["year"]), int(parts["month"]), int(parts["day"])).toordinal() - _EPOCH
    except ValueError as error:
        raise FlawError(f"{text!r} is no day of the calendar ({error})") from None


def _offset(text: str, offset: str) -> int:
    """Microseconds that the written time is ahead of UTC."""
    if offset in {"", "Z", "z"}:
        return 0
    hours, minutes = int(offset[1:3]), int(offset[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - the clock's own numbers
        raise FlawError(f"{text!r} has an offset that no clock has")
    return (hours * 60 + minutes) * 60_000_000 * (-1 if offset[0] == "-" else 1)
