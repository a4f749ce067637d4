"""`kill -9` at any point of the tap's run: the next run, from the last STATE that came out, brings what is missing."""

from __future__ import annotations

import itertools
import json
import random
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from pipeline.kills import Ended, run_tap
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
        for number, company in itertools.product(range(6), COMPANIES):
            if number % 2:
                tenant.tick()
            tenant.put(company, number)
            tenant.hold(company, number)
            if number < 3:
                tenant.post(company, number)
        tenant.tick()

    def change(self, seed: int) -> None:
        """Some inserts, updates, deletes and moves in every company."""
        dice = random.Random(seed)
        for company in COMPANIES:
            actions = ("put", "put", "remove", "put", "put", "remove", "hold", "post", "cancel")
            for action, number in zip(actions, dice.sample(range(14), len(actions)), strict=True):
                if action == "put":
                    self.tenant.tick()
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
        with self.tenant.connected() as connection:
            self._rows = list(connection.iterdump())
        self._arrived, self._seconds = self.arrived.copy(), self.tenant.seconds

    def restore(self) -> None:
        """Bring everything back to how it was."""
        shutil.rmtree(self.folder)
        shutil.copytree(self._kept, self.folder)
        with self.tenant.connected() as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                connection.execute(f"DROP TABLE {table}")
            connection.executescript("\n".join(self._rows))
        self.arrived, self.tenant.seconds = self._arrived.copy(), self._seconds

    def assert_no_bookmark_is_ahead(self, state: dict[str, Any]) -> None:
        """At the moment when a STATE leaves, what had changed before its bookmarks has arrived."""
        arrived = self.arrived.shown()["dated"]
        for part in state.get("bookmarks", {}).get("dated", {}).get("partitions", []):
            bookmark, company = part.get("replication_key_value"), part["context"]["Company"]
            source = self.tenant.changed_before(bookmark) if bookmark else {}
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


def chosen_steps(steps: list[str], share: int, shares: int) -> list[int]:
    """Numbers of random steps, one of each kind that falls into the share."""
    dice = random.Random(share)
    kinds = sorted(set(steps))
    random.Random(0).shuffle(kinds)
    in_any_order = range(len(steps) * 9 // 10)  # side by side, another run may have a few steps less
    return [
        dice.choice([number for number in in_any_order if steps[number] == kind] or in_any_order)
        for kind in kinds[share::shares]
    ]


def check_killed_anywhere(scene: Scene, share: int, shares: int) -> int:
    """Kill a run at some of its steps; the next one, before which the source has changed again or not, ends it."""
    scene.keep()
    whole = scene.run()
    assert whole.code == 0, whole.said
    scene.assert_is_equal("not killed")
    chosen = chosen_steps(whole.steps, share, shares)
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
    return len(chosen)


EACH_FOR_ITSELF_AND_SIDE_BY_SIDE = pytest.mark.parametrize(("concurrency", "share"), [(1, 0), (4, 1)])
FEW_OR_ALL = pytest.mark.parametrize("divided", [2, pytest.param(1, marks=pytest.mark.prove)])
"""Half of the kinds of steps, and in `make prove` all of them."""


@EACH_FOR_ITSELF_AND_SIDE_BY_SIDE
@FEW_OR_ALL
def test_a_first_run_that_was_killed_anywhere_is_completed_by_the_next_one(scene, concurrency, share, divided):
    assert check_killed_anywhere(scene(concurrency=concurrency), share, 3 * divided) >= 8 // divided


@EACH_FOR_ITSELF_AND_SIDE_BY_SIDE
@FEW_OR_ALL
def test_a_later_run_that_was_killed_anywhere_is_completed_by_the_next_one(scene, concurrency, share, divided):
    scene = scene(concurrency=concurrency)
    assert scene.run().code == 0
    scene.change(1)
    assert check_killed_anywhere(scene, share, 2 * divided) >= 8 // divided
