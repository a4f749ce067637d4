"""Every figure of a report is what the ledger holds."""

import json
import re
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.activity import is_of_keys
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.report.figures import Kind, Status, as_json
from ifs_bi_core.report.findings import findings
from ifs_bi_core.report.reading import read_report
from ifs_bi_core.report.schedules import Freshness, Origin


@pytest.fixture(scope="module")
def found(week):
    return week.report()


def by_stream(report, target="target-powerbi"):
    return {one.stream: one for one in report.streams if one.target == target}


def test_runs_are_those_of_the_ledger_oldest_first(found):
    assert [run.run for run in found.runs] == [*(f"night-{n}" for n in range(6)), "dead", "killed", "failed"]
    assert [run.status for run in found.runs[-3:]] == [Status.DEAD_ROWS, Status.RUNNING, Status.FAILED]
    assert found.runs_known == 9


def test_a_run_that_began_a_day_ago_and_has_no_end_was_killed(week):
    with closing(Ledger.open(None, week.state_dir, clock=lambda: datetime(2026, 11, 17, tzinfo=UTC))) as ledger:
        later = read_report(ledger)
    assert later.runs[-2].status is Status.NO_END
    assert {one.kind for one in later.findings} >= {Kind.NO_END, Kind.UNKNOWN}


def test_rows_are_those_of_the_balance(week, found):
    with closing(Ledger.open(None, week.state_dir)) as ledger:
        for run in found.runs:
            lines = history.balance(ledger, run.run).streams
            sums = [
                sum(getattr(line, name) for line in lines) for name in ("acknowledged", "dead", "unknown", "waiting")
            ]
            assert [run.acknowledged, run.dead, run.unknown, run.waiting] == sums
    assert found.runs[6].read == 4
    assert (found.runs[6].acknowledged, found.runs[6].dead) == (3, 1)
    assert (found.runs[7].unknown, found.runs[7].read) == (7, 7)


def test_throughput_is_rows_a_second_of_the_run(found):
    assert (found.runs[0].acknowledged, found.runs[0].seconds) == (18, 100.0)
    assert found.runs[0].rows_per_second == pytest.approx(0.18)
    assert found.runs[-1].rows_per_second is None


def test_rows_by_run_add_up_and_a_run_without_a_change_is_no_gap(found):
    orders, suppliers = (by_stream(found)[name] for name in ("purchase_orders", "suppliers"))
    assert orders.rows == (10, 11, 12, 13, 14, 15, 3, None, None)
    assert orders.acknowledged == 78
    assert orders.dead == 1
    assert suppliers.rows == (5, 0, 0, 0, 0, 0, None, None, None)


def test_a_stream_is_fresh_when_a_run_found_nothing_new_in_it(found):
    suppliers = by_stream(found)["suppliers"]
    assert suppliers.freshness is Freshness.FRESH
    assert (suppliers.schedule, suppliers.every_seconds) == (Origin.DERIVED, 86400.0)
    assert suppliers.delivered_at == "2026-11-15T02:00:00.000000Z"
    assert suppliers.age_seconds == 7 * 3600


def test_a_stream_that_no_run_carries_any_more_is_late(found):
    assert by_stream(found)["gl_accounts"].freshness is Freshness.LATE
    assert [one.subject for one in found.findings if one.kind is Kind.LATE] == ["gl_accounts"]


def test_a_schedule_that_is_given_stands_above_the_derived_one(week):
    streams = by_stream(week.report(schedules={"gl_accounts": 7 * 86400.0, "": 3600.0}))
    assert streams["gl_accounts"].freshness is Freshness.FRESH
    assert streams["suppliers"].freshness is Freshness.LATE
    assert streams["suppliers"].schedule is Origin.GIVEN


def test_a_stream_whose_only_run_was_killed_was_never_delivered(found):
    customers = by_stream(found, "target-looker-warehouse")["customers"]
    assert (customers.freshness, customers.delivered_at, customers.unknown) == (Freshness.NEVER, None, 7)


def test_lag_is_the_age_of_the_youngest_change_when_it_was_acknowledged(found):
    lag = by_stream(found)["purchase_orders"].lag
    assert (lag.run, lag.files, lag.files_elsewhere) == ("dead", 1, 0)
    assert lag.newest_version == "2026-11-15T02:00:00.000000Z"
    assert lag.seconds == 3600


