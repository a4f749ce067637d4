"""A ledger in PostgreSQL: one database that several machines write to.

Every commit waits for the server's disk, whatever the server's own default. Every wait has a limit: for a connection, for another
session's lock, for a statement, and for a server that says nothing at all, of which no setting of the server can tell. The
limits go with each transaction, so that they hold behind a connection pooler too.
"""

from __future__ import annotations

from selectors import DefaultSelector
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, func, select

from ifs_bi_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from selectors import SelectorKey

    from sqlalchemy import URL, Connection, Engine

CONNECT_TIMEOUT_SECONDS = 10
"""How long each host of the address may take; ``?connect_timeout=`` in the address says otherwise."""
STATEMENT_TIMEOUT_SECONDS = 120.0
"""How long a statement may take: those of a run take milliseconds, pruning years of runs takes seconds."""
SILENCE_TIMEOUT_SECONDS = 150.0
"""How long the server may say nothing before the connection is given up: longer than the limits that it keeps itself."""
IDLE_TIMEOUT_SECONDS = 300.0
"""How long a transaction may be left open: the process that began it is stopped, or its machine is gone."""

_MIGRATION_LOCK = 4_923_771_206  # any number that nobody else locks

_LOCKED = (
    "is locked by another session for more than {seconds:g} seconds. pg_stat_activity on its server names it; end that, then run "
    "again."
)
_SLOW = "took too long over a statement: {error}. See what keeps its server busy, then run again."
_FULL = "can't grow: the disk of its server is full. Make room there, then run again."
_FORBIDDEN = (
    "can't be written to by this user: {error}. Let ledger_url name the primary server and a user who may SELECT, INSERT and "
    "DELETE in its tables (and CREATE in its schema for the first run), then run again."
)
_TAKEN = "would lie among other tables: {error}. Make a database for the ledger alone, name it in ledger_url, then run again."
_CORRUPT = (
    "is damaged or no ledger: {error}. Restore it from a backup, or name an empty database to begin a new one; what the old one "
    "knew of unanswered batches is lost then, so compare source and destination afterwards."
)
_OTHER = "can't be used: {error}. Check that its server runs, and host, user, password and name in ledger_url, then run again."

_SENTENCES = {
    "25006": _FORBIDDEN,  # read_only_sql_transaction
    "42501": _FORBIDDEN,  # insufficient_privilege
    "42703": _CORRUPT,  # undefined_column
    "42P01": _CORRUPT,  # undefined_table
    "42P07": _TAKEN,  # duplicate_table
    "53100": _FULL,  # disk_full
    "55P03": _LOCKED,  # lock_not_available
    "57014": _SLOW,  # query_canceled
    "XX001": _CORRUPT,  # data_corrupted
    "XX002": _CORRUPT,  # index_corrupted
}
"""By SQLSTATE (PostgreSQL documentation, appendix A). An error while connecting has none."""


class PostgreSQL:
    """A database of PostgreSQL, through psycopg 3.

    Args:
        url: ``postgresql://user:password@host/name``; its query may hold what libpq knows, such as ``sslmode``.
        lock_timeout_seconds: how long to wait for another session's lock.
    """

    file = None

    def __init__(self, url: URL, lock_timeout_seconds: float) -> None:
        shown = url.set(drivername="postgresql", query={})  # rendered without the password; a query may hold one too
        self.name = f"The ledger {shown.render_as_string()}"
        given = {"connect_timeout": str(CONNECT_TIMEOUT_SECONDS), "application_name": "ifs-bi", **url.query}
        self._url = url.set(drivername="postgresql+psycopg", query=given)
        self._timeout = lock_timeout_seconds

    def engine(self, *, create: bool) -> Engine:  # noqa: ARG002 - a database is made by its administrator
        """What connects to the server, at the first transaction.

        Raises:
            ConfigError: the driver is not installed.
        """
        try:
            # Statements that the server remembers by name are lost behind a pooler, and save little here.
            engine = create_engine(self._url, pool_pre_ping=True, connect_args={"prepare_threshold": None})
        except ImportError as error:
            reason = str(error).partition("\n")[0]
            raise ConfigError(
                f"ledger_url is a PostgreSQL address, and its driver can't be loaded ({reason}). Install it beside the plugin: "
                f"pip install 'psycopg[binary]>=3.2'."
            ) from None

        @event.listens_for(engine, "connect", insert=True)
        def _connect(connection: Any, _: object) -> None:
            connection.wait = _limited_wait(connection)

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            limits = {
                "lock_timeout": _milliseconds(self._timeout),
                "statement_timeout": _milliseconds(STATEMENT_TIMEOUT_SECONDS),
                "idle_in_transaction_session_timeout": _milliseconds(IDLE_TIMEOUT_SECONDS),
                "synchronous_commit": "on",
            }
            connection.execute(select(*(func.set_config(name, value, True) for name, value in limits.items())))  # noqa: FBT003

        return engine

    def writing(self, *, durable: bool) -> dict[str, object]:  # noqa: ARG002 - everything is
        """The options of a transaction that writes."""
        return {"isolation_level": "READ COMMITTED"}

    def reading(self) -> dict[str, object]:
        """The options of a transaction that reads: all its statements see the same moment."""
        return {"isolation_level": "REPEATABLE READ"}

    def claim(self, connection: Connection) -> None:
        """Let one process at a time bring the ledger up to date; until the transaction ends."""
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))

    def sentence(self, error: BaseException, said: str) -> str:
        """What went wrong, and what to do next."""
        state = getattr(error, "sqlstate", None) or ""
        return _SENTENCES.get(state, _OTHER).format(error=said, seconds=self._timeout)


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1_000)))  # 0 would mean no limit


def _limited_wait(connection: Any) -> Callable[..., Any]:
    """`psycopg.Connection.wait` with an end: the connection is given up when its server says nothing for too long."""

    def wait(asked: Generator[Any, Any, Any], *_: object, **__: object) -> Any:
        try:
            wanted = next(asked)
            with DefaultSelector() as selector:
                selector.register(connection.pgconn.socket, wanted)
                while True:
                    wanted = asked.send(heard(selector))
                    selector.modify(connection.pgconn.socket, wanted)
        except StopIteration as answered:
            return answered.value

    def heard(selector: DefaultSelector) -> int:
        ready: list[tuple[SelectorKey, int]] = []
        try:
            ready = selector.select(SILENCE_TIMEOUT_SECONDS)
        finally:
            if not ready:  # or what comes later would be taken for the answer of the next question
                connection.close()
        if not ready:
            raise connection.OperationalError(f"no answer for {SILENCE_TIMEOUT_SECONDS:g} seconds")
        return ready[0][1]

    return wait
