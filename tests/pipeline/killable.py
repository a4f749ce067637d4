"""Runs of the tap's ways of replication in this process, which can be killed after any message, and what arrives of them."""

from __future__ import annotations

import copy
import logging
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class KilledError(BaseException):
    """The process is gone."""


class Arrivals(ABC):
    """What arrives, applied in order; what a row is, and where it is kept, says each kind of destination.

    Attributes:
        version: of the reading of an entire set that goes on; 0 for none.
        kinds: how many messages of each kind came in the last run.
        left: messages until the process is killed; None: it lives.
    """

    def __init__(self) -> None:
        self.version = self.versions = 0
        self.kinds: Counter[str] = Counter()
        self.left: int | None = None

    def begin_version(self, version: int | None = None) -> int:
        self.versions += 1
        self.version = version or self.versions
        return self.version

    def complete_version(self, count: int, _before: int) -> bool:
        if count:
            self.drop_older()
            self.arrived("activated")
        self.version = 0
        return count > 0

    @abstractmethod
    def take(self, record: dict[str, Any]) -> None:
        """Apply a record."""

    @abstractmethod
    def drop_older(self) -> None:
        """Drop the rows of earlier versions than the present one."""

    def arrived(self, kind: str) -> None:
        self.kinds[kind] += 1
        if self.left is not None:
            self.left -= 1
            if self.left <= 0:
                raise KilledError


class Runs(ABC):
    """Runs between a tenant and a destination.

    Attributes:
        states: all that a run may have left, in order.
        said: what the last run told.
    """

    def __init__(self, destination: Arrivals) -> None:
        self.destination = destination
        self.states: list[dict[str, Any]] = [{}]
        self.said: list[str] = []
        self._log = logging.getLogger(f"runs.{id(self)}")
        self._log.setLevel(logging.INFO)
        self._log.propagate = False
        handler = logging.Handler()
        handler.emit = lambda record: self.said.append(record.getMessage())
        self._log.addHandler(handler)

    @abstractmethod
    def records_from(self, state: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The records of a run, which writes into its state."""

    def run(self, state: dict[str, Any] | None = None, *, kill_after: int | None = None) -> dict[str, Any]:
        """One run from a state, the last one if none is given; the states that it leaves are kept, the last one returned."""
        kept = copy.deepcopy(self.states[-1] if state is None else state)
        self.destination.kinds.clear()
        self.destination.left, self.destination.version = kill_after, 0
        self.said.clear()
        with suppress(KilledError), closing(self.records_from(kept)) as records:
            for record in records:
                self.destination.take(record)
                self.states.append(copy.deepcopy(kept))  # the SDK may send a STATE after any record
            self.states.append(copy.deepcopy(kept))
        self.destination.left = None
        return self.states[-1]

    @property
    def moved(self) -> dict[str, int]:
        """What the last run sent, by kind."""
        return dict(self.destination.kinds)
