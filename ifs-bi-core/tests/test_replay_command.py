"""`ifs-bi dead-letters` and `ifs-bi replay` as people and machines use them."""

import json
import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from ifs_bi_core.dead_letter.letter import Answer, RefusedRow, State
from ifs_bi_core.dead_letter.lines import mark_of
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.replay.command import dead_letters, replay
from ifs_bi_core.replay.key import letter_key
from ifs_bi_core.vault.store import Vault

NOON = datetime(2025, 11, 22, 12, tzinfo=UTC)
SCHEMA = b'{"type":"SCHEMA","stream":"%b","schema":{},"key_properties":[]}'
SCRIPT = """
import click, sys
from ifs_bi_core import cli
from ifs_bi_core.replay.command import replay
cli.Verbs.get_command = lambda self, context, name: replay
cli.main()
"""
"""`ifs-bi replay` as a process, without the package's entry points."""


@pytest.fixture(autouse=True)
def _without_variables(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("IFS_BI_VAULT", "IFS_BI_VAULT_KEY", "IFS_BI_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def store(state_dir):
    return DeadLetters(state_dir, clock=lambda: NOON)


def put(store, stream="orders", count=1, **more):
    rows = [
        RefusedRow(b'{"type":"RECORD","record":{"No":%d}}' % n, f"No {n} is too long", f'{{"No":"{n}"}}')
        for n in range(count)
    ]
    given = {"run": "R", "destination": "warehouse", "schema": SCHEMA % stream.encode(), "rows": rows} | more
    return store.put(stream, **given)


@pytest.fixture
def ask(state_dir):
    def asked(command, *words):
        return CliRunner().invoke(command, [*words, "--state-dir", str(state_dir)])

    return asked


def printed(ran):
    assert ran.exit_code == 0, ran.exception
    return [json.loads(line) for line in ran.stdout.splitlines()]


def marks(ran):
    return [mark_of(message) for message in printed(ran) if message["type"] == "RECORD"]


# dead-letters list and show


def test_the_list_shows_what_is_not_done_and_how_to_replay_it(store, ask, state_dir):
    first, second = put(store, batch="20251122T115959.000000Z-ab-00001"), put(store, "lines", 2)
    done = put(store)
    store.answered(done.id, {0: Answer.done()})
    store.take(second)
    assert ask(dead_letters, "list").output == (
        "TIME (UTC)       STATE        ROWS STREAM\n"
        "2025-11-22 12:00 pending         1 orders\n"
        "  No 0 is too long\n"
        "  batch 20251122T115959.000000Z-ab-00001\n"
        f"  letter {first.id}\n"
        "2025-11-22 12:00 replaying       2 lines\n"
        "  No 0 is too long (1 of 2 rows; 1 other reason)\n"
        "  batch -\n"
        f"  letter {second.id}\n"
        "\n"
        "When the cause is gone, replay them into the target that refused them:\n"
        f"  ifs-bi replay --state-dir {state_dir} | TARGET --config CONFIG   (pending)\n"
        f"  ifs-bi replay --state-dir {state_dir} --unanswered | TARGET --config CONFIG   (replaying)\n"
    )
    shown = ask(dead_letters, "list", "--state", "done").output
    assert done.id in shown
    assert "ifs-bi replay" not in shown


def test_the_list_for_machines_has_one_object_a_letter(store, ask):
    first, second = put(store, batch="B", count=2), put(store, "lines")
    told = json.loads(ask(dead_letters, "list", "--json").output)
    assert told[0] == {
        "letter": first.id,
        "state": "pending",
        "stream": "orders",
        "batch": "B",
        "run": "R",
        "destination": "warehouse",
        "at": "2025-11-22T12:00:00.000000Z",
        "rows": 2,
        "undelivered": 2,
        "reason": "No 0 is too long (1 of 2 rows; 1 other reason)",
        "sealed": False,
    }
    assert [one["letter"] for one in told] == [first.id, second.id]
    for words, found in (
        (("--stream", "lines"), [second.id]),
        (("--state", "refused", "--state", "done"), []),
        (("--destination", "elsewhere"), []),
    ):
        assert [one["letter"] for one in json.loads(ask(dead_letters, "list", "--json", *words).output)] == found


def test_an_empty_list_says_so_and_makes_nothing(ask, tmp_path):
    assert ask(dead_letters, "list").output == "There are no such dead letters.\n"
    assert json.loads(ask(dead_letters, "list", "--json").output) == []
    assert not list(tmp_path.iterdir())


def test_a_letter_is_shown_with_each_row_and_its_lines_when_asked(store, ask):
    letter = put(store, count=2, batch="B")
    store.answered(letter.id, {0: Answer.done("older than what is there")})
    for name in (letter.id, "B"):
        shown = ask(dead_letters, "show", name).output
        for words in (letter.id, "2, 1 not delivered", "row 0: done", "older than what is there", '{"No":"1"}'):
            assert words in shown
        assert "RECORD" not in shown
    with_lines = ask(dead_letters, "show", letter.id, "--payload").output
    assert with_lines.endswith('{"type":"RECORD","record":{"No":0}}\n{"type":"RECORD","record":{"No":1}}\n')


def test_a_letter_is_shown_to_machines_as_one_object(store, ask):
    letter = put(store, batch="B")
    [told] = printed(ask(dead_letters, "show", "B", "--json"))
    row = {"key": '{"No":"0"}', "reason": "No 0 is too long", "state": "pending", "note": None}
    assert (told["letter"], told["rows"], told["details"]) == (letter.id, 1, [row])
    [told] = printed(ask(dead_letters, "show", letter.id, "--json", "--payload"))
    assert told["schema"] == (SCHEMA % b"orders").decode()
    assert told["details"][0]["line"] == '{"type":"RECORD","record":{"No":0}}'


def test_a_letter_that_is_not_there_is_a_wrong_use(ask):
    ran = ask(dead_letters, "show", "nonsense")
    assert isinstance(ran.exception, ConfigError)
    assert "There is no dead letter or batch nonsense" in str(ran.exception)


@pytest.mark.parametrize("command", [dead_letters.commands["list"], dead_letters.commands["show"], replay])
def test_every_verb_has_help_and_json(command):
    ran = CliRunner().invoke(command, ["--help"])
    assert ran.exit_code == 0
    assert "--json" in ran.output
    assert "--state-dir" in ran.output


def test_the_state_folder_may_come_from_a_variable(store, state_dir, monkeypatch):
    put(store)
    monkeypatch.setenv("IFS_BI_STATE_DIR", str(state_dir))
    assert len(json.loads(CliRunner().invoke(dead_letters, ["list", "--json"]).output)) == 1


# replay


def test_without_options_all_that_is_pending_is_printed_with_each_schema_once_in_a_row(store, ask):
    letters = [put(store, count=2), put(store), put(store, "lines"), put(store)]
    refused = put(store)
    store.answered(refused.id, {0: Answer.refused("again")})
    ran = ask(replay)
    told = [(message["type"], message.get("stream")) for message in printed(ran)]
    orders, lines, row = ("SCHEMA", "orders"), ("SCHEMA", "lines"), ("RECORD", None)
    assert told == [orders, row, row, row, lines, row, orders, row]
    assert marks(ran) == [
        (letters[0].id, 0),
        (letters[0].id, 1),
        (letters[1].id, 0),
        (letters[2].id, 0),
        (letters[3].id, 0),
    ]
    assert ran.stderr == "4 dead letters left for the target, 5 rows: done when it acknowledges them.\n"
    assert store.letters(State.REPLAYING) == store.letters(*set(State) - {State.REFUSED})


def test_a_schema_that_changed_is_printed_again(store, ask):
    put(store)
    put(store, schema=b'{"type":"SCHEMA","stream":"orders","schema":{"properties":{}}}')
    assert [message["type"] for message in printed(ask(replay))] == ["SCHEMA", "RECORD"] * 2


def test_each_option_names_what_is_replayed(tmp_path, state_dir, ask):
    old = DeadLetters(state_dir, clock=lambda: NOON - timedelta(days=1))
    new = DeadLetters(state_dir, clock=lambda: NOON)
    letters = {
        "--stream": (put(new, "lines"), "lines"),
        "--run": (put(new, run="R2"), "R2"),
        "--destination": (put(new, destination="powerbi"), "powerbi"),
        "--batch": (put(old, batch="B"), "B"),
    }
    other = put(old)
    letters["--letter"] = (other, other.id)
    before = len(letters)
    for option, (letter, value) in letters.items():
        assert [one["letter"] for one in json.loads(ask(replay, "--json", option, value).output)] == [letter.id]
    for since in ("2025-11-22", "2025-11-22T12:00", "2025-11-22T12:00:00Z", "2025-11-22T14:00+02:00"):
        assert len(json.loads(ask(replay, "--json", "--since", since).output)) == 3
    assert json.loads(ask(replay, "--json", "--since", "2025-11-22T12:00:01").output) == []
    assert len(new.letters(State.PENDING)) == before  # --json moves nothing
    for option, (letter, value) in letters.items():
        assert {mark.letter for mark in marks(ask(replay, option, value))} == {letter.id}


def test_who_names_a_letter_or_batch_means_it_also_where_it_was_refused_again(store, ask):
    for option, value in (("--batch", "B"), ("--letter", None)):
        letter = put(store, count=2, batch="B" if value else None)
        store.answered(letter.id, {0: Answer.done(), 1: Answer.refused("again")})
        assert marks(ask(replay, option, value or letter.id)) == [(letter.id, 1)]


def test_operations_are_not_for_a_target_and_come_when_they_are_named(store, ask):
    rows, operations = put(store), put(store, stream="write-back")
    assert {letter for letter, _ in marks(ask(replay))} == {rows.id}
    assert {letter for letter, _ in marks(ask(replay, "--stream", "write-back"))} == {operations.id}


def test_letters_that_no_target_told_of_are_taken_on_demand_alone(store, ask):
    letter = put(store)
    assert marks(ask(replay)) == [(letter.id, 0)]
    ran = ask(replay)
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert ran.stderr == (
        "1 dead letter left in an earlier replay and no target has told of them: it may be running. "
        "When it is not, take them with --unanswered.\n"
        f"There is nothing to replay in {store.folder}.\n"
    )
    assert marks(ask(replay, "--unanswered")) == [(letter.id, 0)]


def test_nothing_to_replay_is_said_and_no_failure(ask, state_dir):
    ran = ask(replay)
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert ran.stderr == f"There is nothing to replay in {state_dir / 'dead-letters'}.\n"
    assert not state_dir.exists()


def test_letters_of_two_destinations_are_told_of(store, ask):
    put(store)
    put(store, destination="powerbi")
    assert "refused by 2 destinations (powerbi, warehouse)" in ask(replay).stderr


@pytest.mark.parametrize("text", ["yesterday", "", "2025-13-01"])
def test_a_time_that_is_none_is_a_wrong_use(ask, text):
    ran = ask(replay, "--since", text)
    assert isinstance(ran.exception, ConfigError)
    assert "Write it as 2025-11-22" in str(ran.exception)


def test_a_damaged_letter_stays_and_the_others_go_their_way(store, ask):
    damaged, whole = put(store), put(store)
    (store.folder / "pending" / damaged.id / "rows.singer").write_text("half")
    ran = ask(replay)
    assert type(ran.exception) is IfsBiError
    assert "does not hold the rows" in str(ran.exception)
    assert whole.id in ran.stdout
    assert [one.state for one in store.letters()] == [State.PENDING, State.REPLAYING]


def test_sealed_letters_are_opened_with_the_vault_and_told_of_without_it(state_dir, ask):
    Vault.within(state_dir, {}).set("ifs", "secret")
    sealed = DeadLetters(state_dir, key=letter_key(state_dir, {}))
    letters = [put(sealed), put(sealed)]
    vault = state_dir / "vault"
    vault.rename(state_dir / "elsewhere")
    ran = ask(replay)
    assert isinstance(ran.exception, ConfigError)
    assert "there is no key to open it" in str(ran.exception)
    assert "1 dead letter more can't be replayed either" in str(ran.exception)
    assert sealed.letters(State.PENDING) == letters
    (state_dir / "elsewhere").rename(vault)
    assert [mark.letter for mark in marks(ask(replay))] == [letter.id for letter in letters]


def process(state_dir, stdout):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "replay", "--state-dir", str(state_dir)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_terminal_is_refused_and_nothing_moves(store, state_dir):
    put(store)
    screen, terminal = pty.openpty()
    ran = process(state_dir, terminal)
    os.close(terminal)
    _, said = ran.communicate(timeout=60)
    os.close(screen)
    assert ran.returncode == 2
    assert "pipe it" in said
    assert said.count("\n") == 1
    assert len(store.letters(State.PENDING)) == 1


def test_a_reader_that_is_gone_leaves_every_letter_pending(store, state_dir):
    letters = [put(store), put(store)]
    reading, writing = os.pipe()
    os.close(reading)
    ran = process(state_dir, writing)
    os.close(writing)
    _, said = ran.communicate(timeout=60)
    assert ran.returncode == 1
    assert said == (
        "Nobody reads the output any more, so 2 dead letters stayed in the store as not replayed: "
        "see why the next command in the pipe stopped, then replay again.\n"
    )
    assert store.letters(State.PENDING) == letters


def test_a_reader_that_goes_away_in_between_leaves_what_was_not_printed_wholly_pending(store, state_dir):
    first = put(store)
    long = put(store, rows=[RefusedRow(b'{"type":"RECORD","t":"%b"}' % (b"x" * 2_000_000), "too long")])
    last = put(store)
    ran = process(state_dir, subprocess.PIPE)
    assert json.loads(ran.stdout.readline())["type"] == "SCHEMA"
    assert mark_of(json.loads(ran.stdout.readline())) == (first.id, 0)
    ran.stdout.close()
    assert ran.wait(60) == 1
    assert "2 dead letters stayed" in ran.stderr.read()
    ran.stderr.close()
    assert [(one.id, one.state) for one in store.letters()] == [
        (first.id, State.REPLAYING),
        (long.id, State.PENDING),
        (last.id, State.PENDING),
    ]
