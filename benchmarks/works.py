"""What the programs of a case do: read, load, update, whole pipes. Each time in a fresh folder, and each says what it took."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fingerprints import of_lines
from programs import MELTANO, TARGET_JSONL, Program
from running import Taken, WrongError
from warehouses import Files

if TYPE_CHECKING:
    from running import Bench
    from warehouses import Place, Warehouse

_STARTED_ROWS = 1_000  # that a peer loads itself, to make its table as it wants it, before the bench fills it


class Work(Protocol):
    """One line of a case's table."""

    @property
    def name(self) -> str:
        """As the table shows it."""

    @property
    def kind(self) -> str:
        """Whose it is (see `programs.Program`)."""

    def once(self, bench: Bench) -> Taken:
        """Do it.

        Raises:
            WrongError: it failed, or left something else than the source holds.
        """


@dataclass(frozen=True)
class Extract:
    """A tap reads all rows into nothing; in a run before, which is not timed, what it says is compared with the source.

    Attributes:
        tap: the program.
        gzip: whether it packs pages.
        share: of the rows that others of its kind read.
    """

    tap: Program
    gzip: bool = False
    share: float = 1

    @property
    def name(self) -> str:
        """The tap's."""
        return self.tap.name

    @property
    def kind(self) -> str:
        """The tap's."""
        return self.tap.kind

    def once(self, bench: Bench) -> Taken:
        """Read."""
        rows = int(bench.sizes.of(self.tap) * self.share)
        settings = self.tap.settings(bench.pages(rows, gzip=self.gzip))
        if self not in bench.compared:
            folder = bench.new_folder()
            bench.run(self.tap, settings, folder, None, folder / "lines")
            bench.agree(self.name, of_lines(folder / "lines"), rows)
            shutil.rmtree(folder)
            bench.compared.add(self)
        taken = bench.run(self.tap, settings, bench.new_folder(), None, Path(os.devnull))
        return Taken(rows, taken["seconds"], taken["cpu_seconds"], (taken["peak_mb"],))


@dataclass(frozen=True)
class Load:
    """A target loads new rows from a file.

    Attributes:
        target: the program.
        warehouse: its attribute of a `running.Bench`.
        share: of the rows that others of its kind load.
    """

    target: Program
    warehouse: str
    share: float = 1

    @property
    def name(self) -> str:
        """The target's."""
        return self.target.name

    @property
    def kind(self) -> str:
        """The target's."""
        return self.target.kind

    def once(self, bench: Bench) -> Taken:
        """Load into an empty place."""
        rows, warehouse = int(bench.sizes.of(self.target) * self.share), self._warehouse(bench)
        place = warehouse.new(bench.new_folder())
        given = bench.csv(rows) if self.target.copied else bench.lines(rows, naive=self.target.naive)
        taken = self._taken(bench, warehouse, place, given, rows)
        bench.agree(self.name, warehouse.fingerprint(place), rows)
        warehouse.drop(place)
        return taken

    def _taken(self, bench: Bench, warehouse: Warehouse, place: Place, given: Path, rows: int) -> Taken:
        server = warehouse.cpu_seconds()
        taken = bench.run(self.target, self.target.settings(place), place.folder, given, place.folder / "state")
        return Taken(
            rows, taken["seconds"], taken["cpu_seconds"], (taken["peak_mb"],), warehouse.cpu_seconds() - server
        )

    def _warehouse(self, bench: Bench) -> Warehouse:
        warehouse: Warehouse = Files() if self.target == TARGET_JSONL else getattr(bench, self.warehouse)
        return warehouse


@dataclass(frozen=True)
class Update(Load):
    """A target updates rows of a table that holds all of them.

    The table is made once and copied. Ours and the floors load it themselves; a peer, who would take minutes, loads some rows,
    and the bench adds the others to the table that it made.
    """

    def once(self, bench: Bench) -> Taken:
        """Load the updated rows into a copy of the full table."""
        rows, updates, warehouse = bench.sizes.rows, bench.sizes.updates_of(self.target), self._warehouse(bench)
        if self not in bench.full:
            bench.full[self] = self._filled(bench, warehouse, rows)
        place = warehouse.copy(bench.full[self], bench.new_folder())
        given = bench.csv(rows, updates) if self.target.copied else bench.lines(rows, updates, naive=self.target.naive)
        taken = self._taken(bench, warehouse, place, given, updates.count)
        bench.agree(self.name, warehouse.fingerprint(place), rows, updates)
        warehouse.drop(place)
        return taken

    def _filled(self, bench: Bench, warehouse: Warehouse, rows: int) -> Place:
        place = warehouse.new(bench.new_folder())
        first = min(_STARTED_ROWS, rows) if self.kind == "peer" else rows
        given = bench.csv(first) if self.target.copied else bench.lines(first, naive=self.target.naive)
        self._taken(bench, warehouse, place, given, first)
        if first < rows:
            warehouse.fill(place, bench.csv(rows, behind=first))
        bench.agree(f"{self.name}, before its updates,", warehouse.fingerprint(place), rows)
        return place


