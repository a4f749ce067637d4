"""`kill -9` at any point of a run: the next run leaves no row lost or doubled, and `ledger balance` says so."""

import json
from collections import Counter
from dataclasses import dataclass

import duckdb
import psycopg
import pytest
from ifs_bi_sandbox.servers import Sandbox
from ifs_bi_sandbox.world import Switches
from pipeline.aftermath import (
    KILLED,
    acknowledged_by_the_killed,
    check_dead_letters,
    check_files,
    check_ledger,
    check_loads,
)
from pipeline.kills import points
from pipeline.recorded import FIRST, SECOND, of_streams, what_is_left
from pipeline.scenes import PostgresScene, Scene

FEW = 5
EVERY_KIND = 20  # so many points are some of every kind of step
REFUSED_BY_SCHEMA = '{"OrderNo":"900"}'


def at_points(count):
    """A test at a few points of its run, and in `make prove` at so many."""
    return pytest.mark.parametrize("count", [FEW, pytest.param(count, marks=pytest.mark.prove)])


@pytest.fixture(scope="module")
def box():
    with Sandbox(scale=300, switches=Switches(powerbi_posts_per_minute=1_000_000)) as box:
        yield box


@pytest.fixture
def warehouse(box, tmp_path):
    def scene(**settings):
        made = Scene("target-looker-warehouse", tmp_path / "warehouse", box)
        made.configure(warehouse_url=f"duckdb:///{made.folder}/warehouse.duckdb", **settings)
        return made

    return scene


@pytest.fixture
def postgres_warehouse(box, tmp_path, postgres):
    def scene(**settings):
        made = PostgresScene("target-looker-warehouse", tmp_path / "warehouse", box).with_database(postgres)
        made.configure(warehouse_url=made.url, **settings)
        return made

    return scene


@pytest.fixture
def powerbi(box, tmp_path):
    def scene(**settings):
        env = box.environment()
        made = Scene("target-powerbi", tmp_path / "powerbi", box)
        made.configure(
            tenant_id=env["POWERBI_TENANT_ID"],
            client_id=env["POWERBI_CLIENT_ID"],
            client_secret=env["POWERBI_CLIENT_SECRET"],
            workspace_id=env["POWERBI_WORKSPACE_ID"],
            authority_host=env["POWERBI_AUTHORITY_HOST"],
            api_url=env["POWERBI_API_URL"],
            dataset_name="Killed",
            **settings,
        )
        box.world.powerbi.clear()
        return made

    return scene


@pytest.fixture
def mirrored(box, tmp_path):
    scene = Scene("target-powerbi", tmp_path / "mirrored", box)
    scene.configure(destination="fabric_mirroring", landing_zone_url=f"file://{scene.zone}")
    return scene


@dataclass
class Kill:
    """A run that was killed, and what the next one left."""

    scene: Scene
    where: str
    begun: list[str]  # steps; the last one was done too, unless it is a return
    whole: list[str]
    stated: bool  # whether the last state had left
    kept: Counter  # by stream, how many rows a state had left for that stands for them
    brought: dict[str, Counter]  # what an undisturbed run adds to each table
    surplus: dict[str, Counter]  # what there is beyond that


def check_nothing_is_doubled(kill):
    assert not any(kill.surplus.values()), kill.where


