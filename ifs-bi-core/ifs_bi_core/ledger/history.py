"""What runs did, and whether they balance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from ifs_bi_core.errors import ConfigError, ExitCode
from ifs_bi_core.ledger import outcomes
from ifs_bi_core.ledger.accounts import ATTEMPTS, BATCHES, DEAD_ROWS, PAGES, READS, RUN_EVENTS
from ifs_bi_core.ledger.batches import read_batches
from ifs_bi_core.ledger.outcomes import Line, State

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select, Table

    from ifs_bi_core.ledger.batches import BatchAccount
    from ifs_bi_core.ledger.runs import Ledger

_ENDINGS: dict[int, str] = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed",
    ExitCode.WRONG_CONFIGURATION: "no start",
    ExitCode.DEAD_LETTERS: "dead rows",
}
_NO_END = "no end"
_AT_ONCE = 500  # names that one question of the database holds


@dataclass(frozen=True)
class Part:
    """One process of a run.

    Attributes:
        status: ``done``, ``failed``, ``no start`` (wrong configuration), ``dead rows``, or ``no end``: it runs, or was killed.
    """

    run: str
    part: str
    plugin: str
    version: str
    host: str
    pid: int
    started: str
    ended: str | None
    status: str
    exit_code: int | None


@dataclass(frozen=True)
class Service:
    """The requests of a run to one service that had the same outcome: a status, or the error that came instead."""

    service: str
    outcome: str
    requests: int
    seconds: float
    sent_bytes: int
    received_bytes: int


@dataclass(frozen=True)
class Pull:
    """What a run read of a stream; keys are those of the first and the last page."""

    stream: str
    pages: int
    rows: int
    first_key: str | None
    last_key: str | None


@dataclass(frozen=True)
class Push:
    """A batch of a run: ``rows`` by what became of them, and the last reason that was given."""

    batch: str
    stream: str
    destination: str
    host: str
    file: str
    at: str
    pushes: int
    rows: dict[str, int]
    reason: str | None


@dataclass(frozen=True)
class RunView:
    """What a run did."""

    run: str
    parts: list[Part]
    services: list[Service]
    pulled: list[Pull]
    batches: list[Push]
    dead: dict[str, int]


@dataclass(frozen=True)
class Balance:
    """Whether every row of a run is accounted for.

    Attributes:
        complete: whether the run came to its end.
        pulled: rows that its tap read, by stream.
        streams: of its target; none where the run has no target.
    """

    run: str
    complete: bool
    pulled: dict[str, int]
    streams: list[Line]

    @property
    def holds(self) -> bool:
        """``read = acknowledged + dead + unknown`` for every stream."""
        return all(line.holds for line in self.streams)


def runs(ledger: Ledger, *, limit: int | None = None) -> list[Part]:
    """The processes that ran, newest first."""
    begun = select(RUN_EVENTS).where(RUN_EVENTS.c.event == "started").order_by(RUN_EVENTS.c.id.desc()).limit(limit)
    with ledger.database.read() as connection:
        return _parts(connection, begun)


def show(ledger: Ledger, run: str) -> RunView:
    """What a run did.

    Raises:
        ConfigError: there is no such run.
    """
    with ledger.database.read() as connection:
        parts = _parts_of(connection, run)
        batches = [_push(account) for account in read_batches(connection, BATCHES.c.run == run)]
        return RunView(
            run,
            parts,
            _services(connection, run),
            _pulls(connection, run),
            batches,
            _summed(connection, DEAD_ROWS, run),
        )


def balance(ledger: Ledger, run: str) -> Balance:
    """Whether every row of a run is accounted for.

    Raises:
        ConfigError: there is no such run.
    """
    with ledger.database.read() as connection:
        complete = outcomes.complete([part.exit_code for part in _parts_of(connection, run)])
        lines = outcomes.balance(
            complete=complete,
            reads=_summed(connection, READS, run),
            dead=_summed(connection, DEAD_ROWS, run),
            batches=[(account.stream, account.fates) for account in read_batches(connection, BATCHES.c.run == run)],
        )
        return Balance(run, complete, _summed(connection, PAGES, run), lines)


def _parts_of(connection: Connection, run: str) -> list[Part]:
    begun = select(RUN_EVENTS).where(RUN_EVENTS.c.run == run, RUN_EVENTS.c.event == "started").order_by(RUN_EVENTS.c.id)
    parts = _parts(connection, begun)
    if not parts:
        raise ConfigError(f"The ledger has no run {run}. `ifs-bi ledger runs` lists them.")
    return parts


def _parts(connection: Connection, begun: Select[Any]) -> list[Part]:
    started = connection.execute(begun).all()
    names = [row.part for row in started]
    ended: dict[str, Any] = {}
    for at in range(0, len(names), _AT_ONCE):
        some = RUN_EVENTS.c.part.in_(names[at : at + _AT_ONCE]) & (RUN_EVENTS.c.event == "ended")
        ended |= {row.part: row for row in connection.execute(select(RUN_EVENTS).where(some))}
    parts = []
    for row in started:
        end = ended.get(row.part)
        code = end.exit_code if end else None
        parts.append(
            Part(
                *(row.run, row.part, row.plugin, row.version, row.host, row.pid, row.at),
                ended=end.at if end else None,
                status=_NO_END if code is None else _ENDINGS.get(code, "failed"),
                exit_code=code,
            )
        )
    return parts


def _push(account: BatchAccount) -> Push:
    reasons = [event.reason for event in account.events if event.reason]
    return Push(
        *(account.batch, account.stream, account.destination, account.host, account.file, account.at),
        pushes=sum(event.state is State.PUSHING for event in account.events),
        rows={state.value: count for state, count in sorted(account.fates.counts().items())},
        reason=reasons[-1] if reasons else None,
    )


def _services(connection: Connection, run: str) -> list[Service]:
    outcome = (ATTEMPTS.c.status, ATTEMPTS.c.error)
    sums = [func.sum(ATTEMPTS.c[name]) for name in ("seconds", "sent_bytes", "received_bytes")]
    asked = select(ATTEMPTS.c.service, *outcome, func.count(), *sums).where(ATTEMPTS.c.run == run)
    found = [
        Service(service, str(status or error), requests, round(seconds, 3), int(sent), int(received))
        for service, status, error, requests, seconds, sent, received in connection.execute(
            asked.group_by(ATTEMPTS.c.service, *outcome)
        )
    ]
    return sorted(found, key=lambda one: (one.service, one.outcome))


def _pulls(connection: Connection, run: str) -> list[Pull]:
    asked = select(
        PAGES.c.stream, func.count(), func.sum(PAGES.c.rows), func.min(PAGES.c.id), func.max(PAGES.c.id)
    ).where(PAGES.c.run == run)
    found = connection.execute(asked.group_by(PAGES.c.stream).order_by(PAGES.c.stream)).all()
    ends = {number for row in found for number in row[3:]}
    keys = {row.id: row for row in connection.execute(select(PAGES).where(PAGES.c.id.in_(ends)))}
    return [
        Pull(stream, pages, int(rows), keys[first].first_key, keys[last].last_key)
        for stream, pages, rows, first, last in found
    ]


def _summed(connection: Connection, table: Table, run: str) -> dict[str, int]:
    """Rows of a run by stream."""
    rows = func.sum(table.c.rows) if "rows" in table.c else func.count()
    asked = select(table.c.stream, rows).where(table.c.run == run).group_by(table.c.stream).order_by(table.c.stream)
    return {stream: int(count) for stream, count in connection.execute(asked)}
