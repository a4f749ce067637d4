"""The promises, against the real stand-in: whatever goes wrong, nothing is done twice and nothing is called done that is not."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.ledger.history import balance, runs
from ifs_bi_sandbox.faults import Fault

KINDS = ("set", "create", "numbered", "delete", "action")
FAULTS = st.builds(
    lambda method, kind, skip, times: Fault("ifs", method=method, path="*Set*", skip=skip, times=times, **kind),
    method=st.sampled_from(["GET", "PATCH", "POST", "DELETE", None]),
    kind=st.sampled_from(
        [
            *({"kind": kind, "after": after} for kind in ("reset", "truncate") for after in (False, True)),
            *({"kind": "status", "status": status} for status in (400, 401, 403, 412, 423, 429, 500, 502, 503, 504)),
            *({"kind": "status", "status": status, "after": True} for status in (500, 502, 504)),
            {"kind": "status", "status": 200, "message": "<html>Sign in</html>"},
            {"kind": "status", "status": 503, "retry_after": 900},
            {"kind": "status", "status": 500, "code": "MI_MODIFIED_ERROR"},
            {"kind": "revoke_tokens"},
        ]
    ),
    skip=st.integers(0, 2),
    times=st.integers(1, 3),
)


@pytest.fixture
def counted(desk):
    """Counts what happens to purchase orders, by what the operation marks them with."""
    desk.sql("DROP TABLE IF EXISTS _happened")
    desk.sql("CREATE TABLE _happened (note TEXT, order_no TEXT)")
    for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        desk.sql(f"DROP TRIGGER IF EXISTS count_{event}")
        desk.sql(
            f"CREATE TRIGGER count_{event} AFTER {event} ON purchase_order BEGIN "
            f"INSERT INTO _happened VALUES ({row}.NoteText, {row}.OrderNo); END"
        )
    yield
    for event in ("INSERT", "UPDATE", "DELETE"):
        desk.sql(f"DROP TRIGGER count_{event}")
    desk.sql("DROP TABLE _happened")


class Wish:
    """One operation on a record of its own, and how often it came true."""

    def __init__(self, desk, kind, number):
        self.desk, self.kind, self.note = desk, kind, f"{kind} {number}"
        self.order = desk.order()
        order, name = {"OrderNo": self.order}, "purchase_orders"
        new = {**desk.order_without_number(self.note)}
        self.operation = {
            "set": {"key": order, "set": {"NoteText": self.note}},
            "create": {"create": {"OrderNo": f"N{self.order}", **new}},
            "numbered": {"create": new},
            "delete": {"key": order, "delete": True},
            "action": {"key": order, "action": "Release"},
        }[kind] | {"entity": name, "id": self.order}
        desk.sql("DELETE FROM _happened WHERE order_no = ?", self.order)

    @property
    def times(self):
        creates = self.kind in {"create", "numbered"}
        where = "note = ?" if creates else "order_no = ?"
        return self.desk.sql(f"SELECT count(*) FROM _happened WHERE {where}", self.note if creates else self.order)[0][
            0
        ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), faults=st.lists(FAULTS, max_size=4))
def test_whatever_goes_wrong_nothing_happens_twice_and_what_is_called_done_happened(box, desk, counted, kinds, faults):
    with tempfile.TemporaryDirectory() as folder:
        desk.state_dir = Path(folder)
        desk.config_file.write_text(json.dumps(json.loads(desk.config_file.read_text()) | {"state_dir": folder}))
        box.world.switches.update({"numbered_sets": ["PurchaseOrderSet"], "requests_per_minute": 0})
        desk.sql("DELETE FROM _happened")
        wishes = [Wish(desk, kind, number) for number, kind in enumerate(kinds)]
        box.world.faults[:] = faults
        desk.give(*(wish.operation for wish in wishes))
        outcomes = {one["id"]: one["outcome"] for one in desk.out}
        check(wishes, outcomes)
        everything_was_told = len(desk.out) == len(wishes)
        assert everything_was_told or desk.code == 1
        box.world.faults.clear()

        desk.give(*(wish.operation for wish in wishes), lines=None if desk.code == 1 else desk.replayed() or b"\n")
        again = {one["id"]: one["outcome"] for one in desk.out}
        check(wishes, outcomes | again)
        for wish in wishes:
            outcome = again.get(wish.order, outcomes.get(wish.order))
            blind = wish.kind in {"numbered", "action"}
            assert outcome in ({"done", "already", "unknown"} if blind else {"done", "already"})
        with desk.ledger() as ledger:
            assert all(balance(ledger, part.run).holds for part in runs(ledger))


def check(wishes, outcomes):
    for wish in wishes:
        assert wish.times <= 1
        if outcomes.get(wish.order) in {"done", "already"}:
            assert wish.times == 1
        elif outcomes.get(wish.order) not in {"unknown", None}:
            assert wish.times == 0
