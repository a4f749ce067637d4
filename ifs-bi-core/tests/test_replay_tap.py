"""`tap-replay` as Meltano and a shell call it."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from ifs_bi_core.dead_letter.letter import Answer, RefusedRow, State
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.replay.printing import Selection, moment
from ifs_bi_core.replay.tap import SETTINGS, configured


@pytest.fixture
def store(tmp_path):
    made = DeadLetters(tmp_path / ".ifs-bi")
    for stream, run in (("orders", "R1"), ("lines", "R2")):
        schema = b'{"type":"SCHEMA","stream":"%b"}' % stream.encode()
        row = RefusedRow(b'{"type":"RECORD","stream":"%b","record":{"n":1.10}}' % stream.encode(), "no")
        made.put(stream, schema=schema, rows=[row], run=run, destination="warehouse")
    return made


@pytest.fixture
def tap(tmp_path):
    def called(*words, **environ):
        return subprocess.run(
            [sys.executable, "-c", "from ifs_bi_core.replay.tap import main; main()", *words],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )

    return called


def written(tmp_path, content, name="config.json"):
    file = tmp_path / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


def test_what_is_pending_is_printed_as_schema_and_record_lines_and_no_state(store, tap):
    ran = tap()
    assert ran.returncode == 0
    messages = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [(message["type"], message["stream"]) for message in messages] == [
        ("SCHEMA", "orders"),
        ("RECORD", "orders"),
        ("SCHEMA", "lines"),
        ("RECORD", "lines"),
    ]
    assert '{"n":1.10}' in ran.stdout
    assert ran.stderr == "2 dead letters left for the target, 2 rows: done when it acknowledges them.\n"
    [letter, _] = store.letters(State.REPLAYING)
    assert store.answered(letter.id, {0: Answer.done()})
    again = tap()
    assert (again.returncode, again.stdout) == (0, "")
    assert "There is nothing to replay" in again.stderr


def test_meltano_s_way_of_calling_it_works(store, tap, tmp_path):
    config = written(tmp_path, {"state_dir": "env:WHERE", "run": None, "unanswered": False})
    state, catalog = written(tmp_path, "{}", "state.json"), written(tmp_path, '{"streams": []}', "catalog.json")
    ran = tap("--config", config, "--catalog", catalog, "--state", state, WHERE=".ifs-bi", TAP_REPLAY_STREAM="lines")
    assert ran.returncode == 0, ran.stderr
    assert [json.loads(line)["stream"] for line in ran.stdout.splitlines()] == ["lines", "lines"]


def test_discovery_version_and_about(tap):
    assert json.loads(tap("--discover").stdout) == {"streams": []}
    assert tap("--version").stdout == f"tap-replay, version {version('ifs-bi-core')}\n"
    assert "unanswered" in tap("--about").stdout
    about = json.loads(tap("--about", "--format", "json").stdout)
    assert about["settings"]["properties"].keys() == SETTINGS.keys()
    assert "--config" in tap("--help").stdout


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is no JSON"),
        ("[]", "is no JSON object"),
        ({"streem": "x", "a": 1}, "has no setting a, streem"),
        ({"stream": ["x"]}, "Setting 'stream' of tap-replay is ['x']: write text."),
        ({"unanswered": "maybe"}, "write true or false"),
        ({"since": "yesterday"}, "no date or timestamp"),
        ({"batch": "env:NOT_THERE"}, "NOT_THERE, which is not set"),
    ],
)
def test_a_wrong_configuration_ends_with_2_and_one_sentence(store, tap, tmp_path, content, sentence):
    ran = tap("--config", written(tmp_path, content))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert sentence in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert len(store.letters(State.PENDING)) == 2


def test_a_configuration_file_that_is_not_there_ends_with_2(tap):
    ran = tap("--config", "nowhere.json")
    assert ran.returncode == 2
    assert "nowhere.json can't be read" in ran.stderr


def test_every_setting_comes_from_files_and_from_variables_which_win(tmp_path):
    text = {name: f"{name} of a file" for name, setting in SETTINGS.items() if setting.kind is str} | {
        "since": "2025-11-22"
    }
    config = written(tmp_path, text | {"unanswered": True})
    _, selection = configured((config, "ENV"), {})
    assert selection == Selection(
        **{name: value for name, value in text.items() if name not in {"state_dir", "since"}},
        since=moment("2025-11-22"),
        unanswered=True,
    )
    variables = {f"TAP_REPLAY_{name.upper()}": f"{name} of a variable" for name in text}
    variables |= {"TAP_REPLAY_SINCE": "2026-01-01", "TAP_REPLAY_UNANSWERED": "False", "TAP_REPLAY__SELECT": "[]"}
    state_dir, selection = configured((config,), variables)
    assert state_dir == Path("state_dir of a variable")
    assert (selection.stream, selection.letter) == ("stream of a variable", "letter of a variable")
    assert (selection.since, selection.unanswered) == (moment("2026-01-01"), False)


def test_without_settings_all_that_is_pending_in_the_default_folder_is_meant():
    assert configured((), {"TAP_REPLAY_STREAM": ""}) == (Path(".ifs-bi"), Selection())
    assert Selection().states == {State.PENDING}


def test_a_setting_that_refers_to_nothing_is_told():
    with pytest.raises(ConfigError, match="refers to the environment variable NONE"):
        configured((), {"TAP_REPLAY_RUN": "env:NONE"})
