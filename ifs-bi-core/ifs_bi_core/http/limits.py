"""A rate limit that holds in every window, not just on average."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


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
        if limit <= 0:
            raise ValueError(f"a rate limit is a positive number, not {limit}")
        # Less than one call a window is one call in a longer window.
        self._limit = max(1, int(limit))
        self._seconds = seconds if limit >= 1 else seconds / limit
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
                self._sleep(max(wait, 0.001))
            self._begun.append(self._clock())
