"""Requests that are under way, over all streams of a run: those that somebody waits for first, those for later pages after them.

A *head* is a request whose answer its stream waits for; an *early* one brings a page before its turn. At most ``most`` are
under way at once. Early ones never take the last place, and no more of them than ``most`` are under way or lie here with their
answers: so memory is bounded, and a head waits only where another head is among those under way.

Early requests run on daemon threads, and nobody joins them: what they bring after the end of a run would not be written.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

T = TypeVar("T")


class StoppedError(Exception):
    """Another stream ended the run; this one stops at its next page."""


class _Phase(Enum):
    """How far an early request is."""

    WISHED = auto()
    UNDER_WAY = auto()
    ANSWERED = auto()
    GIVEN_BACK = auto()


@dataclass(eq=False)
class Early(Generic[T]):
    """A request that is made before its answer is needed. `InFlight` makes and changes it.

    Attributes:
        reader: who will take the answer.
        request: makes it.
        answer: what it brought.
        error: or what it raised.
        phase: how far it is.
        is_awaited: whether its reader has come to wait for it, so that it counts as a head.
        is_dropped: whether nobody will take the answer.
    """

    reader: Hashable
    request: Callable[[], T]
    answer: T | None = None
    error: BaseException | None = None
    phase: _Phase = _Phase.WISHED
    is_awaited: bool = False
    is_dropped: bool = False


def _on_a_thread(work: Callable[[], None]) -> None:
    Thread(target=work, name="early-page", daemon=True).start()


class InFlight:
    """The places of requests under way. Safe to share between threads.

    Args:
        most: requests at once; 1: none is early.
        begin: does the work of an early request elsewhere, without waiting for it.
    """

    def __init__(self, most: int, begin: Callable[[Callable[[], None]], None] = _on_a_thread) -> None:
        self.most = most
        self._begin = begin
        self._changed = threading.Condition()
        self._heads: deque[object] = deque()
        self._wishes: list[Early[Any]] = []
        self._under_way = 0
        self._unawaited = 0  # of those, the early ones that nobody has come to wait for
        self._kept: Counter[Hashable] = Counter()  # early requests under way, and answers not taken, by reader
        self._stopped = False

    @contextmanager
    def head(self) -> Iterator[None]:
        """Have a place for a request that is waited for. Who came first is first.

        Raises:
            StoppedError: the run ends.
        """
        me = object()
        with self._changed:
            self._heads.append(me)
            self._changed.wait_for(lambda: self._stopped or (self._heads[0] is me and self._under_way < self.most))
            self._heads.remove(me)
            if not self._stopped:
                self._under_way += 1
            self._go_on()
            if self._stopped:
                raise StoppedError
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._go_on()

    def early(self, reader: Hashable, request: Callable[[], T]) -> Early[T]:
        """Wish for a request to be made once there is a place for it.

        Args:
            reader: who will take the answer; who has the fewest early requests goes first.
            request: makes it.
        """
        wish = Early(reader, request)
        with self._changed:
            self._wishes.append(wish)
            self._go_on()
        return wish

    def take_back(self, early: Early[Any]) -> bool:
        """Take a wish back; False where the request was begun."""
        with self._changed:
            if early in self._wishes:
                self._wishes.remove(early)
            return early.phase is _Phase.WISHED

    def answer(self, early: Early[T]) -> T:
        """Wait for the answer to a request that was begun.

        Raises:
            StoppedError: the run ends.
            BaseException: what the request raised.
        """
        with self._changed:
            if early.phase is _Phase.UNDER_WAY and not early.is_awaited:
                early.is_awaited = True
                self._unawaited -= 1
                self._go_on()
            self._changed.wait_for(lambda: early.phase is not _Phase.UNDER_WAY or self._stopped)
            if early.phase is _Phase.UNDER_WAY:
                raise StoppedError
            self._give_back(early)
        if early.error is not None:
            raise early.error
        return cast("T", early.answer)

    def drop(self, early: Early[Any]) -> None:
        """Say that nobody will take the answer."""
        with self._changed:
            if early in self._wishes:
                self._wishes.remove(early)
            early.is_dropped = True
            if early.phase is _Phase.ANSWERED:
                self._give_back(early)

    def stop(self) -> None:
        """Begin no request any more."""
        with self._changed:
            self._stopped = True
            self._wishes.clear()
            self._changed.notify_all()

    def _go_on(self) -> None:
        """Something changed: begin what may begin now."""
        while self._wishes and not self._heads and not self._stopped and self._has_room():
            wish = min(self._wishes, key=lambda one: self._kept[one.reader])
            self._wishes.remove(wish)
            wish.phase = _Phase.UNDER_WAY
            self._under_way += 1
            self._unawaited += 1
            self._kept[wish.reader] += 1
            self._begin(partial(self._make, wish))
        self._changed.notify_all()

    def _has_room(self) -> bool:
        most = self.most
        return self._under_way < most and self._unawaited < most - 1 and self._kept.total() < most

    def _make(self, early: Early[Any]) -> None:
        try:
            early.answer = early.request()
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is taken
            early.error = error
        with self._changed:
            early.phase = _Phase.ANSWERED
            self._under_way -= 1
            self._unawaited -= not early.is_awaited
            if early.is_dropped:
                self._give_back(early)
            self._go_on()

    def _give_back(self, early: Early[Any]) -> None:
        """An answer does not lie here any more."""
        early.phase = _Phase.GIVEN_BACK
        self._kept[early.reader] -= 1
        if not self._kept[early.reader]:
            del self._kept[early.reader]
        if early.is_dropped:
            early.answer = None
        self._go_on()
