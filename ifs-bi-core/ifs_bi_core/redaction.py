"""The one place that knows every resolved secret and the shapes of tokens, and takes them out of text.

Secrets are registered where they are resolved (`ifs_bi_core.settings`) and where they are received (`ifs_bi_core.http.tokens`).
"""

from __future__ import annotations

import logging
import re
import threading
from urllib.parse import quote, quote_plus

REPLACEMENT = "[redacted]"

_SHORTEST = 4  # a shorter value would blank out ordinary words
_TOKEN_SHAPES = (
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),  # a JSON Web Token
    re.compile(
        r"(?i)(client_secret|client_assertion|refresh_token|access_token|password)([\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]+"
    ),
)


class Redactor:
    """Replaces registered secrets, in plain and URL-encoded form, and everything shaped like a token."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._lock = threading.Lock()

    def register(self, secret: str | None) -> None:
        """Remember ``secret``; values shorter than four characters are left alone."""
        if secret and len(secret) >= _SHORTEST:
            with self._lock:
                self._secrets |= {secret, quote(secret, safe=""), quote_plus(secret)}

    def redact(self, text: str) -> str:
        """The text without secrets."""
        with self._lock:
            known = sorted(self._secrets, key=len, reverse=True)  # a secret may contain another one
        for secret in known:
            text = text.replace(secret, REPLACEMENT)
        text = _TOKEN_SHAPES[0].sub(rf"\1 {REPLACEMENT}", text)
        text = _TOKEN_SHAPES[1].sub(REPLACEMENT, text)
        return _TOKEN_SHAPES[2].sub(rf"\1\2{REPLACEMENT}", text)


REDACTOR = Redactor()
"""Shared by the whole process."""


class RedactingFilter(logging.Filter):
    """Redacts the message and the traceback of every log record that passes a handler."""

    def __init__(self, redactor: Redactor = REDACTOR) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; it always passes."""
        if record.msg != "METRIC: %s":  # the SDK's structured formatter reads a metric's arguments; they are counts
            record.msg = self._redactor.redact(record.getMessage())
            record.args = None
        if record.exc_info:
            record.exc_text = self._redactor.redact(logging.Formatter().formatException(record.exc_info))
        return True


def redact_logs(redactor: Redactor = REDACTOR) -> None:
    """Put a `RedactingFilter` before every handler of the root logger."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(f, RedactingFilter) for f in handler.filters):
            handler.addFilter(RedactingFilter(redactor))
