"""The operations of Looker's API that are of use after a load, each one call: values in, values out.

Shapes: the OpenAPI description of Looker's API 4.0 (github.com/looker-open-source/sdk-codegen, ``spec/Looker.4.0.oas.json``).
The API has no operation that takes rows: Looker queries the warehouse.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from ifs_bi_core.errors import ContractBrokenError, IfsBiError
from ifs_bi_core.http.client import REAL, client
from ifs_bi_core.http.limits import SlidingWindow
from ifs_bi_core.http.message import UNREADABLE
from ifs_bi_core.http.retry import RetryRules
from ifs_bi_core.http.tokens import TokenSource
from ifs_bi_core.http.transport import transport
from ifs_bi_core.redaction import shown
from looker_sdk import methods40, models40
from looker_sdk.rtl import serialize

from target_looker_warehouse.looker.outcomes import stranger
from target_looker_warehouse.looker.wire import API_VERSION, SdkSession, SdkSettings, ServerClock, SignIn, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.http.message import Send
    from ifs_bi_core.http.policies import Attempt

    from target_looker_warehouse.looker.settings import LookerSettings

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")

_CALLS_PER_MINUTE = 60
_RETRY_SECONDS = 120.0
"""How long one call is tried again, and the longest `Retry-After` that is waited for: the run is done but for this."""
_SILENCE_SECONDS = 60.0
_DEADLINE_SECONDS = 300.0
_SHOWN = 300  # characters of the database's words that an error repeats
_REFUSED = "looker_error"  # the one column of an answer that stands for none


@dataclass(frozen=True)
class ConnectionTest:
    """What came of one test of a connection, in Looker's words."""

    name: str
    passed: bool
    message: str


class Looker:
    """One Looker, signed in to when the first call needs it; the policies beneath repeat all but `build` and `send_plan`.

    Raises:
        IfsBiError: from any method, Looker refuses it (`target_looker_warehouse.looker.outcomes`), or there is no answer.
    """

    def __init__(
        self,
        sdk: methods40.Looker40SDK,
        wire: Wire,
        *,
        clock: Callable[[], float],
        server_clock: ServerClock,
        sign_in: Callable[[], object],
    ) -> None:
        self._sdk = sdk
        self._wire = wire
        self._clock = clock
        self._server_clock = server_clock
        self._sign_in = sign_in

    def release(self) -> str:
        """Looker's version: ``26.12.3``."""
        return self._told("version of Looker", self._sdk.versions, "looker_release_version")

    def user(self) -> str:
        """The name of the user that the API key belongs to."""
        return self._told("user of the API key", self._sdk.me, "display_name")

    def test(self, connection: str) -> list[ConnectionTest]:
        """Test a connection with all tests that its dialect has."""
        found = self._ask(f"test of connection '{connection}'", lambda: self._sdk.test_connection(connection))
        return [ConnectionTest(str(one.name), one.status == "success", str(one.message or "")) for one in found]

    def datagroups(self) -> dict[str, str]:
        """The ids of all datagroups by ``model.name``."""
        found = self._ask("list of datagroups", self._sdk.all_datagroups)
        return {f"{group.model_name}.{group.name}": str(group.id) for group in found}

    def trigger(self, name: str, datagroup_id: str) -> int:
        """Trigger a datagroup: what is cached is stale, derived tables and schedules that hang on it run. Gives the moment.

        It is a second ago by the slower of the two clocks, since Looker refuses a moment in its future.
        """
        what = f"trigger of datagroup '{name}'"
        if self._server_clock.seconds is None:
            with suppress(IfsBiError):  # the call below signs in again, and waits
                self._sign_in()
        here, there = self._clock(), self._server_clock.seconds
        at = int(here if there is None else min(here, there)) - 1
        body = models40.WriteDatagroup(stale_before=at, triggered_at=at)
        self._told(what, lambda: self._sdk.update_datagroup(datagroup_id, body), "triggered_at")
        return at

    def rows(self, connection: str, sql: str) -> list[dict[str, Any]]:
        """The rows of a query that Looker runs by SQL Runner. Two calls.

        Raises:
            ContractBrokenError: the database behind the connection refuses it.
        """
        what = f"query of connection '{connection}'"
        body = models40.SqlQueryCreate(connection_name=connection, sql=sql)
        slug = self._told(what, lambda: self._sdk.create_sql_query(body), "slug")
        answer = self._ask(what, lambda: self._sdk.run_sql_query(slug, "json"))
        try:
            found = msgspec.json.decode(answer, type=list[dict[str, Any]])
        except UNREADABLE:
            raise ContractBrokenError(
                f"{what}: Looker's answer holds no rows: {shown(str(answer), _SHOWN)!r}."
            ) from None
        refused = [row[_REFUSED] for row in found if _REFUSED in row]
        if refused:
            raise ContractBrokenError(f"{what}: the database refuses it: {shown(str(refused[0]), _SHOWN)!r}.")
        return found

    def build(self, model: str, view: str) -> None:
        """Begin to build a persistent derived table. Sent once: a second time would build it twice."""
        what = f"build of derived table '{model}.{view}'"
        build = partial(self._sdk.start_pdt_build, model, view)
        self._told(what, build, "materialization_id", safe_twice=False)

    def send_plan(self, plan: str) -> None:
        """Send out the report of a scheduled plan. Sent once: a second time people would get it twice."""
        what = f"sending of scheduled plan {plan}"
        self._told(what, partial(self._sdk.scheduled_plan_run_once_by_id, plan), "id", safe_twice=False)

    def _told(self, operation: str, call: Callable[[], object], member: str, *, safe_twice: bool = True) -> str:
        """A member of the answer; the client takes an answer without it for one, too."""
        value = getattr(self._ask(operation, call, safe_twice=safe_twice), member)
        if value is None:
            raise stranger(operation, safe_twice=safe_twice)
        return str(value)

    def _ask(self, operation: str, call: Callable[[], _T], *, safe_twice: bool = True) -> _T:
        self._wire.operation, self._wire.safe_twice = operation, safe_twice
        try:
            return call()
        except IfsBiError:
            raise
        except Exception as error:  # how the client reads an answer may raise anything
            raise stranger(operation, safe_twice=safe_twice) from error


def connect(
    settings: LookerSettings,
    surroundings: Surroundings = REAL,
    observe: Callable[[Attempt], None] = lambda _: None,
    *,
    retry_limit_seconds: float = _RETRY_SECONDS,
) -> Looker:
    """The Looker of the settings, behind all HTTP policies; nothing is sent yet. ``observe`` hears of every request."""
    server_clock = ServerClock()
    bare = server_clock.read_from(transport(timeout_seconds=_SILENCE_SECONDS, deadline_seconds=_DEADLINE_SECONDS))
    tokens = TokenSource(SignIn(settings, bare))
    limiter = SlidingWindow(_CALLS_PER_MINUTE, clock=surroundings.clock, sleep=surroundings.sleep)

    def sender(attempts: int) -> Send:
        rules = RetryRules(limit_seconds=retry_limit_seconds, attempts=attempts)
        return client(
            bare,
            tokens=tokens,
            limiter=limiter,
            rules=rules,
            observe=observe,
            logger=_LOG,
            surroundings=surroundings,
        )

    wire = Wire(again=sender(RetryRules.attempts), once=sender(1))
    session = SdkSession(SdkSettings(settings), wire, serialize.deserialize40, API_VERSION)
    sdk = methods40.Looker40SDK(session, serialize.deserialize40, serialize.serialize40, wire, API_VERSION)
    return Looker(sdk, wire, clock=surroundings.clock, server_clock=server_clock, sign_in=tokens.get)
