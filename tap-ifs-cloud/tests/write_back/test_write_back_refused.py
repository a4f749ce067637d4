"""Operations that IFS Cloud, or their own form, forbids."""

import pytest
from ifs_bi_core.dead_letter.letter import State
from ifs_bi_core.ledger.history import balance, runs

ORDERS = "PurchaseOrderHandling/PurchaseOrderSet"


def setting(order, **values):
    return {"entity": "purchase_orders", "key": {"OrderNo": order}, "set": values}


@pytest.mark.parametrize("status", [400, 403, 405, 409, 428, 501])
def test_a_refusal_goes_to_the_dead_letters_and_comes_again_when_its_cause_is_gone(desk, status):
    order = desk.order()
    text = f"after {status}"
    desk.strike("PATCH", "status", status=status, code="SE_UNAUTHORIZED", message="No.")
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
        (
            {"entity": "purchase_orders", "key": {"Company": "10"}, "delete": True},
            "The key of purchase_orders is OrderNo",
        ),
        ({"entity": "currencies", "key": {"Id": "EUR"}, "delete": True}, "is a list of values"),
        (
            {"entity": "journal_entries", "key": {"Company": "10"}, "delete": True},
            "journal_entries joins vouchers and gl_voucher_rows: name the one that holds the record.",
        ),
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
    action = {"entity": ORDERS, "key": {"OrderNo": desk.order()}, "action": "Explode"}
    assert desk.give(action) == (3, ["refused"])
    assert len(desk.sent("POST")) == 1


def test_other_operations_go_on_behind_a_refused_one(desk):
    good = setting(desk.order(), NoteText="good")
    assert desk.give(setting("none", NoteText="x"), good) == (3, ["refused", "done"])


def test_metadata_that_changed_is_asked_for_once_more(desk):
    order = desk.order()
    desk.strike("PATCH", "status", status=500, code="MI_MODIFIED_ERROR", message="Repeat.", times=2)
    assert desk.give(setting(order, NoteText="third time")) == (0, ["done"])
    assert desk.note(order)[0] == "third time"


def test_a_system_that_wants_numbers_as_numbers_gets_them(desk):
    order = desk.order()
    desk.strike("PATCH", "status", status=400, code="ODP_DESERIALIZATION_ERROR", message="Error.")
    first, second = setting(order, CurrencyRate=1.5), setting(order, CurrencyRate=2.5)
    assert desk.give(first, second) == (0, ["done", "done"])
    assert [one["status"] for one in desk.sent("PATCH")] == [400, 200, 200]


@pytest.mark.parametrize("status", [400, 406, 415])
def test_a_system_that_knows_no_exact_decimals_is_written_to_all_the_same(desk, status):
    desk.box.world.switches.refuse_exact = status
    order = desk.order()
    assert desk.give(setting(order, CurrencyRate=1.25)) == (0, ["done"])
    assert desk.sql("SELECT CurrencyRate FROM purchase_order WHERE OrderNo = ?", order) == [("1.2500000000",)]
    assert len(desk.sent("PATCH")) == 1


def test_a_sign_in_page_is_no_success(desk):
    order = desk.order()
    desk.strike("PATCH", "status", status=200, message="<html>Sign in</html>")
    assert desk.give(setting(order, NoteText="real")) == (0, ["done"])
    assert desk.note(order)[0] == "real"
