"""Which pages of a walk to ask for before their turn, and what an answer that came early is good for.

The next page is known as soon as the last one has arrived, so it is under way while that one is written. A set that is walked
through by its keys is large once several pages of it came full; then its next stretches are asked for side by side: behind the
same row, each so many rows further on (``$skip``) that it should begin with the last rows of the one before.

An early page counts for nothing until the walk has come to it. If it holds the row that the walk stands on, what follows that
row is what the walk would have been given at that moment, had it asked from there: rows that came, went or moved meanwhile are
treated as in a walk page by page. If it doesn't, because too many rows before it have gone, it is thrown away with those behind
it, and the walk asks as if there had been none.

Answers are waited for without the turn and read with it, be they early or not: read, a page takes several times the room of its
text, and so there is one at a time in a run, however many streams there are.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from ifs_bi_core.errors import IfsBiError

from tap_ifs_cloud.client import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tap_ifs_cloud.in_flight import Early
    from tap_ifs_cloud.paging import Ask, Walk
    from tap_ifs_cloud.turns import Turns

_MISSES = 3
"""Stretches in a row that began too late; then the set changes too fast to be asked for in stretches."""

_OVERLAP = 100  # one row of so many is asked for twice


@dataclass(frozen=True)
class Answer:
    """A page as it arrived.

    Attributes:
        rows: in the order asked for.
        link: its ``@odata.nextLink``.
        url: what was asked for.
        asked_at: when the request was made; its rows are those of some moment from then on.
        received_at: when it had been answered.
    """

    rows: list[dict[str, Any]]
    link: str | None
    url: str
    asked_at: datetime
    received_at: datetime


@dataclass(frozen=True)
class Question:
    """A page that can be asked for on any thread.

    Attributes:
        now: asks, and gives the answer; where that can't be read, asks again.
        early: asks, and gives what reads the answer when its turn has come.
    """

    now: Callable[[], Answer]
    early: Callable[[], Callable[[], Answer]]


class Questions(Protocol):
    """What makes the question for a page."""

    def __call__(self, ask: Ask, further: int, *, may_shrink: bool) -> Question:
        """The question, ready to be asked.

        Args:
            ask: what is asked.
            further: how many pages it is ahead of the next one.
            may_shrink: whether there is a smaller question, if the answer doesn't come in time.
        """


@dataclass(frozen=True)
class Stretch:
    """A page that was asked for before its turn.

    Attributes:
        ask: the question.
        rows: how many rows it should bring behind those of the stretch before.
    """

    ask: Ask
    rows: int


def next_stretch(ask: Ask, length: int, before: int) -> Stretch | None:
    """What to ask for behind the rows that are under way.

    Args:
        ask: the question of the walk.
        length: rows of a full page.
        before: rows behind the walk that other stretches should bring; 0: the walk's own question.

    Returns:
        None where a page is too short to begin with a row of the one before.
    """
    if not before:
        return Stretch(ask, length)
    overlap = 1 + length // _OVERLAP
    if length <= overlap or before < overlap:
        return None
    return Stretch(replace(ask, skip=before - overlap), length - overlap)


class PagesAhead:
    """The answers to a walk's questions, some of which were asked before their turn.

    Args:
        walk: says what is asked.
        turns: who may write, and who may ask.
        question: makes what is to be asked.
        tell: hears in a sentence what is given up.
        expected: rows that the walk will bring, where that is known.
    """

    def __init__(
        self,
        walk: Walk,
        turns: Turns,
        question: Questions,
        *,
        tell: Callable[[str], None],
        expected: int | None = None,
    ) -> None:
        self._walk = walk
        self._turns = turns
        self._flights = turns.in_flight
        self._question = question
        self._tell = tell
        self._expected = expected
        self._early: deque[tuple[Stretch, Early[Callable[[], Answer]]]] = deque()
        self._most = self._flights.most if self._flights.most > 1 else 0
        self._depth = 1  # stretches to have under way: twice as many with each page that was asked for by a key
        self._missed = 0  # in a row
        self._came = 0  # rows so far
        self._full = 0  # rows of the last answer, if it was a full one

    def next(self, ask: Ask) -> Answer:
        """The answer to the walk's question, waited for without the turn and read with it.

        Raises:
            IfsBiError: there is none; what was asked for behind it is thrown away.
            StoppedError: the run ends.
        """
        try:
            answer = self._early_answer(ask) or self._asked_now(ask)
        except BaseException:
            self.drop()
            raise
        self._came += len(answer.rows)
        return answer

    def look_ahead(self) -> None:
        """Ask for what follows the page that the walk has just received, before it is written."""
        ask = self._walk.ask
        if ask is None or (self._early and not self._walk.stands_on_a_key):
            self.drop()
        if ask is None or not self._full:
            return
        depth = min(self._depth, self._most) if self._walk.stands_on_a_key else min(1, self._most)
        while len(self._early) < depth:
            before = sum(stretch.rows for stretch, _ in self._early)
            stretch = next_stretch(ask, self._full, before)
            if stretch is None or (before and self._expected is not None and self._came + before >= self._expected):
                return
            question = self._question(stretch.ask, len(self._early), may_shrink=bool(before) or self._walk.can_shrink)
            self._early.append((stretch, self._flights.early(self, question.early)))

    def drop(self) -> None:
        """Throw away what was asked for before its turn."""
        while self._early:
            self._flights.drop(self._early.popleft()[1])

    def _asked_now(self, ask: Ask) -> Answer:
        question = self._question(ask, 0, may_shrink=self._walk.can_shrink)
        with self._turns.asking():
            read = question.early()
        try:
            answer = read()
        except UnreadableError:  # it can be whole the next time
            del read
            with self._turns.asking():
                answer = question.now()
        self._note(ask, answer)
        return answer

    def _early_answer(self, ask: Ask) -> Answer | None:
        """The answer to ``ask``, or what is as good; None where that was not asked for or came to nothing."""
        if not self._early:
            return None
        stretch, early = self._early.popleft()
        if self._flights.take_back(early):
            return None
        try:
            with self._turns.away():
                read = self._flights.answer(early)
            answer = read()
        except UnreadableError:  # it can be whole the next time
            self.drop()
            return None
        except IfsBiError as error:
            if stretch.ask == ask:
                raise
            self._one_at_a_time(f"IFS Cloud did not answer a question for a page further on ({error})")
            return None
        if stretch.ask == ask:
            self._note(ask, answer)
            return answer
        rows = self._walk.behind_the_last(stretch.ask, answer.rows, answer.link)
        if rows is None:
            self._miss()
            return None
        self._missed = 0
        self._note(stretch.ask, answer)
        return replace(answer, rows=rows)

    def _note(self, ask: Ask, answer: Answer) -> None:
        """What an answer says about those to come."""
        self._full = len(answer.rows) if self._walk.is_full(ask, len(answer.rows), answer.link) else 0
        if self._walk.stands_on_a_key:
            self._depth = min(2 * self._depth, max(1, self._most))

    def _miss(self) -> None:
        self.drop()
        self._missed += 1
        self._depth = 1
        if self._missed == _MISSES:
            self._one_at_a_time("too many rows go while it is read")

    def _one_at_a_time(self, reason: str) -> None:
        self.drop()
        self._most = min(1, self._most)
        self._tell(f"Only the next page is asked for before its turn, since {reason}")
