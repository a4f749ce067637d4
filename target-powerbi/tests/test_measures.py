"""The shipped measures: a small reader of DAX evaluates them over rows as each write mode has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from dax_reader import TODAY, Scope, columns_in, parsed
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from target_powerbi.choices import ColumnChoice, TableChoice
from target_powerbi.measures import with_measures
from target_powerbi.model import FIGURES
from target_powerbi.tables import Table, table_of

MODES = ("mirror", "signed", "append")
TEXT, NUMBER, DAY = (
    {"type": "string"},
    {"type": "number", "scale": 2, "multipleOf": 0.01},
    {"type": "string", "format": "date"},
)
MOMENT = {"type": ["string", "null"], "format": "date-time"}
VERSION = {"_ifs_row_version": MOMENT, "_ifs_etag": TEXT}
STREAMS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "purchase_orders": ({"OrderNo": TEXT, "Objstate": TEXT, "VendorNo": TEXT} | VERSION, ("OrderNo",)),
    "purchase_order_lines": (
        {"OrderNo": TEXT, "LineNo": TEXT, "Objstate": TEXT, "NetAmtCurr": NUMBER, "CurrencyCode": TEXT} | VERSION,
        ("OrderNo", "LineNo"),
    ),
    "ledger_items": (
        {
            "Company": TEXT,
            "LedgerItemId": TEXT,
            "PartyType": TEXT,
            "FullCurrAmount": NUMBER,
            "ClearedCurrAmount": NUMBER,
        }
        | VERSION,
        ("Company", "LedgerItemId"),
    ),
    "gl_accounts": ({"Company": TEXT, "Account": TEXT, "AccntType": TEXT} | VERSION, ("Company", "Account")),
    "gl_voucher_rows": (
        {"Company": TEXT, "VoucherNo": TEXT, "Account": TEXT, "VoucherDate": DAY, "Amount": NUMBER} | VERSION,
        ("Company", "VoucherNo"),
    ),
}


def dataset(mode: str, leave_out: tuple[str, ...] = (), **choices: TableChoice) -> dict[str, Table]:
    """The tables of the streams with their measures."""
    tables = {
        stream: table_of(stream, {"properties": properties}, keys, write_mode=mode, choice=choices.get(stream))
        for stream, (properties, keys) in STREAMS.items()
        if stream not in leave_out
    }
    return {stream: replace(table, measures=with_measures(table, tables, mode)) for stream, table in tables.items()}


def measures(tables: dict[str, Table]) -> dict[str, str]:
    return {measure.name: measure.expression for table in tables.values() for measure in table.measures}


@dataclass
class History:
    """What became of the rows of one stream: (key values, the other values; None: gone), in order."""

    stream: str
    events: list[tuple[dict[str, Any], dict[str, Any] | None]]

    def now(self) -> list[dict[str, Any]]:
        state: dict[tuple[Any, ...], dict[str, Any] | None] = {}
        for key, values in self.events:
            state[tuple(sorted(key.items()))] = None if values is None else key | values
        return [row for row in state.values() if row is not None]

    def rows(self, table: Table, mode: str) -> list[dict[str, Any]]:
        """The table's rows, with all of its columns."""
        made = []
        before: dict[tuple[Any, ...], dict[str, Any]] = {}
        for number, (key, values) in enumerate(self.events):
            moment = datetime(2026, 1, 1) + timedelta(minutes=number)  # noqa: DTZ001 - a DateTime column knows no zone
            identity = tuple(sorted(key.items()))
            if mode == "append":
                told = {"_sdc_deleted_at": moment} if values is None else values | {"_ifs_row_version": moment}
                made += [key | told] * (1 + number % 2)  # some come twice, as a tap that looks back brings them
                continue
            if old := before.pop(identity, None):
                made.append(old | {"_sign": -1})
            if values is not None:
                before[identity] = key | values
                made.append(key | values | {"_sign": 1})
        made = list(before.values()) if mode == "mirror" else made
        return [{column.name: row.get(column.property) for column in table.all_columns} for row in made]


