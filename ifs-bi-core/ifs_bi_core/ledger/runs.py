"""Writing to the ledger: a run, its requests and pages, and its batches from the disk to the destination's answer.

The order that a target keeps for each batch::

    batch = run.write_batch(stream, destination, rows)  # the rows are on disk
    batch.pushing()                                     # the ledger says so, on disk
    ...                                                 # the destination is asked
    batch.acknowledged()                                # or refused, unknown, withdrawn

A crash between two of these leaves a batch that `Ledger.unanswered` gives to the next run.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.ledger.accounts import (
    ATTEMPTS,
    BATCHES,
    DEAD_ROWS,
    NOTIFICATION_EVENTS,
    PAGES,
    READS,
    RUN_EVENTS,
)
from ifs_bi_core.ledger.batches import Batch, BatchWriter, read_batches, without_last_word
from ifs_bi_core.ledger.database import LOCK_TIMEOUT_SECONDS, Database
from ifs_bi_core.ledger.journal import Journal, instant, stamp, utc_now
from ifs_bi_core.ledger.outcomes import UNANSWERED, State
from ifs_bi_core.ledger.retention import ROOM_PROBE
from ifs_bi_core.ledger.shared_calls import SharedCalls
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from ifs_bi_core.ledger.notifications import Notification
    from ifs_bi_core.ledger.trail import TrailRow

DEFAULT_STATE_DIR = Path(".ifs-bi")

_ROOM_BYTES = 1 << 20
"""What has to fit on the disk before a run may begin."""


class AttemptFacts(Protocol):
    """What the ledger keeps of an HTTP request: `ifs_bi_core.http.policies.Attempt` has it."""

    @property
    def operation(self) -> str:
        """What it was for."""

    @property
    def method(self) -> str:
        """Upper case."""

    @property
    def status(self) -> int | None:
        """Of the answer, if one came."""

    @property
    def error(self) -> str | None:
        """What came instead."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    @property
    def sent_bytes(self) -> int:
        """Of the body."""

    @property
    def received_bytes(self) -> int:
        """Of the body."""

    @property
    def request_id(self) -> str | None:
        """The service's name for it."""


class Run:
    """One process of a run. Methods may be called from several threads, except those of one batch.

    Attributes:
        id: the run; tap and target may share it.
    """

    def __init__(self, journal: Journal, state_dir: Path, *, run: str, part: str, plugin: str, version: str) -> None:
        self.id = run
        self._part = part
        self._journal = journal
        self._state_dir = state_dir
        self._identity = {"run": run, "part": part, "plugin": plugin, "version": version}
        self._host = socket.gethostname()
        self._reads: dict[str, int] = {}
        self._counting = threading.Lock()
        self._numbers = count(1)
        journal.run, journal.part = run, part
        journal.write((RUN_EVENTS, self._event("started")))

    def attempt(self, attempt: AttemptFacts, *, service: str) -> None:
        """Tell of an HTTP request. It is written with the next page or batch, so a request never fails by being told of."""
        self._journal.note(
            ATTEMPTS,
            run=self.id,
            at=self._journal.now(),
            service=service,
            operation=REDACTOR.redact(attempt.operation),
            method=attempt.method,
            status=attempt.status,
            seconds=round(attempt.seconds, 6),
            sent_bytes=attempt.sent_bytes,
            received_bytes=attempt.received_bytes,
            request_id=attempt.request_id,
            error=attempt.error,
        )

    def observer(self, service: str) -> Callable[[AttemptFacts], None]:
        """What `ifs_bi_core.http.policies.with_audit` calls for each request to a service."""
        return partial(self.attempt, service=service)

    def page(
        self,
        stream: str,
        *,
        number: int,
        rows: int,
        query: str,
        first_key: str | None = None,
        last_key: str | None = None,
    ) -> None:
        """Tell of a page that was read; ``query`` is where it came from, and secrets are taken out of it.

        Raises:
            LedgerError: the ledger can't be written any more.
        """
        self._journal.note(
            PAGES,
            run=self.id,
            at=self._journal.now(),
            stream=stream,
            number=number,
            rows=rows,
            first_key=first_key,
            last_key=last_key,
            query=REDACTOR.redact(query),
        )
        self._journal.write_if_due()

    def read(self, stream: str, rows: int) -> None:
        """Count rows that a target read. The sum is the run's closing word, said by `end`."""
        with self._counting:
            self._reads[stream] = self._reads.get(stream, 0) + rows

    def dead(self, stream: str, destination: str, reason: str, *, key: str | None = None) -> None:
        """Tell of a row that was refused before it came into a batch; it has to be a dead letter on disk by now.

        Raises:
            LedgerError: the ledger can't be written any more.
        """
        values = {"run": self.id, "at": self._journal.now(), "stream": stream, "destination": destination, "key": key}
        self._journal.note(DEAD_ROWS, **values, reason=REDACTOR.redact(reason))
        self._journal.write_if_due()

    def notification(
        self, destination: str, items: Iterable[str], state: Notification, reason: str | None = None
    ) -> None:
        """Tell of something that a service has to be told after a load; on disk when this returns.

        Args:
            destination: the service, without secrets.
            items: what it has to be told, in the words of whoever tells it.
            state: what became of it.
            reason: why, where it is not told.

        Raises:
            LedgerError: the ledger can't be written any more.
        """
        values = {"run": self.id, "at": self._journal.now(), "destination": destination, "state": state.value}
        said = {**values, "reason": reason and REDACTOR.redact(reason)}
        self._journal.write(*((NOTIFICATION_EVENTS, {**said, "item": item}) for item in items), durable=True)

    def begin_batch(self, stream: str, destination: str) -> BatchWriter:
        """Begin a batch whose rows come bit by bit.

        Raises:
            LedgerError: its file can't be made.
        """
        batch = f"{stamp(self._journal.now())}-{self._part}-{next(self._numbers):05d}"
        return BatchWriter(
            self._journal,
            self._state_dir,
            batch=batch,
            run=self.id,
            part=self._part,
            host=self._host,
            stream=stream,
            destination=destination,
        )

    def write_batch(self, stream: str, destination: str, rows: Iterable[TrailRow]) -> Batch:
        """Put rows on disk as a batch, which the ledger knows of when this returns.

        Raises:
            LedgerError: they are not on disk, so nothing may be sent.
        """
        with self.begin_batch(stream, destination) as writer:
            writer.add(rows)
            return writer.written()

    def flush(self) -> None:
        """Write what waits. To be called before a STATE leaves: what it vouches for is in the ledger then.

        Raises:
            LedgerError: it can't be written.
        """
        self._journal.write()

    def end(self, exit_code: int) -> None:
        """Say that the process ends, and how many rows it read; on disk when this returns.

        Raises:
            LedgerError: it can't be written.
        """
        said = ((READS, {"run": self.id, "part": self._part, "stream": s, "rows": n}) for s, n in self._reads.items())
        self._journal.write(*said, (RUN_EVENTS, self._event("ended", exit_code)), durable=True)

    def _event(self, event: str, exit_code: int | None = None) -> dict[str, str | int | None]:
        told = {"event": event, "at": self._journal.now(), "host": self._host}
        return {**self._identity, **told, "pid": os.getpid(), "exit_code": exit_code}


