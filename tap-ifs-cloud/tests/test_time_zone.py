"""What "Z" means on a tenant: records carry true instants, and no row is lost where a wall clock is moved."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.odata import fixed, literal
from tap_ifs_cloud.rows import RowReader
from tap_ifs_cloud.time_zone import SourceZone, source_zone
from tap_ifs_cloud.versions import Keys
from tap_ifs_cloud.window import start_of

BERLIN = SourceZone("Europe/Berlin")
MOMENT = Property("Changed", "Edm.DateTimeOffset")
AUTUMN = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)  # three hours before 03:00 becomes 02:00 in Berlin
TAP_TIME = datetime(2026, 11, 22, 10, 0, 7, tzinfo=UTC)  # of the rig, at its second 0


@pytest.mark.parametrize(
    ("sent", "instant"),
    [
        ("2026-07-01T10:00:00Z", "2026-07-01T08:00:00Z"),
        ("2026-12-01T10:00:00Z", "2026-12-01T09:00:00Z"),
        ("2026-12-01T10:00:00.1234567Z", "2026-12-01T09:00:00.1234567Z"),
        ("2026-12-01T10:00:00+05:00", "2026-12-01T10:00:00+05:00"),  # an offset is no "Z"
        ("2026-10-25T02:30:00Z", "2026-10-25T00:30:00Z"),  # twice on that day: the earlier
        ("2026-03-29T02:30:00Z", "2026-03-29T01:30:00Z"),  # never on that day: as if the clock had not been moved
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),  # beyond the calendar
        ("9999-12-31T23:59:59Z", "9999-12-31T22:59:59Z"),
    ],
)
def test_a_wall_time_is_written_as_the_instant_it_names(sent, instant):
    assert BERLIN.instant(sent) == instant
    reader = RowReader("s", {"Changed": MOMENT, "On": MOMENT}, {"Ref": {"On": MOMENT}}, "Changed", BERLIN)
    assert reader.record({"On": sent, "Ref": {"On": sent}}) == {"On": instant, "Ref": {"On": instant}}


def test_what_means_for_ever_stays_where_the_calendar_ends():
    assert SourceZone("America/Chicago").instant("9999-12-31T23:59:59Z") == "9999-12-31T23:59:59Z"


def test_a_replication_key_has_a_fixed_width_in_true_time():
    reader = RowReader("s", {"Changed": MOMENT}, {}, "Changed", BERLIN)
    assert reader.record({"Changed": "2026-07-01T10:00:00Z"}) == {"Changed": "2026-07-01T08:00:00.000000Z"}


def test_the_row_version_stays_what_the_database_s_clock_showed():
    etag = 'W/"Vy8iQUFBWkkyQUFoQUFBNXZUQUFBOjIwMjUxMDA4MTcxNjEwIg=="'
    record = RowReader("s", {}, {}, None, BERLIN).record({"@odata.etag": etag})
    assert record["_ifs_row_version"] == "2025-10-08T17:16:10.000000Z"


def test_a_key_with_a_time_is_asked_for_as_the_server_wrote_it_and_told_as_an_instant():
    keys = Keys("s", [MOMENT], None, BERLIN)
    row = {"Changed": "2026-07-01T10:00:00Z"}
    key = keys.of_delivered(row, {"Changed": "2026-07-01T08:00:00Z"})
    assert literal(keys.values(key)["Changed"], MOMENT) == "2026-07-01T10:00:00Z"
    assert keys.told(key) == {"Changed": "2026-07-01T08:00:00Z"}


@given(
    seconds=st.integers(-86_400, 86_400),
    later=st.integers(0, 86_400),
    name=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo"]),
)
@example(seconds=3 * 3600 - 600, later=600, name="Europe/Berlin")
def test_what_happens_later_never_shows_an_earlier_wall_time_than_the_earliest(seconds, later, name):
    zone = SourceZone(name)
    autumn = {
        "America/New_York": datetime(2026, 11, 1, 5, 0, tzinfo=UTC),
        "Australia/Lord_Howe": datetime(2026, 4, 4, 15, tzinfo=UTC),
    }
    moment = autumn.get(name, AUTUMN) + timedelta(seconds=seconds)
    shown = (moment + timedelta(seconds=later)).astimezone(ZoneInfo(name)).replace(tzinfo=UTC)
    assert zone.wall(moment) <= shown
    assert zone.moment(zone.wall(moment)) <= moment


def test_a_start_within_the_repeated_hour_lies_before_both_of_its_occurrences():
    assert start_of("2026-10-25T02:50:00.000000Z", 600, BERLIN) == "2026-10-25T02:00:00.000000Z"
    assert start_of("2026-10-25T03:30:00.000000Z", 600, BERLIN) == "2026-10-25T03:20:00.000000Z"
    assert start_of("2026-07-01T10:00:00.000000Z", 600, BERLIN) == "2026-07-01T09:50:00.000000Z"
    assert start_of("0001-01-01T00:00:00.000000Z", 600, BERLIN) == "0001-01-01T00:00:00.000000Z"


STEPS = st.lists(
    st.tuples(st.integers(1, 50 * 60), st.sets(st.integers(0, 5), max_size=3), st.booleans()), min_size=4, max_size=14
)


@settings(deadline=None, max_examples=25)
@given(STEPS)
@example([(2 * 3600 + 55 * 60, {0}, True), (40 * 60, {1}, True), (60, {2}, True)])
def test_no_change_of_the_night_in_which_the_clock_is_moved_back_is_lost(new_rig, steps):
    rig = new_rig(modified="Changed")
    try:
        rig.settings |= {"source_time_zone": "Europe/Berlin", "delete_detection": "off"}
        rig.tenant.wall_clock = ZoneInfo("Europe/Berlin")
        rig.tenant.seconds = int((AUTUMN - TAP_TIME).total_seconds())
        for seconds, numbers, runs in [*steps, (1, set(), True)]:
            rig.tenant.seconds += seconds
            rig.tenant.put(*(("10", number) for number in sorted(numbers)))
            if runs:
                rig.run()
                assert rig.is_equal()
    finally:
        rig.close()


def test_bookmarks_stay_the_server_s_and_a_second_run_moves_nothing(rig):
    rig = rig(modified="Changed")
    rig.settings["source_time_zone"] = "Europe/Berlin"
    rig.tenant.wall_clock = ZoneInfo("Europe/Berlin")
    rig.tenant.put(("10", 1))
    assert rig.run()["replication_key_value"] == "2026-11-22T11:00:07.000000Z"
    rig.tenant.seconds += 3600
    rig.run()
    assert rig.moved == {}
    since = [options["$filter"] for options in rig.tenant.requests if "Changed ge" in options.get("$filter", "")]
    assert since[0] == "Changed ge 2026-11-22T10:50:07Z"


def test_a_start_date_is_an_instant(rig):
    rig = rig(modified="Changed")
    rig.settings |= {"source_time_zone": "Europe/Berlin", "start_date": "2026-07-01T00:00:00Z"}
    rig.tenant.put(("10", 1))
    rig.run()
    assert rig.tenant.requests[0]["$filter"] == "Changed ge 2026-07-01T02:00:00Z"


@pytest.mark.parametrize("modified", [None, "Changed"])
def test_another_zone_is_another_question(rig, modified):
    rig = rig(modified=modified)
    rig.tenant.put(("10", 1))
    rig.run()
    rig.settings["source_time_zone"] = "Europe/Berlin"
    rig.run()
    assert rig.moved["row"] == 1
    rig.tenant.seconds += 100
    rig.run()
    assert rig.moved == {}


def test_an_unknown_zone_is_refused_with_a_sentence():
    with pytest.raises(ConfigError, match="source_time_zone is 'Mars/Olympus', which is no time zone known here"):
        source_zone({"source_time_zone": "Mars/Olympus"})
    with pytest.raises(ConfigError, match="no time zone known here"):
        SourceZone("../etc/passwd")
    assert source_zone({}) is None
    assert fixed(BERLIN.moment(datetime(2026, 7, 1, 10, tzinfo=UTC))) == "2026-07-01T08:00:00.000000Z"
