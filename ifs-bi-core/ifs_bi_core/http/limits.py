"""A rate limit that holds in every window, not just on average.

`SlidingWindow` counts the calls of one process; `ifs_bi_core.http.shared_limits` those of all processes of a machine; a
`CountedWindow` leaves the counting to somebody else, who may count those of many machines.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_WAIT = 0.001
"""Seconds. A clock that has not moved since the last look must not keep a processor busy."""


class Limiter(Protocol):
    """What policies ask before a request begins."""

    def acquire(self) -> None:
        """Wait until one more call may begin, and count it."""


def whole_calls(limit: float, seconds: float) -> tuple[int, float]:
    """A limit as a whole number of calls and the window they may fill: less than one call a window is one in a longer window.

    Raises:
        ValueError: the limit is not positive.
    """
    if limit <= 0:
        raise ValueError(f"a rate limit is a positive number, not {limit}")
    return max(1, int(limit)), seconds if limit >= 1 else seconds / limit


class SlidingWindow:
    """Lets at most ``limit`` calls begin in any window of ``seconds``. Safe to share between threads.

    Args:
        limit: calls a window.
        seconds: length of the window.
        clock: monotonic seconds.
        sleep: waits the given seconds.
    """

    def __init__(
        self,
        limit: float,
        seconds: float = 60.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit, self._seconds = whole_calls(limit, seconds)
        self._clock = clock
        self._sleep = sleep
        self._begun: deque[float] = deque(maxlen=self._limit)
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Wait until one more call may begin, and count it."""
        with self._lock:  # waiting inside keeps the order of arrival
            while len(self._begun) == self._limit:
                wait = self._begun[0] + self._seconds - self._clock()
                if wait < 0:  # a call exactly `seconds` old still shares a closed window with a new one
                    break
                self._sleep(max(wait, SHORTEST_WAIT))
            self._begun.append(self._clock())


class CountedWindow:
    """Lets calls begin as whoever counts them says. Safe to share between threads.

    Args:
        begin: counts a call that begins now, or says after how many seconds to ask again; given the limit and the window.
        limit: calls a window.
        seconds: length of the window.
        sleep: waits the given seconds.
    """

    def __init__(
        self,
        begin: Callable[[int, float], float | None],
        limit: float,
        seconds: float = 60.0,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._begin = begin
        self._limit, self._seconds = whole_calls(limit, seconds)
        self._sleep = sleep
        self._turn = threading.Lock()

    def acquire(self) -> None:
        """Wait until one more call may begin, and count it."""
        with self._turn:  # waiting inside keeps the order of arrival within this process
            while (wait := self._begin(self._limit, self._seconds)) is not None:
                self._sleep(max(wait, SHORTEST_WAIT))
