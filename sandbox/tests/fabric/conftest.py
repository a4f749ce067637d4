"""A landing zone that tests write into."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from ifs_bi_sandbox.fabric.replicator import Replicated, apply


@dataclass
class Zone:
    """Writes a table's files with DuckDB and looks at what the replicator made of them."""

    path: Path
    database: Path

    def metadata(self, *keys: str, table: str = "Orders") -> None:
        folder = self.path / table
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "_metadata.json").write_text(json.dumps({"keyColumns": list(keys)} if keys else {}))

    def write(self, number: int, select: str, *, table: str = "Orders", name: str = "", options: str = "") -> Path:
        """A Parquet file with what a SELECT gives."""
        folder = self.path / table
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (name or f"{number:020}.parquet")
        duckdb.sql(f"COPY ({select}) TO '{path}' (FORMAT parquet{options})")
        return path

    def rows(self, number: int, *rows: str, columns: str = "id, amount, __rowMarker__", **more: Any) -> Path:
        """A Parquet file with rows as SQL."""
        return self.write(number, f"SELECT * FROM (VALUES {', '.join(rows)}) AS t({columns})", **more)

    def apply(self) -> Replicated:
        return apply(self.path, self.database)

    def shown(self, table: str = "Orders", columns: str = "*") -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()

    def files(self, table: str = "Orders") -> list[int]:
        return sorted(int(path.stem) for path in (self.path / table).glob("*.parquet"))


@pytest.fixture
def zone(tmp_path: Path) -> Zone:
    (tmp_path / "LandingZone").mkdir()
    return Zone(tmp_path / "LandingZone", tmp_path / "mirror.duckdb")
