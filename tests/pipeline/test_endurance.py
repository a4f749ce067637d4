"""How much memory a load takes does not depend on how much there is to load."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline import many_lines
from pipeline.destinations import Warehouse

FEW, MANY = 500_000, 5_000_000
"""The first are some batches of DuckDB already: one is gathered while another is delivered."""
GROWTH_MB = 64
"""What the allocators of Python, Arrow and DuckDB may keep to themselves, of 130 bytes for each of 4,500,000 rows: 585 MB."""


def warehouse_in(kind, folder, run, postgres):
    if kind == "duckdb":
        return Warehouse.in_duckdb(folder, run)
    return Warehouse.in_postgresql(folder, run, postgres.url(postgres.database()))


def peak_mb(warehouse, rows, root):
    """Load so many rows from a pipe; the peak memory of the command, from the kernel."""
    config, taken = warehouse.folder / "config.json", warehouse.folder / "taken.json"
    config.write_text(json.dumps({"warehouse_url": warehouse.url}))
    source = subprocess.Popen([sys.executable, many_lines.__file__, str(rows)], stdout=subprocess.PIPE)
    command = [Path(sys.executable).parent / "target-looker-warehouse", "--config", config]
    measured = [sys.executable, root / "benchmarks" / "measure.py", taken, *command]
    with source:
        loaded = subprocess.run(
            measured, stdin=source.stdout, capture_output=True, text=True, cwd=warehouse.folder, check=False
        )
    assert (loaded.returncode, source.returncode) == (0, 0), loaded.stderr
    assert json.loads(loaded.stdout.splitlines()[-1]) == {"bookmarks": {many_lines.STREAM: rows}}
    return json.loads(taken.read_text())["peak_mb"]


@pytest.mark.prove
@pytest.mark.parametrize("kind", ["duckdb", "postgresql"])
def test_five_million_rows_take_no_more_memory_than_half_a_million(kind, tmp_path, run, root, postgres):
    peaks = {}
    for rows in (FEW, MANY):
        warehouse = warehouse_in(kind, tmp_path / str(rows), run, postgres)
        peaks[rows] = peak_mb(warehouse, rows, root)
        held = warehouse.query(f'SELECT count(*), sum("Amount") FROM "{many_lines.STREAM}"')
        assert held == [(many_lines.again_after(rows), many_lines.total(rows))]
        told = warehouse.query('SELECT CAST(sum("rows") AS BIGINT) FROM _ifs_loads')
        assert told == [(rows,)]
    assert peaks[MANY] <= peaks[FEW] + GROWTH_MB, peaks
