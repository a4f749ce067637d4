"""What a soak comes to: the first quarter of the days beside the last, old pipes beside new ones, and what is wrong. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from statistics import mean, median, quantiles
from typing import Any

from soak.course import NEWCOMER, Records
from soak.footprint import Footprint
from soak.pipes import Run

CPU, MEMORY, LEFT = 1.25, 1.15, 1.15
"""What may be so many times as much in the end as in the beginning."""
WORK = 1.15
"""How far the work of a night may differ before times of two quarters can't be compared."""
SLACK_CPU, SLACK_MB = 0.05, 4
"""Seconds and megabytes that are within the noise of any machine."""
FEWEST, FEWEST_SCANS = 8, 4
"""Runs on each side; fewer say nothing."""
MONTH_OF_WEEKS = 4
LOADS_KEPT, SETTLING = 30, 14
"""Days that a warehouse remembers its batches at least, and days after the last retention has begun to remove: from then on, as
much goes as comes."""


def summary(records: Records, trail_days: int) -> dict[str, Any]:
    """All figures, and in ``wrong`` a sentence for each that is not as it should be."""
    pipes = sorted({run.pipe for run in records.runs if not run.pipe.endswith(NEWCOMER)})
    return {
        "days": records.days,
        "runs": len(records.runs),
        "rows": sum(run.rows for run in records.runs),
        "source_rows": records.source_rows,
        "trail_days": trail_days,
        "pipes": {pipe: _pipe(records, pipe) for pipe in pipes},
        "verbs": {
            f"{pipe} {name}": [
                round(verb.spent.cpu, 2) for verb in records.verbs if (verb.pipe, verb.name) == (pipe, name)
            ]
            for pipe, name in sorted({(verb.pipe, verb.name) for verb in records.verbs})
        },
        "wrong": [sentence for pipe in pipes for sentence in _wrong(records, pipe, trail_days)],
    }


def as_text(found: dict[str, Any]) -> str:
    """The figures for a person."""
    lines = [
        f"{found['days']:,} days, {found['runs']:,} runs, {found['rows']:,} rows moved, {found['source_rows']:,} at the source.",
        f"{'':<12} {'':<14} {'runs':>5} {'rows':>7} {'CPU s':>7} {'95 %':>7} {'time s':>7} {'95 %':>7} {'MB':>6} {'most':>6}",
    ]
    for pipe, figures in found["pipes"].items():
        lines += [
            f"{pipe:<12} {part:<14} {one['runs']:>5} {one['rows']:>7,.0f} {one['cpu']:>7.2f} {one['cpu_95']:>7.2f} "
            f"{one['seconds']:>7.2f} {one['seconds_95']:>7.2f} {one['peak_mb']:>6.0f} {one['most_mb']:>6.0f}"
            for part, one in figures["nights"].items()
            if one["runs"]
        ]
        lines += [
            f"{pipe:<12} day {day:<10} {one['files']:,} files and {one['account_bytes'] / 1e6:,.2f} MB of account, "
            f"{one['data_bytes'] / 1e6:,.2f} MB of keys and rows, {one['loads']:,} loads"
            for day, one in figures["left"].items()
        ]
    lines += [
        f"{name}: {taken[0]:.2f} s of CPU at first, {taken[-1]:.2f} s at last" for name, taken in found["verbs"].items()
    ]
    return "\n".join([*lines, *(f"WRONG: {sentence}" for sentence in found["wrong"])])


