"""A warehouse in a folder of its own, fed in this process and read by a connection that isn't ours."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from target_looker_warehouse.target import TargetLookerWarehouse

sys.path.insert(
    0, str(Path(__file__).parent)
)  # for singer_lines: pytest's importlib mode doesn't add a test's folder itself


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Box:
    """One DuckDB file and the ways to load and to look at it."""

    COMMAND = Path(sys.executable).parent / "target-looker-warehouse"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "warehouse.duckdb"
        self.config: dict[str, Any] = {"warehouse_url": f"duckdb:///{self.file}"}

    def target(self, **config: Any) -> TargetLookerWarehouse:
        return TargetLookerWarehouse(config=self.config | config)

    def feed(self, *lines: str, **config: Any) -> None:
        target = self.target(**config)
        try:
            target.listen(io.BytesIO("".join(line + "\n" for line in lines).encode()))
        finally:
            target.close()

    def command(self, *lines: str, **config: Any) -> subprocess.CompletedProcess[str]:
        path = self.folder / "config.json"
        path.write_text(json.dumps(self.config | config))
        given = "".join(line + "\n" for line in lines)
        return subprocess.run(
            [self.COMMAND, "--config", path], input=given, capture_output=True, text=True, check=False
        )

    def query(self, text: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with duckdb.connect(self.file, read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(text, parameters).fetchall()

    def types(self, table: str) -> dict[str, str]:
        return dict(
            self.query(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? ORDER BY column_index", table
            )
        )

    def tables(self) -> list[str]:
        return [name for (name,) in self.query("SELECT table_name FROM duckdb_tables() ORDER BY 1")]

    def rows(self, table: str, schema: str = "main") -> list[dict[str, str]]:
        """The rows in the order of their text; values as text, nulls left out."""
        columns = list(self.types(table))
        texts = ", ".join(f"{quoted(column)}::VARCHAR" for column in columns)
        found = self.query(f"SELECT {texts} FROM {quoted(schema)}.{quoted(table)}")
        return sorted(
            ({name: value for name, value in zip(columns, row, strict=True) if value is not None} for row in found),
            key=repr,
        )


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)
