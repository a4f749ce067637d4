"""The two places that the pipes lead to, each as a DuckDB connection in which what the figures read has its own name.

What differs between the places ends here: the warehouse is a file in which views count the present rows, Power BI a service that
holds these rows in column types of its own.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import requests

from ifs_bi_sandbox.demo.errors import DemoError
from ifs_bi_sandbox.demo.figures import FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from duckdb import DuckDBPyConnection

COMPANIES = "companies"
TABLES = (
    COMPANIES,
    "suppliers",
    "purchase_orders",
    "purchase_order_lines",
    "ledger_items",
    "gl_voucher_rows",
    "gl_accounts",
    "code_part_values",
)
"""The streams that the figures read, and the names of companies."""

VIEWS = tuple(figure.view for figure in FIGURES)
"""The views that the figures read where there are some."""

DELETED_AT = "_sdc_deleted_at"
"""Column of a Singer target's table that says since when a row is gone at the source; null: it is there."""

POWER_BI_TYPES = {
    "Int64": "BIGINT",
    "Double": "DOUBLE",
    "Decimal": "DECIMAL(28, 4)",  # Power BI's Decimal: 28 digits, four of them behind the point
    "Boolean": "BOOLEAN",
    "DateTime": "TIMESTAMP",
    "String": "VARCHAR",
}
"""What holds the values of each data type of a push dataset exactly."""

TIMEOUT = 60  # seconds for an answer of the control endpoint


class Control:
    """A client of the sandbox's control endpoint at ``url``."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of this machine knows nothing of a server in this process

    def day_of_business(self, seed: int) -> dict[str, int]:
        """Change the source as a day of business does; gives how often each thing happened."""
        done: dict[str, int] = self._answer("POST", "/day", {"seed": seed}).json()
        return done

    def datasets(self) -> list[dict[str, Any]]:
        """What Power BI holds."""
        known: list[dict[str, Any]] = self._answer("GET", "/powerbi/datasets").json()
        return known

    def rows(self, dataset: str, table: str) -> bytes:
        """The rows of one of its tables as JSON text, decimals as strings."""
        return self._answer("GET", f"/powerbi/datasets/{dataset}/tables/{table}/rows").content

    def looker_calls(self) -> list[dict[str, Any]]:
        """The calls that Looker answered so far."""
        known: list[dict[str, Any]] = self._answer("GET", "/looker/calls").json()
        return known

    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> requests.Response:
        answer = self._session.request(method, f"{self._url}{path}", json=body, timeout=TIMEOUT)
        if not answer.ok:
            raise DemoError(f"the sandbox's control endpoint answered {answer.status_code} to {path}: {answer.text}")
        return answer


@contextmanager
def warehouse(file: Path) -> Iterator[DuckDBPyConnection]:
    """The views of a warehouse file, and its companies but those that are marked as deleted. The file is read, never written.

    Raises:
        DemoError: there is no such file, or the table or a view is missing.
    """
    if not file.is_file():
        raise DemoError(f"the pipe left no warehouse at {file}")
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{_escaped(file)}' AS warehouse (READ_ONLY)")
        found = connection.execute(
            "SELECT table_name, list(column_name) FROM duckdb_columns() "
            "WHERE database_name = 'warehouse' AND schema_name = 'main' GROUP BY table_name"
        ).fetchall()
        columns = _complete(dict(found), (COMPANIES, *VIEWS), f"the warehouse {file.name}")
        for table in (COMPANIES, *VIEWS):
            live = f'WHERE "{DELETED_AT}" IS NULL' if DELETED_AT in columns[table] else ""
            connection.execute(f'CREATE VIEW "{table}" AS SELECT * FROM warehouse.main."{table}" {live}')  # noqa: S608 - our own names
        yield connection


@contextmanager
def power_bi(control: Control, dataset_name: str) -> Iterator[DuckDBPyConnection]:
    """The tables of a push dataset, copied with every digit.

    Raises:
        DemoError: there is no such dataset, or a table is missing.
    """
    named = [dataset for dataset in control.datasets() if dataset["name"] == dataset_name]
    if len(named) != 1:
        raise DemoError(f"Power BI holds {len(named)} datasets of the name {dataset_name!r}, not one")
    held = {table["name"]: table["columns"] for table in named[0]["tables"]}
    columns = _complete(held, TABLES, f"the dataset {dataset_name!r}")
    with duckdb.connect() as connection, tempfile.TemporaryDirectory(prefix="ifs-bi-demo-") as folder:
        for table in TABLES:
            rows = Path(folder) / f"{table}.json"
            rows.write_bytes(control.rows(named[0]["id"], table))
            copy_rows(connection, table, rows, columns[table])
        yield connection


def copy_rows(connection: DuckDBPyConnection, table: str, rows: Path, columns: Mapping[str, str]) -> None:
    """Make a table of a JSON file with an array of rows; ``columns`` has Power BI's data type of each.

    Every value is read as text first: JSON readers make floats of numbers.
    """
    as_text = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in columns)
    typed = ", ".join(
        f"CAST({_quoted(name)} AS {POWER_BI_TYPES[kind]}) AS {_quoted(name)}" for name, kind in columns.items()
    )
    source = f"read_json('{_escaped(rows)}', format = 'array', columns = {{{as_text}}})"
    connection.execute(f"CREATE TABLE {_quoted(table)} AS SELECT {typed} FROM {source}")  # noqa: S608 - names are quoted


def _complete(columns: dict[str, Any], tables: Sequence[str], where: str) -> dict[str, Any]:
    missing = [table for table in tables if table not in columns]
    if missing:
        raise DemoError(f"{where} has no table {', '.join(missing)}; it has {', '.join(sorted(columns)) or 'none'}")
    return columns


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _escaped(file: Path) -> str:
    return str(file).replace("'", "''")
