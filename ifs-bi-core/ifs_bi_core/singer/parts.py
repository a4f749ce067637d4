"""What waits until rows before it are delivered: STATE lines, and files that rows were read from. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class Part(NamedTuple):
    """Rows of a stream that are delivered together.

    Attributes:
        stream: of the rows.
        number: of the batch among those of its stream, in this run.
    """

    stream: str
    number: int


class Parts:
    """The parts of a run: one of each stream is gathered, and some are on their way."""

    def __init__(self) -> None:
        self._numbers: Counter[str] = Counter()
        self._leaving: set[Part] = set()

    def undelivered(self, gathering: Iterable[str]) -> set[Part]:
        """The parts that hold undelivered rows, where rows of some streams are being gathered."""
        return self._leaving | {Part(stream, self._numbers[stream]) for stream in gathering}

    def leaves(self, stream: str) -> Part:
        """What was gathered of a stream is a part from here on; what comes later belongs to the next one."""
        part = Part(stream, self._numbers[stream])
        self._numbers[stream] += 1
        self._leaving.add(part)
        return part

    def arrived(self, part: Part) -> None:
        """A part is delivered."""
        self._leaving.discard(part)


class Waiting(Generic[T]):
    """Things in their order, each of which waits for parts; none leaves before an earlier one."""

    def __init__(self) -> None:
        self._waiting: list[tuple[T, set[Part]]] = []

    def came(self, thing: T, parts: set[Part], *, instead: bool = False) -> None:
        """A thing waits for some parts; ``instead``: of the last one, where that waits for the same."""
        if instead and self._waiting and self._waiting[-1][1] == parts:
            self._waiting.pop()
        self._waiting.append((thing, set(parts)))

    def arrived(self, part: Part) -> list[T]:
        """A part is delivered: what waits for nothing any more."""
        for _, parts in self._waiting:
            parts.discard(part)
        free = 0
        while free < len(self._waiting) and not self._waiting[free][1]:
            free += 1
        left, self._waiting = self._waiting[:free], self._waiting[free:]
        return [thing for thing, _ in left]

    def leave(self) -> list[T]:
        """All that waits, at once."""
        left, self._waiting = self._waiting, []
        return [thing for thing, _ in left]
