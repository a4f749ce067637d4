"""DAX as text and as a tree: the part of the language in which a loader asks.

Source: learn.microsoft.com/dax/dax-syntax-reference: strings double their quotes, names of tables theirs, names of columns their
closing bracket; case matters nowhere but in strings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ifs_bi_sandbox.powerbi.errors import query_failed

if TYPE_CHECKING:
    from ifs_bi_sandbox.powerbi.values import Stored

_TOKEN = re.compile(
    r"""\s*(?:--[^\n]*|//[^\n]*|/\*.*?\*/)?\s*(?:
      (?P<text>"(?:[^"]|"")*") | (?P<table>'(?:[^']|'')+') | (?P<column>\[(?:[^\]]|\]\])+\])
    | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?) | (?P<word>[A-Za-z_][\w.]*)
    | (?P<sign>\|\||&&|<>|<=|>=|==|[-+*/&=<>(),{}])
    )""",
    re.VERBOSE | re.DOTALL,
)
_STRENGTH = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("=", "==", "<>", "<", ">", "<=", ">=", "in"), 4),
    "&": 5,
    **dict.fromkeys("+-", 6),
    **dict.fromkeys("*/", 7),
}
"""How strongly an operator binds; NOT stands between && and comparisons."""
_NOT, _UNARY = 3, 8


@dataclass(frozen=True)
class Literal:
    """A string or a number."""

    value: Stored


@dataclass(frozen=True)
class Column:
    """``'Table'[Name]``, or ``[Name]``, which may be a measure; ``place``: where it stands, for errors."""

    table: str | None
    name: str
    place: str


@dataclass(frozen=True)
class TableName:
    """A table as a whole."""

    name: str
    place: str


@dataclass(frozen=True)
class Function:
    """A function with its arguments, its name in capitals; an operator is one whose name is its sign."""

    name: str
    arguments: tuple[Node, ...]
    place: str


Node = Literal | Column | TableName | Function


def parse_query(text: str) -> Node:
    """The table expression of ``EVALUATE …``."""
    parser = _Parser(text)
    parser.expect("evaluate")
    node = parser.expression()
    parser.end()
    return node


def parse_expression(text: str) -> Node:
    """The expression of a measure."""
    parser = _Parser(text)
    node = parser.expression()
    parser.end()
    return node


def columns_of(node: Node) -> list[Column]:
    """Every column that an expression names."""
    if isinstance(node, Column):
        return [node]
    return [column for inner in node.arguments for column in columns_of(inner)] if isinstance(node, Function) else []


def calls(node: Node, names: frozenset[str]) -> bool:
    """Whether one of these functions is somewhere in an expression."""
    return isinstance(node, Function) and (node.name in names or any(calls(inner, names) for inner in node.arguments))


class _Parser:
    """Reads tokens one after the other: kind, text and place."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str, str]] = []
        self._next = 0
        at = 0
        end = len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise query_failed(f"Query {self._place(at)} The syntax for '{text[at:].strip()[:20]}' is incorrect.")
            self._tokens.append((match.lastgroup, match[match.lastgroup], self._place(match.start(match.lastgroup))))
            at = match.end()

    def _place(self, at: int) -> str:
        line = self._text.count("\n", 0, at) + 1
        return f"({line}, {at - self._text.rfind(chr(10), 0, at)})"

    def _peek(self) -> tuple[str, str, str]:
        if self._next < len(self._tokens):
            return self._tokens[self._next]
        return "end", "", self._place(len(self._text))

    def _take(self) -> tuple[str, str, str]:
        token = self._peek()
        self._next += 1
        return token

    def _wrong(self, token: tuple[str, str, str]) -> Exception:
        return query_failed(f"Query {token[2]} The syntax for '{token[1]}' is incorrect.")

    def expect(self, what: str) -> None:
        """Take this token."""
        token = self._take()
        if token[1].lower() != what:
            raise self._wrong(token)

    def end(self) -> None:
        """Nothing more."""
        if self._next < len(self._tokens):
            raise self._wrong(self._peek())

    def expression(self, strength: int = 0) -> Node:
        """An expression of operators that bind at least so strongly."""
        left = self._operand()
        while (own := _STRENGTH.get(self._peek()[1].lower(), 0)) > strength:
            _, sign, place = self._take()
            right = self._values(place) if sign.lower() == "in" else self.expression(own)
            left = Function(sign.upper(), (left, right), place)
        return left

    def _values(self, place: str) -> Node:
        """The list behind IN."""
        self.expect("{")
        return Function("{}", self._arguments("}"), place)

    def _arguments(self, closing: str) -> tuple[Node, ...]:
        arguments: list[Node] = []
        while self._peek()[1] != closing:
            if arguments:
                self.expect(",")
            arguments.append(self.expression())
        self._take()
        return tuple(arguments)

    def _operand(self) -> Node:
        token = kind, text, place = self._take()
        match kind:
            case "text":
                return Literal(text[1:-1].replace('""', '"'))
            case "number":
                number = Decimal(text)
                return Literal(int(text) if text.isdecimal() else float(number) if "e" in text.lower() else number)
            case "column":
                return Column(None, _inner(text), place)
            case "table":
                return self._named(text[1:-1].replace("''", "'"), place)
            case "word":
                return self._word(text, place)
            case "sign" if text == "(":
                inner = self.expression()
                self.expect(")")
                return inner
            case "sign" if text == "-":
                return Function("-", (Literal(0), self.expression(_UNARY)), place)
            case _:
                raise self._wrong(token)

    def _word(self, word: str, place: str) -> Node:
        if word.lower() == "not":
            return Function("NOT", (self.expression(_NOT),), place)
        if word.lower() == "var":
            return self._variable(place)
        if self._peek()[1] == "(":
            self._take()
            return Function(word.upper(), self._arguments(")"), place)
        return self._named(word, place)

    def _variable(self, place: str) -> Node:
        """``VAR name = expression`` and what it is for: another one, or what RETURN gives."""
        _, name, _ = self._take()
        self.expect("=")
        value = self.expression()
        if self._peek()[1].lower() != "var":
            self.expect("return")
        return Function("VAR", (Literal(name.lower()), value, self.expression()), place)

    def _named(self, table: str, place: str) -> Node:
        if self._peek()[0] == "column":
            return Column(table, _inner(self._take()[1]), place)
        return TableName(table, place)


def _inner(text: str) -> str:
    return text[1:-1].replace("]]", "]")
