"""Whatever way a server pages, a stream is replicated and the source changes meanwhile: what arrived equals the source.

The whole tap runs in this process, with four streams of every replication at once; requests go to the sandbox without a wire.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ExitCode
from ifs_bi_core.singer.account import Account
from left_to_prove import every
from pipeline.killable import KilledError
from pipeline.tenant import COMPANIES, PROJECTIONS, Arrived, Tenant
from pipeline.wireless import HOST, Wireless
from tap_ifs_cloud.tap import TapIfsCloud

if TYPE_CHECKING:
    from collections.abc import Iterator


class Story:
    """A tenant, a tap and a destination, and runs between them while the tenant changes."""

    def __init__(self, turns: Any, **tap: Any) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="matrix-"))
        self.tenant = Tenant(self.folder)
        self.cloud = Wireless(PROJECTIONS, self.tenant.world)
        self.arrived = Arrived()
        self.settings = tap
        self._new_turns = turns
        self._left: int | None = None
        self._lock = threading.Lock()
        self._schedule: Iterator[list[tuple[str, str, int]]] = iter(())
        self._turns: Any = None
        self.cloud.between = self._between

    def close(self) -> None:
        shutil.rmtree(self.folder)

    def write_message(self, message: Any) -> None:
        """Be the tap's message writer."""
        self.arrived.apply(message.to_dict())
        if self._left is not None:
            self._left -= 1
            if not self._left:
                raise KilledError

    def change(self, changes: list[tuple[str, str, int]]) -> None:
        """At one instant."""
        self.tenant.tick()
        for action, company, number in changes:
            getattr(self.tenant, action)(company, number)

    def run(
        self,
        companies: tuple[str, ...],
        schedule: list[list[tuple[str, str, int]]] | None = None,
        *,
        kill_after: int | None = None,
    ) -> ExitCode | None:
        """One run from the last state, while the schedule says for each page what changes behind it; None where it was killed."""
        more: dict[str, Any] = {"companies": list(companies)} if companies else {}
        config = self.tenant.settings(HOST, self.folder / "state", **self.settings, **more)
        self._turns = turns = self._new_turns()
        self._schedule = iter(schedule or [])
        tap = TapIfsCloud(config=config, setup_mapper=False, message_writer=self)
        tap.cloud = self.cloud
        if turns:
            tap._turns = turns
        tap.account = Account("tap-ifs-cloud", "0", tap.config)
        self._left = kill_after
        try:
            with suppress(KilledError), tap.account.closing(tap.exit_code):
                tap.setup_mapper()
                tap.load_state(copy.deepcopy(self.arrived.state))
                tap.read_all()
                return tap.exit_code()
        finally:
            self._left = None
            with self._lock:  # a request that nobody waits for any more changes nothing
                self._schedule = iter(())
        return None

    def _between(self) -> None:
        with self._lock:
            changes = next(self._schedule, [])
            if changes:
                self.change(changes)
        if changes and self._turns:
            self._turns.go_on()

    def assert_is_equal(self, companies: tuple[str, ...]) -> None:
        assert self.arrived.shown(companies) == self.tenant.shown(companies)


NUMBERS = st.integers(1, 9)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["put", "put", "remove", "hold", "post", "cancel"]), st.sampled_from(COMPANIES), NUMBERS),
    min_size=1,
    max_size=5,
)
RUNS = st.lists(
    st.tuples(
        st.sampled_from([(), COMPANIES]),
        st.lists(CHANGES, min_size=3, max_size=24),
        st.none() | st.integers(20, 120),
    ),
    min_size=1,
    max_size=2,
)
BEFORE = st.lists(CHANGES, min_size=2, max_size=6)
MOMENTS = st.lists(st.sampled_from(["wished", "changed", "needed"]), min_size=1, max_size=7).map(" ".join)

SERVERS = {
    "no link, any size": {"paging": "client"},
    "absolute links": {"paging": "next_absolute", "page_cap": 2},
    "relative links": {"paging": "next_relative", "page_cap": 3},
    "a silent cap": {"paging": "silent_cap", "page_cap": 3},
}
WALKS = {
    "auto": {"paging": "auto"},
    "keyset": {"paging": "keyset"},
    "skip": {"paging": "skip"},
    "keyset refused": {"paging": "auto"},
}


@pytest.mark.parametrize(("server", "walk"), every(3, SERVERS, WALKS))
def test_what_arrived_equals_the_source_however_it_is_paged_and_whatever_changes_meanwhile(early_turns, server, walk):
    @settings(max_examples=4, deadline=None)
    @given(
        before=BEFORE,
        runs=RUNS,
        page_size=st.integers(2, 5),
        lookback=st.sampled_from([0, 2, 600]),
        requests=st.sampled_from([1, 4]),
        moments=MOMENTS,
        last=st.sampled_from([(), COMPANIES]),
    )
    def law(before, runs, page_size, lookback, requests, moments, last):
        tap = {**WALKS[walk], "page_size": page_size, "lookback_seconds": lookback, "concurrency": 1}
        with closing(Story(lambda: early_turns(requests, moments), **tap)) as story:
            play(story, server, walk, before, runs)
            assert story.run(last) == ExitCode.DONE
            story.assert_is_equal(last)

    law()


@pytest.mark.parametrize("server", SERVERS)
def test_the_same_holds_where_streams_companies_and_pages_are_read_side_by_side(server):
    @settings(max_examples=4, deadline=None)
    @given(before=BEFORE, runs=RUNS, page_size=st.integers(2, 5), last=st.sampled_from([(), COMPANIES]))
    def law(before, runs, page_size, last):
        tap = {"paging": "auto", "page_size": page_size, "lookback_seconds": 0, "concurrency": 4}
        with closing(Story(lambda: None, **tap)) as story:
            play(story, server, "auto", before, runs)
            assert story.run(last) == ExitCode.DONE
            story.assert_is_equal(last)

    law()


def play(story: Story, server: str, walk: str, before: Any, runs: Any) -> None:
    """Let the source change, and run while it changes."""
    story.tenant.world.switches.update(SERVERS[server])
    if walk == "keyset refused":
        story.tenant.world.switches.refuse_keyset = ["RowSet", "HoldSet", "LedgerSet"]
    for company in COMPANIES:
        story.change([("put", company, number) for number in range(1, 7)])
        story.change([("hold", company, number) for number in range(1, 7)])
        story.change([("post", company, number) for number in range(1, 4)])
    for companies, schedule, kill_after in runs:
        story.run(companies, schedule, kill_after=kill_after)
    for changes in before:
        story.change(changes)
