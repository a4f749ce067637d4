"""Nine uneven streams of a server that takes 300 ms for each page, and what a low limit of requests lets through."""

from __future__ import annotations

from dataclasses import dataclass

from programs import OURS, PROJECTION, TAP
from running import Bench, Taken, WrongError
from sets import served

PAGES = (40, 20, 16, 14, 12, 10, 8, 4, 2)
PAGE_SIZE = 250
LATENCY = 0.3


@dataclass(frozen=True)
class UnevenSets:
    """Our tap reads all of them from nothing.

    What is timed is the time from the first question for rows to the last answer, at the server: starting Python takes the same
    in all cases.

    Attributes:
        concurrency: the setting.
        requests_per_minute: the setting.
    """

    concurrency: int
    requests_per_minute: float = 1e6
    kind: str = "ours"

    @property
    def name(self) -> str:
        """The settings."""
        limit = (
            ""
            if self.requests_per_minute == OURS["requests_per_minute"]
            else f", {self.requests_per_minute:g} a minute"
        )
        return f"tap-ifs-cloud, concurrency {self.concurrency}{limit}"

    def once(self, bench: Bench) -> Taken:
        """Read."""
        sets = {f"Set{number}": pages * PAGE_SIZE - number for number, pages in enumerate(PAGES)}
        entities = [{"name": name.lower(), "projection": PROJECTION, "entity_set": name} for name in sets]
        folder = bench.new_folder()
        with served(sets, latency=LATENCY) as server:
            settings = {**OURS, "base_url": server.address, "entities": entities, "page_size": PAGE_SIZE}
            settings |= {"streams": [entity["name"] for entity in entities], "concurrency": self.concurrency}
            settings |= {"requests_per_minute": self.requests_per_minute}
            taken = bench.run(TAP, settings, folder, None, folder / "lines")
        with (folder / "lines").open("rb") as written:
            came = sum(line.startswith(b'{"type":"RECORD"') for line in written)
        arrived = sorted(server.arrived)
        fullest = max(sum(first <= moment <= first + 60 for moment in arrived) for first in arrived)
        if came != sum(sets.values()):
            raise WrongError(f"{came} rows came of {sum(sets.values())}")
        if server.most_under_way > self.concurrency or fullest > self.requests_per_minute:
            raise WrongError(f"{server.most_under_way} requests were under way at once, and 60 seconds saw {fullest}")
        seconds = max(answered for _, answered in server.asked) - min(asked for asked, _ in server.asked)
        notes = {"requests": len(arrived), "at once": server.most_under_way, "in 60 s": fullest}
        return Taken(came, seconds, taken["cpu_seconds"], (taken["peak_mb"],), notes=notes)
