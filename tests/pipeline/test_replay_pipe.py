"""Rows that a destination refused come by a replay, without asking IFS Cloud: in a shell, with Meltano, and after a kill."""

import json
import shutil
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from ifs_bi_core.dead_letter.store import DeadLetters
from pipeline.commands import BIN
from pipeline.kills import points, run_target
from pipeline.project import Project
from pipeline.recorded import BATCH_ROWS, ORDERS_SCHEMA, order, singer
from pipeline.recorded import state as state_of
from pipeline.source import source_rows

STREAM = "customer_order_lines"
"""Its Cost is a quotient with more digits than a Double keeps: such rows are refused unless the user or the model chooses."""
ROUNDED, UNDECIDED = {"type": "Double"}, {"format": "0.00"}
BASH = Path("/bin/bash")
PLACE = "dataset_name: $POWERBI_DATASET_NAME\n"
LEDGER = "          gl_voucher_rows:\n"
COST_UNDECIDED = {
    "Cost: {type: Double}": "Cost: {format: '0.00'}",
    PLACE: f"{PLACE}        model: false\n",
    LEDGER: f"          journal_entries: {{columns: {{PostingCombinationId: {{type: String}}}}}}\n{LEDGER}",
}
"""What stands in meltano.yml where nobody chose a type, not the shipped model either."""


def letters(folder) -> Counter:
    """How many letters are in which state."""
    return Counter(str(letter.state) for letter in DeadLetters(folder / ".ifs-bi").letters())


def check_arrived(pipeline, dataset_rows) -> None:
    """Every line of a customer order is there, once, with its cost rounded to a Double."""
    source = source_rows(pipeline.box.world.database, STREAM)
    costs = Counter((str(row["OrderNo"]), row["LineNo"], row["Cost"] and float(row["Cost"])) for row in source.values())
    rows = [row | {"Cost": row["Cost"] and float(row["Cost"])} for row in dataset_rows(STREAM)]
    assert Counter((row["OrderNo"], row["LineNo"], row["Cost"]) for row in rows) == costs


def asked_of_ifs(pipeline) -> int:
    return sum(entry["service"] in {"ifs", "token"} for entry in pipeline.box.world.requests)


def choose(pipeline, choice) -> None:
    pipeline.powerbi_settings["tables"] |= {STREAM: {"columns": {"Cost": choice}}}
    pipeline.load_powerbi(b"")  # writes the configuration


def replay(pipeline, run, *options):
    """A replay in a shell; a pipe ends with the last code of it that is not 0."""
    command = f"set -o pipefail; {BIN}/ifs-bi replay {' '.join(options)} | {BIN}/target-powerbi --config powerbi.json"
    return run(BASH, "-c", command, cwd=pipeline.folder)


@pytest.fixture
def refused(pipeline):
    """A pipeline whose Power BI refused rows; how many lines of customer orders it has not."""
    pipeline.powerbi_settings["tables"][STREAM] = {"columns": {"Cost": UNDECIDED}}
    pipeline.powerbi_settings["model"] = False  # which would choose a type
    loaded = pipeline.load_powerbi(pipeline.extract().out)
    assert loaded.code == 3, loaded.err
    (letter,) = DeadLetters(pipeline.folder / ".ifs-bi").letters()
    assert letter.stream == STREAM
    return letter


def test_a_replay_in_a_shell_brings_refused_rows_and_asks_ifs_nothing(pipeline, run, dataset_rows, refused):
    assert len(dataset_rows(STREAM)) == len(source_rows(pipeline.box.world.database, STREAM)) - refused.rows
    choose(pipeline, ROUNDED)
    asked = asked_of_ifs(pipeline)
    ran = replay(pipeline, run)
    assert ran.code == 0, ran.err
    assert asked_of_ifs(pipeline) == asked
    check_arrived(pipeline, dataset_rows)
    assert letters(pipeline.folder) == {"done": 1}
    again = replay(pipeline, run)
    assert again.code == 0
    assert "There is nothing to replay" in again.err


