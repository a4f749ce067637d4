"""The whole story of one record: which batches carried it, when, and what became of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.ledger import trail
from ifs_bi_core.ledger.accounts import BATCHES, DEAD_ROWS, KEY_HASHES
from ifs_bi_core.ledger.batches import read_batches
from ifs_bi_core.ledger.keys import digests, key_text, may_hold
from ifs_bi_core.ledger.outcomes import FINAL, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from ifs_bi_core.ledger.batches import BatchAccount
    from ifs_bi_core.ledger.runs import Ledger
    from ifs_bi_core.ledger.trail import TrailRow

_AT_ONCE = 500  # batches that one question of the database names


@dataclass(frozen=True)
class Moment:
    """Something that happened to a record, when, and why or in which run."""

    at: str
    what: str
    note: str | None = None


@dataclass(frozen=True)
class Story:
    """One way of a record from the source to a destination.

    Attributes:
        batch: what carried it; None: it was refused before it came into one.
        position: in the batch, counted from 0; None where the batch's file is not on this machine.
        fate: what became of it.
        moments: from its extraction to the last word, in order.
    """

    run: str
    stream: str
    destination: str
    key: str
    batch: str | None
    position: int | None
    row_version: str | None
    deleted: bool
    fate: State
    moments: tuple[Moment, ...]


def find(ledger: Ledger, stream: str, key: Mapping[str, Any]) -> list[Story]:
    """The whole story of one record across all runs, oldest first.

    Args:
        ledger: where to look.
        stream: of the record.
        key: all properties of its key; values as numbers or as text.

    Raises:
        ConfigError: the stream's key has other properties.
        LedgerError: a batch file is damaged.
    """
    sought = key_text(key, sorted(key))
    digest = digests([sought])
    with ledger.database.read() as connection:
        _check_names(connection, stream, sorted(key))
        hashes = select(KEY_HASHES.c.batch, KEY_HASHES.c.hashes).where(KEY_HASHES.c.stream == stream)
        streamed = connection.execution_options(yield_per=_AT_ONCE).execute(hashes)
        names = [batch for batch, index in streamed if may_hold(index, digest)]
        accounts = [
            account
            for at in range(0, len(names), _AT_ONCE)
            for account in read_batches(connection, BATCHES.c.batch.in_(names[at : at + _AT_ONCE]))
        ]
        dead = connection.execute(
            select(DEAD_ROWS).where(DEAD_ROWS.c.stream == stream, DEAD_ROWS.c.key == sought).order_by(DEAD_ROWS.c.id)
        ).all()
    told = [story for account in accounts for story in _stories(ledger, account, sought)]
    told += [
        Story(
            *(row.run, stream, row.destination, sought, None, None, None),
            deleted=False,
            fate=State.REFUSED,
            moments=(Moment(row.at, State.REFUSED, row.reason),),
        )
        for row in dead
    ]
    return sorted(told, key=lambda story: (_carried_at(story), story.position or 0))


def _carried_at(story: Story) -> str:
    return next(moment.at for moment in story.moments if moment.what in {State.WRITTEN, State.REFUSED})


def _stories(ledger: Ledger, account: BatchAccount, key: str) -> Iterator[Story]:
    file = ledger.state_dir / account.file
    if not file.exists():
        note = f"its batch file is not on this machine; {account.host} wrote it"
        yield _story(account, key, None, trail.TrailRow(key), [Moment(account.at, State.WRITTEN, note)])
        return
    for position, row in trail.lookup(file, key):
        times = (("read", row.extracted_at), ("transformed", row.transformed_at))
        yield _story(account, key, position, row, [Moment(at, what) for what, at in times if at])


def _story(account: BatchAccount, key: str, position: int | None, row: TrailRow, known: list[Moment]) -> Story:
    moments = list(known)
    for event in account.events:
        if event.positions is not None and position not in event.positions:
            continue
        if not any(moment.what == event.state for moment in known):
            by = f"said by run {event.run}" if event.run and event.run != account.run else None
            moments.append(Moment(event.at, event.state, event.reason or by))
        if event.state in FINAL:
            break  # what follows is about other rows of the batch
    return Story(
        run=account.run,
        stream=account.stream,
        destination=account.destination,
        key=key,
        batch=account.batch,
        position=position,
        row_version=row.row_version,
        deleted=row.deleted,
        fate=account.fates.rest if position is None else account.fates.of(position),
        moments=tuple(moments),
    )


def _check_names(connection: Connection, stream: str, names: list[str]) -> None:
    asked = select(BATCHES.c.key_names).where(BATCHES.c.stream == stream).distinct()
    known = {tuple(json.loads(found)) for (found,) in connection.execute(asked) if found}
    if known and tuple(names) not in known:
        wanted = " or ".join(" ".join(f"--key {name}=…" for name in key) for key in sorted(known))
        raise ConfigError(f"The key of {stream} is another one. Give {wanted}.")
