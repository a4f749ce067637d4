"""Tables of incoming rows in BigQuery: filled by load jobs, read by the statements of one transaction, and removed behind it.

They are made and removed by requests that cost nothing and that no quota of jobs knows. BigQuery itself removes those that nobody
has removed, after a day.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from google.cloud import bigquery

from target_looker_warehouse.dialects.bigquery import BIGQUERY
from target_looker_warehouse.warehouses.bigquery_errors import ERRORS
from target_looker_warehouse.warehouses.bigquery_jobs import REQUEST_TIMEOUT_SECONDS
from target_looker_warehouse.warehouses.parquet_file import write_parquet

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from target_looker_warehouse.warehouses.bigquery_jobs import Jobs

INCOMING = "_ifs_incoming_"
"""How their names begin; what follows tells whose rows they bring."""
LASTS = timedelta(days=1)
"""When BigQuery removes one by itself: no sooner than the session that may still hold a table locked."""
LAST_REQUEST_SECONDS = 10
"""How long a request may take on which nothing depends any more."""

_LOAD: dict[str, Any] = {
    "source_format": "PARQUET",
    "create_disposition": "CREATE_NEVER",
    "write_disposition": "WRITE_EMPTY",  # rows that are there already are not put in again, whatever was sent twice
    "decimal_target_types": [
        "NUMERIC",
        "BIGNUMERIC",
    ],  # without them, a decimal that is too large for NUMERIC is refused
}


class IncomingTables:
    """Those of one run.

    Args:
        client: Google's.
        jobs: that are begun with it.
        end: ends a session of an earlier run.
    """

    def __init__(self, client: bigquery.Client, jobs: Jobs, end: Callable[[str], None]) -> None:
        self._client = client
        self._jobs = jobs
        self._end = end
        self._run = secrets.token_hex(4)
        self._made: list[bigquery.TableReference] = []
        self._number = 0
        self._left: dict[str, dict[str, list[bigquery.TableReference]]] = {}

    def holding(self, rows: pa.Table, like: bigquery.TableReference, session: str) -> bigquery.TableReference:
        """A new table with these rows.

        Args:
            rows: with some of the columns of ``like``.
            like: the table for which they come; theirs has the same types.
            session: of the transaction that will read them.
        """
        whose = f"{INCOMING}{hashlib.sha256(like.table_id.encode()).hexdigest()[:8]}_"
        self._end_earlier(like, whose)
        fields = {
            BIGQUERY.folded(field.name): field for field in self._jobs.answer(self._client.get_table, like).schema
        }
        self._number += 1
        table = bigquery.Table(
            bigquery.TableReference(
                bigquery.DatasetReference(like.project, like.dataset_id), f"{whose}{self._run}_{self._number}"
            ),
            [_field(name, fields[BIGQUERY.folded(name)]) for name in rows.column_names],
        )
        table.expires = datetime.now(UTC) + LASTS
        table.description = session
        self._jobs.answer(self._client.create_table, table, exists_ok=True)
        self._made.append(table.reference)
        self._load(rows, table)
        reference: bigquery.TableReference = table.reference
        return reference

    def remove(self) -> None:
        """Remove all that were made."""
        while self._made:
            self._remove(self._made.pop())

    def _load(self, rows: pa.Table, table: bigquery.Table) -> None:
        config = bigquery.LoadJobConfig(schema=table.schema, **_LOAD)
        with tempfile.TemporaryFile() as file:
            write_parquet(rows, file)
            begin = partial(
                self._client.load_table_from_file,
                file,
                table.reference,
                rewind=True,
                num_retries=0,
                job_config=config,
                timeout=REQUEST_TIMEOUT_SECONDS,
            )
            self._jobs.done(begin, repeatable=True)

    def _end_earlier(self, like: bigquery.TableReference, whose: str) -> None:
        """End what an earlier run began with the same table, and died before it was ended."""
        if like.dataset_id not in self._left:
            listed = partial(
                self._client.list_tables,
                f"{like.project}.{like.dataset_id}",
                retry=None,  # type: ignore[arg-type]  # its signature leaves out what its documentation allows
                timeout=REQUEST_TIMEOUT_SECONDS,
            )
            left: dict[str, list[bigquery.TableReference]] = defaultdict(list)
            for found in self._jobs.asked(lambda: list(listed())):
                if found.table_id.startswith(INCOMING):
                    left[found.table_id[: len(whose)]].append(found.reference)
            self._left[like.dataset_id] = left
        for table in self._left[like.dataset_id].pop(whose, ()):
            with suppress(*ERRORS):  # it expired in this moment
                self._end(self._jobs.answer(self._client.get_table, table).description or "")
            self._remove(table)

    def _remove(self, table: bigquery.TableReference) -> None:
        with suppress(*ERRORS):  # it expires
            self._client.delete_table(
                table,
                not_found_ok=True,
                retry=None,  # type: ignore[arg-type]  # as above
                timeout=LAST_REQUEST_SECONDS,
            )


def _field(name: str, like: bigquery.SchemaField) -> bigquery.SchemaField:
    """A column of the same type that may be null."""
    if like.precision is None:
        return bigquery.SchemaField(name, like.field_type)
    return bigquery.SchemaField(name, like.field_type, precision=like.precision, scale=like.scale or 0)
