"""What is kept for how long. This is the only place that deletes anything of the ledger.

Payloads of delivered rows go first, whole trails later. What was not delivered is kept, however old: rows that wait, whose
outcome is unknown, or that were refused.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, func, insert, or_, select

from ifs_bi_core.ledger.accounts import (
    ATTEMPTS,
    BATCH_EVENTS,
    BATCHES,
    DEAD_ROWS,
    KEY_HASHES,
    NOTIFICATION_EVENTS,
    PAGES,
    READS,
    RUN_EVENTS,
)
from ifs_bi_core.ledger.batches import read_batches
from ifs_bi_core.ledger.database import LedgerError
from ifs_bi_core.ledger.journal import instant
from ifs_bi_core.ledger.notifications import Notification
from ifs_bi_core.ledger.outcomes import PRUNED, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ifs_bi_core.ledger.batches import BatchAccount
    from ifs_bi_core.ledger.runs import Ledger

RETAIN_PAYLOAD_DAYS = 7
RETAIN_TRAIL_DAYS = 400
_HUNDRED_YEARS = 36_500

_DELIVERED = frozenset({State.ACKNOWLEDGED, State.WITHDRAWN})
"""Rows whose payload nobody needs: the destination has them, or the source gives them again."""
ROOM_PROBE = ".room-"
"""How files begin that only try whether there is room."""
_ABANDONED_AFTER = timedelta(days=1)
"""When a file that no account names, or that is not complete, is what a killed process left."""
_ANSWERED_WITHIN = timedelta(days=30)
"""How long another ledger may take to ask a destination for a batch of its own."""
_EVERY = timedelta(days=1)
_DONE = ".pruned"
"""The file in the state folder whose time tells when the ledger was last pruned; with a suffix, when a destination was."""


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


def days(number: float) -> timedelta:
    """So many days, or a hundred years where that is less: no calendar reaches back as far as a setting can say."""
    return timedelta(days=min(number, _HUNDRED_YEARS))


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
    payload_limit, trail_limit = (instant(now - days(number)) for number in (retain_payload_days, retain_trail_days))
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
    _forget_notifications(ledger, trail_limit)
    return Pruned(len(fat), len(old), left_behind, _forget_runs(ledger, trail_limit), freed + freed_behind)


def prune_now_and_then(ledger: Ledger, *, retain_payload_days: float, retain_trail_days: float) -> Pruned | None:
    """`prune`, unless it was done within the last day: a run every minute needn't look through the ledger each time.

    Raises:
        LedgerError: the ledger or a batch file can't be written.
    """
    if not _is_due(ledger, _DONE):
        return None
    pruned = prune(ledger, retain_payload_days=retain_payload_days, retain_trail_days=retain_trail_days)
    _note_done(ledger, _DONE)
    return pruned


def prune_destination(
    ledger: Ledger, destination: str, forget: Callable[[datetime], None], *, retain_trail_days: float
) -> None:
    """Have a destination forget, at most once a day, what it remembers of batches that nobody will ask it for.

    Trails here are as old, and no batch without an answer left as early. Other ledgers, of which nothing is known here, may have
    batches at the same destination: whatever the setting says, none is forgotten within a month.

    Args:
        ledger: of the runs to that destination.
        destination: as its batches were given.
        forget: is given the time of its oldest memory that may be asked for.
        retain_trail_days: the setting.

    Raises:
        LedgerError: the ledger can't be read, or is damaged. What ``forget`` raises passes through, and it is due again.
    """
    mark = f"{_DONE}-{hashlib.sha256(destination.encode(errors='surrogatepass')).hexdigest()[:16]}"
    if not _is_due(ledger, mark):
        return
    said = [event.at for batch in ledger.unanswered(destination, or_unknown=True) for event in batch.events]
    try:
        asked_for = [datetime.fromisoformat(at).astimezone(UTC) for at in said]
    except ValueError as error:
        raise LedgerError(f"What happened to a batch without an answer has no time in the ledger: {error}.") from None
    forget(min([ledger.clock() - max(days(retain_trail_days), _ANSWERED_WITHIN), *asked_for]))
    _note_done(ledger, mark)


def _is_due(ledger: Ledger, mark: str) -> bool:
    try:
        return (ledger.state_dir / mark).stat().st_mtime <= (ledger.clock() - _EVERY).timestamp()
    except FileNotFoundError:
        return True


def _note_done(ledger: Ledger, mark: str) -> None:
    now, done = ledger.clock().timestamp(), ledger.state_dir / mark
    done.touch(mode=0o600)
    os.utime(done, (now, now))


def _delivered_wholly(account: BatchAccount) -> bool:
    return account.fates.counts().keys() <= _DELIVERED


def _slim(ledger: Ledger, account: BatchAccount) -> int:
    """Drop the payload of a batch's delivered rows."""
    # Here and not above: every run ends here, and few have a file to open; a tap never holds what opens it in memory.
    from ifs_bi_core.ledger import trail  # noqa: PLC0415 - the reason is the line above

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
    found = [path for pattern in places for path in ledger.state_dir.glob(pattern) if _is_older(path, limit)]
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


def _forget_notifications(ledger: Ledger, limit: str) -> None:
    """Forget what was said of items before the limit, but for the last word about one that is due, or was spoken of since."""
    events = NOTIFICATION_EVENTS.c
    latest = select(func.max(events.id)).group_by(events.destination, events.item)
    over = events.id.in_(latest.having(func.max(events.at) < limit)) & (events.state != Notification.DUE.value)
    old = (events.at < limit) & or_(events.id.not_in(latest), over)
    with ledger.database.write() as connection:
        connection.execute(delete(NOTIFICATION_EVENTS).where(old))


def _is_older(path: Path, limit: float) -> bool:
    """Whether it is a file from before the limit; one that another process removes meanwhile is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return not stat.S_ISDIR(found.st_mode) and found.st_mtime < limit


def _unlink(path: Path) -> int:
    try:
        size = path.lstat().st_size
        path.unlink()
    except FileNotFoundError:  # another process was faster
        return 0
    except OSError as error:
        raise LedgerError(
            f"{path} is not needed any more and can't be removed: {error.strerror}. Let this user write to its folder."
        ) from None
    return size
