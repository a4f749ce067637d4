"""What the sandbox remembers beside the data: a clock that only goes forward, and the last number of each series."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.tables import STATE_TABLE, TABLES
from ifs_bi_sandbox.data.values import INSTANT

if TYPE_CHECKING:
    import sqlite3

CLOCK = "clock"
MORNING_ENDS = "T11:59:59"  # everything generated is older, so the first change comes at noon


def start(connection: sqlite3.Connection, today: date, series: dict[str, int]) -> None:
    """Begin the business day, with the last number used of each series."""
    _remember(connection, CLOCK, f"{today.isoformat()}{MORNING_ENDS}")
    for name, last in series.items():
        _remember(connection, f"series {name}", str(last))


def today(connection: sqlite3.Connection) -> date:
    """The business day: the one the data was made for, until a change comes on a later one."""
    return date.fromisoformat(_clock(connection)[:10])


def tick(connection: sqlite3.Connection, at: str | None = None) -> str:
    """The instant of a change, YYYY-MM-DDTHH:MM:SS: ``at``, or the next second.

    It is later than every earlier change of any table, also of rows deleted since and of rows that others wrote
    with a clock of their own. Raises ValueError when ``at`` isn't, or is no such instant.
    """
    latest = max([_clock(connection), *_latest_changes(connection)])
    if at is None:
        at = (datetime.fromisoformat(latest) + timedelta(seconds=1)).isoformat()
    elif not INSTANT.fullmatch(at) or at <= latest:
        raise ValueError(f"a change needs an instant after the last one, which was at {latest}; {at!r} isn't")
    _remember(connection, CLOCK, at)
    return at


def number(connection: sqlite3.Connection, series: str) -> int:
    """The next number of a series; a series nobody used begins with 1."""
    name = f"series {series}"
    following = int(_state(connection, name) or 0) + 1
    _remember(connection, name, str(following))
    return following


def _clock(connection: sqlite3.Connection) -> str:
    value = _state(connection, CLOCK)
    if value is None:
        raise ValueError("the database has tables but was never filled; generate it again")
    return value


def _latest_changes(connection: sqlite3.Connection) -> list[str]:
    """The last change of each table, from the index on what moves."""
    instants = []
    for table in TABLES.values():
        column = table.modified or "_rowversion"
        value = connection.execute(f'SELECT MAX("{column}") FROM "{table.name}"').fetchone()[0]  # noqa: S608 - our own names
        if value is not None:
            instants.append(value if table.modified else _instant(value))
    return instants


def _instant(version: str) -> str:
    """The instant of a row version: 20261120120000 → 2026-11-20T12:00:00."""
    return f"{version[:4]}-{version[4:6]}-{version[6:8]}T{version[8:10]}:{version[10:12]}:{version[12:14]}"


def _state(connection: sqlite3.Connection, name: str) -> str | None:
    found = connection.execute(f"SELECT value FROM {STATE_TABLE} WHERE name = ?", (name,)).fetchone()  # noqa: S608 - a constant
    return None if found is None else str(found[0])


def _remember(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute(f"INSERT OR REPLACE INTO {STATE_TABLE} VALUES (?, ?)", (name, value))  # noqa: S608 - a constant
