"""How tap and target are run: as a shell would, from a state that is kept here, or by Meltano, which keeps it by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import psutil
from faults.destinations import POWERBI, WAREHOUSE, Destination
from faults.kinds import Injected, Side
from faults.landscape import Landscape
from faults.processes import PATIENCE, TAP, Command, Ended, Reader, run_pipe
from pipeline.project import MELTANO, Project

BY_MELTANO = "meltano"
_PLACES = {WAREHOUSE: "        warehouse_url: $WAREHOUSE_URL\n", POWERBI: "        api_url: $POWERBI_API_URL\n"}
"""A line of each target's configuration in meltano.yml."""
_SHIPPED_FILES = "        batch_config: {encoding: {format: jsonl}}"
"""A script says by itself whether rows travel in files."""
_ORPHANS_END_WITHIN = 30
"""Seconds in which plugins notice that nobody reads or writes any more."""


class Pipe(Protocol):
    """Runs the pipe of a landscape."""

    def run(self, faults: Mapping[Side, Injected]) -> Ended:
        """One run from the last state, with what happens to its processes."""


def pipe_of(landscape: Landscape, destination: Destination) -> Pipe:
    """The pipe that the script asks for."""
    return MeltanoPipe(landscape, destination) if landscape.script.by_meltano else ShellPipe(landscape, destination)


class ShellPipe:
    """``tap-ifs-cloud | target-…``, both from the fork server."""

    def __init__(self, landscape: Landscape, destination: Destination) -> None:
        self._landscape = landscape
        self._target = destination.target
        self._state: dict[str, Any] = {}
        target = destination.settings(landscape) | landscape.script.target
        remembered = {"state_dir": str(landscape.state_dir)}
        if landscape.ledger_url:
            remembered["ledger_url"] = landscape.ledger_url
        for name, settings in (("tap", landscape.tap_settings), ("target", target)):
            (landscape.folder / f"{name}.json").write_text(json.dumps(settings | remembered))

    def run(self, faults: Mapping[Side, Injected]) -> Ended:
        """A run; the last whole state that left it is that of the next one."""
        folder = self._landscape.folder
        (folder / "state.json").write_text(json.dumps(self._state))
        harms = {side: fault.harm for side, fault in faults.items()}
        from_state = ("--config", "tap.json", "--state", "state.json")
        tap = Command(TAP, from_state, folder, harms.get("tap") or harms.get("both"))
        target = Command(self._target, ("--config", "target.json"), folder, harms.get("target"))
        ended = run_pipe(tap, target, self._landscape.server, both="both" in harms)
        if whole := ended.out.rpartition(b"\n")[0]:
            self._state = json.loads(whole.rpartition(b"\n")[2])
        return ended


class MeltanoPipe:
    """``meltano run``, which is killed before a request for rows, where it is to be."""

    def __init__(self, landscape: Landscape, destination: Destination) -> None:
        self._landscape = landscape
        self._target = destination.target
        target = destination.settings(landscape)
        variables = {"IFS_CLIENT_SECRET": landscape.tap_settings["client_secret"]}
        variables |= {
            f"IFS_{name.upper()}": landscape.tap_settings[name] for name in ("base_url", "realm", "client_id")
        }
        if destination.target == WAREHOUSE:
            variables["WAREHOUSE_URL"] = target["warehouse_url"]
        else:
            variables |= {f"POWERBI_{name.upper()}": value for name, value in target.items() if name != "write_mode"}
        changes = {
            place: place + "".join(f"        {name}: {json.dumps(value)}\n" for name, value in settings.items())
            for place, settings in (
                ("        client_secret: env:IFS_CLIENT_SECRET\n", self._own(landscape)),
                (_PLACES[destination.target], landscape.script.target),
            )
        }
        self._project = Project(landscape.folder, variables, {_SHIPPED_FILES: "", **changes})

    @staticmethod
    def _own(landscape: Landscape) -> dict[str, Any]:
        """The tap's settings that meltano.yml says nothing of."""
        known = {"base_url", "realm", "client_id", "client_secret", "state_dir"}
        return {name: value for name, value in landscape.tap_settings.items() if name not in known}

    def run(self, faults: Mapping[Side, Injected]) -> Ended:
        """A run; ``--force``, since Meltano takes one that was killed for alive during five minutes."""
        read, write = os.pipe()
        words = [str(MELTANO), "--environment=prod", "run", "--force", TAP, self._target]
        process = subprocess.Popen(
            words,
            cwd=self._landscape.folder,
            env=self._project.environment(),
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.close(write)
        said = Reader(read)
        killed = faults.get("meltano")
        if killed:
            self._landscape.changing.before(killed.at, process.kill)
        try:
            code: int | None = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
        _wait_for_orphans(self._landscape.folder)
        if code is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        struck = frozenset({BY_MELTANO} if killed and code == -signal.SIGKILL else ())
        return Ended({BY_MELTANO: code}, {BY_MELTANO: said.read().decode(errors="replace")}, b"", struck)


def _wait_for_orphans(folder: Path) -> None:
    """Let the plugins of a Meltano that is gone end; one that doesn't is what the laws find."""
    until = time.monotonic() + _ORPHANS_END_WITHIN
    while processes_in(folder) and time.monotonic() < until:
        psutil.wait_procs(processes_in(folder), timeout=1)


def processes_in(folder: Path) -> list[psutil.Process]:
    """The processes that work in a folder."""
    return [
        process
        for process in psutil.process_iter(["cwd"])
        if (process.info["cwd"] or "").startswith(str(folder)) and process.status() != psutil.STATUS_ZOMBIE
    ]
