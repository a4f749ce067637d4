"""Scripts: what happens to a pipe and to its source, drawn from a seed. Pure: the same seed is the same script."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from faults.kinds import DATASETS, KINDS, PATIENCE_SECONDS, Injected, Kind, Side
from pipeline.tenant import COMPANIES, STREAMS

Action = Literal["put", "remove", "hold", "post", "cancel"]
ACTIONS: tuple[Action, ...] = ("put", "put", "put", "remove", "remove", "hold", "hold", "post", "cancel")
NUMBERS = 14
"""Rows of a company have numbers below this one, so that many are met again."""
DESTINATIONS = (
    "duckdb",
    "duckdb",
    "postgresql",
    "postgresql",
    "mirror",
    "mirror",
    "signed",
    "append",
    "folder",
    "onelake",
)
"""Each as often as scripts are to draw it."""
MELTANO_DESTINATIONS = ("duckdb", "mirror")
BY_MELTANO = 1 / 40
"""How many scripts are Meltano's: it takes ten times as long as a shell."""
FILES = 5 / 6
"""How many ledgers are files; the others are databases, which are cut off and restarted."""
WAREHOUSES = frozenset({"duckdb", "postgresql"})
SIDES = frozenset({"ifs", "token", "login", "powerbi", "onelake", "tap", "target", "both"})
WEIGHTS = {"ifs": 3, "powerbi": 4, "onelake": 4, "postgresql": 2, "tap": 2, "target": 2}
"""How often what a kind's name begins with is drawn, where that is more than once."""
PROCESSES: dict[Side, set[Side]] = {
    "tap": {"tap", "both"},
    "target": {"target", "both"},
    "both": {"tap", "target", "both"},
    "meltano": {"meltano"},
}
"""By side, those of whose faults a run has no other beside this one: one thing happens to a process."""
VERSIONED = ("dated", "versioned", "journal_entries")
"""Streams whose rows carry versions; where versions are appended, nobody could tell what is gone of the others."""


@dataclass(frozen=True)
class Change:
    """A change of the source: a method of `pipeline.tenant.Tenant`, and the row that it is about."""

    action: Action
    company: str
    number: int


@dataclass(frozen=True)
class Run:
    """A run of the pipe.

    Attributes:
        faults: what goes wrong in it.
        meanwhile: changes of the source before the request for rows of that number.
    """

    faults: tuple[Injected, ...]
    meanwhile: tuple[tuple[int, Change], ...] = ()


@dataclass(frozen=True)
class Script:
    """What is played.

    Attributes:
        destination: its name in `faults.destinations.DESTINATIONS`.
        rows: of each company and table at the beginning.
        streams: those that are read.
        tap: its settings, as far as they differ from run to run of the driver.
        target: the same.
        switches: how the services behave (`ifs_bi_sandbox.world.Switches`).
        steps: one after the other.
        by_meltano: whether it is Meltano that runs the plugins, and is killed; a shell otherwise.
        ledger: where it is.
    """

    seed: int
    destination: str
    rows: int
    streams: tuple[str, ...]
    tap: dict[str, Any]
    target: dict[str, Any]
    switches: dict[str, Any]
    steps: tuple[Change | Run, ...]
    by_meltano: bool = False
    ledger: Literal["file", "postgresql"] = "file"

    @property
    def services(self) -> tuple[str, ...]:
        """What the target asks."""
        if self.destination == "onelake":
            return ("login", "onelake")
        return ("login", "powerbi") if self.destination in DATASETS else ()

    @property
    def runs(self) -> list[Run]:
        """The runs in which something goes wrong."""
        return [step for step in self.steps if isinstance(step, Run)]

    def __str__(self) -> str:
        way = " by Meltano" if self.by_meltano else ""
        head = (
            f"seed {self.seed}: {', '.join(self.streams)} into {self.destination}{way}, {self.rows} rows each at first"
        )
        settings = f"  tap {self.tap}, target {self.target}, services {self.switches}, ledger in {self.ledger}"
        return "\n".join([head, settings, *(f"  {_told(step)}" for step in self.steps)])


def _told(step: Change | Run) -> str:
    if isinstance(step, Change):
        return f"{step.action} {step.number} of company {step.company}"
    faults = [f"{fault.kind} at {fault.at}, {fault.times or 'any number of'} times" for fault in step.faults]
    changes = [f"before request {number} {_told(change)}" for number, change in step.meanwhile]
    return f"run: {'; '.join([*faults, *changes]) or 'nothing goes wrong'}"


