"""A folder with a target's configuration, state and destination: looked at, kept, and brought back to how it was."""

from __future__ import annotations

import copy
import json
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import duckdb
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_sandbox.fabric.replicator import apply
from ifs_bi_sandbox.servers import Sandbox
from pipeline.kills import run_target
from pipeline.recorded import BATCH_ROWS, singer

NUMBER = "_ifs_row_number"  # of a row without a key in a mirrored table; which one it gets says nothing


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
            return {name: Counter(table.rows) for dataset in datasets for name, table in dataset.tables.items()}
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as connection:
            names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
            return {name: rows_of(connection, name) for name in names if name != "_ifs_bi_marks"}

    def refused(self):
        """The rows in the dead letters, by key, counted."""
        store = DeadLetters(self.state_dir)
        return Counter(row.key for letter in store.letters() for row in store.details(letter.id))


def rows_of(connection, table):
    """When a row was found to be gone is the clock's word, and differs from run to run: that it is gone does not."""
    columns = sorted(name for name, *_ in connection.execute(f'DESCRIBE "{table}"').fetchall() if name != NUMBER)
    texts = [f'"{name}" IS NULL' if name == "_sdc_deleted_at" else f'CAST("{name}" AS VARCHAR)' for name in columns]
    return Counter(connection.execute(f'SELECT {", ".join(texts)} FROM "{table}"').fetchall())
