"""What the ledger costs tap and targets: each command with it and without, in turn, three times; medians.

Ends with 1 where a command is slower with the ledger by more than 15 %.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from ifs_bi_sandbox.servers import Sandbox
from memory import case

ROWS = 200_000
TIMES = 3
_LEAST = 0.85


def main() -> int:
    """Measure, print a table, write build/bench-ledger.json."""
    seconds: dict[str, dict[bool, list[float]]] = {}
    for _ in range(TIMES):
        for ledger in (True, False):
            with tempfile.TemporaryDirectory() as folder, Sandbox(scale=300) as box:
                for figure in case(ROWS, Path(folder), box, ledger=ledger):
                    seconds.setdefault(figure.command, {True: [], False: []})[ledger].append(figure.seconds)
    print(f"{'command':<26}{'rows/s with ledger':>20}{'without':>12}{'ratio':>8}")
    ratios = {}
    for command, taken in seconds.items():
        on, off = median(taken[True]), median(taken[False])
        ratios[command] = off / on
        print(f"{command:<26}{ROWS / on:>20,.0f}{ROWS / off:>12,.0f}{off / on:>8.2f}")
    Path("build").mkdir(exist_ok=True)
    Path("build/bench-ledger.json").write_text(json.dumps({"rows": ROWS, "seconds": seconds}, indent=1))
    slow = [command for command, ratio in ratios.items() if ratio < _LEAST]
    for command in slow:
        print(f"{command}: the ledger costs more than {1 - _LEAST:.0%}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