@dataclass(frozen=True)
class Pipe:
    """A tap and a target, one's output the other's input, as in a shell.

    Attributes:
        tap: the program.
        target: the program.
        warehouse: its attribute of a `running.Bench`.
        share: of the rows that others of their kind move.
    """

    tap: Program
    target: Program
    warehouse: str
    share: float = 1

    @property
    def name(self) -> str:
        """Both."""
        more = ", PostgreSQL" if self.warehouse == "postgresql" else ""
        if self.kind == "ours" and self.share != 1:
            more += f", {self.share:g} times the rows"
        return f"{self.tap.name} | {self.target.name}{more}"

    @property
    def kind(self) -> str:
        """The tap's."""
        return self.tap.kind

    def once(self, bench: Bench) -> Taken:
        """Read all rows into an empty place."""
        rows = int(bench.sizes.of(self.tap) * self.share)
        warehouse: Warehouse = getattr(bench, self.warehouse)
        place, server = warehouse.new(bench.new_folder()), warehouse.cpu_seconds()
        seconds, taken = self._moved(bench, place, rows)
        spent = warehouse.cpu_seconds() - server
        bench.agree(self.name, warehouse.fingerprint(place), rows)
        warehouse.drop(place)
        peaks = tuple(one["peak_mb"] for one in taken)
        return Taken(rows, seconds, sum(one["cpu_seconds"] for one in taken), peaks, spent)

    def _moved(self, bench: Bench, place: Place, rows: int) -> tuple[float, list[dict[str, float]]]:
        tap = self.tap, self.tap.settings(bench.pages(rows))
        return bench.piped(tap, (self.target, self.target.settings(place)), place.folder)


@dataclass(frozen=True)
class MeltanoRun(Pipe):
    """The same under ``meltano run``: CPU is that of all three, peak memory that of the largest.

    Attributes:
        batch: whether tap and target exchange files.
    """

    batch: bool = False

    @property
    def name(self) -> str:
        """What is typed."""
        return f"meltano run {self.tap.name} {self.target.name}{', BATCH' if self.batch else ''}"

    def _moved(self, bench: Bench, place: Place, rows: int) -> tuple[float, list[dict[str, float]]]:
        folder = bench.new_folder()
        settings = self.tap.settings(bench.pages(rows))
        if self.batch:
            settings["batch_config"] = {
                "encoding": {"format": "jsonl"},
                "storage": {"root": (folder / "files").as_uri()},
            }
            if self not in bench.compared:
                self._see_batches(bench, settings)
                bench.compared.add(self)
        plugins = {
            "extractors": [_plugin(self.tap, settings, folder)],
            "loaders": [_plugin(self.target, self.target.settings(place), folder)],
        }
        project = {
            "default_environment": "bench",
            "environments": [{"name": "bench"}],
            "project_id": "bench",
            "send_anonymous_usage_stats": False,
            "plugins": plugins,
        }
        (folder / "meltano.yml").write_text(json.dumps(project))  # YAML is a superset of JSON
        bench.run(MELTANO, {}, folder, None, folder / "listed", "state", "list")  # makes Meltano's own database
        begun = time.perf_counter()
        names = (plugins["extractors"][0]["name"], plugins["loaders"][0]["name"])
        taken = bench.run(MELTANO, {}, folder, None, folder / "out", "run", *names)
        return time.perf_counter() - begun, [taken]

    def _see_batches(self, bench: Bench, settings: dict[str, Any]) -> None:
        """Nothing is told of files where the tap writes RECORD lines all the same."""
        folder = bench.new_folder()
        bench.run(self.tap, settings, folder, None, folder / "lines")
        with (folder / "lines").open("rb") as lines:
            if not any(line.startswith(b'{"type":"BATCH"') for line in lines):
                raise WrongError(f"{self.tap.name} wrote no BATCH lines")


def _plugin(program: Program, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A command as a plugin that Meltano needs not install."""
    name = program.name.replace(" ", "-")
    file = folder / f"{name}.sh"
    file.write_text(f'#!/bin/sh\nexec {" ".join(program.command)} "$@"\n')
    file.chmod(0o755)
    capabilities = ["about", *(["catalog", "discover", "state"] if "tap" in name else [])]
    return {
        "name": name,
        "namespace": name.replace("-", "_"),
        "executable": str(file),
        "capabilities": capabilities,
        "config": settings,
    }
