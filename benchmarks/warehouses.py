"""Where targets load to, each in a folder of its own: a DuckDB file, a database in a PostgreSQL of the bench's own, plain files.

PostgreSQL is the server that the tests use: version and defaults as in its wheel, without fsync, the same for everybody.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import duckdb
from fingerprints import COLUMNS, Fingerprint, fingerprint_sql, found, of_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    import psycopg

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from postgres import Postgres

TABLE = "order_lines"


@dataclass(frozen=True)
class Place:
    """Where one target loads to.

    Attributes:
        folder: the command runs there, so that what it keeps beside the data lies there too.
        database: its name, where the warehouse is a server.
        port: of that server.
    """

    folder: Path
    database: str = ""
    port: int = 0
    password: ClassVar[str] = Postgres.password

    @property
    def file(self) -> Path:
        """The DuckDB file."""
        return self.folder / "bench.duckdb"

    @property
    def address(self) -> str:
        """What leads to it, as a URL."""
        if self.database:
            return f"postgresql://team:{Postgres.escaped}@127.0.0.1:{self.port}/{self.database}"
        return f"duckdb:///{self.file}"


class Warehouse(Protocol):
    """What a case needs of a warehouse."""

    def new(self, folder: Path) -> Place:
        """An empty place."""

    def copy(self, place: Place, folder: Path) -> Place:
        """The same once more."""

    def drop(self, place: Place) -> None:
        """Let go of it."""

    def fill(self, place: Place, csv: Path) -> None:
        """Add rows to the table that a target made, faster than the target would."""

    def fingerprint(self, place: Place) -> Fingerprint:
        """Of the table."""

    def cpu_seconds(self) -> float:
        """That the server has spent so far."""


def columns_of(rows: Iterable[tuple[str]]) -> dict[str, str]:
    """The compared columns as a table spells them, quoted."""
    there = {name.lower(): f'"{name}"' for (name,) in rows}
    return {name: there[name.lower()] for name in COLUMNS}


class DuckDB:
    """Files of DuckDB."""

    def new(self, folder: Path) -> Place:
        """An empty place."""
        return Place(folder)

    def copy(self, place: Place, folder: Path) -> Place:
        """The same once more."""
        shutil.copytree(place.folder, folder, dirs_exist_ok=True)
        return Place(folder)

    def drop(self, place: Place) -> None:
        """Let go of it."""
        shutil.rmtree(place.folder)

    def fill(self, place: Place, csv: Path) -> None:
        """Add rows to the table that a target made, faster than the target would."""
        with duckdb.connect(str(place.file)) as connection:
            names = ", ".join(self._columns(connection).values())
            connection.execute(f"INSERT INTO {TABLE} ({names}) FROM read_csv('{csv}', all_varchar=true, header=false)")

    def fingerprint(self, place: Place) -> Fingerprint:
        """Of the table."""
        with duckdb.connect(str(place.file), read_only=True) as connection:
            return found(connection.execute(fingerprint_sql("duckdb", self._columns(connection), TABLE)).fetchone())

    def cpu_seconds(self) -> float:
        """There is no server."""
        return 0.0

    @staticmethod
    def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
        asked = "SELECT column_name FROM duckdb_columns() WHERE table_name = ?"
        return columns_of(connection.execute(asked, [TABLE]).fetchall())


class PostgreSQL:
    """Databases of one server."""

    def __init__(self, server: Postgres) -> None:
        self.server = server

    def new(self, folder: Path) -> Place:
        """An empty place."""
        return Place(folder, self.server.database(), self.server.port)

    def copy(self, place: Place, folder: Path) -> Place:
        """The same once more."""
        shutil.copytree(place.folder, folder, dirs_exist_ok=True)
        name = f"{place.database}_{folder.name}".replace("-", "_")
        with self.server.admin() as admin:
            admin.execute(f"CREATE DATABASE {name} OWNER team TEMPLATE {place.database}")
        return Place(folder, name, place.port)

    def drop(self, place: Place) -> None:
        """Let go of it."""
        shutil.rmtree(place.folder)
        with self.server.admin() as admin:
            admin.execute(f"DROP DATABASE {place.database} WITH (FORCE)")
            admin.execute("CHECKPOINT")

    def fill(self, place: Place, csv: Path) -> None:
        """Add rows to the table that a target made, faster than the target would."""
        with self._open(place) as connection:
            names = ", ".join(self._columns(connection).values())
            with csv.open("rb") as rows, connection.cursor().copy(f"COPY {TABLE} ({names}) FROM STDIN CSV") as copy:
                while block := rows.read(1 << 20):
                    copy.write(block)
        with self._open(place) as connection:
            connection.execute(f"VACUUM ANALYZE {TABLE}")

    def fingerprint(self, place: Place) -> Fingerprint:
        """Of the table."""
        with self._open(place) as connection:
            return found(connection.execute(fingerprint_sql("postgresql", self._columns(connection), TABLE)).fetchone())

    def cpu_seconds(self) -> float:
        """Of the server with all its processes, those that ended too."""
        return float(self.server.cpu_seconds())

    def _open(self, place: Place) -> psycopg.Connection[tuple[str]]:
        connection = self.server.admin(place.database)
        connection.execute("SET timezone = 'UTC'")
        return connection

    @staticmethod
    def _columns(connection: psycopg.Connection[tuple[str]]) -> dict[str, str]:
        asked = "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
        return columns_of(connection.execute(asked, [TABLE]).fetchall())


class Files(DuckDB):
    """A folder with a file of records."""

    def fingerprint(self, place: Place) -> Fingerprint:
        """Of the one file."""
        (file,) = place.folder.glob(f"{TABLE}*.jsonl")
        return of_lines(file, record="")
