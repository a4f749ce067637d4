"""Requests and responses as values, and the one signature that every policy and transport has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec
import requests.structures

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading bytes as JSON can end in: they are none, they are no text, or they are nested too deep to be read."""


@dataclass(frozen=True)
class Request:
    """One HTTP request.

    Attributes:
        method: upper case.
        url: absolute, already encoded.
        headers: without credentials; `with_auth` adds them further in.
        body: bytes to send, or None.
        safe_twice: whether doing it twice does no harm. True for GET; for others the caller must know.
        operation: what it is for, in words for logs and errors: ``purchase_orders page 3``.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    safe_twice: bool = False
    operation: str = ""


@dataclass(frozen=True)
class Response:
    """A complete answer: the whole body was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the definition of 2xx


def case_insensitive(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers, to be looked up in any case."""
    return requests.structures.CaseInsensitiveDict(headers)


Send: TypeAlias = Callable[[Request], Response]
"""Send a request, get its complete answer, whatever the status.

Raises `NotSentError` or `OutcomeUnknownError` where there is no complete answer.
"""
