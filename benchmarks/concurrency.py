"""Nine streams of a server that takes 300 ms for each page: `concurrency` 8 against 1, and what a low limit lets through.

The sets are uneven, as in life. What is timed is the time from the first question for rows to the last answer, at the server;
starting Python, which is the same in both cases, is printed beside it. Ends with 1 where 8 is less than five times as fast as 1,
where more requests were under way than allowed, or where 60 seconds saw more requests than `requests_per_minute`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memory import config, run
from sets import PROJECTION, Served, served

PAGES = (40, 20, 16, 14, 12, 10, 8, 4, 2)
PAGE_SIZE = 250
LATENCY = 0.3
LEAST = 5.0
LOW_LIMIT = 100  # a minute; the run asks for half as many pages again


@dataclass(frozen=True)
class Taken:
    """What one run took.

    Attributes:
        concurrency: the setting.
        seconds: from the first question for rows to the last answer.
        whole_seconds: of the command.
        requests: of all kinds.
        most_under_way: requests at once.
        fullest_window: the most requests that began within 60 seconds.
    """

    concurrency: int
    seconds: float
    whole_seconds: float
    requests: int
    most_under_way: int
    fullest_window: int


def extracted(server: Served, folder: Path, concurrency: int, *, requests_per_minute: float = 1e6) -> Taken:
    """Read all sets with the command, from nothing."""
    server.forget()
    entities = [{"name": name.lower(), "projection": PROJECTION, "entity_set": name} for name in server.sets]
    settings: dict[str, Any] = {
        "base_url": server.address,
        "realm": "bench",
        "client_id": "b",
        "client_secret": "bench-secret",
    }
    settings |= {"entities": entities, "streams": [entity["name"] for entity in entities], "page_size": PAGE_SIZE}
    settings |= {"concurrency": concurrency, "requests_per_minute": requests_per_minute}
    place = folder / f"{concurrency}-{requests_per_minute:g}"
    place.mkdir()
    lines = place / "lines"
    rows = sum(map(len, server.sets.values()))
    figure = run("tap-ifs-cloud", rows, config(place, settings), None, lines)
    with lines.open("rb") as written:
        came = sum(line.startswith(b'{"type":"RECORD"') for line in written)
    if came != rows:
        sys.exit(f"{came} rows came of {rows}")
    arrived = sorted(server.arrived)
    windows = (sum(first <= moment <= first + 60 for moment in arrived) for first in arrived)
    return Taken(
        concurrency,
        max(answered for _, answered in server.asked) - min(asked for asked, _ in server.asked),
        figure.seconds,
        len(arrived),
        server.most_under_way,
        max(windows),
    )


def main() -> int:
    """Measure, print a table, write build/bench-concurrency.json."""
    sets = {f"Set{number}": pages * PAGE_SIZE - number for number, pages in enumerate(PAGES)}
    with tempfile.TemporaryDirectory() as folder, served(sets, latency=LATENCY) as server:
        one, eight = (extracted(server, Path(folder), concurrency) for concurrency in (1, 8))
        limited = extracted(server, Path(folder), 8, requests_per_minute=LOW_LIMIT)
    print(f"{sum(PAGES)} pages of {PAGE_SIZE} rows in {len(PAGES)} streams, {LATENCY * 1000:.0f} ms a page")
    print(f"{'concurrency':<14}{'seconds':>9}{'command':>9}{'requests':>10}{'at once':>9}{'in 60 s':>9}")
    for taken in (one, eight, limited):
        print(
            f"{taken.concurrency:<14}{taken.seconds:>9.1f}{taken.whole_seconds:>9.1f}{taken.requests:>10}"
            f"{taken.most_under_way:>9}{taken.fullest_window:>9}"
        )
    ratio = one.seconds / eight.seconds
    print(f"8 is {ratio:.1f} times as fast as 1; the last line had a limit of {LOW_LIMIT} requests a minute")
    Path("build").mkdir(exist_ok=True)
    Path("build/bench-concurrency.json").write_text(
        json.dumps(
            {"ratio": ratio, "limit": LOW_LIMIT, "runs": [vars(taken) for taken in (one, eight, limited)]}, indent=1
        )
    )
    wrong = [
        *([f"8 is not {LEAST:g} times as fast as 1"] if ratio < LEAST else []),
        *(
            [f"{eight.most_under_way} requests were under way at once"]
            if eight.most_under_way > eight.concurrency
            else []
        ),
        *(["concurrency 1 had more than one request under way"] if one.most_under_way > 1 else []),
        *([f"60 seconds saw {limited.fullest_window} requests"] if limited.fullest_window > LOW_LIMIT else []),
    ]
    for sentence in wrong:
        print(sentence)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
