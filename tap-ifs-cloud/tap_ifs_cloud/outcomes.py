"""What each answer of IFS Cloud means: one table from status and code to an error and a sentence.

Codes and statuses are those of IFS's documentation and of public captures; both shapes of the error body are read:
``{"error": {"code", "message", "details"}}`` and, from older providers, ``message: {"lang", "value"}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from ifs_bi_core.errors import AuthError, ContractBrokenError, IfsBiError, ThrottledError, UnavailableError

if TYPE_CHECKING:
    from ifs_bi_core.http.message import Response

_SHOWN = 300  # characters of a server's message that an error repeats


class RefusedError(ContractBrokenError):
    """IFS Cloud does not accept the query as it is (400, 501); another form of it may work."""


@dataclass(frozen=True)
class Meaning:
    """What an answer is to us, and what the person should do."""

    error: type[IfsBiError]
    advice: str


_LATER = "IFS Cloud does not answer properly now. Run again later; the bookmark was not moved past the last full page."
_GRANT = "Grant the projection to the client's service user (a permission set that contains it), then run again."
_MEANINGS: dict[tuple[int, str | None], Meaning] = {
    (400, None): Meaning(RefusedError, "Check the entity's filter, select and modified settings against $metadata."),
    (401, None): Meaning(
        AuthError,
        "The token was renewed and refused again. Check that the IAM client is a service account of this system.",
    ),
    (403, None): Meaning(ContractBrokenError, _GRANT),
    (404, None): Meaning(
        ContractBrokenError,
        "The tenant has no such projection or entity set at this endpoint, or the entity service is not activated. "
        "Check projection, entity_set, endpoint and service of the entity.",
    ),
    (405, None): Meaning(ContractBrokenError, "The entity set can't be read with GET; name another one."),
    (429, None): Meaning(ThrottledError, "IFS Cloud is asked too often. Lower requests_per_minute, then run again."),
    (500, None): Meaning(UnavailableError, _LATER),
    (500, "MI_MODIFIED_ERROR"): Meaning(
        UnavailableError,
        "IFS Cloud renews its metadata cache. Run again; the bookmark was not moved past the last full page.",
    ),
    (501, None): Meaning(RefusedError, "The entity set does not support this; leave expand or filter out."),
    (502, None): Meaning(UnavailableError, _LATER),
    (503, None): Meaning(UnavailableError, _LATER),
    (504, None): Meaning(
        UnavailableError, "IFS Cloud stopped the query after its time limit. Lower page_size, or narrow the filter."
    ),
}
_UNKNOWN = Meaning(ContractBrokenError, "This answer is not one that IFS Cloud documents. Check base_url.")


def failure(response: Response, operation: str) -> IfsBiError:
    """The error that an answer other than 2xx amounts to, with its sentence."""
    code, message = error_of(response.body)
    meaning = _MEANINGS.get((response.status, code)) or _MEANINGS.get((response.status, None), _UNKNOWN)
    said = " ".join(part for part in (code, f"({message})" if message else "") if part)
    return meaning.error(
        f"{operation}: IFS Cloud answered {response.status}{' ' + said if said else ''}. {meaning.advice}"
    )


def error_of(body: bytes) -> tuple[str | None, str | None]:
    """Code and message of an error body; None for what it does not hold."""
    try:
        error: Any = msgspec.json.decode(body).get("error")
    except (msgspec.DecodeError, AttributeError):
        return None, None
    if isinstance(error, str):  # the gateway's shape: {"error": "invalid_token", "error_description": …}
        return error, None
    if not isinstance(error, dict):
        return None, None
    message = error.get("message")
    if isinstance(message, dict):
        message = message.get("value")
    code = error.get("code")
    return (
        code if isinstance(code, str) and code else None,
        message[:_SHOWN] if isinstance(message, str) and message else None,
    )
