"""The course of an operation as values: what is known of it on its way, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from tap_ifs_cloud.write_back.answers import Meaning

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ifs_bi_core.errors import IfsBiError

    from tap_ifs_cloud.write_back.answers import Answer


class Outcome(StrEnum):
    """What became of an operation."""

    DONE = "done"
    ALREADY = "already"
    """Nothing had to be sent: it is so."""
    CONFLICT = "conflict"
    """Somebody else changed what it changes; it was left."""
    REFUSED = "refused"
    """IFS Cloud does not take it as it is."""
    LOCKED = "locked"
    """Somebody was changing the record all the time; it was left."""
    UNKNOWN = "unknown"
    """It was sent, and nobody can tell whether it happened."""
    NOT_SENT = "not sent"
    """The run ended before it came to that."""


SETTLED: Final = frozenset({Outcome.DONE, Outcome.ALREADY})
"""It is as the operation wants it."""


@dataclass(frozen=True)
class Result:
    """The end of an operation.

    Attributes:
        outcome: what became of it.
        reason: a sentence for a person; None where there is nothing to say.
        key: of a record that was created.
        stop: why the whole run ends with it, if it does.
    """

    outcome: Outcome
    reason: str | None = None
    key: Mapping[str, Any] | None = None
    stop: IfsBiError | None = None


@dataclass(frozen=True)
class Sending:
    """That the request is to be sent, for the record of this ETag; None: for a record that is not there yet."""

    etag: str | None


@dataclass(frozen=True)
class Record:
    """A record as IFS Cloud shows it."""

    row: Mapping[str, Any]
    etag: str | None


@dataclass(frozen=True)
class Earlier:
    """That an earlier run sent the operation, or was about to, and never learned what became of it.

    Attributes:
        etag: of the record that it was sent for, where the ledger knows it.
    """

    etag: str | None = None


@dataclass(frozen=True)
class View:
    """What is known of an operation.

    Attributes:
        before: what an earlier run did about it, whose outcome nobody knows.
        first: the record when it was first looked at; None: there was none, or nobody looked.
        now: the record when it was last looked at.
        sendings: how often it was sent.
        doubt: whether one of them may have happened.
        last: what became of the last one.
    """

    before: Earlier | None = None
    first: Record | None = None
    now: Record | None = None
    sendings: int = 0
    doubt: bool = False
    last: Answer | None = None

    def looked(self, record: Record | None) -> View:
        """The view after a look at the record."""
        return replace(self, first=self.first if self.sendings else record, now=record)

    def sent(self, answer: Answer) -> View:
        """The view after a request."""
        doubt = self.doubt or answer.meaning is Meaning.DOUBT
        return replace(self, sendings=self.sendings + 1, doubt=doubt, last=answer)

    @property
    def said(self) -> str:
        """What the last answer said."""
        return self.last.said if self.last else ""

    @property
    def has_moved(self) -> bool:
        """Whether the record is another than at the first look."""
        return (self.first and self.first.etag) != (self.now and self.now.etag)
