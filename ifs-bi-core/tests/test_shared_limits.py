"""One limit for all processes of a machine."""

import fcntl
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.http.limits import whole_calls
from ifs_bi_core.http.shared_limits import SharedWindow, shared_limit

HEADER = 24


class Machine:
    """A clock for several processes. While one sleeps, the others do what is next in the plan."""

    def __init__(self, path: Path, limits: list[tuple[float, float]], *, now: float = 1000.0) -> None:
        self.now = now
        self.windows = [SharedWindow(path, *limit, clock=lambda: self.now, sleep=self.sleep) for limit in limits]
        self.waiting: set[int] = set()
        self.begun: list[float] = []
        self.plan: list[tuple[float, int]] = []

    def run(self, plan: list[tuple[float, int]]) -> None:
        self.plan = list(reversed(plan))
        while self.plan:
            self.next()

    def next(self) -> None:
        pause, who = self.plan.pop()
        self.now += pause
        who %= len(self.windows)
        if who not in self.waiting:  # a process that waits asks for nothing else
            self.waiting.add(who)
            self.windows[who].acquire()
            self.begun.append(self.now)
            self.waiting.remove(who)

    def sleep(self, seconds: float) -> None:
        wakes = self.now + seconds
        while self.plan and self.now + self.plan[-1][0] < wakes and len(self.waiting) < len(self.windows):
            self.next()
        self.now = max(self.now, wakes)


def checked(machine: Machine, acquire, limit: int, seconds: float):
    """The same ``acquire``, which fails where too many calls of others and of its own began within the window before it."""

    def acquired() -> None:
        acquire()
        assert sum(moment + seconds >= machine.now for moment in machine.begun) < limit

    return acquired


def most_in_a_window(begun: list[float], seconds: float) -> int:
    return max((sum(start <= moment <= start + seconds for moment in begun) for start in begun), default=0)


PLANS = st.lists(st.tuples(st.floats(0, 40), st.integers(0, 3)), max_size=60)


@given(limit=st.integers(1, 12), processes=st.integers(1, 4), plan=PLANS)
def test_no_window_of_sixty_seconds_ever_holds_more_than_the_limit_of_calls_of_all_processes(
    tmp_path_factory, limit, processes, plan
):
    machine = Machine(tmp_path_factory.mktemp("limits") / "x.times", [(limit, 60.0)] * processes)
    machine.run(plan)
    assert most_in_a_window(machine.begun, 60.0) <= limit


@given(
    limits=st.lists(st.tuples(st.floats(0.3, 12), st.sampled_from([1.0, 20.0, 60.0])), min_size=2, max_size=3),
    plan=PLANS,
)
def test_each_process_keeps_its_own_limit_over_the_calls_of_all(tmp_path_factory, limits, plan):
    machine = Machine(tmp_path_factory.mktemp("limits") / "x.times", limits)
    for window, (limit, seconds) in zip(machine.windows, limits, strict=True):
        window.acquire = checked(machine, window.acquire, *whole_calls(limit, seconds))
    machine.run(plan)