class Ledger:
    """The open ledger of one process: the database and the state folder with the batch files."""

    def __init__(self, database: Database, state_dir: Path, *, clock: Callable[[], datetime]) -> None:
        self.database = database
        self.state_dir = state_dir
        self.clock = clock
        self._journal = Journal(database, clock=clock)

    @classmethod
    def open(
        cls,
        url: str | None = None,
        state_dir: Path = DEFAULT_STATE_DIR,
        *,
        clock: Callable[[], datetime] = utc_now,
        create: bool = True,
        lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
    ) -> Self:
        """Open the ledger, and see that it can be written to: nothing is sent before.

        Args:
            url: where it is; None: ``ledger.db`` in the state folder.
            state_dir: the folder with the batch files.
            clock: the time now.
            create: whether to make a ledger where there is none, and to insist on room for more; False: to read it.
            lock_timeout_seconds: how long to wait for another process.

        Raises:
            ConfigError: it is full, locked, damaged, not writable, newer than this package, or not there.
        """
        folder = Path(state_dir).absolute()
        if create:
            _check_room(folder)
        database = Database(
            url or f"sqlite:///{folder / 'ledger.db'}",
            create=create,
            now=lambda: instant(clock()),
            lock_timeout_seconds=lock_timeout_seconds,
        )
        if create and database.file and database.file.parent != folder:
            _check_room(database.file.parent)
        return cls(database, folder, clock=clock)

    def begin_run(self, plugin: str, version: str, *, run: str | None = None) -> Run:
        """Begin a run, or a part of the run that another process began.

        Raises:
            LedgerError: it can't be written.
        """
        part = secrets.token_hex(4)
        name = run or f"{stamp(self.now())}-{part[:6]}"
        return Run(self._journal, self.state_dir, run=name, part=part, plugin=plugin, version=version)

    def shared_calls(self, service: str) -> SharedCalls | None:
        """What counts the calls of a service for all machines that write to this ledger; None where it is a file of one.

        Raises:
            LedgerError: they can't be counted.
        """
        return None if self.database.file else SharedCalls(self.database, service)

    def unanswered(self, destination: str, stream: str | None = None, *, or_unknown: bool = False) -> list[Batch]:
        """Batches of other processes that were written ahead and have no answer, in their order.

        Each of them has to be resolved before a newer row of that table moves. A batch in state ``written`` never left; one in
        state ``pushing`` may have arrived.

        Args:
            destination: as the batches were given.
            stream: the same; None: of all streams.
            or_unknown: whether to give those too whose outcome was noted as unknown.
        """
        sought = UNANSWERED | {State.UNKNOWN} if or_unknown else UNANSWERED
        where = (BATCHES.c.destination == destination) & without_last_word()
        if stream is not None:
            where &= BATCHES.c.stream == stream
        with self.database.read() as connection:
            open_ones = [account for account in read_batches(connection, where) if account.fates.any_in(sought)]
        return [
            Batch(self._journal, account, self.state_dir) for account in open_ones if account.part != self._journal.part
        ]

    def now(self) -> str:
        """The instant now."""
        return self._journal.now()

    def close(self) -> None:
        """Let go of it."""
        self.database.close()


def _check_room(folder: Path) -> None:
    """See that the folder can be written to and the disk is not full."""
    probe = folder / f"{ROOM_PROBE}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with probe.open("wb") as file:
                file.write(bytes(_ROOM_BYTES))
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{folder} can't be written to: {error.strerror or error}. Batches and the ledger lie there before anything is sent: "
            f"make room, let this user write to it, or name another folder with state_dir and ledger_url."
        ) from None