def test_rows_that_are_refused_again_lie_in_refused_and_are_replayed_when_they_are_named(
    pipeline, run, dataset_rows, refused
):
    ran = replay(pipeline, run)
    assert ran.code == 3
    assert letters(pipeline.folder) == {"refused": 1}  # and no second letter
    choose(pipeline, ROUNDED)
    assert "There is nothing to replay" in replay(pipeline, run).err
    named = replay(pipeline, run, "--letter", refused.id)
    assert named.code == 0, named.err
    check_arrived(pipeline, dataset_rows)
    assert letters(pipeline.folder) == {"done": 1}


def test_meltano_fails_where_rows_were_refused_keeps_the_state_and_replays_them(pipeline, tmp_path, dataset_rows):
    folder = tmp_path / "project"
    env = pipeline.box.environment() | {"POWERBI_DATASET_NAME": pipeline.powerbi_settings["dataset_name"]}
    ran = Project(folder, env, COST_UNDECIDED).meltano("run", "tap-ifs-cloud", "target-powerbi")
    assert ran.code == 1  # Meltano has one word for every end of a plugin that is not 0
    assert "rows went to the dead letters (customer_order_lines" in ran.err
    assert "Loader failed" in ran.err
    project = Project(folder, env, {})
    kept = project.meltano("state", "get", "sandbox:tap-ifs-cloud-to-target-powerbi")
    assert kept.state["singer_state"]["bookmarks"]["purchase_orders"]["replication_key"] == "ChangedDate"
    assert letters(folder) == {"pending": 1}
    asked = asked_of_ifs(pipeline)
    replayed = project.meltano("run", "tap-replay", "target-powerbi")
    assert replayed.code == 0, replayed.err
    assert asked_of_ifs(pipeline) == asked
    check_arrived(pipeline, dataset_rows)
    assert letters(folder) == {"done": 1}


def test_meltano_fails_where_a_replay_is_refused_again(pipeline, tmp_path):
    project = Project(tmp_path / "project", pipeline.box.environment(), COST_UNDECIDED)
    assert project.meltano("run", "tap-ifs-cloud", "target-powerbi").code == 1
    again = project.meltano("run", "tap-replay", "target-powerbi")
    assert again.code == 1
    assert "Loader failed" in again.err
    assert letters(project.folder) == {"refused": 1}


def test_a_replay_whose_target_is_killed_is_not_done_before_its_rows_are_there(pipeline, run, dataset_rows, refused):
    choose(pipeline, ROUNDED)
    config = pipeline.folder / "powerbi.json"
    kept = pipeline.folder.with_name(f"{pipeline.folder.name}-kept")
    (dataset,) = pipeline.box.world.powerbi.values()
    stored = {name: list(table.rows) for name, table in dataset.tables.items()}
    shutil.copytree(pipeline.folder, kept)
    printed = run("ifs-bi", "replay", cwd=pipeline.folder)
    steps = run_target("target-powerbi", config, printed.out).steps
    check_arrived(pipeline, dataset_rows)
    seen = set()
    for number in points(steps, 8):
        where = f"killed at step {number}, {steps[number]}"
        shutil.rmtree(pipeline.folder)
        shutil.copytree(kept, pipeline.folder)
        for name, table in dataset.tables.items():
            table.rows[:] = stored[name]
        printed = run("ifs-bi", "replay", cwd=pipeline.folder)
        assert run_target("target-powerbi", config, printed.out, kill_at=number).code == -9, where
        (left,) = letters(pipeline.folder)
        seen.add(left)
        if left == "done":
            check_arrived(pipeline, dataset_rows)
            continue
        assert left == "replaying", where
        told = run("ifs-bi", "replay", cwd=pipeline.folder)
        assert (told.code, told.out) == (0, b""), where
        assert "take them with --unanswered" in told.err
        printed = run("ifs-bi", "replay", "--unanswered", cwd=pipeline.folder)
        again = run_target("target-powerbi", config, printed.out)  # here and not in a shell: its waits take no time
        assert (printed.code, again.code) == (0, 0), f"{where}: {printed.err}{again.said}"
        check_arrived(pipeline, dataset_rows)
        assert letters(pipeline.folder) == {"done": 1}, where
    assert seen == {"replaying", "done"}


