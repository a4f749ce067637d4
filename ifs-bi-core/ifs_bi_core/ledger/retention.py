"""What is kept for how long. This is the only place that deletes anything of the ledger.

Payloads of delivered rows go first, whole trails later. What was not delivered is kept, however old: rows that wait, whose
outcome is unknown, or that were refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, insert, select

from ifs_bi_core.ledger import trail
from ifs_bi_core.ledger.accounts import (
    ATTEMPTS,
    BATCH_EVENTS,
    BATCHES,
    DEAD_ROWS,
    KEY_HASHES,
    PAGES,
    READS,
    RUN_EVENTS,
)
from ifs_bi_core.ledger.batches import read_batches
from ifs_bi_core.ledger.journal import instant
from ifs_bi_core.ledger.outcomes import PRUNED, State

if TYPE_CHECKING:
    from pathlib import Path

    from ifs_bi_core.ledger.batches import BatchAccount
    from ifs_bi_core.ledger.runs import Ledger

RETAIN_PAYLOAD_DAYS = 7
RETAIN_TRAIL_DAYS = 400

_DELIVERED = frozenset({State.ACKNOWLEDGED, State.WITHDRAWN})
"""Rows whose payload nobody needs: the destination has them, or the source gives them again."""
ROOM_PROBE = ".room-"
"""How files begin that only try whether there is room."""
_ABANDONED_AFTER = timedelta(days=1)
"""When a file that no account names, or that is not complete, is what a killed process left."""
_EVERY = timedelta(days=1)
_DONE = ".pruned"
"""The file in the state folder whose time tells when `prune_now_and_then` last did something."""


@dataclass(frozen=True)
class Pruned:
    """What was removed.

    Attributes:
        payloads: batches whose file holds no payload of delivered rows any more.
        trails: batches whose file was removed.
        left_behind: files that killed processes had left.
        runs: runs that were forgotten with their requests and pages.
        freed_bytes: of batch files.
    """

    payloads: int
    trails: int
    left_behind: int
    runs: int
    freed_bytes: int


def prune(
    ledger: Ledger, *, retain_payload_days: float = RETAIN_PAYLOAD_DAYS, retain_trail_days: float = RETAIN_TRAIL_DAYS
) -> Pruned:
    """Remove what is older than it has to be; never anything of a row that was not delivered.

    A batch's age counts from its last event. Files of other machines, which share the database, are theirs to prune. Killed
    at any point, it goes on where it was when it is called again.

    Raises:
        LedgerError: the ledger or a batch file can't be written.
    """
    now = ledger.clock()
    payload_limit = instant(now - timedelta(days=retain_payload_days))
    trail_limit = instant(now - timedelta(days=retain_trail_days))
    with ledger.database.read() as connection:
        due = read_batches(connection, BATCHES.c.at < max(payload_limit, trail_limit))
    here = [account for account in due if account.events and (ledger.state_dir / account.file).exists()]
    old = [account for account in here if account.events[-1].at < trail_limit and _delivered_wholly(account)]
    gone = {account.batch for account in old}
    fat = [
        account
        for account in here
        if account.pruned_at is None
        and account.batch not in gone
        and account.events[-1].at < payload_limit
        and account.fates.any_in(_DELIVERED)
        and not account.fates.any_in(frozenset({State.WRITTEN, State.PUSHING}))
    ]
    freed = sum(_slim(ledger, account) for account in fat) + sum(_remove(ledger, account) for account in old)
    freed_behind, left_behind = _sweep(ledger)
    return Pruned(len(fat), len(old), left_behind, _forget_runs(ledger, trail_limit), freed + freed_behind)


def prune_now_and_then(ledger: Ledger, *, retain_payload_days: float, retain_trail_days: float) -> Pruned | None:
    """`prune`, unless it was done within the last day: a run every minute needn't look through the ledger each time.

    Raises:
        LedgerError: the ledger or a batch file can't be written.
    """
    done = ledger.state_dir / _DONE
    try:
        if done.stat().st_mtime > (ledger.clock() - _EVERY).timestamp():
            return None
    except FileNotFoundError:
        pass
    pruned = prune(ledger, retain_payload_days=retain_payload_days, retain_trail_days=retain_trail_days)
    now = ledger.clock().timestamp()
    done.touch(mode=0o600)
    os.utime(done, (now, now))
    return pruned


def _delivered_wholly(account: BatchAccount) -> bool:
    return account.fates.counts().keys() <= _DELIVERED


def _slim(ledger: Ledger, account: BatchAccount) -> int:
    """Drop the payload of a batch's delivered rows."""
    fates = account.fates
    freed = trail.drop_payload(ledger.state_dir / account.file, lambda position: fates.of(position) in _DELIVERED)
    with ledger.database.write() as connection:
        connection.execute(insert(BATCH_EVENTS).values(batch=account.batch, at=ledger.now(), state=PRUNED))
    return freed


def _remove(ledger: Ledger, account: BatchAccount) -> int:
    """Remove the trail of a batch. Its account stays as long as its run, which would not balance without it."""
    with ledger.database.write() as connection:
        connection.execute(delete(KEY_HASHES).where(KEY_HASHES.c.batch == account.batch))
    return _unlink(ledger.state_dir / account.file)


def _sweep(ledger: Ledger) -> tuple[int, int]:
    """Remove files that killed processes left: bytes and number."""
    limit = (ledger.clock() - _ABANDONED_AFTER).timestamp()
    with ledger.database.read() as connection:
        known = set(connection.execute(select(BATCHES.c.file)).scalars())
    places = (pattern for pattern in ("batches/*/*", f"{ROOM_PROBE}*"))
    found = [path for pattern in places for path in ledger.state_dir.glob(pattern) if path.stat().st_mtime < limit]
    strays = [path for path in found if path.relative_to(ledger.state_dir).as_posix() not in known]
    return sum(_unlink(path) for path in strays), len(strays)


def _forget_runs(ledger: Ledger, limit: str) -> int:
    """Forget runs of which nothing is younger than the limit, and no trail and no dead row is left."""
    recent = RUN_EVENTS.alias()
    trails = select(KEY_HASHES.c.id).join(BATCHES, BATCHES.c.batch == KEY_HASHES.c.batch)
    old = (
        select(RUN_EVENTS.c.run)
        .where(~exists().where((recent.c.run == RUN_EVENTS.c.run) & (recent.c.at >= limit)))
        .where(~trails.where(BATCHES.c.run == RUN_EVENTS.c.run).exists())
        .where(~exists().where(DEAD_ROWS.c.run == RUN_EVENTS.c.run))
        .distinct()
        .order_by(RUN_EVENTS.c.run)  # two machines that prune at once wait for each other in one order
    )
    with ledger.database.write() as connection:
        names = list(connection.execute(old).scalars())
        for name in names:
            batches = select(BATCHES.c.batch).where(BATCHES.c.run == name)
            connection.execute(delete(BATCH_EVENTS).where(BATCH_EVENTS.c.batch.in_(batches)))
            for table in (BATCHES, ATTEMPTS, PAGES, READS, RUN_EVENTS):
                connection.execute(delete(table).where(table.c.run == name))
    return len(names)


def _unlink(path: Path) -> int:
    size = path.stat().st_size if path.exists() else 0
    path.unlink(missing_ok=True)
    return size
