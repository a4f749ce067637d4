"""Which rows are gone at the source: when a look is due, whether what it shows is believed, and what the destination is told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.odata import fixed, parse_instant
from tap_ifs_cloud.schema import DELETED_AT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


def detects_deletes(config: Mapping[str, Any]) -> bool:
    """Whether rows that are gone are looked for, by their keys or in the history log."""
    return bool(config["delete_detection"] != "off")


def is_due(scanned_at: str | None, now: datetime, hours: float) -> bool:
    """Whether so many hours have passed since the last look."""
    return scanned_at is None or not timedelta(0) <= now - parse_instant(scanned_at) < timedelta(hours=hours)


def objection(stream: str, *, known: int, seen: int, gone: int, guard_percent: float) -> str | None:
    """Why the rows that are not there any more are not taken for gone; None where they are.

    Args:
        stream: its name.
        known: rows that the destination has.
        seen: rows that the source has.
        gone: rows of ``known`` that are not among ``seen``.
        guard_percent: the largest part of the known rows that may go between two looks.
    """
    if gone and not seen:
        return f"{stream} is empty, and had {known:,} rows in the last run that is known: nothing is removed. {_CHECK_RIGHTS}"
    if gone * 100 > guard_percent * known:
        return (
            f"{stream}: {gone:,} of {known:,} rows are not there any more, which is more than delete_guard_percent "
            f"({guard_percent:g}) lets go at once: nothing is removed. {_CHECK_RIGHTS} If they are really gone, run once with "
            f"delete_guard_percent: 100."
        )
    return None


_CHECK_RIGHTS = "Check what the service user may see (permission set, Allowed Companies)."


def gone_record(key: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """What the destination is told of a row that was not there at an instant."""
    return {**key, DELETED_AT: fixed(at)}
