"""What becomes of operations whose answers are lost: none is done twice, none is called done that is not."""

import pytest
from ifs_bi_core.dead_letter.letter import State

ORDERS = "PurchaseOrderHandling/PurchaseOrderSet"
ACCOUNT = {
    "Description": "write-back",
    "LogicalAccountType": "Assets",
    "AccntType": "Assets",
    "AccntGroup": "1",
    "ValidFrom": "2026-01-01",
    "ValidUntil": "2049-12-31",
}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("kind", ["reset", "reset_mid_body", "truncate"])
def test_an_update_whose_answer_is_lost_is_done_once(desk, kind, after):
    order = desk.order()
    text = f"{kind} {after}"
    before = desk.sql("SELECT _rowversion FROM purchase_order WHERE OrderNo = ?", order)
    desk.strike("PATCH", kind, after=after)
    assert desk.give(desk.setting(order, NoteText=text)) == (0, ["done"])
    assert desk.note(order)[0] == text
    assert desk.sql("SELECT _rowversion FROM purchase_order WHERE OrderNo = ?", order) != before
    happened = kind != "reset" or after
    assert len(desk.sent("PATCH")) == (1 if happened else 2)


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_error_after_the_work_is_no_reason_to_do_it_again(desk, status):
    order = desk.order()
    desk.strike("PATCH", "status", status=status, after=True)
    assert desk.give(desk.setting(order, NoteText=f"{status}")) == (0, ["done"])
    assert len(desk.sent("PATCH")) == 1


def test_a_lost_answer_and_another_writer_leave_the_outcome_unknown(desk):
    order = desk.order()
    desk.strike("PATCH", after=True)
    desk.while_sleeping = lambda: desk.somebody_writes(order, NoteText="theirs")
    assert desk.give(desk.setting(order, NoteText="ours")) == (3, ["unknown"])
    assert desk.give(lines=desk.replayed()) == (3, ["unknown"])
    assert desk.note(order)[0] == "theirs"
    assert len(desk.sent("PATCH")) == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_create_with_a_key_is_looked_up_before_it_is_sent_again(desk, after):
    account = f"X-{after}"
    create = {"Company": "10", "Account": account} | ACCOUNT
    desk.strike("POST", after=after, path="*AccountSet*")
    assert desk.give({"entity": "gl_accounts", "create": create}) == (0, ["done"])
    assert desk.sql("SELECT count(*) FROM account WHERE Account = ?", account) == [(1,)]
    assert len(desk.sent("POST")) == (1 if after else 2)


@pytest.mark.parametrize("after", [False, True])
def test_a_create_without_a_key_whose_answer_is_lost_is_never_sent_again(desk, after):
    desk.box.world.switches.numbered_sets = ["PurchaseOrderSet"]
    text = f"numbered {after}"
    create = {"entity": "purchase_orders", "create": desk.order_without_number(text)}
    desk.strike("POST", after=after)
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
    order = desk.order()
    desk.strike("POST", after=after)
    action = {"id": f"release {after}", "entity": ORDERS, "key": {"OrderNo": order}, "action": "Release"}
    assert desk.give(action) == (3, ["unknown"])
    assert ("has changed since" if after else "looks as it did before") in desk.out[0]["reason"]
    assert desk.give(action) == (3, ["unknown"])
    assert len(desk.sent("POST")) == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_delete_whose_answer_is_lost_is_done(desk, after):
    order = desk.order()
    desk.strike("DELETE", after=after)
    assert desk.give({"entity": ORDERS, "key": {"OrderNo": order}, "delete": True}) == (0, ["done"])
    assert desk.sql("SELECT 1 FROM purchase_order WHERE OrderNo = ?", order) == []


def test_a_replay_of_what_never_arrived_sends_it(desk):
    order = desk.order()
    desk.strike("PATCH", times=None)
    assert desk.give(desk.setting(order, NoteText="late")) == (3, ["unknown"])
    desk.box.world.faults.clear()
    assert desk.give(lines=desk.replayed()) == (0, ["done"])
    assert desk.note(order)[0] == "late"
