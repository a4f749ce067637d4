"""The project's commands at a moment that has not come yet: processes whose clock is ahead, and what each of them took."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path

from pipeline.forked import COMMANDS, SERVER, STREAMS, stand_on, without_waiting

PATIENCE = 300  # seconds for a pipe

_WAITING = ("tap-ifs-cloud", "target-looker-warehouse", "target-powerbi")
"""Commands whose waits are over at once: their clock goes on instead."""
_PLUGINS = {name: import_module(COMMANDS[name]) for name in _WAITING}
_CLASSES = {
    "tap-ifs-cloud": "TapIfsCloud",
    "target-looker-warehouse": "TargetLookerWarehouse",
    "target-powerbi": "TargetPowerBI",
}


@dataclass(frozen=True)
class Spent:
    """What a process took.

    Attributes:
        cpu: seconds of all its threads, in the process and in the kernel for it.
        peak_mb: most memory at a time, with what it shares with the process it was forked from.
    """

    cpu: float
    peak_mb: float


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: bytes
    err: str
    spent: Spent


def run_at(moment: datetime, folder: Path, *commands: Sequence[str | Path]) -> list[Ended]:
    """Run commands in a folder, each reading what the one before it writes while it writes it.

    Args:
        moment: what their clock shows when they start.
        folder: where they run.
        commands: name and arguments of each.

    Raises:
        TimeoutError: they did not end; they are gone now.
    """
    ahead = moment.timestamp() - time.time()
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        files = [_files(Path(place), number, last=number == len(commands) - 1) for number in range(len(commands))]
        processes = [
            SERVER.Process(target=_be_command, args=([*map(str, command)], folder, found, ahead))
            for command, found in zip(commands, files, strict=True)
        ]
        for process in processes:
            process.start()
        until = time.monotonic() + PATIENCE
        for process in processes:
            process.join(max(0, until - time.monotonic()))
        late = [process for process in processes if process.exitcode is None]
        for process in late:
            process.kill()
            process.join()
        if late:
            said = "\n".join(found["err"].read_text() for found in files)
            raise TimeoutError(f"{commands} did not end within {PATIENCE} s. They said:\n{said}")
        return [
            Ended(process.exitcode or 0, _written(found["out"]), found["err"].read_text(), _spent(found["spent"]))
            for process, found in zip(processes, files, strict=True)
        ]


def set_ahead(seconds: float) -> None:
    """Set the wall clock of this process ahead, for everything in it that asks Python for the time from now on.

    Modules hold `datetime` by name, and default values hold what asks it: only the class itself is the same for all of them.
    """
    real = time.time
    members = gc.get_referents(datetime.__dict__)[0]
    members["now"] = classmethod(lambda cls, tz=None: cls.fromtimestamp(real() + seconds, tz))
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))
    time.time = lambda: real() + seconds


def _files(place: Path, number: int, *, last: bool) -> dict[str, Path]:
    """Where a command's standard streams lead: between two commands it is a pipe with a name."""
    files = {kind: place / f"{number}-{kind}" for kind in (*STREAMS, "spent")}
    files["err"].touch()
    if number == 0:
        files["in"].touch()
    else:
        files["in"] = place / f"{number - 1}-out"
    if last:
        files["out"].touch()
    else:
        os.mkfifo(files["out"])
    return files


def _written(file: Path) -> bytes:
    return b"" if file.is_fifo() else file.read_bytes()


def _spent(file: Path) -> Spent:
    return Spent(**json.loads(file.read_text())) if file.exists() else Spent(0, 0)


def _be_command(words: list[str], cwd: Path, files: Mapping[str, Path], ahead: float) -> None:
    os.chdir(cwd)
    stand_on(files)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    sys.argv = words
    set_ahead(ahead)
    for name, module in _PLUGINS.items():
        getattr(module, _CLASSES[name]).surroundings = without_waiting()
    try:
        import_module(COMMANDS[words[0]]).main()
    finally:
        used = resource.getrusage(resource.RUSAGE_SELF)
        spent = Spent(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
        files["spent"].write_text(json.dumps(asdict(spent)))
