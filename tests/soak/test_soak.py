"""A few virtual weeks of the soak, and that its verdict sees what it is there to see."""

from dataclasses import replace
from datetime import timedelta

import pytest
from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_sandbox.servers import Sandbox
from soak.commands import Spent
from soak.course import NEWCOMER, Course, Records
from soak.days import EVE, Day
from soak.figures import as_text, summary
from soak.footprint import Footprint
from soak.pipes import KINDS, Run

TRAIL_DAYS = 5
EVERY = {"duckdb": 2, "postgresql": 10, "powerbi": 10}
DAYS = 15


@pytest.fixture(scope="module")
def course(tmp_path_factory, postgres):
    kinds = [replace(KINDS[name], every=every) for name, every in EVERY.items()]
    with Sandbox(scale=400, today=EVE) as box:
        course = Course(box, tmp_path_factory.mktemp("soak"), postgres, kinds, TRAIL_DAYS)
        for _ in course.go(lambda days: days / DAYS):
            pass
        yield course


def kept_runs(pipe):
    ledger = Ledger.open(None, pipe.pipeline.state_dir, create=False)
    try:
        return history.runs(ledger)
    finally:
        ledger.close()


def test_weeks_pass_and_every_run_leaves_the_destination_as_the_source(course):
    # Each run ended with 0 and balanced, and each month's end was compared, or nothing would be here.
    records = course.records
    found = summary(records, TRAIL_DAYS)
    assert found["wrong"] == []
    assert found["pipes"].keys() == EVERY.keys()
    assert {run.kind for run in records.runs} == {"first", "nightly", "scan", "refresh"}
    assert all(run.rows > 0 for run in records.runs if run.kind == "nightly" and run.day < DAYS)
    assert {verb.name for verb in records.verbs} == {
        "verify",
        "powerbi verify",
        "ledger prune",
        "report",
        "powerbi compact",
    }
    assert f"{DAYS} days, {len(records.runs)} runs" in as_text(found)


def test_time_is_virtual_and_what_is_old_is_removed(course):
    (duckdb, *_) = course.pipes
    runs = kept_runs(duckdb)
    night = Day(DAYS).night
    assert runs[0].started[:10] == night.date().isoformat()
    days = {run.started[:10] for run in runs}
    assert Day(2).night.date().isoformat() not in days
    assert min(days) >= (night - timedelta(days=TRAIL_DAYS + 1)).date().isoformat()
    last_week = course.records.footprints[duckdb.name][14]
    nights = TRAIL_DAYS // EVERY["duckdb"] + 3  # that of the limit, that of the day itself, and that of the month's end
    assert last_week.ledger["batches"] <= nights * len(duckdb.kind.streams)
    files = [path for path in duckdb.pipeline.state_dir.glob("batches/*/*") if path.is_file()]
    of_duckdb = [run for run in course.records.runs if run.pipe == duckdb.name and run.day > DAYS - TRAIL_DAYS - 1]
    assert 0 < len(files) <= len(duckdb.kind.streams) * len(of_duckdb)


def test_what_a_process_takes_is_measured(course):
    for run in course.records.runs:
        assert run.tap.cpu > 0.01
        assert run.target.cpu > 0.01
        assert run.tap.peak_mb > 20
        assert run.cpu <= 2 * run.seconds + run.server_cpu + 1
    assert sum(run.server_cpu for run in course.records.runs if run.pipe == "postgresql") > 0


def one_run(day, *, pipe="duckdb", cpu=0.4, peak=150.0, rows=50, looked_at=100, pace=0.02):
    return Run(pipe, day, "nightly", rows, looked_at, 1.0, Spent(cpu / 2, 100.0), Spent(cpu / 2, peak), 0.0, pace)


def verdict(runs, left=None):
    days = max(run.day for run in runs)
    return summary(Records(days, 1000, runs, [], {"duckdb": left or {}}), 10)["wrong"]


