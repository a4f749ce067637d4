"""Plays a script: changes the source, runs the pipe with its faults, then without, and asks the laws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults import laws
from faults.destinations import DESTINATIONS
from faults.kinds import KINDS, Injected, Side
from faults.landscape import Landscape
from faults.pipes import BY_MELTANO, pipe_of
from faults.processes import KILLS, OF_SERVERS, TAP, Ended
from faults.scripts import Change, Run, Script
from ifs_bi_core.ledger.accounts import READS
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_sandbox.faults import Fault
from sqlalchemy import func, select

if TYPE_CHECKING:
    from postgres import Postgres


@dataclass
class Figures:
    """What was counted.

    Attributes:
        scripts: by destination.
        runs: all of them.
        injected: faults by kind.
        struck: those of them that came to happen.
        failed: runs that ended otherwise than well.
        recoveries: runs that ended well after one that had not.
        rows: that targets read.
    """

    scripts: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    injected: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    recoveries: int = 0
    rows: int = 0

    def add(self, other: Figures) -> None:
        """Count another one's too."""
        for counted in ("scripts", "injected", "struck"):
            getattr(self, counted).update(getattr(other, counted))
        for number in ("runs", "failed", "recoveries", "rows"):
            setattr(self, number, getattr(self, number) + getattr(other, number))


@dataclass
class Played:
    """A script that was played: its figures, and the sentences of the laws that were broken."""

    script: Script
    figures: Figures
    broken: list[str]


class Play:
    """A script in its landscape."""

    def __init__(self, landscape: Landscape) -> None:
        self.landscape = landscape
        self.script = landscape.script
        self.destination = DESTINATIONS[self.script.destination]
        self.figures = Figures(Counter({self.script.destination: 1}))
        self.broken: list[str] = []
        self._pipe = pipe_of(landscape, self.destination)
        self._said: list[tuple[str, bytes]] = []
        self._ended_well = True

    def play(self) -> Played:
        """Do what the script says; the first law that is broken ends it."""
        for step in self.script.steps:
            if isinstance(step, Change):
                self.landscape.source.change(step)
            else:
                self._suffer(step)
            if self.broken:
                return self._played()
        self._clean_up()
        return self._played()

    def _played(self) -> Played:
        with (
            closing(Ledger.open(self.landscape.ledger_url, self.landscape.state_dir)) as ledger,
            ledger.database.read() as connection,
        ):
            self.figures.rows = int(connection.execute(select(func.sum(READS.c.rows))).scalar() or 0)
        return Played(self.script, self.figures, self.broken)

    def _suffer(self, run: Run) -> None:
        """A run with its faults."""
        world, changing = self.landscape.world, self.landscape.changing
        on_the_wire = {fault: fault.on_the_wire for fault in run.faults if fault.on_the_wire}
        world.faults[:] = on_the_wire.values()
        world.requests.clear()
        changing.begin()
        for number, change in run.meanwhile:
            changing.before(number, partial(self.landscape.source.change, change))
        ended = self._run({fault.side: fault for fault in run.faults if fault.harm})
        left = list(world.faults)
        world.faults.clear()
        changing.begin()
        harmed = {fault for fault in run.faults if fault.harm and self._harmed(fault, ended)}
        struck = harmed | {fault for fault, wire in on_the_wire.items() if used(wire, left, list(world.requests))}
        self.figures.injected.update(fault.kind for fault in run.faults)
        self.figures.struck.update(fault.kind for fault in struck)
        killed = self._whom(fault for fault in harmed if fault.harm.act in KILLS)
        misled = self._whom(fault for fault in struck if KINDS[fault.kind].misleads)
        self._hold(laws.of_a_run(ended, killed, misled), f"run {self.figures.runs}")

    def _clean_up(self) -> None:
        """A run without a fault brings everything that is missing; one more finds nothing to do."""
        for number, law in enumerate((laws.destination_is_source, laws.nothing_was_to_do), 1):
            self.landscape.let_days_pass()
            self._hold(laws.of_a_clean_run(self._run({})), f"clean run {number}")
            if self.broken:  # why is said; the destination may not even be one
                return
            self._hold(law(self.landscape), f"after clean run {number}")
        self._hold(laws.of_a_script(self.landscape, self._said), "at the end")

    def _names(self, side: str) -> list[str]:
        """The commands that a fault on this side is about."""
        if self.script.by_meltano:
            return [BY_MELTANO]
        tap, target = TAP, self.destination.target
        return {"ifs": [tap], "token": [tap], "tap": [tap], "both": [tap, target]}.get(side, [target])

    def _whom(self, faults: Iterable[Injected]) -> frozenset[str]:
        """The commands to which these happened."""
        faults = list(faults)
        names = {name for fault in faults for name in self._names(fault.side)}
        if self.script.ledger == "postgresql" and any(fault.harm and fault.harm.act in OF_SERVERS for fault in faults):
            names |= set(self._names("both"))  # the server of the ledger is that of both
        return frozenset(names)

    def _harmed(self, fault: Injected, ended: Ended) -> bool:
        names = self._names(fault.side)
        if fault.harm.act == "file limit":  # the libraries below see it; that it ended badly is what shows
            return any(ended.codes[name] for name in names)
        return not ended.struck.isdisjoint(names)

    def _run(self, harmed: Mapping[Side, Injected]) -> Ended:
        ended = self._pipe.run(harmed)
        self.figures.runs += 1
        number = self.figures.runs
        self._said += [(f"what {name} said in run {number}", said.encode()) for name, said in ended.said.items()]
        self._said.append((f"the states of run {number}", ended.out))
        ended_well = not any(ended.codes.values())
        self.figures.failed += not ended_well
        self.figures.recoveries += ended_well and not self._ended_well
        self._ended_well = ended_well
        return ended

    def _hold(self, sentences: Any, when: str) -> None:
        self.broken += [f"{when}: {sentence}" for sentence in sentences]


def used(wire: Fault, left: list[Fault], requests: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a fault struck: it was counted down, or a request suffered one of its kind that has no count.

    Args:
        wire: the fault.
        left: what was not counted down to its end. One that is left stands for one of several that are alike, and is taken out.
        requests: of the run.
    """
    if wire.times is None:
        asked = (entry for entry in requests if (entry["service"], entry["fault"]) == (wire.service, wire.kind))
        return any(wire.status in {None, entry["status"]} for entry in asked)
    untouched = next((one for one in left if replace(one, skip=wire.skip) == wire), None)
    if untouched is not None:
        left.remove(untouched)
    return untouched is None


def play(script: Script, folder: Path, server: Postgres | None) -> Played:
    """Play a script in an empty folder."""
    with Landscape(folder, script, server) as landscape:
        return Play(landscape).play()
