"""What each answer to a write means: one table from status and code to what became of the operation, and its sentence: pure.

Statuses and codes are those of IFS's documentation and of public captures. A write asks another question than a read: not
whether to ask again, but whether it happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from ifs_bi_core.http.message import UNREADABLE
from ifs_bi_core.singer.lines import decode

from tap_ifs_cloud.outcomes import error_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ifs_bi_core.http.message import Response


class Meaning(Enum):
    """What became of one request to change something."""

    DONE = "It happened."
    REFUSED = "It did not happen, and never will as it is."
    GONE = "It did not happen: there is no such record or action."
    STALE = "It did not happen: the record is not the one of the ETag any more."
    LOCKED = "It did not happen: somebody is changing the record just now."
    AGAIN = "It did not happen: IFS Cloud wants the same request once more."
    FORM = "It did not happen: the body's form was not understood."
    STOP = "It did not happen, and nothing else will happen now."
    DOUBT = "It may have happened."


@dataclass(frozen=True)
class Answer:
    """What became of a request, the sentence about it, and the record that the answer shows."""

    meaning: Meaning
    said: str = ""
    row: Mapping[str, Any] | None = None


MI_MODIFIED = "MI_MODIFIED_ERROR"
"""IFS Cloud has renewed its metadata cache and expects the caller to repeat the request; nothing was done."""

_MEANINGS: Final[Mapping[tuple[int, str | None], tuple[Meaning, str]]] = {
    (400, None): (Meaning.REFUSED, "Correct the operation, then give it again."),
    (400, "ODP_DESERIALIZATION_ERROR"): (Meaning.FORM, "Check names and types of what it sets against $metadata."),
    (401, None): (Meaning.STOP, "The token was renewed and refused again. Check the IAM client, then run again."),
    (403, None): (
        Meaning.REFUSED,
        "Grant the projection to the client's service user with the right to change it, and check its Allowed Companies.",
    ),
    (404, None): (Meaning.GONE, "There is no such record or action."),
    (405, None): (Meaning.REFUSED, "IFS Cloud lets nobody do this to this entity set; use another projection."),
    (408, None): (Meaning.DOUBT, ""),
    (406, None): (Meaning.FORM, "Tell the tenant's administrator."),
    (412, None): (Meaning.STALE, "Somebody else changed the record."),
    (415, None): (Meaning.FORM, "Tell the tenant's administrator."),
    (423, None): (Meaning.LOCKED, "Somebody is changing the record. Try again when they are done."),
    (428, None): (Meaning.REFUSED, "IFS Cloud wants a precondition that this operation can't give."),
    (429, None): (Meaning.STOP, "IFS Cloud is asked too often. Lower requests_per_minute, then run again."),
    (500, MI_MODIFIED): (Meaning.AGAIN, "IFS Cloud keeps renewing its metadata cache. Try again later."),
    (500, "DATABASE_ERROR"): (Meaning.REFUSED, "Correct the operation, then give it again."),
    (501, None): (Meaning.REFUSED, "IFS Cloud can't do this to this entity set."),
}
_OTHER_REFUSAL = (Meaning.REFUSED, "Correct the operation, then give it again.")
_IN_DOUBT = (Meaning.DOUBT, "")
_LOCK_TEXT = (
    "FND_LOCKED"  # DATABASE_ERROR … FND_LOCKED: The update could not be performed since the … is currently locked.
)
_CLIENT_ERRORS = range(400, 500)
_UNAVAILABLE = 503


def answer_of(response: Response, operation: str) -> Answer:
    """What an answer to POST, PATCH or DELETE says of the operation."""
    if response.ok:
        return _success(response, operation)
    code, message = error_of(response.body)
    said = " ".join(part for part in (str(response.status), code, f"({message})" if message else None) if part)
    meaning, advice = _meaning(response, code, message)
    return Answer(meaning, f"{operation}: IFS Cloud answered {said}.{' ' + advice if advice else ''}")


def _meaning(response: Response, code: str | None, message: str | None) -> tuple[Meaning, str]:
    if code == "DATABASE_ERROR" and _LOCK_TEXT in (message or ""):
        return _MEANINGS[423, None]
    if response.status == _UNAVAILABLE and "Retry-After" in response.headers:  # refused before anything was done
        return Meaning.STOP, "IFS Cloud can't work now. Run again when it is well."
    found = _MEANINGS.get((response.status, code)) or _MEANINGS.get((response.status, None))
    return found or (_OTHER_REFUSAL if response.status in _CLIENT_ERRORS else _IN_DOUBT)


def _success(response: Response, operation: str) -> Answer:
    """Done, unless the answer is no answer of IFS Cloud's: a sign-in page of something in between says 200 too."""
    if not response.body.strip():
        return Answer(Meaning.DONE)
    try:
        row = decode(response.body)
    except UNREADABLE:
        row = None
    if isinstance(row, dict):
        return Answer(Meaning.DONE, row=row)
    return Answer(Meaning.DOUBT, f"{operation}: the answer {response.status} is cut off, or is not IFS Cloud's.")
