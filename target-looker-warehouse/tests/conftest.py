"""A warehouse in a folder of its own, fed in this process and read by a connection that isn't ours."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.ledger.runs import Ledger
from target_looker_warehouse.statements import MARKS
from target_looker_warehouse.target import TargetLookerWarehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ifs_bi_core.errors import ExitCode

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
        self.state_dir = folder / "state"
        self.config: dict[str, Any] = {
            "warehouse_url": f"duckdb:///{self.file}",
            "state_dir": str(self.state_dir),
        }

    def target(self, **config: Any) -> TargetLookerWarehouse:
        return TargetLookerWarehouse(config=self.config | config)

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
        """Those of the streams: the table of marks is left out."""
        names = [name for (name,) in self.query("SELECT table_name FROM duckdb_tables() ORDER BY 1")]
        return [name for name in names if name != MARKS]

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


@pytest.fixture
def new_box(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Box]:
    """Makes one more box at each call: an example of a law begins with nothing."""
    return lambda: Box(tmp_path_factory.mktemp("box"))
