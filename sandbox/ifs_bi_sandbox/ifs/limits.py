"""The request limit: so many in any 60 seconds."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

WINDOW: Final = 60.0  # seconds


class RequestLimit:
    """Counts the requests of a sliding window; one that was refused does not count."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self._lock = threading.Lock()

    def admits(self, now: float, per_minute: int) -> bool:
        """Whether one more request may pass at ``now`` (seconds); if so it is counted. A limit of 0 is none."""
        with self._lock:
            while self._times and self._times[0] <= now - WINDOW:
                self._times.popleft()
            if per_minute and len(self._times) >= per_minute:
                return False
            self._times.append(now)
            return True
