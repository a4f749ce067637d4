"""Meltano as a subprocess: a stand-in program writes what Meltano 4.4 writes with --log-format=json."""

import json
import os
import select
import sys

import pytest
from ifs_bi_sandbox.demo.errors import DemoError
from ifs_bi_sandbox.demo.log_lines import LogLine, RowsRead
from ifs_bi_sandbox.demo.meltano import LAST_LINES, Meltano

COMMON = {"level": "info", "timestamp": "2026-11-20T12:00:00.000000Z"}


def record_count(stream, rows, **more):
    metric = {"type": "counter", "metric": "record_count", "value": rows, "tags": {"stream": stream, "context": {}}}
    return {"producer": True, "string_id": "tap-ifs-cloud", "metric_info": metric, "event": "METRIC", **COMMON, **more}


@pytest.fixture
def meltano(tmp_path):
    """Make a Meltano of a Python script."""

    def make(script):
        program = tmp_path / "meltano"
        program.write_text(f"#!{sys.executable}\nimport json, os, signal, sys\n{script}\n")
        program.chmod(0o755)
        return Meltano(
            program, tmp_path, {"PATH": os.environ["PATH"]}, tmp_path / "meltano.log", clock=iter([1.0, 3.5]).__next__
        )

    return make


def lines(*objects):
    return "\n".join(f"print({json.dumps(json.dumps(each))})" for each in objects)


def test_rows_are_counted_where_they_leave_the_source(meltano):
    told = []
    passage = meltano(
        lines(
            record_count("suppliers", 10_000),
            record_count("suppliers", 34),
            record_count("sites", 3),
            record_count("sites", 3, producer=False, string_id="target-powerbi"),
        )
    ).run("target-powerbi", told.append)
    assert (passage.rows, passage.total, passage.seconds) == ({"suppliers": 10_034, "sites": 3}, 10_037, 2.5)
    assert told[-1] == "10,037 rows of 2 streams read, the last sites"


def test_meltano_gets_its_folder_and_variables_and_no_input(meltano, tmp_path):
    script = "print(sys.argv[1:], os.getcwd(), sorted(os.environ)[0], repr(sys.stdin.read()))"
    meltano(script).run("target-powerbi", lambda _: None)
    log = (tmp_path / "meltano.log").read_text()
    assert log.startswith("$ meltano run tap-ifs-cloud target-powerbi\n")
    assert "['--log-format=json', '--environment=sandbox', 'run', 'tap-ifs-cloud', 'target-powerbi']" in log
    assert f" {tmp_path} " in log
    assert log.endswith("''\n")


def test_a_failure_shows_the_end_of_the_log_without_measurements(meltano):
    noise = [{"event": f"line {number}", **COMMON} for number in range(2 * LAST_LINES)]
    failing = lines(*noise, record_count("sites", 3), {"event": "row 7 can't be delivered", **COMMON}) + "\nsys.exit(1)"
    with pytest.raises(DemoError) as failure:
        meltano(failing).run("target-powerbi", lambda _: None)
    head, *shown = str(failure.value).splitlines()
    assert "`meltano run tap-ifs-cloud target-powerbi` ended with 1" in head
    assert len(shown) == LAST_LINES
    assert "row 7 can't be delivered" in shown[-1]
    assert not any("record_count" in line for line in shown)


def test_what_is_installed_is_told(meltano):
    told = []
    seconds = meltano(lines({"event": "Installing 2 plugins", **COMMON}, {"event": "else", **COMMON})).install(
        (), told.append
    )
    assert (told, seconds) == (["Installing 2 plugins"], 2.5)


def test_replication_keys_come_from_the_state(meltano):
    state = {
        "singer_state": {
            "bookmarks": {
                "purchase_orders": {"replication_key": "ChangedDate", "replication_key_value": "2026-11-20T12:00:00Z"},
                "suppliers": {"delivered": {"rows": 16}},
            }
        }
    }
    found = meltano(lines({"event": "Reading state", **COMMON}, state)).replication_keys("target-looker-warehouse")
    assert found == {"purchase_orders": "ChangedDate"}


def test_a_program_that_is_not_there_is_named(meltano, tmp_path):
    broken = meltano("")
    (tmp_path / "meltano").unlink()
    with pytest.raises(DemoError, match=r"can't start Meltano, .*meltano: No such file"):
        broken.run("target-powerbi", lambda _: None)


def test_an_interruption_leaves_no_process_behind(meltano, tmp_path):
    fifo = tmp_path / "alive"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)  # at its end when every process that holds it is gone
    script = f"""
held = open({str(fifo)!r}, "w")
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a plugin that does not listen
    os.write(held.fileno(), b"plugin")
    signal.pause()
print(json.dumps({{"event": "Install begins"}}), flush=True)
signal.pause()
"""

    def interrupt(_):
        select.select([reader], [], [], 10)
        assert os.read(reader, 10) == b"plugin"
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            meltano(script).install((), interrupt)
        ended, _, _ = select.select([reader], [], [], 10)
        assert ended == [reader]
        assert os.read(reader, 10) == b""
    finally:
        os.close(reader)


def test_a_line_that_is_no_json_is_a_line_all_the_same():
    line = LogLine.read("Traceback (most recent call last):\n")
    assert (line.event, line.text, line.rows_read) == (*["Traceback (most recent call last):"] * 2, None)
    assert LogLine.read("42\n").text == "42"


def test_a_line_says_when_who_and_what():
    line = LogLine.read(json.dumps({"event": "Beginning sync", "string_id": "tap-ifs-cloud", "run_id": "1", **COMMON}))
    assert line.text == "2026-11-20T12:00:00.000000Z  info  tap-ifs-cloud  Beginning sync"


@pytest.mark.parametrize(
    "error",
    [
        {
            "exception": [
                {"exc_type": "OSError", "exc_value": "no", "frames": [{"filename": "a.py", "lineno": 7, "name": "f"}]}
            ]
        },
        {
            "plugin_exception": {
                "type": "OSError",
                "message": "no",
                "traceback": [{"filename": "a.py", "lineno": 7, "function": "f"}],
            }
        },
    ],
)
def test_an_exception_is_one_line_with_its_frames_aside(error):
    line = LogLine.read(json.dumps({"event": "failed", **COMMON, **error}))
    assert line.text.endswith("  failed  OSError: no")
    assert line.frames == ("a.py:7 in f",)


def test_a_measurement_is_told_from_what_happened():
    line = LogLine.read(json.dumps(record_count("sites", 3)))
    assert line.rows_read == RowsRead("sites", 3)
    assert line.is_metric
    assert LogLine.read('METRIC: {"type":"timer"}').is_metric
    assert not LogLine.read(json.dumps({"event": "Run completed", **COMMON})).is_metric
