"""The command `target-powerbi`: exit codes, one sentence, no secret."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("target-powerbi"))


@pytest.fixture
def start(pipe, tmp_path):
    """Start the command; its configuration is the pipe's with changes."""
    started: list[subprocess.Popen] = []

    def starting(messages, **changes) -> subprocess.Popen:
        config = {name: value for name, value in (pipe.config | changes).items() if value is not None}
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "input.jsonl").write_bytes(pipe.lines(*messages))
        with (tmp_path / "input.jsonl").open("rb") as source:
            process = subprocess.Popen(
                [COMMAND, "--config", str(tmp_path / "config.json")],
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=os.environ | {"POWERBI_SECRET": "environment-secret"},
                cwd=tmp_path,
            )
        started.append(process)
        return process

    yield starting
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start, pipe):
    def running(messages, **changes) -> tuple[int, str, str]:
        process = start(messages, **changes)
        out, err = (stream.decode() for stream in process.communicate(timeout=60))
        for secret in (
            pipe.world.switches.powerbi_client_secret,
            "environment-secret",
            "wrong-secret",
            *pipe.world.powerbi_tokens,
        ):
            assert secret not in out + err
        assert "Traceback" not in err
        return process.returncode, out, err

    return running


def test_a_run_ends_with_0_and_its_state(run, pipe):
    code, out, err = run([pipe.schema(), pipe.order(1), pipe.state(1)])
    assert (code, out) == (0, '{"bookmark":1}\n')
    assert pipe.amounts() == {"1": 1}
    assert "Making dataset 'Purchasing' with 1 tables and 0 relationships." in err


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"client_secret": "wrong-secret"}, "AADSTS7000215"),
        ({"client_secret": "env:POWERBI_SECRET"}, "AADSTS7000215"),
        ({"tenant_id": "nowhere"}, "AADSTS90002"),
        ({"workspace_id": "00000000-0000-0000-0000-000000000000"}, "GroupNotAccessible"),
        ({"managed_identity": True}, "Give one of the settings 'client_secret', 'client_certificate_path' and"),
        ({"client_id": None}, "Setting 'client_id' is missing"),
    ],
)
def test_a_wrong_configuration_ends_with_2_and_nothing_was_sent(run, pipe, changes, sentence):
    code, out, err = run([pipe.schema(), pipe.order(1), pipe.state(1)], **changes)
    assert (code, out) == (2, "")
    assert sentence in err
    assert not pipe.world.powerbi


def test_a_row_that_can_not_be_delivered_ends_with_1_and_no_state_where_that_is_wanted(run, pipe):
    code, out, err = run([pipe.schema(), pipe.order(1, 0.00001), pipe.state(1)], on_row_error="fail")
    assert (code, out) == (1, "")
    assert "the row OrderNo='1' can't be delivered" in err


def test_a_row_that_can_not_be_delivered_ends_with_3_after_the_state_and_a_sentence_says_where_it_is(run, pipe):
    code, out, err = run([pipe.schema(), pipe.order(1, 0.00001), pipe.order(2), pipe.state(1)])
    assert (code, out) == (3, '{"bookmark":1}\n')
    assert pipe.amounts() == {"2": 1}
    assert [key for key, _ in pipe.dead()] == ['{"OrderNo":"1"}']
    assert "1 rows went to the dead letters (orders 1); everything else was delivered." in err
    assert "ifs-bi replay | target-powerbi" in err


def test_a_line_that_is_no_message_ends_with_1(run, pipe):
    code, _, err = run([pipe.schema(), {"no": "type"}])
    assert code == 1
    assert "Line 2 of the input is no Singer message" in err


def test_rows_in_files_arrive_as_rows_of_the_pipe_do(run, pipe, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(pipe.order(n, n)["record"]) + "\n" for n in (1, 2)))
    batch = {"type": "BATCH", "stream": "orders", "encoding": {"format": "jsonl"}, "manifest": [path.as_uri()]}
    code, out, _ = run([pipe.schema(), batch, pipe.state(1)])
    assert (code, json.loads(out)) == (0, pipe.state(1)["value"])
    assert len(pipe.rows()) == 2
    assert not path.exists()


def test_a_file_that_is_not_there_ends_the_run_before_its_state(run, pipe):
    batch = {"type": "BATCH", "stream": "orders", "encoding": {"format": "jsonl"}, "manifest": ["file:///x"]}
    code, out, err = run([pipe.schema(), batch, pipe.state(1)])
    assert (code, out) == (1, "")
    assert "The batch file file:///x can't be read" in err


def test_killed_between_emptying_and_filling_the_next_run_repairs(start, run, pipe):
    run([pipe.schema(), pipe.order(1, 1), pipe.order(2, 2)])
    pipe.fault("slow", method="POST", path="*/rows", seconds=1)
    process = None

    async def kill(_seconds) -> None:
        assert not pipe.rows()
        process.send_signal(signal.SIGKILL)

    waiting, pipe.world.waiting = pipe.world.waiting, kill
    try:
        process = start([pipe.schema(), pipe.order(1, 10), pipe.state(2)])
        assert process.wait(timeout=60) == -signal.SIGKILL
    finally:
        pipe.world.waiting = waiting
    code, out, err = run([pipe.state(3)])
    assert (code, out) == (0, '{"bookmark":3}\n')
    assert "finishing what an earlier run left undone" in err
    assert pipe.amounts() == {"1": 10, "2": 2}


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM])
def test_stopped_in_the_middle_of_a_post_no_row_is_doubled(start, run, pipe, stop):
    run([pipe.schema(), pipe.order(1, 1)])
    pipe.fault("slow", method="POST", path="*/rows", seconds=1)
    process = None

    async def stopping(_seconds) -> None:
        process.send_signal(stop)
        if stop == signal.SIGTERM:
            process.wait(timeout=60)

    waiting, pipe.world.waiting = pipe.world.waiting, stopping
    messages = [pipe.schema(), pipe.order(2, 2), pipe.state(2)]
    try:
        process = start(messages)
        assert process.wait(timeout=60) == (1 if stop == signal.SIGTERM else -stop)
    finally:
        pipe.world.waiting = waiting
    assert run(messages)[:2] == (0, '{"bookmark":2}\n')
    assert pipe.amounts() == {"1": 1, "2": 2}
    assert [push.rows for push in pipe.pushes()] == [{"acknowledged": 1}, {"withdrawn": 1}, {"acknowledged": 1}]


def test_about_lists_the_settings_that_work_and_no_others():
    about = json.loads(subprocess.run([COMMAND, "--about", "--format=json"], capture_output=True, check=True).stdout)
    settings = about["settings"]["properties"]
    own = {"tenant_id", "tables", "replace_unknown_rows", "managed_identity", "landing_zone_url", "stream_maps"}
    assert own | {"state_dir", "ledger_url", "on_row_error"} <= settings.keys()
    assert "load_method" not in settings
    assert settings["client_secret"]["secret"]
