"""The ledger's database: opened once for a process, or refused with a sentence before anything is sent."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import false, func, insert, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.ledger.accounts import METADATA, MIGRATIONS, VERSIONS
from ifs_bi_core.ledger.postgresql import PostgreSQL
from ifs_bi_core.ledger.sqlite import SQLite
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import URL, Connection, Engine

logging.getLogger("sqlalchemy.pool").setLevel(
    logging.CRITICAL
)  # it tells of errors, with their traces, that come to us too

LOCK_TIMEOUT_SECONDS = 30.0
"""How long a process waits for another one's transaction; those take milliseconds."""


class LedgerError(IfsBiError):
    """The ledger can't be written or read in the middle of a run. What it was to be told of has not been sent."""


class Backend(Protocol):
    """What a kind of database does in its own way.

    Attributes:
        name: the ledger, as a sentence begins with it; without a secret.
        file: where it lies, if it is one.
    """

    name: str

    @property
    def file(self) -> Path | None:
        """Where it lies, if it is a file."""

    def engine(self, *, create: bool) -> Engine:
        """What connects to it."""

    def writing(self, *, durable: bool) -> dict[str, object]:
        """The options of a transaction that writes."""

    def reading(self) -> dict[str, object]:
        """The options of a transaction that reads, and sees one moment."""

    def claim(self, connection: Connection) -> None:
        """Keep other processes from bringing the ledger up to date until the transaction ends."""

    def sentence(self, error: BaseException, said: str) -> str:
        """The end of the sentence about an error that says this."""


class Database:
    """The open database.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user:password@host/name``.
        create: whether to make a ledger where there is none, and to insist on being allowed to write.
        now: the instant for the ledger's own account of its versions.
        lock_timeout_seconds: how long to wait for another process.

    Raises:
        ConfigError: locked, damaged, not writable, of a newer version, or not there: each with its own sentence.
        LedgerError: the connection broke.
    """

    def __init__(
        self,
        url: str,
        *,
        create: bool,
        now: Callable[[], str],
        lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
    ) -> None:
        self._backend = _backend(url, lock_timeout_seconds)
        self.name = self._backend.name
        self.file = self._backend.file
        with self._told(ConfigError):
            self._engine = self._backend.engine(create=create)
        try:
            with self._told(ConfigError):
                self._bring_up_to_date(now, create=create)
        except BaseException:
            self._engine.dispose()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[Connection]:
        """A transaction; with ``durable`` it is on disk, with all before it, when the block ends.

        Raises:
            LedgerError: it could not be written. Nothing of it was, unless the connection broke while its end was awaited.
        """
        with self._told(LedgerError), self._transaction(self._backend.writing(durable=durable)) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A view of the ledger that others' writing does not change.

        Raises:
            LedgerError: it could not be read.
        """
        with self._told(LedgerError), self._transaction(self._backend.reading()) as connection:
            yield connection

    @contextmanager
    def _transaction(self, options: dict[str, object]) -> Iterator[Connection]:
        with self._engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    def _bring_up_to_date(self, now: Callable[[], str], *, create: bool) -> None:
        newest = max(MIGRATIONS)
        with self._transaction(self._backend.reading()) as connection:
            version = _version(connection)
        if version is None and not create:
            raise ConfigError(f"{self.name} is empty: no tap or target has written to it yet.")
        if (version or 0) > newest:
            raise ConfigError(
                f"{self.name} is of version {version}, and this ifs-bi-core knows versions up to {newest}. Another plugin that "
                f"writes to it is newer: upgrade ifs-bi-core in this environment too (pip install --upgrade ifs-bi-core)."
            )
        if version == newest and not create:
            return  # who only asks needs no right to write
        with self._transaction(self._backend.writing(durable=True)) as connection:
            self._backend.claim(connection)
            reached = _version(connection) or 0  # another process may have done it meanwhile
            for step in sorted(MIGRATIONS):
                if step > reached:
                    MIGRATIONS[step](connection)
                    connection.execute(insert(VERSIONS).values(version=step, at=now()))
            dialect = connection.dialect
            for statement in _writing_nothing_in(f"{dialect.name}+{dialect.driver}"):
                connection.exec_driver_sql(statement)

    @contextmanager
    def _told(self, kind: type[IfsBiError]) -> Iterator[None]:
        """Turn what the database says into our sentence."""
        try:
            yield
        except (SQLAlchemyError, UnicodeError) as error:  # the latter is about a host that can't be one
            cause = getattr(error, "orig", None) or error
            said = REDACTOR.redact(" ".join(str(cause).split())).rstrip(".")
            broken = getattr(error, "connection_invalidated", False)  # after it had been made: the address is right
            raise (LedgerError if broken else kind)(f"{self.name} {self._backend.sentence(cause, said)}") from None


def _backend(url: str, lock_timeout_seconds: float) -> Backend:
    parsed = _parsed(url)
    for secret in (parsed.password, *(parsed.query.get(name) for name in ("password", "sslpassword"))):
        REDACTOR.register(str(secret) if secret else None)
    if parsed.drivername == "sqlite" and parsed.database not in {None, "", ":memory:"}:
        return SQLite(parsed, lock_timeout_seconds)
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return PostgreSQL(parsed, lock_timeout_seconds)
    raise ConfigError(
        f"Setting 'ledger_url' begins with {parsed.drivername!r}, which the ledger can't be kept in. Write "
        f"sqlite:///path/ledger.db for one machine, or postgresql://user@host/name for several."
    )


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter is about the port
        raise ConfigError(
            "Setting 'ledger_url' is no address. Write sqlite:///path/ledger.db or postgresql://user:password@host:5432/name."
        ) from None
    if "@" in (parsed.host or ""):  # the end of the password
        raise ConfigError(
            "Setting 'ledger_url' has more than one '@'. Write those of the user and the password as %40."
        )
    return parsed


@cache  # to put them into words takes as long as all else that opening does
def _writing_nothing_in(dialect: str) -> list[str]:
    """What asks for the right to write each table, and writes nothing."""
    words = make_url(f"{dialect}://").get_dialect()()
    return [
        str(insert(table).from_select(table.c.keys(), select(table).where(false())).compile(dialect=words))
        for table in METADATA.sorted_tables
    ]


def _version(connection: Connection) -> int | None:
    """The ledger's version; None where there is none yet."""
    if not inspect(connection).has_table(VERSIONS.name):
        return None
    found = connection.execute(select(func.max(VERSIONS.c.version))).scalar()
    return int(found) if found else None
