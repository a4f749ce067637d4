"""Rows on their way to a destination: on disk before they leave, and what came of them in the ledger.

The one mechanism of both targets. Its order is what makes it right: the batch file is complete, the ledger says "about to push",
the destination is asked, the ledger says what came back. Whatever ends the process in between, the next one finds the batch
(`Outgoing.resolve`) and asks the destination what it holds. Dead letters are told before the ledger is: its word is the last
about a batch, and who finds none tells the letters again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ifs_bi_core.errors import IfsBiError, OutcomeUnknownError, RowRejectedError
from ifs_bi_core.ledger.outcomes import FINAL, State
from ifs_bi_core.singer.lines import encoded

if TYPE_CHECKING:
    from ifs_bi_core.dead_letter.lines import Mark
    from ifs_bi_core.ledger.batches import Batch, BatchWriter
    from ifs_bi_core.ledger.trail import TrailColumns
    from ifs_bi_core.singer.account import Account
    from ifs_bi_core.singer.refusals import Refusals

Begin = Callable[[Callable[[], int]], Callable[[], int]]

_MOST_TRIES = 100
"""Refusals of parts of one batch, after which a refused part is put aside as a whole: one bad row in 10,000 takes 27 tries."""


class BatchRefusedError(RowRejectedError):
    """A destination refused rows of a batch for good.

    Attributes:
        stored: how many of the rows, from the first on, it had taken before; it has none of the others.
    """

    def __init__(self, reason: str, *, stored: int = 0) -> None:
        super().__init__(reason)
        self.stored = stored


class OutcomeAcceptedError(OutcomeUnknownError):
    """Nobody can tell whether rows arrived, and a setting takes them for delivered: the run goes on.

    Attributes:
        outdated: how many of them were older than what the destination holds.
    """

    def __init__(self, reason: str, *, outdated: int = 0) -> None:
        super().__init__(reason)
        self.outdated = outdated


class Adapter(Protocol):
    """What a destination does for one stream."""

    def deliver(self, first: int, count: int, batch: str) -> int:
        """Deliver rows of the batch that was prepared, in their order; they are confirmed when this returns.

        Args:
            first: position of the first one.
            count: how many.
            batch: name of the batch. The destination keeps it with the rows, in the same transaction.

        Returns:
            How many of them were older than what the destination holds, and left aside.

        Raises:
            BatchRefusedError: they were refused for good.
            OutcomeAcceptedError: nobody knows whether they arrived, and the run goes on all the same.
            IfsBiError: they could not be delivered now, or nobody knows whether they were; the run ends.
        """

    def held_of(self, batch: str, rows: int) -> int | None:
        """How many rows of an earlier batch, from the first on, the destination holds: ``rows``: all, 0: none.

        None where it can't tell.
        """


class Sending(NamedTuple):
    """A batch on its way.

    Attributes:
        batch: its name, its file, and what became of it.
        marks: which of its rows a replay brought.
        ended: waits for the end of the delivery: how many rows were older than what the destination holds, or the error.
    """

    batch: Batch
    marks: dict[int, Mark]
    ended: Callable[[], int]


class Outgoing:
    """The batches of one stream in one run.

    Args:
        account: of this process.
        refusals: where refused rows go.
        stream: of the rows.
        destination: where they go.
        adapter: takes them there.
        fails: whether a refused row ends the run.
    """

    def __init__(
        self, account: Account, refusals: Refusals, stream: str, destination: str, adapter: Adapter, *, fails: bool
    ) -> None:
        self._account = account
        self._refusals = refusals
        self._stream = stream
        self._destination = destination
        self._adapter = adapter
        self._fails = fails
        self._writer: BatchWriter | None = None
        self._marks: dict[int, Mark] = {}
        self._rows = 0
        self._log = logging.getLogger(__name__)

    def resolve(self) -> None:
        """Settle what earlier processes left without an answer; to be called before anything newer of the table moves.

        Raises:
            IfsBiError: the destination can't be asked.
        """
        self._account.begin()  # what is found out here is said by this run
        for batch in self._account.ledger.unanswered(self._destination, self._stream, or_unknown=True):
            held = self._adapter.held_of(batch.id, batch.size) if batch.pushes else 0
            if held is None:
                if not batch.fates.any_in(frozenset({State.UNKNOWN})):
                    batch.unknown("the destination can't tell whether they arrived")
                self._log.warning("%s: nobody can tell whether batch %s arrived.", self._stream, batch.id)
                continue
            marks = self._marks_in(batch)
            self._refusals.answered(mark for position, mark in marks.items() if position < held)
            self._refusals.returned(mark for position, mark in marks.items() if position >= held)
            if held:
                batch.acknowledged(range(held) if held < batch.size else None)
            if held < batch.size:
                batch.withdrawn("the process ended before they were delivered")
            self._log.info(
                "%s: batch %s of an earlier run: %d of %d rows had arrived.", self._stream, batch.id, held, batch.size
            )

    def _marks_in(self, batch: Batch) -> dict[int, Mark]:
        """Where rows without a final word come from that a replay brought; none where the file is on another machine."""
        if not batch.file.exists():
            return {}
        fates = batch.fates
        marks = ((position, self._refusals.mark_in(row.payload)) for position, row in enumerate(batch.rows()))
        return {position: mark for position, mark in marks if mark and fates.of(position) not in FINAL}

    def add(self, rows: TrailColumns, marks: dict[int, Mark]) -> None:
        """Put rows into the batch that is being gathered.

        Args:
            rows: in their order.
            marks: which of them a replay brought, by their place in ``rows``.

        Raises:
            LedgerError: they can't be written, so they are not sent.
        """
        if not rows.key:
            return
        if self._writer is None:
            self._writer = self._account.run.begin_batch(self._stream, self._destination)
        self._marks |= {self._rows + place: mark for place, mark in marks.items()}
        self._rows += len(rows.key)
        self._writer.add_columns(rows)

    def push(self) -> Pushed | None:
        """Deliver what was gathered; None where that is nothing.

        Raises:
            RowRejectedError: a row was refused, and `on_row_error` is `fail`.
            IfsBiError: it could not be delivered; the next run finds out what arrived.
        """
        sending = self.send(lambda deliver: deliver)
        return self.landed(sending) if sending else None

    def send(self, begin: Begin) -> Sending | None:
        """Have what was gathered on disk, and begin to deliver it; None where that is nothing.

        Args:
            begin: is given the delivery of all rows, and may begin with it elsewhere; it returns what waits for its end.

        Raises:
            IfsBiError: it could not be written down, so it is not sent.
        """
        if self._writer is None:
            return None
        writer, self._writer = self._writer, None
        marks, self._marks, self._rows = self._marks, {}, 0
        batch: Batch | None = None
        try:
            with writer:
                batch = writer.written()
            batch.pushing()
        except BaseException:
            self._stopped(batch, marks)
            raise
        return Sending(batch, marks, begin(partial(self._adapter.deliver, 0, batch.size, batch.id)))

    def landed(self, sending: Sending) -> Pushed:
        """Wait for a delivery, and deliver again what can be of rows that were refused.

        Raises:
            RowRejectedError: a row was refused, and `on_row_error` is `fail`.
            IfsBiError: it could not be delivered; the next run finds out what arrived.
        """
        try:
            return Pushed(sending.batch, self._refusals, sending.marks, self._deliver(sending))
        except BaseException:
            self._refusals.returned(sending.marks.values())
            raise

    def _stopped(self, batch: Batch | None, marks: dict[int, Mark]) -> None:
        if batch is not None and not batch.pushes:
            with suppress(IfsBiError):  # else the next run says so
                batch.withdrawn("the process was stopped before they left")
        self._refusals.returned(marks.values())

    def _deliver(self, sending: Sending) -> int:
        """See to the end of a delivery; where some rows are refused, parts are halved until the refused rows stand alone."""
        batch, outdated, tries = sending.batch, 0, _MOST_TRIES
        parts = [(0, batch.size)]
        ended: Callable[[], int] | None = sending.ended
        while parts:
            first, count = parts.pop()
            try:
                outdated += ended() if ended else self._adapter.deliver(first, count, batch.id)
            except OutcomeAcceptedError as lost:
                outdated += lost.outdated
                batch.unknown(str(lost), range(first, first + count))
            except RowRejectedError as refusal:
                if self._fails:
                    raise
                stored = refusal.stored if isinstance(refusal, BatchRefusedError) else 0
                first, count, tries = first + stored, count - stored, tries - 1
                if count == 1 or tries <= 0:
                    self._refuse(batch, first, count, str(refusal))
                else:
                    half = count // 2
                    parts += [(first + half, count - half), (first, half)]  # the last one is the next
            ended = None
        return outdated

    def _refuse(self, batch: Batch, first: int, count: int, reason: str) -> None:
        lines = ((row.key, encoded(row.payload or b"")) for row in islice(batch.rows(), first, first + count))
        self._refusals.refuse_of_batch(self._stream, batch.id, lines, reason)
        batch.refused(reason, range(first, first + count))

    def discard(self) -> None:
        """Leave nothing behind of a batch that was not complete; replayed rows in it may be replayed again."""
        if self._writer is not None:
            with self._writer:
                self._writer = None
        self._refusals.returned(self._marks.values())


class Pushed:
    """A batch that the destination has taken."""

    def __init__(self, batch: Batch, refusals: Refusals, marks: dict[int, Mark], outdated: int) -> None:
        self._batch = batch
        self._refusals = refusals
        self._marks = marks
        self._outdated = outdated

    @property
    def rows(self) -> int:
        """How many rows of it were not refused."""
        return self._batch.size - self._batch.fates.counts()[State.REFUSED]

    @property
    def stream(self) -> str:
        """Of its rows."""
        return self._batch.stream

    def refuse(self, key: str, reason: str) -> bool:
        """Put aside a row that was taken and turned out to be one that the destination refuses.

        Args:
            key: of the row, as the ledger writes it (`ifs_bi_core.ledger.keys.key_text`); the last one of it is meant.
            reason: of the refusal.

        Returns:
            Whether the batch has such a row.
        """
        found = [(position, row) for position, row in enumerate(self._batch.rows()) if row.key == key][-1:]
        for position, row in found:
            lines = [(row.key, encoded(row.payload or b""))]
            self._refusals.refuse_of_batch(self._batch.stream, self._batch.id, lines, reason)
            self._batch.refused(reason, [position])
        return bool(found)

    def confirm(self) -> None:
        """Say so: from here on a STATE may leave that is behind it."""
        note = None
        if self._outdated:
            note = f"{self._outdated:,} rows were older than what the destination holds, and left aside"
        fates = self._batch.fates
        taken = (mark for position, mark in self._marks.items() if fates.of(position) is not State.REFUSED)
        self._refusals.answered(taken, note)
        known = None
        if fates.any_in(frozenset({State.UNKNOWN})):  # a setting takes them for delivered, and that is no knowledge
            known = [p for p in range(self._batch.size) if fates.of(p) not in FINAL | {State.UNKNOWN}]
        self._batch.acknowledged(known, note=note)
