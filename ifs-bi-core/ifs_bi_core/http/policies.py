"""One small policy per concern; their order is the architecture: ``Retry → Auth → Throttle → Audit → transport``.

Retries spend the rate budget, since each attempt passes the throttle. A token that dies between two attempts is renewed
once, then the refusal stands. The throttle lets go of what is sent at once. The audit stands innermost and sees every
attempt. See docs/adr/0002.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ifs_bi_core.errors import IfsBiError, NotSentError, OutcomeUnknownError, ThrottledError, UnavailableError
from ifs_bi_core.http.retry import RetryRules, next_wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_core.http.limits import Limiter
    from ifs_bi_core.http.message import Request, Response, Send
    from ifs_bi_core.http.tokens import TokenSource

_UNAUTHORIZED = 401


@dataclass(frozen=True)
class Attempt:
    """What the audit is told of one attempt.

    ``error`` is the class name of what came instead of an answer; ``seconds`` is how long it took; sizes are of bodies.
    """

    operation: str
    method: str
    status: int | None
    error: str | None
    seconds: float
    sent_bytes: int
    received_bytes: int
    request_id: str | None


def token_refused(response: Response) -> bool:
    """Whether the answer says that the token is not, or no longer, good: 401 by RFC 6750 §3.1."""
    return response.status == _UNAUTHORIZED


def with_audit(send: Send, observe: Callable[[Attempt], None], *, clock: Callable[[], float] = time.monotonic) -> Send:
    """Tell ``observe`` of every attempt, whatever came of it."""

    def audited(request: Request) -> Response:
        begun = clock()
        try:
            response = send(request)
        except IfsBiError as error:
            observe(_attempt(request, clock() - begun, error=type(error).__name__))
            raise
        observe(_attempt(request, clock() - begun, response=response))
        return response

    return audited


def with_auth(
    send: Send,
    tokens: TokenSource,
    limiter: Limiter,
    *,
    refused: Callable[[Response], bool] = token_refused,
) -> Send:
    """Add the bearer token and wait for leave; where the token is refused, renew it once and send again, then the refusal stands.

    A token is at hand before leave is asked for: renewing takes leave itself and may wait for it, and a request with leave from
    before that wait would begin in a minute that does not count it.
    """

    def begin(request: Request, token: str) -> tuple[Response, str]:
        limiter.acquire()
        if not tokens.is_alive(token):  # the wait may have been an hour
            token = _token(tokens.get)
            limiter.acquire()
        return send(_bearing(request, token)), token

    def authorized(request: Request) -> Response:
        response, token = begin(request, _token(tokens.get))
        if not refused(response):
            return response
        return begin(request, _token(lambda: tokens.replace(token)))[0]

    return authorized


def with_throttle(send: Send, limiter: Limiter) -> Send:
    """Wait until the limiter lets one more request begin."""

    def throttled(request: Request) -> Response:
        limiter.acquire()
        return send(request)

    return throttled


def with_retry(
    send: Send,
    rules: RetryRules,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
    chance: Callable[[], float] = random.random,
    tell: Callable[[Request, Response | Exception, float], None] = lambda *_: None,
) -> Send:
    """Send again as `next_wait` decides; the last answer or error stands.

    ``tell`` hears of each wait: the request, what the last attempt brought, and the seconds.
    """

    def retried(request: Request) -> Response:
        begun = clock()
        attempt = 0
        while True:
            attempt += 1
            outcome: Response | IfsBiError
            try:
                outcome = send(request)
            except IfsBiError as error:
                outcome = error
            now = clock()
            wait = next_wait(
                rules,
                attempt=attempt,
                outcome=outcome,
                safe_twice=request.safe_twice or request.method == "GET",
                elapsed=now - begun,
                now=now,
                chance=chance(),
            )
            if wait is None:
                if isinstance(outcome, IfsBiError):
                    raise outcome
                return outcome
            tell(request, outcome, wait)
            sleep(wait)

    return retried


def _token(fetch: Callable[[], str]) -> str:
    """A token. Whatever happened to the sign-in, the request itself was not sent: the one retry outside may try both again.

    Raises:
        NotSentError: the token service can't be reached, does not answer, or can't work.
    """
    try:
        return fetch()
    except (NotSentError, OutcomeUnknownError, ThrottledError, UnavailableError) as error:
        raise NotSentError(str(error)) from error


def _bearing(request: Request, token: str) -> Request:
    return replace(request, headers={**request.headers, "Authorization": f"Bearer {token}"})


def _attempt(
    request: Request, seconds: float, *, response: Response | None = None, error: str | None = None
) -> Attempt:
    return Attempt(
        operation=request.operation,
        method=request.method,
        status=response.status if response else None,
        error=error,
        seconds=seconds,
        sent_bytes=len(request.body or b""),
        received_bytes=len(response.body) if response else 0,
        request_id=(response.headers.get("RequestId") or response.headers.get("X-Request-Id")) if response else None,
    )
