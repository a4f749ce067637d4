"""The shipped measures: a small reader of DAX evaluates them over rows as each write mode has them.

The reader knows what the measures use and no more: filter context by column, row context, the transition from one to the other,
KEEPFILTERS, TREATAS and ALLEXCEPT (learn.microsoft.com/dax).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from target_powerbi.choices import ColumnChoice, TableChoice
from target_powerbi.measures import with_measures
from target_powerbi.model import FIGURES
from target_powerbi.tables import Table, table_of

if TYPE_CHECKING:
    from collections.abc import Callable

MODES = ("mirror", "signed", "append")
TODAY = date(2026, 11, 20)
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


# A small reader of DAX

TOKEN = re.compile(
    r"""\s*(?:(?P<column>'(?:[^']|'')+'\[(?:[^\]]|\]\])+\])|(?P<table>'(?:[^']|'')+')|(?P<text>"[^"]*")|(?P<number>\d+)"""
    r"""|(?P<word>[A-Za-z]\w*)|(?P<sign>&&|>=|<=|[-+*<>=(),{}]))"""
)
TABLES = [("call", name) for name in ("SUMMARIZE", "FILTER", "CALCULATETABLE", "TREATAS")]
Place = tuple[str, str]  # a table and a column
Rows = tuple[tuple[Place, ...], list[tuple[Any, ...]]]


class Parser:
    """Nested tuples of an expression: what it is, and its parts."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            match = TOKEN.match(text, at)
            assert match, text[at:]
            self.tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            at = match.end()
        self.tokens.reverse()

    def take(self, *values: str) -> str:
        """The next token's text; where values are given, it has to be one of them."""
        value = self.tokens.pop()[1]
        assert not values or value in values, (value, values)
        return value

    def ahead(self, *values: str) -> bool:
        return bool(self.tokens) and self.tokens[-1][1] in values

    def expression(self) -> Any:
        if self.ahead("VAR"):
            self.take()
            name = self.take()
            self.take("=")
            value = self.expression()
            if not self.ahead("VAR"):
                self.take("RETURN")
            return ("let", name, value, self.expression())
        left = self.comparison()
        while self.ahead("&&"):
            left = (self.take(), left, self.comparison())
        return left

    def comparison(self) -> Any:
        left = self.total()
        if self.ahead("IN"):
            self.take()
            return ("IN", left, self.listed("{", "}"))
        return (self.take(), left, self.total()) if self.ahead("=", "<", ">", "<=", ">=") else left

    def total(self) -> Any:
        left = self.product()
        while self.ahead("+", "-"):
            left = (self.take(), left, self.product())
        return left

    def product(self) -> Any:
        left = self.single()
        while self.ahead("*"):
            left = (self.take(), left, self.single())
        return left

    def listed(self, begin: str, end: str) -> list[Any]:
        self.take(begin)
        items = []
        while not self.ahead(end):
            items.append(self.expression())
            if not self.ahead(end):
                self.take(",")
        self.take(end)
        return items

    def single(self) -> Any:
        if self.ahead("("):
            (inner,) = self.listed("(", ")")
            return inner
        kind, value = self.tokens.pop()
        match kind:
            case "column":
                table, column = value[1:-1].split("'[", 1)
                return ("column", (table.replace("''", "'"), column.replace("]]", "]")))
            case "table":
                return ("table", value[1:-1].replace("''", "'"))
            case "text":
                return ("value", value[1:-1])
            case "number":
                return ("value", int(value))
        assert kind == "word", value
        return ("call", value, self.listed("(", ")")) if self.ahead("(") else ("name", value)


def parsed(text: str) -> Any:
    parser = Parser(text)
    tree = parser.expression()
    assert not parser.tokens
    return tree


def columns_in(tree: Any) -> set[Place]:
    if isinstance(tree, list):
        return {place for part in tree for place in columns_in(part)}
    if not isinstance(tree, tuple):
        return set()
    return {tree[1]} if tree[0] == "column" else {place for part in tree[1:] for place in columns_in(part)}


