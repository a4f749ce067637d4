"""Scripted faults: what goes wrong, where, when and how often, as data. The wire that applies them is in ``wire``.

A fault waits in ``World.faults``. The first one that matches a request is applied to it; ``skip`` lets that many matching
requests pass first, ``times`` counts down, and a fault that is used up leaves the list. So an empty list at the
end of a test says that everything scripted has happened.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, get_args

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_sandbox.world import World

Service = Literal["ifs", "token", "login", "powerbi", "onelake", "looker"]
"""Who is asked: IFS Cloud's OData, its token endpoint, Microsoft's token service, Power BI, OneLake, Looker."""

Kind = Literal["status", "reset", "reset_mid_body", "truncate", "slow", "revoke_tokens"]
"""What happens.

- ``status``: an answer with ``status``, ``code`` and ``message`` instead of the service's own;
- ``reset``: the connection is reset before any answer;
- ``reset_mid_body``: headers and half of the body, then a reset;
- ``truncate``: headers and half of the body, then an orderly close: less than Content-Length promised;
- ``slow``: ``seconds`` pass;
- ``revoke_tokens``: every token of the service ends, then the request goes on as usual.
"""

ALWAYS_AFTER: tuple[Kind, ...] = ("reset_mid_body", "truncate")  # half an answer needs an answer


@dataclass(frozen=True)
class Fault:
    """One scripted fault.

    ``path`` is a pattern as of ``fnmatch`` over the decoded path, without the query. ``after``: the service does its
    work first and then its answer is lost, which is how a POST of rows is stored and yet looks failed.
    """

    service: Service
    kind: Kind
    method: str | None = None
    path: str | None = None
    skip: int = 0
    times: int | None = 1  # None: until it is deleted
    status: int | None = None
    code: str | None = None
    message: str | None = None
    body: dict[str, Any] | None = None  # an answer's whole JSON, where code and message can't say it
    retry_after: int | str | None = None  # seconds or an HTTP date
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    seconds: float = 0

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        if self.service not in get_args(Service):
            raise ValueError(f"service {self.service!r} is none of {', '.join(get_args(Service))}")
        if self.kind not in get_args(Kind):
            raise ValueError(f"kind {self.kind!r} is none of {', '.join(get_args(Kind))}")
        if (self.kind == "status") != (self.status is not None):
            raise ValueError("status belongs to a fault of kind 'status', and such a fault needs it")
        if self.skip < 0 or (self.times is not None and self.times < 1):
            raise ValueError("skip is at least 0 and times at least 1")

    def matches(self, service: str, method: str, path: str) -> bool:
        """Whether a request is one of those that the fault is about."""
        return (
            self.service == service
            and self.method in {None, method}
            and (self.path is None or fnmatchcase(path, self.path))
        )

    @property
    def loses_answer(self) -> bool:
        """Whether the service does its work before the fault strikes."""
        return self.after or self.kind in ALWAYS_AFTER

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a fault of kind ``status``, in the shape of the service's own errors."""
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        body = b""
        if self.body is not None:
            body = orjson.dumps(self.body)
            headers.setdefault("Content-Type", "application/json")
        elif self.code is not None:
            body = orjson.dumps(ERROR_BODIES[self.service](self.code, self.message or ""))
            headers.setdefault("Content-Type", "application/json")
        elif self.message is not None:
            body = self.message.encode()
            headers.setdefault("Content-Type", "text/plain; charset=utf-8")
        return self.status or 500, headers, body


ERROR_BODIES: dict[Service, Callable[[str, str], dict[str, Any]]] = {
    "ifs": lambda code, message: {"error": {"code": code, "message": message, "details": []}},
    "token": lambda code, message: {"error": code, "error_description": message},
    "login": lambda code, message: {"error": code, "error_description": message},
    "powerbi": lambda code, message: {"error": {"code": code, "message": message}},
    "onelake": lambda code, message: {"error": {"code": code, "message": message}},
    "looker": lambda code, message: {
        "message": message or code,
        "documentation_url": "https://cloud.google.com/looker/docs/",
    },
}
"""How each service words an error."""

POWERBI_PRESETS: dict[str, Fault] = {
    "powerbi_vanish_before": Fault("powerbi", "reset"),
    "powerbi_vanish_after": Fault("powerbi", "reset", after=True),
    "powerbi_500_before": Fault("powerbi", "status", status=500),
    "powerbi_500_after": Fault("powerbi", "status", status=500, after=True),
    "powerbi_400": Fault("powerbi", "status", status=400, code="BadRequest", message="Bad Request"),
    "powerbi_429_storm": Fault("powerbi", "status", times=5, status=429, code="TooManyRequests", retry_after=10),
    "powerbi_429_storm_without_retry_after": Fault("powerbi", "status", times=5, status=429),
    "powerbi_token_death": Fault("powerbi", "revoke_tokens"),
    "powerbi_lock_contention": Fault(
        "powerbi",
        "status",
        status=500,
        body={
            "error": {
                "code": "GeneralException",
                "message": "Failed to process dataset GetTables",
                "target": "GetTables",
                "details": [{"message": "Exception of type 'AcquireLockTimeoutException' was thrown."}],
            }
        },
    ),
    "powerbi_insufficient_claims": Fault(
        "powerbi",
        "status",
        times=None,
        status=401,
        headers={
            "WWW-Authenticate": 'Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="'
        },
    ),
}
"""Power BI's own; ``path`` and ``method`` say of which operation (`POWERBI_OPERATIONS`), ``skip`` at which of its requests."""

