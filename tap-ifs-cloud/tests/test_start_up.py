"""What the command has in memory: no library that it doesn't need for this run, no page that was written, no heap a thread."""

from __future__ import annotations

import subprocess
import sys
import weakref
from datetime import UTC, datetime
from typing import Any

import pytest
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import Pulling
from tap_ifs_cloud.ahead import Answer, PagesAhead, Question
from tap_ifs_cloud.client import Page, UnreadableError
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.paging import Ask, Walk
from tap_ifs_cloud.turns import Turns, side_by_side
from tap_ifs_cloud.wire_rows import PageDecoder, row_type

NOT_NEEDED = {"pyarrow", "duckdb", "psycopg", "cryptography", "keyring", "numpy", "pandas", "boto3", "lxml"}
TELLING = """
import atexit, sys
atexit.register(lambda: open("modules", "w").write("\\n".join(sys.modules)))
from tap_ifs_cloud.tap import main
main()
"""


@pytest.fixture
def pulling(tmp_path):
    with Sandbox(scale=400, seed=5) as box:
        yield Pulling(box, tmp_path, streams=["suppliers", "purchase_orders"])


def test_a_run_that_moves_rows_and_keeps_the_ledger_loads_no_library_that_others_need(pulling):
    pulling.run("--discover")  # writes the configuration
    command = [sys.executable, "-c", TELLING, "--config", "config.json"]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=pulling.folder, timeout=120, check=True)
    assert '"type":"RECORD"' in ran.stdout
    loaded = {name.partition(".")[0] for name in (pulling.folder / "modules").read_text().splitlines()}
    assert loaded >= {"tap_ifs_cloud", "ifs_bi_core", "singer_sdk", "sqlalchemy"}
    assert loaded & NOT_NEEDED == set()


class Rows(list):
    """A page's rows, which can be looked for."""

    __hash__ = object.__hash__


@pytest.mark.parametrize("entity", [{}, {"modified": "Changed"}, {"replication": "full"}])
def test_a_page_that_was_written_is_gone_before_the_next_one_is_read(rig, entity):
    rig = rig(**entity)
    rig.tenant.put(*[("10", number) for number in range(11)])
    ordinary, alive = rig.tenant.page, weakref.WeakSet()
    most = 0

    def page(url: str, operation: str, **how: Any) -> Page:
        nonlocal most
        rows = Rows(ordinary(url, operation, **how).rows)
        alive.add(rows)
        most = max(most, len(alive))
        return Page(rows, None)

    rig.tenant.page = page
    rig.run()
    assert rig.is_equal()
    assert len(rig.tenant.requests) > 3
    assert most == 1


def test_a_walk_does_not_keep_the_text_of_the_page_it_stands_on():
    key, amount = Property("k", "Edm.String", nullable=False), Property("a", "Edm.Decimal")
    decode = PageDecoder(row_type({"k": key, "a": amount}, {"k"}))
    body = b'{"value":[{"k":"1","a":"1.25"},{"k":"2","a":"2.25"}]}'
    walk = Walk("s", (key,), "", 2)
    held = sys.getrefcount(body)
    rows = decode(body)["value"]
    assert rows[1]["a"] is not None
    walk.received(rows, None)
    del rows
    assert sys.getrefcount(body) == held
    assert walk.ask.filter == "k gt '2'"


NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize("requests", [1, 4])
def test_pages_of_several_streams_are_read_one_at_a_time(requests):
    """Four streams of a hundred rows each: an answer waits as text until its stream has the turn."""
    turns = Turns(requests)
    has_turn, came = [], []

    def question(ask: Ask, _further: int, **_: bool) -> Question:
        behind = ask.filter.rpartition(" ")[2]
        first = (int(behind) + 1 if behind else 0) + ask.skip

        def answer() -> Answer:
            has_turn.append(turns._taken)
            return Answer([{"k": key} for key in range(first, min(100, first + ask.top))], None, "", NOW, NOW)

        return Question(answer, lambda: answer)

    def stream() -> None:
        walk = Walk("s", (Property("k", "Edm.Decimal"),), "", 10)
        ahead = PagesAhead(walk, turns, question, tell=lambda _: None)
        while walk.ask:
            came.extend(walk.received(ahead.next(walk.ask).rows, None))
            ahead.look_ahead()

    side_by_side([stream] * 4, turns, at_once=4)
    assert len(came) == 400
    assert len(has_turn) >= 40
    assert all(has_turn)


def test_an_answer_that_cannot_be_read_is_asked_for_again():
    walk = Walk("s", (Property("k", "Edm.Decimal"),), "", 10)
    whole = Answer([{"k": 1}], None, "", NOW, NOW)

    def cut_off() -> Answer:
        raise UnreadableError("cut off")

    ahead = PagesAhead(walk, Turns(), lambda *_, **__: Question(lambda: whole, lambda: cut_off), tell=lambda _: None)
    assert ahead.next(walk.ask) is whole


HEAPS = """
import ctypes, sys, threading
from tap_ifs_cloud.turns import Turns, side_by_side

libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes, libc.fclose.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]
together = threading.Barrier(8)

def take_memory():
    text = bytes(100_000)
    together.wait(20)

if sys.argv[1] == "shared":
    side_by_side([], Turns(), at_once=8)
workers = [threading.Thread(target=take_memory) for _ in range(8)]
for worker in workers: worker.start()
for worker in workers: worker.join()
file = libc.fopen(b"heaps.xml", b"w")
libc.malloc_info(0, file)
libc.fclose(file)
"""


def test_threads_share_one_heap(tmp_path):
    heaps = {}
    for how in ("shared", "each its own"):
        subprocess.run([sys.executable, "-c", HEAPS, how], cwd=tmp_path, timeout=60, check=True)
        heaps[how] = (tmp_path / "heaps.xml").read_text().count("<heap nr=")
    assert heaps["shared"] == 1
    assert heaps["each its own"] > 1
