"""Replication of an entire set: every row, and then the word that what was not among them is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.reading import DELIVERED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_ifs_cloud.reading import Reading
    from tap_ifs_cloud.record_pages import RecordPage


def all_records(reading: Reading) -> Iterator[dict[str, Any] | RecordPage]:
    """Every row as a record, or a page of them; the state then says how many there were."""
    before = reading.delivered.get("rows", 0)
    to_record = reading.records()
    reading.destination.begin_version()
    count = 0
    for rows in reading.pages(reading.source.key, reading.scope):
        page = reading.page(rows)
        if page is not None:
            yield page
        else:
            yield from map(to_record.record, rows)
        count += len(rows)
        del rows, page  # before the next one is decoded
    if reading.destination.complete_version(reading.believed(count), before):
        reading.state[DELIVERED] = {"rows": count}
