"""A BigQuery dataset as the warehouse. With its companions, the `bigquery_` modules, the only one that speaks to BigQuery.

Rows go by a load job, as Parquet, into a table of their own, and from there by DML into the stream's table, in a transaction of
a session. What a load job brings can't be undone by a transaction, and a table takes some 1,500 of them a day: hence the two
steps, and large batches. Tables are looked at, and tables of incoming rows are made and removed, by requests that cost nothing.

A process that dies in the middle of a transaction leaves it open, with all that it has written locked, until BigQuery ends the
session a day later. Each table of incoming rows therefore names the session of its transaction: where the next run finds one, it
ends that session first.
"""

from __future__ import annotations

import re
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.cloud import bigquery
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR

from target_looker_warehouse.dialects.bigquery import BIGQUERY, DATASETS_GET, TABLES_GET
from target_looker_warehouse.statements import insert
from target_looker_warehouse.warehouses.bigquery_address import Place, client, place
from target_looker_warehouse.warehouses.bigquery_errors import ERRORS, JobFailedError, JobUnfinishedError, failure, said
from target_looker_warehouse.warehouses.bigquery_jobs import REQUEST_TIMEOUT_SECONDS, Jobs
from target_looker_warehouse.warehouses.bigquery_staging import LAST_REQUEST_SECONDS, IncomingTables
from target_looker_warehouse.warehouses.connection import Address
from target_looker_warehouse.warehouses.sentences import failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from target_looker_warehouse.warehouses.connection import Refusal

_PARAMETER = re.compile(r"\$(\d+)")  # no identifier has a '$'
_PARAMETER_TYPES = {str: "STRING", int: "INT64", bool: "BOOL"}
_TYPE_NAMES = {"BOOLEAN": "BOOL", "INTEGER": "INT64", "FLOAT": "FLOAT64", "RECORD": "STRUCT"}
"""What the REST interface calls otherwise than SQL."""
_ONCE: dict[str, Any] = {"retry": None, "job_retry": None, "timeout": REQUEST_TIMEOUT_SECONDS}
"""Jobs are begun again by `bigquery_jobs` alone."""

_FAILURES = (*ERRORS, JobFailedError, JobUnfinishedError)


def address(warehouse_url: str, staging_url: str | None = None) -> Address:
    """What the address means (`bigquery_address.place`); nothing is opened, and no staging place is needed.

    Raises:
        ConfigError: it is malformed, or the key that it names can't be read.
    """
    del staging_url
    found = place(warehouse_url)
    return Address(found.destination, partial(BigQuery, found))