def _pipe(records: Records, pipe: str) -> dict[str, Any]:
    first, last = _quarters(records, pipe)
    newcomer = [run for run in records.runs if run.pipe == f"{pipe}{NEWCOMER}" and run.kind == "nightly"]
    others = [run for run in records.runs if run.pipe == pipe and run.kind in {"scan", "refresh"}]
    nights = {
        "first quarter": first,
        "last quarter": last,
        "beside it, new": newcomer,
        **{f"{kind}s, {part}": _half(others, kind, part) for kind in ("scan", "refresh") for part in ("early", "late")},
    }
    left = records.footprints.get(pipe, {})
    shown = sorted(left)[:: max(1, len(left) // 4)]
    return {
        "nights": {part: _of_runs(runs) for part, runs in nights.items()},
        "left": {day: asdict(left[day]) for day in shown},
    }


def _half(runs: Sequence[Run], kind: str, part: str) -> list[Run]:
    found = [run for run in runs if run.kind == kind]
    middle = len(found) // 2
    return found[:middle] if part == "early" else found[middle:]


def _of_runs(runs: Sequence[Run]) -> dict[str, float]:
    if not runs:
        return {"runs": 0}
    return {
        "runs": len(runs),
        "rows": median(run.rows for run in runs),
        "looked_at": median(run.looked_at for run in runs),
        "cpu": median(run.cpu for run in runs),
        "pace": _pace(runs),
        "cpu_95": _most([run.cpu for run in runs]),
        "tap_cpu": median(run.tap.cpu for run in runs),
        "target_cpu": median(run.target.cpu for run in runs),
        "server_cpu": median(run.server_cpu for run in runs),
        "seconds": median(run.seconds for run in runs),
        "seconds_95": _most([run.seconds for run in runs]),
        "peak_mb": median(run.peak_mb for run in runs),
        "most_mb": max(run.peak_mb for run in runs),
    }


def _most(values: Sequence[float]) -> float:
    """What 95 % of the values are not above."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]


def _quarters(records: Records, pipe: str) -> tuple[list[Run], list[Run]]:
    """The nightly runs of the first and of the last quarter of the days."""
    nightly = [run for run in records.runs if run.pipe == pipe and run.kind == "nightly"]
    quarter = records.days / 4
    return [run for run in nightly if run.day <= quarter], [run for run in nightly if run.day > records.days - quarter]


def _wrong(records: Records, pipe: str, trail_days: int) -> Iterator[str]:
    first, last = _quarters(records, pipe)
    if len(first) >= FEWEST and len(last) >= FEWEST:
        yield from _memory(pipe, first, last, "in the first quarter")
        if _work(last) > WORK * _work(first):
            yield from _cpu_of_a_row(pipe, "a nightly run", min(run.cpu / run.pace for run in first), first, last)
        else:
            yield from _cpu(pipe, first, last, "in the first quarter")
    scans = [run for run in records.runs if run.pipe == pipe]
    early, late = (_half(scans, "scan", part) for part in ("early", "late"))
    if first and min(len(early), len(late)) >= FEWEST_SCANS:
        yield from _cpu_of_a_row(pipe, "a scan", min(run.cpu / run.pace for run in first), early, late)
    newcomer = [run for run in records.runs if run.pipe == f"{pipe}{NEWCOMER}" and run.kind == "nightly"]
    same = {run.day for run in newcomer}
    old = [run for run in last if run.day in same]
    if len(old) >= FEWEST:
        yield from _memory(pipe, newcomer, old, "of a pipe without a history in the same nights")
        yield from _cpu(pipe, newcomer, old, "of a pipe without a history in the same nights")
    yield from _state(pipe, records, trail_days)


def _work(runs: Sequence[Run]) -> float:
    return median(run.looked_at for run in runs)


def _pace(runs: Sequence[Run]) -> float:
    """What the machine took for the same work meanwhile."""
    return median(run.pace for run in runs)


def _cpu(pipe: str, before: Sequence[Run], after: Sequence[Run], of_what: str) -> Iterator[str]:
    was, now = (median(run.cpu for run in runs) for runs in (before, after))
    was *= _pace(after) / _pace(before)
    if now > CPU * was + SLACK_CPU:
        yield f"{pipe}: a nightly run of the last quarter takes {now:.2f} s of CPU, and {was:.2f} s {of_what}."


def _cpu_of_a_row(pipe: str, what: str, fixed: float, before: Sequence[Run], after: Sequence[Run]) -> Iterator[str]:
    """Where all rows are looked at, a row must not take longer; ``fixed`` is what every run takes, in paces."""
    slower = _pace(after) / _pace(before)
    was = slower * median(max(0.0, run.cpu - fixed * run.pace) / run.looked_at for run in before)
    now = median(max(0.0, run.cpu - fixed * run.pace) / run.looked_at for run in after)
    always = fixed * _pace(after)
    if (now - CPU * was) * _work(after) > SLACK_CPU + (CPU - 1) * always:
        yield (
            f"{pipe}: a row of {what} takes {now * 1e6:.0f} µs of CPU in the end, and {was * 1e6:.0f} µs in the beginning, over "
            f"the {always:.2f} s that every run takes."
        )


def _memory(pipe: str, before: Sequence[Run], after: Sequence[Run], of_what: str) -> Iterator[str]:
    was, now = (median(run.peak_mb for run in runs) for runs in (before, after))
    if now > MEMORY * was + SLACK_MB:
        yield f"{pipe}: a nightly run of the last quarter takes {now:.0f} MB at its peak, and {was:.0f} MB {of_what}."


def _state(pipe: str, records: Records, trail_days: int) -> Iterator[str]:
    """Once retention removes what is old, as much goes as comes; a month's end brings more, so that months are compared."""
    settled = max(trail_days, LOADS_KEPT) + SETTLING
    left = {day: one for day, one in records.footprints.get(pipe, {}).items() if day >= settled}
    if len(left) < 2 * MONTH_OF_WEEKS:
        return
    middle = len(left) // 2
    early, late = sorted(left)[:middle], sorted(left)[middle:]
    grown = _moved(records, pipe, late, trail_days) / max(1, _moved(records, pipe, early, trail_days))
    measures: tuple[tuple[str, Callable[[Footprint], int]], ...] = (
        ("files", lambda one: one.files),
        ("bytes of ledger and batches", lambda one: one.account_bytes),
        ("loads in the warehouse", lambda one: one.loads),
    )
    for what, measure in measures:
        was, now = (mean(measure(left[day]) for day in days) for days in (early, late))
        if now > LEFT * max(1, grown) * was:
            yield (
                f"{pipe}: {now:,.0f} {what} on the days {late[0]} to {late[-1]}, and {was:,.0f} on the days {early[0]} to "
                f"{early[-1]}, when all that is older than {trail_days} days had been removed; the rows moved were {grown:.2f} "
                f"times as many."
            )


def _moved(records: Records, pipe: str, ends: Sequence[int], days: int) -> float:
    """How many rows a pipe moved in so many days, on average of those that end on given days."""
    runs = [run for run in records.runs if run.pipe == pipe]
    return mean(sum(run.rows for run in runs if end - days < run.day <= end) for end in ends)
