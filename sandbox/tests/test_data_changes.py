"""Changes of the source: what each one does, and that it shows in what moves at a change."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from ifs_bi_sandbox.data import changes, clock, figures
from ifs_bi_sandbox.data.changes import a_day_of_business, apply
from ifs_bi_sandbox.data.desk import NothingToChangeError
from ifs_bi_sandbox.data.generate import generate
from ifs_bi_sandbox.data.tables import MODIFIED, TABLES, connect, create, transaction

if TYPE_CHECKING:
    from pathlib import Path

BUSINESS = [name for name in changes.ACTIONS if name not in {"insert", "update", "delete"}]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("data") / "group.db"
    generate(path, scale=1500, seed=4)
    return path


@pytest.fixture
def database(generated: Path, tmp_path: Path) -> Path:
    path = tmp_path / "group.db"
    shutil.copy(generated, path)
    return path


def query(database: Path, statement: str, *values: Any) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement, values)]


def everything(database: Path) -> dict[str, dict[int, dict[str, Any]]]:
    return {name: {row["_rowid"]: row for row in query(database, f'SELECT * FROM "{name}"')} for name in TABLES}


def order_in(database: Path, *states: str) -> str:
    marks = ", ".join("?" for _ in states)
    found = query(database, f'SELECT "OrderNo" FROM "purchase_order" WHERE "Objstate" IN ({marks})', *states)
    return str(found[0]["OrderNo"])


@pytest.mark.parametrize("action", BUSINESS)
def test_every_row_a_change_touches_moves_later_than_all_before(database: Path, action: str) -> None:
    before = everything(database)
    result = apply(database, {"action": action})
    after = everything(database)
    touched = 0
    for name, rows in after.items():
        latest = max((row["_rowversion"] for row in before[name].values()), default="")
        for rowid, row in rows.items():
            if row != before[name].get(rowid):
                touched += 1
                assert row["_rowversion"] > latest
                assert name not in MODIFIED or row[MODIFIED[name]] == result["at"]
    assert touched or action == "delete_customer_order"


@pytest.mark.parametrize("action", BUSINESS)
def test_a_change_touches_nothing_but_what_it_is_about(database: Path, action: str) -> None:
    orders, lines = "purchase_order", "purchase_order_line"
    invoice = {orders, lines, "man_supp_invoice", "posting_proposal", "ledger_item", "voucher_row"}
    about = {
        "new_supplier_invoice": invoice,
        "pay_invoice": {"man_supp_invoice", "ledger_item", "payment_transaction", "voucher_row"},
        "post_vouchers": {"voucher_row", "gen_led_voucher_row"},
        "new_customer_order": {"customer_order", "customer_order_line"},
        "delete_customer_order": {"customer_order", "customer_order_line"},
        "rename_supplier": {"supplier_info"},
    }
    before = everything(database)
    apply(database, {"action": action})
    after = everything(database)
    assert {name for name in TABLES if before[name] != after[name]} == about.get(action, {orders, lines})


def test_instants_go_forward_second_by_second_from_noon(database: Path) -> None:
    instants = [apply(database, {"action": "rename_supplier"})["at"] for _ in range(3)]
    assert instants == ["2026-11-20T12:00:00", "2026-11-20T12:00:01", "2026-11-20T12:00:02"]


def test_a_given_instant_is_taken_and_an_earlier_one_refused(database: Path) -> None:
    assert apply(database, {"action": "rename_supplier", "at": "2026-11-23T08:00:00"})["at"] == "2026-11-23T08:00:00"
    with pytest.raises(ValueError, match="after the last one, which was at 2026-11-23T08:00:00"):
        apply(database, {"action": "rename_supplier", "at": "2026-11-23T08:00:00"})
    assert apply(database, {"action": "rename_supplier"})["at"] == "2026-11-23T08:00:01"
    assert figures.report(database)["today"] == "2026-11-23"


def test_the_clock_is_ahead_of_rows_that_others_wrote(database: Path) -> None:
    with closing(connect(database)) as connection, transaction(connection):
        connection.execute('UPDATE "site" SET "_rowversion" = \'20270101000000\' WHERE "Contract" = \'S01\'')
    assert apply(database, {"action": "rename_supplier"})["at"] == "2027-01-01T00:00:01"


def test_a_deleted_row_does_not_turn_the_clock_back(database: Path) -> None:
    order = apply(database, {"action": "new_customer_order"})
    gone = apply(database, {"action": "delete_customer_order", "order_no": order["OrderNo"]})
    assert order["at"] < gone["at"] < apply(database, {"action": "new_customer_order"})["at"]


def test_a_database_that_was_never_filled_says_so(tmp_path: Path) -> None:
    create(tmp_path / "empty.db")
    with pytest.raises(ValueError, match="never filled"):
        apply(tmp_path / "empty.db", {"action": "new_purchase_order"})


def test_a_new_purchase_order_is_released_with_its_lines(database: Path) -> None:
    result = apply(database, {"action": "new_purchase_order", "supplier_id": "O'NEILL"})
    (order,) = query(database, 'SELECT * FROM "purchase_order" WHERE "OrderNo" = ?', result["OrderNo"])
    lines = query(database, 'SELECT * FROM "purchase_order_line" WHERE "OrderNo" = ?', result["OrderNo"])
    assert (order["VendorNo"], order["Objstate"], order["CurrencyCode"]) == ("O'NEILL", "Released", "USD")
    assert len(lines) == result["lines"]
    assert {line["Objstate"] for line in lines} == {"Released"}


def test_a_new_price_moves_the_line_and_the_order(database: Path) -> None:
    number = order_in(database, "Released", "Confirmed")
    change = {"action": "change_purchase_order_line", "order_no": number, "line_no": "1", "price": "10.01"}
    apply(database, change)
    (line,) = query(database, 'SELECT * FROM "purchase_order_line" WHERE "OrderNo" = ? AND "LineNo" = \'1\'', number)
    (order,) = query(database, 'SELECT * FROM "purchase_order" WHERE "OrderNo" = ?', number)
    nets = query(database, 'SELECT "NetAmtCurr" FROM "purchase_order_line" WHERE "OrderNo" = ?', number)
    assert line["BuyUnitPrice"] == "10.0100"
    assert Decimal(order["TotalNetAmount"]) == sum(Decimal(row["NetAmtCurr"]) for row in nets)
    assert line["LastActivityDate"] == order["ChangedDate"] == "2026-11-20T12:00:00"


def test_an_order_goes_from_placed_to_paid(database: Path) -> None:
    number = apply(database, {"action": "new_purchase_order"})["OrderNo"]
    apply(database, {"action": "receive_purchase_order", "order_no": number})
    invoice = apply(database, {"action": "new_supplier_invoice", "order_no": number})
    key = {"company": invoice["Company"], "invoice_id": invoice["InvoiceId"]}
    part = apply(database, {"action": "pay_invoice", **key, "amount": "0.01"})
    rest = apply(database, {"action": "pay_invoice", **key})
    assert (part["Objstate"], rest["Objstate"]) == ("PartlyPaidPosted", "PaidPosted")
    assert Decimal(part["CurrAmount"]) + Decimal(rest["CurrAmount"]) == Decimal(invoice["GrossCurrAmount"])
    with pytest.raises(ValueError, match="is PaidPosted; only Posted, PostedAuth, PartlyPaidPosted ones are paid"):
        apply(database, {"action": "pay_invoice", **key})
    (order,) = query(database, 'SELECT "Objstate" FROM "purchase_order" WHERE "OrderNo" = ?', number)
    assert order == {"Objstate": "Closed"}


def test_posting_moves_vouchers_from_hold_into_the_ledger_unchanged(database: Path) -> None:
    held = query(database, 'SELECT * FROM "voucher_row"')
    posted = apply(database, {"action": "post_vouchers"})
    assert posted["rows"] == len(held) > 0
    assert query(database, 'SELECT * FROM "voucher_row"') == []
    arrived = query(database, 'SELECT * FROM "gen_led_voucher_row" WHERE "Rowversion" = ?', posted["at"])
    shared = (held[0].keys() & arrived[0].keys()) - {"_rowid", "_rowversion"}
    assert [{name: row[name] for name in shared} for row in arrived] == [
        {name: row[name] for name in shared}
        for row in sorted(held, key=lambda row: [row[name] for name in TABLES["voucher_row"].key])
    ]


def test_vouchers_of_one_company_are_posted_alone(database: Path) -> None:
    a_day_of_business(database)
    for company in ("10", "20"):
        apply(database, {"action": "post_vouchers", "company": company})
        assert query(database, 'SELECT * FROM "voucher_row" WHERE "Company" = ?', company) == []


def test_a_deleted_customer_order_leaves_nothing_behind(database: Path) -> None:
    number = apply(database, {"action": "delete_customer_order"})["OrderNo"]
    assert query(database, 'SELECT * FROM "customer_order" WHERE "OrderNo" = ?', number) == []
    assert query(database, 'SELECT * FROM "customer_order_line" WHERE "OrderNo" = ?', number) == []


def test_a_supplier_is_renamed_everywhere_it_is_shown(database: Path) -> None:
    apply(database, {"action": "rename_supplier", "supplier_id": "A/B 50%", "name": "A/B Neu 100 %"})
    apply(database, {"action": "new_purchase_order", "supplier_id": "A/B 50%"})
    names = {row[0]: row[1] for row in figures.open_purchase_orders(database)}
    assert names["A/B 50%"] == "A/B Neu 100 %"


def test_any_row_can_be_inserted_updated_and_deleted(database: Path) -> None:
    key = {"SupplierId": "NEW + OLD"}
    apply(database, {"action": "insert", "table": "supplier_info", "row": {**key, "Name": "New", "OneTime": True}})
    apply(database, {"action": "update", "table": "supplier_info", "key": key, "values": {"Name": "Old"}})
    (row,) = query(database, 'SELECT * FROM "supplier_info" WHERE "SupplierId" = \'NEW + OLD\'')
    assert (row["Name"], row["OneTime"], row["CountryDb"]) == ("Old", 1, None)
    assert row["_rowversion"] == "20261120120001"
    apply(database, {"action": "delete", "table": "supplier_info", "key": key})
    assert not query(database, 'SELECT * FROM "supplier_info" WHERE "SupplierId" = \'NEW + OLD\'')


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "there is no action None; there are new_purchase_order, "),
        ({"action": "explode"}, "there is no action 'explode'; there are new_purchase_order, "),
        ({"action": "rename_supplier", "nmae": "X"}, "rename_supplier: .*'nmae'; its parameters are supplier_id, name"),
        ({"action": "insert", "table": "site"}, "insert: .*'row'"),
        ({"action": "insert", "table": "sites", "row": {}}, "there is no table sites; there are company, "),
        ({"action": "insert", "table": "site", "row": ["S09"]}, "row must be an object"),
        ({"action": "insert", "table": "site", "row": {"Contract": "S09"}}, "site: Company must not be null"),
        (
            {"action": "insert", "table": "site", "row": {"Contract": "S01", "Company": "10"}},
            "has a row Contract=S01 already",
        ),
        ({"action": "insert", "table": "site", "row": {"Colour": "red"}}, "site has no Colour; it has Contract, "),
        ({"action": "update", "table": "site", "key": {}, "values": {}}, "its key is Contract; Contract is missing"),
        (
            {"action": "update", "table": "site", "key": {"Contract": "S01"}, "values": {"Contract": "S02"}},
            "never changes",
        ),
        ({"action": "update", "table": "site", "key": {"Contract": "X"}, "values": {}}, "site has no row Contract=X"),
        ({"action": "delete", "table": "site", "key": {"Contract": "X"}}, "site has no row Contract=X"),
        ({"action": "pay_invoice", "company": "10", "invoice_id": 1}, "has no row Company=10, InvoiceId=1"),
        ({"action": "pay_invoice", "amount": "-5"}, "-5 can't be paid of it"),
        ({"action": "pay_invoice", "amount": "much"}, "pay_invoice: an amount must be a number"),
        ({"action": "receive_purchase_order", "order_no": "0"}, "purchase_order has no row OrderNo=0"),
        ({"action": "change_purchase_order_line", "price": "0.00001"}, "4 digits after the point"),
    ],
)
def test_bad_input_is_refused_with_a_sentence_and_changes_nothing(
    database: Path, change: dict[str, Any], sentence: str
) -> None:
    before = everything(database)
    with pytest.raises(ValueError, match=sentence):
        apply(database, change)
    assert everything(database) == before
    assert apply(database, {"action": "rename_supplier"})["at"] == "2026-11-20T12:00:00"


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("receive_purchase_order", "Closed"),
        ("close_purchase_order", "Released"),
        ("cancel_purchase_order", "Closed"),
        ("change_purchase_order_line", "Closed"),
        ("new_supplier_invoice", "Closed"),
    ],
)
def test_an_order_in_the_wrong_state_is_refused(database: Path, action: str, state: str) -> None:
    number = order_in(database, state)
    with pytest.raises(ValueError, match=f"purchase order {number} is {state}; "):
        apply(database, {"action": action, "order_no": number})


def test_a_customer_order_that_was_delivered_stays(database: Path) -> None:
    (order, *_) = query(database, 'SELECT "OrderNo" FROM "customer_order" WHERE "Objstate" = \'Invoiced\'')
    with pytest.raises(ValueError, match="is Invoiced; only Planned, Released, Reserved ones are removed"):
        apply(database, {"action": "delete_customer_order", "order_no": order["OrderNo"]})


def test_when_no_row_is_ready_the_error_says_what_is_missing(database: Path) -> None:
    for _ in query(database, 'SELECT 1 FROM "purchase_order" WHERE "Objstate" = \'Received\''):
        apply(database, {"action": "close_purchase_order"})
    with pytest.raises(NothingToChangeError, match="there is no purchase order that is Received"):
        apply(database, {"action": "close_purchase_order"})


def test_a_day_of_business_counts_what_it_did_and_goes_on_the_next_day(database: Path) -> None:
    before = everything(database)
    first = a_day_of_business(database, 1)
    between = everything(database)
    second = a_day_of_business(database, 1)
    assert list(first) == [name for name, _ in changes.DAY]
    assert first["new_purchase_order"] == second["new_purchase_order"] == 4
    assert len(between["purchase_order"]) == len(before["purchase_order"]) + 4
    assert between["voucher_row"]  # the day's last vouchers still wait
    assert figures.report(database)["today"] == "2026-11-20"


def test_a_reader_sees_the_old_rows_until_it_asks_again(database: Path) -> None:
    with closing(connect(database)) as reader:
        reader.execute("BEGIN")
        (before,) = reader.execute('SELECT COUNT(*) FROM "purchase_order"').fetchone()
        apply(database, {"action": "new_purchase_order"})
        assert reader.execute('SELECT COUNT(*) FROM "purchase_order"').fetchone() == (before,)
        reader.execute("COMMIT")
        assert reader.execute('SELECT COUNT(*) FROM "purchase_order"').fetchone() == (before + 1,)


def test_a_new_number_series_begins_with_one(database: Path) -> None:
    with closing(connect(database)) as connection, transaction(connection):
        assert [clock.number(connection, "voucher 10 I 2031") for _ in range(2)] == [1, 2]


def test_generating_never_overwrites_a_file(database: Path) -> None:
    content = database.read_bytes()
    with pytest.raises(FileExistsError, match="delete it or choose another file"):
        generate(database)
    assert database.read_bytes() == content


@pytest.mark.parametrize("scale", [0, 299, 1_000_001])
def test_a_scale_nobody_can_make_is_refused(tmp_path: Path, scale: int) -> None:
    with pytest.raises(ValueError, match="from 300 to 1000000"):
        generate(tmp_path / "group.db", scale=scale)
    assert list(tmp_path.iterdir()) == []
