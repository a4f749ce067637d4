"""A folder with a target's configuration, state and destination: looked at, kept, and brought back to how it was."""

from __future__ import annotations

import copy
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import duckdb
import psycopg
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_sandbox.fabric.replicator import apply
from ifs_bi_sandbox.servers import Sandbox
from pipeline.kills import run_target
from pipeline.recorded import BATCH_ROWS, singer

NUMBER = "_ifs_row_number"  # of a row without a key in a mirrored table; which one it gets says nothing
BATCH = "_ifs_batch"  # the request that brought a row of a push dataset; another run has other requests
SIGN = "_sign"
LOADED = "SELECT batch, rows FROM _ifs_loads"


@dataclass
class Scene:
    """A folder with a target's configuration, which can be brought back to how it was."""

    target: str
    folder: Path
    box: Sandbox

    def __post_init__(self):
        self.config = self.folder / "config.json"
        self._kept_folder = self.folder.with_name(f"{self.folder.name}-kept")

    def configure(self, **settings):
        self.folder.mkdir()
        self.config.write_text(json.dumps(settings | {"batch_size_rows": BATCH_ROWS}))

    def run(self, messages, *, kill_at=None):
        return run_target(self.target, self.config, singer(messages), kill_at=kill_at)

    def keep(self):
        shutil.copytree(self.folder, self._kept_folder)
        self._kept_datasets = copy.deepcopy(self.box.world.powerbi)

    def restore(self):
        shutil.rmtree(self.folder)
        shutil.copytree(self._kept_folder, self.folder)
        self.box.world.powerbi.clear()
        self.box.world.powerbi.update(copy.deepcopy(self._kept_datasets))

    @property
    def state_dir(self):
        return self.folder / ".ifs-bi"

    @property
    def zone(self):
        """The landing zone of a mirrored database."""
        return self.folder / "zone"

    def shown(self):
        """Every row of every table of the destination, counted."""
        if self.zone.exists():
            apply(self.zone, self.folder / "mirrored.duckdb")
            with duckdb.connect(str(self.folder / "mirrored.duckdb"), read_only=True) as connection:
                found = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'"
                return {name: rows_of(connection, name) for (name,) in connection.execute(found).fetchall()}
        if self.target == "target-powerbi":
            datasets = self.box.world.powerbi.values()
            assert len(datasets) <= 1
            return {name: counted(table) for dataset in datasets for name, table in dataset.tables.items()}
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as connection:
            names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            return {name: rows_of(connection, name) for name in names if name != "_ifs_loads"}

    def loads(self):
        """How many rows of each batch the warehouse says to have; nothing where the destination is none."""
        if self.target != "target-looker-warehouse":
            return None
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as connection:
            return dict(connection.execute(LOADED).fetchall())

    def refused(self):
        """The rows in the dead letters, by key, counted."""
        store = DeadLetters(self.state_dir)
        return Counter(row.key for letter in store.letters() for row in store.details(letter.id))


class PostgresScene(Scene):
    """A scene whose destination is a database of a real PostgreSQL."""

    def with_database(self, postgres):
        self._postgres, self._database = postgres, postgres.database()
        return self

    @property
    def url(self):
        return self._postgres.url(self._database)

    def keep(self):
        super().keep()
        self._copy(self._database, f"{self._database}_kept")

    def restore(self):
        super().restore()
        self._copy(f"{self._database}_kept", self._database)

    def _copy(self, source, copied):
        with self._postgres.admin() as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {copied} WITH (FORCE)")
            admin.execute(f"CREATE DATABASE {copied} TEMPLATE {source} OWNER team")

    def shown(self):
        with psycopg.connect(self.url) as connection:
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            return {name: self._rows_of(connection, name) for (name,) in found if name != "_ifs_loads"}

    def loads(self):
        with psycopg.connect(self.url) as connection:
            return dict(connection.execute(LOADED).fetchall())

    @staticmethod
    def _rows_of(connection, table):
        found = connection.execute(f'SELECT * FROM "{table}" LIMIT 0').description
        columns = sorted(column.name for column in found)
        texts = [f'"{name}" IS NULL' if name == "_sdc_deleted_at" else f'"{name}"::text' for name in columns]
        return Counter(connection.execute(f'SELECT {", ".join(texts)} FROM "{table}"').fetchall())


def counted(table):
    """The rows of a table in a push dataset; where they carry signs, what they sum to."""
    names = list(table.columns)
    sign = names.index(SIGN) if SIGN in names else None
    rows = Counter()
    for row in table.rows:
        shown = tuple(value for name, value in zip(names, row, strict=True) if name not in {BATCH, SIGN})
        rows[shown] += 1 if sign is None else row[sign]
    assert all(count >= 0 for count in rows.values()), "a row was taken out that was never there"
    return +rows


def rows_of(connection, table):
    """When a row was found to be gone is the clock's word, and differs from run to run: that it is gone does not."""
    columns = sorted(name for name, *_ in connection.execute(f'DESCRIBE "{table}"').fetchall() if name != NUMBER)
    texts = [f'"{name}" IS NULL' if name == "_sdc_deleted_at" else f'CAST("{name}" AS VARCHAR)' for name in columns]
    return Counter(connection.execute(f'SELECT {", ".join(texts)} FROM "{table}"').fetchall())
