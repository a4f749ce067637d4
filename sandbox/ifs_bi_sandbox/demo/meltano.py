"""Meltano as a subprocess: installing the plugins, running a pipe, and what its log tells while it does."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter, deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ifs_bi_sandbox.demo.errors import DemoError
from ifs_bi_sandbox.demo.log_lines import LogLine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

TAP = "tap-ifs-cloud"
ENVIRONMENT = "sandbox"
LAST_LINES = 15  # of the log, shown when a command failed
GRACE = 10  # seconds that Meltano and its plugins get to end by themselves


@dataclass(frozen=True)
class Passage:
    """One run of a pipe: how long it took, and how many rows of each stream moved."""

    target: str
    seconds: float
    rows: Mapping[str, int]

    @property
    def total(self) -> int:
        """Rows of all streams."""
        return sum(self.rows.values())


@dataclass(frozen=True)
class Meltano:
    """The command in its project.

    Attributes:
        program: the executable.
        folder: the project's.
        environment: variables of the process.
        log: the file that takes all output.
        clock: seconds, for how long things take.
    """

    program: Path
    folder: Path
    environment: Mapping[str, str]
    log: Path
    clock: Callable[[], float] = time.monotonic

    def install(self, plugins: tuple[str, ...], told: Callable[[str], None]) -> float:
        """Install plugins; ``told`` gets a line on what is going on. Gives the seconds it took.

        Raises:
            DemoError: Meltano failed, as in all methods; with the last lines of its log.
        """
        began = self.clock()

        def hear(line: LogLine) -> None:
            if line.event.startswith("Install"):
                told(line.event)

        self._run(("install", *plugins), hear)
        return self.clock() - began

    def run(self, target: str, told: Callable[[str], None]) -> Passage:
        """Run the pipe from the tap to a target; ``told`` gets a line on how far it is."""
        began = self.clock()
        rows: Counter[str] = Counter()

        def hear(line: LogLine) -> None:
            if read := line.rows_read:
                rows[read.stream] += read.rows
                told(f"{rows.total():,} rows of {len(rows)} streams read, the last {read.stream}")

        self._run(("run", TAP, target), hear)
        return Passage(target, self.clock() - began, rows)

    def replication_keys(self, target: str) -> dict[str, str]:
        """The replication keys of those streams of a pipe that go on from a bookmark, by stream."""
        found: dict[str, str] = {}
        self._run(
            ("state", "get", f"{ENVIRONMENT}:{TAP}-to-{target}"), lambda line: found.update(line.replication_keys)
        )
        return found

    def _run(self, words: tuple[str, ...], hear: Callable[[LogLine], None]) -> None:
        """Run one command; ``hear`` gets each line of its output, and the log file too."""
        command = [str(self.program), "--log-format=json", f"--environment={ENVIRONMENT}", *words]
        last: deque[str] = deque(maxlen=LAST_LINES)
        with self.log.open("a", encoding="utf-8") as log, self._started(command) as process:
            print(f"$ meltano {' '.join(words)}", file=log, flush=True)
            for text in process.stdout or ():
                line = LogLine.read(text)
                print(line.text, *line.frames, sep="\n    ", file=log, flush=True)
                if not line.is_metric:
                    last.append(line.text)
                hear(line)
            code = process.wait()
        if code:
            shown = "\n".join(f"  {line}" for line in last)
            raise DemoError(f"`meltano {' '.join(words)}` ended with {code}. The end of {self.log}:\n{shown}")

    @contextmanager
    def _started(self, command: list[str]) -> Iterator[subprocess.Popen[str]]:
        """A process in a group of its own: neither it nor what it starts outlives the block."""
        try:
            process = subprocess.Popen(  # noqa: S603 - the Meltano that was named, with arguments written here
                command,
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
        except OSError as error:
            raise DemoError(f"can't start Meltano, {command[0]}: {error.strerror}. Name it with --meltano.") from None
        try:
            yield process
        finally:
            end_group(process)
            if process.stdout:
                process.stdout.close()


def end_group(process: subprocess.Popen[str], grace: float = GRACE) -> None:
    """End a process and what is left of its group: asked first, killed when ``grace`` seconds are over."""
    gone = (ProcessLookupError, PermissionError)  # the latter: a group of which only the record is left, on macOS
    try:
        with suppress(*gone, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(grace)
    finally:  # also when the user loses patience
        with suppress(*gone):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
