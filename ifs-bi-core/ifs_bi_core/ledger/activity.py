"""What happened over many runs at once: the sums that a report is made of, read in one view of the ledger.

Everything is summed by the database, except what only the text of a row tells; so the answer grows with runs, streams and
batches, never with records or requests.
"""

from __future__ import annotations

import re
from bisect import bisect, insort
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

import msgspec
from sqlalchemy import case, func, or_, select

from ifs_bi_core.ledger import history
from ifs_bi_core.ledger.accounts import ATTEMPTS, BATCHES, DEAD_ROWS, PAGES, READS
from ifs_bi_core.ledger.batches import read_batches, without_last_word
from ifs_bi_core.ledger.outcomes import FINAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from ifs_bi_core.ledger.batches import BatchAccount
    from ifs_bi_core.ledger.history import Part
    from ifs_bi_core.ledger.runs import Ledger

_AT_ONCE = 500  # names that one question of the database holds
_ROWS_AT_ONCE = 1_000
TAP = "tap-"
"""How the names of plugins begin that read; the others write."""
_MINUTE = len("2026-11-22T19:06")
_THROTTLED = (429, 503)
_OK_BELOW = 400
_CHOSEN = re.compile(r"[?&](?:\$|%24)select=([^&#]*)")


class Carried(NamedTuple):
    """That a run carried a stream.

    Attributes:
        at: when its last page was read, or its last batch was written.
        rows: that were read; of pages, where there are any.
        in_batches: whether any of it is in a batch.
    """

    run: str
    stream: str
    at: str
    rows: int
    in_batches: bool


class Scan(NamedTuple):
    """A look at all keys of a stream, which finds the rows that are gone; ``at`` is when its last page was read."""

    run: str
    stream: str
    at: str
    keys: int


class Dead(NamedTuple):
    """Rows that were refused before they came into a batch."""

    run: str
    stream: str
    destination: str
    rows: int


class Requests(NamedTuple):
    """The requests of a run to one service.

    Attributes:
        throttled: answered with 429 or 503.
        failed: answered with another status from 400 on.
        unanswered: an error came instead of an answer.
        retries: how often one of these was tried again.
    """

    run: str
    service: str
    requests: int
    throttled: int
    failed: int
    unanswered: int
    retries: int
    seconds: float
    sent_bytes: int
    received_bytes: int


class Minute(NamedTuple):
    """The minute of the clock (``YYYY-MM-DDTHH:MM``, UTC) in which a service answered most requests."""

    service: str
    minute: str
    requests: int


@dataclass(frozen=True)
class Activity:
    """What happened.

    Attributes:
        parts: every process that ran, newest first.
        shown: the newest runs, oldest first; what follows is about them, if nothing else is said.
        carried: which run carried which stream, of all runs.
        batches: with their events.
        reads: rows that targets read, by run and stream.
        dead: rows that were refused before they came into a batch.
        scans: looks at all keys.
        requests: by run and service.
        busiest: of each service.
        unanswered: batches of all runs that have rows without a final word.
    """

    parts: list[Part]
    shown: list[str]
    carried: list[Carried]
    batches: list[BatchAccount]
    reads: dict[str, dict[str, int]]
    dead: list[Dead]
    scans: list[Scan]
    requests: list[Requests]
    busiest: list[Minute]
    unanswered: list[BatchAccount]


def activity(ledger: Ledger, *, runs: int) -> Activity:
    """What happened in the newest ``runs`` runs, and since when each stream was last carried.

    Raises:
        LedgerError: the ledger can't be read.
    """
    parts = history.runs(ledger)
    shown = list(dict.fromkeys(part.run for part in parts))[:runs][::-1]
    with ledger.database.read() as connection:
        return Activity(
            parts=parts,
            shown=shown,
            carried=_carried(connection),
            batches=[one for some in _some(shown) for one in read_batches(connection, BATCHES.c.run.in_(some))],
            reads=_reads(connection, shown),
            dead=_dead(connection, shown),
            scans=_scans(connection, shown, _tap_starts(parts)),
            requests=_requests(connection, shown),
            busiest=_busiest(connection, shown),
            unanswered=_unanswered(connection),
        )


def _some(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[at : at + _AT_ONCE] for at in range(0, len(names), _AT_ONCE))


def _carried(connection: Connection) -> list[Carried]:
    found: dict[tuple[str, str], Carried] = {}
    for table in (BATCHES, PAGES):  # the later one's word stands: a page says when IFS Cloud was asked
        said = select(table.c.run, table.c.stream, func.max(table.c.at), func.sum(table.c.rows))
        for run, stream, at, rows in connection.execute(said.group_by(table.c.run, table.c.stream)):
            in_batches = table is BATCHES or (run, stream) in found
            found[run, stream] = Carried(run, stream, at, int(rows), in_batches)
    return list(found.values())


