"""A database of MotherDuck as the warehouse: DuckDB in this process, with tables in MotherDuck's cloud.

Looker reads it by MotherDuck's PostgreSQL endpoint (motherduck.com/docs/integrations/bi-tools/looker).
"""

from __future__ import annotations

from functools import partial
from urllib.parse import parse_qs, urlsplit

import duckdb
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR

from target_looker_warehouse.dialects.duckdb import MOTHERDUCK
from target_looker_warehouse.warehouses.connection import Address
from target_looker_warehouse.warehouses.duckdb_file import DuckDB, first_line

_TOKEN = "motherduck_token"  # noqa: S105 - the name of a parameter
_EXTENSION = "motherduck"


def address(warehouse_url: str, staging_url: str | None = None) -> Address:
    """What ``md:database?motherduck_token=...`` means.

    Raises:
        ConfigError: it names no database, or nobody's token.
    """
    del staging_url  # rows go from this process's memory
    parts = urlsplit(warehouse_url)
    database, given = parts.path, parse_qs(parts.query)
    token = given.pop(_TOKEN, [""])[-1]
    REDACTOR.register(token)
    if not database or "/" in database or given:
        raise ConfigError(
            f"Setting 'warehouse_url' is no MotherDuck address. Write md:database?{_TOKEN}=..., with nothing else in it."
        )
    if not token:
        raise ConfigError(
            f"Setting 'warehouse_url' names the MotherDuck database {database!r} and no token. Write "
            f"md:{database}?{_TOKEN}=... into an environment variable or the vault, and env:NAME or vault:NAME here."
        )
    return Address(f"md:{database}", partial(MotherDuck, database, token))


class MotherDuck(DuckDB):
    """A connection to a database of MotherDuck. Nothing keeps a second run off a stream's table.

    Raises:
        ConfigError: DuckDB's extension for MotherDuck isn't installed, or there is no such database or token.
    """

    dialect = MOTHERDUCK

    def __init__(self, database: str, token: str) -> None:
        super().__init__(_opened(database, token), database, f"MotherDuck database {database}")


def _opened(database: str, token: str) -> duckdb.DuckDBPyConnection:
    try:
        with duckdb.connect(config={"autoinstall_known_extensions": False}) as local:
            local.load_extension(_EXTENSION)
    except duckdb.Error as error:
        raise ConfigError(
            f"Setting 'warehouse_url' names MotherDuck, and DuckDB's extension for it can't be loaded: {first_line(error)} "
            f"Install it where the network is open: python -c \"import duckdb; duckdb.connect().install_extension('motherduck')\""
        ) from None
    try:
        return duckdb.connect(f"md:{database}", config={_TOKEN: token})
    except duckdb.Error as error:
        raise ConfigError(
            f"The MotherDuck database {database!r} can't be used: {REDACTOR.redact(first_line(error))} Check the database and "
            f"the token in warehouse_url, then run again. Nothing was sent."
        ) from None
