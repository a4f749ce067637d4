"""A row that is gone is told once, and nothing is taken for gone that may only be hidden."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_ifs_cloud.deletes import detects_deletes, gone_record, is_due, objection
from tap_ifs_cloud.reading import DELIVERED

ALL = [("10", number) for number in range(20)]
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def filled(rig):
    rig.tenant.put(*ALL)
    rig.tenant.seconds += 100
    rig.run()
    rig.tenant.seconds += 100
    return rig


def keyed(rig):
    """A timestamp stream."""
    return filled(rig(modified="Changed"))


def scans(rig) -> int:
    return sum(options.get("$select") == "Company,No" for options in rig.tenant.requests)


def test_a_timestamp_stream_tells_of_gone_rows_when_a_look_at_the_keys_is_due(rig):
    rig = keyed(rig)
    rig.settings["delete_scan_hours"] = 24
    rig.tenant.remove(ALL[3], ALL[17])
    rig.run()
    assert (rig.moved, scans(rig)) == ({}, 0)
    rig.tenant.seconds += 24 * 3600
    rig.tenant.put(ALL[5])
    rig.run()
    assert rig.moved == {"row": 1, "gone": 2}
    assert rig.is_equal()
    rig.run()
    assert (rig.moved, scans(rig)) == ({}, 0)


def test_a_state_from_before_the_look_makes_it_due_again(rig):
    rig = keyed(rig)
    before = rig.states[-1]
    rig.settings["delete_scan_hours"] = 24
    rig.tenant.seconds += 24 * 3600
    rig.tenant.remove(ALL[3])
    for state in (before, None, before):
        rig.run(state)
        assert rig.moved == ({"gone": 1} if state else {})


def test_a_run_that_dies_among_its_deletes_leaves_none_untold(rig):
    rig = keyed(rig)
    rig.tenant.put(ALL[0])
    rig.tenant.remove(*ALL[5:9])
    rig.run(kill_after=3)
    assert rig.moved == {"row": 1, "gone": 2}
    rig.run()
    assert rig.moved["gone"] >= 2
    assert rig.is_equal()


def test_a_row_that_comes_back_as_it_was_is_delivered_again(rig):
    rig = keyed(rig)
    rig.tenant.put(ALL[3], text="as it was")
    at = rig.tenant.seconds
    rig.run()
    rig.tenant.remove(ALL[3])
    rig.run()
    assert rig.moved == {"gone": 1}
    rig.tenant.seconds = at
    rig.tenant.put(ALL[3], text="as it was")
    rig.run()
    assert rig.is_equal()


def test_what_is_switched_off_looks_at_no_keys_and_leaves_no_file(rig):
    rig = rig(modified="Changed")
    rig.settings["delete_detection"] = "off"
    filled(rig)
    rig.tenant.remove(ALL[3])
    rig.run()
    assert (rig.moved, scans(rig)) == ({}, 0)
    assert not rig.store.parent.exists()
    assert "generation" not in rig.states[-1][DELIVERED]


def test_deletes_that_were_not_looked_for_are_found_once_they_are(rig):
    rig = rig(modified="Changed")
    rig.settings["delete_detection"] = "off"
    filled(rig)
    rig.tenant.remove(ALL[3])
    rig.settings["delete_detection"] = "key_scan"
    rig.run()
    assert rig.moved == {"row": 19, "activated": 1}
    assert any("read from the beginning, once" in sentence for sentence in rig.said)
    assert rig.is_equal()


def test_versions_are_compared_where_deletes_are_switched_off_and_the_deletes_wait(rig):
    rig = filled(rig())
    rig.settings["delete_detection"] = "off"
    rig.tenant.put(ALL[1])
    rig.tenant.remove(ALL[3])
    rig.run()
    assert rig.moved == {"row": 1}
    rig.settings["delete_detection"] = "key_scan"
    rig.run()
    assert rig.moved == {"gone": 1}
    assert rig.is_equal()


@pytest.mark.parametrize("modified", [None, "Changed"])
def test_a_set_that_is_suddenly_empty_deletes_nothing_and_is_believed_when_it_is_back(rig, modified):
    rig = filled(rig(modified=modified))
    rig.tenant.switches.allowed_companies = []
    rig.run()
    assert rig.moved == {}
    assert any(
        "rows is empty, and had 20 rows" in sentence and "Allowed Companies" in sentence for sentence in rig.said
    )
    rig.tenant.switches.allowed_companies = None
    rig.tenant.remove(ALL[3])
    rig.run()
    assert rig.moved["gone"] == 1
    assert rig.is_equal()


@pytest.mark.parametrize("modified", [None, "Changed"])
def test_more_than_the_guarded_part_is_not_taken_for_gone_until_it_is_confirmed(rig, modified):
    rig = filled(rig(modified=modified))
    rig.settings["delete_guard_percent"] = 50
    rig.tenant.remove(*ALL[:11])
    for _ in range(2):
        rig.run()
        assert rig.moved == {}
        assert any("11 of 20 rows are not there any more" in sentence for sentence in rig.said)
    rig.settings["delete_guard_percent"] = 100
    rig.run()
    assert rig.moved == {"gone": 11}
    assert rig.is_equal()


def test_an_entity_may_have_a_guard_of_its_own(rig):
    rig = filled(rig(delete_guard_percent=100))
    rig.settings["delete_guard_percent"] = 0
    rig.tenant.remove(*ALL[:11])
    rig.run()
    assert rig.moved == {"gone": 11}


@pytest.mark.parametrize("modified", [None, "Changed"])
def test_a_look_that_fails_midway_deletes_nothing(rig, modified):
    rig = filled(rig(modified=modified))
    rig.tenant.remove(*ALL[:5])

    def fail() -> None:
        if sum("$select" in options for options in rig.tenant.requests) == 2:
            raise ConnectionError

    rig.tenant.between = fail
    with pytest.raises(ConnectionError):
        rig.run()
    assert rig.moved == {}
    rig.tenant.between = None
    rig.run()
    assert rig.moved == {"gone": 5}
    assert rig.is_equal()


def test_the_destination_hears_of_a_gone_row_once_in_a_refresh_that_was_restored_from(rig):
    """Deleted, told, back again through another line, gone again: the older state must not take it for told."""
    rig = filled(rig())
    rig.tenant.remove(ALL[3])
    state = rig.run()
    rig.tenant.seconds += 100
    rig.tenant.put(ALL[3])
    rig.run({}, kill_after=10)
    assert ALL[3] in rig.destination.rows
    rig.tenant.remove(ALL[3])
    rig.run(state)
    assert rig.moved == {"gone": 1}
    assert rig.is_equal()


def test_a_digest_that_another_run_replaced_is_not_trusted(rig):
    rig = rig(replication="row_version", select=("Company", "No", "Text", "Changed"))
    rig.tenant.switches.etag_with_select = False
    rig.tenant.put(*ALL, text="one")
    state = rig.run()
    rig.tenant.put(*ALL, text="two")
    rig.run({}, kill_after=10)
    rig.tenant.put(*ALL, text="one")
    rig.run(state)
    assert rig.is_equal()


def test_a_version_that_was_activated_leaves_nothing_to_ask_other_lines_for(rig):
    rig = filled(rig())
    rig.tenant.remove(*ALL[:5])
    rig.tenant.seconds += 100
    rig.run({})
    assert rig.moved == {"row": 15, "activated": 1}
    rig.run()
    assert rig.moved == {}


@pytest.mark.parametrize(("way", "looks"), [("off", False), ("key_scan", True), ("history_log", True)])
def test_gone_rows_are_looked_for_in_every_way_but_off(way, looks):
    assert detects_deletes({"delete_detection": way}) is looks


@given(known=st.integers(0, 10**6), percent=st.integers(0, 100), data=st.data())
def test_what_is_gone_is_believed_within_the_guard_alone(known, percent, data):
    gone = data.draw(st.integers(0, known))
    seen = data.draw(st.integers(known - gone, known - gone + 5))
    reason = objection("s", known=known, seen=seen, gone=gone, guard_percent=percent)
    believed = gone == 0 or (seen > 0 and gone <= known * percent / 100)
    assert (reason is None) == believed


@pytest.mark.parametrize(
    ("scanned", "due"),
    [
        (None, True),
        ("2026-11-22T09:00:00.000000Z", False),
        ("2026-11-21T10:00:00.000000Z", True),
        ("2026-11-23T10:00:00.000000Z", True),  # a clock that was ahead must not put it off for ever
    ],
)
def test_a_look_is_due_after_so_many_hours(scanned, due):
    assert is_due(scanned, NOW, 24) is due


def test_a_gone_row_is_its_key_and_the_moment_of_the_look():
    record = gone_record({"Company": "10", "No": 3}, NOW + timedelta(seconds=1))
    assert record == {"Company": "10", "No": 3, "_sdc_deleted_at": "2026-11-22T10:00:01.000000Z"}


def test_a_line_is_closed_when_its_reading_is(rig):
    rig = keyed(rig)
    with closing(rig.records(rig.reading(rig.states[-1]))) as records:
        list(records)
    rig.run()


def test_a_first_reading_that_is_cut_short_ends_in_its_version_all_the_same(rig):
    rig = keyed(rig)
    rig.store.unlink()  # nothing is known of what was delivered
    rig.tenant.remove(ALL[3])
    rig.run(kill_after=12)
    assert rig.moved == {"row": 12}
    rig.run()
    assert rig.moved["activated"] == 1
    assert rig.moved["row"] < 19
    assert rig.is_equal()
    assert "version" not in rig.states[-1][DELIVERED]
