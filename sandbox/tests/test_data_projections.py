"""The facts about what the tenant exposes fit together, and the rows fit the facts."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from ifs_bi_sandbox.data.generate import generate
from ifs_bi_sandbox.data.model import EntitySet, Property
from ifs_bi_sandbox.data.projections import PROJECTIONS, entity_set, projection
from ifs_bi_sandbox.data.tables import MODIFIED, TABLES, create

if TYPE_CHECKING:
    from pathlib import Path

SETS = [each for found in PROJECTIONS for each in found.entity_sets]

# Set, key, property of the company, modified property, kind of service: what the streams of a BI pipe need.
NEEDED = [
    ("CompanyHandling.CompanySet", "Company", "Company", None, "projection"),
    ("CompanyHandling.Lookup_IsoCurrency_EntitySet", "Id", None, None, "projection"),
    (
        "CurrencyRatesHandling.CurrencyRateSet",
        "Company CurrencyType CurrencyCode ValidFrom",
        "Company",
        None,
        "projection",
    ),
    ("SitesHandling.SiteSet", "Contract", "Company", None, "projection"),
    ("SupplierHandling.SupplierInfoSet", "SupplierId", None, None, "projection"),
    ("CustomerHandling.CustomerInfoSet", "CustomerId", None, None, "projection"),
    ("PurchaseOrderHandling.PurchaseOrderSet", "OrderNo", "Company", "ChangedDate", "projection"),
    ("PurchaseOrderLineEntity.PurchaseOrderLineSet", "OrderNo LineNo ReleaseNo", None, "LastActivityDate", "entity"),
    ("ManSuppInvoiceEntity.ManSuppInvoiceSet", "Company InvoiceId", "Company", None, "entity"),
    ("PostingProposalEntity.PostingProposalSet", "Company InvoiceId RowId", "Company", None, "entity"),
    ("CustomerOrderHandling.CustomerOrderSet", "OrderNo", "Company", None, "projection"),
    ("CustomerOrderHandling.CustomerOrderLineSet", "OrderNo LineNo RelNo LineItemNo", "Company", None, "projection"),
    ("AccountEntity.AccountSet", "Company Account", "Company", None, "entity"),
    ("AccountGroupsHandling.AccountGroupSet", "Company AccntGroup", "Company", None, "projection"),
    ("AccountingCodePartEntity.AccountingCodePartSet", "Company CodePart", "Company", None, "entity"),
    (
        "AccountingCodePartValueEntity.AccountingCodePartValueSet",
        "Company CodePart CodePartValue",
        "Company",
        None,
        "entity",
    ),
    (
        "VoucherRowsAnalysis.VoucherRowSet",
        "Company VoucherType AccountingYear VoucherNo RowNo",
        "Company",
        None,
        "projection",
    ),
    (
        "GenLedVoucherRowEntity.GenLedVoucherRowSet",
        "Company VoucherType AccountingYear VoucherNo RowNo",
        "Company",
        "Rowversion",
        "entity",
    ),
    ("PaymentTransactionEntity.PaymentTransactionSet", "Company SeriesId PaymentId TransId", "Company", None, "entity"),
    (
        "LedgerItemEntity.LedgerItemSet",
        "Company Identity PartyType LedgerItemSeriesId LedgerItemId LedgerItemVersion",
        "Company",
        None,
        "entity",
    ),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("data") / "group.db"
    generate(path, scale=3000, seed=2)
    return path


def rows(database: Path, table: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f'SELECT * FROM "{table}"')]


@pytest.mark.parametrize(("name", "key", "company", "modified", "service"), NEEDED)
def test_the_sets_that_a_bi_pipe_needs_are_there(
    name: str, key: str, company: str | None, modified: str | None, service: str
) -> None:
    found = entity_set(*name.split("."))
    assert found.key == tuple(key.split())
    assert found.company == company
    assert MODIFIED.get(found.table) == modified
    assert found.service == service
    assert found.endpoints == (("int",) if service == "entity" else ("main", "int", "b2b"))


def test_an_unknown_projection_or_set_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="NoSuchHandling"):
        projection("NoSuchHandling")
    with pytest.raises(KeyError, match=r"SitesHandling\.NoSet"):
        entity_set("SitesHandling", "NoSet")


@pytest.mark.parametrize("found", PROJECTIONS, ids=lambda found: found.name)
def test_the_facts_of_a_projection_fit_together(found: Any) -> None:
    sets = {each.name: each for each in found.entity_sets}
    enums = {enum.name for enum in found.enums}
    assert found.name.endswith("Entity") == (found.category == "StandardEntity")
    for each in found.entity_sets:
        names = {prop.name: prop for prop in each.properties}
        assert each.projection == found.name
        assert len(names) == len(each.properties)
        assert all(not names[name].nullable for name in each.key)
        assert "Objstate" not in names
        assert {prop.enum for prop in each.properties if prop.enum} | ({each.state_enum} - {None}) <= enums
        assert each.company is None or not names[each.company].nullable
        assert each.has_etag is not each.name.startswith(("Reference_", "Lookup_"))
        for reference in each.references:
            target = {prop.name for prop in sets[reference.target_set].properties}
            assert reference.name.endswith("Array" if reference.many else "Ref")
            assert all(own in names and other in target for own, other in reference.on)


@pytest.mark.parametrize("table", MODIFIED)
def test_what_moves_at_every_change_is_a_timestamp_that_is_never_null(table: str) -> None:
    moving = {prop.name: prop for prop in TABLES[table].properties}[MODIFIED[table]]
    assert (moving.type, moving.nullable) == ("DateTimeOffset", False)


def fits(value: Any, prop: Property, members: dict[str, tuple[str, ...]]) -> bool:
    if value is None:
        return prop.nullable
    if prop.type == "Boolean":
        return value in {0, 1}
    if prop.type == "Decimal":
        if prop.scale == 0:
            return isinstance(value, int)
        return bool(re.fullmatch(rf"-?\d+\.\d{{{prop.scale}}}", value))
    if prop.type == "Enum":
        return value in members[prop.enum or ""]
    if prop.type == "Date":
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", value))
    if prop.type == "DateTimeOffset":
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", value))
    return len(value) <= (prop.max_length or 4000)


def test_every_value_is_stored_as_its_property_says(database: Path) -> None:
    for found in PROJECTIONS:
        members = {enum.name: enum.values for enum in found.enums}
        for each in found.entity_sets:
            for row in rows(database, each.table):
                wrong = {
                    prop.name: row[prop.name] for prop in each.properties if not fits(row[prop.name], prop, members)
                }
                assert not wrong, each.name
                assert each.state_enum is None or row["Objstate"] in members[each.state_enum]
                assert re.fullmatch(r"\d{14}", row["_rowversion"])
                assert isinstance(row["_rowid"], int)


@pytest.mark.parametrize(
    "each", [each for each in SETS if each.has_etag], ids=lambda each: f"{each.projection}.{each.name}"
)
def test_every_set_has_rows(database: Path, each: EntitySet) -> None:
    assert rows(database, each.table)


def test_declared_precision_holds_every_value(database: Path) -> None:
    for each in SETS:
        limited = [prop for prop in each.properties if prop.type == "Decimal" and prop.precision]
        for row in rows(database, each.table):
            for prop in limited:
                digits = Decimal(row[prop.name] or 0).as_tuple().digits
                assert len(digits) <= (prop.precision or 0), f"{each.name}.{prop.name}"


def test_the_data_holds_what_breaks_careless_clients(database: Path) -> None:
    suppliers = {row["SupplierId"] for row in rows(database, "supplier_info")}
    assert {"O'NEILL", "A/B 50%", "ÅKERLUND", "R&D #1", "C+C", "*LOCAL*", "NORD SUPPLY"} <= suppliers
    orders = rows(database, "customer_order")
    assert any(row["OrderNo"].startswith("*") for row in orders)
    lines = rows(database, "customer_order_line")
    assert any(row["LineNumber"] == "   1" for row in lines)
    assert any(row["LineItemNo"] < 0 for row in lines)
    # A cost that a float cannot tell: its shortest text has more digits than the column, or fewer.
    costs = [row["Cost"] for row in lines if row["Cost"] is not None]
    assert any(Decimal(float(cost)) != Decimal(cost) for cost in costs)
    ledger = rows(database, "gen_led_voucher_row")
    assert any(int(float(row["PostingCombinationId"])) != row["PostingCombinationId"] for row in ledger)
    part_numbers = {row["PartNo"] for row in rows(database, "purchase_order_line")}
    assert {None, "BOLT#8", "PIPE 1/2", "CAST*A", "OIL 5%"} <= part_numbers
    notes = {row["NoteText"] for row in rows(database, "purchase_order")}
    assert any(note and "\n" in note and '"' in note for note in notes)


def test_create_makes_empty_tables_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    create(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        for each in SETS:
            assert connection.execute(f'SELECT COUNT(*) FROM "{each.table}"').fetchone() == (0,)


@pytest.mark.parametrize("table", MODIFIED)
def test_reading_by_the_moving_column_and_the_key_uses_an_index(database: Path, table: str) -> None:
    order = ", ".join(f'"{column}"' for column in (MODIFIED[table], *TABLES[table].key))
    statement = f'EXPLAIN QUERY PLAN SELECT * FROM "{table}" WHERE "{MODIFIED[table]}" > ? ORDER BY {order} LIMIT 10'
    with closing(sqlite3.connect(database)) as connection:
        plan = [row[3] for row in connection.execute(statement, ("2026-10-01T00:00:00",))]
    assert any(f"{table}_modified" in step for step in plan)
    assert not any("TEMP B-TREE" in step for step in plan)
