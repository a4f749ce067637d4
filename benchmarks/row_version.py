"""Rows without a modified field: a first run reads all and keeps their keys, a second one looks for what differs.

Bytes are counted at the server, in gzip as IFS Cloud sends it. One row of 2,000 is updated between the runs, one of 5,000
deleted.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from programs import OURS, PROJECTION, TAP
from running import Taken, WrongError
from sets import served

if TYPE_CHECKING:
    from pathlib import Path

    from running import Bench
    from sets import Served

UPDATED, DELETED = 2_000, 5_000  # one of so many
MOST_MB = 40  # for a million rows


@dataclass(frozen=True)
class RowVersionScan:
    """Our tap in one of the two runs.

    Attributes:
        second: which.
    """

    second: bool
    kind: str = "ours"

    @property
    def name(self) -> str:
        """The run."""
        return f"tap-ifs-cloud, {'second run: few changes' if self.second else 'first run: all rows'}"

    def once(self, bench: Bench) -> Taken:
        """Read; the second run begins where the first one ended."""
        rows = bench.sizes.rows
        with served({"LineSet": rows}) as server:
            folder = bench.new_folder()
            first = _synced(bench, server, folder, [])
            if first.records != set(range(rows)) or first.gone:
                raise WrongError(f"the first run brought {len(first.records)} rows of {rows}")
            if not self.second:
                return first.taken
            updated, deleted = set(range(7, rows, UPDATED)), set(range(8, rows, DELETED))
            server.sets["LineSet"].update(updated, time.time())
            server.sets["LineSet"].delete(deleted)
            second = _synced(bench, server, folder, ["--state", str(folder / "state.json")])
            whole, megabytes = server.whole_rows, server.sent / 1e6
        shutil.rmtree(folder)
        if second.records != updated or second.gone != deleted or whole > len(updated):
            raise WrongError(
                f"the second run brought {len(second.records)} rows of {len(updated)} and {len(second.gone)} deletes of "
                f"{len(deleted)}, with {whole} rows sent in full"
            )
        if megabytes > MOST_MB * rows / 1e6 + 1:
            raise WrongError(f"{megabytes:.1f} MB were sent")
        return second.taken


@dataclass(frozen=True)
class _Synced:
    """What a run took and brought: numbers of rows, and of gone ones."""

    taken: Taken
    records: set[int]
    gone: set[int]


def _synced(bench: Bench, server: Served, folder: Path, arguments: list[str]) -> _Synced:
    server.forget()
    entity = {"name": "lines", "projection": PROJECTION, "entity_set": "LineSet", "replication": "row_version"}
    settings: dict[str, Any] = {**OURS, "base_url": server.address, "entities": [entity], "streams": ["lines"]}
    settings |= {"state_dir": str(folder / "state")}
    lines = folder / "lines"
    taken = bench.run(TAP, settings, folder, None, lines, *arguments)
    records: set[int] = set()
    gone: set[int] = set()
    state: Any = {}
    with lines.open("rb") as written:
        for line in written:
            if line.startswith(b'{"type":"RECORD"'):
                record = msgspec.json.decode(line)["record"]
                (gone if record.get("_sdc_deleted_at") else records).add(int(record["OrderNo"]))
            elif line.startswith(b'{"type":"STATE"'):
                state = msgspec.json.decode(line)["value"]
    lines.unlink()
    (folder / "state.json").write_text(json.dumps(state))
    stored = sum(file.stat().st_size for file in (folder / "state" / "delivered").iterdir()) / 1e6
    notes = {"MB sent": server.sent / 1e6, "requests": len(server.arrived), "MB of keys": stored}
    rows = bench.sizes.rows
    return _Synced(Taken(rows, taken["seconds"], taken["cpu_seconds"], (taken["peak_mb"],), notes=notes), records, gone)
