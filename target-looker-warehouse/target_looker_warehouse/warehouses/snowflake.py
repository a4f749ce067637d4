"""A Snowflake database as the warehouse. The only module that speaks to Snowflake; loaded where an address names one.

Rows travel as Parquet files: PUT into a stage of the session, COPY INTO a temporary table, from where one transaction merges
them. A statement that makes or changes a table commits the transaction in which it stands
(docs.snowflake.com/en/sql-reference/transactions), so all of these come before the first row is written. Stage and temporary
tables end with the session, however it ends.

Every wait has a limit: for a session, for a request, for a statement, and for another session's lock.
"""

from __future__ import annotations

import io
import re
import uuid
from contextlib import contextmanager, suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.redaction import REDACTOR
from snowflake import connector

from target_looker_warehouse.dialects.snowflake import SNOWFLAKE
from target_looker_warehouse.statements import listed
from target_looker_warehouse.warehouses.connection import Address
from target_looker_warehouse.warehouses.parquet_file import write_parquet
from target_looker_warehouse.warehouses.sentences import Failure, failed, one_sentence
from target_looker_warehouse.warehouses.snowflake_address import destination, parameters
from target_looker_warehouse.warehouses.snowflake_errors import kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from snowflake.connector.cursor import SnowflakeCursor

    from target_looker_warehouse.warehouses.connection import Refusal

STATEMENT_TIMEOUT_SECONDS = 3_600
"""How long a statement may take: a batch takes seconds, marking what a refresh of a large table didn't carry takes minutes."""
QUICK_TIMEOUT_SECONDS = 300
"""How long to wait for what reads the catalogue or ends a transaction: it takes less than a second, or the time that a warehouse
needs to resume."""
LOCK_TIMEOUT_SECONDS = 600
"""How long to wait for a table that another transaction writes: longer than the five minutes after which Snowflake ends one that
holds others up and whose session is gone (docs.snowflake.com/en/sql-reference/transactions)."""

_CONNECTION = {
    "schema": "PUBLIC",  # every database has it, unless somebody dropped it
    "application": "target_looker_warehouse",  # this field takes no hyphen
    "login_timeout": 60,  # seconds, as the next one
    "network_timeout": STATEMENT_TIMEOUT_SECONDS,  # the connector cancels a statement that takes longer
    "client_session_keep_alive": True,  # a tap may be slow
    "validate_default_parameters": True,  # else a session begins without the warehouse that isn't there
}
"""What the connector is told unless the address says otherwise."""
_SESSION = {
    "QUERY_TAG": "target-looker-warehouse",
    "TIMEZONE": "UTC",
    "TIMESTAMP_INPUT_FORMAT": "AUTO",
    "STATEMENT_TIMEOUT_IN_SECONDS": STATEMENT_TIMEOUT_SECONDS,
    "LOCK_TIMEOUT": LOCK_TIMEOUT_SECONDS,
    "ABORT_DETACHED_QUERY": True,  # what nobody waits for any more ends after five minutes
    "QUOTED_IDENTIFIERS_IGNORE_CASE": False,  # a user's own default may be another, and then "a" and "A" are one name
    "ERROR_ON_NONDETERMINISTIC_MERGE": True,
    "CLIENT_TELEMETRY_ENABLED": False,
}
"""Parameters of the session (docs.snowflake.com/en/sql-reference/parameters)."""

# By default the text \N would become null.
_FILE_FORMAT = "TYPE = PARQUET USE_LOGICAL_TYPE = TRUE BINARY_AS_TEXT = FALSE NULL_IF = ()"

_ROWS_LOADED = 3
"""The place of that column in COPY's answer (docs.snowflake.com/en/sql-reference/sql/copy-into-table)."""
_PARAMETER = re.compile(r"""("(?:[^"]|"")*"|'(?:[^']|'')*')|\$(\d+)""")

_FAILURES = (connector.Error, OSError)
"""What the connector raises: of the network, sometimes what the libraries beneath it do."""


def address(warehouse_url: str, staging_url: str | None = None) -> Address:
    """What an address means (`snowflake_address.parameters`); Snowflake has a stage of its own.

    Raises:
        ConfigError: it is malformed.
    """
    del staging_url
    found = parameters(warehouse_url)
    return Address(destination(found), partial(Snowflake, found))


