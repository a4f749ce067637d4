"""Pages that are asked for before their turn: how many, when, and what becomes of those that came to nothing.

The laws over sets that change meanwhile are in ``test_paging_laws``.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.http.limits import SlidingWindow
from tap_ifs_cloud.ahead import next_stretch
from tap_ifs_cloud.client import IfsCloud
from tap_ifs_cloud.paging import Ask
from tap_ifs_cloud.token import Client
from tap_ifs_cloud.turns import Turns, side_by_side

PAGE = 10
BEHIND = Ask(PAGE, "k gt 7")


class Wire:
    """A tenant behind a real socket, which answers nobody before so many questions for rows are there.

    Attributes:
        address: of the server.
        cloud: a client of it.
        most: the most questions there were at once.
        asked: how many there were in all.
    """

    def __init__(self, tenant, *, together: int, after: int) -> None:
        self.most = self.asked = 0
        self.refuse = self.hang = lambda _query: False
        self.never = threading.Event()
        self._tenant = tenant
        self._together, self._after = together, after
        self._now = 0
        self._all_there, self._lock, self._one_at_a_time = threading.Event(), threading.Lock(), threading.Lock()
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(200, b'{"access_token":"a-token-of-a-test","expires_in":3600}')

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                with wire.among_the_others():
                    if wire.hang(parts.query):
                        wire.never.wait()
                    if wire.refuse(parts.query):
                        self._answer(403, b'{"error":{"code":"SE_UNAUTHORIZED","message":"Insufficient privileges."}}')
                        return
                    with wire._one_at_a_time:
                        body = tenant.answer(parts.path.partition("/v1/")[2], parts.query)
                self._answer(200, body)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.cloud = IfsCloud(
            Client(f"{self.address}/token", "client", "a-secret-of-a-test", ""),
            limiter=SlidingWindow(1e6),
            timeout_seconds=60,
            retry_limit_seconds=0,
            user_agent="test",
        )
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @contextmanager
    def among_the_others(self):
        with self._lock:
            self.asked += 1
            self._now += 1
            self.most = max(self.most, self._now)
            held = self.asked > self._after
            if self._now == self._together:
                self._all_there.set()
        if held:
            assert self._all_there.wait(timeout=30), f"never were {self._together} there"
        yield
        with self._lock:
            self._now -= 1

    def close(self) -> None:
        self.never.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def wire(request):
    """Puts a rig's tenant behind a socket."""

    def made(rig, *, together: int = 1, after: int = 0) -> Wire:
        rig.settings["page_size"] = PAGE
        served = Wire(rig.tenant, together=together, after=after)
        request.addfinalizer(served.close)
        return served

    return made


def filled(rig, rows: int) -> list[int]:
    rig.tenant.put(*(("10", number) for number in range(rows)))
    return list(range(rows))


def read_all(rig, wire: Wire, most: int, *, streams: int = 1) -> list[list[int]]:
    """What each of so many streams got, in its order."""
    turns, got = Turns(most), [[] for _ in range(streams)]

    def task(mine: list[int]):
        def run() -> None:
            mine.extend(int(record["No"]) for record in rig.records(rig.reading({}, wire=wire, turns=turns)))

        return run

    side_by_side([task(mine) for mine in got], turns, at_once=most)
    return got


def test_a_big_set_is_asked_for_in_as_many_stretches_at_once_as_was_said(rig, wire):
    """Page by page at first, in twice as many stretches with each that came full."""
    big = rig(replication="full")
    numbers = filled(big, 20 * PAGE)
    served = wire(big, together=4, after=8)
    assert read_all(big, served, 4) == [numbers]
    assert served.most == 4


def test_streams_and_stretches_share_the_places(rig, wire):
    several = rig(replication="full")
    numbers = filled(several, 9 * PAGE + 3)
    served = wire(several, together=4, after=8)
    assert read_all(several, served, 4, streams=6) == [numbers] * 6
    assert served.most == 4


def test_one_at_a_time_asks_what_a_walk_asks_and_nothing_before_its_turn(rig, wire):
    quiet = rig(replication="full")
    numbers = filled(quiet, 7 * PAGE + 3)
    served = wire(quiet)
    assert read_all(quiet, served, 1) == [numbers]
    assert (served.most, served.asked) == (1, 8)


