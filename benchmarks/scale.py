"""From 1 to 1,000 companies: how long a night, the end of a month and a first load take, with how many runs on how many machines.

`python benchmarks/scale.py` prints the tables of `docs/scale.md`, and with other costs `python benchmarks/scale.py tap=12
latency=0.5`. `--page docs/scale.md` writes them into the page, each in the place of the table with the same head.
"""

from __future__ import annotations

import argparse
import re
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fleet import COSTS, STREAMS, WINDOW, Fleet, Request, bounds, dealt, simulated, units

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COMPANIES = (1, 10, 100, 1000)

WORK = {
    "night, all companies at once": ("night", False),
    "night, one by one": ("night", True),
    "month end, one by one": ("month_end", True),
    "first load": ("first", True),
}
"""What a run may have to do, and whether companies are read one by one."""

FLEETS = (
    Fleet(),
    Fleet(concurrency=16),
    Fleet(runs=2, concurrency=8),
    Fleet(runs=4, cores=8, concurrency=8),
    Fleet(runs=8, cores=8, concurrency=8),
    Fleet(machines=2, runs=8, cores=8, concurrency=8),
    Fleet(machines=4, runs=8, cores=8, concurrency=8),
)

PARALLEL = {
    "night, 1,000 at once": (1000, "night", False),
    "night, 1,000 one by one": (1000, "night", True),
    "month end, 100 one by one": (100, "month_end", True),
    "first load, 100": (100, "first", True),
}
"""How many companies, what, and whether one by one."""

TAPS = (COSTS["tap"].value, 12.0, 5.0)

TAP_FLEETS = {
    "1 run, 2 cores": Fleet(concurrency=16),
    "2 runs, 2 cores": Fleet(1, 2, 2, 16),
    "4 runs, 8 cores": Fleet(1, 4, 8, 16),
}

MEASURED = {(129, 1, 1_000_000): 42.4, (165, 8, 1_000_000): 6.8, (162, 8, 100): 64.8, (91, 8, 40): 122.8}
"""Seconds by requests, concurrency and requests a minute: nine uneven sets at 300 ms a request, November 2026."""


def costs_table() -> str:
    """The inputs."""
    rows = [(f"`{name}`", f"{cost.value:g}", cost.unit, cost.source) for name, cost in COSTS.items()]
    return _table(("name", "value", "unit", "from"), rows)


def streams_table() -> str:
    """What a tenant is taken to be."""
    rows = [
        (
            each.name,
            f"{each.sets}",
            f"{each.rows:,}" + ("" if each.by_company else " of all companies"),
            "timestamp" if each.by_time else "row version",
            f"{each.night:.2%}",
            f"{each.month_end:.2%}",
        )
        for each in STREAMS
    ]
    return _table(
        ("streams", "how many", "rows of the first company in each", "changes by", "a night", "month end"), rows
    )


def requests_table(cost: Mapping[str, float]) -> str:
    """How many requests, and the minutes that the limit lets them take at least."""
    rows = []
    for companies in COMPANIES:
        cells = []
        for what, one_by_one in WORK.values():
            asked = sum(map(len, _units(companies, what, one_by_one, tuple(cost.items()))))
            cells.append(f"{asked:,} ({max(0.0, (asked - cost['limit']) / cost['limit']) * WINDOW / 60:.0f} min)")
        rows.append((f"{companies:,}", f"{_rows(companies) / 1e6:.0f}", *cells))
    return _table(("companies", "million rows", *WORK), rows)


def times_table(cost: Mapping[str, float]) -> str:
    """One run on one machine of two cores."""
    rows = [
        (f"{companies:,}", *(_told(companies, *work, Fleet(), cost) for work in WORK.values()))
        for companies in COMPANIES
    ]
    return _table(("companies", *WORK), rows)


def fleets_table(cost: Mapping[str, float]) -> str:
    """More runs, more machines."""
    rows = [
        (
            f"{fleet.machines} of {fleet.cores}",
            f"{fleet.machines * fleet.runs}",
            f"{fleet.concurrency}",
            f"{int(cost['limit'] / fleet.machines):,}",
            *(_told(companies, what, one_by_one, fleet, cost) for companies, what, one_by_one in PARALLEL.values()),
        )
        for fleet in FLEETS
    ]
    return _table(("machines of cores", "runs", "`concurrency`", "requests a minute of each", *PARALLEL), rows)


