"""500 updates and 200 deletes among 1,000,000 rows without a modified field: what the second run moves, and what it takes.

The first run reads all and fills the key store; the second one looks at all keys and versions and fetches what differs. Bytes are
counted at the server, in gzip as IFS Cloud sends it. Ends with 1 where the second run misses a change, has more than 500 rows
sent in full, or more than 40 MB.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec
from memory import config, run
from sets import PROJECTION, Served, served

ROWS = 1_000_000
UPDATED, DELETED = 500, 200
MOST_MB = 40


@dataclass(frozen=True)
class Moved:
    """What one run moved.

    Attributes:
        records: that were written, without those of gone rows.
        gone: records of gone rows.
        whole_rows: rows that the server sent with all they hold.
        megabytes: of all answers on the wire.
        requests: of all kinds.
        seconds: of the command.
        peak_mb: its memory.
    """

    records: set[int]
    gone: set[int]
    whole_rows: int
    megabytes: float
    requests: int
    seconds: float
    peak_mb: float


def synced(server: Served, folder: Path, name: str, state: Path | None) -> tuple[Moved, Path]:
    """One run of the command from a state; gives the next state as well."""
    server.forget()
    entity = {"name": "lines", "projection": PROJECTION, "entity_set": "LineSet", "replication": "row_version"}
    settings: dict[str, Any] = {
        "base_url": server.address,
        "realm": "bench",
        "client_id": "b",
        "client_secret": "bench-secret",
    }
    settings |= {
        "entities": [entity],
        "streams": ["lines"],
        "requests_per_minute": 1e6,
        "state_dir": str(folder / "state"),
    }
    lines = folder / name
    arguments = [*config(folder, settings), *(["--state", str(state)] if state else [])]
    figure = run("tap-ifs-cloud", ROWS, arguments, None, lines)
    records: set[int] = set()
    gone: set[int] = set()
    last: Any = {}
    with lines.open("rb") as written:
        for line in written:
            if line.startswith(b'{"type":"RECORD"'):
                record = msgspec.json.decode(line)["record"]
                (gone if record.get("_sdc_deleted_at") else records).add(int(record["OrderNo"]))
            elif line.startswith(b'{"type":"STATE"'):
                last = msgspec.json.decode(line)["value"]
    lines.unlink()
    after = folder / f"{name}-state.json"
    after.write_text(json.dumps(last))
    megabytes = server.sent / 1e6
    moved = Moved(records, gone, server.whole_rows, megabytes, len(server.arrived), figure.seconds, figure.peak_mb)
    return moved, after


def main() -> int:
    """Measure, print a table, write build/bench-row-version.json."""
    with tempfile.TemporaryDirectory() as text, served({"LineSet": ROWS}) as server:
        folder = Path(text)
        first, state = synced(server, folder, "first", None)
        updated = set(range(7, ROWS, ROWS // UPDATED))
        deleted = set(range(8, ROWS, ROWS // DELETED))
        server.sets["LineSet"].update(updated, time.time())
        server.sets["LineSet"].delete(deleted)
        second, _ = synced(server, folder, "second", state)
        store = sum(file.stat().st_size for file in (folder / "state" / "delivered").iterdir()) / 1e6
    print(f"{ROWS:,} rows; then {len(updated)} updated and {len(deleted)} deleted. The key store has {store:.0f} MB.")
    print(f"{'run':<8}{'records':>10}{'gone':>6}{'full rows':>11}{'MB':>8}{'requests':>10}{'seconds':>9}{'peak MB':>9}")
    for name, moved in (("first", first), ("second", second)):
        print(
            f"{name:<8}{len(moved.records):>10,}{len(moved.gone):>6}{moved.whole_rows:>11,}{moved.megabytes:>8.1f}"
            f"{moved.requests:>10}{moved.seconds:>9.1f}{moved.peak_mb:>9,.0f}"
        )
    Path("build").mkdir(exist_ok=True)
    shown = {
        name: asdict(moved) | {"records": len(moved.records), "gone": len(moved.gone)}
        for name, moved in (("first", first), ("second", second))
    }
    Path("build/bench-row-version.json").write_text(json.dumps({"rows": ROWS, "store_mb": store, **shown}, indent=1))
    wrong = [
        *(["the first run did not bring all rows"] if len(first.records) != ROWS else []),
        *(["the second run did not bring what was updated, and that alone"] if second.records != updated else []),
        *(["the second run did not tell of what was deleted, and of that alone"] if second.gone != deleted else []),
        *([f"{second.whole_rows} rows were sent in full"] if second.whole_rows > UPDATED else []),
        *([f"{second.megabytes:.1f} MB were sent"] if second.megabytes > MOST_MB else []),
    ]
    for sentence in wrong:
        print(sentence)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
