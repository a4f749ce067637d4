"""How many rows a stream has: what is counted is what a run reads, however the server lets itself be asked."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any
from urllib.parse import unquote

import pytest
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.singer.configuration import settings_of
from ifs_bi_sandbox.faults import Fault
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import Pulling, access
from tap_ifs_cloud.counting import SOURCE_COUNTER, counts
from tap_ifs_cloud.tap import TapIfsCloud

STREAMS = ["companies", "purchase_orders", "vouchers", "gl_voucher_rows", "journal_entries", "cost_centres"]
COST_CENTRES = {
    "name": "cost_centres",
    "projection": "CodePartValuesHandling",
    "entity_set": "CompanyFinanceSet/CodeBArray",
    "company": "Company",
}
RELEASED = {
    "name": "purchase_orders",
    "filter": "Objstate eq IfsApp.PurchaseOrderHandling.PurchaseOrderState'Released'",
}
KINDS = {
    "by path": [],
    "by option": [Fault("ifs", "status", path="*/$count", status=404, times=None)],
    "no number": [Fault("ifs", "status", path="*/$count", status=200, message="many", times=None)],
}


@pytest.fixture
def count(box, tmp_path):
    """The rows of streams, with changed settings."""

    def call(*streams: str, **changes: Any) -> Any:
        given = access(box) | {"state_dir": str(tmp_path / "state"), "entities": [COST_CENTRES]}
        (tmp_path / "tap.json").write_text(json.dumps(given | changes))
        box.world.requests.clear()
        config = settings_of(TapIfsCloud, [str(tmp_path / "tap.json")])
        found = counts(config, streams, Surroundings(sleep=lambda _: None))
        return found[streams[0]] if len(streams) == 1 else found

    return call


@pytest.fixture
def read(box, tmp_path):
    """How many rows a run reads of each stream."""

    def call(*streams: str, **settings: Any) -> dict[str, int]:
        folder = tmp_path / "pulling"
        folder.mkdir()
        pulling = Pulling(box, folder, **{"entities": [COST_CENTRES], "streams": list(streams)} | settings)
        keys = {stream: set() for stream in streams}
        names = {}
        for message in pulling.pull():
            if message["type"] == "SCHEMA":
                names[message["stream"]] = message["key_properties"]
            if message["type"] == "RECORD":
                stream, record = message["stream"], message["record"]
                keys[stream].add(tuple(record[name] for name in names[stream]))
        return {stream: len(found) for stream, found in keys.items()}

    return call


def asked(box: Sandbox) -> list[str]:
    """What came after the service in the requests for rows and numbers."""
    paths = [unquote(each["path"]).partition(".svc/")[2] for each in box.world.requests if ".svc/" in each["path"]]
    return [path for path in paths if path != "$metadata"]


@pytest.mark.parametrize("settings", [{}, {"companies": ["10"]}, {"companies": ["10", "20"]}])
@pytest.mark.parametrize("faults", KINDS.values(), ids=KINDS)
def test_what_is_counted_is_what_a_run_reads(box, count, read, settings, faults):
    expected = read(*STREAMS, **settings)
    box.world.faults += faults
    assert count(*STREAMS, **settings) == expected
    assert max(expected.values()) > 0


def test_a_number_is_one_request_of_each_set_and_company(box, count):
    count("purchase_orders")
    assert asked(box) == ["PurchaseOrderSet/$count"]
    count("journal_entries", companies=["10", "20"])
    assert asked(box) == ["VoucherRowSet/$count"] * 2 + ["GenLedVoucherRowSet/$count"] * 2
    count("cost_centres")
    numbers = [f"CompanyFinanceSet(Company='{company}')/CodeBArray/$count" for company in ("10", "20")]
    assert [path for path in asked(box) if path != "CompanyFinanceSet"] == numbers


def test_both_stages_of_journal_entries_count(count):
    found = count("vouchers", "gl_voucher_rows", "journal_entries")
    assert found["journal_entries"] == found["vouchers"] + found["gl_voucher_rows"]


def test_where_a_set_refuses_to_count_its_keys_are(box, count):
    expected = count("purchase_orders")
    box.world.switches.refuse_count = ["PurchaseOrderSet"]
    assert count("purchase_orders", page_size=7) == expected
    assert asked(box).count("PurchaseOrderSet") > expected / 7


def test_a_filter_that_the_server_refuses_is_judged_here(box, count):
    settings = {"entities": [RELEASED]}
    expected, everything = count("purchase_orders", **settings), count("purchase_orders")
    assert 0 < expected < everything
    box.world.switches.refuse_objstate_filter = True
    assert count("purchase_orders", **settings) == expected
    functions = {"entities": [RELEASED | {"filter": f"startswith(OrderNo,'1') or {RELEASED['filter']}"}]}
    assert "can't be judged by the tap" in count("purchase_orders", **functions)


def test_a_start_date_leaves_out_what_changed_before_it(box, count, read):
    with closing(sqlite3.connect(box.world.database)) as connection:
        ((middle,),) = connection.execute(
            'SELECT "ChangedDate" FROM purchase_order ORDER BY 1 LIMIT 1 OFFSET (SELECT count(*) / 2 FROM purchase_order)'
        )
    settings = {"start_date": f"{middle[:10]}T00:00:00Z", "source_time_zone": "Europe/Berlin"}
    expected = read("purchase_orders", **settings)["purchase_orders"]
    assert count("purchase_orders", **settings) == expected
    assert 0 < expected < count("purchase_orders")


def test_why_there_is_no_number_is_a_sentence_and_the_others_are_counted(box, count):
    box.world.switches.forbidden_projections = ["CustomerHandling"]
    box.world.switches.missing_projections = ["SitesHandling"]
    found = count("customers", "sites", "places", "companies")
    assert "403" in found["customers"]
    assert "404" in found["sites"]
    assert "no stream of that name" in found["places"]
    assert found["companies"] == 2


def test_a_user_who_sees_no_company_is_told_where_to_give_it_some(box, count):
    box.world.switches.allowed_companies = []
    assert "The service user sees no company. Give it companies in IFS Cloud" in count("cost_centres")
    assert count("purchase_orders") == 0


def test_no_sign_in_ends_it(count):
    with pytest.raises(ConfigError, match="401"):
        count("sites", client_secret="not-the-secret")


def test_the_entry_point_is_of_this_plugin():
    assert (SOURCE_COUNTER.system, SOURCE_COUNTER.plugin()) == ("IFS Cloud", TapIfsCloud)
