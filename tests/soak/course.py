"""Virtual days on end: business, then the runs of the night, the work of a week's and of a month's end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ifs_bi_sandbox.data.changes import a_day_of_business, apply
from ifs_bi_sandbox.data.tables import connect
from ifs_bi_sandbox.servers import Sandbox
from postgres import Postgres
from soak.days import Day
from soak.footprint import Footprint
from soak.pipes import Kind, Pipe, Run, Verb

SECOND_SET_FROM = 0.75
"""The part of the way at which pipes of a second set begin: the same work in the same nights, without a history."""

NEWCOMER = "-newcomer"
"""What their names end with."""


@dataclass
class Records:
    """What was seen.

    Attributes:
        days: how many have passed.
        source_rows: at the source, at the end.
        runs: of all pipes.
        verbs: that were called.
        footprints: of each pipe, by the day's number.
    """

    days: int = 0
    source_rows: int = 0
    runs: list[Run] = field(default_factory=list)
    verbs: list[Verb] = field(default_factory=list)
    footprints: dict[str, dict[int, Footprint]] = field(default_factory=dict)


@dataclass
class Course:
    """The course of the days in one sandbox.

    Attributes:
        box: the sandbox, whose limits of requests are off.
        folder: where the pipes have their folders.
        postgres: the server of one of them.
        kinds: of pipes.
        trail_days: how long trails are kept.
        records: what was seen so far.
    """

    box: Sandbox
    folder: Path
    postgres: Postgres
    kinds: Sequence[Kind]
    trail_days: int
    records: Records = field(default_factory=Records)

    def __post_init__(self) -> None:
        self.box.world.switches.requests_per_minute = 0
        self.pipes = [self._pipe(kind) for kind in self.kinds]

    def go(self, part: Callable[[int], float]) -> Iterator[Day]:
        """Let days pass until the whole way is gone; gives each when its night is over.

        Args:
            part: of the way that is gone, after so many days.

        Raises:
            BrokenError: a run or a verb did not leave what it has to leave.
        """
        newcomers: list[Pipe] = []
        while (gone := part(self.records.days)) < 1:
            day = Day(self.records.days + 1)
            if gone >= SECOND_SET_FROM and not newcomers:
                newcomers = [self._pipe(kind, NEWCOMER) for kind in self.kinds]
            self._pass(day, newcomers)
            self.records.days = day.number
            yield day
        for pipe in self.pipes:
            self._audit(pipe, day)
        self.records.source_rows = _rows(self.box.world.database)

    def _pass(self, day: Day, newcomers: Sequence[Pipe]) -> None:
        """One day and its night; who of two alike goes first changes, since a machine is not equally fast all the time."""
        self._do_business(day)
        ahead = day.night.timestamp() - time.time()
        self.box.world.now = lambda: time.time() + ahead
        pipes = [*self.pipes, *newcomers] if day.number % 2 else [*newcomers, *self.pipes]
        for pipe in pipes:
            if not pipe.state or day.number % pipe.kind.every == 0:
                self._run(pipe, day)
        if day.ends_week:
            self._end_week(day)
        if day.ends_month:
            self._end_month(day)

    def _do_business(self, day: Day) -> None:
        """The same number of changes each day; once a week a line vanishes, which no timestamp tells."""
        database = self.box.world.database
        apply(database, {"action": "rename_supplier", "at": day.business, "seed": day.number})
        a_day_of_business(database, day.number)
        if day.ends_week:
            with closing(connect(database)) as connection:
                order, line = connection.execute(
                    'SELECT "OrderNo", min("LineNo") FROM purchase_order_line GROUP BY "OrderNo" LIMIT 1'
                ).fetchone()
                connection.execute(
                    'DELETE FROM purchase_order_line WHERE "OrderNo" = ? AND "LineNo" = ?', (order, line)
                )

    def _run(self, pipe: Pipe, day: Day) -> None:
        self.records.runs.append(pipe.run(day.number, day.night))

    def _end_week(self, day: Day) -> None:
        for pipe in self.pipes:
            self.records.footprints.setdefault(pipe.name, {})[day.number] = pipe.footprint()
            pipe.refresh_due = pipe.kind.refreshes

    def _end_month(self, day: Day) -> None:
        for pipe in self.pipes:
            self._audit(pipe, day)

    def _audit(self, pipe: Pipe, day: Day) -> None:
        """See that the destination is as the source once all keys were looked at, and do what is done once a month."""
        number, night = day.number, day.night
        self.records.runs.append(pipe.run(number, night, scan=True))
        pipe.compare(number)
        verbs = self.records.verbs
        verbs.append(pipe.verify(number, night))
        verbs.append(pipe.verb(number, night, "ledger prune", "--retain-trail-days", str(self.trail_days)))
        verbs.append(pipe.verb(number, night, "report", "--output", "report.html"))
        if pipe.kind.destination == "powerbi":
            verbs.append(pipe.verb(number, night, "powerbi compact", "--config", "target.json"))

    def _pipe(self, kind: Kind, suffix: str = "") -> Pipe:
        name = f"{kind.name}{suffix}"
        address = self.postgres.url(self.postgres.database()) if kind.destination == "postgresql" else None
        cpu = self.postgres.cpu_seconds if address else (lambda: 0.0)
        return Pipe(name, kind, self.box, self.folder / name, self.trail_days, address, cpu)


def _rows(database: Path) -> int:
    with closing(connect(database)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return sum(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names)