def check_killed_anywhere(
    scene, messages, count=0, *, last=0, refused=(), check=check_nothing_is_doubled, goes_on=True
):
    """Kill a run at so many points of it, or at its ``last`` ones; the next run has to leave what an undisturbed one leaves.

    The next run gets what a tap says then: everything again, or what is behind the last state that left, where it ``goes_on``.
    """
    before = scene.shown()
    scene.keep()
    whole = scene.run(messages)
    assert whole.code == (3 if refused else 0), whole.said
    expected = scene.shown()
    assert scene.refused() == Counter(refused)
    chosen = points(whole.steps, count) if count else list(range(len(whole.steps) - last, len(whole.steps)))
    assert len(chosen) == count + last
    if count >= EVERY_KIND:
        assert {whole.steps[number] for number in chosen} == set(whole.steps)
    for number in chosen:
        where = f"killed at step {number}, {whole.steps[number]}"
        scene.restore()
        killed = scene.run(messages, kill_at=number)
        assert (killed.code, len(killed.steps)) == (KILLED, number), f"{where}: {killed.said}"
        left = [json.loads(line) for line in killed.states if goes_on]
        ended = left[-1:] == [messages[-1]["value"]]
        rest = what_is_left(messages, left[-1]) if left else messages
        again = scene.run(rest)
        codes = {0} if ended or not refused else {0, 3} if left else {3}
        assert again.code in codes, f"{where}: {again.said}"
        shown = scene.shown()
        assert shown.keys() == expected.keys(), where
        assert [name for name in expected if expected[name] - shown[name]] == [], where
        brought = {name: rows - before.get(name, Counter()) for name, rows in expected.items()}
        surplus = {name: rows - expected[name] for name, rows in shown.items()}
        sent = Counter(message["stream"] for message in messages if message["type"] == "RECORD")
        kept = sent - Counter(message["stream"] for message in rest if message["type"] == "RECORD")
        check(Kill(scene, where, killed.steps, whole.steps, ended, kept, brought, surplus))
        check_dead_letters(scene, set(refused), where)
        check_ledger(scene, where)
        check_loads(scene, where)
        check_files(scene, where)


@at_points(20)
def test_a_warehouse_that_is_upserted_is_whole_after_a_kill_at_any_point(warehouse, count):
    scene = warehouse()
    with duckdb.connect(str(scene.folder / "warehouse.duckdb")) as connection:  # somebody else's table takes not all
        connection.execute('CREATE TABLE prices ("Article" VARCHAR, "Price" DECIMAL(18, 2) CHECK ("Price" >= 0))')
    streams = ("orders", "sites", "prices")
    assert scene.run(of_streams(FIRST, *streams)).code == 0
    refused = [REFUSED_BY_SCHEMA, '{"Article":"A6"}', '{"Article":"A7"}']
    check_killed_anywhere(scene, of_streams(SECOND, *streams), count, refused=refused)


@at_points(8)
def test_a_warehouse_table_that_is_overwritten_is_the_old_or_the_new_one_after_a_kill(warehouse, count):
    scene = warehouse(load_method="overwrite")
    assert scene.run(FIRST).code == 0
    check_killed_anywhere(scene, SECOND, count, refused=[REFUSED_BY_SCHEMA], goes_on=False)


@at_points(20)
def test_a_postgresql_database_is_whole_after_a_kill_at_any_point(postgres_warehouse, count):
    scene = postgres_warehouse()
    with psycopg.connect(scene.url) as connection:  # somebody else's table takes not all
        connection.execute('CREATE TABLE prices ("Article" text, "Price" numeric(18, 2) CHECK ("Price" >= 0))')
    streams = ("orders", "sites", "prices")
    assert scene.run(of_streams(FIRST, *streams)).code == 0
    refused = [REFUSED_BY_SCHEMA, '{"Article":"A6"}', '{"Article":"A7"}']
    check_killed_anywhere(scene, of_streams(SECOND, *streams), count, refused=refused)


@at_points(8)
def test_a_postgresql_table_that_is_overwritten_is_the_old_or_the_new_one_after_a_kill(postgres_warehouse, count):
    scene = postgres_warehouse(load_method="overwrite")
    assert scene.run(FIRST).code == 0
    check_killed_anywhere(scene, SECOND, count, refused=[REFUSED_BY_SCHEMA], goes_on=False)


@at_points(8)
def test_rows_that_are_appended_are_doubled_where_their_state_had_not_left_and_the_ledger_says_which(warehouse, count):
    scene = warehouse(load_method="append-only")
    assert scene.run(FIRST).code == 0

    def check(kill):
        arrived = {} if kill.stated else acknowledged_by_the_killed(kill.scene)
        kept = kill.kept - Counter({"orders": 1})  # one of them was refused
        doubled = {name: max(0, arrived.get(name, 0) - kept[name]) for name in kill.surplus}
        assert {name: rows.total() for name, rows in kill.surplus.items()} == doubled, kill.where
        assert not any(rows - kill.brought[name] for name, rows in kill.surplus.items()), kill.where

    check_killed_anywhere(scene, SECOND, count, refused=[REFUSED_BY_SCHEMA], check=check)


