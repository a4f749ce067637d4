"""Batches: what the ledger knows of one, one at work, and one being written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from sqlalchemy import exists, select

from ifs_bi_core.ledger.accounts import BATCH_EVENTS, BATCHES, KEY_HASHES
from ifs_bi_core.ledger.outcomes import FINAL, PRUNED, Event, Fates, State, fates, positions_of, positions_text
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from sqlalchemy import ColumnElement, Connection

    from ifs_bi_core.ledger.journal import Journal
    from ifs_bi_core.ledger.trail import TrailColumns, TrailRow


@dataclass(frozen=True)
class BatchAccount:
    """What the ledger knows of a batch; names are those of `ifs_bi_core.ledger.accounts.BATCHES`.

    Attributes:
        events: what happened to it, in order.
        pruned_at: when the payload of its delivered rows was dropped.
    """

    batch: str
    run: str
    part: str
    host: str
    at: str
    stream: str
    destination: str
    rows: int
    file: str
    bytes: int
    key_names: str | None
    events: tuple[Event, ...] = ()
    pruned_at: str | None = None

    @property
    def fates(self) -> Fates:
        """What became of its rows."""
        return fates(self.rows, self.events)


def follows(batch: str, earlier: str) -> bool:
    """Whether ``batch`` is a later one of the process that wrote ``earlier``: names are ``<time>-<process>-<number>``."""
    (_, part, number), (_, earlier_part, earlier_number) = (name.rsplit("-", 2) for name in (batch, earlier))
    return part == earlier_part and int(number) > int(earlier_number)


def read_batches(connection: Connection, where: ColumnElement[bool]) -> list[BatchAccount]:
    """The batches of a condition on BATCHES, with their events, oldest first."""
    found = connection.execute(select(BATCHES).where(where).order_by(BATCHES.c.at, BATCHES.c.batch)).mappings().all()
    said = select(BATCH_EVENTS).join(BATCHES, BATCHES.c.batch == BATCH_EVENTS.c.batch).where(where)
    events: dict[str, list[Event]] = {row["batch"]: [] for row in found}
    pruned: dict[str, str] = {}
    for row in connection.execute(said.order_by(BATCH_EVENTS.c.id)):
        if row.state == PRUNED:
            pruned[row.batch] = row.at
        elif row.batch in events:  # else it was written between the two questions
            positions = None if row.positions is None else positions_of(row.positions)
            events[row.batch].append(Event(row.at, State(row.state), row.reason, positions, row.run))
    return [
        BatchAccount(**row, events=tuple(events[row["batch"]]), pruned_at=pruned.get(row["batch"])) for row in found
    ]


def without_last_word() -> ColumnElement[bool]:
    """The condition on BATCHES that no final word was said about all rows at once, which is the way of nearly all batches."""
    answer = BATCH_EVENTS.alias()
    for_all = answer.c.state.in_(FINAL) & answer.c.positions.is_(None)
    return ~exists().where((answer.c.batch == BATCHES.c.batch) & for_all)


class Batch:
    """A batch on disk, and what the ledger knows of it.

    Attributes:
        id: unique, and sorts by the time it was begun.
        run: the run that wrote it.
        stream: of its rows.
        destination: where they go.
        size: how many rows.
        file: where they lie.
        host: the machine that wrote it.
        events: what happened to it, as far as this process knows.
    """

    def __init__(self, journal: Journal, account: BatchAccount, state_dir: Path) -> None:
        self.id = account.batch
        self.run = account.run
        self.stream = account.stream
        self.destination = account.destination
        self.size = account.rows
        self.file = state_dir / account.file
        self.host = account.host
        self.events = list(account.events)
        self._journal = journal

    @property
    def fates(self) -> Fates:
        """What became of its rows so far."""
        return fates(self.size, self.events)

    @property
    def pushes(self) -> int:
        """How often it was about to leave."""
        return sum(event.state is State.PUSHING for event in self.events)

    def rows(self) -> Iterator[TrailRow]:
        """Its rows, in their order.

        Raises:
            LedgerError: the file is not on this machine any more, or is damaged.
        """
        # Here and not above: most who look at batches never open one, and need not hold what reads it in memory.
        from ifs_bi_core.ledger import trail  # noqa: PLC0415 - the reason is the line above

        return trail.read(self.file)

    def pushing(self, positions: Iterable[int] | None = None, *, note: str | None = None) -> None:
        """Say that the rows at these positions are about to leave (None: all); on disk when this returns.

        Args:
            positions: of the rows.
            note: what has to be known of it after a crash.

        Raises:
            LedgerError: it can't be said, so nothing may be sent.
        """
        self._happened(State.PUSHING, note, positions, durable=True)

    def acknowledged(self, positions: Iterable[int] | None = None, *, note: str | None = None) -> None:
        """Say that the destination has confirmed the rows at these positions; None: all that have no final word yet.

        Args:
            positions: of the rows.
            note: what is to be said about it, such as how many of them were older than what the destination holds.
        """
        self._happened(State.ACKNOWLEDGED, note, positions)

    def refused(self, reason: str, positions: Iterable[int] | None = None) -> None:
        """Say that the destination refused the rows for good; they have to be dead letters on disk by now."""
        self._happened(State.REFUSED, reason, positions)

    def unknown(self, reason: str, positions: Iterable[int] | None = None) -> None:
        """Say that nobody can tell whether the rows arrived."""
        self._happened(State.UNKNOWN, reason, positions)

    def withdrawn(self, reason: str, positions: Iterable[int] | None = None) -> None:
        """Say that the rows certainly did not arrive and come again, since no state was moved past them."""
        self._happened(State.WITHDRAWN, reason, positions)

    def _happened(
        self,
        state: State,
        reason: str | None = None,
        positions: Iterable[int] | None = None,
        *,
        durable: bool = False,
    ) -> None:
        own = None if positions is None else frozenset(positions)
        if own and not all(0 <= position < self.size for position in own):
            raise ValueError(f"Batch {self.id} has {self.size} rows; there is none at {max(own)}.")
        said = None if reason is None else REDACTOR.redact(reason)
        event = Event(self._journal.now(), state, said, own, self._journal.run)
        self._journal.write((BATCH_EVENTS, _event_entry(self.id, event)), durable=durable)
        self.events.append(event)


class BatchWriter:
    """A batch that is being gathered: rows go to the disk as they come, so that few are in memory.

    As a context manager it leaves nothing behind where `written` was not reached.

    Args:
        journal: where the batch is told of.
        state_dir: the folder that its file goes below.
        batch: its name.
        stream: of its rows.
        identity: ``run``, ``part``, ``host`` and ``destination`` of its account.

    Raises:
        LedgerError: its file can't be made.
    """

    def __init__(self, journal: Journal, state_dir: Path, *, batch: str, stream: str, **identity: str) -> None:
        from ifs_bi_core.ledger import trail  # noqa: PLC0415 - see `Batch.rows`

        self._journal = journal
        self._state_dir = state_dir
        self._identity = {"batch": batch, "stream": stream, **identity}
        self._file = f"batches/{trail.folder_of(stream)}/{batch}.parquet"
        self._trail = trail.TrailWriter(state_dir / self._file)
        self._done = False

    def add(self, rows: Iterable[TrailRow]) -> None:
        """Add rows, in their order.

        Raises:
            LedgerError: they can't be written.
        """
        self._trail.add(rows)

    def add_columns(self, columns: TrailColumns) -> None:
        """Add rows, in their order.

        Raises:
            LedgerError: they can't be written.
        """
        self._trail.add_columns(columns)

    def written(self) -> Batch:
        """Close the batch; its rows are on disk, and the ledger knows of it, when this returns.

        Raises:
            LedgerError: they are not, so nothing may be sent.
        """
        self._trail.complete()
        self._done = True
        event = Event(self._journal.now(), State.WRITTEN, run=self._journal.run)
        account = BatchAccount(
            **self._identity,
            at=event.at,
            rows=self._trail.rows,
            file=self._file,
            bytes=self._trail.path.stat().st_size,
            key_names=json.dumps(self._trail.key_names) if self._trail.key_names else None,
            events=(event,),
        )
        hashes = {"batch": account.batch, "stream": account.stream, "hashes": self._trail.key_hashes}
        self._journal.write(
            (BATCHES, {column.name: getattr(account, column.name) for column in BATCHES.c}),
            (KEY_HASHES, hashes),
            (BATCH_EVENTS, _event_entry(account.batch, event)),
        )
        return Batch(self._journal, account, self._state_dir)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._done:
            self._trail.discard()


def _event_entry(batch: str, event: Event) -> dict[str, object]:
    positions = None if event.positions is None else positions_text(event.positions)
    return {
        "batch": batch,
        "run": event.run,
        "at": event.at,
        "state": event.state.value,
        "reason": event.reason,
        "positions": positions,
    }
