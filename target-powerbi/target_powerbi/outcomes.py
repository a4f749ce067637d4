"""What each refusal of Power BI means: one table from status and code to an error and what to do.

Statuses, codes and texts are those of public bug reports and client libraries, since Microsoft's definitions list none. The code
is looked for where Microsoft's own client looks (PowerBI-CSharp ``HttpOperationExceptionHandler``): in the header
``X-PowerBI-Error-Details``, in the body in all of its shapes (``{"error": {"code", "message", "details"}}``,
``error.pbi.error.details``, and the same without ``error``), and in the header ``x-powerbi-error-info``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from ifs_bi_core.errors import (
    AuthError,
    ConfigError,
    ContractBrokenError,
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

REFUSED = (AuthError, ConfigError, ContractBrokenError)
"""Errors of a request that will be refused again, as long as nobody changes anything."""
NOT_NOW = (NotSentError, ThrottledError, UnavailableError, OutcomeUnknownError)
"""Errors of a question that may be answered later."""
NOTHING_HAPPENED = (*REFUSED, NotSentError, ThrottledError, UnavailableError)
"""Errors after which it is certain that a POST changed nothing. `OutcomeUnknownError` says that it may have, and so may
whatever else stops a run in the middle of a request."""

_ERROR_INFO = "x-powerbi-error-info"
_DEAD_TOKENS = frozenset({"TokenExpired", "InvalidToken"})
_DETAILS = "X-PowerBI-Error-Details"  # a body in a header
_NO_ACCESS = "GroupNotAccessible"
_CLAIMS = "insufficient_claims"  # of a WWW-Authenticate header
_NOT_ALLOWED = "PowerBINotAuthorizedException"
_GOOD_TOKENS = frozenset({_NO_ACCESS, _CLAIMS, _NOT_ALLOWED})  # codes of a 401 that another token gets too
_SHOWN = 400  # characters of the service's message that an error repeats
_PERSONAL = re.compile(r"</?pi>")  # the service marks personal data in its messages with these tags
_UNAUTHORIZED, _FORBIDDEN, _TIMEOUT, _UNAVAILABLE, _SERVER_ERROR = 401, 403, 408, 503, 500


@dataclass(frozen=True)
class Meaning:
    """What an answer is to us, and what the person should do.

    ``status``, ``code`` and ``said`` (a part of the message) narrow the answers it is about; None: any.
    """

    status: int | None
    code: str | None
    error: type[IfsBiError]
    advice: str
    said: str | None = None


_ADMIT = (
    "Add the service principal to the workspace as Contributor (workspace, Manage access), and check workspace_id; "
    "a new grant takes some minutes."
)
_ALLOW = (
    "An administrator switches on 'Service principals can use Fabric APIs' (Fabric admin portal, Tenant settings, Developer "
    "settings) for a security group that holds the app; the app itself must not have Power BI permissions that need "
    "an administrator's consent."
)
ALLOW_QUERIES = (
    "An administrator switches 'Dataset Execute Queries REST API' on (Fabric admin portal, Tenant settings, Integration "
    "settings)."
)
"""What is to be done where Power BI answers everything but queries."""
_NO_DATASET = "Check dataset_id and workspace_id: the service principal sees no such dataset in the workspace."
_CONDITIONS = (
    "A Conditional Access policy of the tenant asks for more than the service principal can show, such as a known network. An "
    "administrator exempts the app from the policy (Microsoft Entra admin center, Conditional Access, Workload identities), or "
    "run this where the policy allows it."
)
_TABLE_GONE = "Tables can't be added to a push dataset: see dataset_name in the README."
_SCHEMA = "Power BI did not accept this. Nothing of the request was stored."

MEANINGS = (
    Meaning(None, _NO_ACCESS, ConfigError, _ADMIT),
    Meaning(None, _CLAIMS, AuthError, _CONDITIONS),
    Meaning(403, _NOT_ALLOWED, AuthError, _ADMIT),
    Meaning(401, _NOT_ALLOWED, AuthError, _ALLOW),
    Meaning(None, "TokenExpired", AuthError, "The token was renewed and refused again: check this machine's clock."),
    Meaning(None, "InvalidToken", AuthError, "The token was renewed and refused again: check token_scope and api_url."),
    Meaning(None, "PowerBIEntityNotFound", ConfigError, _NO_DATASET),
    Meaning(
        None,
        "FeatureDeprecatedError",
        ConfigError,
        "Microsoft no longer creates push datasets here. Name an existing one with dataset_id.",
    ),
    Meaning(
        404,
        "ItemNotFound",
        ConfigError,
        "The dataset was not made for pushing (one that was published from a file can't be pushed to). Name another one.",
        said="is not Push API dataset",
    ),
    Meaning(404, "ItemNotFound", ContractBrokenError, _TABLE_GONE),
    Meaning(
        404, "RequestedResourceNotFound", ContractBrokenError, f"The case of a table's name matters. {_TABLE_GONE}"
    ),
    Meaning(400, None, ContractBrokenError, _SCHEMA),
    Meaning(401, None, AuthError, f"The token was renewed and refused again. {_ALLOW}"),
    Meaning(403, None, AuthError, _ALLOW),
    Meaning(404, None, ConfigError, "Check api_url, workspace_id and dataset_id."),
    Meaning(413, None, ContractBrokenError, "The request was too large: lower batch_size_rows, then run again."),
    Meaning(
        429,
        None,
        ThrottledError,
        "Power BI is asked too often or gets too many rows an hour. Run again later, or raise retry_limit_seconds.",
    ),
)
"""From the particular to the general: the first that fits is meant."""

_ELSE = Meaning(
    None, None, ContractBrokenError, "This answer is not one that Power BI is known to give. Check api_url."
)


def refusal(request: Request, response: Response) -> IfsBiError:
    """The error that an answer other than 2xx amounts to, with its sentence."""
    code, message = error_of(response)
    said = " ".join(part for part in (str(response.status), code or "", f"({message})" if message else "") if part)
    told = f"{request.operation}: Power BI answered {said}."
    if response.status >= _SERVER_ERROR or response.status == _TIMEOUT:
        refused = response.status == _UNAVAILABLE and "Retry-After" in response.headers
        if refused or request.safe_twice or request.method == "GET":
            return UnavailableError(f"{told} It does not work properly now; run again later.")
        return OutcomeUnknownError(f"{told} It may have done it all the same.")
    meaning = next((m for m in MEANINGS if _fits(m, response.status, code, message)), _ELSE)
    return meaning.error(f"{told} {meaning.advice}")


def token_refused(response: Response) -> bool:
    """Whether another token may be accepted: 401, or 403 that calls the token expired or invalid.

    A 401 that says that the workspace isn't accessible, or that a policy asks for more, is about a good token.
    """
    if response.status == _FORBIDDEN:
        return error_of(response)[0] in _DEAD_TOKENS
    return response.status == _UNAUTHORIZED and error_of(response)[0] not in _GOOD_TOKENS


def error_of(response: Response) -> tuple[str | None, str | None]:
    """Code and message of a refusal, without the service's tags around personal data; None for what it does not hold."""
    info = response.headers.get(_ERROR_INFO)
    if info is None and _CLAIMS in response.headers.get("WWW-Authenticate", ""):
        info = _CLAIMS
    try:
        body: Any = msgspec.json.decode(response.headers.get(_DETAILS) or response.body)
    except UNREADABLE:
        return info, None
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return info, None
    texts = [error.get("message"), *_details(error.get("details"))]
    newer = error.get("pbi.error")
    if isinstance(newer, dict):
        texts += _details(newer.get("details"))
    message = " ".join(dict.fromkeys(text for text in texts if isinstance(text, str) and text))
    code = error.get("code")
    return (code if isinstance(code, str) and code else info), (shown(_PERSONAL.sub("", message), _SHOWN) or None)


def _details(details: Any) -> list[Any]:
    """The texts among an error's details: ``[{"message": …}]`` or ``[{"detail": {"value": …}}]``."""
    texts = []
    for item in details if isinstance(details, list) else []:
        if isinstance(item, dict):
            inner = item.get("detail")
            texts.append(inner.get("value") if isinstance(inner, dict) else item.get("message"))
    return texts


def _fits(meaning: Meaning, status: int, code: str | None, message: str | None) -> bool:
    return (
        meaning.status in {None, status}
        and meaning.code in {None, code}
        and (meaning.said is None or meaning.said in (message or ""))
    )
