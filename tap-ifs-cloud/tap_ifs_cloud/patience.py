"""How long IFS Cloud is waited for, and what a slow or busy answer is worth: one small policy for each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ifs_bi_core.errors import OutcomeUnknownError

from tap_ifs_cloud.outcomes import Step, TooSlowError, failure, meaning_of, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_core.http.message import Request, Response, Send

GATEWAY_SECONDS = 30.0
"""No gateway was seen that gives up sooner."""

_AT_ONCE = 2


class SilenceError(OutcomeUnknownError):
    """The request was sent, and after a long wait there is no complete answer."""


def longest_query(timeout_seconds: float) -> dict[str, str]:
    """The header ``Prefer: wait=…``: IFS Cloud is to end a query, with a 504, before we stop listening to it.

    The server's own limits (5 minutes on ``/main``, 10 on ``/int``) cap it, so that it only shortens (IFS's documentation,
    "Request Timeouts").
    """
    seconds = int(timeout_seconds * 0.9)
    return {"Prefer": f"wait={seconds}"} if seconds else {}


def told_by_time(send: Send, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> Send:
    """Tell apart what broke at once and what broke after a wait of ``seconds``: somebody on the way may have had enough."""

    def told(request: Request) -> Response:
        begun = clock()
        try:
            return send(request)
        except OutcomeUnknownError as error:
            if clock() - begun >= seconds:
                raise SilenceError(str(error)) from error
            raise

    return told


def with_repetition(send: Send) -> Send:
    """Send again at once what the table says so of; then the answer stands."""

    def repeated(request: Request) -> Response:
        for _ in range(1 + _AT_ONCE):
            response = send(request)
            if response.ok or meaning_of(response).step is not Step.AT_ONCE:
                return response
        raise failure(response, request.operation)

    return repeated


def without_patience(send: Send) -> Send:
    """Give a slow question back to whoever has a smaller one."""

    def impatient(request: Request) -> Response:
        try:
            response = send(request)
        except SilenceError as error:
            raise TooSlowError(str(error)) from error
        if not response.ok and meaning_of(response).step is Step.SHRINK:
            raise TooSlowError(said(response, request.operation))
        return response

    return impatient
