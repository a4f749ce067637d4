"""Operations on their way: on disk before the first one is sent, sent one by one, and every one accounted for.

The ledger holds them in batches of the stream ``write-back``, as it holds the rows of a target: written before anything is
sent, ``pushing`` right before its own request leaves, then acknowledged, refused or unknown. What is not done goes to the dead
letters, from where ``ifs-bi replay --stream write-back | ifs-bi write-back -`` brings it again.
"""

from __future__ import annotations

import logging
import secrets
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError
from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.ledger.outcomes import State
from ifs_bi_core.ledger.stories import find
from ifs_bi_core.ledger.trail import TrailRow
from ifs_bi_core.singer.lines import decode, encoded
from ifs_bi_core.singer.refusals import Refusals

from tap_ifs_cloud.write_back.course import SETTLED, Earlier, Outcome, Result
from tap_ifs_cloud.write_back.operations import SCHEMA, STREAM, Operation, operation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ifs_bi_core.ledger.batches import Batch
    from ifs_bi_core.singer.account import Account

    from tap_ifs_cloud.write_back.operations import Given

_BATCH = 500
LOCKED_WAITS: Final = (1.0, 5.0, 15.0)
"""Seconds before operations on locked records are tried again, each time after all others."""

REPLAY: Final = f"ifs-bi replay --stream {STREAM} | ifs-bi write-back -"
"""The command that brings operations again out of the dead letters."""

_CUT_OFF = "The run was cut off before it was sent."
_CUT_OFF_SENDING = "The run was cut off while it was sent, and never learned what became of it."
_SENT_NOTHING = "Nothing was sent, so it comes again with the next run."
_OPEN = frozenset({State.WRITTEN, State.PUSHING})

CarryOut: TypeAlias = "Callable[[Operation, Earlier | None, Callable[[str | None], None]], Result]"
"""Carries out an operation, given what an earlier run did about it, and what is to be called, with the record's ETag, before it
is sent."""


@dataclass(frozen=True)
class _Place:
    """An operation in its batch."""

    batch: Batch
    position: int
    line: bytes
    operation: Operation

    @property
    def key(self) -> str:
        """What lists of dead letters show of it."""
        key = self.operation.key
        return key_text({**key, "entity": self.operation.entity}, ["entity", *sorted(key)])

    @property
    def subject(self) -> str:
        """The record it is about: operations on one record keep their order."""
        return self.key if self.operation.key else self.operation.id or ""


