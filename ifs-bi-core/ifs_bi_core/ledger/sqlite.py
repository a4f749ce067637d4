"""A ledger in SQLite: one file, for the processes of one machine.

WAL mode lets tap and target write at once. Commits don't wait for the disk (``synchronous=NORMAL``: a power cut may take the
last of them, a crash of the process takes none), except the write-ahead entries, which do (``FULL``, and with it all that was
committed before).
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, event

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.ledger.accounts import RECOVERY_TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Connection, Engine

_PAUSE_SECONDS = 0.02

_LOCKED = (
    "is locked by another process for more than {seconds:g} seconds. See which program has it open (a backup, a database "
    "browser), close that, then run again."
)
_FULL = "can't grow: the disk is full. Make room, or move ledger_url and state_dir to another disk, then run again."
_CORRUPT = (
    "is damaged or no ledger: {error}. Restore it from a backup, or move it away together with its -wal and -shm files to begin "
    "a new one; what the old one knew of unanswered batches is lost then, so compare source and destination afterwards."
)
_UNWRITABLE = "can't be opened for writing: {error}. Let this user write to the folder, or point ledger_url elsewhere."
_OTHER = "can't be used: {error}. Check ledger_url, then run again."

_SENTENCES = {
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_CORRUPT: _CORRUPT,
    sqlite3.SQLITE_NOTADB: _CORRUPT,
    sqlite3.SQLITE_READONLY: _UNWRITABLE,
    sqlite3.SQLITE_CANTOPEN: _UNWRITABLE,
    sqlite3.SQLITE_PERM: _UNWRITABLE,
    sqlite3.SQLITE_IOERR: _UNWRITABLE,
}
_PRIMARY = 0xFF  # the part of SQLite's extended result codes that these are


class SQLite:
    """One file of SQLite.

    Args:
        url: ``sqlite:///path``.
        lock_timeout_seconds: how long to wait for another process's transaction.
    """

    def __init__(self, url: URL, lock_timeout_seconds: float) -> None:
        self.name = f"The ledger {url.database}"
        self.file = Path(url.database or "").absolute()
        self._url = url
        self._timeout = lock_timeout_seconds

    def engine(self, *, create: bool) -> Engine:
        """What connects to the file, which is made for the owner's eyes alone; SQLite gives its companions the same mode.

        Raises:
            ConfigError: it is not there or can't be written, or what recovery needs of it can't be read.
        """
        self._prepare(create=create)
        engine = create_engine(
            self._url, connect_args={"timeout": self._timeout, "check_same_thread": False, "isolation_level": None}
        )

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            durability = connection.get_execution_options().get("writes")
            if durability:
                connection.exec_driver_sql(f"PRAGMA synchronous={durability}")
            # A transaction that will write says so at once: one that reads first may not be let through to writing later.
            connection.exec_driver_sql("BEGIN IMMEDIATE" if durability else "BEGIN")

        self._check_pages(engine)
        return engine

    def writing(self, *, durable: bool) -> dict[str, object]:
        """The options of a transaction that writes."""
        return {"writes": "FULL" if durable else "NORMAL"}

    def reading(self) -> dict[str, object]:
        """The options of a transaction that reads: in WAL mode each has its own view."""
        return {}

    def claim(self, connection: Connection) -> None:
        """Nothing: a transaction that writes has the whole file."""

    def sentence(self, error: BaseException, said: str) -> str:
        """What went wrong, and what to do next."""
        code = (getattr(error, "sqlite_errorcode", None) or 0) & _PRIMARY
        return _SENTENCES.get(code, _OTHER).format(error=said, seconds=self._timeout)

    def _prepare(self, *, create: bool) -> None:
        if not create and not self.file.exists():
            raise ConfigError(
                f"There is no ledger at {self.file}. Name it with --ledger-url or --state-dir, or run a tap or target first."
            )
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise ConfigError(f"{self.name} {_UNWRITABLE.format(error=error.strerror)}") from None

    def _check_pages(self, engine: Engine) -> None:
        """See that what recovery depends on can be read; SQLite finds damage only where it looks."""
        raw = engine.raw_connection()
        try:
            cursor = raw.cursor()
            _until_free(lambda: cursor.execute("PRAGMA journal_mode=WAL"), self._timeout)
            present = {name for (name,) in cursor.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            for table in RECOVERY_TABLES:
                if table.name in present:
                    (said,) = cursor.execute(f"PRAGMA quick_check({table.name})").fetchone()
                    if said != "ok":
                        raise ConfigError(f"{self.name} {_CORRUPT.format(error=said)}")
        except sqlite3.Error as error:
            raise ConfigError(f"{self.name} {self.sentence(error, str(error))}") from None
        finally:
            raw.close()


def _until_free(act: Callable[[], object], timeout: float) -> None:
    """Do what SQLite refuses at once, without waiting, while another process does the same."""
    until = time.monotonic() + timeout
    while True:
        try:
            act()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return
