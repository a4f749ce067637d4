"""A person with `ifs-bi write-back`, a tenant whose records others change too, and a state folder."""

import json
import sqlite3
import time
from contextlib import closing
from io import BytesIO
from itertools import count

import click
import pytest
from click.testing import CliRunner
from ifs_bi_core.dead_letter.letter import State
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import IfsBiError
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.ledger.history import runs
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.replay.printing import Selection, replay
from ifs_bi_core.singer.account import RUN_ID
from ifs_bi_core.singer.configuration import settings_of
from ifs_bi_sandbox.faults import Fault
from ifs_bi_sandbox.servers import Sandbox
from ifs_bi_sandbox.world import Switches
from pipeline.pulling import access
from tap_ifs_cloud.tap import TapIfsCloud
from tap_ifs_cloud.write_back.command import Session

NUMBERS = count(1)


@pytest.fixture(scope="module")
def box():
    with Sandbox(scale=300, seed=5) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_it_was(box, monkeypatch):
    monkeypatch.delenv(RUN_ID, raising=False)
    box.world.faults.clear()
    box.world.requests.clear()
    for name, value in vars(Switches()).items():
        setattr(box.world.switches, name, value)


class Desk:
    """A person with the command, a state folder, and a look into the tenant's database."""

    def __init__(self, box, folder):
        self.box = box
        self.folder = folder
        self.state_dir = folder / "state"
        self.slept = []
        self.while_sleeping = lambda: None
        self.clock = time.time
        settings = {
            **access(box),
            "state_dir": str(self.state_dir),
            "retry_limit_seconds": 5,
        }
        self.config_file = folder / "tap.json"
        self.config_file.write_text(json.dumps(settings))

    def give(self, *operations, dry_run=False, lines=None):
        """Exit code and what was printed, by operation."""
        return self._ran(lambda session: session.carry_out(BytesIO(lines or _lines(operations))), dry_run=dry_run)

    def mark(self, run, *texts, streams=()):
        return self._ran(lambda session: session.mark(run, texts, streams))

    @staticmethod
    def setting(order, **values):
        return {"entity": "purchase_orders", "key": {"OrderNo": order}, "set": values}

    @staticmethod
    def order_without_number(text):
        """What a new order has beside the number, which IFS Cloud gives."""
        texts = {"VendorNo": "1", "Company": "10", "Contract": "S1", "CurrencyCode": "EUR", "NoteText": text}
        return {**texts, "DateEntered": "2026-11-20T00:00:00Z", "TotalNetAmount": 12.5}

    def strike(self, method, kind="reset", path="*PurchaseOrderSet*", **more):
        """Let a request of that method suffer a fault."""
        self.box.world.faults.append(Fault("ifs", kind, method=method, path=path, **more))

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.while_sleeping()

    def _ran(self, act, *, dry_run=False):
        surroundings = Surroundings(clock=self.clock, sleep=self.sleep, chance=lambda: 0.0)
        config = settings_of(TapIfsCloud, (str(self.config_file),))
        session = Session(config, dry_run=dry_run, as_json=True, surroundings=surroundings)
        self.code = self.error = None

        @click.command()
        def shell():
            try:
                self.code = act(session)
            except IfsBiError as error:
                self.error, self.code = error, error.exit_code

        printed = CliRunner().invoke(shell, catch_exceptions=False)
        self.err = printed.stderr
        self.out = [json.loads(line) for line in printed.stdout.splitlines()]
        return self.code, [one["outcome"] for one in self.out]

    def sql(self, text, *values):
        with closing(sqlite3.connect(self.box.world.database, timeout=10)) as connection, connection:
            return connection.execute(text, values).fetchall()

    def order(self, state="Planned"):
        """The number of a new order, which nobody else knows."""
        names = [
            name for (name,) in self.sql("SELECT name FROM pragma_table_info('purchase_order')") if name != "_rowid"
        ]
        number = f"W{next(NUMBERS)}"
        new = {"OrderNo": "?", "Objstate": "?"}
        chosen = ", ".join(new.get(name, f'"{name}"') for name in names)
        columns = ", ".join(f'"{name}"' for name in names)
        values = [{"OrderNo": number, "Objstate": state}[name] for name in names if name in new]
        self.sql(f"INSERT INTO purchase_order ({columns}) SELECT {chosen} FROM purchase_order LIMIT 1", *values)
        return number

    def note(self, order):
        return self.sql("SELECT NoteText, LabelNote FROM purchase_order WHERE OrderNo = ?", order)[0]

    def somebody_writes(self, order, **values):
        """Another user's change, with a version of its own."""
        sets = "".join(f', "{name}" = ?' for name in values)
        self.sql(
            f"UPDATE purchase_order SET _rowversion = CAST(_rowversion + 1 AS TEXT){sets} WHERE OrderNo = ?",
            *values.values(),
            order,
        )

    def sent(self, *methods):
        wanted = methods or ("PATCH", "POST", "DELETE")
        return [one for one in self.box.world.requests if one["method"] in wanted and one["service"] == "ifs"]

    def letters(self, *states):
        return DeadLetters(self.state_dir).letters(*(states or (State.PENDING,)))

    def replayed(self, **asked):
        out = BytesIO()
        replay(DeadLetters(self.state_dir), Selection(stream="write-back", **asked), out, lambda _: None)
        return out.getvalue()

    def ledger(self):
        return closing(Ledger.open(None, self.state_dir, create=False))

    def last_run(self):
        with self.ledger() as ledger:
            return runs(ledger, limit=1)[0]


def _lines(operations):
    return b"".join(json.dumps(one).encode() + b"\n" for one in operations)


@pytest.fixture
def desk(box, tmp_path):
    return Desk(box, tmp_path)


@pytest.fixture
def meanwhile(desk, monkeypatch):
    """Lets something happen between our look and the arrival of our next request of a method."""

    def happen(act, method="PATCH", times=1):
        async def waiting(_):
            act()

        monkeypatch.setattr(desk.box.world, "waiting", waiting)
        desk.strike(method, "slow", seconds=1, times=times)

    return happen
