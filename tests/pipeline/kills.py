"""A target as a process of its own that is killed, with SIGKILL, exactly at a step of its work.

The process comes from a fork server that has the targets imported already, so that starting one takes no second. In it every
call that leaves something behind (a file that is on disk, a name that changes, a commit, a request, a STATE) is a step, and so is
its return. What is named here as a step is no part of the targets: only functions of the libraries below them are wrapped.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import duckdb
import requests
from ifs_bi_core.singer.plugin import run
from target_looker_warehouse.target import TargetLookerWarehouse
from target_powerbi.target import TargetPowerBI

TARGETS = {target.name: target for target in (TargetLookerWarehouse, TargetPowerBI)}

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["__main__", "target_looker_warehouse.target", "target_powerbi.target", "duckdb"])
_WRITING = ("COMMIT", "INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class Ended:
    """What a process left behind: its exit code (-9: killed), the states it let go, what it said, and its steps."""

    code: int | None
    states: list[bytes]
    said: str
    steps: list[str]


def run_target(name: str, config: Path, lines: bytes, *, kill_at: int | None = None) -> Ended:
    """Run a target in the folder of its configuration; killed when it comes to the step of that number, from 0."""
    folder = config.parent
    files = {kind: folder / f"last.{kind}" for kind in ("in", "out", "err", "steps")}
    for file in files.values():
        file.write_bytes(b"")
    files["in"].write_bytes(lines)
    process = _SERVER.Process(target=_be_target, args=(name, config, files, kill_at))
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


def _be_target(name: str, config: Path, files: dict[str, Path], kill_at: int | None) -> None:
    os.chdir(config.parent)
    for descriptor, kind in enumerate(("in", "out", "err")):
        handle = os.open(files[kind], os.O_RDONLY if kind == "in" else os.O_WRONLY)
        os.dup2(handle, descriptor)
        os.close(handle)
    steps = _Steps(files["steps"], kill_at)
    sys.stdin, sys.stderr = (os.fdopen(0), os.fdopen(2, "w", buffering=1))
    sys.stdout = _Out(os.fdopen(1, "wb"), steps)
    _wrap(steps)
    run(TARGETS[name], ["--config", str(config)])


class _Steps:
    """Counts steps, and kills the process at one of them."""

    def __init__(self, file: Path, kill_at: int | None) -> None:
        self._handle = os.open(file, os.O_WRONLY)
        self._left = kill_at

    def come_to(self, step: str) -> None:
        if self._left is not None:
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1
        os.write(self._handle, f"{step}\n".encode())

    def around(self, step: str, act: Callable[[], Any]) -> Any:
        self.come_to(step)
        result = act()
        self.come_to(f"{step}: done")
        return result


class _Out(TextIOWrapper):
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


def _wrap(steps: _Steps) -> None:
    for module, call, step in (
        (os, "fsync", "fsync"),
        (os, "replace", "replace a file"),
        (os, "rename", "move a folder"),
        (os, "mkdir", "make a folder"),
        (duckdb.DuckDBPyConnection, "commit", "commit to DuckDB"),
        (duckdb.DuckDBPyConnection, "close", "close DuckDB"),
    ):
        setattr(module, call, _stepping(getattr(module, call), steps, step))
    send = requests.Session.send

    @wraps(send)
    def sending(session: Any, request: Any, **options: Any) -> Any:
        last = request.path_url.partition("?")[0].rpartition("/")[2]
        return steps.around(f"{request.method} {last}", lambda: send(session, request, **options))

    requests.Session.send = sending

    class Connection(sqlite3.Connection):
        step = "commit"

        def commit(self) -> None:
            if self.in_transaction:
                steps.around(self.step, super().commit)

        def execute(self, statement: str, *parameters: Any) -> Any:
            if not statement.startswith(_WRITING) or (self.in_transaction and statement != "COMMIT"):
                return super().execute(statement, *parameters)
            return steps.around(self.step, lambda: sqlite3.Connection.execute(self, statement, *parameters))

    connect = sqlite3.connect

    def connecting(database: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(database, factory=Connection, **options)
        connection.step = f"commit to {'the ledger' if Path(database).name == 'ledger.db' else 'the kept rows'}"
        return connection

    sqlite3.connect = sqlite3.dbapi2.connect = connecting


def _stepping(call: Callable[..., Any], steps: _Steps, step: str) -> Callable[..., Any]:
    @wraps(call)
    def stepping(*arguments: Any, **options: Any) -> Any:
        return steps.around(step, lambda: call(*arguments, **options))

    return stepping