class Warehouse:
    """A folder with a warehouse whose table of orders takes amounts below 100 alone, until it is mended."""

    def __init__(self, folder, run) -> None:
        self.folder, self.run = folder, run
        folder.mkdir()
        self.config = folder / "config.json"
        self.config.write_text(
            json.dumps(
                {"warehouse_url": f"duckdb:///{folder}/warehouse.duckdb", "batch_size_rows": BATCH_ROWS, "views": False}
            )
        )
        self.ask('CREATE TABLE orders ("OrderNo" VARCHAR, "Amount" DECIMAL(18, 2) CHECK ("Amount" < 100))')

    def ask(self, *statements):
        with duckdb.connect(str(self.folder / "warehouse.duckdb")) as connection:
            for statement in statements:
                connection.execute(statement)
            return connection.fetchall()

    def mend(self):
        self.ask(
            "CREATE TABLE mended AS SELECT * FROM orders", "DROP TABLE orders", "ALTER TABLE mended RENAME TO orders"
        )

    def amounts(self):
        return dict(self.ask('SELECT "OrderNo", "Amount" FROM orders'))

    def load(self, *messages):
        lines = singer([ORDERS_SCHEMA, *messages, state_of(1)])
        return self.run("target-looker-warehouse", "--config", self.config, given=lines, cwd=self.folder)

    def printed(self, *options):
        return self.run("ifs-bi", "replay", *options, cwd=self.folder).out

    def replay(self, *options):
        lines = self.printed(*options)
        return self.run("target-looker-warehouse", "--config", self.config, given=lines, cwd=self.folder)


@pytest.fixture
def warehouse(tmp_path, run):
    return Warehouse(tmp_path / "warehouse", run)


def test_a_replayed_row_that_is_older_than_what_the_destination_holds_is_left_aside_and_noted(warehouse):
    assert warehouse.load(order(1, 500, 3), order(2, 600, 3), order(3, 30, 3)).code == 3
    assert warehouse.load(order(1, 50, 4)).code == 0
    warehouse.mend()
    replayed = warehouse.replay()
    assert replayed.code == 0, replayed.err
    assert warehouse.amounts() == {"001": 50, "002": 600, "003": 30}
    store = DeadLetters(warehouse.folder / ".ifs-bi")
    assert {str(letter.state) for letter in store.letters()} == {"done"}
    notes = {row.key: row.note for letter in store.letters() for row in store.details(letter.id)}
    assert "1 rows were older than what the destination holds, and left aside" in notes['{"OrderNo":"001"}']


@pytest.mark.parametrize(("step", "state"), [("commit to DuckDB", "pending"), ("commit to DuckDB: done", "done")])
def test_the_next_run_of_the_target_finds_out_what_arrived_of_a_replay_that_was_killed(warehouse, step, state):
    assert warehouse.load(order(1, 500, 3)).code == 3
    warehouse.mend()
    lines = warehouse.printed()
    kept = shutil.copytree(warehouse.folder, warehouse.folder.with_name("kept"))
    steps = run_target("target-looker-warehouse", warehouse.config, lines).steps
    assert letters(warehouse.folder) == {"done": 1}
    shutil.rmtree(warehouse.folder)
    shutil.copytree(kept, warehouse.folder)
    last = max(number for number, name in enumerate(steps) if name == step)
    assert run_target("target-looker-warehouse", warehouse.config, lines, kill_at=last).code == -9
    assert letters(warehouse.folder) == {"replaying": 1}
    assert warehouse.load(order(2, 20, 3)).code == 0
    assert letters(warehouse.folder) == {state: 1}
    assert warehouse.replay().code == 0
    assert letters(warehouse.folder) == {"done": 1}
    assert warehouse.amounts() == {"001": 500, "002": 20}
