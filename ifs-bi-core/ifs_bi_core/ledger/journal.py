"""The one writer of a process: entries are gathered, and written together in few transactions."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, exists, insert, select

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Table

    from ifs_bi_core.ledger.database import Database

Entry = tuple["Table", dict[str, Any]]

_MOST_WAITING = 500
_LONGEST_WAIT_SECONDS = 2.0


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(UTC)


def instant(moment: datetime) -> str:
    """A moment as the ledger keeps it: UTC, microseconds, fixed width."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def stamp(at: str) -> str:
    """An instant of the ledger, to the second, as a part of a name: ``20261122T190623``."""
    return at[:19].replace("-", "").replace(":", "")


class Journal:
    """Appends to the ledger; may be used by several threads.

    Args:
        database: where to.
        clock: the time now.

    Attributes:
        run: the run of this process, once one has begun.
        part: this process in it.
    """

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self.run: str | None = None
        self.part: str | None = None
        self._database = database
        self._clock = clock
        self._waiting: list[Entry] = []
        self._in_doubt = 0  # of those, how many a transaction held whose end is not known
        self._written_at = clock()
        self._lock = threading.RLock()

    def now(self) -> str:
        """The instant now."""
        return instant(self._clock())

    def note(self, table: Table, **values: Any) -> None:
        """Remember an entry for the next transaction. Nothing is written, so this never fails."""
        with self._lock:
            self._waiting.append((table, values))

    def write_if_due(self) -> None:
        """Write what waits, if it is much or old.

        Raises:
            LedgerError: it could not be written.
        """
        with self._lock:
            waited = (self._clock() - self._written_at).total_seconds()
            if len(self._waiting) >= _MOST_WAITING or waited >= _LONGEST_WAIT_SECONDS:
                self.write()

    def write(self, *entries: Entry, durable: bool = False) -> None:
        """Write what waits and these entries, in one transaction.

        Args:
            entries: what to write after what waits.
            durable: whether it has to be on disk when this returns.

        Raises:
            LedgerError: it could not be written; what waited still waits.
        """
        with self._lock:
            self._resolve_doubt()
            everything = [*self._waiting, *entries]
            by_table: dict[Table, list[dict[str, Any]]] = {}
            for table, values in everything:
                by_table.setdefault(table, []).append(values)
            if by_table:
                self._in_doubt = len(self._waiting)
                with self._database.write(durable=durable) as connection:
                    for table, rows in by_table.items():
                        connection.execute(insert(table), rows)
            self._waiting = []
            self._in_doubt = 0
            self._written_at = self._clock()

    def _resolve_doubt(self) -> None:
        """Forget what waits if it was written after all: a connection may break after the commit, and before its answer."""
        if self._in_doubt:
            table, values = self._waiting[0]
            same = and_(*(table.c[name] == value for name, value in values.items()))
            with self._database.read() as connection:
                if connection.execute(select(exists().where(same))).scalar():
                    del self._waiting[: self._in_doubt]
            self._in_doubt = 0
