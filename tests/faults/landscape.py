"""Everything a script plays in: a source that changes, the services as real servers on loopback, and a folder of runs."""

from __future__ import annotations

import itertools
import os
import random
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from faults.scripts import Change, Script
from ifs_bi_core.singer.record_files import FOLDER as RECORD_FILES
from ifs_bi_sandbox.fabric.onelake import OneLake, onelake_app
from ifs_bi_sandbox.ifs.app import ifs_app
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.powerbi.api import powerbi_app
from ifs_bi_sandbox.powerbi.token import login_app
from ifs_bi_sandbox.wire import Wire
from ifs_bi_sandbox.world import Switches
from pipeline.tenant import COMPANIES, PROJECTIONS, Tenant
from postgres import Postgres

IFS_SECRET = "ifs + s/cret%25 & \"qüote\" 'x' \\z?"
POWERBI_SECRET = 'pbi/s+cret & %2B "ö" ~\\n=#'
WORKSPACE = "Ein Raum"
ZONE = f"{WORKSPACE}/ERP.MountedRelationalDatabase/Files/LandingZone"
ODD = ("plain", 'ä"\\', "line\nbreak", "tab\there", "'; DROP TABLE dated; --", "𝄞 clef", "=1+1", "{{x}} %s", "ß" * 900)
"""Texts as people type them, and worse."""


class Source(Tenant):
    """A tenant whose texts are odd, and whose every change is a second younger than what was there before."""

    def __init__(self, folder: Path, switches: Switches, seed: int) -> None:
        super().__init__(folder, switches)
        dice = random.Random(seed)
        self._texts = (f"{number} {dice.choice(ODD)}" for number in itertools.count())
        self._lock = threading.Lock()

    def change(self, change: Change) -> None:
        """Make a change; one for which there is no row does nothing."""
        with self._lock:
            self.tick()
            getattr(self, change.action)(change.company, change.number)


class Recorded(dict[str, float]):
    """Tokens that are valid, and the memory of all that ever were."""

    def __init__(self, ever: set[str]) -> None:
        super().__init__()
        self._ever = ever

    def __setitem__(self, token: str, ends: float) -> None:
        self._ever.add(token)
        super().__setitem__(token, ends)


class Changing:
    """ASGI middleware that lets things happen before some of the requests for rows.

    Attributes:
        number: of the next such request.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._waiting: dict[int, list[Callable[[], object]]] = {}
        self.number = 0

    def begin(self) -> None:
        """Count from 0 again, and forget what did not happen."""
        with self._lock:
            self.number = 0
            self._waiting.clear()

    def before(self, number: int, act: Callable[[], object]) -> None:
        """Do that before the request of this number."""
        with self._lock:
            self._waiting.setdefault(number, []).append(act)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if "Set" in scope["path"]:
            with self._lock:
                due = self._waiting.pop(self.number, [])
                self.number += 1
            for act in due:
                act()
        await self._app(scope, receive, send)


class Landscape:
    """A source, the services, and the folder in which the commands run.

    Args:
        folder: an empty one, for everything.
        script: says what the source is like, and which destination there is.
        server: where a database is made, if the destination is one.

    Attributes:
        folder: of the runs.
        source: what is read.
        tokens: every token that a service gave.
    """

    def __init__(self, folder: Path, script: Script, server: Postgres | None) -> None:
        self.script = script
        self.server = server
        self.database = server.database() if server and script.destination == "postgresql" else None
        self.ledger_database = server.database() if server and script.ledger == "postgresql" else None
        self.folder = folder / "runs"
        self.folder.mkdir()
        lake = folder / "lake"
        (lake / ZONE).mkdir(parents=True)
        switches = Switches(
            requests_per_minute=0,
            powerbi_posts_per_minute=1_000_000,
            ifs_client_secret=IFS_SECRET,
            powerbi_client_secret=POWERBI_SECRET,
        )
        switches.update(script.switches)
        self.source = Source(folder, switches, script.seed)
        self.world = self.source.world
        self.tokens: set[str] = set()
        self.world.ifs_tokens, self.world.powerbi_tokens = Recorded(self.tokens), Recorded(self.tokens)
        self.world.requests = deque(maxlen=20_000)
        self.zone = lake / ZONE
        self.changing = Changing(ifs_app(self.world, PROJECTIONS))
        self._lake = OneLake(lake)
        self._open = ExitStack()
        for number, company in itertools.product(range(script.rows), COMPANIES):
            for action in ("put", "hold", *(["post"] if number % 2 else [])):
                getattr(self.source, action)(company, number)

    def __enter__(self) -> Self:
        world, revoked = self.world, self.world.powerbi_tokens.clear
        apps = {
            "ifs": Wire(self.changing, world, "ifs", parts={"/auth/": "token"}, revoke=world.ifs_tokens.clear),
            "login": Wire(login_app(world), world, "login"),
            "powerbi": Wire(powerbi_app(world), world, "powerbi", revoke=revoked),
            "onelake": Wire(onelake_app(world, self._lake), world, "onelake", revoke=revoked),
        }
        with ExitStack() as undo:
            listeners = {name: Listener(apps[name]) for name in ("ifs", *self.script.services)}
            for listener in listeners.values():
                undo.callback(listener.stop)
            for listener in listeners.values():
                undo.callback(listener.begin_to_stop)
                listener.start()
            self.urls = {name: listener.url for name, listener in listeners.items()}
            self._open = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        for name in filter(None, (self.database, self.ledger_database)):
            with self.server.admin() as admin:
                admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @property
    def tap_settings(self) -> dict[str, Any]:
        """The tap's configuration."""
        script = self.script
        return self.source.settings(self.urls["ifs"], self.state_dir, streams=list(script.streams), **script.tap)

    @property
    def ledger_url(self) -> str | None:
        """Where the ledger is; None: in its file."""
        return self.server.url(self.ledger_database) if self.ledger_database else None

    @property
    def state_dir(self) -> Path:
        """What the commands remember."""
        return self.folder / ".ifs-bi"

    def let_days_pass(self) -> None:
        """Make the files older by which records travel: what a killed tap left of them is removed by one that runs days later."""
        for path in (self.state_dir / RECORD_FILES).glob("*"):
            os.utime(path, (0, 0))

    @property
    def secrets(self) -> dict[str, str]:
        """What nobody may find in any byte, by what it is."""
        tokens = {f"token {number}": token for number, token in enumerate(sorted(self.tokens))}
        passwords = (
            {"password": self.server.password, "password in its URL": self.server.escaped} if self.server else {}
        )
        return {"IFS secret": IFS_SECRET, "Power BI secret": POWERBI_SECRET, **passwords, **tokens}
