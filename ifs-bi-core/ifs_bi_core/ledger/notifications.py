"""What a service has to be told after a load, and was not yet told: kept by the ledger until it is.

It is due before the first row moves, so that a crash between the load and the telling loses nothing::

    run.notification(destination, ["datagroup ifs_cloud.purchasing_loads"], Notification.DUE)
    ...                                                                          # rows are loaded, the service is told
    run.notification(destination, ["datagroup ifs_cloud.purchasing_loads"], Notification.TOLD)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from ifs_bi_core.ledger.accounts import NOTIFICATION_EVENTS

if TYPE_CHECKING:
    from ifs_bi_core.ledger.runs import Ledger


class Notification(StrEnum):
    """What became of it."""

    DUE = "due"
    TOLD = "told"
    DROPPED = "dropped"
    """It won't be told: the service refuses it for good, or nobody knows whether it took it, and twice would do harm."""


@dataclass(frozen=True)
class Pending:
    """An item that is due.

    Attributes:
        item: what is to be told.
        run: the run that made it due.
        since: when.
    """

    item: str
    run: str
    since: str


def pending(ledger: Ledger, destination: str) -> list[Pending]:
    """What a service is still to be told, in the order in which it became due.

    Raises:
        LedgerError: the ledger can't be read.
    """
    events = NOTIFICATION_EVENTS.c
    latest = select(func.max(events.id)).where(events.destination == destination).group_by(events.item)
    query = select(events.item, events.run, events.at).where(
        events.id.in_(latest), events.state == Notification.DUE.value
    )
    with ledger.database.read() as connection:
        return [Pending(*row) for row in connection.execute(query.order_by(events.id))]
