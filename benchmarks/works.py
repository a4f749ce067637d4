"""What a case does with its programs. Each function here gives another one, which does it once and says what it took."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from fingerprints import of_lines
from programs import BATCHES, ENVIRONMENTS, OURS, TAP
from running import Bench, Taken, WrongError

if TYPE_CHECKING:
    from collections.abc import Callable

    from programs import Program
    from warehouses import Place, Warehouse

type_of_warehouse = Literal["duckdb", "postgresql"]
Work = "Callable[[Bench], Taken]"

_STARTED_ROWS = 1_000  # that a peer loads itself, to make its table as it wants it, before the bench fills it


def extract(tap: Program, **manner: Any) -> Callable[[Bench], Taken]:
    """A tap reads all rows into nothing; what it says was compared with the source before, in a run that is not timed."""
    compared = False

    def work(bench: Bench) -> Taken:
        nonlocal compared
        rows = bench.sizes.of(tap)
        settings = tap.settings(bench.pages(rows, **manner))
        if not compared:
            folder = bench.new_folder()
            bench.run(tap, settings, folder, None, folder / "lines")
            bench.agree(tap.name, of_lines(folder / "lines"), rows)
            shutil.rmtree(folder)
            compared = True
        taken = bench.run(tap, settings, bench.new_folder(), None, Path(os.devnull))
        return Taken(rows, taken["seconds"], taken["cpu_seconds"], (taken["peak_mb"],))

    return work
