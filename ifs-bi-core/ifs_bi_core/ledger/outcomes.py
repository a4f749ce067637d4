"""What became of rows, decided from events alone: pure.

A batch's events are read in their order. An event speaks of the whole batch or of the rows at some positions. The first final
word about a row stands; what is said of the whole batch later goes for the rows that have none yet.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class State(StrEnum):
    """What is known of a row, or of a batch."""

    WRITTEN = "written"
    """It lies on disk and did not leave."""
    PUSHING = "pushing"
    """It is about to leave, or left. After a crash this is an unknown outcome."""
    ACKNOWLEDGED = "acknowledged"
    """The destination has confirmed it."""
    REFUSED = "refused"
    """The destination refused it for good; it went to the dead letters."""
    UNKNOWN = "unknown"
    """It left, and nobody can tell whether it arrived."""
    WITHDRAWN = "withdrawn"
    """It never reached the destination, and the state was not moved past it: it comes again."""


FINAL = frozenset({State.ACKNOWLEDGED, State.REFUSED, State.WITHDRAWN})
UNANSWERED = frozenset({State.WRITTEN, State.PUSHING})
PRUNED = "pruned"
"""The event that says that a batch file holds no payload of delivered rows any more. It changes no row's fate."""

_SPAN = re.compile(r"(\d+)(?:-(\d+))?")
_COMPLETE = frozenset({ExitCode.DONE, ExitCode.DEAD_LETTERS})


@dataclass(frozen=True)
class Event:
    """Something that happened to a batch.

    Attributes:
        at: UTC, microseconds.
        state: what the rows are from then on.
        reason: why, where it needs one.
        positions: the rows it is about, counted from 0 in the order of the batch; None: all.
        run: the run that said so.
    """

    at: str
    state: State
    reason: str | None = None
    positions: frozenset[int] | None = None
    run: str | None = None


@dataclass(frozen=True)
class Fates:
    """What became of each row of a batch: ``own`` by position, ``rest`` of all others."""

    rows: int
    rest: State
    own: Mapping[int, State]

    def of(self, position: int) -> State:
        """What became of one row."""
        return self.own.get(position, self.rest)

    def counts(self) -> Counter[State]:
        """How many rows came to what."""
        counted = Counter(self.own.values())
        counted[self.rest] += self.rows - len(self.own)
        return +counted

    def any_in(self, states: frozenset[State]) -> bool:
        """Whether any row is in one of the states."""
        return not states.isdisjoint(self.counts())


def fates(rows: int, events: Iterable[Event]) -> Fates:
    """What became of the rows of a batch."""
    rest, own = State.WRITTEN, dict[int, State]()
    for event in events:
        if event.positions is None:
            rest = rest if rest in FINAL else event.state
            own |= {position: event.state for position, state in own.items() if state not in FINAL}
        else:
            own |= {p: event.state for p in event.positions if own.get(p, rest) not in FINAL}
    return Fates(rows, rest, own)


def positions_text(positions: Iterable[int]) -> str:
    """Positions as the ledger keeps them: ``3,7-9``."""
    ordered = sorted(set(positions))
    breaks = [0, *(i for i, (a, b) in enumerate(pairwise(ordered), 1) if b != a + 1), len(ordered)]
    spans = ((ordered[begin], ordered[end - 1]) for begin, end in pairwise(breaks) if end > begin)
    return ",".join(f"{first}-{last}" if first != last else str(first) for first, last in spans)


def positions_of(text: str) -> frozenset[int]:
    """The positions of such a text."""
    found = (span.groups() for span in _SPAN.finditer(text))
    return frozenset(p for first, last in found for p in range(int(first), int(last or first) + 1))


@dataclass(frozen=True)
class Line:
    """The balance of one stream in one run, in rows.

    Attributes:
        read: what the target read.
        acknowledged: what a destination has confirmed.
        dead: what went to the dead letters.
        unknown: what left without an answer.
        waiting: what lies on disk, did not leave, and is nobody's answer yet.
        again: what a run that did not come to its end read and left for the next one, since the state was not moved past it.
    """

    stream: str
    read: int
    acknowledged: int
    dead: int
    unknown: int
    waiting: int
    again: int

    @property
    def holds(self) -> bool:
        """Whether every row is accounted for."""
        accounted = self.acknowledged + self.dead + self.unknown + self.again
        return not self.waiting and self.again >= 0 and self.read == accounted


def complete(exit_codes: Sequence[int | None]) -> bool:
    """Whether a run came to its end: all of its processes said so, with an exit code after which the state stands."""
    return bool(exit_codes) and all(code in _COMPLETE for code in exit_codes)


def balance(
    *, complete: bool, reads: Mapping[str, int], dead: Mapping[str, int], batches: Iterable[tuple[str, Fates]]
) -> list[Line]:
    """The balance of a run: ``read = acknowledged + dead + unknown`` for each stream.

    A run that was cut short owes less: rows that it read and did not account for come again with the next run, because no
    state was moved past them. One that was killed has not even said how many it read; there, what it put on disk counts.

    Args:
        complete: whether the run came to its end.
        reads: rows read, by stream.
        dead: rows refused before they came into a batch, by stream.
        batches: stream and fates of every batch of the run.
    """
    counted: dict[str, Counter[State]] = {stream: Counter() for stream in (*reads, *dead)}
    for stream, fate in batches:
        counted.setdefault(stream, Counter()).update(fate.counts())
    lines = []
    for stream, states in sorted(counted.items()):
        lost = dead.get(stream, 0) + states[State.REFUSED]
        unknown = states[State.UNKNOWN] + states[State.PUSHING]
        settled = states[State.ACKNOWLEDGED] + lost + unknown
        waiting = states[State.WRITTEN]
        seen = settled + waiting + states[State.WITHDRAWN]
        read = reads.get(stream, 0) if complete else reads.get(stream, seen)
        again = 0 if complete else read - settled - waiting
        lines.append(Line(stream, read, states[State.ACKNOWLEDGED], lost, unknown, waiting, again))
    return lines
