"""A process that is killed at any point leaves a ledger that can be read and tells the truth."""

import signal
import subprocess
import sys

from ifs_bi_core.ledger.history import balance, runs
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.runs import Ledger

PROCESS = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from ifs_bi_core.ledger import database, trail
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow

left = int(sys.argv[2])
ledger = Ledger.open(None, Path(sys.argv[1]))
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
os.write(1, b"written ")
batch.pushing()
os.write(1, b"pushing ")
batch.acknowledged()
os.write(1, b"acknowledged ")
run.read("orders", 10)
run.end(0)
os.write(1, b"ended")
"""

AFTER = {
    "": {None, State.WRITTEN},
    "written": {State.WRITTEN, State.PUSHING},
    "written pushing": {State.PUSHING, State.ACKNOWLEDGED},
    "written pushing acknowledged": {State.ACKNOWLEDGED},
}
"""By what the process had been told is done: what may be found."""


def killed_at(step, folder):
    """Run the process until it is killed before that step; what it had been told, and whether it was killed."""
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, str(folder), str(step)], capture_output=True, text=True, check=False
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.stdout.strip(), done.returncode != 0


def test_a_process_killed_between_any_two_steps_leaves_the_truth(tmp_path):
    step, seen = 0, set()
    while True:
        step += 1
        folder = tmp_path / str(step)
        told, was_killed = killed_at(step, folder)
        if not was_killed:
            break
        ledger = Ledger.open(None, folder)
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
