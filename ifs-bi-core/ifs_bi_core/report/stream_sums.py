"""Streams, their freshness and their rows, summed up from what the ledger holds of them: pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.report.figures import DeleteScan, Status, StreamFigures, UnknownFigures
from ifs_bi_core.report.run_sums import target_of
from ifs_bi_core.report.schedules import schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ifs_bi_core.ledger.activity import Activity, Scan
    from ifs_bi_core.ledger.batches import BatchAccount
    from ifs_bi_core.ledger.versions import Lag
    from ifs_bi_core.report.run_sums import RunEnd

Place = tuple[str, str]
"""A stream, and the target that it goes to."""


def deliveries(activity: Activity, ends: Mapping[str, RunEnd]) -> dict[Place, list[str]]:
    """When each stream was delivered to its end; a place that is there without a moment was carried in vain.

    A run that came to its end delivered all that it carried, be it no row at all. One whose tap failed, which stops some streams
    and lets others go on, delivered those of which the target acknowledged every row.
    """
    unanswered = {(account.run, account.stream) for account in activity.unanswered}
    found: dict[Place, list[str]] = defaultdict(list)
    for carried in activity.carried:
        end = ends.get(carried.run)
        if end is None:  # pruned, or begun after the processes were listed
            continue
        acknowledged = carried.in_batches and (carried.run, carried.stream) not in unanswered
        for target in end.targets:
            moments = found[carried.stream, target]
            if end.complete or (end.targets_complete and acknowledged):
                moments.append(carried.at)
    return {place: sorted(moments) for place, moments in found.items()}


def stream_figures(
    activity: Activity,
    ends: Mapping[str, RunEnd],
    lags: Mapping[Place, Lag],
    given: Mapping[str, float],
    now: datetime,
) -> list[StreamFigures]:
    """The streams by name and target.

    Args:
        activity: what the ledger holds.
        ends: of all runs.
        lags: by stream and target.
        given: schedules in seconds (`ifs_bi_core.report.schedules.given_schedules`).
        now: ages count from it.
    """
    rows, destinations = _rows(activity, ends)
    carried_in: dict[str, set[str]] = defaultdict(set)
    for carried in activity.carried:
        carried_in[carried.run].add(carried.stream)
    scans = {
        (scan.stream, target): scan for scan in activity.scans if scan.run in ends for target in ends[scan.run].targets
    }
    found = []
    for place, moments in sorted(deliveries(activity, ends).items()):
        stream, target = place
        by_run = [
            rows[run, place] if stream in carried_in[run] and target in ends[run].targets else None
            for run in activity.shown
        ]
        total = sum(filter(None, by_run), Counter[State]())
        age = (now - datetime.fromisoformat(moments[-1])).total_seconds() if moments else None
        plan = schedule(stream, [datetime.fromisoformat(moment).timestamp() for moment in moments], given)
        lag = _told(lags.get(place), carried_in, ends, place)
        found.append(
            StreamFigures(
                stream=stream,
                target=target,
                destinations=tuple(destinations[place]),
                freshness=plan.freshness(age),
                delivered_at=moments[-1] if moments else None,
                age_seconds=age,
                every_seconds=plan.every_seconds,
                schedule=plan.origin,
                late_after_seconds=plan.late_after_seconds,
                rows=tuple(None if one is None else one[State.ACKNOWLEDGED] for one in by_run),
                acknowledged=total[State.ACKNOWLEDGED],
                dead=total[State.REFUSED],
                unknown=total[State.UNKNOWN] + total[State.PUSHING],
                waiting=total[State.WRITTEN],
                lag=lag,
                scan=_scan(scans.get(place), lag),
            )
        )
    return found


def _rows(
    activity: Activity, ends: Mapping[str, RunEnd]
) -> tuple[dict[tuple[str, Place], Counter[State]], dict[Place, dict[str, None]]]:
    """What became of the rows, by run and place; and the destinations of each place, in the order of their first batch."""
    parts = {part.part: part.plugin for part in activity.parts}
    rows: dict[tuple[str, Place], Counter[State]] = defaultdict(Counter)
    destinations: dict[Place, dict[str, None]] = defaultdict(dict)
    targets: dict[str, str] = {}
    for account in activity.batches:
        place = account.stream, target_of(account, parts, ends)
        rows[account.run, place] += account.fates.counts()
        destinations[place][account.destination] = None
        targets[account.destination] = place[1]
    for refused in activity.dead:
        if refused.run in ends:
            target = targets.get(refused.destination, ends[refused.run].targets[0])
            rows[refused.run, (refused.stream, target)][State.REFUSED] += refused.rows
    return rows, destinations


def _told(lag: Lag | None, carried_in: Mapping[str, set[str]], ends: Mapping[str, RunEnd], place: Place) -> Lag | None:
    """The lag; a first load brings rows of any age, so it has none."""
    stream, target = place
    first = next(
        (run for run, end in ends.items() if target in end.targets and stream in carried_in.get(run, ())), None
    )
    return replace(lag, seconds=None) if lag is not None and lag.run == first else lag


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
