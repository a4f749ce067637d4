"""The warehouse equals the source, whatever happens on the way."""

import sqlite3
import time
from contextlib import closing

import pytest
from ifs_bi_sandbox.data import changes
from ifs_bi_sandbox.data.changes import a_day_of_business
from ifs_bi_sandbox.faults import preset
from pipeline.commands import STREAMS
from pipeline.source import OF_EACH_KIND, source_rows, warehouse_rows
from tap_ifs_cloud.entities import BUILT_IN

TIMESTAMP_STREAMS = ["gl_voucher_rows", "purchase_order_lines", "purchase_orders"]
WITH_ORDERS = [*OF_EACH_KIND, "purchase_orders"]


def test_every_stream_arrives_digit_for_digit(pipeline):
    pipeline.pump()
    assert pipeline.differing() == []
    assert all(source_rows(pipeline.box.world.database, stream) for stream in STREAMS)


def test_a_second_pull_of_an_unchanged_source_moves_no_row_of_a_timestamp_stream_and_leaves_the_same_tables(pipeline):
    pipeline.tap_settings["streams"] = WITH_ORDERS
    pipeline.pump()
    again = pipeline.pump()
    assert {stream: len(again.records(stream)) for stream in TIMESTAMP_STREAMS} == dict.fromkeys(TIMESTAMP_STREAMS, 0)
    assert pipeline.differing(WITH_ORDERS) == []


def test_changes_arrive_and_only_changes_of_timestamp_streams_move(pipeline):
    pipeline.pump()
    for seed in (1, 2):
        a_day_of_business(pipeline.box.world.database, seed)
        moved = pipeline.pump()
        assert pipeline.differing() == []
        for stream in TIMESTAMP_STREAMS:
            assert 0 < len(moved.records(stream)) < len(source_rows(pipeline.box.world.database, stream))


def test_records_that_travel_in_files_arrive_as_those_in_lines_do_and_no_file_stays(pipeline):
    pipeline.tap_settings["batch_config"] = {"encoding": {"format": "jsonl"}, "batch_size": 100}
    pipeline.tap_settings["stream_maps"] = {"suppliers": {"Initial": "Name[:1]"}}
    for seed in (1, 2):
        moved = pipeline.pump()
        assert pipeline.differing([name for name in STREAMS if name != "suppliers"]) == []
        assert {message["type"] for message in moved.messages} == {"SCHEMA", "BATCH", "ACTIVATE_VERSION", "STATE"}
        assert list((pipeline.state_dir / "batch-files").iterdir()) == []
        a_day_of_business(pipeline.box.world.database, seed)
        changes.apply(pipeline.box.world.database, {"action": "delete_customer_order"})
    initials = {row["Initial"] == row["Name"][:1] for row in warehouse_rows(pipeline.warehouse, "suppliers").values()}
    assert initials == {True}


def test_a_row_that_was_committed_late_is_found_by_the_lookback(pipeline):
    pipeline.tap_settings["streams"] = WITH_ORDERS
    pipeline.pump()
    with closing(sqlite3.connect(pipeline.box.world.database)) as database, database:
        database.execute(
            "UPDATE purchase_order SET \"AuthorizeCode\" = 'LATE', "
            "\"ChangedDate\" = strftime('%Y-%m-%dT%H:%M:%S', (SELECT max(\"ChangedDate\") FROM purchase_order), '-60 seconds') "
            'WHERE "OrderNo" = (SELECT min("OrderNo") FROM purchase_order)'
        )
    moved = pipeline.pump()
    assert [record["AuthorizeCode"] for record in moved.records("purchase_orders")] == ["LATE"]
    assert pipeline.differing(WITH_ORDERS) == []
    assert pipeline.pump().records("purchase_orders") == []


@pytest.mark.parametrize(
    ("setting", "paging"),
    [
        ("auto", "client"),
        ("auto", "next_absolute"),
        ("auto", "silent_cap"),
        ("skip", "next_relative"),
        pytest.param("auto", "next_relative", marks=pytest.mark.prove),
        pytest.param("skip", "client", marks=pytest.mark.prove),
        pytest.param("skip", "next_absolute", marks=pytest.mark.prove),
        pytest.param("skip", "silent_cap", marks=pytest.mark.prove),
    ],
)
def test_every_way_of_paging_brings_everything(pipeline, paging, setting):
    pipeline.box.world.switches.update({"paging": paging, "page_cap": 7})
    pipeline.tap_settings |= {
        "paging": setting,
        "page_size": 11,
        "requests_per_minute": 100_000,
        "streams": OF_EACH_KIND,
    }
    pipeline.box.world.switches.requests_per_minute = 0
    pipeline.pump()
    assert pipeline.differing(OF_EACH_KIND) == []


