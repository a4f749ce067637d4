"""``python -m soak --minutes 120``: virtual days against a sandbox, and whether runs take as much in the end as at first."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ifs_bi_sandbox.servers import Sandbox
from postgres import Postgres
from soak.course import Course
from soak.days import EVE, Day
from soak.figures import as_text, summary
from soak.pipes import KINDS, BrokenError

_ROWS = 2_000  # that the source begins with
_TOLD_EVERY = 30  # seconds


def soak(course: Course, part: Callable[[int], float], tell: Callable[[str], object]) -> list[str]:
    """Let the days of a course pass, and tell of them now and then.

    Returns:
        What ended it early, if anything did.
    """
    told = time.monotonic()
    try:
        for day in course.go(part):
            if time.monotonic() - told > _TOLD_EVERY:
                told = time.monotonic()
                tell(_said(course, day))
    except (BrokenError, TimeoutError) as error:
        return [str(error)]
    return []


def _said(course: Course, day: Day) -> str:
    runs = course.records.runs
    cpu = ", ".join(f"{run.pipe} {run.cpu:.2f}" for run in runs if run.day == day.number)
    return f"Day {day.number}, {day.date}: {len(runs):,} runs so far; s of CPU: {cpu or 'no runs tonight'}\n"


def main() -> int:
    """Be the command: 0 where all is as it should be."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120, help="how long (default: %(default)s)")
    parser.add_argument("--days", type=int, help="so many virtual days instead")
    parser.add_argument("--trail-days", type=int, default=60, help="retain_trail_days (default: %(default)s)")
    parser.add_argument("--pipes", nargs="+", choices=KINDS, default=list(KINDS), help="(default: all)")
    parser.add_argument("--output", type=Path, default=Path("build/soak.json"), help="(default: %(default)s)")
    chosen = parser.parse_args()
    # Whoever stops it finds no server and no folder left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    start = time.monotonic()

    def part(days: int) -> float:
        return days / chosen.days if chosen.days else (time.monotonic() - start) / (chosen.minutes * 60)

    server = Postgres()
    try:
        with Sandbox(scale=_ROWS, today=EVE) as box, tempfile.TemporaryDirectory(prefix="soak-") as folder:
            kinds = [KINDS[name] for name in chosen.pipes]
            course = Course(box, Path(folder), server, kinds, chosen.trail_days)
            broken = soak(course, part, sys.stdout.write)
            found = summary(course.records, chosen.trail_days)
    finally:
        server.close()
    found["wrong"] += broken
    found["minutes"] = round((time.monotonic() - start) / 60, 1)
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(found, indent=2) + "\n")
    sys.stdout.write(f"{as_text(found)}\n")
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