class Operations:
    """The operations of one process, and what becomes of them. The caller holds the lock of the state folder.

    Args:
        account: the ledger and the run.
        destination: the IFS Cloud system, as the ledger calls it.
        tell: hears the end of each operation.
        sleep: waits for seconds.
    """

    def __init__(
        self,
        account: Account,
        destination: str,
        *,
        tell: Callable[[Operation, Result], None],
        sleep: Callable[[float], None],
    ) -> None:
        self._account = account
        self._destination = destination
        self._tell = tell
        self._sleep = sleep
        self._refusals = Refusals(account, destination)
        self._refusals.announce(STREAM, SCHEMA)
        self._own = f"{account.run.id}-{secrets.token_hex(4)}"
        self._batches: list[Batch] = []
        self._sent = False
        self._log = logging.getLogger(__name__)
        self.counts: Counter[Outcome] = Counter()

    def recover(self) -> int:
        """Account for what a process left that was cut off; how many operations those are.

        What it never sent goes to the dead letters, or back to the letter that it came from. What it may have sent is noted
        as unknown, so that a replay looks before it sends, or leaves it where looking doesn't tell.
        """
        left = 0
        for batch in self._account.ledger.unanswered(self._destination, STREAM):
            if batch.host == socket.gethostname():
                for place in _places(batch, _open_in(batch)):
                    left += 1
                    if batch.fates.of(place.position) is State.PUSHING:
                        self._put_aside(place, Result(Outcome.UNKNOWN, _CUT_OFF_SENDING))
                    else:
                        self._give_back(place, _CUT_OFF)
        return left

    def read(self, given: Iterable[Given]) -> int:
        """Put operations on disk; how many.

        Raises:
            ConfigError: the input has a flaw; nothing is left of it to be sent.
            LedgerError: they can't be put on disk.
        """
        numbers = count(1)
        rows: list[TrailRow] = []
        try:
            for one in given:
                operation = one.operation
                operation = operation if operation.id else replace(operation, id=f"{self._own}-{next(numbers)}")
                mark = self._refusals.mark_of(one.message)  # also gives back a letter of another system
                line = (one if mark else replace(one, message={})).line(operation)
                rows.append(TrailRow(key_text({"id": operation.id}, ["id"]), operation.version, payload=line))
                if len(rows) == _BATCH:
                    self._write(rows)
                    rows = []
            if rows:
                self._write(rows)
        except BaseException:
            self._refusals.returned(mark for row in rows if (mark := self._refusals.mark_in(row.payload)))
            self._withdraw(_SENT_NOTHING)
            raise
        total = sum(batch.size for batch in self._batches)
        self._account.run.read(STREAM, total)
        return total

    def send(self, carry_out: CarryOut) -> None:
        """Carry out all that was read, in its order; what is locked after the others.

        Raises:
            IfsBiError: the run ended before it came to all of them; the rest is accounted for.
        """
        todo: dict[int, set[int] | None] = dict.fromkeys(range(len(self._batches)))
        for wait in (0.0, *LOCKED_WAITS):
            if wait:
                self._sleep(wait)
            last = wait == LOCKED_WAITS[-1]
            locked: set[str] = set()
            todo = {
                number: left
                for number, positions in todo.items()
                if (left := self._send_batch(self._batches[number], positions, carry_out, locked, last=last))
            }
            if not todo:
                return

    def exit_code(self) -> ExitCode:
        """How a run ends that came to its end."""
        return ExitCode.DEAD_LETTERS if self._refusals.counts else ExitCode.DONE

    def _write(self, rows: list[TrailRow]) -> None:
        self._batches.append(self._account.run.write_batch(STREAM, self._destination, rows))

    def _send_batch(
        self, batch: Batch, positions: set[int] | None, carry_out: CarryOut, locked: set[str], *, last: bool
    ) -> set[int]:
        """Carry out the operations at these positions (None: all); the positions of those that have to be tried again."""
        left = set()
        for place in _places(batch, positions):
            if place.subject in locked:
                left.add(place.position)
                continue
            result = self._carried_out(place, carry_out)
            if result.stop is not None:
                self._stopped(place, result)
                raise result.stop
            if result.outcome is Outcome.LOCKED and not last:
                locked.add(place.subject)
                left.add(place.position)
            else:
                self._settle(place, result)
        return left

    def _carried_out(self, place: _Place, carry_out: CarryOut) -> Result:
        before = None
        if not (place.operation.id or "").startswith(self._own):
            for story in find(self._account.ledger, STREAM, {"id": place.operation.id}):
                if (story.batch, story.position) == (place.batch.id, place.position):
                    continue
                if story.fate is State.ACKNOWLEDGED:
                    return Result(Outcome.ALREADY, f"The operation of this id was done in run {story.run}.")
                if story.fate in {State.PUSHING, State.UNKNOWN}:
                    etags = [moment.note for moment in story.moments if moment.what == State.PUSHING]
                    before = Earlier(etags[-1] if etags else None)

        def about_to_send(etag: str | None) -> None:
            place.batch.pushing([place.position], note=etag)
            self._sent = True

        return carry_out(place.operation, before, about_to_send)

    def _settle(self, place: _Place, result: Result) -> None:
        if result.outcome in SETTLED:
            place.batch.acknowledged([place.position], note=result.reason)
            if mark := self._refusals.mark_in(place.line):
                self._refusals.answered([mark], result.reason)
        else:
            self._put_aside(place, result)
        self._told(place, result)

    def _put_aside(self, place: _Place, result: Result) -> None:
        """To the dead letters; they are on disk before the ledger says so."""
        reason = f"{result.outcome}: {result.reason}"
        self._refusals.refuse_of_batch(STREAM, place.batch.id, [(place.key, place.line)], reason)
        if result.outcome is Outcome.UNKNOWN:
            place.batch.unknown(reason, [place.position])
        else:
            place.batch.refused(reason, [place.position])

    def _give_back(self, place: _Place, reason: str) -> None:
        """To the letter that it came from, else to the dead letters."""
        mark = self._refusals.mark_in(place.line)
        if mark is None:
            self._put_aside(place, Result(Outcome.NOT_SENT, reason))
        else:
            self._refusals.returned([mark])
            place.batch.withdrawn(reason, [place.position])

    def _stopped(self, place: _Place, result: Result) -> None:
        """Account for everything that the run did not come to, as far as the ledger can still be written."""
        with suppress(IfsBiError):  # the error that stopped the run is the one to be told
            if not self._sent:
                self._told(place, result)
                self._withdraw(_SENT_NOTHING)
                return
            if result.outcome is Outcome.UNKNOWN:
                self._settle(place, result)
            for batch in self._batches:
                for one in _places(batch, _open_in(batch)):
                    self._give_back(one, f"The run ended before it was sent. {result.stop}")
                    self._told(one, Result(Outcome.NOT_SENT, str(result.stop)))
            self._log.warning("What was not sent lies in the dead letters. When the cause is gone: %s", REPLAY)

    def _withdraw(self, reason: str) -> None:
        for batch in self._batches:
            self._refusals.returned(
                mark for place in _places(batch, None) if (mark := self._refusals.mark_in(place.line))
            )
            batch.withdrawn(reason)

    def _told(self, place: _Place, result: Result) -> None:
        self.counts[result.outcome] += 1
        self._tell(place.operation, result)


def _open_in(batch: Batch) -> set[int]:
    fates = batch.fates
    return {position for position in range(batch.size) if fates.of(position) in _OPEN}


def _places(batch: Batch, positions: set[int] | None) -> Iterator[_Place]:
    """The operations at these positions, in their order; None: all."""
    for position, row in enumerate(batch.rows()):
        if positions is None or position in positions:
            if row.payload is None:
                raise ConfigError(f"Batch {batch.id} holds no operations any more. Restore the state folder.")
            line = encoded(row.payload)
            yield _Place(batch, position, line, operation_of(decode(line)["record"]))
