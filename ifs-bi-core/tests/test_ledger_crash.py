"""A process that is killed at any point leaves a ledger that can be read and tells the truth."""

import json
import signal
import subprocess
import sys

import pytest
from ifs_bi_core.ledger.history import balance, runs
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.runs import Ledger

PROCESS = """
import json, os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from ifs_bi_core.ledger import database, trail
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow

print("loaded", flush=True)
for line in sys.stdin:  # each is served by a process of its own, which need not load all that again
    url, folder, left = json.loads(line)
    child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    os._exit(0)

told = os.open(folder + ".told", os.O_WRONLY | os.O_CREAT)
ledger = Ledger.open(url, Path(folder))
run = ledger.begin_run("target", "1", run="R")

def step():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def between(act):
    def stepped(*args, **kwargs):
        step()
        result = act(*args, **kwargs)
        step()
        return result
    return stepped

write = database.Database.write

@contextmanager
def write_in_steps(self, **kwargs):
    step()
    with write(self, **kwargs) as connection:
        yield connection
        step()
    step()

os.fsync, os.replace = between(os.fsync), between(os.replace)
trail.TrailWriter._write = between(trail.TrailWriter._write)
database.Database.write = write_in_steps

batch = run.write_batch("orders", "warehouse", [TrailRow('{"No":"%d"}' % n, payload="{}") for n in range(10)])
os.write(told, b"written ")
batch.pushing()
os.write(told, b"pushing ")
batch.acknowledged()
os.write(told, b"acknowledged ")
run.read("orders", 10)
run.end(0)
os.write(told, b"ended")
os._exit(0)
"""

AFTER = {
    "": {None, State.WRITTEN},
    "written": {State.WRITTEN, State.PUSHING},
    "written pushing": {State.PUSHING, State.ACKNOWLEDGED},
    "written pushing acknowledged": {State.ACKNOWLEDGED},
}
"""By what the process had been told is done: what may be found."""


@pytest.fixture
def processes():
    """Starts processes that are killed at a step."""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout.readline() == "loaded\n"
        yield started
        started.stdin.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_ledger(request):
    """Gives the address of a ledger that is not there yet, as often as it is called."""
    if request.param == "sqlite":
        return lambda: None
    server = request.getfixturevalue("postgres")
    return lambda: server.url(server.database())


def killed_at(processes, step, folder, url):
    """Let a process run until it is killed before that step; what it had been told, and whether it was killed."""
    processes.stdin.write(json.dumps([url, str(folder), step]) + "\n")
    processes.stdin.flush()
    code = int(processes.stdout.readline())
    assert code in {0, -signal.SIGKILL}
    return folder.with_suffix(".told").read_text().strip(), code != 0


def test_a_process_killed_between_any_two_steps_leaves_the_truth(tmp_path, processes, new_ledger):
    step, seen = 0, set()
    while True:
        step += 1
        folder = tmp_path / str(step)
        url = new_ledger()
        told, was_killed = killed_at(processes, step, folder, url)
        if not was_killed:
            break
        ledger = Ledger.open(url, folder)
        found = ledger.unanswered("warehouse", "orders")
        [part] = runs(ledger)
        view = balance(ledger, "R")
        assert (part.status, view.complete) in {("no end", False), ("done", True)}
        if found:
            [batch] = found
            [state] = batch.fates.counts()
            assert [row.key for row in batch.rows()] == [f'{{"No":"{n}"}}' for n in range(10)]
            assert view.holds is (state is State.PUSHING)
            if state is State.WRITTEN:
                batch.withdrawn("it never left")
            else:
                batch.acknowledged()
        else:
            state = State.ACKNOWLEDGED if view.streams else None
        assert state in AFTER[told], f"killed at step {step}"
        seen.add(state)
        assert ledger.unanswered("warehouse", "orders") == []
        assert balance(ledger, "R").holds
        ledger.close()
    assert told == "written pushing acknowledged ended"
    assert seen == {None, State.WRITTEN, State.PUSHING, State.ACKNOWLEDGED}
    assert step > 15
