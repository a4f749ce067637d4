"""What happens where others write at the same time."""

import pytest

ORDERS = "PurchaseOrderHandling/PurchaseOrderSet"
LOCKED = {
    "kind": "status",
    "status": 423,
    "code": "DATABASE_ERROR",
    "message": "ORA-20112: PurchaseOrder.FND_LOCKED: The update could not be performed since the record is currently locked.",
}


def test_a_change_of_other_fields_meanwhile_is_no_hindrance(desk, meanwhile):
    order = desk.order()
    meanwhile(lambda: desk.somebody_writes(order, LabelNote="theirs"))
    assert desk.give(desk.setting(order, NoteText="ours")) == (0, ["done"])
    assert desk.note(order) == ("ours", "theirs")
    assert [one["status"] for one in desk.sent("PATCH")] == [412, 200]


def test_a_change_of_the_same_field_meanwhile_is_left_and_reported(desk, meanwhile):
    order = desk.order()
    meanwhile(lambda: desk.somebody_writes(order, NoteText="theirs"))
    assert desk.give(desk.setting(order, NoteText="ours", LabelNote="x")) == (3, ["conflict"])
    assert desk.note(order)[0] == "theirs"
    assert "Somebody else changed NoteText meanwhile" in desk.out[0]["reason"]
    (letter,) = desk.letters()
    assert (letter.stream, letter.rows) == ("write-back", 1)
    assert letter.reason.startswith("conflict: Somebody else changed NoteText")
    assert "theirs" not in letter.reason


def test_what_somebody_else_set_to_our_value_is_done(desk, meanwhile):
    order = desk.order()
    meanwhile(lambda: desk.somebody_writes(order, NoteText="same"))
    assert desk.give(desk.setting(order, NoteText="same")) == (0, ["done"])
    assert [one["status"] for one in desk.sent("PATCH")] == [412]


def test_a_record_that_never_comes_to_rest_is_given_up(desk, meanwhile):
    order = desk.order()
    meanwhile(lambda: desk.somebody_writes(order), times=None)
    assert desk.give(desk.setting(order, NoteText="ours")) == (3, ["conflict"])
    assert len(desk.sent("PATCH")) == 5


def test_a_record_that_changed_is_neither_deleted_nor_acted_upon(desk, meanwhile):
    order = desk.order()
    key = {"OrderNo": order}
    meanwhile(lambda: desk.somebody_writes(order), "DELETE")
    meanwhile(lambda: desk.somebody_writes(order), "POST")
    delete, action = {"entity": ORDERS, "key": key, "delete": True}, {"entity": ORDERS, "key": key, "action": "Close"}
    assert desk.give(delete, action) == (3, ["conflict", "conflict"])
    assert desk.sql("SELECT 1 FROM purchase_order WHERE OrderNo = ?", order) == [(1,)]


def test_an_operation_for_a_version_is_for_no_other(desk):
    order = desk.order()
    (version,) = desk.sql("SELECT _rowversion FROM purchase_order WHERE OrderNo = ?", order)[0]
    stamp = f"{version[:4]}-{version[4:6]}-{version[6:8]}T{version[8:10]}:{version[10:12]}:{version[12:]}Z"
    assert desk.give(desk.setting(order, NoteText="a") | {"version": stamp}) == (0, ["done"])
    assert desk.give(desk.setting(order, NoteText="b") | {"version": stamp}) == (3, ["conflict"])
    assert "has changed since" in desk.out[0]["reason"]
    assert desk.give(desk.setting(order, NoteText="a") | {"version": stamp}) == (0, ["already"])


def test_a_locked_record_is_tried_again_after_the_others(desk):
    first, second = desk.order(), desk.order()
    desk.strike("PATCH", path=f"*'{first}'*", **LOCKED)
    given = desk.setting(first, NoteText="1"), desk.setting(second, NoteText="2"), desk.setting(first, NoteText="3")
    assert desk.give(*given) == (0, ["done", "done", "done"])
    assert [one["key"]["OrderNo"] for one in desk.out] == [second, first, first]
    assert desk.note(first)[0] == "3"
    assert desk.slept == [1.0]


@pytest.mark.parametrize("status", [423, 400, 500])
def test_a_record_that_stays_locked_is_reported(desk, status):
    order = desk.order()
    desk.strike("PATCH", **LOCKED | {"status": status}, times=None)
    assert desk.give(desk.setting(order, NoteText="never")) == (3, ["locked"])
    assert desk.slept == [1.0, 5.0, 15.0]
    assert desk.letters()[0].undelivered == 1
