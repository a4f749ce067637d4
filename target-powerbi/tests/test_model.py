"""The shipped model: formats, what is summed, what is hidden, relationships, and how much of it a dataset gets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError
from target_powerbi.choices import ColumnChoice, TableChoice
from target_powerbi.limits import LIMITS
from target_powerbi.model import FIGURES, RELATIONSHIPS, STREAMS, needed_of
from target_powerbi.relationships import relationships_of
from target_powerbi.settings import read_settings
from target_powerbi.tables import Table, table_of

TEXT, NUMBER, DAY = {"type": "string"}, {"type": "number"}, {"type": "string", "format": "date"}
MOMENT = {"type": "string", "format": "date-time"}
KEYS = {
    "companies": "Company",
    "suppliers": "SupplierId",
    "customers": "CustomerId",
    "sites": "Contract",
    "purchase_orders": "OrderNo",
    "customer_orders": "OrderNo",
}


def made(stream: str, properties: dict, keys: tuple[str, ...] = (), write_mode: str = "mirror", **how) -> Table:
    return table_of(stream, {"properties": properties}, keys, write_mode=write_mode, **how)


def shown(table: Table) -> dict[str, tuple]:
    return {column.name: (column.format, column.summarize_by, column.hidden) for column in table.columns}


def everything(**left_out: str) -> dict[str, Table]:
    """All streams that relationships are about, with the columns that those need."""
    found = {}
    for stream in {name for origin, _, target in RELATIONSHIPS for name in (origin, target)}:
        properties = {prop for origin, prop, _ in RELATIONSHIPS if origin == stream} | {KEYS.get(stream, "Company")}
        properties -= {left_out.get(stream, "")}
        keys = (KEYS[stream],) if stream in KEYS else ("Company", "Number")
        found[stream] = made(stream, dict.fromkeys(sorted(properties), TEXT), keys)
    return found


def related(tables: dict[str, Table], config: dict | None = None, **choices: dict[str, str]) -> list[tuple[str, str]]:
    """From and to of each relationship, as ``table[column]``."""
    config = config or CONFIG
    chosen = {stream: {"relationships": relationships} for stream, relationships in choices.items()}
    found = relationships_of(tables, read_settings(config | {"tables": chosen}))
    return [(f"{r.from_table}[{r.from_column}]", f"{r.to_table}[{r.to_column}]") for r in found]


CONFIG = {
    "tenant_id": "contoso.example",
    "client_id": "app",
    "client_secret": "secret",
    "workspace_id": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "dataset_name": "Purchasing",
    "state_dir": ".",
}


def test_numbers_are_shown_and_summed_by_what_their_names_say():
    names = (
        "NetAmtCurr",
        "BuyQtyDue",
        "CurrencyRate",
        "PriceConvFactor",
        "BuyUnitPrice",
        "Discount",
        "NoteId",
        "RowNo",
    )
    table = made("purchase_order_lines", dict.fromkeys(names, NUMBER), ("RowNo",))
    assert shown(table) == {
        "NetAmtCurr": ("#,0.00", "sum", False),
        "BuyQtyDue": ("#,0.00", "sum", False),
        "CurrencyRate": ("#,0.0000", "none", False),
        "PriceConvFactor": ("#,0.0000", "none", False),
        "BuyUnitPrice": ("#,0.00", "none", False),
        "Discount": ("#,0.00", "none", False),
        "NoteId": ("0", "none", False),
        "RowNo": ("0", "none", False),
    }


def test_a_key_is_never_summed_whatever_it_is_called():
    assert shown(made("payments", {"AmountId": NUMBER, "Qty": NUMBER}, ("Qty",)))["Qty"] == ("0", "none", False)


def test_dates_and_technical_columns_are_what_people_expect():
    properties = {"DueDate": DAY, "ClearedAt": MOMENT, "_ifs_row_version": MOMENT, "_ifs_etag": TEXT, "Rowkey": TEXT}
    assert shown(made("ledger_items", properties)) == {
        "DueDate": ("Short Date", None, False),
        "ClearedAt": ("General Date", None, False),
        "_ifs_row_version": ("General Date", None, True),
        "_ifs_etag": (None, None, True),
        "Rowkey": (None, None, True),
    }
    appended = shown(made("ledger_items", properties | {"_sdc_batched_at": MOMENT}, write_mode="append"))
    assert not appended["_ifs_row_version"][2]
    assert not appended["_sdc_deleted_at"][2]
    assert appended["_sdc_batched_at"][2]


def test_an_entity_of_the_user_is_known_by_its_etag_and_other_streams_are_left_alone():
    assert shown(made("my_entity", {"NetAmount": NUMBER, "_ifs_etag": TEXT}))["NetAmount"] == ("#,0.00", "sum", False)
    assert shown(made("my_entity", {"NetAmount": NUMBER})) == {"NetAmount": (None, None, False)}


def test_the_setting_goes_before_the_model_and_may_switch_it_off():
    properties = {"NetAmtCurr": NUMBER}
    choice = TableChoice(columns={"NetAmtCurr": ColumnChoice(format="0.0", summarize_by="max", hidden=True)})
    assert shown(made("purchase_order_lines", properties, choice=choice)) == {"NetAmtCurr": ("0.0", "max", True)}
    assert shown(made("purchase_order_lines", properties, model=False)) == {"NetAmtCurr": (None, None, False)}


@pytest.mark.parametrize(
    ("stream", "prop", "kind"),
    [("customer_order_lines", "Cost", "Double"), ("gl_voucher_rows", "PostingCombinationId", "String")],
)
def test_types_that_the_schema_alone_would_get_wrong_are_chosen(stream, prop, kind):
    [column] = made(stream, {prop: NUMBER}).columns
    assert (column.type, column.chosen) == (kind, True)
    [own] = made(stream, {prop: NUMBER}, choice=TableChoice(columns={prop: ColumnChoice(type="Decimal")})).columns
    assert own.type == "Decimal"
    [plain] = made(stream, {prop: NUMBER}, model=False).columns
    assert (plain.type, plain.chosen) == ("Double", False)


def test_the_model_is_about_streams_that_it_knows():
    assert {figure.stream for figure in FIGURES} <= STREAMS
    assert {figure.among.stream for figure in FIGURES if figure.among} <= STREAMS
    assert {name for origin, _, target in RELATIONSHIPS for name in (origin, target)} <= STREAMS
    assert needed_of("gl_accounts") == {"Company", "Account", "AccntType"}
    assert {"OrderNo", "NetAmtCurr", "Objstate"} == needed_of("purchase_order_lines")


def test_all_relationships_of_the_model_are_possible_at_once():
    found = related(everything())
    assert len(found) == len(RELATIONSHIPS)
    assert ("purchase_order_lines[OrderNo]", "purchase_orders[OrderNo]") in found
    assert ("purchase_orders[VendorNo]", "suppliers[SupplierId]") in found


def test_a_relationship_whose_table_or_column_is_not_there_is_left_out():
    tables = everything(purchase_orders="VendorNo")
    del tables["sites"]
    found = related(tables)
    assert not [pair for pair in found if "sites" in pair[1] or pair[0] == "purchase_orders[VendorNo]"]
    assert len(found) == len(RELATIONSHIPS) - 3


def test_a_relationship_between_two_types_is_left_out():
    tables = everything()
    tables["suppliers"] = made("suppliers", {"SupplierId": {"type": "integer"}}, ("SupplierId",))
    assert not [pair for pair in related(tables) if pair[1] == "suppliers[SupplierId]"]


def test_there_are_none_without_the_model_or_where_a_key_has_many_rows():
    assert related(everything(), CONFIG | {"model": False}) == []
    assert related(everything(), CONFIG | {"write_mode": "append"}) == []
    assert related(everything(), CONFIG | {"write_mode": "signed"}) == []


def test_a_relationship_of_the_setting_goes_before_one_of_the_model():
    tables = everything()
    tables["purchase_order_lines"] = made("purchase_order_lines", {"OrderNo": TEXT, "VendorNo": TEXT}, ("OrderNo", "x"))
    found = related(tables, purchase_order_lines={"VendorNo": "suppliers"})
    assert found[0] == ("purchase_order_lines[VendorNo]", "suppliers[SupplierId]")
    assert ("purchase_order_lines[OrderNo]", "purchase_orders[OrderNo]") in found
    assert ("purchase_orders[VendorNo]", "suppliers[SupplierId]") not in found  # a second way from line to supplier


@pytest.mark.parametrize(
    ("stream", "prop", "to", "sentence"),
    [
        ("purchase_orders", "VendorNo", "vendors", "there is no stream vendors in this dataset"),
        (
            "purchase_orders",
            "Company",
            "payments",
            "payments has the key Company, Number, and a relationship needs one of a",
        ),
        ("purchase_orders", "Supplier", "suppliers", "there is no column for purchase_orders.Supplier"),
        ("companies", "Company", "companies", "there would be two ways between 'companies' and 'companies'"),
    ],
)
def test_a_relationship_of_the_setting_that_can_not_be_is_told(stream, prop, to, sentence):
    with pytest.raises(ConfigError) as refused:
        related(everything(), **{stream: {prop: to}})
    assert f"tables.{stream}.relationships.{prop}: " in str(refused.value)
    assert sentence in str(refused.value)


def test_a_relationship_between_two_types_is_told_where_it_was_asked_for():
    tables = everything()
    tables["suppliers"] = made("suppliers", {"SupplierId": {"type": "integer"}}, ("SupplierId",))
    with pytest.raises(ConfigError, match=r"purchase_orders\.VendorNo is String and suppliers\.SupplierId is Int64"):
        related(tables, purchase_orders={"VendorNo": "suppliers"})


def test_more_relationships_than_a_dataset_may_have_are_told():
    tables = {f"d{n}": made(f"d{n}", {"K": TEXT}, ("K",)) for n in range(76)}
    tables["f"] = made("f", {f"c{n}": TEXT for n in range(74)} | {}, ("c0",))
    tables["g"] = made("g", {f"c{n}": TEXT for n in range(74)} | {}, ("c0",))
    assert LIMITS.relationships_per_dataset == 75
    few = {"f": {f"c{n}": f"d{n}" for n in range(74)}, "g": {"c0": "d74"}}
    assert len(related(tables, **few)) == 75
    with pytest.raises(ConfigError, match="has 76 relationships, and a dataset has at most 75"):
        related(tables, **few | {"g": {"c0": "d74", "c1": "d75"}})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12, unique=True))
def test_there_is_one_way_at_most_between_two_tables(wanted):
    tables = {f"t{n}": made(f"t{n}", {f"c{k}": TEXT for k in range(6)} | {"K": TEXT}, ("K",)) for n in range(6)}
    chosen: dict[str, dict[str, str]] = {}
    taken: list[tuple[int, int]] = []
    for origin, target in wanted:
        grown = {name: dict(columns) for name, columns in chosen.items()}
        grown.setdefault(f"t{origin}", {})[f"c{target}"] = f"t{target}"
        try:
            found = related(tables, **grown)
        except ConfigError:
            assert ways(taken, origin, target, extra=True)
        else:
            chosen = grown
            taken.append((origin, target))
            assert len(found) == len(taken)
            assert not ways(taken, origin, target, extra=False)


def ways(edges: list[tuple[int, int]], origin: int, target: int, *, extra: bool) -> bool:
    """Whether some table reaches another one in two ways, or itself; with one more edge or as they are."""
    edges = [*edges, (origin, target)] if extra else edges
    counts = dict.fromkeys(edges, 1)
    paths = dict(counts)
    for _ in range(6):  # every path of at most seven steps, counted
        longer: dict[tuple[int, int], int] = {}
        for (a, b), number in paths.items():
            for c, d in edges:
                if b == c:
                    longer[a, d] = longer.get((a, d), 0) + number
        paths = {pair: counts.get(pair, 0) + longer.get(pair, 0) for pair in {*counts, *longer}}
    return any(number > 1 or a == b for (a, b), number in paths.items())


def test_a_new_dataset_has_relationships_measures_and_formats(pipe):
    """From the input to what the service holds; a second run has nothing to tell."""
    orders = {"OrderNo": TEXT, "Objstate": TEXT, "VendorNo": TEXT}
    lines = {"OrderNo": TEXT, "LineNo": TEXT, "Objstate": TEXT, "NetAmtCurr": NUMBER}
    said = (
        pipe.schema("purchase_order_lines", lines, ("OrderNo", "LineNo")),
        pipe.record(
            {"OrderNo": "1", "LineNo": "1", "Objstate": "Released", "NetAmtCurr": 12.5}, "purchase_order_lines"
        ),
        pipe.schema("purchase_orders", orders, ("OrderNo",)),
        pipe.record({"OrderNo": "1", "Objstate": "Released", "VendorNo": "A"}, "purchase_orders"),
    )
    pipe.feed(*said)
    assert [item["fromColumn"] for item in pipe.dataset().relationships] == ["OrderNo"]
    assert pipe.dataset().tables["purchase_order_lines"].measures.keys() == {"Open purchase orders"}
    pipe.feed(*said)
    assert not pipe.calls("PUT")
    assert not pipe.calls("POST", "/rows")
    pipe.feed(*said, model=False)
    assert len(pipe.calls("PUT")) == 1  # of the lines, which lose measure and formats; orders had texts alone
    assert not pipe.dataset().tables["purchase_order_lines"].measures


def test_the_tables_of_an_earlier_version_get_the_model_at_the_first_start(pipe):
    lines = {"OrderNo": TEXT, "LineNo": TEXT, "Objstate": TEXT, "NetAmtCurr": NUMBER}
    schema = pipe.schema("purchase_order_lines", lines, ("OrderNo", "LineNo"))
    row = pipe.record({"OrderNo": "1", "LineNo": "1", "NetAmtCurr": 1}, "purchase_order_lines")
    pipe.feed(schema, row, model=False)
    pipe.feed(schema, row)
    assert len(pipe.calls("PUT")) == 1
    assert not pipe.calls("POST", "/rows")
    assert pipe.rows("purchase_order_lines") == [{"OrderNo": "1", "LineNo": "1", "NetAmtCurr": 1}]


def test_a_choice_replaces_nothing_else():
    table = made("purchase_order_lines", {"NetAmtCurr": NUMBER, "OrderNo": TEXT}, ("OrderNo",))
    named = made(
        "purchase_order_lines",
        {"NetAmtCurr": NUMBER, "OrderNo": TEXT},
        ("OrderNo",),
        choice=TableChoice(columns={"NetAmtCurr": ColumnChoice(name="Net")}),
    )
    assert replace(named.columns[0], name="NetAmtCurr") == table.columns[0]