def taps_table(cost: Mapping[str, float]) -> str:
    """What a tap that costs less changes."""
    rows = []
    for tap in TAPS:
        costs = {**cost, "tap": tap}
        work = (100, "first", True)
        rows.append((f"{tap:g}", *(_told(*work, fleet, costs) for fleet in TAP_FLEETS.values())))
    return _table(("tap, CPU s a million rows", *TAP_FLEETS), rows)


def measured_table() -> str:
    """The simulation beside runs that were measured against a server of known latency."""
    rows = []
    for (asked, concurrency, limit), seconds in MEASURED.items():
        cost = {name: each.value for name, each in COSTS.items()} | {"latency": 0.3, "limit": limit, "rows": 0}
        # the seconds between the first question and the last answer: neither start nor target
        cost |= {"start": 0, "target_start": 0}
        told = simulated([[Request.of(0, 0, cost)] * asked], Fleet(concurrency=concurrency), cost)
        rows.append((f"{asked}", f"{concurrency}", f"{limit:,}", f"{seconds:.1f}", f"{told:.1f}"))
    return _table(("requests", "`concurrency`", "`requests_per_minute`", "measured, s", "simulated, s"), rows)


def _rows(companies: int) -> float:
    share = sum(1 / number for number in range(1, companies + 1))
    return sum(each.sets * each.rows * (share if each.by_company else 1) for each in STREAMS)


def _told(companies: int, what: str, one_by_one: bool, fleet: Fleet, cost: Mapping[str, float]) -> str:  # noqa: FBT001 - from a table
    return _simulated(companies, what, one_by_one, fleet, tuple(cost.items()))


@cache
def _simulated(companies: int, what: str, one_by_one: bool, fleet: Fleet, costs: tuple[tuple[str, float], ...]) -> str:  # noqa: FBT001 - the same
    cost, work = dict(costs), _units(companies, what, one_by_one, costs)
    piles = [pile for pile in dealt(work, fleet.machines * fleet.runs, cost) if pile]
    least = bounds(piles, fleet, cost)
    return f"{simulated(piles, fleet, cost) / 60:.1f} min, {max(least, key=least.__getitem__)}"


@cache
def _units(companies: int, what: str, one_by_one: bool, costs: tuple[tuple[str, float], ...]) -> list[list[Request]]:  # noqa: FBT001 - the same
    return units(companies, what, dict(costs), one_by_one=one_by_one)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def tables(cost: Mapping[str, float]) -> list[str]:
    """All tables of the page, in its order."""
    return [
        requests_table(cost),
        times_table(cost),
        fleets_table(cost),
        taps_table(cost),
        streams_table(),
        costs_table(),
        measured_table(),
    ]


def with_tables(page: str, found: Iterable[str]) -> str:
    """A page with each table in the place of the one that has the same head.

    Raises:
        ValueError: the page has no such table.
    """
    for table in found:
        head = table.partition("\n")[0]
        new = f"{table}\n".replace("\\", r"\\")
        page, count = re.subn(rf"^{re.escape(head)}\n(?:\|.*\n)*", new, page, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"the page has {count} tables with the head {head}, and one is wanted")
    return page


def main(arguments: Sequence[str]) -> int:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(description="How long nights and first loads take, from 1 to 1,000 companies.")
    parser.add_argument("costs", nargs="*", metavar="NAME=NUMBER", help=f"another cost: {', '.join(COSTS)}")
    parser.add_argument("--page", type=Path, help="write the tables into this page instead of printing them")
    given = parser.parse_args(arguments)
    cost = {name: each.value for name, each in COSTS.items()}
    for text in given.costs:
        name, _, value = text.partition("=")
        if name not in cost or not re.fullmatch(r"\d+(\.\d+)?", value):
            parser.error(f"{text} is no cost. Write NAME=NUMBER with one of {', '.join(COSTS)}.")
        cost[name] = float(value)
    found = tables(cost)
    if given.page:
        given.page.write_text(with_tables(given.page.read_text("utf-8"), found), "utf-8")
    else:
        print("\n\n".join(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
