"""Batches on their way while the next ones are gathered.

A destination works for as long as the reader does, and on another processor. Only the delivery itself runs beside the reader;
what the ledger and the dead letters are told of it is told by the reader, when it lands the batch. So everything but the
destination's own adapter is spared of threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_THREADS = 16  # they are made when they are needed


class _InAir(NamedTuple):
    land: Callable[[], None]
    size: int


class Flight:
    """The batches of a run that are on their way, one of a stream at most."""

    def __init__(self) -> None:
        self._workers: ThreadPoolExecutor | None = None
        self._in_air: dict[str, _InAir] = {}

    def begin(self, deliver: Callable[[], int]) -> Callable[[], int]:
        """Begin a delivery beside the reader (see `ifs_bi_core.singer.outgoing.Begin`)."""
        if self._workers is None:
            self._workers = ThreadPoolExecutor(max_workers=_MOST_THREADS, thread_name_prefix="delivery")
        return self._workers.submit(deliver).result

    def launched(self, stream: str, land: Callable[[], None], size: int) -> None:
        """A batch of a stream is on its way; ``land`` waits for it and says what came of it; ``size``: its bytes in memory."""
        self._in_air[stream] = _InAir(land, size)

    def land_of(self, stream: str) -> None:
        """Wait for the batch of a stream that is on its way, if there is one; any error of it comes from here."""
        if stream in self._in_air:
            self._in_air.pop(stream).land()

    def make_room(self, size: int, most: int, most_bytes: int) -> None:
        """Land the oldest batches until another one may leave.

        Args:
            size: of that one.
            most: how many may be on their way with it.
            most_bytes: how large they may be together, where it isn't one alone.
        """
        while self._in_air and (
            len(self._in_air) >= most or size + sum(each.size for each in self._in_air.values()) > most_bytes
        ):
            self.land_of(next(iter(self._in_air)))

    def land(self) -> None:
        """Wait for all that is on its way; the first error of it comes from here, when all have landed."""
        first: BaseException | None = None
        while self._in_air:
            try:
                self.land_of(next(iter(self._in_air)))
            except BaseException as error:  # noqa: BLE001 - it is raised when the others are accounted for
                first = first or error
        if first is not None:
            raise first