FAULTS = {
    "throttled without Retry-After": preset("throttled_without_retry_after", times=2),
    "sign-in reset": preset("reset", service="token"),
    "metadata changed": preset("metadata_changed", path="*Set*"),
    "reset in the middle of a body": preset("reset_mid_body", path="*GenLedVoucherRowSet*"),
    "token revoked": preset("token_revoked", skip=9),
}
MORE_FAULTS = {
    "throttled": preset("throttled"),
    "unavailable": preset("unavailable"),
    "sign-in unavailable": preset("unavailable", service="token"),
    "operation timeout": preset("operation_timeout", path="*Set*"),
    "reset": preset("reset", skip=3),
    "truncated body": preset("truncated_body", path="*PurchaseOrderLineSet*"),
}
"""What `make prove` adds: each is another one of a kind above."""


@pytest.mark.parametrize("name", [*FAULTS, *(pytest.param(name, marks=pytest.mark.prove) for name in MORE_FAULTS)])
def test_a_fault_that_passes_costs_nothing(pipeline, name):
    pipeline.box.world.faults.append((FAULTS | MORE_FAULTS)[name])
    pipeline.tap_settings["streams"] = OF_EACH_KIND
    pipeline.pump()
    assert pipeline.box.world.faults == []
    assert pipeline.differing(OF_EACH_KIND) == []


def test_tokens_that_live_two_seconds_are_renewed_in_time(pipeline):
    world, begun = pipeline.box.world, time.time()
    world.switches.expires_in = 2
    world.now = lambda: begun  # it refuses no token, however slow the machine is: the tap has to watch their time
    world.faults.append(preset("slow", path="*CustomerOrderSet*", seconds=2.5))
    pipeline.tap_settings["streams"] = [*OF_EACH_KIND, "customer_orders"]
    pipeline.pump()
    assert [request for request in world.requests if request["service"] == "ifs" and request["status"] == 401] == []
    assert len([request for request in world.requests if request["service"] == "token"]) > 1
    assert pipeline.differing(OF_EACH_KIND) == []


def test_a_stream_that_breaks_leaves_the_others_complete_and_ends_with_1(pipeline):
    pipeline.pump()
    before = warehouse_rows(pipeline.warehouse, "payments")
    pipeline.box.world.faults.append(preset("unavailable", path="*PaymentTransactionSet*", status=403, times=None))
    a_day_of_business(pipeline.box.world.database, 1)
    extracted = pipeline.extract()
    assert extracted.code == 1
    assert "payments page 1: IFS Cloud answered 403" in extracted.err
    loaded = pipeline.load_warehouse(extracted.out)
    assert loaded.code == 0
    assert pipeline.differing() == ["payments"]
    assert warehouse_rows(pipeline.warehouse, "payments") == before


def test_a_user_that_suddenly_sees_nothing_removes_nothing(pipeline):
    pipeline.pump()
    pipeline.box.world.switches.allowed_companies = []
    extracted = pipeline.pump()
    assert "supplier_invoices is empty" in extracted.err
    assert "Allowed Companies" in extracted.err
    assert pipeline.differing() == []
    pipeline.state = None  # a weekly full refresh knows no earlier run
    pipeline.pump()
    assert pipeline.differing() == []


def test_rows_deleted_at_the_source_are_marked_and_with_hard_delete_are_gone(pipeline):
    pipeline.warehouse_settings["hard_delete"] = True
    pipeline.tap_settings["streams"] = streams = [*OF_EACH_KIND, "customer_order_lines"]
    pipeline.pump()
    with closing(sqlite3.connect(pipeline.box.world.database)) as database, database:
        database.execute("DELETE FROM customer_order_line WHERE rowid % 2 = 0")
    pipeline.pump()
    assert pipeline.differing(streams) == []


def test_a_full_refresh_finds_deletes_of_timestamp_streams_too(pipeline):
    pipeline.tap_settings["streams"] = OF_EACH_KIND
    pipeline.pump()
    with closing(sqlite3.connect(pipeline.box.world.database)) as database, database:
        database.execute("DELETE FROM purchase_order_line WHERE rowid % 3 = 0")
    pipeline.state = None
    pipeline.pump()
    assert pipeline.differing(OF_EACH_KIND) == []


def test_companies_scope_every_stream_that_is_keyed_by_company(pipeline):
    pipeline.tap_settings["companies"] = ["20"]
    pipeline.pump()
    scoped = [entity.name for entity in BUILT_IN if entity.company]
    seen = {row["Company"] for stream in scoped for row in warehouse_rows(pipeline.warehouse, stream).values()}
    assert seen == {"20"}
    pipeline.tap_settings["companies"] = ["10", "20"]
    pipeline.pump()
    assert pipeline.differing() == []
