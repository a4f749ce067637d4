"""A plugin as a process of its own that is killed, with SIGKILL, exactly at a step of its work.

The process comes from a fork server that has the plugins imported already, so that starting one takes no second. In it every
call that leaves something behind (a file that is on disk, a name that changes, a commit, a request, a STATE) is a step, and so is
its return; of the tap, each line that leaves is one. What is named here as a step is no part of the plugins: only functions of
the libraries below them are wrapped.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from io import FileIO, TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import duckdb
import psycopg
import requests
from ifs_bi_core.singer.plugin import run
from pipeline.forked import SERVER, stand_on, without_waiting
from tap_ifs_cloud.tap import TapIfsCloud
from target_looker_warehouse.target import TargetLookerWarehouse
from target_powerbi.target import TargetPowerBI

PLUGINS = {plugin.name: plugin for plugin in (TapIfsCloud, TargetLookerWarehouse, TargetPowerBI)}

_WRITING = ("COMMIT", "INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class Ended:
    """What a process left behind: its exit code (-9: killed), the lines it let go, what it said, and its steps."""

    code: int | None
    lines: list[bytes]
    said: str
    steps: list[str]

    @property
    def states(self) -> list[bytes]:
        """The lines of a target: it lets nothing else go."""
        return self.lines


def run_target(name: str, config: Path, lines: bytes, *, kill_at: int | None = None) -> Ended:
    """Run a target in the folder of its configuration; killed when it comes to the step of that number, from 0."""
    return _run(name, config, lines, (), kill_at)


def run_tap(config: Path, state: Path, *, kill_at: int | None = None) -> Ended:
    """Run the tap in the folder of its configuration from a state; killed when it comes to the step of that number, from 0."""
    return _run(TapIfsCloud.name, config, b"", ("--state", str(state)), kill_at)


def _run(name: str, config: Path, lines: bytes, arguments: Sequence[str], kill_at: int | None) -> Ended:
    folder = config.parent
    files = {kind: folder / f"last.{kind}" for kind in ("in", "out", "err", "steps")}
    for file in files.values():
        file.write_bytes(b"")
    files["in"].write_bytes(lines)
    process = SERVER.Process(target=_be_plugin, args=(name, config, arguments, files, kill_at))
    process.start()
    process.join(120)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    out, said, steps = (files[kind].read_bytes() for kind in ("out", "err", "steps"))
    for file in files.values():
        file.unlink()
    return Ended(code, out.splitlines(), said.decode(), steps.decode().splitlines())


def points(steps: list[str], count: int) -> list[int]:
    """Numbers of steps to be killed at, spread over all of them; where there are enough, one of each kind is among them."""
    places = {kind: [number for number, step in enumerate(steps) if step == kind] for kind in steps}
    chosen = {numbers[len(numbers) // 2] for numbers in places.values()} if len(places) <= count else set[int]()
    rest = [number for number in range(len(steps)) if number not in chosen]
    more = count - len(chosen)
    return sorted(chosen | {rest[len(rest) * (2 * place + 1) // (2 * more)] for place in range(more)})


def _be_plugin(name: str, config: Path, arguments: Sequence[str], files: dict[str, Path], kill_at: int | None) -> None:
    os.chdir(config.parent)
    stand_on(files)
    steps = _Steps(files["steps"], kill_at)
    sys.stdin, sys.stderr = (os.fdopen(0), os.fdopen(2, "w", buffering=1))
    is_tap = issubclass(PLUGINS[name], TapIfsCloud)
    sys.stdout = TextIOWrapper(Lines(steps), write_through=True) if is_tap else Out(os.fdopen(1, "wb"), steps)
    wrap(steps)
    TargetPowerBI.surroundings = without_waiting()
    run(PLUGINS[name], ["--config", str(config), *arguments])


class _Steps:
    """Counts steps, and kills the process at one of them."""

    def __init__(self, file: Path, kill_at: int | None) -> None:
        self._handle = os.open(file, os.O_WRONLY)
        self._left = kill_at
        self._lock = threading.Lock()

    def come_to(self, step: str) -> None:
        with self._lock:
            if self._left is not None:
                if self._left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                    threading.Event().wait()
                self._left -= 1
            os.write(self._handle, f"{step}\n".encode())

    def around(self, step: str, act: Callable[[], Any]) -> Any:
        self.come_to(step)
        result = act()
        self.come_to(f"{step}: done")
        return result


class Out(TextIOWrapper):
    """Standard output, of which a block that leaves is a step."""

    def __init__(self, buffer: Any, steps: _Steps) -> None:
        super().__init__(buffer, encoding="utf-8")
        self._steps = steps
        self._waits = False

    def write(self, text: str) -> int:
        self._waits = True
        return super().write(text)

    def flush(self) -> None:
        if self._waits:
            self._waits = False
            self._steps.around("STATE leaves", super().flush)


class Lines(FileIO):
    """Standard output, of which each line that leaves is a step."""

    def __init__(self, steps: _Steps) -> None:
        super().__init__(1, "wb")
        self._steps = steps

    def write(self, block: Any) -> int:
        for line in bytes(block).splitlines(keepends=True):
            self._steps.come_to(f"{json.loads(line)['type']} leaves")
            super().write(line)
        return len(block)


def wrap(steps: _Steps) -> None:
    for module, call, step in (
        (os, "fsync", "fsync"),
        (os, "replace", "replace a file"),
        (os, "rename", "move a folder"),
        (os, "mkdir", "make a folder"),
        (duckdb.DuckDBPyConnection, "commit", "commit to DuckDB"),
        (duckdb.DuckDBPyConnection, "close", "close DuckDB"),
        (psycopg.Connection, "commit", "commit to PostgreSQL"),
        (psycopg.Connection, "close", "close PostgreSQL"),
    ):
        setattr(module, call, _stepping(getattr(module, call), steps, step))
    send = requests.Session.send

    @wraps(send)
    def sending(session: Any, request: Any, **options: Any) -> Any:
        last = request.path_url.partition("?")[0].rpartition("/")[2]
        return steps.around(f"{request.method} {last}", lambda: send(session, request, **options))

    requests.Session.send = sending

    connect = sqlite3.connect

    def connecting(database: Any, **options: Any) -> sqlite3.Connection:
        kind = _connection(options.pop("factory", sqlite3.Connection), steps)
        connection: Any = connect(database, factory=kind, **options)
        file = Path(database)
        kept = "the key store" if file.parent.name == "delivered" else "the kept rows"
        connection.step = f"commit to {'the ledger' if file.name == 'ledger.db' else kept}"
        return connection

    sqlite3.connect = sqlite3.dbapi2.connect = connecting


def _connection(kind: Any, steps: _Steps) -> Any:
    """A connection of that class, of which whatever is on disk afterwards is a step."""

    class Connection(kind):
        step = "commit"

        def commit(self) -> None:
            if self.in_transaction:
                steps.around(self.step, super().commit)

        def execute(self, statement: str, *parameters: Any) -> Any:
            if not statement.startswith(_WRITING) or (self.in_transaction and statement != "COMMIT"):
                return super().execute(statement, *parameters)
            return steps.around(self.step, lambda: kind.execute(self, statement, *parameters))

        def __exit__(
            self, error: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
        ) -> Literal[False]:
            leave = super().__exit__
            if not self.in_transaction or error:
                return leave(error, raised, trace)
            return steps.around(self.step, lambda: leave(error, raised, trace))

    return Connection


def _stepping(call: Callable[..., Any], steps: _Steps, step: str) -> Callable[..., Any]:
    @wraps(call)
    def stepping(*arguments: Any, **options: Any) -> Any:
        return steps.around(step, lambda: call(*arguments, **options))

    return stepping
