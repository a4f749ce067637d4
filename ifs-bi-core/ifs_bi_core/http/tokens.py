"""Bearer tokens that are renewed ahead of time, by one thread for all."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_MARGIN = 600.0


@dataclass(frozen=True)
class Token:
    """An access token and how many seconds it lives from the moment it was asked for."""

    value: str = field(repr=False)
    lifetime: float


def renewal_margin(lifetime: float) -> float:
    """How many seconds before its end a token is renewed: half of its life, at most ten minutes.

    A 60-minute token is renewed at 50 minutes, a 180-second one at 90 seconds.
    """
    return min(_LONGEST_MARGIN, lifetime / 2)


class TokenSource:
    """Gives a valid token and asks for a new one when needed, once for all threads.

    Args:
        fetch: asks the service for a token; its errors pass through.
        clock: monotonic seconds.
    """

    def __init__(self, fetch: Callable[[], Token], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._renew_at = 0.0
        self._dies_at = 0.0

    def get(self) -> str:
        """The current token, renewed if its time is near."""
        with self._lock:
            if self._token is None or self._clock() >= self._renew_at:
                self._renew()
            return self._current()

    def replace(self, refused: str) -> str:
        """A token other than ``refused``: another thread may have renewed it already."""
        with self._lock:
            if self._token is None or self._token.value == refused:
                self._renew()
            return self._current()

    def is_alive(self, token: str) -> bool:
        """Whether a token is the current one and its life is not over. Never waits, not even for who renews it."""
        current = self._token
        return current is not None and current.value == token and self._clock() < self._dies_at

    def _renew(self) -> None:
        asked_at = self._clock()  # the life counts from before the request, so it never ends early by a slow answer
        token = self._fetch()
        REDACTOR.register(token.value)
        self._dies_at = asked_at + token.lifetime
        self._renew_at = self._dies_at - renewal_margin(token.lifetime)
        self._token = token

    def _current(self) -> str:
        if self._token is None:
            raise RuntimeError("no token although one was just fetched")
        return self._token.value
