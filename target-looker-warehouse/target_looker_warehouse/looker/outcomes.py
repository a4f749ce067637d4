"""What each refusal of Looker means: one table from its status to an error and what to do.

Statuses are those that the specification of API 4.0 lists for the operations in use (400, 404, 422, 429) and what any server
may answer. A name that the API user may not see is "not found", as one that isn't there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from ifs_bi_core.errors import (
    AuthError,
    ConfigError,
    IfsBiError,
    NotSentError,
    OutcomeUnknownError,
    ThrottledError,
    UnavailableError,
)
from ifs_bi_core.http.message import UNREADABLE
from ifs_bi_core.redaction import shown

if TYPE_CHECKING:
    from ifs_bi_core.http.message import Request, Response

NOT_NOW = (AuthError, NotSentError, ThrottledError, UnavailableError, OutcomeUnknownError)
"""Errors after which Looker may do later, or for another key, what it was asked for."""

_SHOWN = 300  # characters of Looker's message that an error repeats
_SOMETHING_ELSE = "What answers at looker.base_url is not Looker's API. Check looker.base_url, then run again."
_TOO_MANY, _SERVER_ERROR = 429, 500

_MEANINGS: dict[int, tuple[type[IfsBiError], str]] = {
    400: (ConfigError, "Check the setting 'looker'."),
    401: (
        AuthError,
        "It refuses the token that it just gave: see whether the user of the API key is enabled (Admin > Users).",
    ),
    403: (ConfigError, "Give the role of the API key's user the permission for it (Admin > Roles)."),
    404: (ConfigError, "There is none of that name or id, or the user of the API key may not see it: check 'looker'."),
    409: (ConfigError, "Check the setting 'looker'."),
    422: (ConfigError, "Check the setting 'looker'."),
    _TOO_MANY: (ThrottledError, "The limit of calls is used up for now; see the quota of your edition."),
}


def refusal(request: Request, response: Response) -> IfsBiError:
    """The error that a refused request amounts to."""
    where = f"{request.operation}: Looker answered {response.status}"
    said = message(response.body)
    reason = f"{where} {shown(said, _SHOWN)!r}." if said else f"{where}."
    if response.status >= _SERVER_ERROR:
        return undecided(f"{reason} See whether Looker is well.", safe_twice=request.safe_twice)
    if response.status not in _MEANINGS:
        return undecided(f"{reason} {_SOMETHING_ELSE}", safe_twice=request.safe_twice)
    kind, advice = _MEANINGS[response.status]
    return kind(f"{reason} {advice}")


def stranger(operation: str, *, safe_twice: bool) -> IfsBiError:
    """The error of an answer that Looker's API does not give: another address, or a page in front of it for a while."""
    return undecided(f"{operation}: {_SOMETHING_ELSE}", safe_twice=safe_twice)


def undecided(sentence: str, *, safe_twice: bool) -> IfsBiError:
    """The error where Looker may have done it: it matters only for what would do harm twice."""
    return UnavailableError(sentence) if safe_twice else OutcomeUnknownError(sentence)


def sign_in_refusal(status: int) -> IfsBiError:
    """The error that a refused login amounts to; Looker doesn't tell an unknown key from a wrong secret."""
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        return NotSentError(f"Sign-in to Looker: it answered {status}. See whether Looker is well, then run again.")
    return AuthError(
        f"Sign-in to Looker: it answered {status}. Check looker.base_url (the API host), client_id and client_secret; an API key "
        f"of an enabled user (Admin > Users > Edit > API keys)."
    )


def message(body: bytes) -> str:
    """What an error's body says, with the details of a failed validation; empty where it is none of Looker's."""
    try:
        found: Any = msgspec.json.decode(body)
    except UNREADABLE:
        return ""
    if not isinstance(found, dict):
        return ""
    errors = found.get("errors")
    details = [
        f"{detail.get('field')} {detail.get('message')}"
        for detail in (errors if isinstance(errors, list) else [])
        if isinstance(detail, dict)
    ]
    return ": ".join(str(part) for part in (found.get("message"), "; ".join(details)) if part)
