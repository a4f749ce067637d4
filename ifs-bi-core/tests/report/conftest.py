"""Ledgers to report on: a week of nightly runs in which things went wrong, and one that holds much."""

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from ifs_bi_core.dead_letter.letter import RefusedRow
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.ledger.accounts import ATTEMPTS, BATCH_EVENTS, BATCHES, PAGES, READS, RUN_EVENTS
from ifs_bi_core.ledger.journal import instant
from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.ledger.trail import TrailRow
from ifs_bi_core.report.reading import read_report
from sqlalchemy import insert

POWERBI = "https://api.powerbi.com/a-tenant/a-dataset"
WAREHOUSE = "postgresql://dwh.example.com:5432/bi#ifs"
KEY = "KEY-OF-A-RECORD"
VALUE = "VALUE OF A RECORD"
NIGHTS = 6


class Clock:
    """Stands still until it is told."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now

    def pass_by(self, seconds):
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Call:
    """A request that was made."""

    operation: str = "purchase_orders page 1"
    method: str = "GET"
    status: int | None = 200
    error: str | None = None
    seconds: float = 0.5
    sent_bytes: int = 10
    received_bytes: int = 1000
    request_id: str | None = None


@dataclass(frozen=True)
class Week:
    """The folder, and the moment after the week."""

    state_dir: Path
    clock: Clock

    def report(self, **options):
        with closing(Ledger.open(None, self.state_dir, clock=self.clock, create=False)) as ledger:
            return read_report(ledger, **options)


def rows(night, count):
    """Rows of a night, each changed a minute after the one before, the last one an hour before the run."""
    changed = [night - timedelta(minutes=60 + count - 1 - number) for number in range(count)]
    payload = f'{{"Name":"{VALUE}"}}'
    return [
        TrailRow(key_text({"OrderNo": f"{KEY} {number}"}, ["OrderNo"]), instant(at), instant(night), payload=payload)
        for number, at in enumerate(changed)
    ]


def pulled(run, stream, count):
    """The pages of a stream: a look at all keys, and its rows."""
    key = key_text({"OrderNo": KEY}, ["OrderNo"])
    for number, query, found in ((1, "?$select=OrderNo&$top=5000", 1000), (2, "?$top=5000", count)):
        run.page(stream, number=number, rows=found, query=f"https://ifs/Set{query}", first_key=key, last_key=key)


def nightly(ledger, clock, name, rows_of, *, target="target-powerbi", destination=POWERBI, tap_code=0):
    """A run that comes to its end; rows by stream."""
    tap = ledger.begin_run("tap-ifs-cloud", "0.1.0", run=name)
    for stream, count in rows_of.items():
        tap.attempt(Call(f"{stream} page 1", status=429, seconds=0.1), service="ifs")
        tap.attempt(Call(f"{stream} page 1"), service="ifs")
        pulled(tap, stream, count)
    tap.end(tap_code)
    began = clock.now
    with closing(Ledger.open(None, ledger.state_dir, clock=clock)) as own:
        run = own.begin_run(target, "0.1.0", run=name)
        clock.pass_by(100)
        for stream, count in rows_of.items():
            run.read(stream, count)
            if count:
                batch = run.write_batch(stream, destination, rows(began, count))
                batch.pushing()
                batch.acknowledged()
        run.end(0)


@pytest.fixture(scope="session")
def scene():
    """What other scenes are made of."""
    return SimpleNamespace(Clock=Clock, nightly=nightly, rows=rows, POWERBI=POWERBI, WAREHOUSE=WAREHOUSE)


@pytest.fixture(scope="module")
def week(tmp_path_factory):
    """Six good nights; then one row is refused, one batch is not answered, and another pipe fails."""
    state_dir = tmp_path_factory.mktemp("week")
    clock = Clock(datetime(2026, 11, 10, 2, tzinfo=UTC))
    with closing(Ledger.open(None, state_dir, clock=clock)) as ledger:
        for night in range(NIGHTS):
            clock.now = datetime(2026, 11, 10 + night, 2, tzinfo=UTC)
            orders = {"purchase_orders": 10 + night, "suppliers": 0 if night else 5}
            nightly(ledger, clock, f"night-{night}", orders | ({"gl_accounts": 3} if night < NIGHTS - 2 else {}))
        clock.now = datetime(2026, 11, 15, 3, tzinfo=UTC)
        run = ledger.begin_run("target-powerbi", "0.1.0", run="dead")
        run.read("purchase_orders", 4)
        batch = run.write_batch("purchase_orders", POWERBI, rows(clock.now, 4))
        batch.pushing()
        batch.refused(f"Name is '{VALUE}', which is too long", [2])
        batch.acknowledged()
        run.end(3)
    letters = DeadLetters(state_dir, clock=clock)
    line = f'{{"type":"RECORD","record":{{"Name":"{VALUE}"}}}}'.encode()
    refused = RefusedRow(line, f"Name is '{VALUE}', which is too long", f'{{"OrderNo":"{KEY} 2"}}')
    letters.put(
        "purchase_orders", schema=b'{"type":"SCHEMA"}', rows=[refused], run="dead", destination=POWERBI, batch=batch.id
    )
    with closing(Ledger.open(None, state_dir, clock=clock)) as ledger:
        clock.now = datetime(2026, 11, 15, 4, tzinfo=UTC)
        run = ledger.begin_run("target-looker-warehouse", "0.1.0", run="killed")
        run.write_batch("customers", WAREHOUSE, rows(clock.now, 7)).pushing()
        clock.now = datetime(2026, 11, 15, 5, tzinfo=UTC)
    with closing(Ledger.open(None, state_dir, clock=clock)) as ledger:
        run = ledger.begin_run("tap-ifs-cloud", "0.1.0", run="failed")
        run.attempt(Call("sign-in", "POST", None, "NotSentError", 2.0, 0, 0), service="ifs")
        run.end(1)
    return Week(state_dir, Clock(datetime(2026, 11, 15, 9, tzinfo=UTC)))


STREAMS = [f"stream_{number:02}" for number in range(25)]
MANY = 400


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """400 runs of 25 streams, without batch files: another machine has them."""
    state_dir = tmp_path_factory.mktemp("many")
    return filled(state_dir, MANY)


@pytest.fixture(scope="session")
def one(tmp_path_factory):
    """The same ledger after its first run."""
    return filled(tmp_path_factory.mktemp("one"), 1)


@pytest.fixture(scope="session")
def none(tmp_path_factory):
    """A ledger that knows of no run."""
    return filled(tmp_path_factory.mktemp("none"), 0)


def filled(state_dir, count):
    """A folder with a ledger of that many runs."""
    last = datetime(2026, 11, 23, 3, tzinfo=UTC)
    held = {table: [] for table in (RUN_EVENTS, PAGES, READS, BATCHES, BATCH_EVENTS, ATTEMPTS)}
    for number in range(count):
        _run(held, f"run-{number:03}", last - timedelta(hours=24 * (count - 1 - number)), number)
    with closing(Ledger.open(None, state_dir)) as ledger, ledger.database.write() as connection:
        for table, entries in held.items():
            if entries:
                connection.execute(insert(table), entries)
    return Week(state_dir, Clock(last + timedelta(hours=6)))


def _run(held, run, at, number):
    for place, plugin in enumerate(("tap-ifs-cloud", "target-powerbi")):
        part = {"run": run, "part": f"{number}-{place}", "plugin": plugin, "version": "1", "host": "etl", "pid": 1}
        held[RUN_EVENTS] += [
            part | {"event": "started", "at": instant(at), "exit_code": None},
            part
            | {"event": "ended", "at": instant(at + timedelta(minutes=5)), "exit_code": 1 if number % 37 == 36 else 0},
        ]
    for place, stream in enumerate(STREAMS):
        here = {"run": run, "stream": stream, "at": instant(at + timedelta(minutes=1))}
        size = 1_000_000 if not number else (number * 31 + place * 17) % 900 + 1
        batch = f"{run}-{place}"
        query = "https://ifs/Set?$top=5000"
        held[PAGES].append(
            here | {"number": 1, "rows": size, "first_key": '{"A":"1"}', "last_key": "{}", "query": query}
        )
        held[READS].append({"run": run, "part": f"{number}-1", "stream": stream, "rows": size})
        lies = {"file": f"batches/{batch}", "bytes": 1, "key_names": None, "destination": POWERBI, "host": "etl"}
        held[BATCHES].append(here | lies | {"batch": batch, "part": f"{number}-1", "rows": size})
        for state in ("written", "pushing", "acknowledged"):
            event = {"batch": batch, "run": run, "at": here["at"], "state": state, "reason": None, "positions": None}
            held[BATCH_EVENTS].append(event)
        call = {"run": run, "at": here["at"], "service": "ifs", "operation": f"{stream} page 1", "method": "GET"}
        answer = {
            "status": 200,
            "seconds": 0.2,
            "sent_bytes": 0,
            "received_bytes": 100,
            "request_id": None,
            "error": None,
        }
        held[ATTEMPTS].append(call | answer)
