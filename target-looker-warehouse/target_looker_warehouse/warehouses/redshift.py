"""An Amazon Redshift database as the warehouse. The only module that speaks to Redshift; loaded where an address names one.

Rows go to S3 as Parquet files, from there by COPY into a temporary table, and from that one by ordinary statements, all in one
transaction.
"""

from __future__ import annotations

import logging
import re
import struct
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import redshift_connector
from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.redaction import REDACTOR
from redshift_connector.error import Error

from target_looker_warehouse.dialects.redshift import REDSHIFT
from target_looker_warehouse.statements import drop_table, insert
from target_looker_warehouse.warehouses.connection import Address
from target_looker_warehouse.warehouses.object_storage import AWS_ERRORS, Staging, check_folder
from target_looker_warehouse.warehouses.redshift_address import parameters
from target_looker_warehouse.warehouses.sentences import Failure, failed, one_sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from redshift_connector.core import Connection
    from redshift_connector.cursor import Cursor

    from target_looker_warehouse.warehouses.connection import Refusal
    from target_looker_warehouse.warehouses.object_storage import Folder
    from target_looker_warehouse.warehouses.redshift_address import Parameters

T = TypeVar("T")

STATEMENT_TIMEOUT_SECONDS = 3_600
"""How long a statement may take: a batch takes seconds, marking what a refresh of a large table didn't carry takes minutes."""
TRIES = 4
"""How often a transaction is begun before another session's transactions have ended it for good."""

_DRIVER: dict[str, Any] = {
    "application_name": "target-looker-warehouse",
    "timeout": STATEMENT_TIMEOUT_SECONDS + 60,  # seconds on the network; the server ends statements before
    "tcp_keepalive_idle": 30,  # a peer that is gone is noticed after a minute, and not after two hours
    "tcp_keepalive_interval": 10,
    "tcp_keepalive_count": 3,
    "client_protocol_version": 0,  # values as text, which has every digit
    "max_prepared_statements": 0,  # remembering them would cost a question to the server for each at every CREATE
}

_SESSION = (
    f"SET statement_timeout TO {STATEMENT_TIMEOUT_SECONDS * 1000}",
    "SET timezone TO 'UTC'",  # what turns the instants of the files, which have no zone, into TIMESTAMPTZ
    "SET enable_case_sensitive_identifier TO true",  # for `identifier_case: keep`; names in lower case are the same with it
)
_TALKATIVE = ("redshift_connector", "botocore")
"""Where debugging is on, these write what they send: passwords and keys too."""
_LOST: tuple[type[Exception], ...] = (Error, OSError, struct.error)
"""What the driver raises where statements fail; the last two where the connection ends in the middle of an answer."""
_NEVER_OPENED: tuple[type[Exception], ...] = (*_LOST, *AWS_ERRORS, ValueError)
_CONFLICT = "40001"
_CONFLICT_NUMBER = re.compile(r"1023\b")
"""A serializable isolation violation: SQLSTATE, and Redshift's own number (docs.aws.amazon.com/redshift/latest/dg/
c_serial_isolation-serializable-isolation-troubleshooting.html)."""
_FORBIDDEN = frozenset({"42501", "25006"})  # insufficient_privilege, read_only_sql_transaction
_REFUSAL_CLASSES = frozenset({"22", "23"})  # data exceptions, integrity constraints
_ENDED_CLASSES = frozenset({"08", "57"})  # connection exceptions, an operator's intervention
_VALUE_CODES = re.compile(r"code:\s+(?:8001|1058)\b")  # a text too long for its column, a number too large
_COLUMN_TYPES: dict[pa.DataType, str] = {
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.date32(): "DATE",
    pa.timestamp("us"): "TIMESTAMP",
    pa.string(): "VARCHAR(65535)",
}
"""COPY from Parquet converts nothing: the column has to be what the file says."""


def address(warehouse_url: str, staging_url: str | None = None) -> Address:
    """What ``redshift://user:password@host:5439/database`` and ``s3://bucket/folder`` mean.

    Raises:
        ConfigError: one of them is malformed, or the latter is missing.
    """
    found, folder = parameters(warehouse_url), check_folder(staging_url)
    return Address(found.destination, partial(Redshift, found, folder))


