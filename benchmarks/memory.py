"""`make bench`: rows a second, CPU and peak memory of the tap and of both targets, at 10,000 and at 500,000 rows.

Each case runs as the command a user runs. The loaded table is compared with the source (rows and a sum of decimals); a case
that loads something else ends the bench with 1 and prints no figure.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
from ifs_bi_sandbox.servers import Sandbox
from pages import expected_total, page_server

BIN = Path(sys.executable).parent
SIZES = (10_000, 500_000)
_IN_FLIGHT_MB = 64  # 10,000 rows fill one batch once; 500,000 keep one arriving while the last one leaves


@dataclass(frozen=True)
class Figure:
    """What one run of one command took."""

    command: str
    rows: int
    seconds: float
    cpu_seconds: float
    peak_mb: float

    @property
    def line(self) -> str:
        """The figure as a line of the table."""
        return (
            f"{self.command:<26}{self.rows:>9,}{self.rows / self.seconds:>12,.0f}"
            f"{self.cpu_seconds / self.rows * 1e6:>14,.1f}{self.peak_mb:>10,.0f}"
        )


def run(
    command: str, rows: int, arguments: list[str], stdin: Path | None, stdout: Path, *, ledger: bool = True
) -> Figure:
    """Run a command to its end, in the folder of its output, and take its time and memory from the kernel."""
    here, taken = Path(__file__).parent.absolute(), stdout.with_suffix(".taken")
    started = [str(BIN / command)] if ledger else [sys.executable, str(here / "without_ledger.py"), command]
    measured = [sys.executable, str(here / "measure.py"), str(taken), *started, *arguments]
    with stdout.open("wb") as out, (stdin or Path(os.devnull)).open("rb") as given:
        ran = subprocess.run(measured, stdin=given, stdout=out, stderr=subprocess.PIPE, check=False, cwd=stdout.parent)
    if ran.returncode:
        sys.exit(f"{command} ended with {ran.returncode}:\n{ran.stderr.decode()[-2000:]}")
    return Figure(command, rows, **json.loads(taken.read_text()))


def case(rows: int, folder: Path, box: Sandbox, *, ledger: bool = True) -> list[Figure]:
    """Read ``rows`` rows with the tap into a file, and load that file into both targets; with a ledger or without."""
    lines = folder / f"{rows}.jsonl"
    with page_server(rows) as address:
        entity = {"name": "order_lines", "projection": "Bench", "entity_set": "OrderLineSet"}
        settings = {"base_url": address, "realm": "bench", "client_id": "bench", "client_secret": "bench-secret"}
        settings |= {"entities": [entity], "streams": ["order_lines"], "requests_per_minute": 1e6}
        tap = run("tap-ifs-cloud", rows, config(folder, settings), None, lines, ledger=ledger)
    expected = (rows, expected_total(rows))

    file = folder / f"{rows}.duckdb"
    settings = {"warehouse_url": f"duckdb:///{file}"}
    warehouse = run("target-looker-warehouse", rows, config(folder, settings), lines, folder / "state", ledger=ledger)
    with duckdb.connect(str(file), read_only=True) as connection:
        agree(
            "the warehouse", connection.execute('SELECT count(*), sum("Amount0") FROM order_lines').fetchone(), expected
        )

    env = box.environment()
    names = ("tenant_id", "client_id", "client_secret", "workspace_id", "authority_host", "api_url")
    settings = {name: env[f"POWERBI_{name.upper()}"] for name in names}
    settings |= {"dataset_name": f"Bench {rows}"}
    powerbi = run("target-powerbi", rows, config(folder, settings), lines, folder / "state", ledger=ledger)
    (dataset,) = [found for found in box.world.powerbi.values() if found.name == f"Bench {rows}"]
    held = dataset.tables["order_lines"]
    amount = list(held.columns).index("Amount0")
    agree("Power BI", (len(held.rows), sum(row[amount] for row in held.rows)), expected)
    box.world.powerbi.clear()
    return [tap, warehouse, powerbi]


def config(folder: Path, settings: dict[str, Any]) -> list[str]:
    """A configuration file, as arguments of a command."""
    path = folder / "config.json"
    path.write_text(json.dumps(settings))
    return ["--config", str(path)]


def agree(place: str, loaded: tuple[Any, ...] | None, expected: tuple[Any, ...]) -> None:
    """End the bench where something else was loaded than the source holds."""
    if loaded != expected:
        sys.exit(f"{place} holds {loaded}, the source {expected}")


def main() -> int:
    """Run all cases; 1 where memory grows with the rows."""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}"
    )
    print(f"{'command':<26}{'rows':>9}{'rows/s':>12}{'CPU s / 1M':>14}{'peak MB':>10}")
    with tempfile.TemporaryDirectory() as folder, Sandbox(scale=300) as box:
        figures = [figure for rows in SIZES for figure in case(rows, Path(folder), box)]
    for figure in figures:
        print(figure.line)
    Path("build").mkdir(exist_ok=True)
    Path("build/bench.json").write_text(json.dumps([asdict(figure) for figure in figures], indent=1))
    small, large = ({f.command: f.peak_mb for f in figures if f.rows == rows} for rows in SIZES)
    grown = [name for name in small if large[name] > small[name] + _IN_FLIGHT_MB]
    for name in grown:
        print(f"{name}: peak memory grew from {small[name]:.0f} to {large[name]:.0f} MB")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