def test_the_next_page_is_under_way_while_the_last_one_is_written(rig, wire):
    """The second question arrives although nobody takes more than the first row."""
    two = rig(replication="full")
    filled(two, 3 * PAGE)
    served = wire(two)
    second = threading.Event()
    served.hang = lambda query: "filter" in query and (second.set() or False)
    records = two.records(two.reading({}, wire=served, turns=Turns(2)))
    assert next(records)["No"] == 0
    assert second.wait(timeout=30)
    records.close()


def test_what_the_next_page_was_refused_with_is_raised_when_all_rows_before_it_are_written(rig, wire):
    refused = rig(replication="full")
    filled(refused, 5 * PAGE)
    served = wire(refused)
    served.refuse = lambda query: "No%20gt%2019" in query and "skip" not in query
    records = refused.records(refused.reading({}, wire=served, turns=Turns(4)))
    assert [int(next(records)["No"]) for _ in range(2 * PAGE)] == list(range(2 * PAGE))
    with pytest.raises(ContractBrokenError, match="page 3"):
        next(records)


def test_a_server_that_refuses_stretches_is_read_page_by_page(rig, wire):
    plain = rig(replication="full")
    numbers = filled(plain, 9 * PAGE)
    served = wire(plain)
    served.refuse = lambda query: "skip" in query
    assert read_all(plain, served, 4) == [numbers]
    told = [sentence for sentence in plain.said if "before its turn" in sentence]
    assert len(told) == 1
    assert told[0].startswith("rows: Only the next page is asked for before its turn, since IFS Cloud did not answer")


def test_an_end_waits_for_no_page_that_was_asked_for_before_its_turn(rig, wire):
    hanging = rig(replication="full")
    filled(hanging, 9 * PAGE)
    served = wire(hanging)
    asked = threading.Event()
    served.hang = lambda query: "filter" in query and (asked.set() or True)
    turns = Turns(3)

    def fails() -> None:
        with turns.away():
            assert asked.wait(timeout=30)
        raise ValueError("another stream's error")

    def reads() -> None:
        for _ in hanging.records(hanging.reading({}, wire=served, turns=turns)):
            pass

    with pytest.raises(ValueError, match="another stream's error"):
        side_by_side([reads, fails], turns, at_once=3)


def test_a_row_that_changes_again_in_the_second_in_which_it_was_read_early_is_not_lost(rig, early_turns):
    """Its page lies here for ten seconds before it is written; its ETag stays as it was."""
    late = rig(replication="row_version")
    late.tenant.put(*(("10", number) for number in range(12)))
    late.turns = lambda: early_turns(2, "wished")
    answers = iter(range(100))

    def after_the_third_answer() -> None:
        if next(answers) == 2:
            late.tenant.put(("10", 7))
            late.tenant.seconds += 10

    late.tenant.between = after_the_third_answer
    late.run()
    assert not late.is_equal()
    late.tenant.between = None
    late.run()
    assert late.is_equal()


def test_the_first_stretch_is_the_walks_own_question():
    stretch = next_stretch(BEHIND, PAGE, 0)
    assert (stretch.ask, stretch.rows) == (BEHIND, PAGE)


def test_a_stretch_begins_with_the_last_row_of_the_one_before():
    stretch = next_stretch(BEHIND, PAGE, 2 * PAGE)
    assert (stretch.ask, stretch.rows) == (Ask(PAGE, "k gt 7", skip=2 * PAGE - 1), PAGE - 1)


def test_large_pages_overlap_by_one_row_in_a_hundred_so_that_as_many_may_go():
    stretch = next_stretch(Ask(5_000, "k gt 7"), 5_000, 5_000)
    assert (stretch.ask.skip, stretch.rows) == (4_949, 4_949)


@pytest.mark.parametrize(("length", "before"), [(1, 1), (1, 5)])
def test_pages_of_one_row_have_no_room_to_begin_with_a_known_one(length, before):
    assert next_stretch(BEHIND, length, before) is None
