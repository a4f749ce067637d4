"""A PostgreSQL database as the warehouse. The only module that speaks to PostgreSQL; loaded where an address names one.

Every wait for the server has a limit: for a connection, for another session's lock, for a statement, and for a network that has
gone silent. What an address says in its query goes to libpq as it is (``sslmode``, ``sslrootcert``, ``connect_timeout`` ...).
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg
from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.redaction import REDACTOR
from psycopg.conninfo import conninfo_to_dict

from target_looker_warehouse.dialects.postgresql import POSTGRESQL
from target_looker_warehouse.statements import listed
from target_looker_warehouse.warehouses.connection import Address
from target_looker_warehouse.warehouses.copy_text import pieces
from target_looker_warehouse.warehouses.sentences import Failure, failed, one_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from target_looker_warehouse.warehouses.connection import Refusal

LOCK_TIMEOUT_SECONDS = 30
"""How long to wait for another session's lock, another run's on a stream among them."""
STATEMENT_TIMEOUT_SECONDS = 3_600
"""How long a statement may take: a batch takes seconds, marking what a refresh of a large table didn't carry takes minutes."""
IDLE_TIMEOUT_SECONDS = 300
"""How long a transaction may be left open: the process that began it is stopped, or its machine is gone."""

_CONNECTION = {
    "connect_timeout": "10",  # seconds, for each host of the address
    "application_name": "target-looker-warehouse",
    "keepalives_idle": "30",  # a peer that is gone is noticed after a minute, and not after two hours
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""What libpq is told unless the address says otherwise (postgresql.org/docs/current/libpq-connect.html)."""

_SECRETS = ("password", "sslpassword", "oauth_client_secret")
_FORBIDDEN = frozenset({"42501", "25006"})  # insufficient_privilege, read_only_sql_transaction
_REFUSALS = frozenset(
    {"44000", "54000", "P0001"}
)  # a view's CHECK OPTION, a key too long for an index, a trigger's RAISE
_REFUSAL_CLASSES = frozenset({"22", "23"})  # data exceptions, integrity constraints
_ENDED_CLASSES = frozenset({"08", "57"})  # connection exceptions, an operator's intervention
"""By SQLSTATE (PostgreSQL documentation, appendix A)."""

_KNOWS_IDLE_SESSIONS = 140_000  # as libpq writes version 14
_LOCK = "SELECT pg_advisory_lock($1::bigint)"
_TRY_LOCK = "SELECT pg_try_advisory_lock($1::bigint)"
_HOLDER = """
    SELECT a.pid, a.application_name, to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS') FROM pg_locks l
    JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_database d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
    AND (l.classid::bigint << 32 | l.objid::bigint) = $1::bigint
"""


def address(warehouse_url: str, staging_url: str | None = None) -> Address:
    """What ``postgresql://user:password@host:5432/database`` means.

    Raises:
        ConfigError: it is malformed.
    """
    del staging_url  # rows go by COPY
    found = parameters(warehouse_url)
    return Address(destination(found), partial(PostgreSQL, found))


def parameters(warehouse_url: str) -> dict[str, str]:
    """What the address says, by libpq's names.

    Raises:
        ConfigError: it is malformed.
    """
    try:
        found = {name: str(value) for name, value in conninfo_to_dict(warehouse_url).items()}
    except psycopg.Error:  # its message repeats the address
        raise ConfigError(
            "Setting 'warehouse_url' is no PostgreSQL address. Write postgresql://user:password@host:5432/database."
        ) from None
    for name in _SECRETS:
        REDACTOR.register(found.get(name))
    if "@" in found.get("host", ""):  # the end of the password
        raise ConfigError(
            "Setting 'warehouse_url' has more than one '@'. Write those of the user and the password as %40."
        )
    return found


def destination(found: Mapping[str, str]) -> str:
    """The database without user and secrets: the same text for the same place in every run."""
    return f"postgresql://{found.get('host', '')}:{found.get('port') or 5432}/{found.get('dbname', '')}"


class PostgreSQL:
    """The one connection of a run to its database (see `target_looker_warehouse.warehouses.connection.Connection`).

    Args:
        found: what the address says (`parameters`).

    Raises:
        ConfigError: there is no such server, user, password or database, or no schema to work in.
    """

    dialect = POSTGRESQL
    inside: tuple[str, ...] = ()

    def __init__(self, found: Mapping[str, str]) -> None:
        self._name = f"PostgreSQL at {destination(found)}"
        self._numbers = count(1)
        self._connection = self._opened(found)
        with self.transaction("the session", "be prepared"):
            for name, value in _settings(self._connection.info.server_version).items():
                self.query("SELECT set_config($1, $2, false)", [name, value])
            [(schema,)] = self.query("SELECT current_schema()::text")
        self.main_schema: str = schema or "public"

    def _opened(self, found: Mapping[str, str]) -> psycopg.Connection[tuple[Any, ...]]:
        given: dict[str, Any] = _CONNECTION | dict(found) | {"client_encoding": "UTF8"}
        try:
            # Statements that the server remembers by name are lost behind a pooler, and save little here.
            return psycopg.Connection.connect(cursor_factory=psycopg.RawCursor, prepare_threshold=None, **given)
        except (psycopg.Error, UnicodeError) as error:  # the latter is about a host that can't be one
            raise ConfigError(
                f"{self._name} can't be used: {_reason(error)} Check that the server runs, and host, port, user, password and "
                f"database in warehouse_url, then run again. Nothing was sent."
            ) from None

    def query(self, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement's answer."""
        return self._connection.execute(text.encode(), parameters or None).fetchall()

    def define(self, text: str) -> None:
        """Make, change or remove a table or a schema."""
        self._connection.execute(text.encode())

    def write(self, text: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement wrote."""
        return self._connection.execute(text.encode(), parameters or None).rowcount

    def append(self, table: str, rows: pa.Table) -> None:
        """Put rows into a table, by COPY."""
        names = listed(rows.column_names, self.dialect)
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN".encode()) as copy:
            for piece in pieces(rows):
                copy.write(piece)

    @contextmanager
    def staged(self, rows: pa.Table, table: str) -> Iterator[str]:
        """The rows in a table that nobody else sees, that no log keeps, and that ends with the transaction."""
        name = self.dialect.quoted(f"_ifs_incoming_{next(self._numbers)}")
        names = listed(rows.column_names, self.dialect)
        # The types of the table's columns; its constraints stay behind.
        self.define(f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {names} FROM {table} WITH NO DATA")  # noqa: S608 - quoted names
        self.append(name, rows)
        yield name

    def claim(self, schema: str, stream: str) -> None:
        """Take the stream's advisory lock, for as long as the connection lasts; waits a while for a run that is about to end."""
        digest = hashlib.sha256(f"{schema}\0{stream}".encode(errors="surrogatepass")).digest()
        number = [int.from_bytes(digest[:8], signed=True)]
        with self.transaction(f"stream {stream!r}", "be claimed"):
            if self.query(_TRY_LOCK, number)[0][0]:
                return
            holders = self.query(_HOLDER, number)
            try:
                self.query(_LOCK, number)
            except psycopg.errors.LockNotAvailable:
                shown = "".join(f" (session {pid} of {name or 'unknown'}, since {at})" for pid, name, at in holders)
                raise IfsBiError(
                    f"Another run loads stream {stream!r} into schema {schema!r} of {self._name}{shown}. One run at a time may "
                    f"write a stream's table: wait for that one or end it, then run again. Nothing of this stream was sent."
                ) from None

    @contextmanager
    def transaction(self, what: str, could_not: str, refused: Refusal | None = None) -> Iterator[None]:
        """All statements inside, or none; what PostgreSQL says against one of them becomes a sentence."""
        ending = False
        try:
            yield
            ending = True
            self._connection.commit()
        except BaseException as error:
            try:
                self._connection.rollback()
            except psycopg.Error:
                self.close()  # what comes later would be told another error
            if not isinstance(error, psycopg.Error):
                raise
            raise self._sentence(error, what, could_not, refused, ending=ending) from None

    def _sentence(
        self, error: psycopg.Error, what: str, could_not: str, refused: Refusal | None, *, ending: bool
    ) -> IfsBiError:
        state = error.sqlstate or ""
        kind = Failure.OTHER
        if ending and (not state or state[:2] in _ENDED_CLASSES):
            kind = Failure.UNKNOWN
        elif state in _REFUSALS or state[:2] in _REFUSAL_CLASSES:
            kind = Failure.REFUSED
        elif state in _FORBIDDEN:
            kind = Failure.FORBIDDEN
        return failed(kind, self._name, what, could_not, _reason(error), refused)

    def close(self) -> None:
        """End the session; its locks are free then."""
        with suppress(psycopg.Error):
            self._connection.close()


def _settings(server_version: int) -> dict[str, str]:
    idle = {"idle_session_timeout": "0"} if server_version >= _KNOWS_IDLE_SESSIONS else {}  # a tap may be slow
    return idle | {
        "TimeZone": "UTC",
        "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
        "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{IDLE_TIMEOUT_SECONDS}s",
        "synchronous_commit": "on",  # what is acknowledged is on disk, whatever the server does by itself
        "random_page_cost": "1",  # or each batch would read a large table whole, twice, instead of its index
        "jit": "off",  # compiling takes longer than these statements
    }


def _reason(error: Exception) -> str:
    """The warehouse's own words: the first line, since the next ones may repeat a whole row."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return one_sentence(REDACTOR.redact(said or str(error)))
