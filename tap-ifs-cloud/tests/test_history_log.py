"""Deletes come out of the history log where it is kept, and nothing is taken for gone on its word alone."""

from contextlib import closing
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_sandbox.data.desk import Desk
from ifs_bi_sandbox.data.tables import connect, transaction
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import Pulling
from tap_ifs_cloud.history_log import LogSource, key_values
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.reading import DELIVERED
from tap_ifs_cloud.source import Source

ALL = [("10", number) for number in range(20)]
KEY = (Property("OrderNo", "Edm.String"), Property("LineItemNo", "Edm.Decimal"))


def logged(rig, **entity):
    """A timestamp stream of which a delete was logged before it was read, and whose deletes are read from the log."""
    rig = rig(modified="Changed", **entity)
    rig.settings |= {"delete_detection": "history_log", "delete_scan_hours": 24}
    rig.tenant.switches.logged_units = ["Row"]
    rig.tenant.put(*ALL, ("10", 99))
    rig.tenant.remove(("10", 99))
    rig.tenant.seconds += 24 * 3600
    rig.tenant.put(ALL[0])
    rig.tenant.remove(ALL[19])
    rig.run()
    rig.tenant.seconds += 100
    return rig


def looked_at_all_keys(rig):
    return any(
        options.get("$select") == "Company,No" and "eq" not in options.get("$filter", "")
        for options in rig.tenant.requests
    )


def test_a_logged_delete_is_told_in_the_next_run_without_a_look_at_all_keys(rig):
    rig = logged(rig)
    rig.tenant.remove(ALL[3], ALL[17])
    rig.tenant.put(ALL[5])
    rig.run()
    assert rig.moved == {"row": 1, "gone": 2}
    assert rig.is_equal()
    assert not looked_at_all_keys(rig)
    rig.run()
    assert rig.moved == {}
    assert not looked_at_all_keys(rig)


def test_a_key_that_was_deleted_and_inserted_again_is_no_delete(rig):
    rig = logged(rig)
    rig.tenant.remove(ALL[3], ALL[4])
    rig.tenant.put(ALL[3])
    rig.run()
    assert rig.moved == {"row": 1, "gone": 1}
    assert rig.is_equal()


def test_deletes_of_many_rows_are_checked_in_addresses_of_bounded_length(rig):
    rig = logged(rig)
    rig.tenant.put(*(("10", number) for number in range(100, 300)))
    rig.run()
    rig.tenant.remove(*(("10", number) for number in range(100, 300, 2)))
    rig.run()
    assert rig.moved == {"gone": 100}
    assert max(len(options.get("$filter", "")) for options in rig.tenant.requests) < 4_000


def test_an_entity_that_is_not_logged_is_looked_at_by_keys_and_it_is_said_what_to_switch_on(rig):
    rig = logged(rig)
    rig.tenant.switches.logged_units = ["SomethingElse"]
    rig.tenant.remove(ALL[3])
    rig.run()
    assert rig.moved == {}  # a look at the keys is not due
    (sentence,) = [said for said in rig.said if "by their keys" in said]
    assert "Switch on deletes of" in sentence
    assert "History Log Configuration" in sentence
    rig.tenant.seconds += 24 * 3600
    rig.run()
    assert rig.moved == {"gone": 1}
    assert rig.is_equal()


def test_a_log_that_was_switched_on_after_the_last_look_does_not_count_yet(rig):
    rig = rig(modified="Changed")
    rig.settings |= {"delete_detection": "history_log", "delete_scan_hours": 24}
    rig.tenant.put(*ALL)
    rig.run()
    rig.tenant.switches.logged_units = ["Row"]
    rig.tenant.remove(ALL[3])
    rig.run()
    assert rig.moved == {}
    for _ in range(2):
        rig.tenant.seconds += 24 * 3600
        rig.run()
    assert rig.is_equal()
    rig.tenant.remove(ALL[4])
    rig.run()
    assert rig.moved == {"gone": 1}
    assert not looked_at_all_keys(rig)


def test_a_log_that_was_emptied_meanwhile_does_not_count(rig):
    rig = logged(rig)
    rig.tenant.remove(ALL[3])
    rig.tenant.forget_log()
    rig.tenant.seconds += 3 * 3600
    rig.tenant.remove(ALL[4])
    rig.run()
    assert rig.moved == {}
    rig.tenant.seconds += 24 * 3600
    rig.run()
    assert rig.moved == {"gone": 2}
    assert rig.is_equal()


def test_a_run_that_dies_among_its_deletes_leaves_none_untold(rig):
    rig = logged(rig)
    rig.tenant.remove(*ALL[5:9])
    rig.run(kill_after=2)
    assert rig.moved == {"gone": 2}
    rig.run()
    assert rig.is_equal()


def test_more_than_the_guarded_part_is_not_taken_for_gone_until_it_is_confirmed(rig):
    rig = logged(rig)
    rig.settings["delete_guard_percent"] = 50
    rig.tenant.remove(*ALL[:11])
    for _ in range(2):
        rig.run()
        assert rig.moved == {}
        assert any("11 of 19 rows are not there any more" in sentence for sentence in rig.said)
    rig.settings["delete_guard_percent"] = 100
    rig.run()
    assert rig.moved == {"gone": 11}


def test_the_logical_unit_may_be_named(rig):
    rig = logged(rig, logical_unit="Line")
    rig.tenant.remove(ALL[3])
    rig.run()
    assert rig.moved == {}
    assert any("has no delete of Line" in sentence for sentence in rig.said)


