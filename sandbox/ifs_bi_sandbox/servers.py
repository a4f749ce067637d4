"""The sandbox as a whole: one world, five servers, and the settings that lead a pipeline to them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ifs_bi_sandbox.control import control_app
from ifs_bi_sandbox.data import clock
from ifs_bi_sandbox.data.generate import generate
from ifs_bi_sandbox.data.projections import TENANT
from ifs_bi_sandbox.data.tables import MODIFIED
from ifs_bi_sandbox.ifs.app import ifs_app
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.looker.app import looker_app
from ifs_bi_sandbox.powerbi.api import powerbi_app
from ifs_bi_sandbox.powerbi.token import login_app
from ifs_bi_sandbox.wire import Wire
from ifs_bi_sandbox.world import Switches, World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ifs_bi_sandbox.wire import App

SERVERS = {
    "ifs": "IFS Cloud with its token endpoint",
    "login": "Microsoft's token service",
    "powerbi": "Power BI",
    "looker": "Looker",
    "control": "control endpoint",
}
"""The servers by name, and what each stands for."""

TODAY = date(2026, 11, 20)  # the business day the data is made for: fixed, so that a seed always gives the same books


class Sandbox:
    """The five servers in this process, on threads of their own, while the ``with`` block runs.

    Args:
        scale: About how many rows the generated group has.
        seed: Of the generated data; the same seed gives the same rows.
        today: The business day that the data is made for.
        database: The SQLite file. One that exists is used as it is; one that doesn't is generated there and stays;
            None: a temporary one, gone at the end.
        switches: How the services behave.
        host: The address to listen on.
        ports: Port by server's name (see ``SERVERS``); 0 or nothing: a free one.
    """

    world: World
    ifs_url: str
    login_url: str
    powerbi_url: str
    looker_url: str
    control_url: str

    def __init__(
        self,
        *,
        scale: int = 2000,
        seed: int = 1,
        today: date = TODAY,
        database: Path | None = None,
        switches: Switches | None = None,
        host: str = "127.0.0.1",
        ports: Mapping[str, int] | None = None,
    ) -> None:
        self.scale = scale
        self.seed = seed
        self.today = today
        self.database = database
        self.switches = switches or Switches()
        self.host = host
        self.ports = ports or {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Make the data if there is none, and start the servers: all of them answer when this returns."""
        with ExitStack() as undo:
            self.world = World(self._data(undo), self.switches)
            urls = {}
            listeners = []
            for name, app in _apps(self.world).items():
                listener = Listener(app, self.host, self.ports.get(name, 0))
                undo.callback(listener.stop)
                listeners.append(listener)
                urls[name] = listener.url
            for listener in listeners:
                undo.callback(listener.begin_to_stop)  # runs before the stops above: all end at the same time
                listener.start()
            self.ifs_url, self.login_url, self.powerbi_url = urls["ifs"], urls["login"], urls["powerbi"]
            self.looker_url, self.control_url = urls["looker"], urls["control"]
            self._open = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the servers: no thread and no temporary file of theirs is left."""
        self._open.close()

    @property
    def addresses(self) -> dict[str, str]:
        """Address by server's name."""
        return {name: getattr(self, f"{name}_url") for name in SERVERS}

    def environment(self) -> dict[str, str]:
        """What a pipeline's ``.env`` needs to reach this sandbox."""
        switches = self.world.switches
        return {
            "IFS_BASE_URL": self.ifs_url,
            "IFS_REALM": switches.realm,
            "IFS_CLIENT_ID": switches.ifs_client_id,
            "IFS_CLIENT_SECRET": switches.ifs_client_secret,
            "POWERBI_TENANT_ID": switches.tenant_id,
            "POWERBI_CLIENT_ID": switches.powerbi_client_id,
            "POWERBI_CLIENT_SECRET": switches.powerbi_client_secret,
            "POWERBI_WORKSPACE_ID": switches.workspace_id,
            "POWERBI_DATASET_NAME": "IFS Cloud (sandbox)",
            "POWERBI_AUTHORITY_HOST": self.login_url,
            "POWERBI_API_URL": self.powerbi_url,
            "WAREHOUSE_URL": "duckdb:///warehouse.duckdb",
            "LOOKER_BASE_URL": self.looker_url,
            "LOOKER_CLIENT_ID": switches.looker_client_id,
            "LOOKER_CLIENT_SECRET": switches.looker_client_secret,
            "SANDBOX_CONTROL_URL": self.control_url,
        }

    def _data(self, undo: ExitStack) -> Path:
        if self.database is None:
            folder = undo.enter_context(tempfile.TemporaryDirectory(prefix="ifs-bi-sandbox-"))
            database = Path(folder) / "group.sqlite"
        else:
            database = self.database
        if not database.exists():
            generate(database, scale=self.scale, seed=self.seed, today=self.today)
        return database


def _apps(world: World) -> dict[str, App]:
    """The servers' applications behind their wires; the control endpoint has none, so it always works."""
    ifs = ifs_app(world, TENANT, modified=MODIFIED, clock=clock.tick)
    return {
        "ifs": Wire(ifs, world, "ifs", parts={"/auth/": "token"}, revoke=world.ifs_tokens.clear),
        "login": Wire(login_app(world), world, "login"),
        "powerbi": Wire(powerbi_app(world), world, "powerbi", revoke=world.powerbi_tokens.clear),
        "looker": Wire(looker_app(world), world, "looker", revoke=world.looker_tokens.clear),
        "control": control_app(world),
    }
