"""The one place that knows every resolved secret and the shapes of tokens, and takes them out of text.

Secrets are registered where they are resolved (`ifs_bi_core.settings`) and where they are received (`ifs_bi_core.http.tokens`).
"""

from __future__ import annotations

import base64
import json
import logging
import re
import threading
from urllib.parse import quote, quote_plus, unquote, urlsplit

REPLACEMENT = "[redacted]"

_UNSEEN = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORTEST = 4  # a shorter value would blank out ordinary words
_TOKEN_SHAPES = (
    re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),  # a JSON Web Token
    re.compile(
        r"(?i)(client_secret|client_assertion|refresh_token|access_token|password)([\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]+"
    ),
)


class Redactor:
    """Replaces registered secrets, in every form that `forms` knows, and everything shaped like a token."""

    def __init__(self) -> None:
        # Longest first, because a secret may contain another one. A loop of str.replace over 60 forms costs 3 µs for a
        # line of a log and 6 ms for a megabyte. One regex alternation of them costs 10 µs and 49 ms, and with 1,500 forms
        # of tokens more than a second to compile.
        self._forms: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def register(self, secret: str | None) -> None:
        """Remember ``secret`` and, where it is a URL, the password in it; under four characters it is left alone."""
        if not secret or len(secret) < _SHORTEST:
            return
        with self._lock:
            known = set(self._forms)
            if secret not in known:
                self._forms = tuple(sorted(known | forms(secret), key=len, reverse=True))
        if password := _password(secret):
            self.register(password)
            self.register(unquote(password))

    def forget(self) -> None:
        """Forget all secrets: whoever had them is gone."""
        with self._lock:
            self._forms = ()

    def redact(self, text: str) -> str:
        """The text without secrets."""
        for form in self._forms:
            text = text.replace(form, REPLACEMENT)
        text = _TOKEN_SHAPES[0].sub(rf"\1 {REPLACEMENT}", text)
        text = _TOKEN_SHAPES[1].sub(REPLACEMENT, text)
        return _TOKEN_SHAPES[2].sub(rf"\1\2{REPLACEMENT}", text)


def shown(text: str, length: int, redactor: Redactor | None = None) -> str:
    """The beginning of a text from outside, for an error: secrets are taken out first, since nobody knows the half of one."""
    return (redactor or REDACTOR).redact(text)[:length]


def one_line(text: str) -> str:
    """The text with whatever ends a line, moves a terminal's cursor or turns the direction of writing as it is written in JSON.

    What a server or a file says stands in logs: it is not to look like a line of ours, nor to repaint one.
    """
    return _UNSEEN.sub(lambda found: json.dumps(found.group())[1:-1], text)


def forms(secret: str) -> set[str]:
    """The ways in which ``secret`` stands in text: plain, URL-encoded, base64 (both alphabets) and escaped in JSON."""
    raw = secret.encode("utf-8", "surrogatepass")
    return {
        secret,
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        base64.b64encode(raw).decode().rstrip("="),  # padding tells nothing and is not always there
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    }


def _password(address: str) -> str | None:
    """The password in a URL as it is written there; a driver's error names it without the rest of the URL."""
    try:
        return urlsplit(address).password if "://" in address else None
    except ValueError:  # brackets that are no IPv6 address
        return None


REDACTOR = Redactor()
"""Shared by the whole process."""


class RedactingFilter(logging.Filter):
    """Redacts the message and the traceback of every log record that passes a handler; a message stays one line."""

    def __init__(self, redactor: Redactor = REDACTOR) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; it always passes."""
        if record.msg != "METRIC: %s":  # the SDK's structured formatter reads a metric's arguments; they are counts
            record.msg = one_line(self._redactor.redact(record.getMessage()))
            record.args = None
        if record.exc_info:
            record.exc_text = self._redactor.redact(logging.Formatter().formatException(record.exc_info))
        return True


def redact_logs(redactor: Redactor = REDACTOR) -> None:
    """Put a `RedactingFilter` before every handler of the root logger."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(f, RedactingFilter) for f in handler.filters):
            handler.addFilter(RedactingFilter(redactor))
