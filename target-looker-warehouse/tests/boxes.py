"""A warehouse for one test: fed in this process, and looked at by a connection that isn't ours."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from abc import ABC, abstractmethod
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.ledger.runs import Ledger
from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.dialects.postgresql import POSTGRESQL
from target_looker_warehouse.loads import LOADS
from target_looker_warehouse.target import TargetLookerWarehouse
from target_looker_warehouse.views.upkeep import OWN_VIEWS
from target_looker_warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ifs_bi_core.errors import ExitCode
    from target_looker_warehouse.dialects.facts import Dialect


def canonical(text: str) -> str:
    """JSON with sorted keys and every digit: what a warehouse may do with spaces and order is its own matter."""
    read = json.loads(text, parse_float=lambda digits: f"#{digits}#")
    return re.sub(r'"#|#"', "", json.dumps(read, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


class Box(ABC):
    """One warehouse and the ways to load and to look at it."""

    COMMAND = Path(sys.executable).parent / "target-looker-warehouse"
    dialect: Dialect
    main: str
    """The schema where tables are, if nobody says so."""
    json_types: frozenset[str] = frozenset({"JSON", "json", "jsonb"})
    """The warehouse's names of types whose texts are JSON."""

    def __init__(self, folder: Path, warehouse_url: str) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.config: dict[str, Any] = {"warehouse_url": warehouse_url, "state_dir": str(self.state_dir)}

    @abstractmethod
    def query(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What a statement answers; its parameters are $1, $2 ..."""

    @abstractmethod
    def run(self, text: str) -> None:
        """Run somebody else's statement."""

    def target(self, **config: Any) -> TargetLookerWarehouse:
        return TargetLookerWarehouse(config=self.config | config)

    def warehouse(self) -> Warehouse:
        return Warehouse(check_address(self.config["warehouse_url"]).open(), None)

    def feed(self, *lines: str, **config: Any) -> ExitCode:
        """Run the target over the lines; the exit code of the command."""
        target = self.target(**config)
        try:
            with target.account.closing(target.exit_code):
                target.listen(io.BytesIO("".join(line + "\n" for line in lines).encode()))
            return target.exit_code()
        finally:
            target.close()

    def command(self, *lines: str, **config: Any) -> subprocess.CompletedProcess[str]:
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.config | config))
        given = "".join(line + "\n" for line in lines)
        return subprocess.run(
            [self.COMMAND, "--config", path], input=given, capture_output=True, text=True, check=False
        )

    def types(self, table: str, schema: str | None = None) -> dict[str, str]:
        """The columns of a table with the warehouse's names of their types."""
        found = self.query(self.dialect.columns_of_tables, schema or self.main, table, table)
        return {column: type_name for name, column, type_name in found if name == table}

    def tables(self) -> list[str]:
        """Those of the streams, in all schemas: the tables of loads and views are left out."""
        return [name for name in self.all_tables() if name.casefold() not in {LOADS, OWN_VIEWS}]

    def all_tables(self) -> list[str]:
        """The names of the tables in all schemas but the system's, in order."""
        found = self.query(
            "SELECT CAST(table_name AS VARCHAR) FROM information_schema.tables "
            "WHERE table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY 1"
        )
        return [name for (name,) in found]

    def place(self, table: str, schema: str | None = None) -> str:
        """A table as SQL text."""
        return self.dialect.qualified(schema or self.main, table)

    def shown(self, column: str, type_name: str) -> str:
        """The SQL that shows a value as text: timestamps like ``2024-01-01 00:00:00.5+00``, booleans as ``true``."""
        del type_name
        return f"CAST({self.dialect.quoted(column)} AS VARCHAR)"

    def rows(self, table: str, schema: str | None = None) -> list[dict[str, str]]:
        """The rows in the order of their text; values as text, nulls left out."""
        columns = self.types(table, schema)
        texts = ", ".join(self.shown(column, type_name) for column, type_name in columns.items())
        found = self.query(f"SELECT {texts} FROM {self.place(table, schema)}")
        rows = (
            {
                name: canonical(value) if kind in self.json_types else value
                for (name, kind), value in zip(columns.items(), row, strict=True)
                if value is not None
            }
            for row in found
        )
        return sorted(rows, key=repr)

    def loads(self, schema: str | None = None) -> list[dict[str, Any]]:
        """The rows of the table of loads, in the order of the batches' names; times are left out."""
        told = ["stream", "batch", "run", "rows", "bytes"]
        names = ", ".join(self.dialect.quoted(self.dialect.cased(name)) for name in told)
        place = self.place(self.dialect.cased(LOADS), schema)
        return [dict(zip(told, row, strict=True)) for row in self.query(f"SELECT {names} FROM {place} ORDER BY 2, 1")]

    def dead(self) -> list[tuple[str | None, str]]:
        """Key and reason of every dead letter's rows."""
        letters = DeadLetters(self.state_dir)
        rows = [row for letter in letters.letters() for row in letters.details(letter.id)]
        return [(row.key, row.reason) for row in rows]

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The ledger of the runs so far."""
        with closing(Ledger.open(None, self.state_dir)) as opened:
            yield opened


class DuckDbBox(Box):
    """A DuckDB file in a folder of its own."""

    dialect = DUCKDB
    main = "main"

    def __init__(self, folder: Path) -> None:
        self.file = folder / "warehouse.duckdb"
        super().__init__(folder, f"duckdb:///{self.file}")

    def query(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.file, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(text, parameters).fetchall()

    def run(self, text: str) -> None:
        with duckdb.connect(self.file) as connection:
            connection.execute(text)


class PostgresBox(Box):
    """A PostgreSQL database of its own."""

    dialect = POSTGRESQL
    main = "public"

    def __init__(self, folder: Path, warehouse_url: str) -> None:
        super().__init__(folder, warehouse_url)
        self.url = warehouse_url

    def query(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, cursor_factory=psycopg.RawCursor, options="-c TimeZone=UTC") as connection:
            return connection.execute(text.encode(), parameters or None).fetchall()

    def run(self, text: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(text.encode())