def check_doubled_in_a_moment(*keyless, after=0):
    """Rows without keys are taken for delivered a moment before the state leaves. Killed in it, they come again.

    Nobody can tell then whether the state had left: taking them out instead would lose them where it had. ``after`` commits
    of an undisturbed run come behind that moment.
    """
    confirming = "commit to the kept rows"

    def check(kill):
        in_the_moment = not kill.stated and kill.begun.count(confirming) >= kill.whole.count(confirming) - after
        doubled = {
            name: kill.brought[name] if in_the_moment and name in keyless else Counter() for name in kill.brought
        }
        assert kill.surplus == doubled, kill.where

    return check


@at_points(30)
def test_power_bi_that_is_mirrored_is_whole_after_a_kill_at_any_point(powerbi, count):
    scene = powerbi()
    assert scene.run(FIRST).code == 0
    check_killed_anywhere(scene, SECOND, count, refused=[REFUSED_BY_SCHEMA], check=check_doubled_in_a_moment("events"))


@at_points(28)
def test_new_rows_of_a_table_that_needs_no_rewrite_are_there_once_after_a_kill_at_any_kind_of_step(powerbi, count):
    scene = powerbi()
    assert scene.run(of_streams(FIRST, "prices")).code == 0
    check_killed_anywhere(scene, of_streams(SECOND, "prices"), count)


@at_points(26)
def test_sums_over_signs_are_the_source_after_a_kill_at_any_kind_of_step(powerbi, count):
    scene = powerbi(write_mode="signed")
    streams = ("orders", "sites")  # changed, gone, and gone with a full refresh
    assert scene.run(of_streams(FIRST, *streams)).code == 0
    check_killed_anywhere(scene, of_streams(SECOND, *streams), count, refused=[REFUSED_BY_SCHEMA])


def test_rows_without_keys_are_counted_once_by_their_signs_after_a_kill(powerbi):
    scene = powerbi(write_mode="signed")
    assert scene.run(of_streams(FIRST, "events")).code == 0
    check_killed_anywhere(scene, of_streams(SECOND, "events"), 6, check=check_doubled_in_a_moment("events"))


@at_points(8)
def test_power_bi_that_is_appended_to_is_whole_after_a_kill(powerbi, count):
    scene = powerbi(write_mode="append")
    assert scene.run(FIRST).code == 0
    check = check_doubled_in_a_moment("events", after=1)
    check_killed_anywhere(scene, SECOND, count, refused=[REFUSED_BY_SCHEMA], check=check)


def test_versions_that_are_appended_are_there_once_after_a_kill_in_the_moment_in_which_their_state_leaves(powerbi):
    scene = powerbi(write_mode="append")
    assert scene.run(of_streams(FIRST, "orders", "prices")).code == 0
    check_killed_anywhere(scene, of_streams(SECOND, "orders", "prices"), last=10, refused=[REFUSED_BY_SCHEMA])


@at_points(8)
def test_a_dataset_that_the_killed_run_was_to_make_is_made_once(powerbi, count):
    scene = powerbi()
    check_killed_anywhere(scene, FIRST, count, check=check_doubled_in_a_moment("events"))


@at_points(24)
def test_a_mirrored_database_is_whole_after_a_kill_at_any_point(mirrored, count):
    assert mirrored.run(FIRST).code == 0
    check = check_doubled_in_a_moment("events")
    check_killed_anywhere(mirrored, SECOND, count, refused=[REFUSED_BY_SCHEMA], check=check)


@at_points(10)
def test_a_landing_zone_that_the_killed_run_was_to_begin_is_whole(mirrored, count):
    check_killed_anywhere(mirrored, FIRST, count, check=check_doubled_in_a_moment("events"))
