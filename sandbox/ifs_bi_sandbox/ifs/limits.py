"""The limits of a tenant: so many requests in any 60 seconds, and so many seconds for a query."""

from __future__ import annotations

import re
import threading
from collections import deque
from typing import Final

WINDOW: Final = 60.0  # seconds
QUERY_SECONDS: Final = {"main": 300, "int": 600, "b2b": 300}
"""By endpoint: how long a query may take. IFS documents 5 minutes, and 10 for ``/int``, which are the most there too."""


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


def query_seconds(endpoint: str, prefer: str) -> int:
    """The seconds that a query gets: those of ``Prefer: wait=…``, but never more than the endpoint allows."""
    most = QUERY_SECONDS.get(endpoint, QUERY_SECONDS["main"])
    asked = re.search(r"(?:^|[,;\s])wait=(\d{1,6})(?:$|[,;\s])", prefer, re.ASCII)
    return min(int(asked[1]), most) if asked else most
