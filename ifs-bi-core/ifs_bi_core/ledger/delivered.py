"""What a run delivered: the records whose newest row a destination has confirmed."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import exists, func, select

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.ledger import trail
from ifs_bi_core.ledger.accounts import BATCHES, RUN_EVENTS
from ifs_bi_core.ledger.batches import read_batches
from ifs_bi_core.ledger.keys import digests
from ifs_bi_core.ledger.outcomes import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ifs_bi_core.ledger.batches import BatchAccount
    from ifs_bi_core.ledger.runs import Ledger
    from ifs_bi_core.ledger.trail import TrailRow


@dataclass(frozen=True)
class Delivered:
    """A record that arrived.

    Attributes:
        stream: of the record.
        key: its key; all values are text.
        row_version: the source's version of what arrived, where it has one.
    """

    stream: str
    key: Mapping[str, str]
    row_version: str | None


def streams(ledger: Ledger, run: str) -> dict[str, int]:
    """The streams of a run's batches, and how many rows they hold.

    Raises:
        ConfigError: there is no such run.
    """
    with ledger.database.read() as connection:
        if not connection.execute(select(exists().where(RUN_EVENTS.c.run == run))).scalar():
            raise ConfigError(f"The ledger has no run {run}. `ifs-bi ledger runs` lists them.")
        asked = select(BATCHES.c.stream, func.sum(BATCHES.c.rows)).where(BATCHES.c.run == run)
        found = connection.execute(asked.group_by(BATCHES.c.stream).order_by(BATCHES.c.stream))
        return {stream: int(rows) for stream, rows in found}


def delivered(ledger: Ledger, run: str, stream: str) -> Iterator[Delivered]:
    """The records of one stream of a run that arrived, and are not gone at the source, each once.

    Where a run carried a record more than once, its last row counts: one that was refused is no delivery, though an older
    one arrived.

    Args:
        ledger: where to look.
        run: the run.
        stream: the stream.

    Raises:
        LedgerError: a batch file is not on this machine, or is damaged.
    """
    with ledger.database.read() as connection:
        batches = read_batches(connection, (BATCHES.c.run == run) & (BATCHES.c.stream == stream))
    repeated = _repeated(ledger, batches)
    last: dict[str, tuple[TrailRow, State]] = {}
    for row, fate in _rows(ledger, batches):
        if digests([row.key]) in repeated:
            last[row.key] = row, fate
        else:
            yield from _arrived(stream, row, fate)
    for row, fate in last.values():
        yield from _arrived(stream, row, fate)


def _rows(ledger: Ledger, batches: list[BatchAccount]) -> Iterator[tuple[TrailRow, State]]:
    for account in batches:
        fates = account.fates
        for position, row in enumerate(trail.read(ledger.state_dir / account.file)):
            if row.key:
                yield row, fates.of(position)


def _repeated(ledger: Ledger, batches: list[BatchAccount]) -> frozenset[bytes]:
    """The hashes that came more than once: of records that a run carried again, and of few others by chance.

    Four bytes a row are in memory, not its key.
    """
    hashes = array("I")
    for row, _ in _rows(ledger, batches):
        hashes.frombytes(digests([row.key]))
    counted = pc.value_counts(pa.array(hashes, pa.uint32()))
    again = counted.filter(pc.greater(counted.field("counts"), 1)).field("values").to_pylist()
    return frozenset(array("I", [number]).tobytes() for number in again)


def _arrived(stream: str, row: TrailRow, fate: State) -> Iterator[Delivered]:
    if fate is State.ACKNOWLEDGED and not row.deleted:
        yield Delivered(stream, msgspec.json.decode(row.key), row.row_version)
