"""The dead-letter store of a state folder: rows are put, listed, taken for a replay, and answered for.

A letter is the rows of one stream that one batch lost. It is ``pending`` until a replay takes it, ``replaying`` until a target
has a word for each of its rows, and then ``done`` or ``refused``. Every change reads the letter anew under the store's lock, so
two processes never undo each other's words.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ifs_bi_core.dead_letter.filing import Filing
from ifs_bi_core.dead_letter.letter import (
    Account,
    DamagedLetterError,
    DeadRow,
    Letter,
    RowState,
    State,
    instant,
    letter_id,
    stamp,
)
from ifs_bi_core.dead_letter.lines import marked, one_line
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from ifs_bi_core.dead_letter.letter import Answer, RefusedRow

_ABANDONED_AFTER = timedelta(days=1)
"""When an unfinished letter is what a killed process left."""


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


class DeadLetters:
    """The store of one state folder, which need not be there before the first letter.

    Args:
        state_dir: the folder that holds ``dead-letters``.
        key: gives the 32-byte key that rows are sealed with, or None to leave them readable. Asked once, when it is first needed.
        clock: the time now.

    Attributes:
        folder: where the letters are.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        key: Callable[[], bytes | None] = lambda: None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._filing = Filing(state_dir, key)
        self.folder = self._filing.folder
        self._clock = clock
        self._last = datetime.min.replace(tzinfo=UTC)

    def put(
        self,
        stream: str,
        *,
        schema: bytes,
        rows: Sequence[RefusedRow],
        run: str,
        destination: str,
        batch: str | None = None,
    ) -> Letter:
        """Keep rows that were refused for good; they are on disk when this returns.

        Args:
            stream: of all the rows.
            schema: its SCHEMA line as it came.
            rows: at least one, in their order.
            run: the ledger's run.
            destination: that refused them.
            batch: the ledger's batch, if they came into one.

        Raises:
            IfsBiError: they are not on disk, so the run must not go on past them.
            ConfigError: there should be a key, and it can't be had.
        """
        if not rows:
            raise ValueError("A dead letter holds at least one row.")
        self._sweep()
        # Letters of one process sort as they were put, also where the clock stands still.
        self._last = at = max(self._clock().astimezone(UTC), self._last + timedelta(microseconds=1))
        redacted = REDACTOR.redact
        account = Account(
            id=letter_id(at, stream, secrets.token_hex(8)),
            stream=stream,
            batch=batch,
            run=run,
            destination=redacted(destination),
            at=instant(at),
            sealed=self._filing.key is not None,
            details=tuple(DeadRow(row.key and redacted(row.key), redacted(row.reason)) for row in rows),
        )
        self._filing.keep(account, [one_line(line) for line in (schema, *(row.line for row in rows))])
        return account.letter(State.PENDING)

    def letters(
        self,
        *states: State,
        letter: str | None = None,
        stream: str | None = None,
        batch: str | None = None,
        run: str | None = None,
        destination: str | None = None,
        since: datetime | None = None,
    ) -> list[Letter]:
        """The letters in these states (none named: in any) that fit all that is asked for, oldest first.

        Raises:
            DamagedLetterError: a letter can't be understood; the sentence names it.
            ConfigError: the store can't be read.
        """
        asked = {"id": letter, "stream": stream, "batch": batch, "run": run, "destination": destination}
        wanted = {name: value for name, value in asked.items() if value is not None}
        earliest = "" if since is None else instant(since)
        self._sweep()
        found = [
            one
            for one in self._in(states or tuple(State))
            if one.at >= earliest and all(getattr(one, name) == value for name, value in wanted.items())
        ]
        return sorted(found, key=lambda one: (one.at, one.id))

    def letter(self, letter: str) -> Letter | None:
        """One letter; None where it is not in this store.

        Raises:
            DamagedLetterError: it can't be read; the sentence names it.
        """
        with self._filing.locked(to_change=False):
            found = self._filing.found(letter)
            return found[1].letter(found[0]) if found else None

    def details(self, letter: str) -> tuple[DeadRow, ...]:
        """What the letter says of each of its rows, in their order; nothing for a letter that is not there."""
        with self._filing.locked(to_change=False):
            found = self._filing.found(letter)
            return found[1].details if found else ()

    def payload(self, letter: str) -> list[bytes]:
        """The letter's lines as they came, without line ends: the SCHEMA, then each row. Nothing for one that is not there.

        Raises:
            ConfigError: it is sealed, and there is no key or another one.
            DamagedLetterError: it is not what the store wrote.
        """
        with self._filing.locked(to_change=False):
            found = self._filing.found(letter)
            return self._filing.lines(*found) if found else []

    def lines(self, letter: str) -> list[bytes]:
        """What a replay of the letter prints: its SCHEMA, then the marked lines of the rows that are not done.

        Raises:
            ConfigError: see `payload`.
            DamagedLetterError: the same.
        """
        with self._filing.locked(to_change=False):
            found = self._filing.found(letter)
            return self._to_print(*found) if found else []

    def take(self, letter: Letter) -> list[bytes] | None:
        """Begin to replay a letter: it is ``replaying`` when this returns its `lines`.

        None when it is not any more in the state it was listed in: another replay took it, or a target answered.

        Raises:
            ConfigError: see `payload`; the letter stays where it was.
            DamagedLetterError: the same.
        """
        with self._filing.locked():
            found = self._filing.found(letter.id)
            if found is None or found[0] is not letter.state:
                return None
            state, account = found
            lines = self._to_print(state, account)
            # A kill between these two leaves a refused letter with a word for every row, which finds back by itself.
            self._filing.move(letter.id, state, State.REPLAYING)
            self._filing.note(State.REPLAYING, account.taken(), account)
            return lines

    def answered(self, letter: str, answers: Mapping[int, Answer]) -> bool:
        """Note what became of rows that were replayed, by their number; the letter moves on when there is a word for all.

        False for a letter that is not in this store: it belongs to another machine's.

        Raises:
            IfsBiError: it can't be noted.
        """
        redacted = {
            number: answer._replace(said=answer.said and REDACTOR.redact(answer.said))
            for number, answer in answers.items()
        }
        with self._filing.locked():
            found = self._filing.found(letter)
            if found is None:
                return False
            state, account = found
            after = account.answered(redacted)
            self._filing.note(state, after, account)
            self._filing.move(letter, state, after.settled(state))
            return True

    def returned(self, letter: str) -> bool:
        """Note that the replay of a letter is over: rows without a word are pending again. False as in `answered`.

        Raises:
            IfsBiError: it can't be noted.
        """
        with self._filing.locked():
            found = self._filing.found(letter)
            if found is not None and found[0] is State.REPLAYING:
                self._filing.move(letter, State.REPLAYING, State.PENDING)
            return found is not None

    def prune(self, before: datetime) -> int:
        """Remove the letters that were done before that moment; how many.

        Raises:
            IfsBiError: one can't be removed.
            DamagedLetterError: one can't be read; the sentence names it.
        """
        removed = 0
        for letter in self.letters(State.DONE):
            with self._filing.locked():
                found = self._filing.found(letter.id)
                if found is not None and found[0] is State.DONE:  # else another process was faster
                    removed += self._filing.remove(letter.id, State.DONE, before.timestamp())
        return removed

    def _in(self, states: Collection[State]) -> Iterator[Letter]:
        with self._filing.locked(to_change=False):
            for name in self._filing.names(states):
                found = self._filing.found(name)
                if found is not None and found[0] in states:
                    state, account = found
                    yield account.letter(state)

    def _to_print(self, state: State, account: Account) -> list[bytes]:
        schema, *rows = self._filing.lines(state, account)
        left = [
            (number, line)
            for number, (line, row) in enumerate(zip(rows, account.details, strict=True))
            if row.state is not RowState.DONE
        ]
        try:
            return [schema, *(marked(line, account.id, number) for number, line in left)]
        except ValueError:
            raise DamagedLetterError(
                f"A row of the dead letter {account.id} is no JSON object, so it was not replayed. See it with: "
                f"ifs-bi dead-letters show {account.id} --payload."
            ) from None

    def _sweep(self) -> None:
        self._filing.sweep(stamp(self._clock() - _ABANDONED_AFTER))