class Redshift:
    """The one connection of a run to its database (see `target_looker_warehouse.warehouses.connection.Connection`).

    A transaction that was rolled back because of other sessions' transactions is done again: what this run knows of it is still
    true as long as each statement answers what it answered before.

    Args:
        found: what the address says.
        folder: where files are put.

    Raises:
        ConfigError: there is no such server, user, password or database, or no schema to work in.
    """

    dialect = REDSHIFT
    inside: tuple[str, ...] = ()

    def __init__(self, found: Parameters, folder: Folder) -> None:
        self._name = f"Amazon Redshift at {found.destination}"
        self._iam_role = found.iam_role
        self._staging = Staging(folder, profile=found.driver.get("profile"), region=found.driver.get("region"))
        self._connection = self._opened(found.driver)
        self._done: list[tuple[Callable[[], Any], Any]] = []  # what the transaction has asked and what was answered
        self._tries = TRIES
        self._ending = False
        self._number = 0
        with self.transaction("the session", "be prepared"):
            for setting in _SESSION:
                self.write(setting)
            [(schema,)] = self.query("SELECT current_schema()")
        self.main_schema: str = schema or "public"

    def _opened(self, driver: Mapping[str, Any]) -> Connection:
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.INFO)
        try:
            connection = redshift_connector.connect(**_DRIVER, **driver)
        except _NEVER_OPENED as error:
            raise ConfigError(
                f"{self._name} can't be used: {_reason(error)} Check that the cluster runs and lets this machine in, and "
                f"host, port, user, password and database in warehouse_url (with IAM: the AWS credentials and the cluster's "
                f"name), then run again. Nothing was sent."
            ) from None
        REDACTOR.register(connection.password.decode())  # with IAM, one that nobody has seen yet
        return connection

    def query(self, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement's answer."""
        return self._persistent(lambda: [tuple(row) for row in self._executed(text, parameters).fetchall()])

    def define(self, text: str) -> None:
        """Make, change or remove a table or a schema."""
        self.write(text)

    def write(self, text: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement wrote."""
        return self._persistent(lambda: int(self._executed(text, parameters).rowcount))

    def append(self, table: str, rows: pa.Table) -> None:
        """Put rows into a table; by way of another one, since a table has more columns than rows bring, and other types."""
        with self.staged(rows, table) as staged:
            self.write(insert(table, rows.column_names, staged, self.dialect))

    @contextmanager
    def staged(self, rows: pa.Table, table: str) -> Iterator[str]:
        """The rows in a table that nobody else sees. It has the types of the files, which statements make those of the table."""
        del table
        rows = _zoneless(rows)
        manifest = self._staging.put(rows)
        self._number += 1
        name = self.dialect.quoted(f"_ifs_incoming_{self._number}")
        columns = ", ".join(f"{self.dialect.quoted(field.name)} {_column_type(field.type)}" for field in rows.schema)
        self.define(f"CREATE TEMPORARY TABLE {name} ({columns})")
        self.write(f"COPY {name} FROM '{manifest}' {self._authorization()} FORMAT AS PARQUET MANIFEST STATUPDATE OFF")
        yield name
        self.define(drop_table(name))

    def _authorization(self) -> str:
        """Whose rights COPY has. It takes no parameters: what stands here has been looked at, and ends no literal."""
        if self._iam_role is not None:
            return "IAM_ROLE default" if self._iam_role == "default" else f"IAM_ROLE '{self._iam_role}'"
        keys = self._staging.keys()
        token = f";token={keys.session_token}" if keys.session_token else ""
        return f"CREDENTIALS 'aws_access_key_id={keys.access_key_id};aws_secret_access_key={keys.secret_access_key}{token}'"

    def claim(self, schema: str, stream: str) -> None:
        """Redshift has nothing by which a run could keep others off: two that load one stream at once are up to the user."""

    @contextmanager
    def transaction(self, what: str, could_not: str, refused: Refusal | None = None) -> Iterator[None]:
        """All statements inside, or none; what Redshift says against one of them becomes a sentence."""
        self._done, self._tries = [], TRIES
        self._ending = False
        try:
            yield
            self._persistent(self._commit)
        except BaseException as error:
            self._undo(error)
            if not isinstance(error, _LOST):
                raise
            raise failed(self._kind(error), self._name, what, could_not, _reason(error), refused) from None
        finally:
            self._done = []
            self._staging.clear()

    def _undo(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            with suppress(*_LOST):
                self._connection.rollback()
                return
        # What comes later would be told another error; who is interrupted may not even have read the last answer to its end.
        self.close()

    def _commit(self) -> None:
        self._ending = True
        self._connection.commit()

    def _persistent(self, step: Callable[[], T]) -> T:
        """What a step of the transaction answers; where other transactions stand against it, all steps are done again before."""
        again = False
        while True:
            try:
                if again:
                    self._repeat()
                answer = step()
            except _LOST as error:
                self._tries -= 1
                if not (self._tries and _is_conflict(error)):
                    raise
                again = True
            else:
                self._done.append((step, answer))
                return answer

    def _repeat(self) -> None:
        self._ending = False
        self._connection.rollback()
        if any(step() != answer for step, answer in self._done):
            raise IfsBiError(
                f"In {self._name} another session changed the rows that this run was about to write. Nothing was done, and "
                f"the state was not moved past it; let one run at a time write a table, then run again."
            )

    def _executed(self, text: str, parameters: Sequence[Any]) -> Cursor:
        cursor = self._connection.cursor()
        cursor.paramstyle = "qmark"  # of which a text with $1 has none
        cursor.execute(text, list(parameters) or None)
        return cursor

    def _kind(self, error: Exception) -> Failure:
        said = _said(error)
        state = said.get("C", "")
        if self._ending and (not state or state[:2] in _ENDED_CLASSES):
            return Failure.UNKNOWN
        if state[:2] in _REFUSAL_CLASSES or _VALUE_CODES.search(said.get("D", "")):
            return Failure.REFUSED
        return Failure.FORBIDDEN if state in _FORBIDDEN else Failure.OTHER

    def close(self) -> None:
        """End the session; its temporary tables are gone then, and the files of a transaction that did not come to its end."""
        with suppress(*_LOST):
            self._connection.close()
        self._staging.clear()


def _zoneless(rows: pa.Table) -> pa.Table:
    """The rows with their instants as the time of UTC: COPY from Parquet knows no TIMESTAMPTZ, and the session's zone is UTC."""
    fields = [
        field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field for field in rows.schema
    ]
    return rows.cast(pa.schema(fields))


def _column_type(held: pa.DataType) -> str:
    return f"DECIMAL({held.precision},{held.scale})" if pa.types.is_decimal(held) else _COLUMN_TYPES[held]


def _said(error: Exception) -> dict[str, str]:
    """The fields of the server's error, by their letters; none where it is the driver's own."""
    told = error.args[0] if error.args else None
    return told if isinstance(told, dict) else {}


def _is_conflict(error: Exception) -> bool:
    said = _said(error)
    return said.get("C") == _CONFLICT or bool(_CONFLICT_NUMBER.match(said.get("M", "")))


def _reason(error: Exception) -> str:
    """The warehouse's own words without the statement, which may have keys in it, and without a whole row."""
    said = _said(error)
    message = said.get("M") or " ".join(str(part) for part in error.args) or repr(error)
    if context := _context(message, said.get("D", "")):
        message = f"{message} ({context})"
    return one_sentence(REDACTOR.redact(message))


def _context(message: str, detail: str) -> str:
    """What says more than a message of a compute node (``context: ...``), or than a bare number."""
    lines = [line.strip() for line in detail.splitlines()]
    if message.isdecimal():
        return lines[0] if lines else ""
    return next((line.partition("context:")[2].strip() for line in lines if line.startswith("context:")), "")
