"""Streams, their freshness and their rows, summed up from what the ledger holds of them: pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.report.figures import DeleteScan, Status, StreamFigures, UnknownFigures
from ifs_bi_core.report.schedules import schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ifs_bi_core.ledger.activity import Activity, Scan
    from ifs_bi_core.ledger.batches import BatchAccount
    from ifs_bi_core.ledger.outcomes import Line
    from ifs_bi_core.ledger.versions import Lag
    from ifs_bi_core.report.run_sums import RunEnd

Place = tuple[str, str]
"""A stream, and the target that it goes to."""


@dataclass(frozen=True)
class Deliveries:
    """When a stream was delivered to its end, by place; a place that is there without one was carried in vain."""

    at: Mapping[Place, Sequence[str]]


def deliveries(activity: Activity, ends: Mapping[str, RunEnd]) -> Deliveries:
    """Which runs delivered which stream.

    A run that came to its end delivered all that it carried, be it no row at all. One whose tap failed, which stops some streams
    and lets others go on, delivered those of which the target acknowledged every row.
    """
    open_places = {(account.run, account.stream) for account in activity.unanswered}
    found: dict[Place, list[str]] = defaultdict(list)
    for carried in activity.carried:
        end = ends.get(carried.run)
        if end is None:  # pruned, or begun after the processes were listed
            continue
        moments = found[carried.stream, end.target]
        acknowledged = carried.in_batches and (carried.run, carried.stream) not in open_places
        if end.complete or (end.targets_complete and acknowledged):
            moments.append(carried.at)
    return Deliveries({place: sorted(moments) for place, moments in found.items()})


def stream_figures(
    activity: Activity,
    ends: Mapping[str, RunEnd],
    lines: Mapping[str, list[Line]],
    lags: Mapping[Place, Lag],
    given: Mapping[str, float],
    now: datetime,
) -> list[StreamFigures]:
    """The streams by name and target.

    Args:
        activity: what the ledger holds.
        ends: of all runs.
        lines: balances of the shown runs.
        lags: by stream and target.
        given: schedules in seconds (`ifs_bi_core.report.schedules.given_schedules`).
        now: ages count from it.
    """
    destinations: dict[Place, dict[str, None]] = defaultdict(dict)
    for account in activity.batches:
        if account.run in ends:
            destinations[account.stream, ends[account.run].target][account.destination] = None
    by_run = {run: {line.stream: line for line in own} for run, own in lines.items()}
    carried_by = defaultdict(set)
    for carried in activity.carried:
        carried_by[carried.run].add(carried.stream)
    scans = {(scan.stream, ends[scan.run].target): scan for scan in activity.scans if scan.run in ends}
    found = []
    for (stream, target), moments in sorted(deliveries(activity, ends).at.items()):
        own = [
            (by_run[run].get(stream), stream in carried_by[run]) if ends[run].target == target else (None, False)
            for run in activity.shown
        ]
        rows = tuple(line.acknowledged if line else (0 if was_there else None) for line, was_there in own)
        settled = [line for line, _ in own if line]
        age = (now - datetime.fromisoformat(moments[-1])).total_seconds() if moments else None
        plan = schedule(stream, [datetime.fromisoformat(moment).timestamp() for moment in moments], given)
        lag = _told(lags.get((stream, target)), activity, ends, (stream, target))
        found.append(
            StreamFigures(
                stream=stream,
                target=target,
                destinations=tuple(destinations[stream, target]),
                freshness=plan.freshness(age),
                delivered_at=moments[-1] if moments else None,
                age_seconds=age,
                every_seconds=plan.every_seconds,
                schedule=plan.origin,
                late_after_seconds=plan.late_after_seconds,
                rows=rows,
                acknowledged=sum(line.acknowledged for line in settled),
                dead=sum(line.dead for line in settled),
                unknown=sum(line.unknown for line in settled),
                waiting=sum(line.waiting for line in settled),
                lag=lag,
                scan=_scan(scans.get((stream, target)), lag),
            )
        )
    return found


def _told(lag: Lag | None, activity: Activity, ends: Mapping[str, RunEnd], place: Place) -> Lag | None:
    """The lag; a first load brings rows of any age, so it has none."""
    if lag is None:
        return None
    stream, target = place
    runs = {carried.run for carried in activity.carried if carried.stream == stream and carried.run in ends}
    first = next((run for run, end in ends.items() if run in runs and end.target == target), None)
    return replace(lag, seconds=None) if lag.run == first else lag


def _scan(scan: Scan | None, lag: Lag | None) -> DeleteScan | None:
    """The scan with the rows that it found gone: those of its own run, or none where that run delivered nothing."""
    if scan is None:
        return None
    gone = lag.gone_rows if lag and lag.files and lag.run == scan.run else None
    if lag and lag.delivered_at and lag.delivered_at < scan.at and lag.run != scan.run:
        gone = 0
    return DeleteScan(scan.run, scan.at, scan.keys, gone)


def unknown_figures(unanswered: Sequence[BatchAccount], ends: Mapping[str, RunEnd]) -> list[UnknownFigures]:
    """Rows without a final word, by stream and destination."""
    by_place: dict[Place, list[BatchAccount]] = defaultdict(list)
    for account in unanswered:
        by_place[account.stream, account.destination].append(account)
    found = []
    for (stream, destination), accounts in sorted(by_place.items()):
        counts = [account.fates.counts() for account in accounts]
        of_runs = [ends[account.run] for account in accounts if account.run in ends]
        found.append(
            UnknownFigures(
                stream=stream,
                destination=destination,
                plugins=of_runs[-1].plugins if of_runs else (),
                unknown=sum(count[State.UNKNOWN] + count[State.PUSHING] for count in counts),
                waiting=sum(count[State.WRITTEN] for count in counts),
                batches=len(accounts),
                since=min(account.at for account in accounts),
                in_flight=any(end.status is Status.RUNNING for end in of_runs),
                hosts=tuple(sorted({account.host for account in accounts})),
            )
        )
    return found
