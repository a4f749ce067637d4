"""What `ifs-bi verify` finds: a source of plain rows beside a table that the target filled, in every warehouse."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from ifs_bi_core.errors import ConfigError, ContractBrokenError
from ifs_bi_core.source_counts import Shape, Source
from singer_lines import DATE, INTEGER, MOMENT, STRING, record, schema
from target_looker_warehouse.command.key_differences import Difference
from target_looker_warehouse.command.verification import standing_tables, verified
from target_looker_warehouse.command.verification_report import verified_as_json, verified_text

if TYPE_CHECKING:
    from boxes import Box

MONEY = {"type": ["number", "null"], "multipleOf": 0.01, "precision": 20, "scale": 2}
PROPERTIES = {
    "Company": STRING,
    "AccountingYear": INTEGER,
    "AccountingPeriod": INTEGER,
    "VoucherDate": DATE,
    "No": MONEY,
    "Account": STRING,
    "Amount": MONEY,
    "_ifs_etag": STRING,
    "_sdc_deleted_at": MOMENT,
}
KEY = ["Company", "No", "VoucherDate"]


def row(company: str, number: int, amount: str = "1.00", **more: Any) -> dict[str, Any]:
    return {
        "Company": company,
        "AccountingYear": 2025,
        "AccountingPeriod": number % 3,
        "VoucherDate": f"2025-01-{number % 28 + 1:02}",
        "No": number,
        "Account": "1510",
        "Amount": float(amount),
        "_ifs_etag": f"etag:{number}",
    } | more


@dataclass
class Rows:
    """A source whose rows are here."""

    rows: dict[str, list[dict[str, Any]]]
    properties: dict[str, Any] = field(default_factory=lambda: dict(PROPERTIES))
    key: tuple[str, ...] = tuple(KEY)
    chosen: tuple[str, ...] = ()

    def streams(self) -> tuple[str, ...]:
        return self.chosen

    def knows(self, stream: str) -> bool:
        return stream in self.rows

    def shape(self, stream: str) -> Shape:
        if not self.knows(stream):
            raise ContractBrokenError("There is none.")
        return Shape(self.properties, self.key, "_ifs_etag", lambda etag: etag.partition(":")[2])

    def count(self, stream: str) -> int:
        return len(self.rows[stream])

    def sums(self, stream: str, by: tuple[str, ...], of: tuple[str, ...]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for each in self.rows[stream]:
            group = tuple(each.get(name) for name in by)
            before = found.get(group, (Decimal(0),) * len(of))
            found[group] = tuple(b + Decimal(str(each[name] or 0)) for b, name in zip(before, of, strict=True))
        return found

    def keys(self, stream: str) -> Any:
        yield [
            (tuple(each[name] for name in self.key), each["_ifs_etag"].partition(":")[2]) for each in self.rows[stream]
        ]


def fill(box: Box, stream: str, rows: list[dict[str, Any]], **config: Any) -> None:
    lines = [schema(stream, KEY, **PROPERTIES), *(record(stream, each) for each in rows)]
    assert box.feed(*lines, **config) == 0


def found(box: Box, source: Rows, *streams: str, **how: Any) -> Any:
    config = {"load_method": "upsert"} | box.config | how.pop("config", {})
    return verified(config, Source("Shop", how.pop("tap", {}), source), streams, **how)


LEDGER = [row(company, number) for company in ("10", "20") for number in range(1, 6)]


@pytest.fixture
def filled(box):
    """A box with the ledger, and one more row that is marked as deleted."""
    fill(box, "ledger", [*LEDGER, row("30", 1, _sdc_deleted_at="2025-02-01T00:00:00Z")])
    return box


def test_what_was_loaded_is_the_same_on_both_sides(filled):
    (one,) = found(filled, Rows({"ledger": LEDGER}), keys=True)
    assert (one.holds, one.source_rows, one.rows, one.deleted) == (True, 10, 10, 1)
    assert (one.balance.agreeing, one.balance.differing) == (6, ())
    assert (one.keys.hold, one.keys.versions) == (True, True)
    text = verified_text([one], "Shop", 20)
    assert "ledger: 10 rows in Shop, 10 in table ledger (and 1 marked as deleted); equal." in text
    assert "6 lines agree, 0 differ. Totals: Amount 10.00." in text
    assert text.endswith("1 of 1 streams are equal.")


def test_a_row_that_one_side_lacks_and_a_row_of_another_version_are_named(filled):
    first, _, *others = LEDGER
    source = Rows({"ledger": [first | {"_ifs_etag": "etag:99"}, *others, row("10", 7)]})
    (one,) = found(filled, source, keys=True)
    assert not one.holds
    assert (one.source_rows, one.rows) == (10, 10)
    assert one.keys.examples == {
        Difference.ONLY_SOURCE: (("10", "7", "2025-01-08"),),
        Difference.ONLY_WAREHOUSE: (("10", "2", "2025-01-03"),),
        Difference.OTHER_VERSION: (("10", "1", "2025-01-02"),),
        Difference.REPEATED: (),
    }
    text = verified_text([one], "Shop", 20)
    assert "1 key is in Shop alone:\n    Company 10, No 7, VoucherDate 2025-01-08" in text
    assert "1 key has another version of its row:\n    Company 10, No 1, VoucherDate 2025-01-02" in text


def test_a_sum_that_differs_by_a_cent_is_told_with_every_digit(filled):
    large = Decimal("12345678901234567890.01")
    source = Rows({"ledger": [*LEDGER[:-1], LEDGER[-1] | {"Amount": large}]})
    (one,) = found(filled, source)
    (line,) = one.balance.differing
    assert line.of == ("20", "2025", "2", "1510")
    assert line.source[0] - line.warehouse[0] == large - 1
    text = verified_text([one], "Shop", 20)
    assert "12,345,678,901,234,567,891.01 in Shop, 2.00 in the warehouse (-12,345,678,901,234,567,889.01)" in text
    assert "0 of 1 streams are equal, but not ledger.\nPeople go on working in Shop" in text


def paged(box: Box, page_rows: int) -> list[list[Any]]:
    """The keys of the ledger, page by page."""
    with standing_tables(box.config) as tables:
        table = tables.table("ledger", Rows({"ledger": LEDGER}).shape("ledger"))
        return [[key for key, _, _ in page] for page in table.key_pages(page_rows)]


KEYS = sorted((each["Company"], str(each["No"]), each["VoucherDate"]) for each in LEDGER)


@pytest.mark.parametrize("page_rows", [1, 2, 3, 10, 11])
def test_all_keys_come_however_large_the_pages_are(filled, page_rows):
    pages = paged(filled, page_rows)
    assert sorted(key for page in pages for key in page) == KEYS
    assert all(len(page) <= page_rows for page in pages)


@pytest.mark.parametrize("emulated", ["snowflake_box", "bigquery_box", "redshift_box"])
def test_every_adapter_answers(request, emulated):
    box = request.getfixturevalue(emulated)
    fill(box, "ledger", [*LEDGER, row("30", 1, _sdc_deleted_at="2025-02-01T00:00:00Z")])
    (one,) = found(box, Rows({"ledger": LEDGER}), keys=True)
    assert (one.holds, one.source_rows, one.rows, one.deleted) == (True, 10, 10, 1)
    assert (one.balance.agreeing, one.balance.differing, one.keys.hold) == (6, (), True)
    assert sorted(key for page in paged(box, 4) for key in page) == KEYS
    (one,) = found(box, Rows({"ledger": [*LEDGER[1:], row("10", 7, "0.5")]}), keys=True)
    assert (one.keys.counts[Difference.ONLY_SOURCE], one.keys.counts[Difference.ONLY_WAREHOUSE]) == (1, 1)
    assert len(one.balance.differing) == 1


def test_an_amount_in_two_columns_is_one_sum(box):
    fill(box, "ledger", [row("10", 1), row("10", 2)])
    wider = PROPERTIES | {"Amount": {"type": ["number", "null"], "multipleOf": 1e-20, "precision": 38, "scale": 20}}
    lines = [
        schema("ledger", KEY, **wider),
        record("ledger", row("10", 2, "2.00")),
        record("ledger", row("10", 3, "4")),
    ]
    assert box.feed(*lines) == 0
    source = Rows({"ledger": [row("10", 1), row("10", 2, "2"), row("10", 3, "4")]}, properties=wider)
    (one,) = found(box, source)
    assert (one.holds, one.balance.warehouse) == (True, (Decimal(7),))


def test_a_stream_that_the_tap_chooses_and_that_was_never_loaded_differs(filled):
    source = Rows({"ledger": LEDGER, "orders": LEDGER[:3], "nothing": []}, chosen=("orders", "nothing"))
    ledger, nothing, orders = found(filled, source)
    assert (ledger.holds, nothing.holds, orders.holds) == (True, True, False)
    text = verified_text([ledger, nothing, orders], "Shop", 20)
    assert "orders: 3 rows in Shop, and no table in the warehouse." in text
    assert "nothing: 0 rows in Shop, and no table yet; equal." in text


def test_a_table_of_another_tap_is_left_aside_unless_it_is_named(filled):
    (one,) = found(filled, Rows({}))
    assert one.holds
    assert "not compared, since the tap for Shop has no stream of that name" in verified_text([one], "Shop", 20)
    with pytest.raises(ConfigError, match="The tap has no stream 'ledger'"):
        found(filled, Rows({}), "ledger")


def test_rows_that_are_not_one_each_are_not_compared(filled):
    source = Rows({"ledger": LEDGER[:1]})
    maps = {"stream_maps": {"ledger": {"__filter__": "No > 1"}}}
    for how in ({"config": {"load_method": "append-only"}}, {"config": maps}, {"tap": maps}):
        (one,) = found(filled, source, **how)
        assert (one.holds, one.rows) == (True, 0)
        assert one.skipped
    (one,) = found(filled, Rows({"ledger": LEDGER[:1]}, key=()))
    assert "no key" in one.skipped


def test_values_that_stream_maps_change_are_counted_alone(filled):
    maps = {"stream_maps": {"ledger": {"Account": "upper(Account)"}}}
    (one,) = found(filled, Rows({"ledger": LEDGER}), tap=maps, keys=True)
    assert (one.holds, one.balance, one.keys) == (True, None, None)
    assert "stream_maps" in verified_text([one], "Shop", 20)


def test_what_the_source_does_not_tell_is_no_equality(filled):
    class Refusing(Rows):
        def sums(self, *_: Any) -> Any:
            raise ContractBrokenError("Shop answered 403.")

    (one,) = found(filled, Refusing({"ledger": LEDGER}))
    assert not one.holds
    assert verified_text([one], "Shop", 20).startswith("ledger: 10 rows in Shop, 10 in table ledger")
    assert "Shop answered 403." in verified_text([one], "Shop", 20)

    class Closed(Rows):
        def count(self, _: str) -> int:
            raise ContractBrokenError("Shop answered 404.")

    (one,) = found(filled, Closed({"ledger": LEDGER}))
    assert not one.holds
    assert verified_text([one], "Shop", 20).startswith("ledger: Shop answered 404.")


def test_an_amount_that_is_not_loaded_is_not_added_up(filled):
    source = Rows({"ledger": LEDGER}, properties=PROPERTIES | {"CreditAmount": MONEY})
    (one,) = found(filled, source)
    assert (one.holds, one.balance.amounts) == (True, ("Amount",))
    filled.run(f"ALTER TABLE ledger DROP COLUMN {filled.dialect.quoted('Account')}")
    (one,) = found(filled, source)
    assert (one.holds, one.balance) == (True, None)


def test_what_holds_no_numbers_is_not_added_up_and_the_keys_are_compared_all_the_same(box):
    text = PROPERTIES | {"Amount": STRING}
    lines = [schema("texts", KEY, **text), record("texts", row("10", 1, Amount="1"))]
    assert box.feed(*lines) == 0
    (one,) = found(box, Rows({"texts": [row("10", 1)]}, properties=text), keys=True)
    assert (one.holds, one.keys.hold) == (False, True)
    assert "which is not added up" in one.problem


def test_a_schema_without_loads_is_no_equality(filled):
    with pytest.raises(ConfigError, match="Nothing was loaded yet"):
        found(filled, Rows({"ledger": LEDGER}), config={"schema": "elsewhere"})


def test_the_schema_and_the_case_of_names_are_those_of_the_target(box):
    settings = {"schema": "Finance", "identifier_case": "lower"}
    fill(box, "Ledger", LEDGER, **settings)
    (one,) = found(box, Rows({"Ledger": LEDGER}), config=settings, keys=True)
    assert (one.table, one.holds, one.keys.hold) == ("ledger", True, True)


def test_json_has_every_digit_and_no_more_lines_than_asked_for(filled):
    source = Rows({"ledger": [each | {"Amount": Decimal("1.10")} for each in LEDGER[2:]]})
    told = json.loads(json.dumps(verified_as_json(found(filled, source, keys=True, most=1), 1)))
    (one,) = told
    assert (one["stream"], one["holds"], one["source_rows"], one["rows"], one["deleted"]) == ("ledger", False, 8, 10, 1)
    balance = one["trial_balance"]
    assert (balance["differing"], len(balance["lines"])) == (6, 1)
    assert balance["source"] == {"Amount": "8.80"}
    assert one["keys"]["only_warehouse"]["number"] == 2
    assert len(one["keys"]["only_warehouse"]["keys"]) == 1


def test_a_file_that_is_not_there_is_not_made(duckdb_box):
    with pytest.raises(ConfigError, match="There is no file"):
        found(duckdb_box, Rows({"ledger": LEDGER}))
    assert not duckdb_box.file.exists()
