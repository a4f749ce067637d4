"""`kill -9` at any point of the tap's run: from the last STATE that came out, the next run brings what is missing, and nothing is lost."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from pipeline.kills import Ended, points, run_tap
from pipeline.tenant import COMPANIES, Arrived, Tenant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLED = -9


class Scene:
    """A tenant behind a server, the tap's folder and a destination, which can be brought back to how they were."""

    def __init__(self, folder: Path, tenant: Tenant, address: str, **settings: Any) -> None:
        self.folder = folder / "tap"
        self.folder.mkdir()
        self.tenant = tenant
        self.arrived = Arrived()
        self._state = self.folder / "state.json"
        self._kept = folder / "kept"
        (self.folder / "config.json").write_text(
            json.dumps(tenant.settings(address, self.folder / "state", **settings))
        )
        for company, number in itertools.product(COMPANIES, range(8)):
            tenant.put(company, number)
            tenant.hold(company, number)
            if number < 4:
                tenant.post(company, number)
        tenant.tick()

    def change(self, seed: int) -> None:
        """Some inserts, updates, deletes and moves in every company."""
        dice = random.Random(seed)
        for company in COMPANIES:
            self.tenant.tick()
            for action, number in zip(
                ("put", "put", "put", "remove", "remove", "hold", "post", "cancel"), dice.sample(range(14), 8), strict=True
            ):
                getattr(self.tenant, action)(company, number)
        self.tenant.tick()

    def run(self, *, kill_at: int | None = None) -> Ended:
        """One run from the last state; what it let go arrives."""
        self._state.write_text(json.dumps(self.arrived.state))
        ended = run_tap(self.folder / "config.json", self._state, kill_at=kill_at)
        for line in ended.lines:
            message = json.loads(line)
            self.arrived.apply(message)
            if message["type"] == "STATE":
                self.assert_no_bookmark_is_ahead(message["value"])
        return ended

    def keep(self) -> None:
        """Remember how everything is."""
        shutil.copytree(self.folder, self._kept, dirs_exist_ok=True)
        with closing(sqlite3.connect(self.tenant.world.database)) as connection:
            self._rows = list(connection.iterdump())
        self._arrived, self._seconds = self.arrived.copy(), self.tenant.seconds

    def restore(self) -> None:
        """Bring everything back to how it was."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._kept, self.folder)
        with closing(sqlite3.connect(self.tenant.world.database)) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                connection.execute(f"DROP TABLE {table}")
            connection.executescript("\n".join(self._rows))
        self.arrived, self.tenant.seconds = self._arrived.copy(), self._seconds

    def assert_no_bookmark_is_ahead(self, state: dict[str, Any]) -> None:
        """At the moment when a STATE leaves, what has changed until its bookmarks has arrived."""
        arrived = self.arrived.shown()["dated"]
        for part in state.get("bookmarks", {}).get("dated", {}).get("partitions", []):
            bookmark, company = part.get("replication_key_value"), part["context"]["Company"]
            source = self.tenant.changed_until(bookmark) if bookmark else {}
            missing = [key for key, text in source.items() if key[0] == company and arrived.get(key) != ("", text)]
            assert missing == [], f"the bookmark {bookmark} of company {company} is ahead of them"

    def assert_is_equal(self, where: str) -> None:
        shown, source = self.arrived.shown(), self.tenant.shown()
        for stream, rows in source.items():
            assert shown[stream] == rows, f"{where}: {stream}"


@pytest.fixture
def scene(tmp_path) -> Iterator[Any]:
    tenant = Tenant(tmp_path)
    with tenant.served() as address:
        yield lambda **settings: Scene(tmp_path, tenant, address, companies=list(COMPANIES), **settings)


def check_killed_anywhere(scene: Scene, count: int) -> None:
    """Kill a run at so many of its steps; the next one, before which the source has changed again or not, ends it."""
    scene.keep()
    whole = scene.run()
    assert whole.code == 0, whole.said
    scene.assert_is_equal("not killed")
    chosen = points(whole.steps, count)
    assert len(chosen) == count
    from collections import Counter; print(Counter(whole.steps), len(whole.steps), [whole.steps[n] for n in chosen])
    for number in chosen:
        where = f"killed at step {number}, {whole.steps[number]}"
        scene.restore()
        killed = scene.run(kill_at=number)
        assert (killed.code, len(killed.steps)) == (KILLED, number), f"{where}: {killed.said}"
        if number % 2:
            scene.change(number)
        again = scene.run()
        assert again.code == 0, f"{where}: {again.said}"
        scene.assert_is_equal(where)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_first_run_that_was_killed_anywhere_is_completed_by_the_next_one(scene, concurrency):
    check_killed_anywhere(scene(concurrency=concurrency), 20)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_later_run_that_was_killed_anywhere_is_completed_by_the_next_one(scene, concurrency):
    scene = scene(concurrency=concurrency)
    assert scene.run().code == 0
    scene.change(1)
    check_killed_anywhere(scene, 20)
