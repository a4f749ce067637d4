"""STATE lines that wait until everything before them is delivered. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class _Waiting:
    state: dict[str, Any]
    undelivered: set[str]


class WaitingStates:
    """The states of a run that can't be told yet, in their order.

    A state stands for all rows before it. It waits for the streams that had undelivered rows when it came; a batch of a stream
    holds all of them, since batches are delivered whole.
    """

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def came(self, state: dict[str, Any], undelivered: Iterable[str]) -> None:
        """A state came while some streams had rows that were not delivered; of states that wait for the same, the last counts."""
        streams = set(undelivered)
        if self._waiting and self._waiting[-1].undelivered == streams:
            self._waiting.pop()
        self._waiting.append(_Waiting(state, streams))

    def delivered(self, stream: str) -> dict[str, Any] | None:
        """All rows of a stream so far are delivered: the newest state that waits for nothing any more, if there is one."""
        newest = None
        for waiting in self._waiting:
            waiting.undelivered.discard(stream)
        while self._waiting and not self._waiting[0].undelivered:
            newest = self._waiting.pop(0).state
        return newest
