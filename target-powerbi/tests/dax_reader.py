"""A small reader of DAX: what an expression comes to over rows, wherever it stands in a report.

It knows what the shipped measures use and no more: filter context by column, row context, the transition from one to the other,
KEEPFILTERS, TREATAS and ALLEXCEPT (learn.microsoft.com/dax).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TODAY = date(2026, 11, 20)
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
