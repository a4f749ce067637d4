"""What a report knows: plain values, the same for the page, for ``--json``, for OpenMetrics and for notices.

Names of streams, plugins and destinations are in it, numbers and instants; no key and no value of a record. Instants are text,
``YYYY-MM-DDTHH:MM:SS.ffffffZ`` in UTC, as the ledger has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from ifs_bi_core.ledger.versions import Lag
    from ifs_bi_core.report.schedules import Freshness, Origin

FORM = 1
"""The version of what ``--json`` prints. It grows when a name goes or changes its meaning, not when one is added."""


class Status(StrEnum):
    """How a run ended."""

    DONE = "done"
    DEAD_ROWS = "dead rows"
    FAILED = "failed"
    NO_START = "no start"
    """Wrong configuration; nothing was sent."""
    RUNNING = "running"
    NO_END = "no end"
    """It was killed, or its machine stopped."""


@dataclass(frozen=True)
class RunFigures:
    """One run: a tap and its target, or one of them.

    Attributes:
        run: its name in the ledger.
        plugins: of its processes, in the order of their start.
        seconds: from the first start to the last end; None while it runs.
        read: rows that its target read; where it had none, rows that its tap read.
        rows_per_second: rows that came to a final word, a second of the run.
        waiting: rows that lie on disk and have not left.
        balanced: whether every row is accounted for.
        requests: HTTP requests, of which ``slowed`` were throttled, failed or were not answered.
    """

    run: str
    plugins: tuple[str, ...]
    status: Status
    started: str
    ended: str | None
    seconds: float | None
    read: int
    acknowledged: int
    dead: int
    unknown: int
    waiting: int
    balanced: bool
    rows_per_second: float | None
    requests: int
    slowed: int
    retries: int


@dataclass(frozen=True)
class DeleteScan:
    """The newest look at all keys of a stream; ``gone_rows`` were delivered as gone by its run, None where that is not known."""

    run: str
    at: str
    keys: int
    gone_rows: int | None


@dataclass(frozen=True)
class StreamFigures:
    """One stream on its way to one target.

    Attributes:
        stream: its name.
        target: the plugin; empty where its tap is all that the ledger knows of.
        destinations: where its rows went, without secrets.
        delivered_at: until when the source was read by the last run that came to its end.
        age_seconds: since then.
        every_seconds: how often it should be delivered.
        schedule: whether that was given or derived.
        late_after_seconds: the age from which it is late.
        rows: acknowledged, by run, in the order of the report's runs; None where the run did not carry it.
        acknowledged: the same in all, as are ``dead``, ``unknown`` and ``waiting``.
        lag: how old the youngest change was on arrival; None where no shown run delivered a row. Its ``seconds`` are None for a
            first load, which brings rows of any age.
        scan: None where no run looked at all keys.
    """

    stream: str
    target: str
    destinations: tuple[str, ...]
    freshness: Freshness
    delivered_at: str | None
    age_seconds: float | None
    every_seconds: float | None
    schedule: Origin
    late_after_seconds: float | None
    rows: tuple[int | None, ...]
    acknowledged: int
    dead: int
    unknown: int
    waiting: int
    lag: Lag | None
    scan: DeleteScan | None


@dataclass(frozen=True)
class ServiceFigures:
    """The requests of the shown runs to one service.

    Attributes:
        throttled: answered with 429 or 503.
        failed: answered with another status from 400 on.
        unanswered: an error came instead of an answer.
        retries: how many of these were made again.
        busiest_minute: of the clock, and ``busiest_requests`` answers in it.
        limit_per_minute: None where it is not known.
        limit_used: the busiest minute's share of it; more than 1 is possible, since answers are counted, and limits count
            beginnings.
    """

    service: str
    requests: int
    throttled: int
    failed: int
    unanswered: int
    retries: int
    seconds: float
    sent_bytes: int
    received_bytes: int
    busiest_minute: str
    busiest_requests: int
    limit_per_minute: float | None
    limit_used: float | None


@dataclass(frozen=True)
class DeadLetterFigures:
    """Dead letters of one stream and destination that were refused for the same reason and are in the same state.

    Attributes:
        reason: without values (`ifs_bi_core.report.reasons`).
        rows: that no target has acknowledged.
        newest: when the last of them was refused.
        command: what replays them.
    """

    stream: str
    destination: str
    state: str
    reason: str
    letters: int
    rows: int
    newest: str
    command: str


@dataclass(frozen=True)
class UnknownFigures:
    """Rows of one stream and destination that left without an answer, or lie on disk and did not leave.

    Attributes:
        plugins: of the newest run that wrote one, in the order of their start.
        since: when the oldest of their batches was written.
        in_flight: whether the run that wrote them may still be at work.
        hosts: the machines that hold the batches and have to resolve them.
    """

    stream: str
    destination: str
    plugins: tuple[str, ...]
    unknown: int
    waiting: int
    batches: int
    since: str
    in_flight: bool
    hosts: tuple[str, ...]


class Kind(StrEnum):
    """What a finding is about."""

    FAILED = "failed"
    NO_END = "no end"
    LATE = "late"
    DEAD_LETTERS = "dead letters"
    UNKNOWN = "unknown outcomes"
    UNBALANCED = "unbalanced"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Finding:
    """Something that needs a person.

    Attributes:
        kind: what it is about.
        subject: the stream, run or plugin that has it.
        sentence: what is the matter; never with data.
        command: what to type next.
        rows: how many are concerned, where it is about rows.
    """

    kind: Kind
    subject: str
    sentence: str
    command: str
    rows: int | None = None


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        made_at: the moment that ages count from.
        ledger: its name, without secrets.
        runs_known: how many runs the ledger holds.
        findings: what needs a person, the worst first; none: all is well.
        runs: the newest, oldest first.
    """

    made_at: str
    ledger: str
    runs_known: int
    findings: tuple[Finding, ...]
    runs: tuple[RunFigures, ...]
    streams: tuple[StreamFigures, ...]
    services: tuple[ServiceFigures, ...]
    dead_letters: tuple[DeadLetterFigures, ...]
    unknown: tuple[UnknownFigures, ...]
    form: int = FORM


def as_json(report: Report) -> str:
    """The report as one JSON object in one line; its names are those of the values here."""
    return msgspec.json.encode(report).decode()