class Snowflake:
    """The one session of a run (see `target_looker_warehouse.warehouses.connection.Connection`).

    Args:
        found: what the address says (`snowflake_address.parameters`).

    Raises:
        ConfigError: there is no such account, user, secret, role or database, or no schema to work in.
    """

    dialect = SNOWFLAKE

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._name = f"Snowflake at {destination(found)}"
        self._run = f"IFS_{uuid.uuid4().hex.upper()}"  # names of this session's own, which need no quotes
        self._numbers = count(1)
        self._temporary: list[str] = []
        self._writes = False
        self._connection = self._opened(found)
        self._quick = min(QUICK_TIMEOUT_SECONDS, self._connection.network_timeout or QUICK_TIMEOUT_SECONDS)
        with self.transaction("the session", "be prepared"):
            [(database, schema)] = self.query("SELECT CURRENT_DATABASE(), CURRENT_SCHEMA()")
            if not database or not schema:
                raise ConfigError(
                    f"{self._name} has no such {'schema' if database else 'database'}, or the role may not use it. Name one "
                    f"that is there, a schema by ?schema=NAME in warehouse_url, and grant USAGE on it. Nothing was sent."
                )
            self.inside: tuple[str, ...] = (database,)
            self.main_schema: str = schema
            self.define(f"CREATE TEMPORARY STAGE {self._run}")

    def _opened(self, found: Mapping[str, Any]) -> connector.SnowflakeConnection:
        try:
            return connector.connect(
                **(_CONNECTION | dict(found)), session_parameters=dict(_SESSION), autocommit=False, paramstyle="qmark"
            )
        except (*_FAILURES, ValueError, TypeError) as error:  # the latter two are about a key that is none
            raise ConfigError(
                f"{self._name} can't be used: {_reason(error)} Check account, user, role, warehouse and database in "
                f"warehouse_url, and what it signs in with, then run again. Nothing was sent."
            ) from None

    def query(self, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement's answer."""
        return [tuple(row) for row in self._executed(text, parameters, timeout=self._quick).fetchall()]

    def define(self, text: str) -> None:
        """Make, change or remove a table or a schema.

        Raises:
            RuntimeError: rows were written in this transaction, and would be committed by it.
        """
        if self._writes:
            raise RuntimeError(f"a definition would commit what was written before it: {text}")
        self._executed(text)
        if text.startswith("CREATE SCHEMA"):
            # The session is in that one now; its stage and its temporary tables are in the other.
            self._executed(f"USE SCHEMA {self.dialect.qualified(*self.inside, self.main_schema)}")

    def write(self, text: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement wrote."""
        self._writes = True
        return self._executed(text, parameters).rowcount or 0

    def append(self, table: str, rows: pa.Table) -> None:
        """Put rows into a table, by COPY: each value becomes of its column's type, or the rows are refused."""
        self._writes = True
        self._copy(table, rows)

    @contextmanager
    def staged(self, rows: pa.Table, table: str) -> Iterator[str]:
        """The rows in a temporary table. Making one needs no right that reading ``table`` doesn't need."""
        name = f"{self._run}_{next(self._numbers)}"
        # The types of the table's columns; its constraints stay behind.
        names = listed(rows.column_names, self.dialect)
        self.define(f"CREATE TEMPORARY TABLE {name} AS SELECT {names} FROM {table} WHERE FALSE")  # noqa: S608 - quoted names
        self._temporary.append(name)
        self._copy(name, rows)
        yield name

    def claim(self, schema: str, stream: str) -> None:
        """Snowflake has no lock that a session could hold on a name."""

    @contextmanager
    def transaction(self, what: str, could_not: str, refused: Refusal | None = None) -> Iterator[None]:
        """All rows inside, or none; what Snowflake says against one of the statements becomes a sentence."""
        ending = False
        try:
            yield
            ending = self._writes
            if ending:
                self._executed("COMMIT", timeout=self._quick)
        except BaseException as error:
            why = _kind(error, ending=ending) if isinstance(error, _FAILURES) else None
            self._undo(lost=why is Failure.UNKNOWN)
            if why is None:
                raise
            raise failed(why, self._name, what, could_not, _reason(error), refused) from None
        self._end()

    def _undo(self, *, lost: bool) -> None:
        """Leave nothing behind; the end of a session, which this is where it is lost, does that too."""
        try:
            if lost:
                self.close()
            else:
                self._executed("ROLLBACK", timeout=self._quick)
                self._end()
        except _FAILURES:
            self.close()  # there may be an open transaction, to which nothing may be added

    def _end(self) -> None:
        """Be ready for the next transaction; dropping would have committed this one."""
        self._writes = False
        while self._temporary:
            with suppress(*_FAILURES):  # it ends with the session at the latest
                self._executed(f"DROP TABLE IF EXISTS {self._temporary.pop()}", timeout=self._quick)

    def close(self) -> None:
        """End the session, and with it what is temporary."""
        with suppress(*_FAILURES):
            self._connection.close(retry=False)

    def _copy(self, table: str, rows: pa.Table) -> None:
        """Put rows into a table, by way of a file with a name that is new: one that it knows COPY skips."""
        places = [f"c{place}" for place in range(rows.num_columns)]  # what a file may call a column is another question
        file = f"{self._run}_{next(self._numbers)}.parquet"
        with io.BytesIO() as written:
            write_parquet(rows.rename_columns(places), written)
            written.seek(0)
            put = f"PUT 'file://{file}' @{self._run} AUTO_COMPRESS = FALSE OVERWRITE = TRUE"
            self._connection.cursor().execute(put, file_stream=written)
        values = ", ".join(
            f"CAST($1:{place} AS {_type(field.type)})" for place, field in zip(places, rows.schema, strict=True)
        )
        told = self._executed(
            f"COPY INTO {table} ({listed(rows.column_names, self.dialect)}) FROM (SELECT {values} FROM @{self._run}/{file}) "  # noqa: S608 - quoted names
            f"FILE_FORMAT = ({_FILE_FORMAT}) ON_ERROR = ABORT_STATEMENT PURGE = TRUE"
        ).fetchall()
        loaded = sum(int(row[_ROWS_LOADED]) for row in told if len(row) > _ROWS_LOADED)
        if loaded != rows.num_rows:  # where it finds no file, COPY says so and no more
            raise IfsBiError(
                f"{self._name} took {loaded} of {rows.num_rows} rows from its stage. Nothing of it was done, and the state was "
                f"not moved past it; run again."
            )

    def _executed(self, text: str, parameters: Sequence[Any] = (), *, timeout: int | None = None) -> SnowflakeCursor:
        """A statement's cursor. After ``timeout`` seconds, or those that the address says, the statement is cancelled."""
        cursor = self._connection.cursor()
        if parameters:
            bound = [parameters[int(found[2]) - 1] for found in _PARAMETER.finditer(text) if found[2]]
            cursor.execute(_PARAMETER.sub(lambda found: found[1] or "?", text), bound, timeout=timeout)
        else:
            cursor.execute(text, timeout=timeout)
        return cursor


def _type(values: pa.DataType) -> str:
    """The type in Snowflake that holds what Arrow's does."""
    if pa.types.is_decimal(values):
        return f"NUMBER({values.precision},{values.scale})"
    return _TYPES[values]


_TYPES = {
    pa.bool_(): "BOOLEAN",
    pa.int64(): "NUMBER(19,0)",
    pa.date32(): "DATE",
    pa.timestamp("us", "UTC"): "TIMESTAMP_TZ",
    pa.string(): "TEXT",
}


def _kind(error: BaseException, *, ending: bool) -> Failure:
    answered = isinstance(error, connector.ProgrammingError)
    number, state = getattr(error, "errno", None) or 0, getattr(error, "sqlstate", None) or ""
    return kind(number, state, answered=answered, ending=ending)


def _reason(error: BaseException) -> str:
    """Snowflake's own words, without the statement's number; some of them are two lines."""
    said = getattr(error, "raw_msg", None) or str(error)
    return one_sentence(REDACTOR.redact(said))
