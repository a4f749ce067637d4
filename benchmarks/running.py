"""Runs of commands between real servers, files and processes: what they took, and whether they left what the source holds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fingerprints import COLUMNS, NO_UPDATES, Fingerprint, Updates, expected, source
from ifs_bi_sandbox.servers import Sandbox
from pages import page_server
from programs import HERE, TAP, Program
from warehouses import DuckDB, Place, Postgres, PostgreSQL, Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

_ZONE = re.compile(rb'(T\d\d:\d\d:\d\d(?:\.\d+)?)Z"')


class WrongError(Exception):
    """A command failed, or left something else than the source holds; there is no figure."""


@dataclass(frozen=True)
class Taken:
    """What one run took.

    Attributes:
        rows: that went through; 0: none were to go.
        seconds: from the first command's start to the last one's end.
        cpu_seconds: of the commands.
        peaks_mb: the most memory each command had.
        server_cpu_seconds: of the warehouse's own processes.
        notes: what else is worth a look, by name.
    """

    rows: int
    seconds: float
    cpu_seconds: float
    peaks_mb: tuple[float, ...]
    server_cpu_seconds: float = 0.0
    notes: dict[str, float] = field(default_factory=dict)

    @property
    def speed(self) -> float:
        """Rows a second; where none were to go, runs a second."""
        return (self.rows or 1) / self.seconds


@dataclass(frozen=True)
class Sizes:
    """How many rows.

    Attributes:
        rows: of the source, and what ours and the floors move.
        peer_rows: what peers move, who would take minutes otherwise.
        updates: of rows that are there.
        peer_updates: the same by peers.
    """

    rows: int
    peer_rows: int
    updates: int
    peer_updates: int

    def of(self, program: Program) -> int:
        """New rows."""
        return self.peer_rows if program.kind == "peer" else self.rows

    def updates_of(self, program: Program) -> Updates:
        """Which rows are updated: as dense for everybody."""
        taken = self.peer_updates if program.kind == "peer" else self.updates
        return Updates(taken, self.rows // self.updates)


@dataclass
class Started:
    """A command that runs under `measure`."""

    program: Program
    process: subprocess.Popen[bytes]
    taken: Path
    errors: Path

    def ended(self) -> dict[str, float]:
        """What it took.

        Raises:
            WrongError: it failed.
        """
        if self.process.wait():
            said = self.errors.read_text(errors="replace")[-1500:]
            raise WrongError(f"{self.program.name} ended with {self.process.returncode}: {said}")
        return dict(json.loads(self.taken.read_text()))


class Bench:
    """What all cases share: servers, files of lines, places; made when a case first asks, gone at the end.

    Args:
        folder: for everything that is written.
        sizes: how many rows.

    Attributes:
        compared: works whose output was compared with the source.
        full: the place with a full table that a work updates copies of.
    """

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder = folder
        self.sizes = sizes
        self._numbers = count(1)
        self._open = ExitStack()
        self._addresses: dict[Any, str] = {}
        self._expected: dict[Any, Fingerprint] = {}
        self.compared: set[Any] = set()
        self.full: dict[Any, Place] = {}

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what was started."""
        self._open.close()

    def forget(self) -> None:
        """A case is over: let go of its places."""
        self.full.clear()
        for folder in self.folder.glob("run-*"):
            shutil.rmtree(folder)

    def new_folder(self) -> Path:
        """An empty one."""
        folder = self.folder / f"run-{next(self._numbers)}"
        folder.mkdir()
        return folder

    def pages(self, rows: int, *, gzip: bool = False) -> str:
        """The address of a static server with that many rows (see `pages.page_server`)."""
        if (rows, gzip) not in self._addresses:
            self._addresses[rows, gzip] = self._open.enter_context(page_server(rows, gzip=gzip))
        return self._addresses[rows, gzip]

    def expected(self, rows: int, updates: Updates = NO_UPDATES) -> Fingerprint:
        """What a table with these rows has to hold."""
        if (rows, updates) not in self._expected:
            self._expected[rows, updates] = expected(rows, updates)
        return self._expected[rows, updates]

    def agree(self, what: str, loaded: Fingerprint, rows: int, updates: Updates = NO_UPDATES) -> None:
        """See that what came is what the source holds.

        Raises:
            WrongError: it is something else.
        """
        wanted = self.expected(rows, updates)
        if loaded != wanted:
            raise WrongError(f"{what} left {loaded}, the source holds {wanted}")

    @cached_property
    def duckdb(self) -> Warehouse:
        """Files of DuckDB."""
        return DuckDB()

    @cached_property
    def postgresql(self) -> PostgreSQL:
        """The server."""
        server = Postgres()
        self._open.callback(server.close)
        return PostgreSQL(server)

    @cached_property
    def sandbox(self) -> Sandbox:
        """Stand-ins for the services that a case needs beside the static pages."""
        return self._open.enter_context(Sandbox(scale=300))

    def lines(self, rows: int, updates: Updates = NO_UPDATES, *, naive: bool = False) -> Path:
        """A file of Singer lines as any tap might write them: our tap's, without what it says of versions of a table.

        Args:
            rows: of the source.
            updates: with them, those rows alone.
            naive: see `programs.Program`.
        """
        file = self.folder / f"lines-{rows}-{updates.count}{'-naive' if naive else ''}.jsonl"
        if naive and not file.exists():
            with self.lines(rows, updates).open("rb") as given, file.open("wb") as kept:
                kept.writelines(_ZONE.sub(rb'\1"', line) for line in given)
        elif not file.exists():
            folder = self.new_folder()
            with (folder / "all").open("wb") as out:
                self.start(TAP, TAP.settings(self.pages(rows)), folder, None, out).ended()
            place = 0
            with (folder / "all").open("rb") as came, file.open("wb") as kept:
                for line in came:
                    if line.startswith(b'{"type":"RECORD"'):
                        place += 1
                        head, _, tail = line.rpartition(b',"version":')
                        plain = head + tail.lstrip(b"0123456789")
                        if updates == NO_UPDATES:
                            kept.write(plain)
                        elif place - 1 in updates:
                            kept.write(updates.line(plain))
                    elif not line.startswith(b'{"type":"ACTIVATE_VERSION"'):
                        kept.write(line)
            (folder / "all").unlink()
        return file

    def csv(self, rows: int, updates: Updates = NO_UPDATES, *, behind: int = 0) -> Path:
        """The same rows as ready CSV; with updates those rows alone, else those behind the first ``behind``."""
        file = self.folder / f"rows-{rows}-{updates.count}-{behind}.csv"
        if not file.exists():
            only = f"WHERE {updates.condition}" if updates != NO_UPDATES else ""
            with source(updates) as connection:
                names = ", ".join(f'"{name}"' for name in COLUMNS)
                connection.execute(
                    f"COPY (SELECT {names} FROM rows_of({behind}, {rows}) {only}) TO '{file}' (HEADER false)"
                )
        return file

    def start(
        self,
        program: Program,
        settings: dict[str, Any],
        folder: Path,
        stdin: Any,
        stdout: Any,
        arguments: Iterable[str] = (),
    ) -> Started:
        """Start a command in a folder, under `measure`."""
        number = next(self._numbers)
        config, taken, errors = (folder / f"{number}.{end}" for end in ("json", "taken", "stderr"))
        config.write_text(json.dumps(settings))
        configured = [text.format(config=config, **settings) for text in program.configured]
        measured = [sys.executable, str(HERE / "measure.py"), str(taken), *program.command, *configured, *arguments]
        with errors.open("wb") as said:
            process = subprocess.Popen(
                measured, stdin=stdin or subprocess.DEVNULL, stdout=stdout, stderr=said, cwd=folder, env=_environment()
            )
        return Started(program, process, taken, errors)

    def run(
        self,
        program: Program,
        settings: dict[str, Any],
        folder: Path,
        stdin: Path | None,
        stdout: Path,
        *arguments: str,
    ) -> dict[str, float]:
        """One command from start to end, from a file and into one."""
        with (stdin or Path(os.devnull)).open("rb") as given, stdout.open("wb") as out:
            return self.start(program, settings, folder, given, out, arguments).ended()

    def piped(
        self, tap: tuple[Program, dict[str, Any]], target: tuple[Program, dict[str, Any]], folder: Path
    ) -> tuple[float, list[dict[str, float]]]:
        """Two commands, one's output the other's input; gives seconds, and what each took."""
        begun = time.perf_counter()
        first = self.start(*tap, folder, None, subprocess.PIPE)
        second = self.start(*target, folder, first.process.stdout, subprocess.DEVNULL)
        assert first.process.stdout
        first.process.stdout.close()
        taken = [second.ended(), first.ended()][::-1]
        return time.perf_counter() - begun, taken


def _environment() -> dict[str, str]:
    names = ("PATH", "HOME", "LANG", "TMPDIR")
    return {name: os.environ[name] for name in names if name in os.environ} | {"TZ": "UTC"}
