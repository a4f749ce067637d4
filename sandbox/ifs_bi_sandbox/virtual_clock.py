"""A clock that tests advance: hours of a service's limits pass in no time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class VirtualClock:
    """Seconds since the epoch that pass when somebody says so, or waits.

    ``now`` and ``waiting`` are what a `World` takes; ``now`` and ``sleep`` what a client in the same process takes.
    """

    seconds: float = 1_800_000_000.0

    def now(self) -> float:
        """The present second."""
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let seconds pass."""
        self.seconds += seconds

    def sleep(self, seconds: float) -> None:
        """Wait, which takes no time."""
        self.advance(seconds)

    async def waiting(self, seconds: float) -> None:
        """Wait, which takes no time."""
        self.advance(seconds)
