"""Runs of the whole tap in this process against a server on loopback, on a clock that passes in no time."""

from __future__ import annotations

import io
import itertools
import json
import logging
from contextlib import redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ExitCode
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.process import exit_code
from ifs_bi_sandbox.virtual_clock import VirtualClock
from pipeline.tenant import COMPANIES, STREAMS, Arrived, Tenant
from singer_sdk.plugin_base import _ConfigInput
from tap_ifs_cloud.tap import TapIfsCloud

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ifs_bi_core.http.limits import Limiter
    from ifs_bi_sandbox.faults import Fault


class Pipe:
    """A tenant behind a server, a destination, and runs of the tap between them.

    Attributes:
        clock: of tap and server.
        sleep: how the tap waits before it asks again.
        limiter: instead of the tap's own.
        said: what the last run told.
    """

    def __init__(self, folder: Path, tenant: Tenant, address: str) -> None:
        self.tenant = tenant
        self.faults = tenant.world.faults
        self.arrived = Arrived()
        self.state_dir = folder / "state"
        self.clock = VirtualClock()
        tenant.world.now, tenant.world.waiting = self.clock.now, self.clock.waiting
        self.sleep: Callable[[float], None] = self.clock.sleep
        self.limiter: Limiter | None = None
        self.config = tenant.settings(address, self.state_dir, companies=list(COMPANIES[:2]), page_size=4)
        self.said: list[str] = []
        self._numbers = itertools.count()
        for company, number in itertools.product(COMPANIES, range(6)):
            tenant.put(company, number)
            tenant.hold(company, number)
            if number < 3:
                tenant.post(company, number)

    def change(self) -> None:
        """Some inserts, updates, deletes and moves in every company, so that a run has keys to look at and rows to fetch."""
        number = next(self._numbers)
        for company in COMPANIES:
            self.tenant.tick()
            self.tenant.put(company, number % 4)
            self.tenant.put(company, 4 + number % 5)
            self.tenant.remove(company, 4 + (number + 2) % 5)
            self.tenant.hold(company, 3 + number)
            self.tenant.post(company, 1 + number)
            self.tenant.cancel(company, 2 + number) if number % 2 else None

    def run(self, **settings: Any) -> int:
        """The exit code of one run from the last state."""

        limiter = self.limiter

        class Tap(TapIfsCloud):
            surroundings = Surroundings(clock=self.clock.now, sleep=self.sleep, chance=lambda: 0.5)

            def _limiter(self) -> Limiter:
                return limiter or super()._limiter()

        def command() -> ExitCode:
            state = io.StringIO(json.dumps(self.arrived.state))
            return Tap.invoke(config=_ConfigInput(config=self.config | settings), state=state)

        out, handler = io.StringIO(), logging.Handler()
        self.said = []
        handler.emit = lambda record: self.said.append(f"{record.levelname} {record.getMessage()}")
        logging.getLogger().addHandler(handler)
        try:
            with redirect_stdout(out):
                code = exit_code("tap-ifs-cloud", command, again="", unfinished="")
        finally:
            logging.getLogger().removeHandler(handler)
        for line in out.getvalue().split("\n")[:-1]:
            self.arrived.apply(json.loads(line))
        return code

    def suffer(self, *faults: Fault, **settings: Any) -> tuple[int, list[bool]]:
        """The exit code of a run in which these faults wait, and which of them struck."""
        self.change()
        self.faults[:] = faults
        self.tenant.world.requests.clear()
        code = self.run(**settings)
        left = list(self.faults)
        self.faults.clear()
        struck = [not any(replace(fault, skip=0) == replace(one, skip=0) for one in left) for fault in faults]
        statuses = [entry["status"] for entry in self.tenant.world.requests if entry["fault"]]
        kinds = {entry["fault"] for entry in self.tenant.world.requests if entry["fault"]}
        return code, [
            once or (fault.status in statuses if fault.kind == "status" else fault.kind in kinds)
            for fault, once in zip(faults, struck, strict=True)
        ]

    def errors(self) -> str:
        return "\n".join(sentence for sentence in self.said if sentence.startswith(("ERROR", "CRITICAL")))

    def assert_is_equal(self, streams: Sequence[str] = STREAMS) -> None:
        arrived, source = (one.shown(COMPANIES[:2]) for one in (self.arrived, self.tenant))
        for stream in streams:
            assert arrived[stream] == source[stream], stream

    def assert_next_run_brings_everything(self, streams: Sequence[str] = STREAMS) -> None:
        assert self.run(streams=list(streams)) == ExitCode.DONE, self.said
        self.assert_is_equal(streams)