POWERBI_OPERATIONS: dict[str, dict[str, str]] = {
    "list groups": {"method": "GET", "path": "*/myorg/groups"},
    "list datasets": {"method": "GET", "path": "*/datasets"},
    "create dataset": {"method": "POST", "path": "*/datasets"},
    "get dataset": {"method": "GET", "path": "*/datasets/????????-*-????????????"},
    "list tables": {"method": "GET", "path": "*/tables"},
    "put table": {"method": "PUT", "path": "*/tables/*"},
    "post rows": {"method": "POST", "path": "*/rows"},
    "delete rows": {"method": "DELETE", "path": "*/rows"},
    "sequence numbers": {"method": "GET", "path": "*/sequenceNumbers"},
    "query": {"method": "POST", "path": "*/executeQueries"},
}
"""Method and path of each operation of Power BI, for ``preset(name, skip=2, **POWERBI_OPERATIONS["post rows"])``."""

PRESETS: dict[str, Fault] = {
    "throttled": Fault("ifs", "status", status=429, retry_after=1),
    "throttled_without_retry_after": Fault("ifs", "status", status=429),
    "unavailable": Fault("ifs", "status", status=503),
    "operation_timeout": Fault(
        "ifs",
        "status",
        status=504,
        code="ODP_OPERATION_TIMEOUT",
        message="Operation did not complete in the expected time (300 seconds).",
    ),
    "metadata_changed": Fault(
        "ifs",
        "status",
        status=500,
        code="MI_MODIFIED_ERROR",
        message="The metadata has been modified. Repeat the request.",
    ),
    "database_error": Fault(
        "ifs",
        "status",
        status=500,
        code="DATABASE_ERROR",
        message="ORA-20110: PurchaseOrder.FAILED: The query could not be completed.",
    ),
    "forbidden": Fault(
        "ifs", "status", times=None, status=403, code="SE_UNAUTHORIZED", message="Insufficient privileges."
    ),
    "not_found": Fault(
        "ifs", "status", times=None, status=404, code="ODP_RESOURCE_NOTFOUND", message="Resource not found."
    ),
    "not_implemented": Fault(
        "ifs", "status", times=None, status=501, code="ODP_NOT_IMPLEMENTED", message="Not implemented."
    ),
    "gateway_unauthorized": Fault(
        "ifs",
        "status",
        times=None,
        status=401,
        message='{ "statusCode": 401, "message": "Access denied due to missing subscription key." }',
        headers={"Content-Type": "application/json"},
    ),
    "gateway_error": Fault(
        "ifs",
        "status",
        status=502,
        message="<html><head><title>502 Bad Gateway</title></head></html>",
        headers={"Content-Type": "text/html"},
    ),
    "gateway_timeout": Fault("ifs", "status", status=504),
    "sign_in_page": Fault(
        "ifs",
        "status",
        times=None,
        status=200,
        message="<!DOCTYPE html>\n<html><title>Sign in</title></html>",
        headers={"Content-Type": "text/html"},
    ),
    "sign_in_redirect": Fault(
        "ifs", "status", times=None, status=302, headers={"Location": "https://login.example.com/authorize?state=x"}
    ),
    "reset": Fault("ifs", "reset"),
    "reset_mid_body": Fault("ifs", "reset_mid_body"),
    "truncated_body": Fault("ifs", "truncate"),
    "token_revoked": Fault("ifs", "revoke_tokens", skip=1),
    "slow": Fault("ifs", "slow", seconds=2),
    "rows_stored_answer_lost": Fault("powerbi", "reset", method="POST", path="*/rows", after=True),
} | POWERBI_PRESETS
"""Faults by name; ``preset`` takes one and changes what a test wants otherwise (its service, its path, how often)."""


def preset(name: str, **changes: Any) -> Fault:
    """The preset of that name with some of its fields changed; an unknown name is a ValueError that lists them."""
    if name not in PRESETS:
        raise ValueError(f"no preset {name!r}: there are {', '.join(PRESETS)}")
    return replace(PRESETS[name], **changes)


def read_fault(document: dict[str, Any]) -> Fault:
    """A fault from JSON: its fields by name, or ``preset`` and the fields that differ."""
    values = dict(document)
    if unknown := values.keys() - {"preset"} - {known.name for known in fields(Fault)}:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    if "preset" in values:
        return preset(values.pop("preset"), **values)
    if missing := {"service", "kind"} - values.keys():
        raise ValueError(f"a fault needs {' and '.join(sorted(missing))}, or a preset")
    return Fault(**values)


def take(world: World, service: str, method: str, path: str) -> Fault | None:
    """The fault that this request suffers, counted down; a fault that still skips lets later ones have a look."""
    with world.lock:
        for place, fault in enumerate(world.faults):
            if not fault.matches(service, method, path):
                continue
            if fault.skip:
                world.faults[place] = replace(fault, skip=fault.skip - 1)
                continue
            if fault.times == 1:
                del world.faults[place]
            elif fault.times is not None:
                world.faults[place] = replace(fault, times=fault.times - 1)
            return fault
    return None
