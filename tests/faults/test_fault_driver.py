"""What the driver tells: a broken script with the command that plays it again, and figures."""

import os
import shlex
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from faults.drive import report, told
from faults.playing import Figures, Played, used
from faults.scripts import script_of
from ifs_bi_sandbox.faults import Fault

ROOT = Path(__file__).parents[2]


def test_a_broken_script_is_told_with_its_steps_and_a_command_that_plays_it_again():
    text = told(Played(script_of(4), Figures(), ["run 1: the tap hung"]))
    assert str(script_of(4)) in text
    assert "run 1: the tap hung" in text
    variable, *command = shlex.split(text.rpartition("again: ")[2])
    assert variable == "PYTHONPATH=tests"
    assert command == [sys.executable, "-m", "faults", "--keep", "--seed", "4"]


def test_figures_of_scripts_add_up():
    one = Figures(Counter({"duckdb": 1}), 4, Counter({"ifs: 500": 2}), Counter({"ifs: 500": 1}), 2, 1, 30)
    both = Figures()
    for figures in (one, one):
        both.add(figures)
    figures = report(both, [7], 3600)
    assert figures["scripts"] == figures["scripts_per_hour"] == 2
    assert [figures[name] for name in ("runs", "failed", "recoveries", "rows")] == [8, 4, 2, 60]
    assert figures["faults"] == {"ifs: 500": {"injected": 4, "struck": 2}}
    assert figures["broken"] == [7]


def test_of_two_faults_that_are_alike_one_that_is_left_says_nothing_of_the_other():
    both = [Fault("login", "reset"), Fault("login", "reset", skip=1)]
    for left in ([], both[:1], list(both)):
        still = list(left)
        assert sum(used(fault, still, []) for fault in both) == 2 - len(left)


def test_a_driver_that_is_told_to_stop_ends_its_scripts_and_writes_its_figures(tmp_path):
    command = [sys.executable, "-m", "faults", "--minutes", "60", "--begin", "1", "--workers", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests")}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout.readline() == "Scripts from seed 1 on, for 60 minutes, 1 at a time.\n"
        driver.send_signal(signal.SIGTERM)
        told_last = driver.communicate(timeout=120)[0]
    assert driver.returncode == 0, told_last
    assert (tmp_path / "build" / "prove.json").read_text().strip() == told_last.strip()
