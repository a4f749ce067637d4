"""Runs that end early, and flaws of the input."""

import json
from itertools import count

import pytest
from ifs_bi_core.dead_letter.folders import locked
from ifs_bi_core.dead_letter.letter import State
from ifs_bi_core.errors import ConfigError, ExitCode
from ifs_bi_core.ledger.history import show


def test_a_system_that_is_down_from_the_start_leaves_everything_to_the_next_run(desk):
    orders = [desk.order(), desk.order()]
    desk.strike("GET", "status", status=401, times=None, path="*")
    assert desk.give(*(desk.setting(order, NoteText="up") for order in orders)) == (1, ["not sent"])
    assert desk.letters() == []
    with desk.ledger() as ledger:
        assert [push.rows for push in show(ledger, desk.last_run().run).batches] == [{"withdrawn": 2}]
    desk.box.world.faults.clear()
    assert desk.give(*(desk.setting(order, NoteText="up") for order in orders)) == (0, ["done", "done"])


def test_what_a_run_did_not_come_to_waits_in_the_dead_letters(desk):
    orders = [desk.order() for _ in range(3)]
    desk.strike("PATCH", "status", status=429, retry_after=900, times=None, path=f"*'{orders[1]}'*")
    given = [desk.setting(order, NoteText="in the end") for order in orders]
    assert desk.give(*given) == (1, ["done", "not sent", "not sent"])
    assert sum(letter.rows for letter in desk.letters()) == 2
    desk.box.world.faults.clear()
    assert desk.give(lines=desk.replayed()) == (0, ["done", "done"])
    assert {desk.note(order)[0] for order in orders} == {"in the end"}


def test_a_replay_that_ended_early_can_be_replayed(desk):
    order = desk.order()
    desk.strike("PATCH", "status", status=403)
    assert desk.give(desk.setting(order, NoteText="back")) == (3, ["refused"])
    lines = desk.replayed()
    desk.strike("GET", "status", status=401, times=None, path="*")
    assert desk.give(lines=lines)[0] == 1
    assert len(desk.letters()) == 1
    desk.box.world.faults.clear()
    assert desk.give(lines=desk.replayed()) == (0, ["done"])


def test_a_wrong_secret_sends_nothing(desk):
    settings = json.loads(desk.config_file.read_text()) | {"client_secret": "wrong"}
    desk.config_file.write_text(json.dumps(settings))
    assert desk.give(desk.setting(desk.order(), NoteText="x"))[0] == ExitCode.WRONG_CONFIGURATION
    assert desk.sent("GET", "PATCH") == []
    assert desk.letters() == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"{", "Line 2 of the input is no JSON"),
        (b'{"entity":"nowhere","key":{"A":"1"},"delete":true}', "Line 2 of the input: There is no entity 'nowhere'"),
        (b'{"type":"RECORD","stream":"orders","record":{}}', "replay with --stream write-back"),
    ],
)
def test_a_flaw_of_the_input_is_found_before_anything_is_sent(desk, line, sentence):
    good = json.dumps(desk.setting(desk.order(), NoteText="never")).encode()
    desk.give(lines=good + b"\n" + line + b"\n")
    assert isinstance(desk.error, ConfigError)
    assert sentence in str(desk.error)
    assert desk.sent() == []
    assert desk.letters() == []


def test_two_at_a_time_are_refused(desk):
    assert desk.give() == (0, [])
    with locked(desk.state_dir / "write-back.lock"):
        desk.clock = count(0, 40).__next__
        assert desk.give(desk.setting(desk.order(), NoteText="x")) == (1, [])
    assert "Another process has held" in str(desk.error)
    assert desk.sent() == []


def test_a_letter_of_another_system_is_given_back(desk):
    order = desk.order()
    desk.strike("PATCH", "status", status=403)
    desk.give(desk.setting(order, NoteText="elsewhere"))
    settings = json.loads(desk.config_file.read_text())
    other_name = settings["base_url"].replace("127.0.0.1", "localhost")
    desk.config_file.write_text(json.dumps(settings | {"base_url": other_name}))
    assert desk.give(lines=desk.replayed()) == (0, ["done"])
    assert [letter.state for letter in desk.letters(*State)] == [State.PENDING]
