"""The command, as a shell runs it."""

import json
import os
import signal
import subprocess

import pytest
from conformance import IN_DUCKDB_FIRST
from ifs_bi_core.errors import ExitCode
from singer_lines import INTEGER, MONEY, STRING, raw, record, schema, state

ORDERS = schema("orders", ["id"], id=INTEGER, a=STRING)
GOOD = [ORDERS, record("orders", {"id": 1, "a": "x"}), state({"at": 0.1})]


def said(ran):
    """The one sentence on stderr."""
    assert "Traceback" not in ran.stderr
    [line] = [line for line in ran.stderr.splitlines() if "ERROR" in line]
    return line


def test_a_good_run_ends_with_0_and_writes_state_to_stdout_alone(box):
    ran = box.command(*GOOD)
    assert (ran.returncode, ran.stdout) == (ExitCode.DONE, '{"at":0.1}\n')
    assert box.rows("orders") == [{"id": "1", "a": "x"}]


@IN_DUCKDB_FIRST
@pytest.mark.parametrize(
    ("config", "part"),
    [
        ({"warehouse_url": "mysql://me:hunter22@host/db"}, "has the scheme 'mysql', which names no warehouse"),
        ({"warehouse_url": "duckdb:////no/such/folder/w.duckdb"}, "there is no folder /no/such/folder"),
        ({"warehouse_url": "env:NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE, which is not set"),
        ({"load_method": "merge"}, "load_method"),
        ({"batch_size_rows": 0}, "batch_size_rows"),
        ({"hard_delete": "maybe"}, "hard_delete"),
    ],
)
def test_a_wrong_configuration_ends_with_2_and_a_sentence(box, config, part):
    ran = box.command(*GOOD, **config)
    assert (ran.returncode, ran.stdout) == (ExitCode.WRONG_CONFIGURATION, "")
    assert part in " ".join(said(ran).split())
    assert "hunter22" not in ran.stderr


@IN_DUCKDB_FIRST
@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ([ORDERS, record("orders", {"id": None})], "its key id is missing or null"),
        ([ORDERS, record("orders", {"id": "one"})], "id must be integer"),
        (
            [schema("orders", ["id"], id=INTEGER, m=MONEY), raw("orders", '{"id":1,"m":0.005}')],
            "0.005 has more than 2 decimals",
        ),
        ([record("nowhere", {"id": 1})], "'nowhere' came before its SCHEMA"),
        ([schema("orders", ["key"], id=INTEGER)], "keys that it has no property for: key"),
        ([ORDERS, "{"], "is no Singer message"),
    ],
)
def test_a_broken_stream_ends_with_1_a_sentence_and_no_state(box, lines, part):
    ran = box.command(*lines, state({"at": 1}), on_row_error="fail")
    assert (ran.returncode, ran.stdout) == (ExitCode.FAILED, "")
    assert part in said(ran)


def test_rows_that_are_refused_end_with_3_after_the_state_and_a_sentence_says_where_they_are(box):
    rows = [record("orders", {"id": None}), record("orders", {"id": "one"}), record("orders", {"id": 1})]
    ran = box.command(ORDERS, *rows, state({"at": 1}))
    assert (ran.returncode, ran.stdout) == (ExitCode.DEAD_LETTERS, '{"at":1}\n')
    assert box.rows("orders") == [{"id": "1"}]
    assert [reason for _, reason in box.dead()] == ["its key id is missing or null", "data.id must be integer or null"]
    assert "2 rows went to the dead letters (orders 2); everything else was delivered." in ran.stderr
    assert "ifs-bi replay | target-looker-warehouse" in ran.stderr


@IN_DUCKDB_FIRST
def test_settings_come_from_the_environment_too(box):
    environment = os.environ | {
        "TARGET_LOOKER_WAREHOUSE_WAREHOUSE_URL": box.config["warehouse_url"],
        "TARGET_LOOKER_WAREHOUSE_SCHEMA": "erp",
        "TARGET_LOOKER_WAREHOUSE_STATE_DIR": str(box.state_dir),
    }
    given = "\n".join(GOOD) + "\n"
    ran = subprocess.run(
        [box.COMMAND, "--config=ENV"], input=given, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == ExitCode.DONE
    assert box.rows("orders", "erp") == [{"id": "1", "a": "x"}]


@IN_DUCKDB_FIRST
def test_input_may_be_a_file(box):
    path = box.folder / "lines.singer"
    path.write_text("\n".join(GOOD) + "\n")
    (box.folder / "config.json").write_text(json.dumps(box.config))
    ran = subprocess.run(
        [box.COMMAND, "--config", box.folder / "config.json", "--input", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (ExitCode.DONE, '{"at":0.1}\n')


def test_a_run_that_is_stopped_keeps_what_was_committed_and_gives_the_file_back(box):
    (box.folder / "config.json").write_text(json.dumps(box.config | {"batch_size_rows": 1}))
    with subprocess.Popen(
        [box.COMMAND, "--config", box.folder / "config.json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        running.stdin.write(("\n".join(GOOD) + "\n").encode())
        running.stdin.flush()
        until_the_first_batch_is_committed = (line for line in running.stderr if b"batch_processing_time" in line)
        assert next(until_the_first_batch_is_committed)
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate()
    assert running.returncode == ExitCode.FAILED
    assert out in {b"", b'{"at":0.1}\n'}  # the state may have left before the signal came
    assert b"was stopped by SIGTERM" in err
    assert box.rows("orders") == [{"id": "1", "a": "x"}]
    left = {path.name for path in box.folder.iterdir()} - {"warehouse.duckdb"}
    assert left == {"config.json", "state"}


@IN_DUCKDB_FIRST
def test_about_names_every_setting_and_what_it_does(box):
    ran = subprocess.run([box.COMMAND, "--about", "--format=json"], capture_output=True, text=True, check=True)
    settings = json.loads(ran.stdout)["settings"]["properties"]
    assert {
        "warehouse_url",
        "schema",
        "load_method",
        "hard_delete",
        "add_record_metadata",
        "batch_size_rows",
        "state_dir",
        "ledger_url",
        "on_row_error",
    } <= settings.keys()
    assert all(setting.get("description") or setting.get("title") for setting in settings.values())
