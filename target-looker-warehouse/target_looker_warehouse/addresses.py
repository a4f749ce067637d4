"""Which warehouse an address means, and how it is opened."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ifs_bi_core.errors import ConfigError

from target_looker_warehouse.duckdb_file import DuckDbFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_looker_warehouse.connection import Connection

_DUCKDB = "duckdb:///"
_LATER = {
    "md": "MotherDuck",
    "snowflake": "Snowflake",
    "bigquery": "BigQuery",
    "redshift": "Amazon Redshift",
}
"""Schemes that the settings know and this version can't serve yet."""


class Address(NamedTuple):
    """A warehouse that can be opened.

    Attributes:
        destination: the warehouse without secrets: the same text for the same place in every run.
        open: connects to it.
    """

    destination: str
    open: Callable[[], Connection]


def check_address(warehouse_url: str) -> Address:
    """What an address means; nothing is opened.

    Args:
        warehouse_url: ``duckdb:///file.duckdb`` relative to the working folder, ``duckdb:////folder/file.duckdb``, or
            ``postgresql://user:password@host:5432/database``.

    Raises:
        ConfigError: it names another warehouse, none at all, or a folder that isn't there, or the warehouse's driver isn't
            installed.
    """
    scheme = warehouse_url.partition(":")[0] if ":" in warehouse_url else ""
    if scheme in _LATER:
        raise ConfigError(
            f"Setting 'warehouse_url' names {_LATER[scheme]}, which isn't supported by this version yet. Use PostgreSQL, for "
            f"example postgresql://user:password@host/database, or a DuckDB file, for example duckdb:///warehouse.duckdb."
        )
    if scheme in {"postgresql", "postgres"}:
        return _postgresql(warehouse_url)
    return _duckdb_file(warehouse_url, scheme)


def _postgresql(warehouse_url: str) -> Address:
    try:
        # Here and not above: who loads another warehouse needn't have its driver.
        from target_looker_warehouse import postgresql  # noqa: PLC0415 - the reason is the line above
    except ImportError as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"Setting 'warehouse_url' is a PostgreSQL address, and its driver can't be loaded ({reason}). Install it: "
            f"pip install 'target-looker-warehouse[postgresql]'."
        ) from None
    found = postgresql.parameters(warehouse_url)
    return Address(postgresql.destination(found), partial(postgresql.PostgreSQL, found))


def _duckdb_file(warehouse_url: str, scheme: str) -> Address:
    path = warehouse_url.removeprefix(_DUCKDB)
    if path == warehouse_url or not path.strip("/") or path == ":memory:":
        shown = warehouse_url if scheme == "duckdb" else f"an address with the scheme {scheme!r}"
        raise ConfigError(
            f"Setting 'warehouse_url' is {shown}, which names no warehouse. Write duckdb:///file.duckdb for a file in the "
            f"working folder, duckdb:////folder/file.duckdb with four slashes for any other, or "
            f"postgresql://user:password@host/database."
        )
    file = Path(path)
    if not file.absolute().parent.is_dir():
        raise ConfigError(
            f"Setting 'warehouse_url' is {warehouse_url}, but there is no folder {file.absolute().parent}. "
            f"Make it, or name another one."
        )
    return Address(f"duckdb:///{file.absolute()}", partial(DuckDbFile, file))
