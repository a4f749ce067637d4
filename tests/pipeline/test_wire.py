"""What goes over the wire between tap and target is ordinary Singer, and exact."""

import json
import subprocess
from decimal import Decimal

import jsonschema
import pytest
from ifs_bi_sandbox.servers import Sandbox
from pipeline.commands import BIN, Pipeline
from pipeline.source import source_rows, warehouse_rows
from tap_ifs_cloud.entities import BUILT_IN


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """What the tap says of every stream."""
    with Sandbox(scale=400, seed=3) as box:
        return Pipeline(box, tmp_path_factory.mktemp("extracted")).extract()


def test_every_record_is_valid_against_its_schema_digit_for_digit(extracted):
    validators = {}
    seen = set()
    for line in extracted.out.splitlines():
        message = json.loads(line, parse_float=Decimal)
        if message["type"] == "SCHEMA":
            jsonschema.Draft202012Validator.check_schema(message["schema"])
            validators[message["stream"]] = jsonschema.Draft202012Validator(message["schema"])
        elif message["type"] == "RECORD":
            seen.add(message["stream"])
            assert list(validators[message["stream"]].iter_errors(message["record"])) == []
    assert seen == {entity.name for entity in BUILT_IN}


def test_a_schema_declares_decimals_row_versions_and_deletes(extracted):
    schemas = {m["stream"]: m for m in extracted.messages if m["type"] == "SCHEMA"}
    orders = schemas["purchase_orders"]
    assert orders["key_properties"] == ["OrderNo"]
    assert orders["bookmark_properties"] == ["ChangedDate"]
    properties = orders["schema"]["properties"]
    total = properties["TotalNetAmount"]
    assert (total["type"], total["multipleOf"], total["scale"]) == (["number", "null"], 0.01, 2)
    assert properties["OrderNo"]["type"] == ["string"]
    assert {"_ifs_row_version", "_ifs_etag", "_sdc_deleted_at"} <= properties.keys()
    assert "_ifs_etag" not in schemas["currencies"]["schema"]["properties"]


def test_replication_keys_have_a_fixed_width_and_row_versions_come_from_etags(extracted):
    records = extracted.records("purchase_orders")
    assert records
    for record in records:
        assert len(record["ChangedDate"]) == len(record["_ifs_row_version"]) == len("2026-01-01T00:00:00.000000Z")


def test_a_full_refresh_is_activated_after_its_last_record_only(extracted):
    kinds = [m["type"] for m in extracted.messages if m.get("stream") == "customer_orders"]
    assert kinds == ["SCHEMA", *["RECORD"] * (len(kinds) - 2), "ACTIVATE_VERSION"]


def test_the_catalog_selects_streams_and_fields_in_a_shell_pipe(pipeline):
    catalog = json.loads(pipeline.extract("--discover").out)
    assert {stream["tap_stream_id"] for stream in catalog["streams"]} == {entity.name for entity in BUILT_IN}
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in {"purchase_orders", "suppliers"}
            elif entry["breadcrumb"] == ["properties", "BuyerCode"]:
                entry["metadata"]["selected"] = False
    (pipeline.folder / "catalog.json").write_text(json.dumps(catalog))
    (pipeline.folder / "state.json").write_text("{}")
    pipeline.load_warehouse(b"")  # writes the configuration
    command = (
        f"set -o pipefail; {BIN}/tap-ifs-cloud --config tap.json --catalog catalog.json --state state.json "
        f"| {BIN}/target-looker-warehouse --config warehouse.json > states"
    )
    subprocess.run(["bash", "-c", command], cwd=pipeline.folder, check=True, capture_output=True, timeout=120)
    loaded = warehouse_rows(pipeline.warehouse, "purchase_orders")
    source = source_rows(pipeline.box.world.database, "purchase_orders")
    assert loaded == {key: {n: v for n, v in row.items() if n != "BuyerCode"} for key, row in source.items()}
    state = json.loads((pipeline.folder / "states").read_text().splitlines()[-1])
    assert {name for name, kept in state["bookmarks"].items() if kept} == {"purchase_orders", "suppliers"}
    read = {r["path"].rpartition("/")[2] for r in pipeline.box.world.requests if r["path"].endswith("Set")}
    assert "CustomerOrderSet" not in read


def test_an_entity_of_the_users_own_is_a_stream_with_references_and_selected_fields(pipeline):
    pipeline.tap_settings |= {
        "entities": [
            {
                "name": "orders_with_suppliers",
                "projection": "PurchaseOrderHandling",
                "entity_set": "PurchaseOrderSet",
                "select": ["OrderNo", "VendorNo", "TotalNetAmount"],
                "expand": ["VendorNoRef"],
                "filter": "Objstate ne IfsApp.PurchaseOrderHandling.PurchaseOrderState'Cancelled'",
            }
        ],
        "streams": ["orders_with_suppliers"],
    }
    records = pipeline.extract().records("orders_with_suppliers")
    source = source_rows(pipeline.box.world.database, "purchase_orders")
    assert {r["OrderNo"] for r in records} == {key for (key,), row in source.items() if row["Objstate"] != "Cancelled"}
    assert all(record["VendorNoRef"] for record in records)
    fields = {"OrderNo", "VendorNo", "TotalNetAmount", "VendorNoRef", "_ifs_etag", "_ifs_row_version"}
    assert all(record.keys() == fields for record in records)


def test_a_set_that_refuses_select_is_read_in_whole_rows(pipeline):
    pipeline.box.world.switches.refuse_select = ["SiteSet"]
    pipeline.tap_settings |= {"entities": [{"name": "sites", "select": ["Contract"]}], "streams": ["sites"]}
    ran = pipeline.extract()
    assert [set(record) for record in ran.records("sites")] == [
        {"Contract", "Company", "_ifs_etag", "_ifs_row_version"}
    ] * 3
    assert "refuses $select" in ran.err


def test_a_built_in_stream_that_the_tenant_does_not_have_is_left_out_with_a_warning(pipeline):
    pipeline.box.world.switches.missing_projections = ["PaymentTransactionEntity"]
    ran = pipeline.extract()
    assert ran.code == 0
    assert ran.records("payments") == []
    assert "Stream payments is left out, since its name here is guessed" in ran.err


def test_no_window_of_a_minute_holds_more_requests_than_allowed(pipeline):
    pipeline.tap_settings |= {"requests_per_minute": 1000, "page_size": 5}
    pipeline.box.world.switches.requests_per_minute = 1000
    assert pipeline.extract().code == 0
    statuses = {r["status"] for r in pipeline.box.world.requests if r["service"] == "ifs"}
    assert 429 not in statuses
