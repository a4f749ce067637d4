"""What BigQuery and Google's client say against a request or a job, and what that means."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, TransportError

from target_looker_warehouse.warehouses.sentences import Failure, one_sentence

NETWORK_ERRORS = (OSError, TransportError)
"""What the client raises where no answer came: its transport's own errors are OSErrors."""
ERRORS = (GoogleAPICallError, GoogleAuthError, OSError)
"""What the client raises at all, the network's errors included."""

_PASSING_STATUS = frozenset({429, 500, 502, 503, 504})
_PASSING_REASONS = frozenset(
    {
        "backendError",
        "internalError",
        "jobBackendError",
        "jobInternalError",
        "jobRateLimitExceeded",
        "rateLimitExceeded",
        "tableUnavailable",
    }
)
"""By HTTP status and by `reason` (cloud.google.com/bigquery/docs/error-messages). `quotaExceeded` is none of them: a quota is
that of a day, or of a price that somebody has set."""


_FORBIDDEN_STATUS = frozenset({401, 403})
_FORBIDDEN_REASONS = frozenset({"accessDenied", "billingNotEnabled", "billingTierLimitExceeded", "blocked"})
_SPENT_REASONS = frozenset({"quotaExceeded", "rateLimitExceeded"})  # these come with a 403 too
_REFUSED_VALUES = re.compile(
    r"cannot be null|null value|out of range|overflow|maximum length|Invalid \w*NUMERIC", re.IGNORECASE
)
"""What a query's words hold where it is a value that a column doesn't take: `reason` is the same for a slip in the SQL."""


class JobFailedError(Exception):
    """A job came to an end and did nothing.

    Args:
        reason: BigQuery's word for the kind of error.
        message: its own words.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class JobUnfinishedError(Exception):
    """A job was begun and has not come to an end in the time it has."""


class Said(NamedTuple):
    """What BigQuery says of something that failed.

    Attributes:
        reason: its word for the kind of error; empty where no answer came.
        words: its own words, as a sentence.
    """

    reason: str
    words: str


def said(error: Exception) -> Said:
    """What an error says."""
    if isinstance(error, JobFailedError):
        return Said(error.reason, one_sentence(str(error)))
    if isinstance(error, GoogleAPICallError):
        found: dict[str, Any] = next((each for each in error.errors or () if isinstance(each, dict)), {})
        # The whole message repeats the request's address before it comes to the point.
        return Said(str(found.get("reason") or ""), one_sentence(str(found.get("message") or error.message)))
    return Said("", one_sentence(str(error)))


def passes(error: Exception) -> bool:
    """Whether what failed may be done the next moment."""
    if isinstance(error, NETWORK_ERRORS):
        return True
    status = error.code if isinstance(error, GoogleAPICallError) else None
    return status in _PASSING_STATUS or said(error).reason in _PASSING_REASONS


def failure(error: Exception, *, ending: bool) -> Failure:
    """Why a transaction failed, whose end may have been asked for."""
    reason, words = said(error)
    if ending and (isinstance(error, JobUnfinishedError) or passes(error)):
        return Failure.UNKNOWN
    if isinstance(error, NETWORK_ERRORS):
        return Failure.OTHER
    status = error.code if isinstance(error, GoogleAPICallError) else None
    if reason in _FORBIDDEN_REASONS or (status in _FORBIDDEN_STATUS and reason not in _SPENT_REASONS):
        return Failure.FORBIDDEN
    if reason == "invalid" or (reason == "invalidQuery" and _REFUSED_VALUES.search(words)):
        return Failure.REFUSED
    return Failure.OTHER