def _reads(connection: Connection, shown: Sequence[str]) -> dict[str, dict[str, int]]:
    """Rows by run and stream."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for some in _some(shown):
        asked = select(READS.c.run, READS.c.stream, func.sum(READS.c.rows)).where(READS.c.run.in_(some))
        for run, stream, count in connection.execute(asked.group_by(READS.c.run, READS.c.stream)):
            found[run][stream] = int(count)
    return dict(found)


def _dead(connection: Connection, shown: Sequence[str]) -> list[Dead]:
    place = (DEAD_ROWS.c.run, DEAD_ROWS.c.stream, DEAD_ROWS.c.destination)
    asked = (select(*place, func.count()).where(DEAD_ROWS.c.run.in_(some)).group_by(*place) for some in _some(shown))
    return [Dead(*row) for query in asked for row in connection.execute(query)]


def _tap_starts(parts: Iterable[Part]) -> dict[str, list[str]]:
    """When the taps of each run began: a run of Meltano may have several, one after the other."""
    found: dict[str, list[str]] = defaultdict(list)
    for part in parts:
        if part.plugin.startswith(TAP):
            insort(found[part.run], part.started)
    return found


def _scans(connection: Connection, shown: Sequence[str], tap_starts: Mapping[str, list[str]]) -> list[Scan]:
    """Pages of which nothing but the key was asked for, of each run's last tap that asked."""
    found: dict[tuple[str, str], tuple[int, Scan]] = {}
    chosen = PAGES.c.first_key.is_not(None) & or_(
        *(PAGES.c.query.like(f"%{name}=%") for name in ("$select", "%24select"))
    )
    for some in _some(shown):
        columns = (PAGES.c[name] for name in ("run", "stream", "at", "rows", "first_key", "query"))
        asked = select(*columns).where(PAGES.c.run.in_(some) & chosen).order_by(PAGES.c.id)
        for row in connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(asked):
            if is_of_keys(row.query, row.first_key):
                tap = bisect(tap_starts.get(row.run, ()), row.at)
                earlier, scan = found.get((row.run, row.stream), (tap, None))
                keys = scan.keys if scan and earlier == tap else 0
                found[row.run, row.stream] = tap, Scan(row.run, row.stream, row.at, keys + row.rows)
    return [scan for _, scan in found.values()]


def is_of_keys(query: str, first_key: str) -> bool:
    """Whether a page was asked for the properties of the key alone.

    Args:
        query: where the page came from.
        first_key: `ifs_bi_core.ledger.keys.key_text` of its first row, which names the properties.
    """
    chosen = _CHOSEN.search(query)
    return chosen is not None and _names(chosen[1]) == msgspec.json.decode(first_key).keys()


@lru_cache
def _names(chosen: str) -> frozenset[str]:
    return frozenset(filter(None, (name.strip() for name in unquote_plus(chosen).split(","))))


def _requests(connection: Connection, shown: Sequence[str]) -> list[Requests]:
    made = ATTEMPTS.c
    good = made.status.is_not(None) & (made.status < _OK_BELOW)
    throttled = made.status.in_(_THROTTLED)
    sums = (
        func.count(),
        _times(throttled),
        _times((made.status >= _OK_BELOW) & ~throttled),
        _times(made.status.is_(None)),
        *(func.sum(made[name]) for name in ("seconds", "sent_bytes", "received_bytes")),
    )
    found = []
    for some in _some(shown):
        here = made.run.in_(some)
        again = _tried_again(connection, here, good)
        asked = select(made.run, made.service, *sums).where(here).group_by(made.run, made.service)
        for run, service, count, slowed, failed, silent, seconds, sent, received in connection.execute(asked):
            retries = again[run, service]
            numbers = (int(count), int(slowed), int(failed), int(silent), retries)
            found.append(Requests(run, service, *numbers, round(seconds, 3), int(sent), int(received)))
    return found


def _times(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _tried_again(
    connection: Connection, here: ColumnElement[bool], good: ColumnElement[bool]
) -> Counter[tuple[str, str]]:
    """How many requests had no good answer and were made again later, by run and service."""
    made = ATTEMPTS.c
    bad = _times(~good)
    last, last_bad = func.max(made.id), func.max(case((~good, made.id)))
    asked = select(made.run, made.service, bad, last, last_bad).where(here).having(bad > 0)
    again: Counter[tuple[str, str]] = Counter()
    for run, service, count, newest, newest_bad in connection.execute(
        asked.group_by(made.run, made.service, made.operation, made.method)
    ):
        again[run, service] += int(count) - (newest == newest_bad)  # nothing came after the last of them
    return again


def _busiest(connection: Connection, shown: Sequence[str]) -> list[Minute]:
    minute = func.substr(ATTEMPTS.c.at, 1, _MINUTE).label("minute")
    counted: Counter[tuple[str, str]] = Counter()
    for some in _some(shown):
        asked = select(ATTEMPTS.c.service, minute, func.count()).where(ATTEMPTS.c.run.in_(some))
        for service, when, count in connection.execute(asked.group_by(ATTEMPTS.c.service, minute)):
            counted[service, when] += count
    most: dict[str, Minute] = {}
    for (service, when), count in sorted(counted.items()):
        if service not in most or count > most[service].requests:
            most[service] = Minute(service, when, count)
    return list(most.values())


def _unanswered(connection: Connection) -> list[BatchAccount]:
    return [one for one in read_batches(connection, without_last_word()) if _open(one)]


def _open(account: BatchAccount) -> bool:
    return not account.fates.counts().keys() <= FINAL


def newest_by(accounts: Iterable[BatchAccount]) -> dict[tuple[str, str], list[BatchAccount]]:
    """The batches of the newest run that wrote any, by stream and destination; ``accounts`` are oldest first."""
    found: dict[tuple[str, str], list[BatchAccount]] = {}
    for account in accounts:
        place = account.stream, account.destination
        earlier = found.get(place)
        found[place] = [*earlier, account] if earlier and earlier[0].run == account.run else [account]
    return found
