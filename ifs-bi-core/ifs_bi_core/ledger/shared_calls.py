"""Calls of a service, counted in a ledger that several machines share, so that they keep its rate limit together.

One row a call, with the moment at which it began by the database server's clock, which is the same for all. Rows that no window
reaches any more are removed. The table is made when it is first needed: it is no part of the account, and what is lost with it is
a minute's counting.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import Column, Float, Index, MetaData, Table, Text, delete, func, insert, select

if TYPE_CHECKING:
    from ifs_bi_core.ledger.database import Database

CALLS = Table(
    "shared_calls",
    MetaData(),
    Column("service", Text, nullable=False),
    Column("at", Float, nullable=False),
    Index("shared_calls_by_service", "service", "at"),
)
"""``at``: seconds since 1970, by the server's clock."""

_REACH = 10
"""So many windows are kept: another process's may be longer."""

_CALLS_BETWEEN_CLEARINGS = 256


class SharedCalls:
    """The calls of one service.

    Args:
        database: of the ledger.
        service: whose calls are counted; who gives the same name shares the limit.

    Raises:
        LedgerError: the table can't be made.
    """

    def __init__(self, database: Database, service: str) -> None:
        self._database = database
        self._service = service
        self._lock = int.from_bytes(hashlib.sha256(f"calls of {service}".encode()).digest()[:8], signed=True)
        self._begun = 0
        with database.write() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(self._lock)))
            CALLS.create(connection, checkfirst=True)

    def begin(self, limit: int, seconds: float) -> float | None:
        """Count a call that begins now, or say after how many seconds to ask again. Safe to share between threads.

        Args:
            limit: calls that may begin in a window.
            seconds: length of the window.

        Raises:
            LedgerError: the database can't be asked.
        """
        own = CALLS.c.service == self._service
        with self._database.write() as connection:
            # Losing the calls of the server's last moments costs less than waiting for its disk at each.
            connection.execute(select(func.set_config("synchronous_commit", "off", True)))  # noqa: FBT003
            connection.execute(select(func.pg_advisory_xact_lock(self._lock)))
            now = float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())
            nth = select(CALLS.c.at).where(own).order_by(CALLS.c.at.desc()).offset(limit - 1).limit(1)
            latest: float | None = connection.execute(nth).scalar()
            if latest is not None:
                wait = min(latest, now) + seconds - now  # a clock that was set back: as late as it can have been
                if wait >= 0:  # a call exactly `seconds` old still shares a closed window with a new one
                    return wait
            connection.execute(insert(CALLS).values(service=self._service, at=now))
            if self._begun % _CALLS_BETWEEN_CLEARINGS == 0:
                connection.execute(delete(CALLS).where(own, CALLS.c.at < now - _REACH * seconds))
            self._begun += 1
            return None
