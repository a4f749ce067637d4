"""What a pipe leaves on disk: files of the state folder by what they are, and rows of the ledger."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

_OF_ROWS = ("delivered", "powerbi-")
"""How files begin that hold something of every row that stands at the source: they grow with the data, as they should."""


@dataclass(frozen=True)
class Footprint:
    """What lies in a state folder after a night.

    Attributes:
        files: how many, without those below.
        account_bytes: of the account of what happened: ledger, batches, dead letters, limits, metadata.
        data_bytes: of what is kept of each row that stands at the source.
        ledger: rows of each of its tables.
        loads: rows of the warehouse's table of batches; 0 where there is none.
    """

    files: int
    account_bytes: int
    data_bytes: int
    ledger: dict[str, int]
    loads: int


def footprint(state_dir: Path, loads: int) -> Footprint:
    """Look at a state folder."""
    sizes: Counter[bool] = Counter()
    numbers: Counter[bool] = Counter()
    for path, size, _ in _files(state_dir):
        of_rows = path.relative_to(state_dir).as_posix().startswith(_OF_ROWS)
        sizes[of_rows] += size
        numbers[of_rows] += 1
    return Footprint(numbers[False], sizes[False], sizes[True], _ledger_rows(state_dir / "ledger.db"), loads)


def date_files(state_dir: Path, since: float, ahead: float) -> None:
    """Give files that were written in the present the time that their writers' clock showed.

    Args:
        state_dir: the folder.
        since: when the writers started, in seconds since the epoch.
        ahead: how far their clock is ahead, in seconds.
    """
    until = time.time()
    for path, _, written in _files(state_dir):
        if since <= written <= until:
            with suppress(FileNotFoundError):
                os.utime(path, (written + ahead, written + ahead))


def _files(folder: Path) -> list[tuple[Path, int, float]]:
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            status = path.stat()
            found.append((path, status.st_size, status.st_mtime))
    return found


def _ledger_rows(file: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as ledger:
        names = [name for (name,) in ledger.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            name: ledger.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in names
            if not name.startswith("sqlite_")
        }
