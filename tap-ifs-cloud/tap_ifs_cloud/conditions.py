"""OData conditions as they stand in a filter, and which of them can be judged of a row without asking the server.

What can be judged exactly is little: ``eq`` and ``ne`` with a literal, ``in``, for numbers, dates and timestamps ``gt ge lt le``
as well, and ``and``, ``or``, ``not (…)`` around them. A text's order is the database's affair, and so is every function: a
condition that has them is kept as the text it is.

Null is judged as IFS Cloud does, which hands filters to Oracle: a comparison with null is neither true nor false.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from operator import eq, ge, gt, le, lt, ne
from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.odata import NUMBERS, parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_ifs_cloud.metadata import Property

    Row = dict[str, Any]
    Judge = Callable[[Row], bool | None]

_QUOTED = r"'(?:[^']|'')*'"
_DAY = r"\d{4}-\d\d-\d\d"
_PATTERNS = {
    "enum": rf"[A-Za-z_]\w*(?:\.\w+)+{_QUOTED}",
    "text": _QUOTED,
    "moment": rf"{_DAY}T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)",
    "day": _DAY,
    "number": r"[+-]?\d+(?:\.\d+)?(?![\w.-])",
    "word": r"[A-Za-z_$][\w.$]*",
    "sign": r"[(),]",
    "space": r"\s+",
    "other": r".",
}
_LEXER = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PATTERNS.items()), re.DOTALL)
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {"eq": eq, "ne": ne, "gt": gt, "ge": ge, "lt": lt, "le": le}


@dataclass(frozen=True)
class Token:
    """A piece of a filter: its kind, its text, and where it stands."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Condition:
    """A condition: its text, the properties it names, whether it is true of a row, and what stands against judging it."""

    text: str
    names: frozenset[str]
    judge: Judge | None
    why: str = ""
    conjuncts: tuple[Condition, ...] = ()

    @property
    def parts(self) -> tuple[Condition, ...]:
        """The conditions that must all be true."""
        return tuple(part for each in self.conjuncts for part in each.parts) or (self,)


def tokens(text: str) -> list[Token]:
    """The pieces of a filter, spaces among them."""
    return [Token(m.lastgroup or "", m.group(), m.start(), m.end()) for m in _LEXER.finditer(text)]


def conditions(
    text: str, properties: Mapping[str, Property], enums: Mapping[str, tuple[str, ...]]
) -> tuple[Condition, ...]:
    """The conditions of a filter that must all be true.

    Args:
        text: the filter.
        properties: of the entity set, by name.
        enums: members of each enum by its qualified name.
    """
    return _Parser(text, properties, enums).parse().parts


