"""Taps and targets at work on many companies: what a tap asks, what an answer costs, and how long a fleet of runs takes for it.

Nothing is measured here: what a request, a row and a start cost are inputs, each with its source in `COSTS`. A page is simulated
on its way: it waits for a free connection and for the rate limit, travels, waits for the tap's process and a core, then for the
target's. What the warehouse does by itself is not in it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Cost(NamedTuple):
    """An input.

    Attributes:
        value: as a number.
        unit: of the value.
        source: where it comes from.
    """

    value: float
    unit: str
    source: str


COSTS = {
    "limit": Cost(1000, "requests a minute", "`requests_per_minute`; reported by integrators, IFS publishes no number"),
    "page": Cost(5000, "rows a request", "`page_size`; the same"),
    "latency": Cost(0.3, "s a request", "assumed; `ifs-bi ping tap-ifs-cloud` shows yours"),
    "rows": Cost(140, "s a million rows, on the way", "assumed: 0.7 s for a page of 5,000 whole rows"),
    "keys": Cost(20, "s a million keys, on the way", "assumed: 0.1 s for a page of 5,000 keys"),
    "start": Cost(0.7, "CPU s a run, tap", "`make bench`, a set without rows, 23 November 2026"),
    "target_start": Cost(0.9, "CPU s a run, target", "README.md, what 10,000 and 500,000 rows have in common"),
    "request": Cost(0.004, "CPU s a request", "`make bench`, nine streams with nothing new, 23 November 2026"),
    "tap": Cost(8.5, "CPU s a million rows", "README.md, 23 November 2026"),
    "scan": Cost(
        9.8, "CPU s a million keys", "`make bench`, second row-version run of a million rows, 23 November 2026"
    ),
    "target": Cost(15.4, "CPU s a million rows", "README.md, target-looker-warehouse into DuckDB, 23 November 2026"),
    "least": Cost(1, "requests a set with nothing new", "`make bench`: 9 for nine streams, 23 November 2026"),
    "filter": Cost(50, "keys a filter", "`make bench`, row-version scan: 500 changed rows in 10 requests"),
    "whole": Cost(
        5, "rows for one changed row", "tap-ifs-cloud: where more than a fifth changed, all rows are read whole"
    ),
}
"""What everything costs, by name."""


class Streams(NamedTuple):
    """Streams that are alike.

    Attributes:
        name: of them.
        sets: how many.
        rows: of the first company in each; all companies' where they belong to none.
        night: part of the rows that changes in a day.
        month_end: part of the rows that changes on the last day of a month.
        by_company: whether rows belong to a company.
        by_time: whether a timestamp tells what changed; else row versions do.
    """

    name: str
    sets: int
    rows: int
    night: float
    month_end: float
    by_company: bool = True
    by_time: bool = False


STREAMS = (
    Streams("accounts, code parts, structures", 11, 2_000, 0.0005, 0.0005),
    Streams("orders, invoices, payments, rows in hold", 8, 500_000, 0.002, 0.02),
    Streams("general ledger", 1, 5_000_000, 0.0005, 0.01, by_time=True),
    Streams("suppliers, customers, currencies, order lines", 4, 100_000, 0.001, 0.001, by_company=False),
)
"""The built-in streams without `journal_entries`, which is two of the others. Company n is 1/n as large as the first."""

WINDOW = 61.0
"""Seconds in which the tap lets `limit` requests begin."""

_PIPE = 2  # pages between tap and target; then the tap waits


class Request(NamedTuple):
    """A request and what its answer costs.

    Attributes:
        rows: whole ones, which travel on to the warehouse.
        keys: rows of which only key and version are read.
        travel: seconds from asking to the answer's end.
        tap: CPU seconds.
        target: CPU seconds.
    """

    rows: int
    keys: int
    travel: float
    tap: float
    target: float

    @classmethod
    def of(cls, rows: int, keys: int, cost: Mapping[str, float]) -> Request:
        """One for so many rows and keys."""
        return cls(
            rows,
            keys,
            cost["latency"] + (rows * cost["rows"] + keys * cost["keys"]) / 1e6,
            cost["request"] + (rows * cost["tap"] + keys * cost["scan"]) / 1e6,
            rows * cost["target"] / 1e6,
        )


@dataclass(frozen=True)
class Fleet:
    """What works at once.

    Attributes:
        machines: that share nothing; each has its part of the limit.
        runs: a machine, each a tap and a target.
        cores: a machine.
        concurrency: requests under way of each run.
    """

    machines: int = 1
    runs: int = 1
    cores: int = 2
    concurrency: int = 4


def requests(streams: Streams, rows: int, what: str, cost: Mapping[str, float]) -> list[Request]:
    """What a tap asks for one set, or one company in it.

    Args:
        streams: the kind of set.
        rows: that the set has.
        what: ``first`` load, ``night`` or ``month_end``.
        cost: by name.
    """
    page, first = int(cost["page"]), what == "first"
    changed = 0 if first else ceil(rows * getattr(streams, what))
    by_key = not first and not streams.by_time and changed * cost["whole"] <= rows
    found = changed if by_key or (streams.by_time and not first) else rows
    asked = [] if first else [Request.of(0, keys, cost) for keys in _pages(rows, page)]
    asked += [Request.of(whole, 0, cost) for whole in _pages(found, int(cost["filter"]) if by_key else page)]
    return asked + [Request.of(0, 0, cost)] * (int(cost["least"]) - len(asked))


def units(companies: int, what: str, cost: Mapping[str, float], *, one_by_one: bool) -> list[list[Request]]:
    """What may be dealt out to runs: a stream, or, where companies are read one by one, a company with all its streams.

    Args:
        companies: how many there are.
        what: see `requests`.
        cost: by name.
        one_by_one: whether the setting ``companies`` names them.
    """
    share = [1 / number for number in range(1, companies + 1)]
    found: list[list[Request]] = []
    for streams in (each for each in STREAMS if not (one_by_one and each.by_company)):
        rows = int(streams.rows * (sum(share) if streams.by_company else 1))
        found += [list(requests(streams, rows, what, cost)) for _ in range(streams.sets)]
    for part in share if one_by_one else ():
        owned = [each for each in STREAMS if each.by_company]
        found.append(
            [
                asked
                for each in owned
                for _ in range(each.sets)
                for asked in requests(each, int(each.rows * part), what, cost)
            ]
        )
    return found


def dealt(work: Sequence[Sequence[Request]], runs: int, cost: Mapping[str, float]) -> list[list[Request]]:
    """Units of work dealt out to runs, the largest first, each to the run that has least."""
    piles: list[list[Request]] = [[] for _ in range(runs)]
    least = [(0.0, number) for number in range(runs)]
    for unit in sorted(work, key=lambda unit: -_cpu(unit)):
        load, number = least[0]
        piles[number] += unit
        heapreplace(least, (load + _cpu(unit) + len(unit) * 60 / cost["limit"], number))
    return piles


def simulated(piles: Sequence[Sequence[Request]], fleet: Fleet, cost: Mapping[str, float]) -> float:
    """Seconds until the last row is delivered.

    Args:
        piles: the requests of each run; run n is on machine n modulo the number of machines.
        fleet: where they run.
        cost: by name.
    """
    cores = [[0.0] * fleet.cores for _ in range(fleet.machines)]
    allowed = max(1, int(cost["limit"] / fleet.machines))
    begun: list[deque[float]] = [deque(maxlen=allowed) for _ in range(fleet.machines)]
    left = [iter(pile) for pile in piles]
    free, loads, between = [0.0] * len(piles), [0.0] * len(piles), [0] * len(piles)
    events: list[tuple[float, int, str, int, Request]] = []

    nothing = Request.of(0, 0, cost)

    def worked(machine: int, ready: float, seconds: float) -> float:
        began = max(ready, cores[machine][0])
        heapreplace(cores[machine], began + seconds)
        return began + seconds

    for run in range(len(piles)):
        free[run] = worked(run % fleet.machines, 0.0, cost["start"])
        loads[run] = worked(run % fleet.machines, 0.0, cost["target_start"])
        events += [(free[run], run * fleet.concurrency + n, "ask", run, nothing) for n in range(fleet.concurrency)]
    heapify(events)
    serial = len(events)
    while events:
        now, _, kind, run, page = heappop(events)
        machine, serial = run % fleet.machines, serial + 1
        if kind == "ask":
            following = next(left[run], None)
            if following is not None:
                window = begun[machine]
                began = max(now, window[0] + WINDOW) if len(window) == allowed else now
                window.append(began)
                heappush(events, (began + following.travel, serial, "tap", run, following))
        elif kind == "tap":
            ready = max(free[run], loads[run] if between[run] == _PIPE else 0.0)
            if ready > now or between[run] == _PIPE:
                heappush(events, (max(ready, now), serial, "tap", run, page))
                continue
            free[run] = worked(machine, now, page.tap)
            heappush(events, (free[run], serial, "ask", run, page))
            if page.rows:
                between[run] += 1
                heappush(events, (max(free[run], loads[run]), serial, "load", run, page))
        elif loads[run] > now:
            heappush(events, (loads[run], serial, "load", run, page))
        else:
            between[run] -= 1
            loads[run] = worked(machine, now, page.target)
    return max(*free, *loads)


def bounds(piles: Sequence[Sequence[Request]], fleet: Fleet, cost: Mapping[str, float]) -> dict[str, float]:
    """Seconds below which it can't be done, by what limits it."""
    asked = sum(map(len, piles))
    starts = len(piles) * (cost["start"] + cost["target_start"])
    cpu = [sum(_cpu(pile) for pile in piles[each :: fleet.machines]) for each in range(fleet.machines)]
    return {
        "requests": (asked - cost["limit"]) / cost["limit"] * WINDOW,
        "cores": max(cpu) / fleet.cores + starts / (fleet.machines * fleet.cores),
        "one tap": max(sum(page.tap for page in pile) for pile in piles) + cost["start"],
        "waiting": max(sum(page.travel for page in pile) for pile in piles) / fleet.concurrency,
    }


def _pages(rows: int, size: int) -> list[int]:
    rest = [rows % size] if rows % size else []
    return [size] * (rows // size) + rest


def _cpu(pages: Iterable[Request]) -> float:
    return sum(page.tap + page.target for page in pages)
