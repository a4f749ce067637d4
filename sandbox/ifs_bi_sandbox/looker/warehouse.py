"""The warehouse behind the stand-in's connection: a DuckDB file or a PostgreSQL database, which is only ever read."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import duckdb


class WarehouseError(Exception):
    """The database can't be asked, or refuses the query; with its own words."""


def run(address: str | None, sql: str) -> list[dict[str, Any]]:
    """The rows of a query's answer, by column.

    Args:
        address: ``postgresql://…``, the path of a DuckDB file, or None: the connection leads nowhere.
        sql: in the language of that database.

    Raises:
        WarehouseError: there is no answer.
    """
    if not address:
        raise WarehouseError("The connection has no database: switch looker_warehouse says which one")
    return _postgresql(address, sql) if address.startswith(("postgresql:", "postgres:")) else _duckdb(address, sql)


def _duckdb(file: str, sql: str) -> list[dict[str, Any]]:
    try:
        with duckdb.connect(file, read_only=True) as connection:
            answer = connection.execute(sql)
            names = [column[0] for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    except duckdb.Error as error:
        raise WarehouseError(str(error)) from None


def _postgresql(url: str, sql: str) -> list[dict[str, Any]]:
    import psycopg  # noqa: PLC0415 - who has a DuckDB file needs no driver

    try:
        with closing(psycopg.connect(url, connect_timeout=10)) as connection:
            connection.read_only = True
            answer = connection.execute(sql.encode())
            names = [column.name for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    except psycopg.Error as error:
        raise WarehouseError(str(error)) from None
