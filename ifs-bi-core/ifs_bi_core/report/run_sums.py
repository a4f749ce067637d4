"""Runs and services summed up from what the ledger holds of them: pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ifs_bi_core.ledger import outcomes
from ifs_bi_core.ledger.activity import TAP
from ifs_bi_core.report.figures import RunFigures, ServiceFigures, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ifs_bi_core.ledger.activity import Activity, Minute, Requests
    from ifs_bi_core.ledger.batches import BatchAccount
    from ifs_bi_core.ledger.history import Part
    from ifs_bi_core.ledger.outcomes import Line

LIMITS_PER_MINUTE: Mapping[str, float] = {
    "ifs": 1000,  # the default of tap-ifs-cloud's requests_per_minute, which is what IFS documents for a tenant
    "powerbi": 120,  # POST rows a minute and dataset: https://learn.microsoft.com/power-bi/developer/embedded/push-datasets-limitations
}
"""By service as the ledger names it; ``--limit`` says otherwise."""

_LONGEST_RUN = timedelta(days=1)
"""A run that has not ended by then was killed, as far as a report is concerned."""


@dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    Attributes:
        plugins: of its processes, in the order of their start.
        targets: the plugins that are no taps; an empty name where there is none.
        targets_complete: whether the processes that are no tap came to their end.
    """

    run: str
    plugins: tuple[str, ...]
    targets: tuple[str, ...]
    status: Status
    started: str
    ended: str | None
    complete: bool
    targets_complete: bool


def run_ends(parts: Iterable[Part], now: datetime) -> dict[str, RunEnd]:
    """How each run ended, oldest first.

    Args:
        parts: processes, newest first.
        now: a run without an end that began long before was killed.
    """
    by_run: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        by_run[part.run].insert(0, part)
    return {run: _end(run, own, now) for run, own in reversed(by_run.items())}


def _end(run: str, parts: Sequence[Part], now: datetime) -> RunEnd:
    others = [part for part in parts if not part.plugin.startswith(TAP)]
    ends = [part.ended for part in parts]
    return RunEnd(
        run=run,
        plugins=tuple(dict.fromkeys(part.plugin for part in parts)),
        targets=tuple(dict.fromkeys(part.plugin for part in others)) or ("",),
        status=_status(parts, now),
        started=min(part.started for part in parts),
        ended=max(end for end in ends if end is not None) if None not in ends else None,
        complete=outcomes.complete([part.exit_code for part in parts]),
        targets_complete=outcomes.complete([part.exit_code for part in others]),
    )


def _status(parts: Sequence[Part], now: datetime) -> Status:
    statuses = {part.status for part in parts}
    for status in (Status.NO_START, Status.FAILED):
        if status in statuses:
            return status
    if Status.NO_END in statuses:
        begun = datetime.fromisoformat(min(part.started for part in parts))
        return Status.RUNNING if now - begun < _LONGEST_RUN else Status.NO_END
    return Status.DEAD_ROWS if Status.DEAD_ROWS in statuses else Status.DONE


def run_figures(activity: Activity, ends: Mapping[str, RunEnd], lines: Mapping[str, list[Line]]) -> list[RunFigures]:
    """The shown runs, oldest first; ``lines`` are their balances."""
    pulled: dict[str, int] = defaultdict(int)
    for carried in activity.carried:
        pulled[carried.run] += carried.rows
    keys: dict[str, int] = defaultdict(int)
    for scan in activity.scans:
        keys[scan.run] += scan.keys
    requests: dict[str, list[Requests]] = defaultdict(list)
    for made in activity.requests:
        requests[made.run].append(made)
    return [_run(ends[run], lines[run], pulled[run] - keys[run], requests[run]) for run in activity.shown]


def _run(end: RunEnd, lines: Sequence[Line], pulled: int, requests: Sequence[Requests]) -> RunFigures:
    acknowledged, dead, unknown, waiting = (
        sum(getattr(line, name) for line in lines) for name in ("acknowledged", "dead", "unknown", "waiting")
    )
    seconds = None if end.ended is None else seconds_between(end.started, end.ended)
    has_target = any(end.targets)
    settled = acknowledged + dead if has_target else pulled
    return RunFigures(
        run=end.run,
        plugins=end.plugins,
        status=end.status,
        started=end.started,
        ended=end.ended,
        seconds=seconds,
        read=sum(line.read for line in lines) if has_target else pulled,
        acknowledged=acknowledged,
        dead=dead,
        unknown=unknown,
        waiting=waiting,
        balanced=all(line.holds for line in lines),
        rows_per_second=round(settled / seconds, 3) if seconds else None,
        requests=sum(made.requests for made in requests),
        slowed=sum(made.throttled + made.failed + made.unanswered for made in requests),
        retries=sum(made.retries for made in requests),
    )


def balances(activity: Activity, ends: Mapping[str, RunEnd]) -> dict[str, list[Line]]:
    """The balance of each shown run, by stream."""
    batches: dict[str, list[tuple[str, outcomes.Fates]]] = defaultdict(list)
    for account in activity.batches:
        batches[account.run].append((account.stream, account.fates))
    dead: dict[str, Counter[str]] = defaultdict(Counter)
    for refused in activity.dead:
        dead[refused.run][refused.stream] += refused.rows
    return {
        run: outcomes.balance(
            complete=ends[run].complete,
            reads=activity.reads.get(run, {}),
            dead=dead[run],
            batches=batches[run],
        )
        for run in activity.shown
    }


def service_figures(activity: Activity, limits: Mapping[str, float]) -> list[ServiceFigures]:
    """The services of the shown runs, by name; ``limits`` are requests a minute."""
    by_service: dict[str, list[Requests]] = defaultdict(list)
    for made in activity.requests:
        by_service[made.service].append(made)
    most = {minute.service: minute for minute in activity.busiest}
    return [_service(own, most[service], limits) for service, own in sorted(by_service.items())]


def _service(made: Sequence[Requests], most: Minute, limits: Mapping[str, float]) -> ServiceFigures:
    limit = limits.get(most.service, LIMITS_PER_MINUTE.get(most.service))
    return ServiceFigures(
        service=most.service,
        requests=sum(one.requests for one in made),
        throttled=sum(one.throttled for one in made),
        failed=sum(one.failed for one in made),
        unanswered=sum(one.unanswered for one in made),
        retries=sum(one.retries for one in made),
        seconds=round(sum(one.seconds for one in made), 3),
        sent_bytes=sum(one.sent_bytes for one in made),
        received_bytes=sum(one.received_bytes for one in made),
        busiest_minute=f"{most.minute}:00Z",
        busiest_requests=most.requests,
        limit_per_minute=limit,
        limit_used=None if limit is None else round(most.requests / limit, 4),
    )


def target_of(account: BatchAccount, parts: Mapping[str, str], ends: Mapping[str, RunEnd]) -> str:
    """The plugin that wrote a batch; ``parts`` are plugins by process."""
    end = ends.get(account.run)
    return parts.get(account.part) or (end.targets[0] if end else "")


def seconds_between(earlier: str, later: str) -> float:
    """From one instant of the ledger to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
