"""What `ifs-bi write-back` does where nobody is in the way."""

import json

from ifs_bi_core.http.shared_limits import SharedWindow
from ifs_bi_core.ledger.history import balance, show

ORDERS = "PurchaseOrderHandling/PurchaseOrderSet"
ACCOUNT = {
    "Description": "write-back",
    "LogicalAccountType": "Assets",
    "AccntType": "Assets",
    "AccntGroup": "1",
    "ValidFrom": "2026-01-01",
    "ValidUntil": "2049-12-31",
}


def test_an_update_changes_what_it_names_and_is_in_the_ledger(desk):
    order = desk.order()
    assert desk.give(desk.setting(order, NoteText="seen", Revision=7)) == (0, ["done"])
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
    order = desk.order()
    assert desk.give(desk.setting(order, NoteText="once")) == (0, ["done"])
    assert desk.give(desk.setting(order, NoteText="once")) == (0, ["already"])
    assert len(desk.sent("PATCH")) == 1


def test_every_digit_arrives(desk):
    order = desk.order()
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
    order = desk.order()
    action = {"entity": ORDERS, "key": {"OrderNo": order}, "action": "Release", "parameters": {}}
    assert desk.give(action) == (0, ["done"])
    assert desk.sql("SELECT Objstate FROM purchase_order WHERE OrderNo = ?", order) == [("Released",)]


def test_a_dry_run_prints_what_would_be_sent_and_sends_nothing(desk):
    order = desk.order()
    code, outcomes = desk.give(desk.setting(order, NoteText="dry"), desk.setting("none", NoteText="x"), dry_run=True)
    assert (code, outcomes) == (0, ["would be sent", "refused"])
    request = desk.out[0]["request"]
    assert request["method"] == "PATCH"
    assert request["url"].endswith(f"/PurchaseOrderSet(OrderNo=%27{order}%27)")
    assert request["headers"]["If-Match"].startswith('W/"')
    assert json.loads(request["body"]) == {"NoteText": "dry"}
    assert desk.sent() == []
    assert desk.letters() == []


def test_an_id_makes_sure_that_an_operation_is_done_once(desk):
    order = desk.order()
    operation = desk.setting(order, NoteText="first") | {"id": "job-7"}
    assert desk.give(operation, operation) == (0, ["done", "already"])
    desk.somebody_writes(order, NoteText="later")
    assert desk.give(operation) == (0, ["already"])
    assert desk.note(order)[0] == "later"


def test_a_create_without_a_key_is_done_once_under_its_id(desk):
    desk.box.world.switches.numbered_sets = ["PurchaseOrderSet"]
    create = {"id": "posting-1", "entity": "purchase_orders", "create": desk.order_without_number("by id")}
    assert desk.give(create) == (0, ["done"])
    assert desk.give(create) == (0, ["already"])
    assert desk.sql("SELECT count(*) FROM purchase_order WHERE NoteText = 'by id'") == [(1,)]


def test_every_request_counts_against_the_rate_limit_and_so_does_the_sign_in(desk, monkeypatch):
    begun = []
    acquire = SharedWindow.acquire
    monkeypatch.setattr(SharedWindow, "acquire", lambda window: (begun.append(1), acquire(window)))
    assert desk.give(desk.setting(desk.order(), NoteText="counted")) == (0, ["done"])
    assert {one["service"] for one in desk.box.world.requests} == {"ifs", "token"}
    assert len(begun) == len(desk.box.world.requests)