class _Parser:
    """Reads a filter by descent; what it doesn't know becomes a node without a judge."""

    def __init__(self, text: str, properties: Mapping[str, Property], enums: Mapping[str, tuple[str, ...]]) -> None:
        self._text = text
        self._properties = properties
        self._enums = enums
        self._tokens = [token for token in tokens(text) if token.kind != "space"]
        self._place = 0

    def parse(self) -> Condition:
        node = self._chain("or")
        if self._place < len(self._tokens):  # a parenthesis too many
            return self._opaque(0, len(self._tokens))
        return node

    def _is(self, *texts: str, ahead: int = 0) -> bool:
        place = self._place + ahead
        return place < len(self._tokens) and self._tokens[place].text in texts

    def _chain(self, operator: str) -> Condition:
        begin = self._place
        nodes = [self._chain("and") if operator == "or" else self._one()]
        while self._is(operator):
            self._place += 1
            nodes.append(self._chain("and") if operator == "or" else self._one())
        if len(nodes) == 1:
            return nodes[0]
        unjudged = next((node for node in nodes if node.judge is None), None)
        judges = [node.judge for node in nodes if node.judge]
        together = all_true if operator == "and" else _any
        return Condition(
            self._between(begin, self._place),
            frozenset().union(*(node.names for node in nodes)),
            None if unjudged else (lambda row: together(judges, row)),
            unjudged.why if unjudged else "",
            tuple(nodes) if operator == "and" else (),
        )

    def _one(self) -> Condition:
        begin = self._place
        if self._is("not") and self._is("(", ahead=1):
            self._place += 1
            inner = self._one()
            judge = inner.judge
            negated = None if judge is None else (lambda row: _not(judge(row)))
            return Condition(self._between(begin, self._place), inner.names, negated, inner.why)
        if self._is("("):
            self._place += 1
            inner = self._chain("or")
            if self._is(")") and self._is_border(1):
                self._place += 1
                return (
                    inner
                    if inner.conjuncts
                    else Condition(self._between(begin, self._place), inner.names, inner.judge, inner.why)
                )
            self._place = begin
        return self._comparison()

    def _comparison(self) -> Condition:
        """``Name op literal`` or ``Name in (…)``, or all up to the next ``and``, ``or`` or parenthesis that closes."""
        begin = self._place
        prop = self._properties.get(self._tokens[begin].text) if begin < len(self._tokens) else None
        operator = self._tokens[begin + 1].text if begin + 1 < len(self._tokens) else ""
        if prop and operator in _COMPARISONS and begin + 2 < len(self._tokens) and self._is_border(3):
            self._place += 3
            judge = self._judge(prop, operator, self._tokens[begin + 2])
            return self._judged(begin, prop, judge)
        if prop and operator == "in" and self._is("(", ahead=2):
            judge = self._membership(prop)
            if judge:
                return self._judged(begin, prop, judge)
            self._place = begin
        depth = 0
        while self._place < len(self._tokens) and (depth or not self._is("and", "or", ")")):
            depth += {"(": 1, ")": -1}.get(self._tokens[self._place].text, 0)
            self._place += 1
        return self._opaque(begin, self._place)

    def _membership(self, prop: Property) -> Judge | None:
        self._place += 3
        judges = []
        while self._place + 1 < len(self._tokens) and self._is(",", ")", ahead=1):
            judge = self._judge(prop, "eq", self._tokens[self._place])
            if judge is None:
                return None
            judges.append(judge)
            self._place += 2
            if self._tokens[self._place - 1].text == ")":
                return lambda row: _any(judges, row)
        return None

    def _judged(self, begin: int, prop: Property, judge: Judge | None) -> Condition:
        text = self._between(begin, self._place)
        return Condition(text, frozenset({prop.name}), judge, "" if judge else f"{text!r}")

    def _opaque(self, begin: int, end: int) -> Condition:
        text = self._between(begin, end)
        names = frozenset(token.text for token in self._tokens[begin:end] if token.kind == "word")
        return Condition(text, names, None, f"{text!r}")

    def _is_border(self, ahead: int) -> bool:
        return self._place + ahead >= len(self._tokens) or self._is("and", "or", ")", ahead=ahead)

    def _between(self, begin: int, end: int) -> str:
        return self._text[self._tokens[begin].start : self._tokens[end - 1].end] if begin < end else self._text

    def _judge(self, prop: Property, operator: str, token: Token) -> Judge | None:
        """Whether a property's value compares so with a literal; None where that can't be said here."""
        name, compare = prop.name, _COMPARISONS[operator]
        if token.text == "null":
            if operator not in {"eq", "ne"}:
                return None
            return lambda row: compare(row[name] is None, True)  # noqa: FBT003 - what null is compared with
        read = self._reader(prop, token)
        if read is None or (
            operator not in {"eq", "ne"} and (prop.is_enum or prop.type in {"Edm.String", "Edm.Boolean"})
        ):
            return None
        value, of_row = read
        return lambda row: None if row[name] is None else compare(of_row(row[name]), value)

    def _reader(self, prop: Property, token: Token) -> tuple[Any, Callable[[Any], Any]] | None:
        """A literal's value, and what makes a row's comparable with it; None where the two are of different kinds."""
        if prop.is_collection:
            return None
        if prop.is_enum and token.kind == "enum":
            qualified, _, rest = token.text.partition("'")
            member = rest[:-1].replace("''", "'")
            known = qualified == prop.type and member in self._enums.get(prop.type, (member,))
            return (member, str) if known else None
        if prop.type == "Edm.String" and token.kind == "text" and token.text != "''":  # Oracle has no empty text
            return token.text[1:-1].replace("''", "'"), str
        if prop.type in NUMBERS and token.kind == "number":
            return Decimal(token.text), Decimal
        if prop.type == "Edm.Boolean" and token.text in {"true", "false"}:
            return token.text == "true", bool
        if prop.type == "Edm.Date" and token.kind == "day":
            return token.text, str
        if prop.type == "Edm.DateTimeOffset" and token.kind == "moment":
            return parse_instant(token.text), parse_instant
        return None


def _not(value: bool | None) -> bool | None:  # noqa: FBT001 - a truth value, of three
    return None if value is None else not value


def all_true(judges: list[Judge], row: Row) -> bool | None:
    """Whether all are true of a row; None where that is not known."""
    values = [judge(row) for judge in judges]
    return False if False in values else None if None in values else True


def _any(judges: list[Judge], row: Row) -> bool | None:
    values = [judge(row) for judge in judges]
    return True if True in values else None if None in values else False
