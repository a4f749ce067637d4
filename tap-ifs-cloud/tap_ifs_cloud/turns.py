"""Several streams at once: requests wait side by side, everything else happens one after the other.

Each stream is read by a thread of its own. Singer messages and the state belong to whoever has the turn; a thread gives it away
while it waits for IFS Cloud. So records of a stream stay in their order, and a STATE is true at the moment when it is written, as
if there were one thread.

What is waited for without the turn are requests, of which so many are under way at once as is said
(`tap_ifs_cloud.in_flight`).
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from tap_ifs_cloud.heap import share_heap
from tap_ifs_cloud.in_flight import InFlight, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class Turns:
    """Who may write now. The one who waits longest is next.

    Args:
        requests: at once, of all who have a turn.

    Attributes:
        in_flight: the requests' places.
    """

    def __init__(self, requests: int = 1) -> None:
        self.in_flight = InFlight(requests)
        self._condition = threading.Condition()
        self._queue: deque[object] = deque()
        self._taken = False
        self._stopped = False

    def take(self) -> None:
        """Wait for the turn.

        Raises:
            StoppedError: the run ends.
        """
        me = object()
        with self._condition:
            self._queue.append(me)
            self._condition.wait_for(lambda: self._stopped or (not self._taken and self._queue[0] is me))
            self._queue.remove(me)
            if self._stopped:
                self._condition.notify_all()
                raise StoppedError
            self._taken = True

    def give(self) -> None:
        """Let the next one."""
        with self._condition:
            self._taken = False
            self._condition.notify_all()

    def stop(self) -> None:
        """Let nobody write any more."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
        self.in_flight.stop()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Make a request whose answer is needed now, while others have the turn.

        Raises:
            StoppedError: the run has ended meanwhile.
        """
        with self.away(), self.in_flight.head():
            yield

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let others have the turn while this thread waits for something.

        Raises:
            StoppedError: the run has ended meanwhile.
        """
        self.give()
        try:
            yield
        finally:
            self.take()


def side_by_side(tasks: Sequence[Callable[[], None]], turns: Turns, *, at_once: int) -> None:
    """Do all tasks in their order, as many at once as is said; each begins and ends with the turn.

    The first error ends it at once, and so does a signal: nobody waits for requests that are still under way, since what they
    bring would not be written.

    Raises:
        BaseException: what the first task raised that failed.
    """
    share_heap()
    left: SimpleQueue[Callable[[], None]] = SimpleQueue()
    ended: SimpleQueue[BaseException | None] = SimpleQueue()
    for task in tasks:
        left.put(task)

    def work() -> None:
        try:
            while True:
                task = left.get_nowait()
                turns.take()
                try:
                    task()
                finally:
                    turns.give()
        except Empty:
            ended.put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised again where somebody waits for it
            ended.put(error)

    workers = [Thread(target=work, name=f"stream-{number}", daemon=True) for number in range(min(at_once, len(tasks)))]
    for worker in workers:
        worker.start()
    try:
        for _ in workers:
            error = ended.get()
            if error is not None:
                raise error
    finally:
        turns.stop()