AMOUNTS = st.decimals(-1000, 1000, places=2)


def histories(stream: str, keys: dict[str, Any], values: dict[str, Any]) -> st.SearchStrategy[History]:
    event = st.tuples(st.fixed_dictionaries(keys), st.none() | st.fixed_dictionaries(values))
    return st.lists(event, max_size=12).map(lambda events: History(stream, events))


NUMBERS, COMPANIES = st.sampled_from(["1", "2", "3"]), st.sampled_from(["10", "20"])
STATES = st.sampled_from(["Released", "Closed", "Cancelled", "Planned"])
WORLDS = {
    "Open purchase orders": st.tuples(
        histories("purchase_orders", {"OrderNo": NUMBERS}, {"Objstate": STATES, "VendorNo": st.sampled_from("AB")}),
        histories(
            "purchase_order_lines",
            {"OrderNo": NUMBERS, "LineNo": st.sampled_from(["1", "2"])},
            {"Objstate": STATES, "NetAmtCurr": AMOUNTS, "CurrencyCode": st.sampled_from(["EUR", "SEK"])},
        ),
    ),
    "Outstanding supplier invoices": st.tuples(
        histories(
            "ledger_items",
            {"Company": COMPANIES, "LedgerItemId": NUMBERS},
            {
                "PartyType": st.sampled_from(["Supplier", "Customer"]),
                "FullCurrAmount": AMOUNTS,
                "ClearedCurrAmount": AMOUNTS,
            },
        )
    ),
    "Month-to-date spend": st.tuples(
        histories(
            "gl_accounts",
            {"Company": COMPANIES, "Account": st.sampled_from(["4010", "3010"])},
            {"AccntType": st.sampled_from(["Cost", "Revenue"])},
        ),
        histories(
            "gl_voucher_rows",
            {"Company": COMPANIES, "VoucherNo": NUMBERS},
            {
                "Account": st.sampled_from(["4010", "3010"]),
                "VoucherDate": st.sampled_from([TODAY + timedelta(days=days) for days in (-20, -19, 0, 1)]),
                "Amount": AMOUNTS,
            },
        ),
    ),
}
SLICERS: dict[str, list[tuple[str, str, Any]]] = {
    "Open purchase orders": [
        ("purchase_order_lines", "CurrencyCode", "EUR"),
        ("purchase_order_lines", "Objstate", "Released"),
        ("purchase_orders", "VendorNo", "A"),
        ("purchase_orders", "Objstate", "Planned"),
    ],
    "Outstanding supplier invoices": [("ledger_items", "Company", "10"), ("ledger_items", "PartyType", "Customer")],
    "Month-to-date spend": [("gl_voucher_rows", "Company", "10"), ("gl_accounts", "Account", "4010")],
}


