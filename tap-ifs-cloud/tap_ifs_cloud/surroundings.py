"""What is around the reading of a stream: who hears of it, where it remembers, and whose turn it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from tap_ifs_cloud.turns import Turns

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ifs_bi_core.ledger.runs import Run
    from ifs_bi_core.singer.progress import Progress

    from tap_ifs_cloud.record_pages import RecordPages


class Destination(Protocol):
    """What a reading of an entire set tells the destination."""

    def begin_version(self, version: int | None = None) -> int:
        """From here on, records belong to a reading of the entire set: a new one, or one that was cut short."""

    def complete_version(self, count: int, before: int) -> bool:
        """All ``count`` rows were sent, where ``before`` were known: what was not sent is gone.

        Returns:
            False where that is not believed.
        """


@dataclass(frozen=True)
class Surroundings:
    """What a reading tells of itself, and where it remembers.

    Attributes:
        log: the stream's.
        progress: counts rows.
        run: the run in the ledger, if it is kept.
        key_store: the file of what was delivered; None for one that forgets.
        clock: the present, aware.
        turns: who may write, and who may ask IFS Cloud.
        found_empty: hears that a set is empty.
        record_pages: makes the records of whole pages; None where each is looked at.
    """

    log: logging.Logger
    progress: Progress
    run: Run | None = None
    key_store: Path | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    turns: Turns = field(default_factory=Turns)
    found_empty: Callable[[], None] = lambda: None
    record_pages: RecordPages | None = None

    def waiting(self) -> AbstractContextManager[None]:
        """What an answer of IFS Cloud is waited for in; other streams may write meanwhile."""
        return self.turns.asking()
