"""What a dead letter says of itself: values, and the text of its ``reason.json``. No file and no clock."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from ifs_bi_core.errors import IfsBiError

if TYPE_CHECKING:
    from collections.abc import Mapping

LETTER_ID = re.compile(r"\d{8}T\d{6}Z-[A-Za-z0-9_.-]{1,64}-[0-9a-f]{16}")
"""Second in UTC, stream, 64 random bits: `ls` sorts letters by time, and nothing that looks otherwise becomes a path."""

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]")
_NAME_LENGTH = 64


class State(StrEnum):
    """Where a letter is; the folder it lies in has this name."""

    PENDING = "pending"
    """The next replay takes it."""
    REPLAYING = "replaying"
    """Its rows were printed, and no target has told of all of them yet."""
    DONE = "done"
    """A target acknowledged every row."""
    REFUSED = "refused"
    """A target told of every row and refused at least one again."""


class RowState(StrEnum):
    """What became of one row of a letter."""

    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"


class RefusedRow(NamedTuple):
    """A row on its way into the store."""

    line: bytes
    """Its RECORD line as it came."""
    reason: str
    key: str | None = None
    """JSON text, such as ``{"OrderNo":"10023"}``; None where the row has no key."""


class Answer(NamedTuple):
    """What a target says of a row that was replayed."""

    state: RowState
    said: str | None = None

    @classmethod
    def done(cls, note: str | None = None) -> Self:
        """The destination acknowledged it, or holds something newer, which the note says."""
        return cls(RowState.DONE, note)

    @classmethod
    def refused(cls, reason: str) -> Self:
        """The destination refused it again."""
        return cls(RowState.REFUSED, reason)


@dataclass(frozen=True)
class DeadRow:
    """What ``reason.json`` says of one row."""

    key: str | None
    reason: str
    state: RowState = RowState.PENDING
    note: str | None = None

    def answered(self, answer: Answer) -> DeadRow:
        """The row after an answer. What is delivered stays delivered, whatever a second target says."""
        if self.state is RowState.DONE:
            return self
        if answer.state is RowState.REFUSED:
            return replace(self, state=RowState.REFUSED, reason=answer.said or self.reason, note=None)
        return replace(self, state=answer.state, note=answer.said)


@dataclass(frozen=True)
class Letter:
    """A letter as lists show it: without its rows.

    Attributes:
        id: also the name of its folder.
        state: where it is.
        stream: of every row in it.
        batch: the ledger's batch, or None where the rows were refused before they came into one.
        run: the ledger's run.
        destination: that refused the rows.
        at: when they were refused, ISO 8601 in UTC with microseconds and ``Z``.
        rows: how many are in it.
        undelivered: how many of them no target has acknowledged.
        reason: a sentence that sums up the rows' reasons.
        sealed: whether the rows are encrypted.
    """

    id: str
    state: State
    stream: str
    batch: str | None
    run: str
    destination: str
    at: str
    rows: int
    undelivered: int
    reason: str
    sealed: bool


@dataclass(frozen=True)
class Account:
    """The whole of a ``reason.json``; which state the letter is in is said by its folder alone."""

    id: str
    stream: str
    batch: str | None
    run: str
    destination: str
    at: str
    sealed: bool
    details: tuple[DeadRow, ...]

    def reason(self) -> str:
        """The most frequent reason, and how many others there are; of the rows not yet delivered, if there are any."""
        left = [row.reason for row in self.details if row.state is not RowState.DONE]
        counts = Counter(left or [row.reason for row in self.details])
        [(reason, count)] = counts.most_common(1)
        others = len(counts) - 1
        if not others:
            return reason
        return f"{reason} ({count} of {counts.total()} rows; {others} other {'reason' if others == 1 else 'reasons'})"

    def settled(self, folder: State) -> State:
        """Where the letter belongs that lies in ``folder``: it moves on when there is a word for every row."""
        states = {row.state for row in self.details}
        if RowState.PENDING in states:
            return folder
        return State.REFUSED if RowState.REFUSED in states else State.DONE

    def answered(self, answers: Mapping[int, Answer]) -> Account:
        """The account after answers, by the row's number from 0; a number that no row has is passed over."""
        details = tuple(
            row.answered(answers[number]) if number in answers else row for number, row in enumerate(self.details)
        )
        return replace(self, details=details)

    def taken(self) -> Account:
        """The account when a replay begins: what was refused waits for a word again."""
        details = tuple(
            replace(row, state=RowState.PENDING) if row.state is RowState.REFUSED else row for row in self.details
        )
        return replace(self, details=details)

    def letter(self, state: State) -> Letter:
        """What lists show of it."""
        facts = {name: getattr(self, name) for name in ("id", "stream", "batch", "run", "destination", "at", "sealed")}
        undelivered = sum(row.state is not RowState.DONE for row in self.details)
        return Letter(**facts, state=state, rows=len(self.details), undelivered=undelivered, reason=self.reason())


class DamagedLetterError(IfsBiError):
    """A letter on disk is not what the store wrote."""


def instant(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and ``Z``: fixed width, so texts sort as instants do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def letter_id(moment: datetime, stream: str, chance: str) -> str:
    """A name for a letter; ``chance`` is 16 hex digits."""
    name = _NOT_IN_A_NAME.sub("_", stream)[:_NAME_LENGTH] or "_"
    return f"{stamp(moment)}-{name}-{chance}"


def stamp(moment: datetime) -> str:
    """The second in UTC, in the form that letters' names begin with."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def encoded(account: Account) -> bytes:
    """The text of ``reason.json``, for people too."""
    rows = [
        {"key": row.key, "reason": row.reason, "state": row.state.value, "note": row.note} for row in account.details
    ]
    said = {
        "id": account.id,
        "stream": account.stream,
        "batch": account.batch,
        "run": account.run,
        "destination": account.destination,
        "at": account.at,
        "rows": len(rows),
        "reason": account.reason(),
        "sealed": account.sealed,
        "details": rows,
    }
    text = json.dumps(said, indent=2, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # half of a surrogate pair becomes its JSON escape


def parsed(data: bytes, where: str) -> Account:
    """What ``reason.json`` says.

    Raises:
        DamagedLetterError: it is none.
    """
    try:
        said: Any = json.loads(data)
        details = tuple(
            DeadRow(row["key"], row["reason"], RowState(row["state"]), row["note"]) for row in said["details"]
        )
        facts = {name: said[name] for name in ("id", "stream", "batch", "run", "destination", "at", "sealed")}
    except (ValueError, LookupError, TypeError, RecursionError):
        details = ()
    if not details:
        raise DamagedLetterError(
            f"{where} is not what a dead letter says of itself. Bring it back from a backup, or move its folder out of the "
            f"store and see what is in it: nothing of it was replayed."
        )
    return Account(**facts, details=details)
