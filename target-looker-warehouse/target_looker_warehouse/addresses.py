"""Which warehouse an address means."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ifs_bi_core.errors import ConfigError

if TYPE_CHECKING:
    from target_looker_warehouse.warehouses.connection import Address


class Product(NamedTuple):
    """A kind of warehouse.

    Attributes:
        name: of the product.
        module: in `target_looker_warehouse.warehouses`, with a function `address` that takes what `check_address` takes.
        extra: of this package that brings its driver; empty where no extra is needed.
        example: of an address.
    """

    name: str
    module: str
    extra: str
    example: str


_FILE = "duckdb:///"
_POSTGRESQL = Product("PostgreSQL", "postgresql", "postgresql", "postgresql://user:password@host/database")

PRODUCTS = {
    "duckdb": Product("DuckDB", "duckdb_file", "", "duckdb:///file.duckdb"),
    "md": Product("MotherDuck", "motherduck", "", "md:database?motherduck_token=..."),
    "postgresql": _POSTGRESQL,
    "postgres": _POSTGRESQL,
    "snowflake": Product("Snowflake", "snowflake", "snowflake", "snowflake://user:password@account/database"),
    "bigquery": Product("BigQuery", "bigquery", "bigquery", "bigquery://project/dataset"),
    "redshift": Product("Amazon Redshift", "redshift", "redshift", "redshift://user:password@host/database"),
}
"""By the scheme of their addresses."""


def check_address(warehouse_url: str, staging_url: str | None = None) -> Address:
    """What an address means; nothing is opened.

    Args:
        warehouse_url: as the setting says it.
        staging_url: where rows wait for a warehouse that fetches them, as the setting says it.

    Raises:
        ConfigError: it names no warehouse, it is malformed, or the warehouse's driver isn't installed.
    """
    scheme, colon, _ = warehouse_url.partition(":")
    product = PRODUCTS.get(scheme) if colon else None
    if product is None:
        examples = ", ".join(dict.fromkeys(known.example for known in PRODUCTS.values()))
        raise ConfigError(
            f"Setting 'warehouse_url' has the scheme {scheme if colon else ''!r}, which names no warehouse. Write an address "
            f"like one of these: {examples}."
        )
    try:
        # Here and not above: who loads another warehouse needn't have its driver.
        module = import_module(f"target_looker_warehouse.warehouses.{product.module}")
    except ImportError as error:
        reason = str(error).partition("\n")[0]
        extra = f"[{product.extra}]" if product.extra else ""
        raise ConfigError(
            f"Setting 'warehouse_url' names {product.name}, and its driver can't be loaded ({reason}). Install it: "
            f"pip install 'target-looker-warehouse{extra}'."
        ) from None
    found: Address = module.address(warehouse_url, staging_url)
    return found


def missing_file(address: Address) -> Path | None:
    """The file that would be made by opening a warehouse; None where there is nothing to make."""
    file = Path(address.destination.removeprefix(_FILE))
    return file if address.destination.startswith(_FILE) and not file.exists() else None
