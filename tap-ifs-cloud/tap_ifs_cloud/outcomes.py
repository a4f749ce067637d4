"""What each answer of IFS Cloud means: one table from status and code to what is done, an error and a sentence.

Codes and statuses are those of IFS's documentation and of public captures; both shapes of the error body are read:
``{"error": {"code", "message", "details"}}`` and, from older providers, ``message: {"lang", "value"}``. A gateway in front of
IFS Cloud words its own: ``{"statusCode", "message"}``, ``{"error", "error_description"}``, a web page, or nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import msgspec
from ifs_bi_core.errors import AuthError, ContractBrokenError, IfsBiError, ThrottledError, UnavailableError
from ifs_bi_core.http.message import UNREADABLE
from ifs_bi_core.redaction import shown

if TYPE_CHECKING:
    from ifs_bi_core.http.message import Response

_SHOWN = 300  # characters of a server's message that an error repeats
_SERVICE = re.compile(r"/([^/]+)\.svc(?:/|$)")


class Step(Enum):
    """What is done about an answer before it stands as an error."""

    STOP = "It stands."
    AGAIN = "The request is sent again after a wait that grows, or that `Retry-After` names."
    AT_ONCE = "The request is sent again at once, twice at most."
    RENEW = "The token is renewed, once."
    SHRINK = "A smaller page is asked for; what has no smaller one is sent again after a wait that grows."
    REPHRASE = "The page is asked for in another form, where there is one: by counting rows, or without $select."


class RefusedError(ContractBrokenError):
    """IFS Cloud does not accept the query as it is; another form of it may work."""


class QueryFailedError(RefusedError):
    """The database fails at the query; another form of it may work. A document that is no query can be asked for later."""


class QueryStoppedError(ContractBrokenError):
    """IFS Cloud stopped the query after its time limit; a document that is no query can be asked for later."""


class TooSlowError(IfsBiError):
    """IFS Cloud, or what stands before it, did not wait for the end of the query; a smaller page may come in time."""


@dataclass(frozen=True)
class Meaning:
    """What an answer is to us, and what the person should do where nothing else helps."""

    step: Step
    error: type[IfsBiError]
    advice: str


_KEPT = "the bookmark was not moved past the last full page."
_LATER = f"IFS Cloud does not answer properly now. Run again later; {_KEPT}"
_GRANT = (
    "Grant the projection{service} to the client's service user "
    "(a permission set that contains it, or IFSREADONLYSUPPORT), then run again."
)
_SIGN_IN = (
    "That is no answer of IFS Cloud's API: something asks people to sign in there. "
    "Check that base_url is the address of IFS Cloud itself, and that what stands before it lets the client's token through."
)
_CHANGED = "The record is not what it was when it was read. Read it again, then repeat the change."

MEANINGS: dict[tuple[int, str | None], Meaning] = {
    (200, None): Meaning(Step.STOP, AuthError, _SIGN_IN),  # as a web page: `is_web_page`
    (302, None): Meaning(Step.STOP, AuthError, _SIGN_IN),  # and every other redirect
    (400, None): Meaning(
        Step.REPHRASE, RefusedError, "Check the entity's filter, select and modified settings against $metadata."
    ),
    (400, "ODP_DESERIALIZATION_ERROR"): Meaning(
        Step.REPHRASE, RefusedError, "IFS Cloud can't read what it was sent. Check the entity's filter and values."
    ),
    (400, "DATABASE_ERROR"): Meaning(
        Step.REPHRASE, RefusedError, "The database refused the query. Check the entity's filter, and ask IFS support."
    ),
    (401, None): Meaning(
        Step.RENEW,
        AuthError,
        "The token was renewed and refused again. Check that the IAM client is a service account of this system, "
        "and what a gateway before it asks for.",
    ),
    (403, None): Meaning(Step.STOP, ContractBrokenError, _GRANT),
    (403, "SE_UNAUTHORIZED"): Meaning(Step.STOP, ContractBrokenError, _GRANT),
    (404, None): Meaning(
        Step.STOP,
        ContractBrokenError,
        "The tenant has no such projection or entity set at this endpoint, or the entity service is not activated. "
        "Check projection, entity_set, endpoint and service of the entity; `ifs-bi projections` lists what there is.",
    ),
    (405, None): Meaning(Step.STOP, ContractBrokenError, "The entity set can't be read with GET; name another one."),
    (406, None): Meaning(Step.REPHRASE, RefusedError, "IFS Cloud has no answer in the form that was asked for."),
    (412, None): Meaning(Step.STOP, ContractBrokenError, _CHANGED),
    (414, None): Meaning(Step.REPHRASE, RefusedError, "The address is too long. Name fewer properties in `select`."),
    (415, None): Meaning(Step.REPHRASE, RefusedError, "IFS Cloud has no answer in the form that was asked for."),
    (423, None): Meaning(Step.STOP, UnavailableError, "Somebody is working on the record. Run again later."),
    (428, None): Meaning(Step.STOP, ContractBrokenError, _CHANGED),
    (429, None): Meaning(
        Step.AGAIN, ThrottledError, "IFS Cloud is asked too often. Lower requests_per_minute, then run again."
    ),
    (500, None): Meaning(Step.AGAIN, UnavailableError, _LATER),
    (500, "DATABASE_ERROR"): Meaning(
        Step.AGAIN,
        QueryFailedError,
        "The database fails at this query. Check the entity's filter, and ask IFS support.",
    ),
    (500, "MI_MODIFIED_ERROR"): Meaning(
        Step.AT_ONCE, UnavailableError, f"IFS Cloud renews its metadata cache. Run again; {_KEPT}"
    ),
    (501, None): Meaning(
        Step.REPHRASE, RefusedError, "The entity set does not support this; leave expand or filter out."
    ),
    (502, None): Meaning(Step.AGAIN, UnavailableError, _LATER),
    (503, None): Meaning(Step.AGAIN, UnavailableError, _LATER),
    (504, None): Meaning(
        Step.SHRINK,
        UnavailableError,
        f"A gateway stopped waiting for IFS Cloud. Lower page_size, or run again; {_KEPT}",
    ),
    (504, "ODP_OPERATION_TIMEOUT"): Meaning(
        Step.SHRINK,
        QueryStoppedError,
        "IFS Cloud stopped the query after its time limit. Lower page_size, narrow the filter, or name fewer properties in "
        "`select`.",
    ),
}
"""By status and code; a code without a row of its own means what the status means."""

_UNKNOWN = Meaning(Step.STOP, ContractBrokenError, "This answer is not one that IFS Cloud documents. Check base_url.")
_REDIRECTS = range(300, 400)


def meaning_of(response: Response) -> Meaning:
    """The table's row for an answer that is no success."""
    status = 302 if response.status in _REDIRECTS else response.status
    code, _ = error_of(response.body)
    return MEANINGS.get((status, code)) or MEANINGS.get((status, None), _UNKNOWN)


