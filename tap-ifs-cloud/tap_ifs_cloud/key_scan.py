"""A look at the keys of an entire set, which is cheap, and what it says about the rows that the destination has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.deletes import gone_record, objection
from tap_ifs_cloud.odata import ETAG_MEMBER
from tap_ifs_cloud.versions import version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from tap_ifs_cloud.delivered import Line
    from tap_ifs_cloud.reading import Reading
    from tap_ifs_cloud.versions import SecondsOver

UNKNOWN_VERSION = ""
"""The version of a row without an ETag: different from all that were delivered."""


def see_all_keys(reading: Reading, line: Line) -> None:
    """Take down all keys of the set."""
    line.begin_scan()
    names = [prop.name for prop in reading.source.key]
    for rows in reading.pages(reading.source.key, reading.scope, select=names, is_all=line.has_all_that_came):
        line.see((reading.keys.of_row(row), UNKNOWN_VERSION) for row in rows)
        del rows  # before the next ones are decoded


def see_all_versions(reading: Reading, line: Line, seconds: SecondsOver) -> bool:
    """Take down all keys of the set with their versions; False, and nothing of use, where keys come without ETags."""
    line.begin_scan()
    names = [prop.name for prop in reading.source.key]
    have_etags = False
    for rows in reading.pages(reading.source.key, reading.scope, select=names, is_all=line.has_all_that_came):
        if not have_etags and rows:
            have_etags = not reading.refuses_select and any(ETAG_MEMBER in row for row in rows)
            if not have_etags:
                return False
        versions = [version_of(row[ETAG_MEMBER]) if row.get(ETAG_MEMBER) else UNKNOWN_VERSION for row in rows]
        seconds.read(versions)
        line.see(zip(map(reading.keys.of_row, rows), map(reading.marked, versions, rows), strict=True))
        del rows, versions  # before the next ones are decoded
    return True


def gone_records(reading: Reading, line: Line, at: datetime) -> Iterator[dict[str, Any]]:
    """What the destination is told of rows that it has and that were not taken down, unless that is not believed.

    Args:
        reading: of the stream.
        line: with all keys of the set taken down.
        at: when the look at the keys began.
    """
    missing = line.missing()
    yield from told_gone(reading, line, missing.slices(), gone=missing.count, seen=line.seen(), at=at)


def told_gone(
    reading: Reading, line: Line, slices: Iterable[list[bytes]], *, gone: int, seen: int, at: datetime
) -> Iterator[dict[str, Any]]:
    """What the destination is told of rows that are gone, unless that is not believed.

    Args:
        reading: of the stream.
        line: has the rows.
        slices: their keys, a few hundred at a time.
        gone: how many.
        seen: how many rows the source has.
        at: when the look began that missed them.
    """
    own = reading.source.entity.delete_guard_percent
    reason = (reading.doubt if gone else None) or objection(
        reading.name,
        known=line.count(),
        seen=seen,
        gone=gone,
        guard_percent=float(reading.config["delete_guard_percent"] if own is None else own),
    )
    if reason and not seen:
        reading.found_empty()
    if reason:
        reading.log.warning("%s", reason)
        return
    for keys in slices:
        line.note_gone(keys)
        elsewhere = line.doubt_elsewhere(keys, reading.other_lines)
        for key in keys:
            if key not in elsewhere:
                yield gone_record(reading.keys.told(key), at)
    if gone:
        reading.log.info("%s: %d rows are gone", reading.name, gone)
