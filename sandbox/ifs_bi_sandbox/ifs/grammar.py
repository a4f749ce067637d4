"""From the text of a ``$filter`` or of a key to tokens and to a syntax tree.

The grammar is ``odata-query``'s. Its lexer is replaced: that one splits ``AllowedOperations`` into ``all`` and the rest, does
not know IFS's enum literals, and wants ``not`` and one-element lists written in ways that OData does not ask for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from odata_query import ast
from odata_query.exceptions import ODataException, UnknownFunctionException
from odata_query.grammar import ODataParser

from ifs_bi_sandbox.ifs.errors import bad_request, not_implemented

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPERATORS: Final = {
    "eq": ("EQ", ast.Eq()),
    "ne": ("NE", ast.NotEq()),
    "gt": ("GT", ast.Gt()),
    "ge": ("GE", ast.GtE()),
    "lt": ("LT", ast.Lt()),
    "le": ("LE", ast.LtE()),
    "in": ("IN", ast.In()),
    "and": ("AND", ast.And()),
    "or": ("OR", ast.Or()),
    "add": ("ADD", ast.Add()),
    "sub": ("SUB", ast.Sub()),
    "mul": ("MUL", ast.Mult()),
    "div": ("DIV", ast.Div()),
    "mod": ("MOD", ast.Mod()),
}
# Functions that OData has and IFS's documentation excludes, or that odata-query's grammar doesn't know.
UNSUPPORTED_FUNCTIONS: Final = frozenset({"cast", "isof", "duration", "case"})


@dataclass(frozen=True)
class EnumLiteral:
    """``IfsApp.PurchaseOrderHandling.PurchaseOrderState'Released'``: the qualified type and the member."""

    type: str
    value: str


@dataclass(frozen=True)
class Token:
    """One token, with the attributes that the parser reads."""

    type: str
    value: Any
    index: int
    lineno: int = 1


def _string(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _enum(text: str) -> EnumLiteral:
    name, quote, rest = text.partition("'")
    return EnumLiteral(name, _string(quote + rest))


def _identifier(text: str) -> ast.Identifier:
    *namespace, name = text.split(".")
    return ast.Identifier(name, tuple(namespace))


_QUOTED: Final = r"'(?:[^']|'')*'"
_DATE: Final = r"\d{4}-\d\d-\d\d"
# In this order: the first that fits is taken. ``operator`` and ``space`` are treated apart.
_PATTERNS: Final = {
    "operator": rf"\s+(?:{'|'.join([*OPERATORS, 'has'])})\s+",
    "NOT": r"not(?=[\s(])",
    "GEOGRAPHY": rf"(?:geography|geometry){_QUOTED}",
    "DURATION": rf"duration{_QUOTED}",
    "ENUM": rf"[A-Za-z_]\w*(?:\.\w+)+{_QUOTED}",
    "STRING": _QUOTED,
    "DATETIME": rf"{_DATE}T\d\d:\d\d(?::\d\d(?:\.\d{{1,12}})?)?(?:Z|[+-]\d\d:\d\d)?",
    "DATE": _DATE,
    "DECIMAL": r"[+-]?\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)(?!\w)",
    "INTEGER": r"[+-]?\d+(?!\w)",
    "BOOLEAN": r"(?:true|false)(?![\w.])",
    "NULL": r"null(?![\w.])",
    "ANY": r"any(?=\()",
    "ALL": r"all(?=\()",
    "ODATA_IDENTIFIER": r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*",
    "UMINUS": r"-",
    "literal": r"[(),/:=]",
    "count": r"\$count",
    "space": r"\s+",
}
_LEXER: Final = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PATTERNS.items()))
_VALUES: Final[dict[str, Callable[[str], Any]]] = {
    "NOT": lambda _: ast.Not(),
    "STRING": lambda text: ast.String(_string(text)),
    "DATETIME": ast.DateTime,
    "DATE": ast.Date,
    "DECIMAL": ast.Float,
    "INTEGER": ast.Integer,
    "BOOLEAN": ast.Boolean,
    "NULL": lambda _: ast.Null(),
    "ANY": lambda _: ast.Any(),
    "ALL": lambda _: ast.All(),
    "ODATA_IDENTIFIER": _identifier,
    "UMINUS": lambda _: ast.USub(),
}


def tokens(text: str) -> Iterator[Token]:
    """The tokens of an OData expression, without its spaces.

    Raises:
        OdpError: 400 for a character that begins no token; 501 for what IFS's documentation excludes.
    """
    position = 0
    while position < len(text):
        match = _LEXER.match(text, position)
        if match is None:
            raise bad_request(f"The expression cannot be read at position {position}: {text[position:][:40]!r}.")
        name, value = match.lastgroup or "", match.group()
        if name in {"GEOGRAPHY", "DURATION", "count"} or value.strip() == "has":
            raise not_implemented(f"{value.strip()[:40]!r} in an expression")
        if name == "operator":
            yield Token(*OPERATORS[value.strip()], position)
        elif name == "literal":
            yield Token(value, value, position)
        elif name == "ENUM":  # the parser takes any value for a literal, whatever the token is called
            yield Token("STRING", _enum(value), position)
        elif name != "space":
            yield Token(name, _VALUES[name](value), position)
        position = match.end()


@lru_cache(maxsize=512)
def parse(text: str) -> Any:
    """The syntax tree of a ``$filter``: ``odata_query.ast`` nodes, with ``EnumLiteral`` among the literals.

    Raises:
        OdpError: 400 for what is no OData; 501 for functions that IFS does not have.
    """
    try:
        tree = ODataParser().parse(_with_list_ends(list(tokens(text))))
    except UnknownFunctionException as unknown:
        if unknown.function_name in UNSUPPORTED_FUNCTIONS or unknown.function_name.startswith("geo."):
            raise not_implemented(f"The function {unknown.function_name}") from None
        raise bad_request(f"There is no function {unknown.function_name}.") from None
    except (ODataException, RecursionError) as error:
        raise bad_request(f"The expression {text[:200]!r} is not valid: {error}") from None
    if tree is None:
        raise bad_request("The expression is empty.")
    return tree


def _with_list_ends(given: list[Token]) -> Iterator[Token]:
    """Write ``in ('a')`` as ``in ('a',)``: the grammar would take the first for an expression in parentheses."""
    ends = set()
    for position, token in enumerate(given):
        if token.type != "IN":
            continue
        depth = 0
        for end in range(position + 1, len(given)):
            depth += {"(": 1, ")": -1}.get(given[end].type, 0)
            if depth == 0 or (depth == 1 and given[end].type == ","):
                if given[end].type == ")":
                    ends.add(end)
                break
    for position, token in enumerate(given):
        if position in ends:
            yield Token(",", ",", token.index)
        yield token