@given(limit=st.integers(1, 20), count=st.integers(1, 80))
def test_it_waits_no_longer_than_it_has_to(tmp_path_factory, limit, count):
    machine = Machine(tmp_path_factory.mktemp("limits") / "x.times", [(limit, 60.0)] * 2)
    machine.run([(0.0, n) for n in range(count)])
    assert machine.now <= 1000 + ((count - 1) // limit) * 60.1


def test_thousands_of_calls_leave_a_small_file_and_the_limit_holds(tmp_path):
    path = tmp_path / "x.times"
    machine = Machine(path, [(30, 10.0)] * 2)
    machine.run([(0.01 * (n % 5), n) for n in range(4_000)])
    assert len(machine.begun) == 4_000
    assert most_in_a_window(machine.begun, 10.0) == 30
    assert path.stat().st_size < HEADER + 8 * 1200


def test_a_longer_window_that_comes_later_counts_calls_that_were_dropped_as_late_as_they_can_have_been(tmp_path):
    path = tmp_path / "x.times"
    short = Machine(path, [(1e6, 1.0)])
    short.run([(0.01, 0)] * 1024)  # at the last call what is older than a second is dropped
    long = Machine(path, [(1000, 60.0)], now=short.now)
    long.run([(0.0, 0)])
    assert most_in_a_window(short.begun + long.begun, 60.0) - 24 <= 1000  # the first process had no such limit
    assert long.begun[0] > short.begun[1024 - 1000] + 60


def test_calls_that_a_longer_window_of_another_process_reaches_are_kept(tmp_path):
    machine = Machine(tmp_path / "x.times", [(1e6, 1.0), (2000, 60.0)])
    machine.run([(0.01, 0)] * 2048)
    machine.run([(0.0, 1)])
    assert machine.begun[-1] == pytest.approx(machine.begun[2048 - 2000] + 60, abs=0.01)


BEGINNING = struct.pack("=8sdd", b"ifs-bi01", 0.0, 60.0)


@given(content=st.binary(min_size=1, max_size=80) | st.binary(max_size=40).map(lambda rest: BEGINNING + rest))
def test_whatever_the_file_holds_it_is_mended_and_the_limit_holds_from_then_on(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("limits") / "x.times"
    path.write_bytes(content)
    machine = Machine(path, [(2, 60.0)] * 2)
    machine.run([(0.0, n) for n in range(8)])
    assert len(machine.begun) == 8
    assert most_in_a_window(machine.begun, 60.0) <= 2
    assert (path.stat().st_size - HEADER) % 8 == 0


@pytest.mark.parametrize(
    "content", [b"foreign", BEGINNING[:-1], BEGINNING + b"torn", BEGINNING + struct.pack("d", float("nan"))]
)
def test_a_damaged_file_counts_as_full_and_says_so(tmp_path, caplog, content):
    path = tmp_path / "x.times"
    path.write_bytes(content)
    machine = Machine(path, [(1, 60.0)])
    machine.run([(0.0, 0)])
    assert 1060 < machine.begun[0] < 1061
    assert "is damaged" in caplog.text


def test_a_new_file_lets_the_first_calls_begin_at_once(tmp_path):
    machine = Machine(tmp_path / "x.times", [(5, 60.0)])
    machine.run([(0.0, 0)] * 5)
    assert machine.now == 1000


@pytest.mark.parametrize(("uptime", "begins"), [(3.0, 60.0), (100.0, 100.0)])
def test_calls_from_before_a_restart_count_as_begun_when_the_machine_started(tmp_path, uptime, begins):
    path = tmp_path / "x.times"
    Machine(path, [(5, 60.0)], now=1_000_000.0).run([(0.0, 0)] * 5)
    machine = Machine(path, [(5, 60.0)], now=uptime)
    machine.run([(0.0, 0)])
    assert machine.begun[0] == pytest.approx(begins, abs=0.01)


def test_the_file_is_made_for_this_user_alone_and_named_for_what_is_called(tmp_path):
    shared_limit(tmp_path / "state", "ifs-cloud", "https://Acme.ifs.cloud:8443/", 10)
    (folder,) = (tmp_path / "state").iterdir()
    (path,) = folder.iterdir()
    assert path.name.startswith("ifs-cloud-acme.ifs.cloud-")
    assert path.suffix == ".times"
    assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


def test_one_service_has_one_file_however_its_address_is_written_and_another_has_another(tmp_path):
    for address in (
        "https://acme.ifs.cloud",
        "https://ACME.ifs.cloud/ ",
        "https://[::1]:80",
        "https://acme.ifs.cloud:8",
    ):
        shared_limit(tmp_path, "ifs-cloud", address, 10)
    assert len(list((tmp_path / "limits").iterdir())) == 3


def test_a_folder_that_can_not_be_made_is_a_wrong_setting(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"can't be counted in .*file.*: Not a directory"):
        shared_limit(tmp_path / "file", "ifs-cloud", "https://acme.ifs.cloud", 10)


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("keep")
    (tmp_path / "x.times").symlink_to(tmp_path / "precious")
    with pytest.raises(ConfigError, match="can't be counted"):
        SharedWindow(tmp_path / "x.times", 10)
    assert (tmp_path / "precious").read_text() == "keep"


def test_a_file_that_is_removed_while_it_is_used_is_made_again(tmp_path):
    path = tmp_path / "x.times"
    window = SharedWindow(path, 10)
    path.unlink()
    window.acquire()
    assert path.stat().st_size == HEADER + 8


def test_a_folder_that_is_gone_ends_the_run_with_a_sentence(tmp_path):
    window = SharedWindow(tmp_path / "gone" / "x.times", 10)
    (tmp_path / "gone" / "x.times").unlink()
    (tmp_path / "gone").rmdir()
    with pytest.raises(IfsBiError, match="can no longer be counted"):
        window.acquire()


def test_a_lock_that_is_never_let_go_is_not_waited_for_for_ever(tmp_path):
    machine = Machine(tmp_path / "x.times", [(10, 60.0)])
    handle = os.open(tmp_path / "x.times", os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(IfsBiError, match=r"has held .* for 30 seconds"):
        machine.run([(0.0, 0)])
    os.close(handle)
    assert 1030 <= machine.now < 1031


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_is_positive(tmp_path, limit):
    with pytest.raises(ValueError, match="positive"):
        SharedWindow(tmp_path / "x.times", limit)


PROCESS = """
import sys, time
from pathlib import Path
from ifs_bi_core.http.limits import whole_calls
from ifs_bi_core.http.shared_limits import SharedWindow

last = 0.0
def clock():
    global last
    last = time.monotonic()
    return last

window = SharedWindow(Path(sys.argv[1]), 20, 0.2, clock=clock)
for _ in range(40):
    window.acquire()
    print(repr(last))  # the last look at the clock is the one the call was counted with
"""


def test_real_processes_keep_the_limit_together(tmp_path):
    began = time.monotonic()
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path / "x.times")], stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    begun = sorted(float(line) for lines in said for line in lines.split())
    assert len(begun) == 160
    assert began < begun[0] < begun[-1] < time.monotonic()
    assert most_in_a_window(begun, 0.2) <= 20
