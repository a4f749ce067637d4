"""The project's commands as processes of their own, forked from one that has imported them: starting one takes no second.

What a shell starts instead of this is in `test_demo`, `test_no_secrets`, and in each package's tests of its command.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

from ifs_bi_core.http.client import REAL, Surroundings

COMMANDS = {
    "ifs-bi": "ifs_bi_core.cli",
    "tap-ifs-cloud": "tap_ifs_cloud.tap",
    "target-looker-warehouse": "target_looker_warehouse.target",
    "target-powerbi": "target_powerbi.target",
}
"""The module of each command: its ``main`` is what a shell would start."""
STREAMS = ("in", "out", "err")
"""Standard input, output and error, in the order of their numbers."""

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["__main__", *COMMANDS.values(), "duckdb", "psycopg"])


def run_forked(
    name: str,
    arguments: Sequence[str],
    given: bytes,
    cwd: Path,
    environ: Mapping[str, str],
    *,
    timeout: float,
    waits: bool = True,
) -> tuple[int, bytes, bytes]:
    """Run a command to its end: its exit code, output and errors. Where it doesn't wait, its clock goes on instead."""
    with tempfile.TemporaryDirectory(prefix="forked-") as folder:
        files = {kind: Path(folder) / kind for kind in STREAMS}
        for file in files.values():
            file.touch()
        files["in"].write_bytes(given)
        process = SERVER.Process(
            target=_be_command, args=(name, [*arguments], cwd, {**environ}, files), kwargs={"waits": waits}
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired([name, *arguments], timeout, stderr=files["err"].read_bytes())
        return process.exitcode, files["out"].read_bytes(), files["err"].read_bytes()


def without_waiting() -> Surroundings:
    """A clock that a wait moves on at once: whoever asks for rows that never left asks for half a minute."""
    waited: list[float] = []
    return Surroundings(lambda: time.time() + sum(waited), waited.append, REAL.chance)


def stand_on(files: Mapping[str, Path]) -> None:
    """Make files the process's standard input, output and error."""
    for descriptor, kind in enumerate(STREAMS):
        handle = os.open(files[kind], os.O_RDONLY if kind == "in" else os.O_WRONLY)
        os.dup2(handle, descriptor)
        os.close(handle)


def _be_command(
    name: str, arguments: list[str], cwd: Path, environ: dict[str, str], files: Mapping[str, Path], *, waits: bool
) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(cwd)
    stand_on(files)
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    sys.argv = [name, *arguments]
    if not waits:
        import_module(COMMANDS["target-powerbi"]).TargetPowerBI.surroundings = without_waiting()
    import_module(COMMANDS[name]).main()
