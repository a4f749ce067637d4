"""Tap and target as processes with a pipe between them, to which things happen at a step of their work.

A step is what `pipeline.kills` calls one: a file that is on disk, a name that changes, a commit, a request, a line that leaves.
Both processes come from the fork server of the pipeline tests, so that starting them takes no second.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import TextIOWrapper
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ifs_bi_core.singer.plugin import run
from pipeline.forked import COMMANDS, SERVER, without_waiting
from pipeline.kills import PLUGINS, Lines, Out, wrap

if TYPE_CHECKING:
    from postgres import Postgres

SERVER.set_forkserver_preload([*COMMANDS.values(), "duckdb", "psycopg", "azure.storage.filedatalake", __name__])
TAP = "tap-ifs-cloud"
PATIENCE = 120
"""Seconds after which a run hangs, which none may."""
KILLS = ("kill", "cut off")
_OF_FILES = ("fsync", "replace a file", "move a folder", "make a folder")
_PROCESSES = threading.Lock()
"""Held by whoever starts a process, or asks how one ended: `multiprocessing` does both for those of all threads."""
OF_SERVERS = ("cut", "restart")
_HALF_A_LINE = b'{"type":"RECORD","stream":"versioned","record":{"Comp'

Act = Literal["kill", "cut off", "stop", "no space", "file limit", "cut", "restart"]


@dataclass(frozen=True)
class Harm:
    """What happens to a process.

    Attributes:
        act: ``kill``: SIGKILL. ``cut off``: the same, in the middle of a line. ``stop``: SIGTERM. ``no space``: whatever it
            does to files from that step on fails with ENOSPC. ``file limit``: no file may become larger than so many bytes
            (EFBIG). ``cut``: the database server ends all connections. ``restart``: it ends and starts again.
        at: the number of the step, from 0; of ``file limit`` the bytes.
        times: of ``no space``, how many things it does to files fail.
    """

    act: Act
    at: int
    times: int = 1


@dataclass(frozen=True)
class Command:
    """A plugin's command line in a folder, and what happens to its process."""

    name: str
    arguments: tuple[str, ...]
    folder: Path
    harm: Harm | None = None


@dataclass(frozen=True)
class Ended:
    """How the processes ended.

    Attributes:
        codes: exit code of each command by its name (-9: killed); None: it hung, and was ended after `PATIENCE`.
        said: what each wrote on standard error.
        out: what the last one wrote on standard output.
        struck: the commands whose harm came to happen.
    """

    codes: dict[str, int | None]
    said: dict[str, str]
    out: bytes
    struck: frozenset[str]


def run_pipe(tap: Command, target: Command, server: Postgres | None, *, both: bool = False) -> Ended:
    """Run a tap into a target to their ends; where ``both`` are to die, the end of the one that is killed is the other's too."""
    commands = (tap, target)
    lines, out = os.pipe(), os.pipe()
    said = {command.name: os.pipe() for command in commands}
    struck = {command.name: os.pipe() for command in commands}
    ends = {tap.name: (os.open(os.devnull, os.O_RDONLY), lines[1]), target.name: (lines[0], out[1])}
    processes = {}
    for command in commands:
        given = [Connection(end) for end in (*ends[command.name], said[command.name][1], struck[command.name][1])]
        needed = server if command.harm and command.harm.act in OF_SERVERS else None
        process = SERVER.Process(target=_be_plugin, args=(command, given, needed))
        with _PROCESSES:
            process.start()
        processes[command.name] = process
        for end in given:
            end.close()
    readers = {"out": Reader(out[0])} | {name: Reader(ends[0]) for name, ends in said.items()}
    marks = {name: Reader(ends[0]) for name, ends in struck.items()}
    hung = _wait(processes, both=both)
    texts = {name: reader.read() for name, reader in readers.items()}
    happened = frozenset(name for name, reader in marks.items() if reader.read())
    with _PROCESSES:
        codes = {name: None if process in hung else process.exitcode for name, process in processes.items()}
    return Ended(codes, {name: texts[name].decode(errors="replace") for name in codes}, texts["out"], happened)


def _wait(processes: Mapping[str, Any], *, both: bool) -> list[Any]:
    """Wait for the processes to end; those that hung, and were ended."""
    waiting, hung = {process.sentinel: process for process in processes.values()}, []
    while waiting:
        ended = connection.wait(list(waiting), PATIENCE)
        with _PROCESSES:
            codes = [waiting.pop(sentinel).exitcode for sentinel in ended]
        hung += [] if ended else waiting.values()
        if not ended or (both and -signal.SIGKILL in codes):
            for process in waiting.values():
                process.kill()
    return hung


class Reader(threading.Thread):
    """Reads an end of a pipe until nobody holds the other one."""

    def __init__(self, end: int) -> None:
        super().__init__(daemon=True)
        self._end = end
        self._read = b""
        self.start()

    def run(self) -> None:
        with os.fdopen(self._end, "rb") as end:
            self._read = end.read()

    def read(self) -> bytes:
        """Everything, once that is so."""
        self.join(PATIENCE)
        return self._read


def _be_plugin(command: Command, ends: list[Connection], server: Postgres | None) -> None:
    os.chdir(command.folder)
    for descriptor, end in enumerate(ends[:3]):
        os.dup2(end.fileno(), descriptor)
        end.close()
    plugin = PLUGINS[command.name]
    plugin.surroundings = without_waiting()
    steps = _Steps(command.harm, ends[3].fileno(), server)
    sys.stdin, sys.stderr = os.fdopen(0), os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    is_tap = command.name == TAP
    sys.stdout = TextIOWrapper(Lines(steps), write_through=True) if is_tap else Out(os.fdopen(1, "wb"), steps)
    sys.argv = [command.name, *command.arguments]
    wrap(steps)
    run(plugin, list(command.arguments))


class _Steps:
    """Counts steps, and lets the harm happen at its one."""

    def __init__(self, harm: Harm | None, mark: int, server: Postgres | None) -> None:
        self._harm = harm
        self._mark = mark
        self._server = server
        self._number = 0
        self._failing = 0
        self._lock = threading.Lock()
        if harm and harm.act == "file limit":
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (harm.at, most))

    def come_to(self, step: str) -> None:
        del step
        with self._lock:
            number, self._number = self._number, self._number + 1
            harm = self._harm
            if harm is None or harm.act == "file limit" or number != harm.at:
                return
            self._happened()
            if harm.act == "cut off":
                with suppress(BrokenPipeError):  # who would read it may be gone
                    os.write(1, _HALF_A_LINE)
            if harm.act in KILLS:
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()
            elif harm.act == "stop":
                os.kill(os.getpid(), signal.SIGTERM)
            elif harm.act == "no space":
                self._failing = harm.times
        if harm.act == "cut":
            cut_connections(self._server)
        elif harm.act == "restart":
            self._server.stop("immediate")
            self._server.start()

    def around(self, step: str, act: Callable[[], Any]) -> Any:
        self.come_to(step)
        with self._lock:
            fails = self._failing > 0 and step in _OF_FILES
            self._failing -= fails
        if fails:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            result = act()
        except OSError as error:
            if error.errno == errno.EFBIG:
                self._happened()
            raise
        self.come_to(f"{step}: done")
        return result

    def _happened(self) -> None:
        with suppress(OSError):
            os.write(self._mark, b"!")


def cut_connections(server: Postgres) -> None:
    """End all connections to the server's databases."""
    with server.admin() as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
