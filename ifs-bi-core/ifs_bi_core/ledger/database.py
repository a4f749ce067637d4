"""The ledger's database: opened once for a process, or refused with a sentence before anything is sent.

SQLite in WAL mode lets tap and target write at once. Commits there don't wait for the disk (``synchronous=NORMAL``: a power
cut may take the last of them, a crash of the process takes none), except the write-ahead entries, which do (``FULL``, and
with it all that was committed before). PostgreSQL always waits.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, create_engine, event, func, insert, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError

from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.ledger.accounts import MIGRATIONS, RECOVERY_TABLES, VERSIONS
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection

LOCK_TIMEOUT_SECONDS = 30.0
"""How long a process waits for another one's transaction; those take milliseconds."""

_MIGRATION_LOCK = 4_923_771_206  # any number that nobody else locks in PostgreSQL
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
_UNREACHABLE = "can't be used: {error}. Check ledger_url and that its server runs, then run again."

_SQLITE_SENTENCES = {
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


class LedgerError(IfsBiError):
    """The ledger can't be written or read in the middle of a run. What it was to be told of has not been sent."""


class Database:
    """The open database.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.
        create: whether to make a ledger where there is none.
        now: the instant for the ledger's own account of its versions.
        lock_timeout_seconds: how long to wait for another process.

    Raises:
        ConfigError: locked, damaged, not writable, of a newer version, or not there: each with its own sentence.
    """

    def __init__(
        self,
        url: str,
        *,
        create: bool,
        now: Callable[[], str],
        lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
    ) -> None:
        self._url = _parsed(url)
        self._timeout = lock_timeout_seconds
        self.name = f"The ledger {self._url.database if self._is_sqlite else self._url.render_as_string()}"
        self.file = Path(self._url.database or "").absolute() if self._is_sqlite else None
        if self.file:
            self._prepare_file(self.file, create=create)
        self._engine = self._connected()
        try:
            with self._told(ConfigError):
                self._check_pages()
            self._bring_up_to_date(now, create=create)
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def _is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction; with ``durable`` it is on disk, with all before it, when the block ends.

        Raises:
            LedgerError: it could not be written; nothing of it was.
        """
        with (
            self._told(LedgerError),
            self._engine.connect().execution_options(writes="FULL" if durable else "NORMAL") as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A view of the ledger that others' writing does not change.

        Raises:
            LedgerError: it could not be read.
        """
        with self._told(LedgerError), self._engine.connect() as connection:
            yield connection

    def _prepare_file(self, file: Path, *, create: bool) -> None:
        """Make the file for the owner's eyes alone; SQLite gives its companions the same mode."""
        if not create and not file.exists():
            raise ConfigError(
                f"There is no ledger at {file}. Name it with --ledger-url or --state-dir, or run a tap or target first."
            )
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise ConfigError(f"{self.name} {_UNWRITABLE.format(error=error.strerror)}") from None

    def _connected(self) -> Engine:
        if not self._is_sqlite:
            try:
                return create_engine(self._url, pool_pre_ping=True)
            except ModuleNotFoundError as error:
                raise ConfigError(
                    f"ledger_url is a PostgreSQL address, and its driver is not installed ({error.name}). Install it beside the "
                    f"plugin: pip install 'psycopg[binary]>=3.2'."
                ) from None
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

        return engine

    def _check_pages(self) -> None:
        """See that what recovery depends on can be read; SQLite finds damage only where it looks."""
        if not self._is_sqlite:
            return
        raw = self._engine.raw_connection()
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
            raise ConfigError(self._sentence(error)) from None
        finally:
            raw.close()

    def _bring_up_to_date(self, now: Callable[[], str], *, create: bool) -> None:
        newest = max(MIGRATIONS)
        with self._told(ConfigError), self._engine.connect() as connection:
            version = _version(connection)
        if version is None and not create:
            raise ConfigError(f"{self.name} is empty: no tap or target has written to it yet.")
        if (version or 0) > newest:
            raise ConfigError(
                f"{self.name} is of version {version}, and this ifs-bi-core knows versions up to {newest}. Another plugin that "
                f"writes to it is newer: upgrade ifs-bi-core in this environment too (pip install --upgrade ifs-bi-core)."
            )
        with (
            self._told(ConfigError),
            self._engine.connect().execution_options(writes="FULL") as connection,
            connection.begin(),
        ):
            if not self._is_sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            reached = _version(connection) or 0  # another process may have done it meanwhile
            for step in sorted(MIGRATIONS):
                if step > reached:
                    MIGRATIONS[step](connection)
                    connection.execute(insert(VERSIONS).values(version=step, at=now()))

    @contextmanager
    def _told(self, kind: type[IfsBiError]) -> Iterator[None]:
        """Turn what the database says into our sentence."""
        try:
            yield
        except DBAPIError as error:
            raise kind(self._sentence(error.orig or error)) from None

    def _sentence(self, error: BaseException) -> str:
        code = (getattr(error, "sqlite_errorcode", None) or 0) & _PRIMARY
        sentence = _SQLITE_SENTENCES.get(code, _UNREACHABLE)
        said = REDACTOR.redact(" ".join(str(error).split()))
        return f"{self.name} {sentence.format(error=said, seconds=self._timeout)}"


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigError(
            "Setting 'ledger_url' is no address. Write sqlite:///path/ledger.db or postgresql://…"
        ) from None
    REDACTOR.register(str(parsed.password) if parsed.password else None)
    if parsed.drivername == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        return parsed
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigError(
        f"Setting 'ledger_url' begins with {parsed.drivername!r}, which the ledger can't be kept in. Write "
        f"sqlite:///path/ledger.db for one machine, or postgresql://user@host/name for several."
    )


def _version(connection: Connection) -> int | None:
    """The ledger's version; None where there is none yet."""
    if not inspect(connection).has_table(VERSIONS.name):
        return None
    found = connection.execute(select(func.max(VERSIONS.c.version))).scalar()
    return int(found) if found else None


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