@dataclass(frozen=True)
class Scope:
    """What an expression sees: rows by table, filters (columns, and the tuples that they let pass), the current row, names."""

    data: dict[str, list[dict[str, Any]]]
    filters: tuple[tuple[tuple[Place, ...], frozenset[tuple[Any, ...]]], ...] = ()
    row: dict[Place, Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)

    def visible(self, table: str) -> list[dict[str, Any]]:
        own = [([column for _, column in places], passed) for places, passed in self.filters if places[0][0] == table]
        return [
            row for row in self.data[table] if all(tuple(row[c] for c in columns) in passed for columns, passed in own)
        ]

    def rows(self, tree: Any) -> Rows:
        if tree[0] == "table":
            seen = self.visible(tree[1])
            places = (
                tuple((tree[1], column) for column in self.data[tree[1]][0]) if self.data[tree[1]] else ((tree[1], ""),)
            )
            return places, [tuple(row[column] for _, column in places) for row in seen]
        _, name, (first, *others) = tree
        if name == "SUMMARIZE":
            places = tuple(place for _, place in others)
            return places, list(dict.fromkeys(tuple(row[c] for _, c in places) for row in self.visible(first[1])))
        if name == "FILTER":
            places, rows = self.rows(first)
            return places, [row for row in rows if self.at(places, row).value(others[0])]
        if name == "CALCULATETABLE":
            return self.calculated(others).rows(first)
        assert name == "TREATAS", name
        _, rows = self.rows(first)
        return tuple(place for _, place in others), rows

    def at(self, places: tuple[Place, ...], row: tuple[Any, ...]) -> Scope:
        return replace(self, row=self.row | dict(zip(places, row, strict=True)))

    def calculated(self, modifiers: list[Any]) -> Scope:
        """The scope inside CALCULATE: the current row has become a filter, and the modifiers hold."""
        filters = [*self.filters, *(((place,), frozenset({(value,)})) for place, value in self.row.items())]
        added = []
        for tree in modifiers:
            keep = tree[:2] == ("call", "KEEPFILTERS")
            inner = tree[2][0] if keep else tree
            if inner[:2] == ("call", "ALLEXCEPT"):
                (_, table), *kept = inner[2]
                stay = {place for _, place in kept}
                filters = [one for one in filters if one[0][0][0] != table or set(one[0]) <= stay]
                continue
            if inner[:2] in TABLES:
                places, rows = self.rows(inner)
            else:
                (place,) = columns_in(inner)
                values = {row[place[1]] for row in self.data[place[0]]}
                places, rows = (place,), [(v,) for v in values if replace(self, row={place: v}).value(inner)]
            if not keep:
                filters = [one for one in filters if not set(one[0]) & set(places)]
            added.append((places, frozenset(rows)))
        return replace(self, filters=(*filters, *added), row={})

    def value(self, tree: Any) -> Any:
        match tree:
            case ("value", value):
                return value
            case ("column", place):
                return self.row[place]
            case ("name", name):
                return self.names[name]
            case ("let", name, value, inner):
                return replace(self, names=self.names | {name: self.value(value)}).value(inner)
            case ("&&", left, right):
                return self.value(left) and self.value(right)
            case ("IN", left, items):
                return self.value(left) in [self.value(item) for item in items]
            case ("call", name, arguments):
                return self.call(name, arguments)
            case (sign, left, right):
                return applied(sign, self.value(left), self.value(right))
        raise AssertionError(tree)

    def call(self, name: str, arguments: list[Any]) -> Any:
        first = arguments[0] if arguments else None
        match name:
            case "CALCULATE":
                return self.calculated(arguments[1:]).value(first)
            case "SUM" | "MAX":
                table, column = first[1]
                return aggregate(name, [row[column] for row in self.visible(table)])
            case "SUMX" | "MAXX":
                places, rows = self.rows(first)
                return aggregate(name[:-1], [self.at(places, row).value(arguments[1]) for row in rows])
            case "ISEMPTY":
                return not self.rows(first)[1]
            case "IF":
                return self.value(arguments[1]) if self.value(first) else None
        return FUNCTIONS[name](*(self.value(argument) for argument in arguments))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "NOT": lambda value: not value,
    "TODAY": lambda: TODAY,
    "YEAR": lambda day: day.year,
    "MONTH": lambda day: day.month,
    "DATE": date,
}


def aggregate(name: str, values: list[Any]) -> Any:
    values = [value for value in values if value is not None]
    return (sum(values) if name == "SUM" else max(values)) if values else None


def applied(sign: str, left: Any, right: Any) -> Any:
    if sign in {"+", "-", "*"}:
        if isinstance(left, date):
            return left + timedelta(days=right)
        if left is None or right is None:
            return None if sign == "*" or left is right else applied(sign, left or 0, right or 0)
        return {"+": left + right, "-": left - right, "*": left * right}[sign] if sign != "*" else left * right
    if left is None or right is None:  # BLANK is less than every date
        return {"=": left is right, ">": left is not None, "<": right is not None}.get(sign, left is right)
    return {"=": left == right, ">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[sign]


# Histories, and the rows that each write mode makes of them


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
