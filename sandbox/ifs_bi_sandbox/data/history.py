"""The history log: who did what to which record, where the tenant keeps it.

The projection, its set and its columns are those of one public client that read them on a real tenant
(``HistoryLogHandling.svc/HistoryLogOverviewSet``). Which values ``HistoryType`` has is not public; ``Insert``, ``Modify`` and
``Delete`` are the names of the operations. Deletes are recorded here, by triggers; what the tenant shows of them is a switch.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ifs_bi_sandbox.data.model import EntitySet, EnumType, Projection
from ifs_bi_sandbox.data.properties import choice, instant, integer, text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from ifs_bi_sandbox.data.model import Property

TABLE: Final = "history_log"
HISTORY: Final = Projection(
    name="HistoryLogHandling",
    category="Standard",
    description="History Log",
    entity_sets=(
        EntitySet(
            projection="HistoryLogHandling",
            name="HistoryLogOverviewSet",
            entity_type="HistoryLog",
            table=TABLE,
            key=("LogId",),
            properties=(
                *integer("LogId", required=True),
                *text(30, "LuName", required=True),
                *instant("TimeStamp", required=True),
                *text(30, "Username"),
                *choice("HistoryType", "HistoryType", required=True),
                *text(2000, "Keys", "Note"),
            ),
            logical_unit="HistoryLog",
        ),
    ),
    enums=(EnumType("HistoryType", ("Insert", "Modify", "Delete")),),
)


def create_log(connection: sqlite3.Connection) -> None:
    """Create the empty log."""
    connection.execute(
        f'CREATE TABLE "{TABLE}" ("_rowid" INTEGER PRIMARY KEY, "_rowversion" TEXT NOT NULL, "LogId" INTEGER NOT NULL UNIQUE, '
        '"LuName" TEXT NOT NULL, "TimeStamp" TEXT NOT NULL, "Username" TEXT, "HistoryType" TEXT NOT NULL, "Keys" TEXT, '
        '"Note" TEXT)'
    )


def log_deletes(connection: sqlite3.Connection, table: str, unit: str, key: Iterable[Property], now: str) -> None:
    """Record every delete of a table's rows from now on.

    Args:
        connection: to the database, which has a log.
        table: whose rows.
        unit: its logical unit.
        key: what identifies a row, as ``COLUMN=VALUE^`` in the log, columns in alphabetical order.
        now: the SQL expression of the instant.
    """
    columns = sorted((_column(prop.name), prop.name) for prop in key)
    keys = " || ".join(f"""'{column}=' || OLD."{name}" || '^'""" for column, name in columns)
    connection.execute(
        f'CREATE TRIGGER "{table}_is_logged" AFTER DELETE ON "{table}" BEGIN '  # noqa: S608 - names of our own facts
        f'INSERT INTO "{TABLE}" ("_rowversion", "LogId", "LuName", "TimeStamp", "Username", "HistoryType", "Keys") '
        f"""SELECT replace(replace(replace({now}, '-', ''), ':', ''), 'T', ''), coalesce(max("LogId"), 0) + 1, '{unit}', """
        f"""{now}, 'IFSAPP', 'Delete', {keys} FROM "{TABLE}"; END"""
    )


def _column(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
