"""Plays scripts of faults for some minutes on all cores: ``python -m faults --minutes 60``; ``--seed 7`` plays one again.

Ends with 1 where a law was broken; the script and the command that plays it again are printed when that happens.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from faults.playing import Figures, Played, play
from faults.scripts import Script, script_of
from postgres import Postgres

MINUTES = 60
FIGURES = Path("build/prove.json")
_SEEDS = 1_000_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, tell, and give the exit code."""
    given = _parsed(arguments)
    first = given.begin if given.begin is not None else random.SystemRandom().randrange(_SEEDS)
    seeds = iter(given.seed or _from(first, time.monotonic() + given.minutes * 60))
    driver = Driver(seeds, keep=given.keep)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: driver.stop())
    if not given.seed:
        say(f"Scripts from seed {first} on, for {given.minutes:g} minutes, {given.workers} at a time.")
    begun = time.monotonic()
    with ThreadPoolExecutor(given.workers) as pool:
        for worker in [pool.submit(driver.work) for _ in range(given.workers)]:
            worker.result()
    told = report(driver.figures, driver.broken, time.monotonic() - begun) | {"first_seed": first}
    say(json.dumps(told, indent=2))
    if not given.seed:
        FIGURES.parent.mkdir(exist_ok=True)
        FIGURES.write_text(json.dumps(told, indent=2) + "\n")
    return 1 if driver.broken else 0


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long new scripts are begun")
    parser.add_argument("--begin", type=int, help="the first seed; default: any")
    parser.add_argument("--seed", type=int, nargs="+", help="play these scripts alone")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="scripts at a time")
    parser.add_argument("--keep", action="store_true", help="keep the folder of a script in which a law was broken")
    return parser.parse_args(arguments)


def _from(first: int, until: float) -> Iterator[int]:
    seed = first
    while time.monotonic() < until:
        yield seed
        seed += 1


class Driver:
    """Plays scripts, several at a time.

    Args:
        seeds: of the scripts.
        keep: whether the folder of a broken one stays.

    Attributes:
        figures: of all scripts.
        broken: those in which a law was broken.
    """

    def __init__(self, seeds: Iterator[int], *, keep: bool = False) -> None:
        self._seeds = seeds
        self._keep = keep
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.figures = Figures()
        self.broken: list[int] = []

    def work(self) -> None:
        """Play scripts until there is none left, with a database server of one's own."""
        with closing(Postgres()) as server:
            while (seed := self._next()) is not None:
                self._play(script_of(seed), server)

    def stop(self) -> None:
        """Begin no other script."""
        self._stopped.set()

    def _next(self) -> int | None:
        with self._lock:
            return None if self._stopped.is_set() else next(self._seeds, None)

    def _play(self, script: Script, server: Postgres) -> None:
        folder = tempfile.TemporaryDirectory(prefix="faults-")
        try:
            played = play(script, Path(folder.name), server)
        except Exception:  # noqa: BLE001 - whatever it is, the other scripts go on
            played = Played(script, Figures(), [f"the driver itself failed: {traceback.format_exc()}"])
        with self._lock:
            self.figures.add(played.figures)
            if played.broken:
                self.broken.append(script.seed)
                say(told(played))
        if self._keep and played.broken:
            say(f"its folder: {folder.name}")
            folder._finalizer.detach()  # what would remove it
        else:
            folder.cleanup()


def told(played: Played) -> str:
    """A script in which a law was broken, and how it is played again."""
    again = f"PYTHONPATH=tests {sys.executable} -m faults --keep --seed {played.script.seed}"
    return "\n".join(["", "BROKEN", str(played.script), *played.broken, f"Play it again: {again}"])


def report(figures: Figures, broken: Sequence[int], seconds: float) -> dict[str, object]:
    """The figures of a run of the driver."""
    hours = seconds / 3600
    counted = asdict(figures)
    faults = {kind: {"injected": count, "struck": figures.struck[kind]} for kind, count in figures.injected.items()}
    scripts = figures.scripts.total()
    return {
        "scripts": scripts,
        "scripts_per_hour": round(scripts / hours),
        "scripts_by_destination": dict(sorted(figures.scripts.items())),
        **{name: counted[name] for name in ("runs", "failed", "recoveries", "rows")},
        "faults_injected": figures.injected.total(),
        "faults_struck": figures.struck.total(),
        "faults": dict(sorted(faults.items())),
        "broken": sorted(broken),
        "minutes": round(seconds / 60, 1),
    }


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
