"""What was delivered around the bookmark."""

from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ExitCode
from ifs_bi_sandbox.faults import preset
from pipeline.tenant import Tenant
from pipeline.undelayed import Pipe
from tap_ifs_cloud.odata import fixed_width
from tap_ifs_cloud.window import MOST, DeliveredWindow, digest, start_of

LATE = "2099-01-01T00:00:00.000000Z"


def at(second: int) -> str:
    return fixed_width(f"2026-01-01T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z")


@given(st.lists(st.integers(0, 80_000), min_size=1, max_size=60), st.integers(0, 5_000))
def test_the_next_run_knows_exactly_the_rows_that_it_will_read_again(seconds, lookback):
    window = DeliveredWindow([], LATE, lookback)
    for number, second in enumerate(sorted(seconds)):
        window.add(at(second), str(number))
    start = start_of(at(max(seconds)), lookback)
    again = [str(number) for number, second in enumerate(sorted(seconds)) if at(second) >= start]
    assert window.digests() == again


def test_a_row_dated_ahead_does_not_narrow_what_the_next_run_reads():
    window = DeliveredWindow([], at(1_000), 600)
    window.add(at(500), "now")
    window.add(LATE, "ahead")
    assert window.digests() == ["now", "ahead"]


def test_the_whole_day_is_known_where_only_days_are():
    window = DeliveredWindow([], LATE, 0)
    window.add("2026-01-01", "yesterday")
    window.add("2026-01-02", "today")
    assert window.digests() == ["today"]


def test_rows_without_a_date_are_known_too():
    window = DeliveredWindow(["a"], LATE, 600)
    window.add(None, "b")
    assert window.knows("a")
    assert window.digests() == ["b"]


def test_the_state_stays_small():
    window = DeliveredWindow([], LATE, 600)
    for number in range(MOST + 10):
        window.add(at(0), str(number))
    assert len(window.digests()) == MOST


def test_the_state_stays_small_while_more_is_to_come():
    window = DeliveredWindow((f"known {number}" for number in range(MOST)), LATE, 600)
    for number in range(MOST):
        window.add(None, f"undated {number}")
    window.add(at(0), "dated")
    assert window.digests_so_far() == window.digests()


def test_a_digest_tells_records_apart():
    assert digest({"a": 1}) != digest({"a": 2})
    assert digest({"a": 1}) == digest({"a": 1})


def test_the_beginning_of_time_is_no_error():
    assert start_of("0001-01-01T00:00:00.000000Z", 600) == "0001-01-01T00:00:00.000000Z"


def test_a_run_that_ended_between_two_pages_forgets_no_row_that_the_next_one_reads_again(tmp_path):
    tenant = Tenant(tmp_path)
    with tenant.served() as address:
        pipe = Pipe(tmp_path, tenant, address)
        asked = {"streams": ["dated"], "page_size": 2, "concurrency": 1}
        assert pipe.run(**asked) == ExitCode.DONE
        moved = pipe.arrived.moved["dated"]
        pipe.faults += [preset("forbidden", path="*/RowSet", skip=1, times=1)]
        assert pipe.run(**asked) == ExitCode.FAILED
        assert pipe.run(**asked) == ExitCode.DONE
        assert pipe.arrived.moved["dated"] == moved
        pipe.assert_is_equal(["dated"])
