"""A process that is killed at the worst moment leaves nothing that the next one can't account for."""

import asyncio
import json
import subprocess
import sys
import threading

import pytest
from ifs_bi_core.dead_letter.letter import State
from ifs_bi_core.ledger.history import balance, runs

SCRIPT = """
from ifs_bi_core import cli
from tap_ifs_cloud.write_back.command import write_back
cli.Verbs.get_command = lambda self, context, name: write_back
cli.main()
"""
"""`ifs-bi write-back` as a process, without the package's entry points."""


@pytest.fixture
def killed(desk, monkeypatch):
    """Gives operations to a process and kills it while a request of that method is under way."""

    def run(method, *operations, after):
        arrived, go_on = threading.Event(), threading.Event()

        async def waiting(_):
            arrived.set()
            await asyncio.to_thread(go_on.wait, 30)

        monkeypatch.setattr(desk.box.world, "waiting", waiting)
        desk.strike(method, "slow", seconds=1, after=after)
        command = [sys.executable, "-c", SCRIPT, "write-back", "--config", str(desk.config_file)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(b"".join(json.dumps(one).encode() + b"\n" for one in operations))
        process.stdin.close()
        assert arrived.wait(60)
        process.kill()
        process.wait(30)
        process.stdout.close()
        process.stderr.close()
        return go_on.set

    return run


@pytest.mark.parametrize("after", [False, True])
def test_an_update_under_way_is_done_once_by_the_replay(desk, killed, after):
    first, second = desk.order(), desk.order()
    go_on = killed("PATCH", desk.setting(first, NoteText="a"), desk.setting(second, NoteText="b"), after=after)
    if after:
        go_on()
    assert desk.give() == (3, [])
    assert "A write-back before this one was cut off: 2 of its operations" in desk.err
    assert sum(letter.rows for letter in desk.letters()) == 2
    assert desk.give(lines=desk.replayed()) == (0, ["done", "done"])
    assert (desk.note(first)[0], desk.note(second)[0]) == ("a", "b")
    assert len([one for one in desk.sent("PATCH") if one["status"] == 200]) == 2
    go_on()  # what comes in late bears an ETag that is of the past
    assert [letter.state for letter in desk.letters(*State)] == [State.DONE, State.DONE]
    with desk.ledger() as ledger:
        assert all(balance(ledger, part.run).holds for part in runs(ledger))


@pytest.mark.parametrize("after", [False, True])
def test_an_action_under_way_is_never_sent_again(desk, killed, after):
    order = desk.order()
    go_on = killed("POST", {"entity": "purchase_orders", "key": {"OrderNo": order}, "action": "Release"}, after=after)
    go_on()
    assert desk.give() == (3, [])
    assert desk.give(lines=desk.replayed()) == (3, ["unknown"])
    assert desk.give() == (0, [])
