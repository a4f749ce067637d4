"""The command, run after run: changes alone move, whatever way a stream finds them in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ifs_bi_sandbox.data import changes
from ifs_bi_sandbox.data.changes import a_day_of_business
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import Pulling


def records(messages: list[dict[str, Any]], stream: str) -> list[dict[str, Any]]:
    return [m["record"] for m in messages if m["type"] == "RECORD" and m["stream"] == stream]


@pytest.fixture
def pulling(tmp_path):
    with Sandbox(scale=400, seed=5) as box:
        yield Pulling(box, tmp_path)


def test_a_second_run_of_an_unchanged_source_moves_nothing_but_what_has_no_versions(pulling):
    pulling.pull()
    again = pulling.pull()
    assert {message["stream"] for message in again if message["type"] == "RECORD"} == {"currencies"}


def test_a_day_of_business_moves_its_changes_alone(pulling):
    first = pulling.pull()
    a_day_of_business(pulling.box.world.database, 1)
    moved = pulling.pull()
    for stream in ("customer_orders", "suppliers", "ledger_items", "purchase_order_lines"):
        assert len(records(moved, stream)) < len(records(first, stream)) / 2
    assert not any(m["type"] == "ACTIVATE_VERSION" and m["stream"] != "currencies" for m in moved)


def test_a_deleted_order_is_a_record_of_its_key_and_a_moment(pulling):
    pulling.settings["streams"] = ["customer_orders", "customer_order_lines"]
    pulling.pull()
    changes.apply(pulling.box.world.database, {"action": "delete_customer_order"})
    moved = pulling.pull()
    (order,) = records(moved, "customer_orders")
    assert order.keys() == {"OrderNo", "_sdc_deleted_at"}
    lines = records(moved, "customer_order_lines")
    assert lines
    assert all(line["OrderNo"] == order["OrderNo"] and line["_sdc_deleted_at"] for line in lines)
    assert records(pulling.pull(), "customer_orders") == []


def test_what_a_catalog_selects_is_asked_for_and_a_gone_row_says_so_all_the_same(pulling):
    pulling.settings["streams"] = ["customer_orders"]
    catalog = json.loads(pulling.run("--discover").stdout)
    (stream,) = catalog["streams"]
    for entry in stream["metadata"]:
        name = entry["breadcrumb"][-1] if entry["breadcrumb"] else None
        entry["metadata"]["selected"] = name in {None, "OrderNo", "CustomerNo"}
    (pulling.folder / "catalog.json").write_text(json.dumps(catalog))
    first = records(pulling.pull("--catalog", "catalog.json"), "customer_orders")
    assert all(record.keys() == {"OrderNo", "CustomerNo"} for record in first)
    asked = [r["query"] for r in pulling.box.world.requests if r["path"].endswith("CustomerOrderSet")]
    assert {query["$select"] for query in asked} == {"OrderNo,CustomerNo"}
    changes.apply(pulling.box.world.database, {"action": "delete_customer_order"})
    (gone,) = records(pulling.pull("--catalog", "catalog.json"), "customer_orders")
    assert gone.keys() == {"OrderNo", "_sdc_deleted_at"}
    everything = records(pulling.pull(), "customer_orders")  # more fields are another question
    assert len(everything) == len(first) - 1


@pytest.mark.parametrize("stream", ["customer_orders", "purchase_orders"])  # by row versions, by a timestamp
def test_a_field_that_is_new_at_the_source_brings_every_row_again_even_if_the_catalog_does_not_know_it(pulling, stream):
    known = {"name": stream, "select": ["OrderNo", "Company", "ChangedDate"][: 2 if stream == "customer_orders" else 3]}
    pulling.settings |= {"streams": [stream], "entities": [known]}
    (pulling.folder / "catalog.json").write_text(pulling.run("--discover").stdout)
    first = records(pulling.pull("--catalog", "catalog.json"), stream)
    assert records(pulling.pull("--catalog", "catalog.json"), stream) == []
    del pulling.settings["entities"]
    again = pulling.pull("--catalog", "catalog.json")
    assert len(records(again, stream)) == len(first)
    assert all("Objstate" in record for record in records(again, stream))
    assert [m["type"] for m in again if m.get("stream") == stream][-1] == "ACTIVATE_VERSION"
    assert records(pulling.pull("--catalog", "catalog.json"), stream) == []


def test_a_lost_store_costs_one_full_reading(pulling):
    pulling.settings["streams"] = ["suppliers"]
    first = records(pulling.pull(), "suppliers")
    for file in (pulling.folder / ".ifs-bi" / "delivered").iterdir():
        file.unlink()
    again = pulling.pull()
    assert len(records(again, "suppliers")) == len(first)
    assert [m["type"] for m in again if m.get("stream") == "suppliers"][-1] == "ACTIVATE_VERSION"
    assert records(pulling.pull(), "suppliers") == []


def test_an_unknown_time_zone_is_refused_before_anything_is_read(pulling):
    pulling.settings["source_time_zone"] = "Mars/Olympus"
    ran = pulling.run()
    assert ran.returncode == 2
    assert "source_time_zone is 'Mars/Olympus', which is no time zone known here" in ran.stderr
    assert not any(request["service"] == "ifs" for request in pulling.box.world.requests)