def test_a_first_load_has_no_lag(found):
    assert by_stream(found)["suppliers"].lag.seconds is None


def test_batch_files_of_another_machine_are_no_reason_to_fail(many):
    lag = many.report(runs=3).streams[0].lag
    assert (lag.files, lag.files_elsewhere, lag.newest_version) == (0, 1, None)


def test_a_delete_scan_is_told_with_its_keys_and_the_rows_that_it_found_gone(found):
    scan = by_stream(found)["suppliers"].scan
    assert (scan.run, scan.keys, scan.gone_rows) == ("night-5", 1000, 0)
    assert scan.at == "2026-11-15T02:00:00.000000Z"


@pytest.mark.parametrize(
    ("query", "holds"),
    [
        ("https://ifs/Set?$select=OrderNo,LineNo&$top=5", True),
        ("https://ifs/Set?%24select=LineNo%2C%20OrderNo", True),
        ("https://ifs/Set?$select=OrderNo,LineNo,Name", False),
        ("https://ifs/Set?$select=OrderNo", False),
        ("https://ifs/Set", False),
    ],
)
def test_a_page_of_keys_is_one_that_was_asked_for_the_key_alone(query, holds):
    assert is_of_keys(query, '{"LineNo":1,"OrderNo":"1"}') is holds


def test_requests_are_counted_by_what_came_of_them(found):
    [ifs] = found.services
    streams = 6 * 2 + 4
    assert (ifs.requests, ifs.throttled, ifs.failed, ifs.unanswered) == (2 * streams + 1, streams, 0, 1)
    assert ifs.retries == streams
    assert ifs.seconds == pytest.approx(streams * 0.6 + 2)
    assert ifs.busiest_requests == 6
    assert (ifs.limit_per_minute, ifs.limit_used) == (1000, 0.006)
    assert [run.requests for run in found.runs[:1]] == [6]


def test_a_limit_that_is_given_is_the_one_that_is_used(week):
    assert week.report(limits={"ifs": 4}).services[0].limit_used == 1.5


def test_dead_letters_are_told_with_the_command_that_replays_them(week, found):
    [letter] = found.dead_letters
    assert (letter.stream, letter.rows, letter.letters, letter.state) == ("purchase_orders", 1, 1, "pending")
    assert letter.reason == "Name is …, which is too long"
    assert re.fullmatch(
        r"ifs-bi replay --stream purchase_orders --destination https://\S+ \| target-powerbi --config CONFIG",
        letter.command,
    )
    [other] = week.report(state_dir="/srv/my state").dead_letters
    assert "--state-dir '/srv/my state'" in other.command


def test_unknown_outcomes_are_told_with_the_machine_that_resolves_them(found):
    [unknown] = found.unknown
    assert (unknown.stream, unknown.unknown, unknown.waiting, unknown.batches) == ("customers", 7, 0, 1)
    assert unknown.in_flight
    assert not [one for one in found.findings if one.kind is Kind.UNKNOWN]


def test_a_pipe_that_fails_is_found_until_it_succeeds(week):
    runs = week.report().runs
    assert [one.subject for one in findings(runs, (), (), ())] == ["failed"]
    again = replace(runs[0], run="again", plugins=("tap-ifs-cloud", "target-looker-warehouse"))
    assert findings([*runs, again], (), (), ()) == []
    broken = replace(again, status=Status.NO_START, plugins=("target-powerbi",))
    assert [one.subject for one in findings([*runs, again, broken], (), (), ())] == ["again"]


def test_a_run_that_does_not_account_for_every_row_is_found(week):
    [run] = [replace(week.report().runs[0], balanced=False)]
    [found] = findings([run], (), (), ())
    assert (found.kind, found.command) == (Kind.UNBALANCED, "ifs-bi ledger balance night-0")


def test_a_damaged_dead_letter_is_a_finding_and_the_rest_is_told(tmp_path):
    (tmp_path / "dead-letters" / "pending" / "20261122T190000Z-orders-0123456789abcdef").mkdir(parents=True)
    (tmp_path / "dead-letters" / "pending" / "20261122T190000Z-orders-0123456789abcdef" / "reason.json").write_text(
        "{}"
    )
    with closing(Ledger.open(None, tmp_path)) as ledger:
        found = read_report(ledger)
    assert [one.kind for one in found.findings] == [Kind.UNREADABLE]


