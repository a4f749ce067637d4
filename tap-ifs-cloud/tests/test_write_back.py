"""`ifs-bi write-back` between real servers and real files."""

import json
import sqlite3
from contextlib import closing
from io import BytesIO

import pytest
from click.testing import CliRunner
from ifs_bi_core.dead_letter.letter import State
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.ledger.history import balance, runs, show
from ifs_bi_core.ledger.runs import Ledger
from ifs_bi_core.replay.printing import Selection, replay
from ifs_bi_core.singer.account import RUN_ID
from ifs_bi_core.singer.configuration import settings_of
from ifs_bi_sandbox.faults import Fault, preset
from ifs_bi_sandbox.servers import Sandbox
from ifs_bi_sandbox.world import Switches
from tap_ifs_cloud.tap import TapIfsCloud
from tap_ifs_cloud.write_back.command import Session

ORDERS = "PurchaseOrderHandling/PurchaseOrderSet"


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
        env = box.environment()
        self.box = box
        self.folder = folder
        self.state_dir = folder / "state"
        self.slept = []
        settings = {
            "base_url": env["IFS_BASE_URL"],
            "realm": env["IFS_REALM"],
            "client_id": env["IFS_CLIENT_ID"],
            "client_secret": env["IFS_CLIENT_SECRET"],
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

    def _ran(self, act, *, dry_run=False):
        config = settings_of(TapIfsCloud, (str(self.config_file),))
        surroundings = Surroundings(sleep=self.slept.append, chance=lambda: 0.0)
        session = Session(config, dry_run=dry_run, as_json=True, surroundings=surroundings)
        self.code = self.error = None

        @write_back_shell
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

    def order(self, number):
        (row,) = self.sql("SELECT OrderNo FROM purchase_order ORDER BY OrderNo LIMIT 1 OFFSET ?", number)
        return row[0]

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


def write_back_shell(function):
    import click  # noqa: PLC0415 - only to let CliRunner collect what is printed

    return click.command()(function)


def _lines(operations):
    return b"".join(json.dumps(one).encode() + b"\n" for one in operations)


@pytest.fixture
def desk(box, tmp_path):
    return Desk(box, tmp_path)


def setting(order, **values):
    return {"entity": "purchase_orders", "key": {"OrderNo": order}, "set": values}


def fault(method, kind="reset", path="*PurchaseOrderSet*", **more):
    return Fault("ifs", kind, method=method, path=path, **more)


LOCKED = {
    "kind": "status",
    "status": 423,
    "code": "DATABASE_ERROR",
    "message": "ORA-20112: PurchaseOrder.FND_LOCKED: The update could not be performed since the record is currently locked.",
}
ACCOUNT = {
    "Description": "write-back",
    "LogicalAccountType": "Assets",
    "AccntType": "Assets",
    "AccntGroup": "1",
    "ValidFrom": "2026-01-01",
    "ValidUntil": "2049-12-31",
}


# what it does


def test_an_update_changes_what_it_names_and_is_in_the_ledger(desk):
    order = desk.order(0)
    assert desk.give(setting(order, NoteText="seen", Revision=7)) == (0, ["done"])
    assert desk.note(order)[0] == "seen"
    part = desk.last_run()
    assert (part.plugin, part.status) == ("write-back", "done")
    with desk.ledger() as ledger:
        assert balance(ledger, part.run).holds
        view = show(ledger, part.run)
    assert {service.service for service in view.services} == {"ifs"}
    assert view.batches[0].rows == {"acknowledged": 1}
    assert desk.letters() == []


def test_what_is_so_already_is_not_sent(desk):
    order = desk.order(1)
    assert desk.give(setting(order, NoteText="once")) == (0, ["done"])
    assert desk.give(setting(order, NoteText="once")) == (0, ["already"])
    assert len(desk.sent("PATCH")) == 1


def test_every_digit_arrives(desk):
    order = desk.order(2)
    line = b'{"entity":"purchase_orders","key":{"OrderNo":"%b"},"set":{"CurrencyRate":12345678.0123456789}}\n'
    assert desk.give(lines=line % order.encode()) == (0, ["done"])
    assert desk.sql("SELECT CurrencyRate FROM purchase_order WHERE OrderNo = ?", order) == [("12345678.0123456789",)]


def test_a_record_is_created_deleted_and_acted_upon(desk):
    account = {"Company": "10", "Account": "W-1/ä'"}
    create = {"entity": "gl_accounts", "create": account | ACCOUNT}
    assert desk.give(create) == (0, ["done"])
    assert desk.out[0]["key"] == account
    assert desk.give(create) == (0, ["already"])
    changed = {"entity": "int/entity/AccountEntity/AccountSet", "create": {**create["create"], "Description": "other"}}
    assert desk.give(changed) == (3, ["conflict"])
    assert desk.give({"entity": "gl_accounts", "key": account, "delete": True}) == (0, ["done"])
    assert desk.sql("SELECT 1 FROM account WHERE Account = ?", account["Account"]) == []
    assert desk.give({"entity": "gl_accounts", "key": account, "delete": True}) == (3, ["refused"])


def test_a_bound_action_runs_on_its_record(desk):
    order = desk.order(3)
    desk.somebody_writes(order, Objstate="Planned")
    action = {"entity": ORDERS, "key": {"OrderNo": order}, "action": "Release", "parameters": {}}
    assert desk.give(action) == (0, ["done"])
    assert desk.sql("SELECT Objstate FROM purchase_order WHERE OrderNo = ?", order) == [("Released",)]


def test_a_dry_run_prints_what_would_be_sent_and_sends_nothing(desk):
    order = desk.order(4)
    code, outcomes = desk.give(setting(order, NoteText="dry"), setting("none", NoteText="x"), dry_run=True)
    assert (code, outcomes) == (0, ["would be sent", "refused"])
    request = desk.out[0]["request"]
    assert request["method"] == "PATCH"
    assert request["url"].endswith(f"/PurchaseOrderSet(OrderNo=%27{order}%27)")
    assert request["headers"]["If-Match"].startswith('W/"')
    assert json.loads(request["body"]) == {"NoteText": "dry"}
    assert desk.sent() == []
    assert desk.letters() == []


# others who write at the same time


@pytest.fixture
def meanwhile(box, monkeypatch):
    """Lets something happen between our look and the arrival of our next request of a method."""

    def happen(act, method="PATCH", times=1):
        async def waiting(_):
            act()

        monkeypatch.setattr(box.world, "waiting", waiting)
        box.world.faults.append(fault(method, "slow", seconds=1, times=times))

    return happen


def test_a_change_of_other_fields_meanwhile_is_no_hindrance(desk, meanwhile):
    order = desk.order(5)
    meanwhile(lambda: desk.somebody_writes(order, LabelNote="theirs"))
    assert desk.give(setting(order, NoteText="ours")) == (0, ["done"])
    assert desk.note(order) == ("ours", "theirs")
    assert [one["status"] for one in desk.sent("PATCH")] == [412, 200]


def test_a_change_of_the_same_field_meanwhile_is_left_and_reported(desk, meanwhile):
    order = desk.order(6)
    meanwhile(lambda: desk.somebody_writes(order, NoteText="theirs"))
    assert desk.give(setting(order, NoteText="ours", LabelNote="x")) == (3, ["conflict"])
    assert desk.note(order)[0] == "theirs"
    assert "Somebody else changed NoteText meanwhile" in desk.out[0]["reason"]
    (letter,) = desk.letters()
    assert (letter.stream, letter.rows) == ("write-back", 1)
    assert letter.reason.startswith("conflict: Somebody else changed NoteText")
    assert "theirs" not in letter.reason


def test_what_somebody_else_set_to_our_value_is_done(desk, meanwhile):
    order = desk.order(7)
    meanwhile(lambda: desk.somebody_writes(order, NoteText="same"))
    assert desk.give(setting(order, NoteText="same")) == (0, ["done"])
    assert [one["status"] for one in desk.sent("PATCH")] == [412]


def test_a_record_that_never_comes_to_rest_is_given_up(desk, meanwhile):
    order = desk.order(8)
    meanwhile(lambda: desk.somebody_writes(order), times=None)
    assert desk.give(setting(order, NoteText="ours")) == (3, ["conflict"])
    assert len(desk.sent("PATCH")) == 5


def test_a_record_that_changed_is_neither_deleted_nor_acted_upon(desk, meanwhile):
    order = desk.order(9)
    key = {"OrderNo": order}
    meanwhile(lambda: desk.somebody_writes(order), "DELETE")
    meanwhile(lambda: desk.somebody_writes(order), "POST")
    delete, action = {"entity": ORDERS, "key": key, "delete": True}, {"entity": ORDERS, "key": key, "action": "Close"}
    assert desk.give(delete, action) == (3, ["conflict", "conflict"])
    assert desk.sql("SELECT 1 FROM purchase_order WHERE OrderNo = ?", order) == [(1,)]


def test_an_operation_for_a_version_is_for_no_other(desk):
    order = desk.order(10)
    (version,) = desk.sql("SELECT _rowversion FROM purchase_order WHERE OrderNo = ?", order)[0]
    stamp = f"{version[:4]}-{version[4:6]}-{version[6:8]}T{version[8:10]}:{version[10:12]}:{version[12:]}Z"
    assert desk.give(setting(order, NoteText="a") | {"version": stamp}) == (0, ["done"])
    assert desk.give(setting(order, NoteText="b") | {"version": stamp}) == (3, ["conflict"])
    assert "has changed since" in desk.out[0]["reason"]
    assert desk.give(setting(order, NoteText="a") | {"version": stamp}) == (0, ["already"])


def test_a_locked_record_is_tried_again_after_the_others(desk):
    first, second = desk.order(11), desk.order(12)
    desk.box.world.faults.append(fault("PATCH", path=f"*'{first}'*", **LOCKED))
    given = setting(first, NoteText="1"), setting(second, NoteText="2"), setting(first, NoteText="3")
    assert desk.give(*given) == (0, ["done", "done", "done"])
    assert [one["key"]["OrderNo"] for one in desk.out] == [second, first, first]
    assert desk.note(first)[0] == "3"
    assert desk.slept == [1.0]


@pytest.mark.parametrize("status", [423, 400, 500])
def test_a_record_that_stays_locked_is_reported(desk, status):
    order = desk.order(13)
    desk.box.world.faults.append(fault("PATCH", **LOCKED | {"status": status}, times=None))
    assert desk.give(setting(order, NoteText="never")) == (3, ["locked"])
    assert desk.slept == [1.0, 5.0, 15.0]
    assert desk.letters()[0].undelivered == 1


# lost answers


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", ["reset", "reset_mid_body", "truncate"])
def test_an_update_whose_answer_is_lost_is_done_once(desk, kind, after):
    order = desk.order(14)
    text = f"{kind} {after}"
    before = desk.sql("SELECT _rowversion FROM purchase_order WHERE OrderNo = ?", order)
    desk.box.world.faults.append(fault("PATCH", kind, after=after))
    assert desk.give(setting(order, NoteText=text)) == (0, ["done"])
    assert desk.note(order)[0] == text
    assert desk.sql("SELECT _rowversion FROM purchase_order WHERE OrderNo = ?", order) != before
    happened = kind != "reset" or after
    assert len(desk.sent("PATCH")) == (1 if happened else 2)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_error_after_the_work_is_no_reason_to_do_it_again(desk, status):
    order = desk.order(15)
    desk.box.world.faults.append(fault("PATCH", "status", status=status, after=True))
    assert desk.give(setting(order, NoteText=f"{status}")) == (0, ["done"])
    assert len(desk.sent("PATCH")) == 1


def test_a_lost_answer_and_another_writer_leave_the_outcome_unknown(desk, monkeypatch):
    order = desk.order(16)
    desk.box.world.faults.append(fault("PATCH", after=True))
    slept = desk.slept.append
    monkeypatch.setattr(desk, "slept", type("Sleep", (list,), {"append": lambda _, s: (
        slept(s), desk.somebody_writes(order, NoteText="theirs"))})())
    assert desk.give(setting(order, NoteText="ours")) == (3, ["unknown"])
    assert desk.note(order)[0] == "theirs"


@pytest.mark.parametrize("after", [False, True])
def test_a_create_with_a_key_is_looked_up_before_it_is_sent_again(desk, after):
    account = f"X-{after}"
    create = {"Company": "10", "Account": account} | ACCOUNT
    desk.box.world.faults.append(fault("POST", after=after, path="*AccountSet*"))
    assert desk.give({"entity": "gl_accounts", "create": create}) == (0, ["done"])
    assert desk.sql("SELECT count(*) FROM account WHERE Account = ?", account) == [(1,)]
    assert len(desk.sent("POST")) == (1 if after else 2)


def order_without_number(desk, text):
    columns = "VendorNo, Company, Contract, CurrencyCode"
    needed = [name for name, in desk.sql("SELECT name FROM pragma_table_info('purchase_order') WHERE \"notnull\"")]
    values = dict(zip(columns.split(", "), desk.sql(f"SELECT {columns} FROM purchase_order LIMIT 1")[0], strict=True))
    assert needed
    return {**values, "DateEntered": "2026-11-20T00:00:00Z", "ChangedDate": "2026-11-20T00:00:00Z", "NoteText": text}


@pytest.mark.parametrize("after", [False, True])
def test_a_create_without_a_key_whose_answer_is_lost_is_never_sent_again(desk, after):
    desk.box.world.switches.numbered_sets = ["PurchaseOrderSet"]
    text = f"numbered {after}"
    create = {"entity": "purchase_orders", "create": order_without_number(desk, text)}
    desk.box.world.faults.append(fault("POST", after=after))
    assert desk.give(create) == (3, ["unknown"])
    made = desk.sql("SELECT count(*) FROM purchase_order WHERE NoteText = ?", text)
    assert made == [(int(after),)]
    assert desk.give(lines=desk.replayed()) == (3, ["unknown"])  # nobody looked in IFS Cloud yet
    assert desk.sql("SELECT count(*) FROM purchase_order WHERE NoteText = ?", text) == made
    assert desk.letters() == []
    (letter,) = desk.letters(State.REFUSED)
    assert "give the operation again without its id" in letter.reason
    assert desk.give(create) == (0, ["done"])
    assert desk.out[0]["key"]["OrderNo"]


@pytest.mark.parametrize("after", [False, True])
def test_an_action_whose_answer_is_lost_is_never_sent_again(desk, after):
    order = desk.order(17)
    desk.somebody_writes(order, Objstate="Planned")
    desk.box.world.faults.append(fault("POST", after=after))
    action = {"id": f"release {after}", "entity": ORDERS, "key": {"OrderNo": order}, "action": "Release"}
    assert desk.give(action) == (3, ["unknown"])
    assert ("has changed since" if after else "looks as it did before") in desk.out[0]["reason"]
    assert desk.give(action) == (3, ["unknown"])
    assert len(desk.sent("POST")) == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_delete_whose_answer_is_lost_is_done(desk, after):
    order = desk.order(18)
    desk.box.world.faults.append(fault("DELETE", after=after))
    assert desk.give({"entity": ORDERS, "key": {"OrderNo": order}, "delete": True}) == (0, ["done"])
    assert desk.sql("SELECT 1 FROM purchase_order WHERE OrderNo = ?", order) == []


# ids


def test_an_id_makes_sure_that_an_operation_is_done_once(desk):
    order = desk.order(20)
    operation = setting(order, NoteText="first") | {"id": "job-7"}
    assert desk.give(operation, operation) == (0, ["done", "already"])
    desk.somebody_writes(order, NoteText="later")
    assert desk.give(operation) == (0, ["already"])
    assert desk.note(order)[0] == "later"


def test_a_create_without_a_key_is_done_once_under_its_id(desk):
    desk.box.world.switches.numbered_sets = ["PurchaseOrderSet"]
    create = {"id": "posting-1", "entity": "purchase_orders", "create": order_without_number(desk, "by id")}
    assert desk.give(create) == (0, ["done"])
    assert desk.give(create) == (0, ["already"])
    assert desk.sql("SELECT count(*) FROM purchase_order WHERE NoteText = 'by id'") == [(1,)]


# refusals


@pytest.mark.parametrize("status", [400, 403, 405, 409, 428, 501])
def test_a_refusal_goes_to_the_dead_letters_and_comes_again_when_its_cause_is_gone(desk, status):
    order = desk.order(21)
    text = f"after {status}"
    desk.box.world.faults.append(fault("PATCH", "status", status=status, code="SE_UNAUTHORIZED", message="No."))
    assert desk.give(setting(order, NoteText=text)) == (3, ["refused"])
    assert f"answered {status} SE_UNAUTHORIZED (No.)" in desk.out[0]["reason"]
    assert desk.give(lines=desk.replayed()) == (0, ["done"])
    assert desk.note(order)[0] == text
    assert [letter.state for letter in desk.letters(*State)] == [State.DONE]
    with desk.ledger() as ledger:
        assert all(balance(ledger, part.run).holds for part in runs(ledger))


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (setting("1", Nothing=1), "has no property Nothing"),
        (setting("1", CurrencyRate="much"), "the value of CurrencyRate is no Edm.Decimal: no number"),
        (setting("1", Revision=True), "the value of Revision is no Edm.Decimal"),
        (setting("1", NoteText=5), "the value of NoteText is no Edm.String: write it as a text"),
        (setting("1", OrderDate="2026-11-20T10:00:00"), "end it with Z"),
        ({"entity": "purchase_orders", "key": {"Company": "10"}, "delete": True}, "The key of purchase_orders is OrderNo"),
        ({"entity": "currencies", "key": {"Id": "EUR"}, "delete": True}, "is a list of values"),
        ({"entity": "PurchaseOrderHandling/NoSet", "key": {"A": "1"}, "delete": True}, "has no entity set NoSet"),
        ({"entity": "NoHandling/NoSet", "key": {"A": "1"}, "delete": True}, "404"),
        ({"entity": ORDERS, "key": {"OrderNo": "none"}, "action": "Release"}, "There is no such record"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_sent(desk, operation, reason):
    assert desk.give(operation) == (3, ["refused"])
    assert reason in desk.out[0]["reason"]
    assert desk.sent() == []


def test_an_unknown_action_is_refused(desk):
    action = {"entity": ORDERS, "key": {"OrderNo": desk.order(22)}, "action": "Explode"}
    assert desk.give(action) == (3, ["refused"])
    assert len(desk.sent("POST")) == 1


def test_other_operations_go_on_behind_a_refused_one(desk):
    good = setting(desk.order(23), NoteText="good")
    assert desk.give(setting("none", NoteText="x"), good) == (3, ["refused", "done"])


def test_metadata_that_changed_is_asked_for_once_more(desk):
    order = desk.order(24)
    desk.box.world.faults.append(preset("metadata_changed", method="PATCH", times=2))
    assert desk.give(setting(order, NoteText="third time")) == (0, ["done"])
    assert desk.note(order)[0] == "third time"


def test_a_system_that_wants_numbers_as_numbers_gets_them(desk):
    order = desk.order(25)
    refusal = fault("PATCH", "status", status=400, code="ODP_DESERIALIZATION_ERROR", message="Error.")
    desk.box.world.faults.append(refusal)
    first, second = setting(order, CurrencyRate=1.5), setting(order, CurrencyRate=2.5)
    assert desk.give(first, second) == (0, ["done", "done"])
    assert [one["status"] for one in desk.sent("PATCH")] == [400, 200, 200]


def test_a_sign_in_page_is_no_success(desk):
    order = desk.order(26)
    page = fault("PATCH", "status", status=200, message="<html>Sign in</html>")
    desk.box.world.faults.append(page)
    assert desk.give(setting(order, NoteText="real")) == (0, ["done"])
    assert desk.note(order)[0] == "real"


# runs that end early


def test_a_system_that_is_down_from_the_start_leaves_everything_to_the_next_run(desk):
    orders = [desk.order(27), desk.order(28)]
    desk.box.world.faults.append(fault("GET", "status", status=401, times=None, path="*"))
    assert desk.give(*(setting(order, NoteText="up") for order in orders)) == (1, ["not sent"])
    assert desk.letters() == []
    with desk.ledger() as ledger:
        assert [push.rows for push in show(ledger, desk.last_run().run).batches] == [{"withdrawn": 2}]
    desk.box.world.faults.clear()
    assert desk.give(*(setting(order, NoteText="up") for order in orders)) == (0, ["done", "done"])


def test_what_a_run_did_not_come_to_waits_in_the_dead_letters(desk):
    orders = [desk.order(number) for number in (29, 30, 31)]
    throttled = fault("PATCH", "status", status=429, retry_after=900, times=None, path=f"*'{orders[1]}'*")
    desk.box.world.faults.append(throttled)
    given = [setting(order, NoteText="in the end") for order in orders]
    assert desk.give(*given) == (1, ["done", "not sent", "not sent"])
    assert sum(letter.rows for letter in desk.letters()) == 2
    desk.box.world.faults.clear()
    assert desk.give(lines=desk.replayed()) == (0, ["done", "done"])
    assert {desk.note(order)[0] for order in orders} == {"in the end"}


def test_a_replay_that_ended_early_can_be_replayed(desk):
    order = desk.order(32)
    desk.box.world.faults.append(fault("PATCH", "status", status=403))
    assert desk.give(setting(order, NoteText="back")) == (3, ["refused"])
    lines = desk.replayed()
    desk.box.world.faults.append(fault("GET", "status", status=401, times=None, path="*"))
    assert desk.give(lines=lines)[0] == 1
    assert len(desk.letters()) == 1
    desk.box.world.faults.clear()
    assert desk.give(lines=desk.replayed()) == (0, ["done"])


def test_a_wrong_secret_sends_nothing(desk):
    settings = json.loads(desk.config_file.read_text()) | {"client_secret": "wrong"}
    desk.config_file.write_text(json.dumps(settings))
    assert desk.give(setting(desk.order(33), NoteText="x"))[0] == ExitCode.WRONG_CONFIGURATION
    assert desk.sent("GET", "PATCH") == []
    assert desk.letters() == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"{", "Line 2 of the input is no JSON"),
        (b'{"entity":"nowhere","key":{"A":"1"},"delete":true}', "Line 2 of the input: There is no entity 'nowhere'"),
        (b'{"type":"RECORD","stream":"orders","record":{}}', "replay with --stream write-back"),
    ],
)
def test_a_flaw_of_the_input_is_found_before_anything_is_sent(desk, line, sentence):
    good = json.dumps(setting(desk.order(34), NoteText="never")).encode()
    desk.give(lines=good + b"\n" + line + b"\n")
    assert isinstance(desk.error, ConfigError)
    assert sentence in str(desk.error)
    assert desk.sent() == []
    assert desk.letters() == []


# what another process left


def test_a_letter_of_another_system_is_given_back(desk):
    order = desk.order(35)
    desk.box.world.faults.append(fault("PATCH", "status", status=403))
    desk.give(setting(order, NoteText="elsewhere"))
    settings = json.loads(desk.config_file.read_text())
    host = settings["base_url"].replace("127.0.0.1", "localhost")
    desk.config_file.write_text(json.dumps(settings | {"base_url": host, "token_url": f"{settings['base_url']}/auth/realms/sandbox/protocol/openid-connect/token"}))
    assert desk.give(lines=desk.replayed()) == (0, ["done"])
    assert [letter.state for letter in desk.letters(*State)] == [State.PENDING]
