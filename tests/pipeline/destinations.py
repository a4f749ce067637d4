"""A warehouse that the command of our target loads, as a user runs it, and that is looked at by a connection that isn't ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psycopg

JSON_TYPES = {"JSON", "json", "jsonb"}
OURS = {"_ifs_loads", "_ifs_views"}
"""Tables that are no stream's."""


def exact(text: str) -> Any:
    """JSON with every digit."""
    return json.loads(text, parse_float=Decimal)


def quoted(name: str) -> str:
    """An identifier as SQL text."""
    return f'"{name.replace(chr(34), chr(34) * 2)}"'


def ordered(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in an order that says nothing of where they came from."""
    return sorted(rows, key=lambda row: repr(sorted(row.items())))


@dataclass
class Warehouse:
    """A folder of its own for configuration and state, and the address of a warehouse."""

    folder: Path
    url: str
    run: Callable[..., Any]

    @classmethod
    def in_duckdb(cls, folder: Path, run: Callable[..., Any]) -> Warehouse:
        """A new DuckDB file in a new folder."""
        folder.mkdir()
        return cls(folder, f"duckdb:///{folder}/warehouse.duckdb", run)

    @classmethod
    def in_postgresql(cls, folder: Path, run: Callable[..., Any], url: str) -> Warehouse:
        """A database of PostgreSQL, with a new folder."""
        folder.mkdir()
        return cls(folder, url, run)

    def load(self, lines: bytes, **settings: Any) -> Any:
        """Feed lines into the warehouse; how the command ended."""
        config = self.folder / "config.json"
        config.write_text(json.dumps({"warehouse_url": self.url} | settings))
        return self.run("target-looker-warehouse", "--config", config, given=lines, cwd=self.folder)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """What the warehouse answers; moments are in UTC."""
        if self.url.startswith("duckdb:"):
            file = self.url.removeprefix("duckdb:///")
            with duckdb.connect(file, read_only=True) as connection:
                connection.execute("SET TimeZone = 'UTC'")
                return connection.execute(statement).fetchall()
        with closing(psycopg.connect(self.url, options="-c TimeZone=UTC")) as connection:
            return connection.execute(statement.encode()).fetchall()

    def tables(self) -> list[str]:
        """The names of the streams' tables."""
        main = "('main', 'public')"
        kept = "table_type = 'BASE TABLE'"
        found = self.query(
            f"SELECT table_name FROM information_schema.tables WHERE table_schema IN {main} AND {kept} ORDER BY 1"
        )
        return [name for (name,) in found if name not in OURS]

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table in order, values as text or, where they are JSON, parsed; nulls are left out."""
        columns = self.query(
            f"SELECT column_name, data_type FROM information_schema.columns WHERE table_name = '{table}' ORDER BY 1"
        )
        texts = ", ".join(f"CAST({quoted(name)} AS VARCHAR)" for name, _ in columns)
        rows = (
            {
                name: exact(text) if kind in JSON_TYPES else text
                for (name, kind), text in zip(columns, row, strict=True)
                if text is not None
            }
            for row in self.query(f"SELECT {texts} FROM {quoted(table)}")
        )
        return ordered(rows)