def test_a_tenant_without_row_versions_in_the_log_s_zone_loses_nothing_in_autumn(rig):
    rig = rig(modified="Changed")
    rig.settings |= {"delete_detection": "history_log", "delete_scan_hours": 24 * 90}
    rig.tenant.switches.logged_units = ["Row"]
    rig.tenant.wall_clock = ZoneInfo("Europe/Berlin")
    rig.tenant.seconds = -29 * 24 * 3600  # 2026-10-24
    rig.tenant.put(*ALL)
    rig.tenant.remove(ALL[19])
    rig.tenant.seconds += 14 * 3600 + 55 * 60 - 10 * 60  # 02:45 in summer time
    rig.tenant.remove(ALL[18])
    rig.run()
    rig.tenant.seconds += 30 * 60  # 02:15 in winter time
    rig.tenant.remove(ALL[3])
    rig.run()
    assert rig.moved == {"gone": 1}
    assert rig.is_equal()


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["put", "remove", "run", "kill", "scan", "back", "wait"]), st.integers(0, 3)),
    max_size=25,
)


@settings(deadline=None, max_examples=15)
@given(ACTIONS)
@example([("remove", 3), ("put", 3), ("run", 0)])
def test_what_arrives_equals_the_source_whatever_happens_between_the_runs(new_rig, actions):
    rig = logged(new_rig)
    try:
        for action, number in actions:
            rig.tenant.seconds += 1
            if action == "put":
                rig.tenant.put(ALL[number])
            elif action == "remove":
                rig.tenant.remove(ALL[number])
            elif action == "kill":
                rig.run(kill_after=number + 1)
            elif action == "run":
                rig.run()
                assert rig.is_equal()
            elif action == "back":
                rig.run(rig.states[-1 - number % len(rig.states)])
            elif action == "scan":
                rig.settings["delete_scan_hours"] = 0 if number % 2 else 24
                rig.settings["delete_detection"] = "key_scan" if number == 1 else "history_log"
                if rig.settings["delete_detection"] == "key_scan":
                    rig.settings["delete_scan_hours"] = 0
            else:
                rig.tenant.seconds += 900
        rig.settings |= {"delete_detection": "history_log", "delete_scan_hours": 0}
        rig.run()
        assert rig.is_equal()
    finally:
        rig.close()


def test_the_state_says_where_the_log_ended(rig):
    rig = logged(rig)
    assert rig.states[-1][DELIVERED]["log"] == {"at": "2026-11-23T09:00:00Z", "unit": "Row"}


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-99, 10**9))
def test_every_key_is_read_as_it_was_written(order, item):
    if "^LINE_ITEM_NO=" in order or "^ORDER_NO=" in order:
        return
    written = f"LINE_ITEM_NO={item}^ORDER_NO={order}^"
    assert key_values(written, KEY) == {"OrderNo": order, "LineItemNo": Decimal(item)}


@pytest.mark.parametrize(
    "text",
    ["", "ORDER_NO=1^", "VENDOR_NO=1^LINE_ITEM_NO=1^", "ORDER_NO=1^LINE_ITEM_NO=x^", "ORDER_NO=1^LINE_ITEM_NO=1"],
)
def test_a_key_of_another_form_is_not_guessed_at(text):
    assert key_values(text, KEY) is None


def test_times_in_keys_are_read_in_both_forms_and_enumerations_in_none():
    key = (Property("On", "Edm.Date"), Property("At", "Edm.DateTimeOffset"))
    expected = {"On": "2026-02-01", "At": "2026-02-01T10:11:12Z"}
    assert key_values("AT=2026-02-01-10.11.12^ON=2026-02-01-00.00.00^", key) == expected
    assert key_values("AT=2026-02-01T10:11:12Z^ON=2026-02-01^", key) == expected
    assert key_values("KIND=A^", (Property("Kind", "IfsApp.H.Kind", is_enum=True),)) is None


def test_a_log_that_knows_no_deletes_is_refused():
    kind = Property("HistoryType", "IfsApp.HistoryLogHandling.Kind", is_enum=True)
    source = Source(None, "", (), None, {"HistoryType": kind}, {}, "full")
    with pytest.raises(
        ContractBrokenError, match="none of the kinds of entries \\(Made, Changed\\) is known for a delete"
    ):
        LogSource.of(source, {kind.type: ("Made", "Changed")})
    assert LogSource.of(source, {kind.type: ("Made", "Removed")}).is_delete == f"(HistoryType eq {kind.type}'Removed')"


@pytest.mark.parametrize("has_log", [True, False])
def test_the_command_reads_deletes_from_the_log_of_the_tenant_or_says_why_not(tmp_path, has_log):
    with Sandbox(scale=300) as box:
        box.world.switches.logged_units = ["PurchaseOrder"]
        box.world.switches.missing_projections = [] if has_log else ["HistoryLogHandling"]
        pulling = Pulling(box, tmp_path, streams=["purchase_orders", "suppliers"], delete_detection="history_log")
        gone = [deleted_order(box)]
        for _ in range(2):
            messages = pulling.pull()
            gone.append(deleted_order(box))
    assert ("Deletes can't be read from the history log" in pulling.said) is not has_log
    told = [m["record"]["OrderNo"] for m in messages if (m.get("record") or {}).get("_sdc_deleted_at")]
    assert told == ([gone[1]] if has_log else [])


def deleted_order(box):
    """The number of a purchase order that is deleted."""
    with closing(connect(box.world.database)) as connection, transaction(connection):
        desk = Desk.open(connection)
        row = desk.pick("purchase_order", "order")
        desk.delete("purchase_order", {"OrderNo": row["OrderNo"]})
    return row["OrderNo"]
