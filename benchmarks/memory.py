"""`make bench`: rows a second, CPU and peak memory of the tap and of the warehouse target, at 10,000 and at 500,000 rows.

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

import duckdb
from pages import expected_total, page_server

BIN = Path(sys.executable).parent
SIZES = (10_000, 500_000)
_MEGABYTE = 1024  # ru_maxrss counts kilobytes on Linux
_LIMIT = 1.25  # memory that grows by a quarter while the rows grow fiftyfold is not flat


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


def run(command: str, rows: int, arguments: list[str], stdin: Path | None, stdout: Path) -> Figure:
    """Run a command to its end and take its time and memory from the kernel."""
    with stdout.open("wb") as out, (stdin or Path(os.devnull)).open("rb") as given:
        begun = time.perf_counter()
        process = subprocess.Popen([str(BIN / command), *arguments], stdin=given, stdout=out, stderr=subprocess.PIPE)
        said = process.stderr.read() if process.stderr else b""
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
    if status:
        sys.exit(f"{command} ended with {os.waitstatus_to_exitcode(status)}:\n{said.decode()[-2000:]}")
    return Figure(command, rows, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / _MEGABYTE)


def case(rows: int, folder: Path) -> list[Figure]:
    """Read ``rows`` rows with the tap into a file, and load that file."""
    lines, warehouse = folder / f"{rows}.jsonl", folder / f"{rows}.duckdb"
    tap_config, target_config = folder / "tap.json", folder / "target.json"
    with page_server(rows) as address:
        entity = {"name": "order_lines", "projection": "Bench", "entity_set": "OrderLineSet"}
        settings = {"base_url": address, "realm": "bench", "client_id": "bench", "client_secret": "bench-secret"}
        tap_config.write_text(
            json.dumps(settings | {"entities": [entity], "streams": ["order_lines"], "requests_per_minute": 1e6})
        )
        tap = run("tap-ifs-cloud", rows, ["--config", str(tap_config)], None, lines)
    target_config.write_text(json.dumps({"warehouse_url": f"duckdb:///{warehouse}"}))
    target = run("target-looker-warehouse", rows, ["--config", str(target_config)], lines, folder / "state")
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        loaded = connection.execute('SELECT count(*), sum("Amount0") FROM order_lines').fetchone()
    if loaded != (rows, expected_total(rows)):
        sys.exit(f"{rows} rows: the warehouse holds {loaded}, the source {(rows, expected_total(rows))}")
    return [tap, target]


def main() -> int:
    """Run all cases; 1 where memory grows with the rows."""
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}"
    )
    print(f"{'command':<26}{'rows':>9}{'rows/s':>12}{'CPU s / 1M':>14}{'peak MB':>10}")
    with tempfile.TemporaryDirectory() as folder:
        figures = [figure for rows in SIZES for figure in case(rows, Path(folder))]
    for figure in figures:
        print(figure.line)
    Path("build").mkdir(exist_ok=True)
    Path("build/bench.json").write_text(json.dumps([asdict(figure) for figure in figures], indent=1))
    small, large = ({f.command: f.peak_mb for f in figures if f.rows == rows} for rows in SIZES)
    grown = [name for name in small if large[name] > _LIMIT * small[name]]
    for name in grown:
        print(f"{name}: peak memory grew from {small[name]:.0f} to {large[name]:.0f} MB")
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
