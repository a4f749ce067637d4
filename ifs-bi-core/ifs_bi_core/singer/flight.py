"""One batch on its way while the next one is gathered.

A destination works for as long as the reader does, and on another processor. Only the delivery itself runs beside the reader;
what the ledger and the dead letters are told of it is told by the reader, when it lands the batch. So everything but the
destination's own adapter is spared of threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Flight:
    """The one batch of a run that is on its way."""

    def __init__(self) -> None:
        self._worker: ThreadPoolExecutor | None = None
        self._land: Callable[[], None] | None = None

    def begin(self, deliver: Callable[[], int]) -> Callable[[], int]:
        """Begin a delivery beside the reader (see `ifs_bi_core.singer.outgoing.Begin`)."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="delivery")
        return self._worker.submit(deliver).result

    def launched(self, land: Callable[[], None]) -> None:
        """A batch is on its way; ``land`` waits for it and says what came of it."""
        self._land = land

    def land(self) -> None:
        """Wait for the batch that is on its way, if there is one; any error of it comes from here."""
        land, self._land = self._land, None
        if land is not None:
            land()