def script_of(seed: int) -> Script:
    """The script of a seed."""
    dice = random.Random(seed)
    by_meltano = dice.random() < BY_MELTANO
    destination = dice.choice(MELTANO_DESTINATIONS if by_meltano else DESTINATIONS)
    possible = VERSIONED if destination == "append" else STREAMS
    streams = tuple(sorted(dice.sample(possible, dice.randint(1, len(possible)))))
    ledger: Literal["file", "postgresql"] = "file" if by_meltano or dice.random() < FILES else "postgresql"
    sides = {"meltano"} if by_meltano else SIDES
    places = {destination, "ledger" if ledger == "postgresql" else ""}
    # A dataset has the tables of its first run for good: one that is cut short may leave out some.
    steps: list[Change | Run] = [Run(())] if destination in DATASETS and len(streams) > 1 else []
    for _ in range(1 if by_meltano else dice.randint(2, 4)):
        steps.extend(_change(dice) for _ in range(dice.choice((0, 3, 8))))
        steps.append(_run(dice, sides, places))
    kinds = {fault.kind for step in steps if isinstance(step, Run) for fault in step.faults}
    tap = _tap_settings(dice, patient="ifs: slow" not in kinds)
    target = _target_settings(dice, destination, streams)
    switches: dict[str, Any] = {"paging": dice.choice(("client", "client", "next_absolute", "next_relative"))}
    if dice.random() < 1 / 5:
        switches |= {"expires_in": 2, "powerbi_expires_in": 2}
    rows = dice.choice((0, 2, 5))
    return Script(seed, destination, rows, streams, tap, target, switches, tuple(steps), by_meltano, ledger)


def _tap_settings(dice: random.Random, *, patient: bool) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "page_size": dice.choice((2, 3, 7, 100)),
        "concurrency": dice.choice((1, 1, 2, 4)),
        "delete_detection": dice.choice(("key_scan", "key_scan", "history_log")),
        "paging": dice.choice(("auto", "auto", "keyset", "skip")),
    }
    if dice.random() < 1 / 2:
        settings["companies"] = list(COMPANIES)
    if dice.random() < 1 / 4:
        encoding = {"format": "jsonl", "compression": dice.choice(("none", "gzip"))}
        settings["batch_config"] = {"encoding": encoding, "batch_size": dice.choice((2, 5, 100))}
    return settings if patient else settings | {"request_timeout_seconds": PATIENCE_SECONDS}


def _target_settings(dice: random.Random, destination: str, streams: tuple[str, ...]) -> dict[str, Any]:
    settings: dict[str, Any] = {"batch_size_rows": dice.choice((2, 5, 20, 1000))}
    if destination in WAREHOUSES and streams == ("entire",):
        settings["load_method"] = "overwrite"
    elif destination in WAREHOUSES and dice.random() < 1 / 3:
        settings["hard_delete"] = True
    return settings


def _change(dice: random.Random) -> Change:
    return Change(dice.choice(ACTIONS), dice.choice(COMPANIES), dice.randrange(NUMBERS))


def _run(dice: random.Random, sides: Collection[str], places: Collection[str]) -> Run:
    possible: dict[str, dict[str, Kind]] = {}
    for name, kind in KINDS.items():
        if kind.side in sides and (not kind.destinations or not kind.destinations.isdisjoint(places)):
            possible.setdefault(name.partition(":")[0], {})[name] = kind
    faults: list[Injected] = []
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3))):
        (begins,) = dice.choices(list(possible), [WEIGHTS.get(begins, 1) for begins in possible])
        name = dice.choice(list(possible[begins]))
        kind = KINDS[name]
        taken = {fault.side for fault in faults}
        if kind.act and taken & PROCESSES[kind.side]:
            continue  # one thing happens to a process
        at = int(dice.choice((kind.reach ** dice.random(), 1 + kind.reach * dice.random()))) - 1  # early ones rather
        faults.append(Injected(name, at, dice.choice(kind.often)))
    meanwhile = ((int(30 ** dice.random()) - 1, _change(dice)) for _ in range(dice.choice((0, 0, 1, 4))))
    return Run(tuple(faults), tuple(sorted(meanwhile, key=lambda due: due[0])))