class BigQuery:
    """The one connection of a run to its dataset (see `target_looker_warehouse.warehouses.connection.Connection`).

    Args:
        found: what the address says.
        clock: tells the seconds that have passed.
        sleep: waits for some seconds.

    Raises:
        ConfigError: there are no credentials, or the project can't be asked with them.
    """

    dialect = BIGQUERY

    def __init__(
        self,
        found: Place,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.main_schema = found.dataset
        self.inside: tuple[str, ...] = (found.project,)
        self._name = f"BigQuery at {found.destination}"
        self._client = client(found)
        self._jobs = Jobs(self._client, clock, sleep)
        self._incoming = IncomingTables(self._client, self._jobs, self._end_earlier)
        self._session: str | None = None
        self._writing = False
        self._answers = {TABLES_GET: self._columns, DATASETS_GET: self._datasets}
        self._locate(found)

    def _locate(self, found: Place) -> None:
        """Ask where the dataset lies: jobs that don't name it, as BEGIN, run where it doesn't otherwise."""
        try:
            dataset = self._jobs.answer(self._client.get_dataset, found.dataset)
            self._jobs.location = self._jobs.location or dataset.location
        except NotFound:
            return  # it will be made
        except ERRORS as error:
            raise ConfigError(
                f"{self._name} can't be used: {REDACTOR.redact(said(error).words)} Check project, dataset and credentials in "
                f"warehouse_url, then run again. Nothing was sent."
            ) from None

    def query(self, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement's answer, or of a question that the dialect asks without one."""
        if answer := self._answers.get(text):
            return answer(*parameters)
        session = self._session if self._writing else None
        job = self._done(text, parameters, session=session, repeatable=not self._writing)
        return [row.values() for row in self._jobs.asked(lambda: list(job.result(**_ONCE)))]

    def define(self, text: str) -> None:
        """Make, change or remove a table or a schema, outside of any transaction."""
        self._done(text, (), repeatable=True)

    def write(self, text: str, parameters: Sequence[Any] = ()) -> int:
        """How many rows a statement wrote, in a transaction that begins with the first one."""
        if not self._writing:
            self._begin()
        return int(self._done(text, parameters, session=self._session).num_dml_affected_rows or 0)

    def append(self, table: str, rows: pa.Table) -> None:
        """Put rows into a table. A load job of its own would stand outside the transaction."""
        with self.staged(rows, table) as incoming:
            self.write(insert(table, rows.column_names, incoming, self.dialect))

    @contextmanager
    def staged(self, rows: pa.Table, table: str) -> Iterator[str]:
        """Rows as a table of its own; it is removed when the transaction has ended."""
        quote = self.dialect.quote
        project, dataset, name = table.strip(quote).split(f"{quote}.{quote}")
        like = bigquery.DatasetReference(project, dataset).table(name)
        incoming = self._incoming.holding(rows, like, self._session_id())
        yield self.dialect.qualified(project, dataset, incoming.table_id)

    def _end_earlier(self, session: str) -> None:
        """End a session of a run that died in the middle of its transaction."""
        if session != self._session:
            with suppress(*_FAILURES):  # it has ended by itself
                self._done("CALL BQ.ABORT_SESSION($1)", [session])

    def claim(self, schema: str, stream: str) -> None:
        """Nothing keeps others off a table for longer than a transaction."""

    @contextmanager
    def transaction(self, what: str, could_not: str, refused: Refusal | None = None) -> Iterator[None]:
        """All that is written inside, or nothing; what BigQuery says against it becomes a sentence."""
        ending = False
        try:
            yield
            ending = True
            if self._writing:
                self._done("COMMIT TRANSACTION", (), session=self._session)
                self._writing = False
        except BaseException as error:
            self._abandon()
            if not isinstance(error, _FAILURES):
                raise
            reason = REDACTOR.redact(said(error).words)
            raise failed(failure(error, ending=ending), self._name, what, could_not, reason, refused) from None
        finally:
            self._incoming.remove()

    def close(self) -> None:
        """End the session."""
        self._end_session()
        self._client.close()  # type: ignore[no-untyped-call]

    def _columns(self, schema: str, *names: str) -> list[tuple[Any, ...]]:
        """Table, column and type of the columns of those tables that there are."""
        dataset = bigquery.DatasetReference(self.inside[0], schema)
        found = []
        for name in dict.fromkeys(names):
            with suppress(NotFound):
                table = self._jobs.answer(self._client.get_table, dataset.table(name))
                found += [(table.table_id, field.name, _type_name(field)) for field in table.schema]
        return found

    def _datasets(self, schema: str) -> list[tuple[Any, ...]]:
        with suppress(NotFound):
            return [(self._jobs.answer(self._client.get_dataset, schema).dataset_id,)]
        return []

    def _begin(self) -> None:
        """Begin a transaction; in a new session where the one at hand has ended, as it does after a day without work."""
        at_hand = self._session is not None
        try:
            self._done("BEGIN TRANSACTION", (), session=self._session_id())
        except (JobFailedError, GoogleAPICallError):
            if not at_hand:
                raise
            self._session = None
            self._done("BEGIN TRANSACTION", (), session=self._session_id())
        self._writing = True

    def _session_id(self) -> str:
        if self._session is None:
            begin = partial(self._client.query, "SELECT 1", bigquery.QueryJobConfig(create_session=True), **_ONCE)
            self._session = self._jobs.done(begin, repeatable=True).session_info.session_id
        return str(self._session)

    def _done(
        self, text: str, parameters: Sequence[Any], *, session: str | None = None, repeatable: bool = False
    ) -> Any:
        """The job of a statement that has come to a good end."""
        config = _config(parameters, session)
        return self._jobs.done(partial(self._client.query, _named(text), config, **_ONCE), repeatable=repeatable)

    def _abandon(self) -> None:
        """Undo what was written; where that can't be said, end the session, which undoes it too."""
        if self._writing:
            try:
                self._at_last("ROLLBACK TRANSACTION")
            except _FAILURES:
                self._end_session()
            self._writing = False

    def _end_session(self) -> None:
        if self._session is not None:
            with suppress(*_FAILURES):
                self._at_last("CALL BQ.ABORT_SESSION()")
            self._session = None

    def _at_last(self, text: str) -> None:
        """A statement of the session on which nothing depends but what others have to wait for; asked for once."""
        limits = _ONCE | {"timeout": LAST_REQUEST_SECONDS}
        self._client.query(text, _config((), self._session), location=self._jobs.location, **limits).result(**limits)


def _named(text: str) -> str:
    """A statement with its parameters as BigQuery names them."""
    return _PARAMETER.sub(r"@p\1", text)


def _config(parameters: Sequence[Any], session: str | None) -> bigquery.QueryJobConfig:
    return bigquery.QueryJobConfig(
        query_parameters=[
            bigquery.ScalarQueryParameter(f"p{place}", _PARAMETER_TYPES[type(value)], value)
            for place, value in enumerate(parameters, 1)
        ],
        connection_properties=[bigquery.ConnectionProperty("session_id", session)] if session else [],
    )


def _type_name(field: bigquery.SchemaField) -> str:
    """The type of a column as SQL writes it."""
    name = _TYPE_NAMES.get(field.field_type, field.field_type)
    if field.mode == "REPEATED":
        return f"ARRAY<{name}>"
    if field.precision is not None:
        return f"{name}({field.precision},{field.scale or 0})"
    return name if field.max_length is None else f"{name}({field.max_length})"
