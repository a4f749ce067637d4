"""Pipes from the sandbox into each kind of destination, run night after night, and what every run has to leave behind."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_sandbox.servers import Sandbox
from pipeline.commands import Pipeline
from pipeline.destinations import Warehouse
from pipeline.source import source_rows, warehouse_rows
from soak.commands import Ended, Spent, run_at
from soak.footprint import Footprint, date_files, footprint
from soak.pace import pace
from tap_ifs_cloud.reading import DELIVERED

CHANGES = ("purchase_orders", "purchase_order_lines", "gl_voucher_rows")
"""Streams of which a night reads what has changed."""
SCANS = ("suppliers", "customer_orders", "customer_order_lines", "supplier_invoices", "vouchers", "payments")
"""Streams of which every night reads keys and versions of all rows."""
REFRESHED = "purchase_orders"
"""The stream that is read from its beginning at the end of each week."""

_SCAN_HOURS = 166  # a little less than a week: the night of the same weekday is never a second too early


class BrokenError(AssertionError):
    """A run did not leave what it has to leave."""


@dataclass(frozen=True)
class Kind:
    """A kind of pipe: where it leads, what it carries, and in which nights it runs.

    Attributes:
        name: of the kind.
        destination: duckdb, postgresql or powerbi.
        streams: what it reads.
        every: from one night of its runs to the next.
        refreshes: whether one of its streams is read from its beginning once a week.
    """

    name: str
    destination: str
    streams: tuple[str, ...]
    every: int = 1
    refreshes: bool = False

    @property
    def target(self) -> str:
        """The command that loads."""
        return "target-powerbi" if self.destination == "powerbi" else "target-looker-warehouse"


KINDS = {
    kind.name: kind
    for kind in (
        Kind("duckdb", "duckdb", CHANGES, refreshes=True),
        Kind("postgresql", "postgresql", CHANGES),
        Kind("scans", "duckdb", SCANS, every=2),
        Kind("powerbi", "powerbi", CHANGES, every=3),
    )
}


@dataclass(frozen=True)
class Run:
    """One run of a pipe.

    Attributes:
        pipe: its name.
        day: number of the day before it.
        kind: first, nightly, scan (all keys were looked at) or refresh (a stream was read from its beginning).
        rows: that the target read.
        looked_at: rows of the pages that the tap read.
        seconds: from its start to its end.
        tap: what the tap took.
        target: the same of the target.
        server_cpu: seconds that the server of the destination took, where it is a process of its own.
        pace: seconds that a fixed piece of work took just then.
    """

    pipe: str
    day: int
    kind: str
    rows: int
    looked_at: int
    seconds: float
    tap: Spent
    target: Spent
    server_cpu: float
    pace: float

    @property
    def cpu(self) -> float:
        """Seconds of all processes."""
        return self.tap.cpu + self.target.cpu + self.server_cpu

    @property
    def peak_mb(self) -> float:
        """The larger peak."""
        return max(self.tap.peak_mb, self.target.peak_mb)


@dataclass(frozen=True)
class Verb:
    """One call of an `ifs-bi` verb.

    Attributes:
        pipe: its name.
        day: number of the day before it.
        name: of the verb.
        spent: what it took.
    """

    pipe: str
    day: int
    name: str
    spent: Spent


@dataclass
class Pipe:
    """A pipe with its folder, its settings and its last state.

    Attributes:
        name: of the pipe.
        kind: what it is.
        box: the sandbox.
        folder: where its commands run.
        trail_days: how long the trails of delivered rows are kept.
        postgresql: the address of a database, for the kind that leads there.
        server_cpu: the seconds that the database's server has taken.
        refresh_due: whether the next run begins one stream anew.
    """

    name: str
    kind: Kind
    box: Sandbox
    folder: Path
    trail_days: int
    postgresql: str | None = None
    server_cpu: Callable[[], float] = lambda: 0.0
    refresh_due: bool = False
    state: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.pipeline = Pipeline(self.box, self.folder)
        streams = {"streams": list(self.kind.streams), "requests_per_minute": 1_000_000}
        self._tap = self.pipeline.tap_settings | streams | {"delete_scan_hours": _SCAN_HOURS}
        kept = {"retain_trail_days": self.trail_days}
        address = {"warehouse_url": self.postgresql} if self.postgresql else {}
        dataset = {"dataset_name": self.name, "write_mode": "signed"}
        target = (
            self.pipeline.powerbi_settings | dataset
            if self.kind.destination == "powerbi"
            else self.pipeline.warehouse_settings | address
        )
        self._write("target.json", target | kept)

    def run(self, day: int, moment: datetime, *, scan: bool = False) -> Run:
        """Run the pipe at a moment, and look at all keys if that is wanted, though it is not due.

        Raises:
            BrokenError: it did not end well, or its account does not balance.
        """
        before = self._scanned()
        state = self._begun_anew() if self.refresh_due else self.state
        how = "refresh" if self.refresh_due else "nightly" if self.state else "first"
        self._write("state.json", state)
        self._write("tap.json", self._tap | ({"delete_scan_hours": 0} if scan else {}))
        tap = ("tap-ifs-cloud", "--config", "tap.json", "--state", "state.json")
        speed = pace()
        server, start = self.server_cpu(), time.monotonic()
        with self._dated(moment):
            ended = run_at(moment, self.folder, tap, (self.kind.target, "--config", "target.json"))
        seconds = time.monotonic() - start
        self._expect_well(day, "run", *ended)
        self.state, self.refresh_due = json.loads(ended[-1].out.splitlines()[-1]), False
        if how == "nightly" and (scan or self._scanned() != before):
            how = "scan"
        rows, looked_at = self._accounted(day)
        spent = [command.spent for command in ended]
        taken = self.server_cpu() - server
        return Run(self.name, day, how, rows, looked_at, seconds, *spent, server_cpu=taken, pace=speed)

    def verb(self, day: int, moment: datetime, name: str, *arguments: str) -> Verb:
        """Call a verb of `ifs-bi`, which has to end well.

        Raises:
            BrokenError: it does not.
        """
        with self._dated(moment):
            (ended,) = run_at(moment, self.folder, ("ifs-bi", *name.split(), *arguments))
        self._expect_well(day, f"ifs-bi {name}", ended)
        return Verb(self.name, day, name, ended.spent)

    def verify(self, day: int, moment: datetime) -> Verb:
        """Compare the destination with IFS Cloud by the verb that users have."""
        files = ("--config", "target.json", "--source", "tap.json")
        if self.kind.destination == "powerbi":
            return self.verb(day, moment, "powerbi verify", *files)
        return self.verb(day, moment, "verify", "--keys", *files)

    def compare(self, day: int) -> None:
        """Compare every value of the source with the destination, where that is a file of DuckDB.

        Raises:
            BrokenError: they differ.
        """
        if self.kind.destination != "duckdb":
            return  # `verify` has compared keys, versions and sums
        for stream in self.kind.streams:
            if warehouse_rows(self.pipeline.warehouse, stream) != source_rows(self.box.world.database, stream):
                raise BrokenError(f"Day {day}: {stream} of {self.name} is not what the source has.")

    def footprint(self) -> Footprint:
        """What lies there now."""
        loads = 0
        if self.kind.destination != "powerbi":
            url = self.postgresql or f"duckdb:///{self.pipeline.warehouse}"
            loads = Warehouse(self.folder, url, run_at).query("SELECT count(*) FROM _ifs_loads")[0][0]
        return footprint(self.pipeline.state_dir, loads)

    def _accounted(self, day: int) -> tuple[int, int]:
        """The rows that the last run's target read, and those that its tap looked at; all of them have to be accounted for."""
        with closing(Ledger.open(None, self.pipeline.state_dir, create=False)) as ledger:
            (last,) = history.runs(ledger, limit=1)
            found = history.balance(ledger, last.run)
        if not (found.complete and found.holds):
            raise BrokenError(f"Day {day}: run {last.run} of {self.name} does not balance: {found}.")
        return sum(line.read for line in found.streams), sum(found.pulled.values())

    def _scanned(self) -> list[Any]:
        """When all keys of each stream were last looked at."""
        bookmarks = self.state.get("bookmarks", {}).values()
        return [bookmark.get(DELIVERED, {}).get("scanned") for bookmark in bookmarks]

    def _begun_anew(self) -> dict[str, Any]:
        kept = {stream: mark for stream, mark in self.state["bookmarks"].items() if stream != REFRESHED}
        return {**self.state, "bookmarks": kept}

    @contextmanager
    def _dated(self, moment: datetime) -> Iterator[None]:
        since = time.time()
        yield
        date_files(self.pipeline.state_dir, since, moment.timestamp() - since)

    def _expect_well(self, day: int, what: str, *ended: Ended) -> None:
        if any(command.code for command in ended):
            codes = ", ".join(str(command.code) for command in ended)
            said = "\n".join(command.err for command in ended) + ended[-1].out.decode()[-2000:]
            raise BrokenError(f"Day {day}: {what} of {self.name} ended with {codes}:\n{said}")

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        (self.folder / name).write_text(json.dumps(content))
