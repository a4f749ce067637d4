"""A real Looker stand-in on a port, a DuckDB warehouse that it looks at, and a pipe into the target."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.ledger.notifications import pending
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_sandbox.faults import Fault
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.looker.app import looker_app
from ifs_bi_sandbox.looker.instance import Instance
from ifs_bi_sandbox.wire import Wire
from ifs_bi_sandbox.world import Switches, World
from target_looker_warehouse.looker.settings import LookerSettings, read_looker
from target_looker_warehouse.target import TargetLookerWarehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ifs_bi_core.errors import ExitCode

PROPERTIES = {"id": {"type": "integer"}, "amount": {"type": ["number", "null"]}}


def schema(stream: str = "orders") -> str:
    definition = {"type": "object", "properties": PROPERTIES}
    return json.dumps({"type": "SCHEMA", "stream": stream, "schema": definition, "key_properties": ["id"]})


def row(number: int, stream: str = "orders") -> str:
    return json.dumps({"type": "RECORD", "stream": stream, "record": {"id": number, "amount": 1}})


STATE = json.dumps({"type": "STATE", "value": {"bookmark": 1}})


class LookerServer:
    """The server, for all tests."""

    def __init__(self) -> None:
        self.world = World(Path("unused"))
        self.listener = Listener(Wire(looker_app(self.world), self.world, "looker", revoke=self.revoke))
        self.url = self.listener.url

    def revoke(self) -> None:
        self.world.looker_tokens.clear()

    def fresh(self) -> None:
        """As if it had just been made."""
        self.world.now = time.time
        self.world.waiting = asyncio.sleep
        self.world.switches, self.world.looker = Switches(), Instance()
        self.world.looker_tokens.clear()
        self.world.faults.clear()
        self.world.requests.clear()


class LookerBox:
    """A server in its first state, a folder, and what the target is told."""

    def __init__(self, server: LookerServer, folder: Path) -> None:
        server.fresh()
        self.world = server.world
        self.url = server.url
        self.state_dir = folder / "state"
        self.file = folder / "warehouse.duckdb"
        self.world.switches.looker_warehouse = str(self.file)
        self.waits: list[float] = []
        self.out = ""
        self.skew = 0.0
        self.looker: dict[str, Any] = {
            "base_url": server.url,
            "client_id": self.world.switches.looker_client_id,
            "client_secret": self.world.switches.looker_client_secret,
            "connection": "warehouse",
            "datagroups": ["ifs_cloud.purchasing_loads"],
        }

    @property
    def surroundings(self) -> Surroundings:
        return Surroundings(lambda: time.time() + self.skew + sum(self.waits), self.waits.append, lambda: 0.5)

    def settings(self, **changes: Any) -> LookerSettings:
        found = read_looker({"looker": self.looker | changes})
        assert found is not None
        return found

    def config(self, **changes: Any) -> dict[str, Any]:
        looker = {name: value for name, value in (self.looker | changes).items() if value is not None}
        return {
            "warehouse_url": f"duckdb:///{self.file}",
            "state_dir": str(self.state_dir),
            "looker": looker,
            "views": False,
        }

    def feed(self, *lines: str, target: dict[str, Any] | None = None, **changes: Any) -> ExitCode:
        """Run the target over the lines; ``changes`` are of the setting `looker`, ``target`` of the others."""
        self.world.looker.calls.clear()
        self.world.requests.clear()
        kind = type("TargetInTest", (TargetLookerWarehouse,), {"surroundings": self.surroundings})
        running = kind(config=self.config(**changes) | (target or {}))
        out = io.StringIO()
        try:
            with contextlib.redirect_stdout(out), running.account.closing(running.exit_code):
                running.listen(io.BytesIO("".join(line + "\n" for line in lines).encode()))
            return running.exit_code()
        finally:
            self.out = out.getvalue()
            running.close()

    def process(self, **changes: Any) -> subprocess.Popen[str]:
        """The command itself, waiting for lines; it sees the settings as they are, `looker` with ``changes``."""
        path = self.file.with_name("config.json")
        path.write_text(json.dumps(self.config(**changes)))
        command = [Path(sys.executable).parent / "target-looker-warehouse", "--config", path]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def calls(self) -> list[str]:
        """What Looker answered since the last feeding began, but logins and refused tokens."""
        told = (call for call in self.world.looker.calls if call.operation != "login" and call.status != 401)
        return [f"{call.operation} {call.about}".strip() for call in told]

    def logins(self) -> int:
        return sum(call.operation == "login" for call in self.world.looker.calls)

    def fault(self, kind: str, *, method: str | None = None, path: str | None = None, **how: Any) -> None:
        self.world.faults.append(Fault("looker", kind, method=method, path=path, **how))

    def pending(self) -> list[str]:
        """What the ledger has for this Looker that it wasn't told."""
        with closing(Ledger.open(None, self.state_dir)) as ledger:
            return [one.item for one in pending(ledger, f"looker {self.url}")]

    def triggered(self, number: str = "7") -> int | None:
        return self.world.looker.datagroups[number].triggered_at


@pytest.fixture(scope="session")
def looker_server() -> Iterator[LookerServer]:
    started = LookerServer()
    started.listener.start()
    yield started
    started.listener.stop()


@pytest.fixture
def looker(looker_server: LookerServer, tmp_path: Path) -> LookerBox:
    return LookerBox(looker_server, tmp_path)
