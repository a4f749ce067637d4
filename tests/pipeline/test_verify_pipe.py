"""`ifs-bi verify`: IFS Cloud and the warehouse side by side, after real runs of tap and target."""

from __future__ import annotations

import json

import duckdb
import psycopg
import pytest
from ifs_bi_sandbox.data.changes import a_day_of_business

LEDGERS = ("gl_voucher_rows", "vouchers", "journal_entries")


@pytest.fixture(params=["duckdb", "postgresql"])
def warehouse(request, pipeline):
    """A pipeline into one kind of warehouse, and what runs a statement there."""
    if request.param == "postgresql":
        pipeline.warehouse_settings["warehouse_url"] = url = request.getfixturevalue("postgres_url")
        pipeline.tap_settings["streams"] = [*LEDGERS, "currencies", "customer_order_lines", "purchase_orders"]

    def execute(statement: str) -> None:
        if request.param == "postgresql":
            with psycopg.connect(url) as connection:
                connection.execute(statement)
        else:
            with duckdb.connect(str(pipeline.warehouse)) as connection:
                connection.execute(statement)

    return execute


ALSO_IN_POSTGRESQL = pytest.mark.parametrize(
    "warehouse", ["duckdb", pytest.param("postgresql", marks=pytest.mark.prove)], indirect=True
)


@pytest.fixture
def verify(pipeline, run):
    """Runs the verb with the configurations of the pipeline."""

    def call(*more: str):
        for name, settings in (("tap", pipeline.tap_settings), ("warehouse", pipeline.warehouse_settings)):
            (pipeline.folder / f"{name}.json").write_text(json.dumps(settings))
        arguments = ("verify", "--config", "warehouse.json", "--source", "tap.json", *more)
        return run("ifs-bi", *arguments, cwd=pipeline.folder)

    return call


def told(ran) -> dict[str, dict]:
    """What the verb said by stream."""
    return {one["stream"]: one for one in json.loads(ran.out)}


def numbers(one: dict) -> dict[str, int]:
    """How many keys differ, by kind."""
    return {kind: found["number"] for kind, found in one["keys"].items() if found["number"]}


@ALSO_IN_POSTGRESQL
def test_what_was_loaded_is_equal_until_business_goes_on_and_after_the_next_run(pipeline, warehouse, verify):
    del warehouse
    pipeline.pump()
    equal = verify("--keys", "--json")
    assert equal.code == 0, equal.out.decode() + equal.err
    found = told(equal)
    assert found.keys() >= {*LEDGERS, "currencies", "customer_order_lines", "purchase_orders"}
    assert all(one["holds"] and not numbers(one) and one["source_rows"] == one["rows"] > 0 for one in found.values())
    balances = {stream: one["trial_balance"] for stream, one in found.items() if one["trial_balance"]}
    assert balances.keys() == set(LEDGERS)
    assert all(balance["agreeing"] > 0 for balance in balances.values())
    a_day_of_business(pipeline.box.world.database, 1)
    later = verify("--keys")
    assert later.code == 1
    assert b"People go on working in IFS Cloud" in later.out
    pipeline.pump()
    assert verify("--keys").code == 0


def test_what_is_wrong_in_the_warehouse_is_named(pipeline, warehouse, verify):
    pipeline.tap_settings["streams"] = list(LEDGERS)
    pipeline.pump()
    (whole,) = (one for one in told(verify("--json")).values() if one["stream"] == "gl_voucher_rows")
    warehouse("""UPDATE gl_voucher_rows SET "Amount" = "Amount" + 0.01, "_ifs_etag" = 'another'
        WHERE "Company" = '10' AND "VoucherType" = 'I' AND "AccountingYear" = 2025 AND "VoucherNo" = 1 AND "RowNo" = 1""")
    warehouse("""DELETE FROM gl_voucher_rows
        WHERE "Company" = '10' AND "VoucherType" = 'I' AND "AccountingYear" = 2025 AND "VoucherNo" = 1 AND "RowNo" = 2""")
    warehouse("""INSERT INTO gl_voucher_rows ("Company", "VoucherType", "AccountingYear", "VoucherNo", "RowNo",
        "AccountingPeriod", "Account", "Amount") VALUES ('99', 'X', 2025, 7, 1, 1, '0000', 12.5)""")
    ran = verify("--keys", "--json")
    one = told(ran)["gl_voucher_rows"]
    assert ran.code == 1
    assert (one["source_rows"], one["rows"]) == (whole["rows"], whole["rows"])
    assert numbers(one) == {"only_source": 1, "only_warehouse": 1, "other_version": 1}
    named = {kind: [tuple(key.values()) for key in found["keys"]] for kind, found in one["keys"].items()}
    assert named["other_version"] == [("10", "I", "2025", "1", "1")]
    assert named["only_source"] == [("10", "I", "2025", "1", "2")]
    assert named["only_warehouse"] == [("99", "X", "2025", "7", "1")]
    lines = {(line["Company"], line["Account"]): line for line in one["trial_balance"]["lines"]}
    assert lines["99", "0000"]["source"] is None
    assert lines["99", "0000"]["warehouse"]["Amount"].rstrip("0") == "12.5"
    assert 2 <= len(lines) == one["trial_balance"]["differing"] <= 3
    assert told(ran)["journal_entries"]["holds"]
    text = verify("--keys", "--stream", "gl_voucher_rows").out.decode()
    assert (
        "1 key is in IFS Cloud alone:\n    Company 10, VoucherType I, AccountingYear 2025, VoucherNo 1, RowNo 2" in text
    )


def test_where_apply_is_refused_the_figures_are_the_same(pipeline, verify):
    pipeline.tap_settings["streams"] = list(LEDGERS)
    pipeline.pump()
    by_server = verify("--json")
    pipeline.box.world.switches.refuse_apply = ["GenLedVoucherRowSet", "VoucherRowSet"]
    pipeline.box.world.requests.clear()
    by_rows = verify("--json")
    assert told(by_rows) == told(by_server)
    assert (by_server.code, by_rows.code) == (0, 0)
    refused = [each for each in pipeline.box.world.requests if each["status"] == 400]
    assert refused
    assert all("$apply" in each["query"] for each in refused)


@ALSO_IN_POSTGRESQL
def test_rows_that_are_gone_at_the_source_and_marked_are_told_apart(pipeline, warehouse, verify):
    del warehouse
    pipeline.tap_settings |= {"streams": ["vouchers"], "delete_detection": "key_scan", "delete_scan_hours": 0}
    pipeline.pump()
    a_day_of_business(pipeline.box.world.database, 1)
    pipeline.pump()
    one = told(verify("--keys", "--json"))["vouchers"]
    assert (one["holds"], numbers(one)) == (True, {})
    assert one["deleted"] > 0


def test_wrong_settings_end_with_2_and_say_what_to_do(pipeline, verify):
    ran = verify()
    assert ran.code == 2
    assert "There is no file" in ran.err
    pipeline.tap_settings["streams"] = ["sites"]
    pipeline.pump()
    assert verify("--stream", "places").code == 2
    pipeline.tap_settings["client_secret"] = "wrong"
    ran = verify()
    assert ran.code == 2
    assert "401" in ran.err