NIGHTS, WEEKS = range(1, 101), range(7, 101, 7)


def test_runs_that_stay_alike_are_all_right():
    assert verdict([one_run(day, cpu=0.4 + day % 5 / 50) for day in NIGHTS]) == []


def test_a_run_that_takes_more_time_every_night_is_told():
    (sentence,) = verdict([one_run(day, cpu=0.4 + day / 300) for day in NIGHTS])
    assert sentence == (
        "duckdb: a nightly run of the last quarter takes 0.69 s of CPU, and 0.44 s in the first quarter."
    )


def test_a_machine_that_became_slower_is_not_taken_for_the_runs():
    assert verdict([one_run(day, cpu=0.4 * (1 + day / 100), pace=0.02 * (1 + day / 100)) for day in NIGHTS]) == []


def test_a_run_that_takes_more_memory_every_night_is_told():
    (sentence,) = verdict([one_run(day, peak=150 + day / 2) for day in NIGHTS])
    assert "takes 194 MB at its peak, and 156 MB in the first quarter" in sentence


def test_runs_that_read_every_row_may_take_as_much_more_as_the_rows_do():
    assert verdict([one_run(day, looked_at=100 * day, cpu=0.4 + day / 200) for day in NIGHTS]) == []


def test_runs_that_take_more_for_each_row_when_there_are_more_are_told():
    (sentence,) = verdict([one_run(day, looked_at=100 * day, cpu=0.4 + (day / 60) ** 2) for day in NIGHTS])
    assert "a row of a nightly run takes" in sentence


def test_scans_that_take_more_for_each_row_when_there_are_more_are_told():
    def scan(day, cpu):
        return replace(one_run(day, looked_at=100 * day, cpu=cpu), kind="scan")

    nights = [one_run(day) for day in NIGHTS if day % 7]
    assert verdict([*nights, *(scan(day, 0.4 + day / 100) for day in WEEKS)]) == []
    (sentence,) = verdict([*nights, *(scan(day, 0.4 + (day / 50) ** 2) for day in WEEKS)])
    assert "a row of a scan takes" in sentence


def test_a_pipe_that_takes_more_than_a_new_one_in_the_same_nights_is_told():
    old = [one_run(day, looked_at=100 * day, cpu=0.6) for day in NIGHTS]
    new = [one_run(day, pipe=f"duckdb{NEWCOMER}") for day in NIGHTS if day > 80]
    (sentence,) = verdict([*old, *new])
    assert "0.40 s of a pipe without a history in the same nights" in sentence


def left(*, account=1000, files=30, loads=90):
    return Footprint(files, account, 10_000, {}, loads)


def test_what_lies_on_disk_may_grow_until_retention_removes_as_much_as_comes():
    runs = [one_run(day) for day in NIGHTS]
    assert verdict(runs, {day: left(files=min(day, 24)) for day in WEEKS}) == []
    (sentence,) = verdict(runs, {day: left(files=day) for day in WEEKS})
    assert sentence.startswith("duckdb: 88 files on the days 77 to 98, and 60 on the days 49 to 70, when all")
    (sentence,) = verdict(runs, {day: left(loads=3 * day) for day in WEEKS})
    assert "262 loads in the warehouse" in sentence
    (sentence,) = verdict(runs, {day: left(account=100 * day) for day in WEEKS})
    assert "8,750 bytes of ledger and batches" in sentence


def test_runs_that_move_more_rows_may_leave_as_much_more():
    runs = [one_run(day, rows=day) for day in NIGHTS]
    assert verdict(runs, {day: left(account=100 * day) for day in WEEKS}) == []


@pytest.mark.parametrize(("number", "week", "month"), [(7, True, False), (11, False, True), (12, False, False)])
def test_weeks_end_every_seventh_day_and_months_with_the_calendar(number, week, month):
    assert (Day(number).ends_week, Day(number).ends_month) == (week, month)
