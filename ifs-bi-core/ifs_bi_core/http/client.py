"""The policies around a transport, in the one order that is right."""

from __future__ import annotations

import logging
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ifs_bi_core.http.policies import token_refused, with_audit, with_auth, with_retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_core.http.limits import Limiter
    from ifs_bi_core.http.message import Request, Response, Send
    from ifs_bi_core.http.policies import Attempt
    from ifs_bi_core.http.retry import RetryRules
    from ifs_bi_core.http.tokens import TokenSource


@dataclass(frozen=True)
class Surroundings:
    """What a client takes from the world, so that tests never sleep.

    ``clock`` gives seconds since the epoch, ``sleep`` waits, ``chance`` gives a number in [0, 1).
    """

    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


REAL = Surroundings()
"""The real clock, sleep and dice."""


def client(
    transport: Send,
    *,
    tokens: TokenSource,
    limiter: Limiter,
    rules: RetryRules,
    observe: Callable[[Attempt], None],
    refused: Callable[[Response], bool] = token_refused,
    logger: logging.Logger | None = None,
    surroundings: Surroundings = REAL,
) -> Send:
    """``Retry → Auth → Throttle → Audit → transport``."""
    log = logger or logging.getLogger(__name__)

    def tell(request: Request, outcome: Response | Exception, wait: float) -> None:
        what = f"answer {outcome.status}" if not isinstance(outcome, Exception) else str(outcome)
        log.warning("%s: %s; trying again in %.1f s", request.operation, what, wait)

    send = with_audit(transport, observe)
    send = with_auth(send, tokens, limiter, refused=refused)
    return with_retry(
        send,
        rules,
        sleep=surroundings.sleep,
        clock=surroundings.clock,
        chance=surroundings.chance,
        tell=tell,
    )
