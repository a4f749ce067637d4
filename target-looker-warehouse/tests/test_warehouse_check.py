"""`ifs-bi warehouse-check`: all steps hold where a warehouse is as it says, and where it is not, the step says so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from emulator_gaps import BIGQUERY, EMULATED, REDSHIFT, SNOWFLAKE
from ifs_bi_core.errors import ConfigError, ExitCode
from target_looker_warehouse.check import run
from target_looker_warehouse.check.probes import PROBES, nothing_aside
from target_looker_warehouse.check.run import STEPS, Mark, Outcome, check
from target_looker_warehouse.check.scratch import Scratch
from target_looker_warehouse.check.step import STRING, Step, lines
from target_looker_warehouse.command.warehouse_check import warehouse_check

COMMAND = Path(sys.executable).parent / "ifs-bi"
NAMES = [step.name for step in (*STEPS, *PROBES)]
SCHEMAS = (
    "SELECT CAST(schema_name AS VARCHAR) FROM information_schema.schemata WHERE lower(schema_name) LIKE 'ifs_check%'"
)


def scratch(box, schema="ifs_check_1", **config):
    return Scratch(box.config | config, schema, box.folder / "check")


def checked(box, **config):
    outcomes: list[Outcome] = []
    check(scratch(box, **config), outcomes.append)
    return outcomes


def only(monkeypatch, *steps):
    monkeypatch.setattr(run, "STEPS", steps)
    monkeypatch.setattr(run, "PROBES", ())


def command(box, *arguments, **config):
    path = box.folder / "config.json"
    path.write_text(json.dumps(box.config | config))
    return subprocess.run(
        [COMMAND, "warehouse-check", "--config", path, *arguments], capture_output=True, text=True, check=False
    )


def test_every_step_holds_and_nothing_is_left(box):
    path = box.folder / "config.json"
    path.write_text(json.dumps(box.config))
    ran = CliRunner().invoke(warehouse_check, ["--config", str(path), "--json"], standalone_mode=False)
    told = json.loads(ran.stdout)
    assert [step for step in told["steps"] if step["mark"] != "holds"] == []
    assert [step["step"] for step in told["steps"][:-1]] == NAMES
    assert (ran.return_value, ran.stderr, told["holds"]) == (ExitCode.DONE, "", True)
    assert told["warehouse"] == box.dialect.name
    assert told["steps"][-1]["step"] == f"The schema {told['schema']} is dropped"
    assert box.query(SCHEMAS) == []


@pytest.mark.parametrize("case", ["upper", "lower"])
def test_names_that_become_one_in_the_case_of_the_warehouse_stay_apart(box, monkeypatch, case):
    only(monkeypatch, *(step for step in STEPS if "names" in step.name or "Columns" in step.name))
    assert {outcome.said for outcome in checked(box, identifier_case=case)} == {""}


@pytest.mark.prove
@pytest.mark.parametrize(
    ("name", "emulated"), [("snowflake_box", SNOWFLAKE), ("bigquery_box", BIGQUERY), ("redshift_box", REDSHIFT)]
)
def test_an_emulator_fails_in_its_known_gaps_alone(request, name, emulated):
    box = request.getfixturevalue(name)
    del_case = {key: value for key, value in box.config.items() if key != "identifier_case"}
    outcomes: list[Outcome] = []
    check(Scratch(del_case, "ifs_check_1", box.folder / "check"), outcomes.append)
    assert {one.step for one in outcomes if one.mark is Mark.FAILED} == set(emulated.steps), outcomes
    assert [one.step for one in outcomes if one.mark is Mark.LEFT_OUT] == ["One run at a time writes a stream's table"]
    assert not [table for table in box.all_tables() if not table.startswith("_")]


@pytest.mark.parametrize("emulated", EMULATED, ids=lambda emulated: emulated.product)
def test_each_gap_is_a_step(emulated):
    assert set(emulated.steps) <= set(NAMES)


def test_rows_that_are_not_what_was_sent_are_told_in_short(box, monkeypatch):
    rows = [{"k": str(k), "x": "a" * 400} for k in range(9)]
    wrong = Step("Wrong", [lines("s", {"k": STRING, "x": STRING}, *rows)], {"s": [*rows[:-1], {"k": "8", "x": "b"}]})
    absent = Step("Absent", [lines("t", {"k": STRING}, {"k": "1"})], {"other": [{"k": "1"}]})
    only(monkeypatch, wrong, absent)
    first, second, dropped = checked(box)
    assert [first.mark, second.mark, dropped.mark] == [Mark.FAILED, Mark.FAILED, Mark.HOLDS]
    assert first.said.startswith("Table 's' has 9 rows, and 9 are wanted. Not there: (x: 'b'). There instead: (x: 'aaa")
    assert len(first.said) < 500
    assert second.said == "Table 'other' has 0 rows, and 1 are wanted. Not there: (k: '1')."


def test_a_row_that_was_put_aside_though_none_should_be_is_told(box, monkeypatch):
    only(monkeypatch, Step("Refused", [lines("s", {"k": STRING}, {"k": None})], {"s": []}))
    [failed, _] = checked(box)
    assert failed.mark is Mark.FAILED
    assert failed.said.startswith("Rows were put aside. ")
    assert "its key k is missing or null" in failed.said


def test_a_row_that_should_be_put_aside_and_was_not_is_told(box, monkeypatch):
    only(monkeypatch, Step("Taken", [lines("s", {"k": STRING}, {"k": "1"})], {"s": [{"k": "1"}]}, refused=1))
    assert checked(box)[0].said == "No row was put aside."


def test_a_table_that_is_left_is_named(box):
    one = scratch(box)
    one.make()
    one.feed(lines("s", {"k": STRING}, {"k": "1"}), load_method="overwrite")
    assert nothing_aside(one) == ""
    one.make_strict("s_incoming")
    assert nothing_aside(one) == "These tables are left: s_incoming."
    one.drop()
    assert box.query(SCHEMAS) == []


def test_a_schema_that_is_there_is_never_touched(box):
    scratch(box).make()
    box.run("CREATE TABLE ifs_check_1.mine (x INTEGER)")
    outcomes: list[Outcome] = []
    with pytest.raises(ConfigError, match=r"There is a schema 'ifs_check_1' in .* Give a name with --schema"):
        check(scratch(box), outcomes.append)
    assert outcomes == []
    assert box.all_tables() == ["mine"]


def test_a_kept_schema_stays_with_its_tables_and_the_statement_that_drops_it_is_told(box, monkeypatch):
    only(monkeypatch, STEPS[0])
    outcomes: list[Outcome] = []
    check(scratch(box), outcomes.append, keep=True)
    assert outcomes[-1].mark is Mark.LEFT_OUT
    assert outcomes[-1].said.endswith(" CASCADE")
    assert box.tables() == ["types"]
    box.run('DROP SCHEMA "ifs_check_1" CASCADE')
    assert box.query(SCHEMAS) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_schema_is_dropped_whatever_comes(box, monkeypatch, error):
    only(monkeypatch, *STEPS[:3])
    outcomes: list[Outcome] = []

    def tell(outcome):
        outcomes.append(outcome)
        if len(outcomes) == 1:
            raise error

    with pytest.raises(error):
        check(scratch(box), tell)
    assert [outcome.step for outcome in outcomes] == [STEPS[0].name, "The schema ifs_check_1 is dropped"]
    assert box.query(SCHEMAS) == []


def test_an_interrupted_command_drops_its_schema_and_says_so(postgres_box):
    path = postgres_box.folder / "config.json"
    path.write_text(json.dumps(postgres_box.config))
    arguments = [COMMAND, "warehouse-check", "--config", path]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert next(line for line in running.stdout if line.startswith("✓"))
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 1
    assert out.splitlines()[-1].startswith("✓ The schema ifs_check_")
    assert err.strip() == "ifs-bi was interrupted. Run it again."
    assert postgres_box.query(SCHEMAS) == []


def test_a_schema_that_can_not_be_dropped_is_told_with_the_statement_that_drops_it(duckdb_box, monkeypatch):
    only(monkeypatch, STEPS[0])
    one, outcomes, held = scratch(duckdb_box), [], []

    def tell(outcome):
        outcomes.append(outcome)
        if len(outcomes) == 1:
            held.append(subprocess.Popen([*HOLD, str(duckdb_box.file)], stdout=subprocess.PIPE, stdin=subprocess.PIPE))
            assert held[0].stdout.readline()

    try:
        check(one, tell)
    finally:
        held[0].communicate()
    assert outcomes[-1].mark is Mark.FAILED
    assert "is held by another process" in outcomes[-1].said
    assert outcomes[-1].said.endswith('Drop it yourself: DROP SCHEMA IF EXISTS "warehouse"."ifs_check_1" CASCADE')


HOLD = [
    sys.executable,
    "-c",
    "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); sys.stdin.read()",
]


def test_a_wrong_configuration_ends_with_2_and_makes_nothing(duckdb_box):
    ran = command(duckdb_box, warehouse_url="duckdb:////no/such/folder/w.duckdb")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "there is no folder /no/such/folder" in ran.stderr


def test_who_may_make_no_schema_is_told_and_the_command_ends_with_2(postgres_box, postgres):
    database = postgres_box.url.rpartition("/")[2]
    with postgres.admin(database) as admin:
        admin.execute(
            "DO $$ BEGIN CREATE ROLE passer_by LOGIN PASSWORD 'looking-is-all'; EXCEPTION WHEN duplicate_object THEN END $$"
        )
    ran = command(
        postgres_box, warehouse_url=f"postgresql://passer_by:looking-is-all@127.0.0.1:{postgres.port}/{database}"
    )
    assert ran.returncode == 2
    assert "could not be made: permission denied for database" in ran.stderr
    assert "✗" not in ran.stdout
    assert "looking-is-all" not in ran.stdout + ran.stderr


def test_a_step_that_fails_leaves_the_others_alone(duckdb_box, monkeypatch):
    """Somebody puts a view where the next step makes its table."""
    only(monkeypatch, *STEPS[:4])
    one = scratch(duckdb_box)
    outcomes = []

    def tell(outcome):
        outcomes.append(outcome)
        if len(outcomes) == 1:
            with closing(duckdb.connect(duckdb_box.file)) as connection:
                connection.execute("CREATE VIEW ifs_check_1.decimals AS SELECT 'x' AS k")

    check(one, tell)
    assert [outcome.mark is Mark.FAILED for outcome in outcomes] == [False, True, False, False, False]
    assert "Can only modify view" in outcomes[1].said
