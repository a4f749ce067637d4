"""STATE lines that wait until everything before them is delivered. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Part(NamedTuple):
    """Rows of a stream that are delivered together.

    Attributes:
        stream: of the rows.
        number: of the batch among those of its stream, in this run.
    """

    stream: str
    number: int


@dataclass(slots=True)
class _Waiting:
    state: dict[str, Any]
    undelivered: set[Part]


class WaitingStates:
    """The states of a run that can't be told yet, in their order.

    A state stands for all rows before it, and waits for the parts that they are in.
    """

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._numbers: Counter[str] = Counter()
        self._leaving: set[Part] = set()

    def came(self, state: dict[str, Any], gathering: Iterable[str]) -> None:
        """A state came while rows of some streams were being gathered; of states that wait for the same, the last counts."""
        parts = self._leaving | {Part(stream, self._numbers[stream]) for stream in gathering}
        if self._waiting and self._waiting[-1].undelivered == parts:
            self._waiting.pop()
        self._waiting.append(_Waiting(state, parts))

    def leaves(self, stream: str) -> Part:
        """What was gathered of a stream is a part from here on; what comes later belongs to the next one."""
        part = Part(stream, self._numbers[stream])
        self._numbers[stream] += 1
        self._leaving.add(part)
        return part

    def arrived(self, part: Part) -> dict[str, Any] | None:
        """A part is delivered: the newest state that waits for nothing any more, if there is one."""
        self._leaving.discard(part)
        newest = None
        for waiting in self._waiting:
            waiting.undelivered.discard(part)
        while self._waiting and not self._waiting[0].undelivered:
            newest = self._waiting.pop(0).state
        return newest

    def told(self) -> None:
        """A state was told that is newer than all that wait."""
        self._waiting.clear()
