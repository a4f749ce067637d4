"""Whether and when to send again: a pure decision on what is known.

The two questions are whether the request may have happened and whether it is safe twice. Backoff is exponential with full
jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/); ``Retry-After`` comes first where the
service sends it (RFC 9110 §10.2.3, seconds or an HTTP date).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from ifs_bi_core.errors import NotSentError, OutcomeUnknownError
from ifs_bi_core.http.message import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOO_MANY = 429
_UNAVAILABLE = 503
_TRY_AGAIN = frozenset({500, 502, 503, 504})


@dataclass(frozen=True)
class RetryRules:
    """How long to keep trying.

    Attributes:
        limit_seconds: no attempt starts later than this after the first one; also the longest `Retry-After` that is honoured.
        first_seconds: ceiling of the first wait; it doubles with each attempt.
        ceiling_seconds: no computed wait is longer.
        attempts: at most this many in all.
    """

    limit_seconds: float = 600.0
    first_seconds: float = 1.0
    ceiling_seconds: float = 60.0
    attempts: int = 8


def may_repeat(outcome: Response | Exception, *, safe_twice: bool) -> bool:
    """Whether sending again is worth while and does no harm.

    Args:
        outcome: the answer, or the error that came instead.
        safe_twice: whether doing the request twice does no harm.
    """
    if isinstance(outcome, Response):
        if outcome.status == _TOO_MANY:
            return True
        if outcome.status == _UNAVAILABLE and "Retry-After" in outcome.headers:
            return True
        return safe_twice and outcome.status in _TRY_AGAIN
    if isinstance(outcome, NotSentError):
        return True
    return safe_twice and isinstance(outcome, OutcomeUnknownError)


def next_wait(
    rules: RetryRules,
    *,
    attempt: int,
    outcome: Response | Exception,
    safe_twice: bool,
    elapsed: float,
    now: float,
    chance: float,
) -> float | None:
    """Seconds to wait before the next attempt, or None to give up.

    Args:
        rules: how long to keep trying.
        attempt: how many were made, from 1.
        outcome: what the last one brought.
        safe_twice: whether doing the request twice does no harm.
        elapsed: seconds since the first attempt began.
        now: seconds since the epoch, for a `Retry-After` that is a date.
        chance: a number in [0, 1) that spreads clients that failed together.
    """
    if attempt >= rules.attempts or not may_repeat(outcome, safe_twice=safe_twice):
        return None
    asked = retry_after(outcome.headers, now) if isinstance(outcome, Response) else None
    wait = asked if asked is not None else chance * min(rules.ceiling_seconds, rules.first_seconds * 2 ** (attempt - 1))
    return wait if elapsed + wait <= rules.limit_seconds else None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds a `Retry-After` header asks for, never negative; None where there is none or it can't be read."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():  # a superscript two is a digit too, and no number
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now, UTC)).total_seconds())