def expected(name: str, state: dict[str, list[dict[str, Any]]]) -> Decimal:
    """The figure, in words of Python."""
    if name == "Open purchase orders":
        done = {"Closed", "Cancelled"}
        open_orders = {row["OrderNo"] for row in state["purchase_orders"] if row["Objstate"] not in done | {"Planned"}}
        lines = [row for row in state["purchase_order_lines"] if row["Objstate"] not in done]
        return sum((row["NetAmtCurr"] for row in lines if row["OrderNo"] in open_orders), Decimal())
    if name == "Outstanding supplier invoices":
        items = [row for row in state["ledger_items"] if row["PartyType"] == "Supplier"]
        return sum((row["FullCurrAmount"] - row["ClearedCurrAmount"] for row in items), Decimal())
    costs = {(row["Company"], row["Account"]) for row in state["gl_accounts"] if row["AccntType"] == "Cost"}
    return sum(
        (
            row["Amount"]
            for row in state["gl_voucher_rows"]
            if (row["Company"], row["Account"]) in costs and TODAY.replace(day=1) <= row["VoucherDate"] <= TODAY
        ),
        Decimal(),
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", [figure.name for figure in FIGURES])
@hypothesis_settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_figure_is_right_in_every_write_mode_and_under_every_slicer(name, mode, data):
    world = data.draw(WORLDS[name])
    slicer = data.draw(st.none() | st.sampled_from(SLICERS[name]))
    tables = dataset(mode)
    state = {history.stream: history.now() for history in world}
    rows = {history.stream: history.rows(tables[history.stream], mode) for history in world}
    filters: tuple[Any, ...] = ()
    if slicer:
        stream, column, value = slicer
        state[stream] = [row for row in state[stream] if row[column] == value]
        filters = ((((stream, column),), frozenset({(value,)})),)
    found = Scope(rows, filters).value(parsed(measures(tables)[name]))
    assert (found or 0) == expected(name, state)


@pytest.mark.parametrize("mode", ["signed", "append"])
@hypothesis_settings(max_examples=15, deadline=None)
@given(world=WORLDS["Open purchase orders"])
def test_rows_and_sums_of_a_table_are_those_of_its_present_state(mode, world):
    tables = dataset(mode)
    lines = world[1]
    scope = Scope({lines.stream: lines.rows(tables[lines.stream], mode)})
    found = measures(tables)
    count = scope.value(parsed(found["Rows of purchase_order_lines"]))
    total = scope.value(parsed(found["Sum of NetAmtCurr of purchase_order_lines"]))
    assert (count or 0) == len(lines.now())
    assert (total or 0) == sum((row["NetAmtCurr"] for row in lines.now()), Decimal())


# Which measures there are


def test_the_measures_of_mirror_read_like_this():
    tables = dataset("mirror")
    assert measures(tables)["Outstanding supplier invoices"] == (
        "CALCULATE(SUMX('ledger_items', 'ledger_items'[FullCurrAmount] - 'ledger_items'[ClearedCurrAmount]), "
        "KEEPFILTERS('ledger_items'[PartyType] = \"Supplier\"))"
    )
    assert measures(tables).keys() == {figure.name for figure in FIGURES}
    [measure] = tables["ledger_items"].measures
    assert measure.definition()["formatString"] == "#,0.00"
    assert "show it by Currency" in measure.definition()["description"]


@pytest.mark.parametrize("mode", MODES)
def test_every_column_of_a_measure_is_there(mode):
    tables = dataset(mode)
    there = {(table.name, column.name) for table in tables.values() for column in table.all_columns}
    for expression in measures(tables).values():
        assert columns_in(parsed(expression)) <= there


def test_renamed_tables_and_columns_are_called_as_they_are():
    choice = TableChoice("Supplier's ledger", {"PartyType": ColumnChoice(name="Party [type]")})
    choices = {"ledger_items": replace(choice, table="Ledger ^ items")}
    found = measures(dataset("mirror", **choices))["Outstanding supplier invoices"]
    assert "KEEPFILTERS('Ledger ^ items'[Party [type]]] = \"Supplier\")" in found


@pytest.mark.parametrize("mode", MODES)
def test_a_measure_that_needs_what_is_not_there_is_left_out(mode):
    dropped = {"ledger_items": TableChoice(columns={"PartyType": ColumnChoice(drop=True)})}
    assert "Outstanding supplier invoices" not in measures(dataset(mode, **dropped))
    without = measures(dataset(mode, leave_out=("gl_accounts",)))
    assert "Month-to-date spend" not in without
    assert "Open purchase orders" in without


def test_a_name_that_is_taken_is_not_given_again():
    own = {"purchase_orders": TableChoice(measures={"open purchase ORDERS": "1", "Rows of ledger_items": "2"})}
    found = measures(dataset("signed", **own))
    assert found["open purchase ORDERS"] == "1"
    assert "Open purchase orders" not in found
    assert found["Rows of ledger_items"] == "2"


def test_without_versions_append_has_no_latest():
    table = table_of("currencies", {"properties": {"Id": TEXT}}, ["Id"], write_mode="append")
    assert with_measures(table, {"currencies": table}, "append") == ()
