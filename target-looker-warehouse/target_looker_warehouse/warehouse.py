"""What a warehouse must be able to do for this target, and which one an address means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from ifs_bi_core.errors import ConfigError

from target_looker_warehouse.duckdb_file import DuckDbFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pyarrow as pa

    from target_looker_warehouse.rounds import Round
    from target_looker_warehouse.tables import ExistingTables, Mark, Plan, Table

_DUCKDB = "duckdb:///"
_LATER = {
    "md": "MotherDuck",
    "postgresql": "PostgreSQL",
    "postgres": "PostgreSQL",
    "snowflake": "Snowflake",
    "bigquery": "BigQuery",
    "redshift": "Amazon Redshift",
}
"""Schemes that the settings know and this version can't serve yet."""


class Warehouse(Protocol):
    """One open warehouse. What a method does to rows is one transaction: done when it returns, undone when it raises.

    Raises:
        IfsBiError: the warehouse could not do it; the message says what and where.
    """

    def existing(self, name: str) -> ExistingTables:
        """The tables whose names may be meant by ``name``: in other case, or suffixed. One statement."""

    def shape(self, plan: Plan) -> None:
        """Make the table of the plan, or add and widen its columns."""

    def append(self, table: Table, rows: pa.Table, mark: Mark | None) -> int:
        """Add rows. None of them is older than what the warehouse holds: 0."""

    def merge(self, table: Table, rounds: Sequence[Round], mark: Mark | None, *, hard_delete: bool) -> int:
        """Apply the rounds one after another; with ``hard_delete`` rows that are gone at the source are removed, else marked.

        Returns:
            How many rows were older than what the warehouse holds, and left aside.

        Raises:
            BatchRefusedError: the table does not take them, for good.
        """

    def mark(self, stream: str) -> Mark | None:
        """How far the stream has come; None where that was never told."""

    def retire(self, table: Table, version: int, *, at: datetime | None) -> None:
        """Mark the rows that the full refresh ``version`` didn't carry as deleted ``at`` a time; without one, remove them."""

    def start_over(self, table: Table) -> None:
        """Make the table anew, empty; until `replace` it is dropped when the warehouse is closed."""

    def replace(self, table: Table, incoming: Table, mark: Mark | None) -> None:
        """Put ``incoming`` in the place of ``table``; a reader sees the one or the other."""

    def close(self) -> None:
        """Give everything back. Closing twice does no harm."""


def check_address(warehouse_url: str) -> Path:
    """The database file that the address means.

    Args:
        warehouse_url: ``duckdb:///file.duckdb`` relative to the working folder, or ``duckdb:////folder/file.duckdb``.

    Raises:
        ConfigError: it names another warehouse, none at all, or a folder that isn't there.
    """
    scheme = urlsplit(warehouse_url).scheme
    if scheme in _LATER:
        raise ConfigError(
            f"Setting 'warehouse_url' names {_LATER[scheme]}, which isn't supported by this version yet. "
            f"Use a DuckDB file, for example duckdb:///warehouse.duckdb."
        )
    path = warehouse_url.removeprefix(_DUCKDB)
    if path == warehouse_url or not path.strip("/") or path == ":memory:":
        shown = warehouse_url if scheme == "duckdb" else f"an address with the scheme {scheme!r}"
        raise ConfigError(
            f"Setting 'warehouse_url' is {shown}, which names no warehouse. Write duckdb:///file.duckdb for a file in the "
            f"working folder, or duckdb:////folder/file.duckdb with four slashes for any other."
        )
    file = Path(path)
    if not file.absolute().parent.is_dir():
        raise ConfigError(
            f"Setting 'warehouse_url' is {warehouse_url}, but there is no folder {file.absolute().parent}. "
            f"Make it, or name another one."
        )
    return file


def connect(warehouse_url: str, schema: str | None) -> Warehouse:
    """Open the warehouse of that address.

    Args:
        warehouse_url: see `check_address`.
        schema: where tables are; the warehouse's main schema if there is none. It is created if absent.

    Raises:
        ConfigError: the address is wrong, or what it names can't be opened as a warehouse.
        IfsBiError: somebody else holds the warehouse now.
    """
    return DuckDbFile(check_address(warehouse_url), schema)
