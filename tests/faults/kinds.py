"""What can go wrong, on every side: one table, from which scripts draw and figures are counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from faults.processes import Act, Harm
from ifs_bi_sandbox.faults import POWERBI_OPERATIONS, Fault, preset

Side = Literal["ifs", "token", "login", "powerbi", "onelake", "tap", "target", "both", "meltano"]
"""Where: a service that is asked, or a process of the pipe."""
HTML = {"Content-Type": "text/html"}
JSON = {"Content-Type": "application/json"}
SLOW_SECONDS = 1.5
PATIENCE_SECONDS = 1
"""The tap's `request_timeout_seconds`, where somebody is slow."""


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes:
        side: where it strikes.
        reach: before how many requests or steps it strikes; a later number would strike nothing.
        wire: what the service does.
        act: what happens to the process.
        destinations: those that it is for, or ``ledger`` for one that is a database; none: all.
        often: how many times in a row it may strike; 0: until the run is over.
        misleads: whether it looks like a wrong configuration, as which a command may then call it.
    """

    side: Side
    reach: int
    wire: Fault | None = None
    act: Act | None = None
    destinations: frozenset[str] = frozenset()
    often: tuple[int, ...] = (1,)
    misleads: bool = False


DATASETS = frozenset({"mirror", "signed", "append"})
SIGNED_IN = DATASETS | {"onelake"}
_POSTGRESQL = frozenset({"postgresql", "ledger"})
_LEDGER = frozenset({"ledger"})
_ONELAKE = frozenset({"onelake"})
_FEW_OR_ALL = (1, 1, 2, 3, 0)
_AS_OF_A_STRANGER = {"refuses", "garbage", "no token"}
_MISLEADING = {"forbidden", "sign_in_page", "sign_in_redirect", "gateway_unauthorized"}
_POWERBI_REACH = {"any": 12, "post rows": 5, "delete rows": 2, "put table": 2, "query": 2}
_ANSWERS = 60
"""Requests of a run to IFS Cloud, about."""


def _ifs(name: str, often: tuple[int, ...] = _FEW_OR_ALL, **changes: Any) -> Kind:
    return Kind("ifs", _ANSWERS, preset(name, **{"times": 1} | changes), often=often, misleads=name in _MISLEADING)


def _garbage(body: str, headers: Mapping[str, str] = JSON) -> Fault:
    return Fault("ifs", "status", status=200, message=body, headers={**headers})


def _sign_in(side: Literal["token", "login"]) -> dict[str, Kind]:
    destinations = SIGNED_IN if side == "login" else frozenset[str]()
    faults = {
        "down": Fault(side, "status", status=503),
        "fails": Fault(side, "status", status=500, message="<html>oops</html>", headers=HTML),
        "refuses": Fault(side, "status", status=401, code="invalid_client", message="AADSTS7000215: no such secret"),
        "asked too often": Fault(side, "status", status=429, retry_after=2),
        "cut": Fault(side, "reset"),
        "cut in the answer": Fault(side, "reset_mid_body"),
        "garbage": Fault(side, "status", status=200, message='{"access', headers=JSON),
        "no token": Fault(side, "status", status=200, body={"token_type": "Bearer"}),
    }
    return {
        f"{side}: {name}": Kind(
            side, 2, fault, destinations=destinations, often=_FEW_OR_ALL, misleads=name in _AS_OF_A_STRANGER
        )
        for name, fault in faults.items()
    }


def _on_powerbi(name: str, fault: Fault, often: tuple[int, ...] = (1, 1, 2)) -> dict[str, Kind]:
    """A fault of whatever is asked, and of the requests that change something."""
    operations: dict[str, dict[str, str]] = {"any": {}} | POWERBI_OPERATIONS
    return {
        f"powerbi: {name} ({word})": Kind(
            "powerbi", _POWERBI_REACH[word], replace(fault, **where), destinations=DATASETS, often=often
        )
        for word, where in operations.items()
        if word in _POWERBI_REACH
    }


def _onelake(fault: Fault, often: tuple[int, ...] = (1, 1, 2)) -> Kind:
    return Kind("onelake", 40, fault, destinations=_ONELAKE, often=often)


KINDS: dict[str, Kind] = {
    "ifs: 500": _ifs("database_error"),
    "ifs: metadata changed": _ifs("metadata_changed"),
    "ifs: 502 page": _ifs("gateway_error"),
    "ifs: 503": _ifs("unavailable"),
    "ifs: 504": _ifs("operation_timeout"),
    "ifs: 429": _ifs("throttled"),
    "ifs: 429 without Retry-After": _ifs("throttled_without_retry_after"),
    "ifs: 401": _ifs("gateway_unauthorized"),
    "ifs: 403": _ifs("forbidden"),
    "ifs: token revoked": _ifs("token_revoked", (1, 2)),
    "ifs: cut": _ifs("reset"),
    "ifs: cut in the answer": _ifs("reset_mid_body"),
    "ifs: half an answer": _ifs("truncated_body"),
    "ifs: slow": _ifs("slow", (1,), seconds=SLOW_SECONDS),
    "ifs: sign-in page": _ifs("sign_in_page"),
    "ifs: sign-in redirect": _ifs("sign_in_redirect"),
    "ifs: garbage": Kind(
        "ifs", _ANSWERS, _garbage('{"value": [{"Company": "10", "No'), often=_FEW_OR_ALL, misleads=True
    ),
    "ifs: no page": Kind("ifs", _ANSWERS, _garbage('{"value": "none"}'), often=_FEW_OR_ALL, misleads=True),
    "ifs: another type": Kind("ifs", _ANSWERS, _garbage("[1, 2"), often=_FEW_OR_ALL, misleads=True),
    **_sign_in("token"),
    **_sign_in("login"),
    **_on_powerbi("429", Fault("powerbi", "status", status=429, code="TooManyRequests", retry_after=10), _FEW_OR_ALL),
    **_on_powerbi("429 without Retry-After", Fault("powerbi", "status", status=429), _FEW_OR_ALL),
    **_on_powerbi("503", Fault("powerbi", "status", status=503, retry_after=3), _FEW_OR_ALL),
    **_on_powerbi("500 before", preset("powerbi_500_before")),
    **_on_powerbi("500 after", preset("powerbi_500_after")),
    **_on_powerbi("vanished before", preset("powerbi_vanish_before")),
    **_on_powerbi("vanished after", preset("powerbi_vanish_after")),
    **_on_powerbi("half an answer", Fault("powerbi", "truncate")),
    **_on_powerbi("token revoked", preset("powerbi_token_death")),
    **_on_powerbi("lock contention", preset("powerbi_lock_contention")),
    **_on_powerbi("401", preset("powerbi_insufficient_claims", times=1), (1, 0)),
    "onelake: 503": _onelake(Fault("onelake", "status", status=503, code="ServerBusy", message="busy"), _FEW_OR_ALL),
    "onelake: 500 before": _onelake(Fault("onelake", "status", status=500, code="InternalError", message="oops")),
    "onelake: 500 after": _onelake(
        Fault("onelake", "status", status=500, code="InternalError", message="oops", after=True)
    ),
    "onelake: cut": _onelake(Fault("onelake", "reset")),
    "onelake: cut after": _onelake(Fault("onelake", "reset", after=True)),
    "onelake: half an answer": _onelake(Fault("onelake", "truncate")),
    "onelake: 403": _onelake(
        Fault("onelake", "status", status=403, code="AuthorizationPermissionMismatch", message="no"), (1, 0)
    ),
    "onelake: token revoked": _onelake(Fault("onelake", "revoke_tokens")),
    "tap: killed": Kind("tap", 400, act="kill"),
    "tap: killed in a line": Kind("tap", 400, act="cut off"),
    "tap: stopped": Kind("tap", 400, act="stop"),
    "target: stopped": Kind("target", 200, act="stop"),
    "postgresql: the tap's connections cut": Kind("tap", 400, act="cut", destinations=_LEDGER, misleads=True),
    "tap: disk full": Kind("tap", 200, act="no space", often=(1, 1_000_000), misleads=True),
    "tap: file limit": Kind("tap", 400_000, act="file limit", misleads=True),
    "target: killed": Kind("target", 200, act="kill"),
    "target: disk full": Kind("target", 150, act="no space", often=(1, 1, 1_000_000), misleads=True),
    "target: file limit": Kind("target", 400_000, act="file limit", misleads=True),
    "both: killed": Kind("both", 200, act="kill"),
    "postgresql: connections cut": Kind("target", 200, act="cut", destinations=_POSTGRESQL, misleads=True),
    "meltano: killed": Kind("meltano", 40, act="kill"),
    "postgresql: restarted": Kind("target", 200, act="restart", destinations=_POSTGRESQL, misleads=True),
}
"""Every kind by its name, which begins with the side that people would look at. A new one makes other scripts of all seeds."""


@dataclass(frozen=True)
class Injected:
    """A fault of one run.

    Attributes:
        kind: its name in `KINDS`.
        at: which request of those that it is about, or which step of the process, from 0; of a file limit the bytes.
        times: how often in a row; 0: until the run is over.
    """

    kind: str
    at: int
    times: int

    @property
    def side(self) -> Side:
        """Where it strikes."""
        return KINDS[self.kind].side

    @property
    def on_the_wire(self) -> Fault | None:
        """What the service is told, if it is one that misbehaves."""
        wire = KINDS[self.kind].wire
        return wire and replace(wire, skip=self.at, times=self.times or None)

    @property
    def harm(self) -> Harm | None:
        """What happens to the process, if it is one."""
        act = KINDS[self.kind].act
        return Harm(act, self.at, self.times) if act else None
