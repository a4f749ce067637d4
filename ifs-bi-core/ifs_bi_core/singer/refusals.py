"""Rows that a destination can't take: to the dead letters with the reason, and out of them again when a replay brings them.

A replayed RECORD line is marked with the letter that it comes from (`ifs_bi_core.dead_letter.lines`); what becomes of it is told
to that letter, and no second one is made.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from ifs_bi_core.dead_letter.letter import Answer, RefusedRow
from ifs_bi_core.dead_letter.lines import MEMBER, mark_of
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.replay.key import letter_key
from ifs_bi_core.singer.lines import decode, decode_flawed, encoded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ifs_bi_core.dead_letter.lines import Mark
    from ifs_bi_core.singer.account import Account

_AT_ONCE = 500  # rows that are gathered for one letter at most
_MARKED = f'"{MEMBER}"'.encode()


class Refusals:
    """What one process does with rows that were refused for good.

    Args:
        account: where they are counted.
        destination: that refused them.

    Attributes:
        counts: rows that went to the dead letters, by stream.
    """

    def __init__(self, account: Account, destination: str) -> None:
        self.counts: Counter[str] = Counter()
        self._account = account
        self._destination = destination
        key = letter_key(account.state_dir)()  # at once: a vault that can't be opened stops the run at its beginning
        self._letters = DeadLetters(account.state_dir, key=lambda: key)
        self._ours: dict[str, bool] = {}
        self._given_back: set[str] = set()
        self._schemas: dict[str, bytes] = {}
        self._waiting: dict[str, list[RefusedRow]] = defaultdict(list)
        self._log = logging.getLogger(__name__)

    def mark_of(self, message: Mapping[str, Any]) -> Mark | None:
        """The letter and row that a RECORD message replays; None for one that no letter of this destination holds.

        A letter that another destination refused goes back to where it was: what is delivered here is no answer to it.
        """
        mark = self._own_mark(message)
        foreign = mark_of(message) if mark is None else None
        if foreign is not None and foreign.letter not in self._given_back:
            self._given_back.add(foreign.letter)
            self._letters.returned(foreign.letter)
        return mark

    def mark_in(self, line: str | bytes | None) -> Mark | None:
        """The same of a RECORD line in a batch file, which an earlier process may have put there; no letter moves."""
        if line is None or _MARKED not in encoded(line):
            return None
        return self._own_mark(decode(line))

    def _own_mark(self, message: Mapping[str, Any]) -> Mark | None:
        mark = mark_of(message)
        if mark is None:
            return None
        if mark.letter not in self._ours:
            found = self._letters.letter(mark.letter)
            self._ours[mark.letter] = found is not None and found.destination == self._destination
        return mark if self._ours[mark.letter] else None

    def announce(self, stream: str, schema: bytes) -> None:
        """Remember the SCHEMA line of a stream: a letter holds the one that its rows came with."""
        if self._schemas.get(stream) != schema:
            self.flush()
            self._schemas[stream] = schema

    def refuse(self, stream: str, row: RefusedRow, mark: Mark | None) -> None:
        """Put aside a row that did not come into a batch."""
        if not self.counts[stream]:
            self._log.warning("%s: a row goes to the dead letters: %s", stream, row.reason)
        self.counts[stream] += 1
        if mark is not None:
            self._letters.answered(mark.letter, {mark.row: Answer.refused(row.reason)})
            self._account.run.dead(stream, self._destination, row.reason, key=row.key)
            return
        self._waiting[stream].append(row)
        if len(self._waiting[stream]) >= _AT_ONCE:
            self._put(stream)

    def refuse_of_batch(self, stream: str, batch: str, lines: Iterable[tuple[str, bytes]], reason: str) -> None:
        """Put aside rows of a batch, by key and RECORD line; on disk when this returns."""
        rows = []
        for key, line in lines:
            self.counts[stream] += 1
            mark = self.mark_in(line)
            if mark is None:
                rows.append(RefusedRow(line, reason, key or None))
            else:
                self._letters.answered(mark.letter, {mark.row: Answer.refused(reason)})
        self._log.warning("%s: rows go to the dead letters: %s", stream, reason)
        if rows:
            self._store(rows, batch)

    def flush(self) -> None:
        """Have everything that was refused on disk, and counted; to be called before a STATE leaves."""
        for stream in list(self._waiting):
            self._put(stream)

    def answered(self, marks: Iterable[Mark], note: str | None = None) -> None:
        """Replayed rows were acknowledged by the destination."""
        by_letter: dict[str, dict[int, Answer]] = defaultdict(dict)
        for mark in marks:
            by_letter[mark.letter][mark.row] = Answer.done(note)
        for letter, answers in by_letter.items():
            self._letters.answered(letter, answers)

    def returned(self, marks: Iterable[Mark]) -> None:
        """Replayed rows did not arrive: their letters wait for another replay."""
        for letter in {mark.letter for mark in marks}:
            self._letters.returned(letter)

    def told(self, command: str) -> str | None:
        """What a person is told at the end of ``command``; None where every row was taken."""
        if not self.counts:
            return None
        streams = ", ".join(f"{stream} {count:,}" for stream, count in sorted(self.counts.items()))
        return (
            f"{self.counts.total():,} rows went to the dead letters ({streams}); everything else was delivered. See the reasons "
            f"with: ifs-bi dead-letters list. When the cause is gone, send them again with: ifs-bi replay | {command}."
        )

    def _put(self, stream: str) -> None:
        rows = self._waiting.pop(stream)
        self._store(rows, None)
        for row in rows:
            self._account.run.dead(stream, self._destination, row.reason, key=row.key)

    def _store(self, rows: list[RefusedRow], batch: str | None) -> None:
        by_source: dict[str, list[RefusedRow]] = defaultdict(list)
        for row in rows:  # a stream map may have given it another name, and a replay has to go through that map again
            by_source[decode_flawed(row.line)[0]["stream"]].append(row)
        for source, part in by_source.items():
            self._letters.put(
                source,
                schema=self._schemas.get(source, b""),
                rows=part,
                run=self._account.run.id,
                destination=self._destination,
                batch=batch,
            )