def is_web_page(response: Response) -> bool:
    """Whether a browser is meant to show the answer: nothing of IFS Cloud's API is HTML."""
    start = response.body[:64].lstrip().lower()
    return start.startswith((b"<!doctype html", b"<html"))


def failure(response: Response, operation: str) -> IfsBiError:
    """The error that an answer without success amounts to, with its sentence."""
    meaning = meaning_of(response)
    service = _service(response)
    return meaning.error(
        f"{said(response, operation)} {meaning.advice.format(service=f' {service}' if service else '')}"
    )


def said(response: Response, operation: str) -> str:
    """What was answered to what, in one sentence."""
    code, message = error_of(response.body)
    service = _service(response)
    parts = [
        f"{operation}: IFS Cloud answered {response.status}",
        code or "",
        f"({message})" if message else "",
        "with a web page" if is_web_page(response) else "",
        f"and leads to {target}" if (target := _host(response.headers.get("Location", ""))) else "",
        f"for {service}" if service else "",
    ]
    return " ".join(filter(None, parts)) + "."


def error_of(body: bytes) -> tuple[str | None, str | None]:
    """Code and message of an error body; None for what it does not hold."""
    try:
        answer: Any = msgspec.json.decode(body)
    except UNREADABLE:
        return None, None
    if not isinstance(answer, dict):
        return None, None
    error = answer.get("error", answer)  # a gateway's {"statusCode": 401, "message": …} has no `error` around it
    if isinstance(error, str):  # a token's refusal: {"error": "invalid_token", "error_description": …}
        description = _text(answer.get("error_description"))
        return shown(error, _SHOWN), description and shown(description, _SHOWN)
    if not isinstance(error, dict):
        return None, None
    message = error.get("message")
    if isinstance(message, dict):
        message = message.get("value")
    texts = dict.fromkeys(filter(None, map(_text, (message, *_details(error)))))
    code = _text(error.get("code"))
    return code and shown(code, _SHOWN), shown("; ".join(texts), _SHOWN) or None


def _details(error: dict[str, Any]) -> list[Any]:
    """The messages below ``details``, where an ``ORA-…`` text can stand that the message above leaves out."""
    details = error.get("details")
    return (
        [detail.get("message") for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _host(address: str) -> str:
    try:
        return shown(urlsplit(address).netloc, _SHOWN)
    except ValueError:  # it is none
        return "no address"


def _service(response: Response) -> str | None:
    """The projection or entity service that was asked."""
    match = _SERVICE.search(urlsplit(response.url).path)
    return unquote(match.group(1)) if match else None
