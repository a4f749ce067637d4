"""However many requests are under way at once: no 60 seconds hold more than `requests_per_minute`, as the server counts them."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
from ifs_bi_core.errors import ExitCode
from ifs_bi_core.http.shared_limits import shared_limit
from ifs_bi_sandbox.faults import preset
from pipeline.tenant import Tenant
from pipeline.undelayed import Pipe
from tap_ifs_cloud.connection import WINDOW_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 20
MINUTE = 60.0
_ON_ITS_WAY_SECONDS = 5


class Log(deque[dict[str, Any]]):
    """The server's log, whose end can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.grown = threading.Condition()

    def append(self, entry: dict[str, Any]) -> None:
        with self.grown:
            super().append(entry)
            self.grown.notify_all()


class Counted:
    """The tap's limit on a clock that passes in no time, but never while a request that has begun is not at the server yet."""

    def __init__(self, pipe: Pipe) -> None:
        self._log = Log()
        pipe.tenant.world.requests = self._log
        self._clock = pipe.clock
        self._begun = 0
        self._lost = 0
        self._lock = threading.Lock()
        self._window = shared_limit(
            pipe.state_dir, "ifs-cloud", "test", LIMIT, WINDOW_SECONDS, clock=self._clock.now, sleep=self.sleep
        )

    def acquire(self) -> None:
        # The clock stands still between the leave and the count of it; who waits lets go of the log, not of the turn.
        with self._lock, self._log.grown:
            self._window.acquire()
            self._begun += 1

    def sleep(self, seconds: float) -> None:
        with self._log.grown:
            while (begun := self._begun) > len(self._log) + self._lost:
                if not self._log.grown.wait_for(lambda: len(self._log) + self._lost >= begun, _ON_ITS_WAY_SECONDS):
                    # What went over a connection that a fault had closed never arrives; what has begun meanwhile does.
                    self._lost = begun - len(self._log)
            self._clock.sleep(seconds)

    def fullest_minute(self) -> int:
        """The most requests that the server had in any 60 seconds."""
        times = sorted(entry["time"] for entry in self._log)
        return max(sum(begin <= time <= begin + MINUTE for time in times) for begin in times)

    def refused(self) -> int:
        return sum(entry["status"] == 429 for entry in self._log)


@pytest.fixture
def pipe(tmp_path) -> Iterator[Pipe]:
    tenant = Tenant(tmp_path)
    tenant.world.switches.requests_per_minute = LIMIT
    with tenant.served() as address:
        made = Pipe(tmp_path, tenant, address)
        made.limiter = Counted(made)
        made.sleep = made.limiter.sleep
        yield made


@pytest.mark.parametrize("concurrency", [1, 8])
def test_no_minute_holds_more_requests_than_the_setting_says(pipe, concurrency):
    assert pipe.run(concurrency=concurrency, page_size=2) == ExitCode.DONE
    pipe.assert_is_equal()
    assert len(pipe.tenant.world.requests) > 2 * LIMIT
    assert pipe.limiter.fullest_minute() == LIMIT
    assert pipe.limiter.refused() == 0


def test_what_is_asked_again_and_tokens_that_are_renewed_count_too(pipe):
    pipe.faults += [
        preset("unavailable", path="*Set", skip=5, times=5),
        preset("token_revoked", path="*Set", skip=12),
        preset("metadata_changed", path="*Set", skip=8, times=2),
        preset("reset", path="*Set", skip=10, times=3),
        preset("token_revoked", path="*Set", skip=18),
    ]
    assert pipe.run(concurrency=8, page_size=2) == ExitCode.DONE
    pipe.assert_is_equal()
    assert pipe.faults == []
    assert pipe.limiter.fullest_minute() == LIMIT
    assert pipe.limiter.refused() == 0