def test_a_report_of_some_runs_keeps_the_freshness_of_all(many):
    few = many.report(runs=5)
    assert (len(few.runs), few.runs_known) == (5, 400)
    assert {one.freshness for one in few.streams} == {Freshness.FRESH}
    assert {len(one.rows) for one in few.streams} == {5}


def test_every_database_tells_the_same(open_ledger, tmp_path):
    ledger = open_ledger(tmp_path, clock=lambda: datetime(2026, 11, 23, tzinfo=UTC))
    run = ledger.begin_run("tap-ifs-cloud", "1", run="only")
    run.page("orders", number=1, rows=3, query="https://ifs/Set?$select=A", first_key='{"A":"1"}')
    run.end(0)
    ledger.clock = lambda: datetime(2026, 11, 23, tzinfo=UTC) + timedelta(hours=1)
    found = read_report(ledger)
    [stream] = found.streams
    assert (stream.stream, stream.target, stream.age_seconds, stream.scan.keys) == ("orders", "", 3600, 3)
    assert [(one.run, one.read, one.status) for one in found.runs] == [("only", 0, Status.DONE)]
    assert found.findings == ()


def test_two_pipes_of_one_meltano_run_are_told_apart(scene, tmp_path):
    clock = scene.Clock(datetime(2026, 11, 20, tzinfo=UTC))
    with closing(Ledger.open(None, tmp_path, clock=clock)) as ledger:
        scene.nightly(ledger, clock, "both", {"orders": 4, "gl": 1})
        clock.pass_by(60)
        warehouse = {"target": "target-looker-warehouse", "destination": scene.WAREHOUSE}
        scene.nightly(ledger, clock, "both", {"orders": 7}, **warehouse)
        found = read_report(ledger)
    [run] = found.runs
    assert (run.acknowledged, run.read, run.balanced, len(run.plugins)) == (12, 12, True, 3)
    orders = {one.target: one for one in found.streams if one.stream == "orders"}
    assert orders["target-powerbi"].rows == (4,)
    assert orders["target-looker-warehouse"].rows == (7,)
    assert orders["target-powerbi"].destinations == (scene.POWERBI,)
    assert {one.scan.keys for one in orders.values()} == {1000}


def test_rows_that_were_refused_before_they_came_into_a_batch_are_counted(scene, tmp_path):
    with closing(Ledger.open(None, tmp_path)) as ledger:
        run = ledger.begin_run("target-powerbi", "1", run="only")
        run.read("orders", 3)
        batch = run.write_batch("orders", scene.POWERBI, scene.rows(datetime(2026, 11, 20, tzinfo=UTC), 2))
        batch.pushing()
        batch.acknowledged()
        run.dead("orders", scene.POWERBI, "no key")
        run.end(3)
        found = read_report(ledger)
    [stream], [only] = found.streams, found.runs
    assert (stream.acknowledged, stream.dead) == (only.acknowledged, only.dead) == (2, 1)
    assert only.balanced


def test_a_stream_goes_on_when_the_tap_fails_at_another(scene, tmp_path):
    clock = scene.Clock(datetime(2026, 11, 20, tzinfo=UTC))
    with closing(Ledger.open(None, tmp_path, clock=clock)) as ledger:
        scene.nightly(ledger, clock, "broken", {"orders": 4, "gl": 0}, tap_code=1)
        found = {one.stream: one.delivered_at for one in read_report(ledger).streams}
    assert found["orders"] is not None
    assert found["gl"] is None


def test_a_damaged_batch_file_is_counted_as_one_that_is_elsewhere(scene, tmp_path):
    clock = scene.Clock(datetime(2026, 11, 20, tzinfo=UTC))
    with closing(Ledger.open(None, tmp_path, clock=clock)) as ledger:
        scene.nightly(ledger, clock, "first", {"orders": 4})
        [file] = tmp_path.glob("batches/orders/*.parquet")
        file.write_bytes(file.read_bytes()[:50])
        [stream] = read_report(ledger).streams
    assert (stream.lag.files, stream.lag.files_elsewhere, stream.lag.seconds) == (0, 1, None)


def test_the_form_for_machines_holds_all_of_it(found):
    said = msgspec.json.decode(as_json(found))
    assert said["form"] == 1
    assert [run["run"] for run in said["runs"]] == [run.run for run in found.runs]
    assert said["streams"][0]["freshness"] == found.streams[0].freshness
    assert said == json.loads(json.dumps(asdict(found)))
