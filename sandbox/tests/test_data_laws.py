"""The laws of the books: they hold for every scale, seed and day, and no change breaks them."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter, defaultdict
from contextlib import closing
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_sandbox.data import changes, figures
from ifs_bi_sandbox.data.generate import generate
from ifs_bi_sandbox.data.projections import PROJECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

TODAY = date(2026, 11, 20)
CENT = Decimal("0.01")


class Copy:
    """All rows of a database in memory, as SQLite keeps them."""

    def __init__(self, database: Path) -> None:
        with closing(sqlite3.connect(database)) as connection:
            connection.row_factory = sqlite3.Row
            tables = {entity_set.table for projection in PROJECTIONS for entity_set in projection.entity_sets}
            self.tables = {
                name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')] for name in tables
            }

    def __getattr__(self, table: str) -> list[dict[str, Any]]:
        return self.tables[table]

    def index(self, table: str, *columns: str) -> dict[tuple[Any, ...], dict[str, Any]]:
        rows = {tuple(row[column] for column in columns): row for row in self.tables[table]}
        assert len(rows) == len(self.tables[table]), f"{table}: {columns} isn't unique"
        return rows

    def total(self, table: str, by: tuple[str, ...], amount: str) -> defaultdict[tuple[Any, ...], Decimal]:
        sums: defaultdict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
        for row in self.tables[table]:
            sums[tuple(row[column] for column in by)] += Decimal(row[amount])
        return sums


VOUCHER = ("Company", "VoucherType", "AccountingYear", "VoucherNo")
ITEM = ("Company", "Identity", "PartyType", "LedgerItemSeriesId", "LedgerItemId", "LedgerItemVersion")


def check_orders(copy: Copy) -> None:
    for header, lines, amount, total in (
        ("purchase_order", "purchase_order_line", "NetAmtCurr", "TotalNetAmount"),
        ("customer_order", "customer_order_line", "NetAmountCurr", "TotalAmount"),
    ):
        orders = copy.index(header, "OrderNo")
        sums = copy.total(lines, ("OrderNo",), amount)
        assert sums.keys() == orders.keys()
        for key, order in orders.items():
            assert Decimal(order[total]) == sums[key]
    for line in copy.purchase_order_line:
        exact = Decimal(line["BuyQtyDue"]) * Decimal(line["BuyUnitPrice"]) * (100 - Decimal(line["Discount"])) / 100
        assert Decimal(line["NetAmtCurr"]) == exact.quantize(CENT, ROUND_HALF_UP)


def check_vouchers(copy: Copy) -> None:
    held, posted = (copy.total(name, VOUCHER, "Amount") for name in ("voucher_row", "gen_led_voucher_row"))
    assert not held.keys() & posted.keys()
    for name in ("voucher_row", "gen_led_voucher_row"):
        assert not any(copy.total(name, VOUCHER, "Amount").values())
        assert not any(copy.total(name, VOUCHER, "CurrencyAmount").values())
        for row in copy.tables[name]:
            assert (row["DebetAmount"] is None) != (row["CreditAmount"] is None)
            assert Decimal(row["DebetAmount"] or 0) - Decimal(row["CreditAmount"] or 0) == Decimal(row["Amount"])
            assert row["VoucherDate"][:4] == str(row["AccountingYear"])


def check_codes(copy: Copy) -> None:
    accounts = copy.index("account", "Company", "Account")
    values = copy.index("accounting_code_part_value", "Company", "CodePart", "CodePartValue")
    groups = copy.index("account_group", "Company", "AccntGroup")
    for account in copy.account:
        assert (account["Company"], account["AccntGroup"]) in groups
    for group in copy.account_group:
        assert group["ParentGroup"] is None or (group["Company"], group["ParentGroup"]) in groups
    for name in ("voucher_row", "gen_led_voucher_row", "posting_proposal"):
        for row in copy.tables[name]:
            account = accounts[row["Company"], row["Account"]]
            assert (row["CodeB"] is not None) == (account["AccntType"] == "Cost")
            for letter in "BCDEFGHIJ":
                used = row[f"Code{letter}"]
                assert used is None or (row["Company"], letter, used) in values


def check_invoices(copy: Copy) -> None:
    orders = copy.index("purchase_order", "OrderNo")
    items = {(row["Company"], row["InvoiceId"]): row for row in copy.ledger_item}
    vouchers = {tuple(row[c] for c in VOUCHER) for row in [*copy.voucher_row, *copy.gen_led_voucher_row]}
    sums = copy.total("posting_proposal", ("Company", "InvoiceId"), "CurrAmount")
    home = copy.total("posting_proposal", ("Company", "InvoiceId"), "DomAmount")
    invoices = copy.index("man_supp_invoice", "Company", "InvoiceId")
    assert sums.keys() == invoices.keys()
    for key, invoice in invoices.items():
        assert Decimal(invoice["NetCurrAmount"]) == sums[key] > 0
        assert Decimal(invoice["NetDomAmount"]) == home[key]
        gross = Decimal(invoice["NetCurrAmount"]) + Decimal(invoice["VatCurrAmount"])
        assert Decimal(invoice["GrossCurrAmount"]) == gross
        if invoice["PoRefNumber"] is not None:
            order = orders[invoice["PoRefNumber"],]
            assert (order["VendorNo"], order["Company"]) == (invoice["Identity"], invoice["Company"])
            assert order["Objstate"] == "Closed"
        if invoice["Objstate"] in {"Preliminary", "Cancelled"}:
            assert key not in items
            assert invoice["VoucherNoRef"] is None
        else:
            expected = {"Paid": {"PaidPosted"}, "PartlyPaid": {"PartlyPaidPosted"}, "Unpaid": {"Posted", "PostedAuth"}}
            assert invoice["Objstate"] in expected[items[key]["Objstate"]]
            assert Decimal(items[key]["FullCurrAmount"]) == gross
            year = int(invoice["VoucherDateRef"][:4])
            assert (invoice["Company"], invoice["VoucherTypeRef"], year, invoice["VoucherNoRef"]) in vouchers


def check_ledger(copy: Copy) -> None:
    paid, home = (copy.total("payment_transaction", ITEM, name) for name in ("CurrAmount", "DomAmount"))
    items = copy.index("ledger_item", *ITEM)
    assert paid.keys() <= items.keys()
    vouchers = {tuple(row[c] for c in VOUCHER) for row in [*copy.voucher_row, *copy.gen_led_voucher_row]}
    for payment in copy.payment_transaction:
        year = int(payment["PaymentDate"][:4])
        assert (payment["Company"], payment["VoucherTypeRef"], year, payment["VoucherNoRef"]) in vouchers
    for key, item in items.items():
        full, cleared = Decimal(item["FullCurrAmount"]), Decimal(item["ClearedCurrAmount"])
        assert cleared == paid[key]
        assert Decimal(item["ClearedDomAmount"]) == home[key]
        assert item["Objstate"] == ("Paid" if cleared == full else "PartlyPaid" if cleared else "Unpaid")
        assert (item["ClearedAt"] is not None) == (cleared == full)
        if cleared == full:
            assert item["ClearedDomAmount"] == item["FullDomAmount"]


def check_references(copy: Copy) -> None:
    suppliers = {row["SupplierId"] for row in copy.supplier_info}
    customers = {row["CustomerId"] for row in copy.customer_info}
    sites = {(row["Contract"], row["Company"]) for row in copy.site}
    assert {row["VendorNo"] for row in [*copy.purchase_order, *copy.purchase_order_line]} <= suppliers
    assert {row["CustomerNo"] for row in [*copy.customer_order, *copy.customer_order_line]} <= customers
    assert {(row["Contract"], row["Company"]) for row in [*copy.purchase_order, *copy.customer_order]} <= sites
    parties = {"Supplier": suppliers, "Customer": customers}
    assert all(row["Identity"] in parties[row["PartyType"]] for row in copy.ledger_item)


def check_versions(copy: Copy) -> None:
    for projection in PROJECTIONS:
        for entity_set in projection.entity_sets:
            copy.index(entity_set.table, *entity_set.key)
    for table, column in (
        ("purchase_order", "ChangedDate"),
        ("purchase_order_line", "LastActivityDate"),
        ("gen_led_voucher_row", "Rowversion"),
    ):
        for row in copy.tables[table]:
            assert row["_rowversion"] == "".join(c for c in row[column] if c.isdigit())


def check(database: Path) -> None:
    copy = Copy(database)
    check_orders(copy)
    check_vouchers(copy)
    check_codes(copy)
    check_invoices(copy)
    check_ledger(copy)
    check_references(copy)
    check_versions(copy)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "group.db"
    generate(path, scale=1500, seed=3)
    return path


TREES = ("accounting_attribute", "accounting_structure")  # the same at every scale

scales = st.integers(300, 1500)
seeds = st.integers(0, 2**32)
business_days = st.dates(date(2026, 1, 1), date(2028, 12, 31))


def temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "group.db"


@given(scale=scales, seed=seeds, today=business_days)
@settings(max_examples=15, deadline=None)
def test_the_books_agree_at_every_scale_and_seed_and_on_every_day(scale: int, seed: int, today: date) -> None:
    for path in temporary():
        generate(path, scale=scale, seed=seed, today=today)
        check(path)


@given(scale=scales, seed=seeds, today=business_days)
@settings(max_examples=15, deadline=None)
def test_there_always_is_something_to_report_and_to_post(scale: int, seed: int, today: date) -> None:
    for path in temporary():
        generate(path, scale=scale, seed=seed, today=today)
        report = figures.report(path)
        copy = Copy(path)
    assert report["today"] == today.isoformat()
    for name in ("open_purchase_orders", "outstanding_supplier_invoices", "month_to_date_spend"):
        assert report[name]
        assert all(row[-1] for row in report[name])
    assert {row["Company"] for row in copy.gen_led_voucher_row} == {"10", "20"}
    assert copy.voucher_row


@given(seed=seeds, days=st.integers(1, 3))
@settings(max_examples=8, deadline=None)
def test_days_of_business_keep_the_books(seed: int, days: int) -> None:
    for path in temporary():
        generate(path, scale=600, seed=seed)
        for _ in range(days):
            assert sum(changes.a_day_of_business(path, seed).values()) > 15
            check(path)


def test_every_action_keeps_the_books(database: Path) -> None:
    for action in changes.ACTIONS:
        if action not in {"insert", "update", "delete"}:
            changes.apply(database, {"action": action})
            check(database)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two, other = (tmp_path / name for name in ("one.db", "two.db", "other.db"))
    generate(one, scale=700, seed=5)
    generate(two, scale=700, seed=5)
    generate(other, scale=700, seed=6)
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes() != other.read_bytes()


def test_the_same_day_of_business_on_the_same_data_gives_the_same_rows(tmp_path: Path) -> None:
    copies = []
    for name in ("one.db", "two.db"):
        path = tmp_path / name
        generate(path, scale=700, seed=5)
        changes.a_day_of_business(path, 9)
        copies.append(Copy(path).tables)
    assert copies[0] == copies[1]


@pytest.mark.parametrize("scale", [300, 1000, 5000, 20000])
def test_scale_is_roughly_the_number_of_rows(tmp_path: Path, scale: int) -> None:
    path = tmp_path / "group.db"
    generate(path, scale=scale)
    rows = sum(len(table) for name, table in Copy(path).tables.items() if not name.startswith(TREES))
    assert 0.85 * scale < rows < 1.15 * scale


def test_business_spreads_over_fourteen_months_up_to_today(database: Path) -> None:
    copy = Copy(database)
    ordered = [row["OrderDate"][:10] for row in copy.purchase_order]
    assert min(ordered) < (TODAY - timedelta(days=400)).isoformat()
    assert max(ordered) <= TODAY.isoformat()
    months = Counter(row["VoucherDate"][:7] for row in copy.gen_led_voucher_row)
    assert len(months) >= 13
    for table in copy.tables.values():
        assert all(row["_rowversion"] < f"{TODAY:%Y%m%d}120000" for row in table)


def test_recent_vouchers_are_in_hold_and_older_ones_in_the_general_ledger(database: Path) -> None:
    copy = Copy(database)
    automatic = [row["VoucherDate"] for row in copy.gen_led_voucher_row if row["VoucherType"] != "M"]
    assert max(automatic) < min(row["VoucherDate"] for row in copy.voucher_row)


def test_vouchers_of_a_day_arrive_in_the_ledger_together(database: Path) -> None:
    arrivals = Counter(row["Rowversion"] for row in Copy(database).gen_led_voucher_row)
    assert max(arrivals.values()) > 5  # many rows share one instant, as after a real update of the ledger
