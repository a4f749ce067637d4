"""What a warehouse says against a transaction, as a sentence: what and where, what became of it, what to do next. Pure."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ConfigError, IfsBiError, OutcomeUnknownError

if TYPE_CHECKING:
    from target_looker_warehouse.warehouses.connection import Refusal


class Failure(Enum):
    """Why a transaction failed."""

    UNKNOWN = auto()
    """The connection was lost while its end was awaited."""
    REFUSED = auto()
    """It is the values that can't be taken."""
    FORBIDDEN = auto()
    """This user may not do it."""
    OTHER = auto()


def failed(
    kind: Failure, warehouse: str, what: str, could_not: str, reason: str, refused: Refusal | None = None
) -> IfsBiError:
    """The error of a failed transaction.

    Args:
        kind: why it failed.
        warehouse: which one, without secrets: ``PostgreSQL at postgresql://host:5432/database``.
        what: the table.
        could_not: what could not be done with it.
        reason: the warehouse's own words, without secrets, as a sentence.
        refused: makes the error of values that can't be taken; without it, such a failure is one like others.
    """
    match kind:
        case Failure.UNKNOWN:
            return OutcomeUnknownError(
                f"{warehouse} gave no answer when {what} was about to {could_not}, and nobody knows whether that was done: "
                f"{reason} Run again when it answers: the next run asks the warehouse what had arrived before it sends anything."
            )
        case Failure.REFUSED if refused is not None:
            return refused(reason)
        case Failure.FORBIDDEN:
            return ConfigError(
                f"In {warehouse} {what} could not {could_not}: {reason} Let warehouse_url name the primary server and a user "
                f"who may use and create tables in that schema, then run again; the state was not moved past it."
            )
    return IfsBiError(
        f"In {warehouse} {what} could not {could_not}: {reason} Nothing of it was done, and the state was not moved past it; "
        f"run again when the cause is gone."
    )


def one_sentence(words: str) -> str:
    """Words of somebody else on one line, with a full stop."""
    return f"{' '.join(words.split()).rstrip('.')}."
