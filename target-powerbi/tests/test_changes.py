"""What a batch changes: laws."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from target_powerbi.changes import Changes, Row, changes_of

VERSIONS = st.none() | st.sampled_from(["2026-01-01", "2026-01-02", "2026-01-03"])
ROWS = st.builds(Row, st.none() | st.sampled_from([b"a", b"b"]), VERSIONS, st.none() | st.integers(1, 3))
ARRIVALS = st.lists(st.tuples(st.sampled_from(["k", "l", "m"]), ROWS), max_size=12)


def applied(kept: dict[str, Row], changes: Changes) -> dict[str, Row]:
    return kept | changes.confirmed | changes.altered | changes.added


def shown(kept: dict[str, Row]) -> dict[str, bytes]:
    return {key: row.sent for key, row in kept.items() if row.sent is not None}


def after(kept: dict[str, Row], arrived: list[tuple[str, Row]]) -> dict[str, Row]:
    return applied(kept, changes_of(kept, arrived))


@given(ARRIVALS, st.integers(0, 12))
def test_batches_in_any_split_come_to_the_same_table(arrived, place):
    at_once = after({}, arrived)
    in_two = after(after({}, arrived[:place]), arrived[place:])
    assert shown(in_two) == shown(at_once)


@given(ARRIVALS, ARRIVALS)
def test_what_arrives_again_changes_nothing_that_is_shown(before, arrived):
    kept = after(after({}, before), arrived)
    again = changes_of(kept, arrived)
    assert not again.added
    assert not again.altered


@given(ARRIVALS)
def test_the_table_is_what_the_newest_row_of_each_key_says(arrived):
    newest: dict[str, Row] = {}
    for key, row in arrived:
        before = newest.get(key)
        if before and row.version and before.version and row.version < before.version:
            continue
        version = row.version or (before.version if before and row.sent is None else None)
        newest[key] = replace(row, version=version)
    assert shown(after({}, arrived)) == shown(newest)


@given(ARRIVALS, ARRIVALS)
def test_added_rows_are_not_shown_before_and_altered_ones_are(before, arrived):
    kept = after({}, before)
    changes = changes_of(kept, arrived)
    assert not changes.added.keys() & shown(kept).keys()
    assert changes.altered.keys() <= shown(kept).keys()
    assert all(row.sent is not None for row in changes.added.values())
    assert all(row.sent != kept[key].sent for key, row in changes.altered.items())


def test_an_older_row_proves_that_its_key_still_exists():
    kept = {"k": Row(b"new", "2026-01-02", 1)}
    changes = changes_of(kept, [("k", Row(b"old", "2026-01-01", 2))])
    assert changes == Changes(confirmed={"k": Row(b"new", "2026-01-02", 2)}, outdated=1)


def test_a_deletion_without_a_version_is_news_and_a_later_row_may_come_again():
    kept = {"k": Row(b"a", "2026-01-02")}
    assert changes_of(kept, [("k", Row(None))]).altered == {"k": Row(None, "2026-01-02")}
    assert changes_of({"k": Row(None, "2026-01-02")}, [("k", Row(b"a", "2026-01-03"))]).added.keys() == {"k"}


def test_an_old_row_does_not_come_back_after_a_deletion():
    assert not changes_of({"k": Row(None, "2026-01-02")}, [("k", Row(b"a", "2026-01-01"))]).added
