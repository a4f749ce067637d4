"""How old changes were when a destination had them: row versions of the source against the moment of the acknowledgement.

Row versions stand in the batch files alone, so this knows of the batches that were written on this machine.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ifs_bi_core.ledger.outcomes import State

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ifs_bi_core.ledger.batches import BatchAccount

MOST_FILES = 20
"""Of a run and stream, how many batch files are looked at, the newest first: a first load has hundreds."""

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z")


@dataclass(frozen=True)
class Lag:
    """How far a destination is behind the source.

    Attributes:
        run: the newest run that delivered rows.
        newest_version: the row version of the youngest change in it, on the clock of the source.
        delivered_at: when the destination acknowledged the last of its rows.
        seconds: from the one to the other; negative where the clocks differ by more than it took.
        gone_rows: rows of the run that are gone at the source.
        files: how many batch files told this; ``files_elsewhere`` are on another machine, too old, or damaged.
    """

    run: str
    newest_version: str | None
    delivered_at: str | None
    seconds: float | None
    gone_rows: int
    files: int
    files_elsewhere: int


def lag(accounts: Sequence[BatchAccount], state_dir: Path) -> Lag:
    """What the batches of one run, stream and destination tell; at least one, oldest first."""
    versions: list[str] = []
    gone = looked_at = 0
    for account in accounts[-MOST_FILES:]:
        with suppress(OSError, pa.ArrowException):
            with pq.ParquetFile(state_dir / account.file) as file:
                table = file.read(["row_version", "deleted"], use_threads=False)
            looked_at += 1
            gone += pc.sum(table["deleted"]).as_py() or 0
            newest = pc.max(table["row_version"]).as_py()
            versions += [newest] if newest and _MOMENT.fullmatch(newest) else []
    said = [event.at for one in accounts for event in one.events if event.state is State.ACKNOWLEDGED]
    newest_version, delivered_at = max(versions, default=None), max(said, default=None)
    return Lag(
        run=accounts[-1].run,
        newest_version=newest_version,
        delivered_at=delivered_at,
        seconds=_between(newest_version, delivered_at),
        gone_rows=gone,
        files=looked_at,
        files_elsewhere=len(accounts) - looked_at,
    )


def _between(earlier: str | None, later: str | None) -> float | None:
    """Seconds; None where either is not known or is no moment of the calendar."""
    if earlier is None or later is None:
        return None
    with suppress(ValueError):
        return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
    return None
