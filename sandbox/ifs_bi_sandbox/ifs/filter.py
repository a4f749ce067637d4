"""``$filter`` to a WHERE condition with bound parameters.

What is there: ``eq ne gt ge lt le in and or not``, arithmetic but ``mod``, the string functions, ``year month day hour minute
second date``, enum literals ``IfsApp.<Projection>.<Enum>'Value'`` with ``eq ne in``. What IFS's documentation excludes
(lambdas, ``$count``, geography, mathematics, navigation paths) is answered 501; what has the wrong type, 400, as Olingo does.

Null: IFS hands a filter to Oracle, so a comparison with a null column is unknown and its row is not returned, neither for
``eq`` nor for ``ne``; ``eq null`` and ``ne null`` ask for it. (OData itself would let ``ne 'x'`` include nulls.)

Decimals with places are stored as text and compared as binary floats, exact up to 15 digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from odata_query import ast

from ifs_bi_sandbox.ifs.errors import bad_request, not_implemented
from ifs_bi_sandbox.ifs.grammar import parse
from ifs_bi_sandbox.ifs.keyset import after, chain
from ifs_bi_sandbox.ifs.layout import OBJSTATE, quoted
from ifs_bi_sandbox.ifs.values import Kind, Value, member, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ifs_bi_sandbox.ifs.layout import Layout

Parameter = str | int | float | None


class Condition(NamedTuple):
    """A piece of SQL with ``?`` and what is bound for them."""

    sql: str
    params: tuple[Parameter, ...] = ()


class Refusals(NamedTuple):
    """What a tenant refuses although OData allows it."""

    objstate: bool = False  # any filter on Objstate
    keyset: bool = False  # gt, ge, lt, le on a key property


class Function(NamedTuple):
    """One function: the kinds it takes, the kind it gives, and its SQL."""

    takes: tuple[tuple[Kind, ...], ...]
    gives: Kind
    sql: str


_TEXT: Final[tuple[Kind, ...]] = ("String", "Null")
_NUMBER: Final[tuple[Kind, ...]] = ("Decimal",)
_DAY: Final[tuple[Kind, ...]] = ("Date", "DateTimeOffset")
_MOMENT: Final[tuple[Kind, ...]] = ("DateTimeOffset",)
FUNCTIONS: Final = {
    "contains": Function((_TEXT, _TEXT), "Boolean", "instr({0}, {1}) > 0"),
    "startswith": Function((_TEXT, _TEXT), "Boolean", "instr({0}, {1}) = 1"),
    "endswith": Function((_TEXT, _TEXT), "Boolean", "odp_endswith({0}, {1})"),
    "tolower": Function((_TEXT,), "String", "odp_lower({0})"),
    "toupper": Function((_TEXT,), "String", "odp_upper({0})"),
    "trim": Function((_TEXT,), "String", "trim({0})"),
    "length": Function((_TEXT,), "Decimal", "length({0})"),
    "indexof": Function((_TEXT, _TEXT), "Decimal", "(instr({0}, {1}) - 1)"),
    "concat": Function((_TEXT, _TEXT), "String", "({0} || {1})"),
    "substring": Function((_TEXT, _NUMBER, _NUMBER), "String", "substr({0}, {1} + 1, {2})"),
    "year": Function((_DAY,), "Decimal", "CAST(substr({0}, 1, 4) AS INTEGER)"),
    "month": Function((_DAY,), "Decimal", "CAST(substr({0}, 6, 2) AS INTEGER)"),
    "day": Function((_DAY,), "Decimal", "CAST(substr({0}, 9, 2) AS INTEGER)"),
    "hour": Function((_MOMENT,), "Decimal", "CAST(substr({0}, 12, 2) AS INTEGER)"),
    "minute": Function((_MOMENT,), "Decimal", "CAST(substr({0}, 15, 2) AS INTEGER)"),
    "second": Function((_MOMENT,), "Decimal", "CAST(substr({0}, 18, 2) AS INTEGER)"),
    "date": Function((_MOMENT,), "Date", "substr({0}, 1, 10)"),
}
_SUBSTRING_TO_END: Final = Function((_TEXT, _NUMBER), "String", "substr({0}, {1} + 1)")
_NOT: Final = Function((("Boolean",),), "Boolean", "NOT ({0})")
_MINUS: Final = Function((_NUMBER,), "Decimal", "(-{0})")
_ARITHMETIC: Final[dict[type, Function]] = {
    ast.Add: Function((_NUMBER, _NUMBER), "Decimal", "({0} + {1})"),
    ast.Sub: Function((_NUMBER, _NUMBER), "Decimal", "({0} - {1})"),
    ast.Mult: Function((_NUMBER, _NUMBER), "Decimal", "({0} * {1})"),
    ast.Div: Function((_NUMBER, _NUMBER), "Decimal", "(CAST({0} AS REAL) / {1})"),
}
_COMPARISONS: Final[dict[type, str]] = {
    ast.Eq: "=",
    ast.NotEq: "<>",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Lt: "<",
    ast.LtE: "<=",
}


@dataclass(frozen=True)
class Term:
    """A translated expression: its kind, its SQL, and the property if it is nothing else."""

    kind: Kind
    sql: str
    params: tuple[Parameter, ...] = ()
    fact: str | None = None
    value: Value | None = None


def condition(
    text: str,
    layout: Layout,
    alias: str = "m",
    *,
    refusals: Refusals = Refusals(),  # noqa: B008 - an immutable value
    unindexed: frozenset[str] = frozenset(),
) -> Condition:
    """Translate a filter.

    Args:
        text: The decoded ``$filter``.
        layout: The entity set it is for.
        alias: The table's alias in the statement.
        refusals: What this tenant refuses.
        unindexed: Properties for which SQLite shall not choose an index, because another one serves the order.

    Raises:
        OdpError: 400 or 501, see above.
    """
    translation = _Translation(layout, alias, refusals, unindexed)
    try:
        term = translation.term(parse(text))
    except RecursionError:
        raise bad_request("The filter is nested too deeply.") from None
    if term.kind != "Boolean":
        raise bad_request(f"The filter is an expression of type Edm.{term.kind}, not a condition.")
    return Condition(term.sql, term.params)


@dataclass(frozen=True)
class _Translation:
    layout: Layout
    alias: str
    refusals: Refusals
    unindexed: frozenset[str]

    def term(self, node: Any) -> Term:
        """Translate one node."""
        value = value_of(node)
        if value is not None:
            return Term(value.kind, "?", (value.bound,), value=value)
        translate = {
            ast.Identifier: self._property,
            ast.BoolOp: self._bool_op,
            ast.Compare: self._compare,
            ast.UnaryOp: self._unary_op,
            ast.BinOp: self._bin_op,
            ast.Call: self._call,
        }.get(type(node))
        if translate is None:  # a lambda or a path through a navigation property
            raise not_implemented(f"{type(node).__name__} in an expression")
        return translate(node)

    def _property(self, node: Any) -> Term:
        name = _name(node)
        fact = self.layout.properties.get(name)
        if fact is None:
            raise bad_request(f"{self.layout.entity_set.entity_type} has no property {name}.")
        if name == OBJSTATE and self.refusals.objstate:
            raise bad_request(f"{OBJSTATE} of {self.layout.name} cannot be filtered.")
        sql = f"{self.alias}.{quoted(name)}"
        if fact.type == "Decimal" and fact.scale:
            sql = f"CAST({sql} AS REAL)"
        elif name in self.unindexed:
            sql = f"+{sql}"  # SQLite uses no index for an expression
        return Term(fact.type, sql, fact=name)

    def _call(self, node: Any) -> Term:
        name = _name(node.func)
        function = _SUBSTRING_TO_END if name == "substring" and len(node.args) == 2 else FUNCTIONS.get(name)  # noqa: PLR2004 - its arguments, counted
        if function is None:
            raise not_implemented(f"The function {name}")
        return _apply(name, function, [self.term(argument) for argument in node.args])

    def _unary_op(self, node: Any) -> Term:
        name, function = ("not", _NOT) if isinstance(node.op, ast.Not) else ("-", _MINUS)
        return _apply(name, function, [self.term(node.operand)])

    def _bin_op(self, node: Any) -> Term:
        function = _ARITHMETIC.get(type(node.op))
        if function is None:
            raise not_implemented("mod")
        return _apply("arithmetic", function, [self.term(node.left), self.term(node.right)])

    def _bool_op(self, node: Any) -> Term:
        """A chain of ``and`` or of ``or``, however long, without recursing along it."""
        operator = "AND" if isinstance(node.op, ast.And) else "OR"
        operands = list(chain(node, type(node.op)))
        columns = after(operands) if operator == "OR" else None
        if columns is not None and self._is_sortable(columns):
            return self._row_value(columns)
        terms = [self.term(operand) for operand in operands]
        if any(term.kind != "Boolean" for term in terms):
            raise bad_request(f"{operator.lower()} stands between conditions.")
        return Term("Boolean", _joined(terms, operator), tuple(p for term in terms for p in term.params))

    def _is_sortable(self, columns: Sequence[Any]) -> bool:
        """Whether the columns' storage compares as their values do, so that the row value may stand for the chain."""
        facts = [self.layout.properties.get(_name(column.left)) for column in columns]
        return all(fact is not None and fact.type != "Enum" and not fact.scale for fact in facts)

    def _row_value(self, columns: Sequence[Any]) -> Term:
        """``a > x or (a = x and b > y)`` as ``(a, b) > (x, y)``, which means the same and is one step in an index."""
        terms = [self._comparison(c.comparator, self.term(c.left), self.term(c.right)) for c in columns]
        names = ", ".join(f"{self.alias}.{quoted(_name(column.left))}" for column in columns)
        operator = _COMPARISONS[type(columns[-1].comparator)]
        marks = ", ".join("?" * len(columns))
        return Term("Boolean", f"({names}) {operator} ({marks})", tuple(p for term in terms for p in term.params))

    def _compare(self, node: Any) -> Term:
        if isinstance(node.comparator, ast.In):
            return self._membership(node)
        return self._comparison(node.comparator, self.term(node.left), self.term(node.right))

    def _comparison(self, comparator: Any, left: Term, right: Term) -> Term:
        operator = _COMPARISONS[type(comparator)]
        self._check(left, right, ordered=operator not in {"=", "<>"})
        if "Null" in {left.kind, right.kind}:
            other = right if left.kind == "Null" else left
            sql = {"=": f"{other.sql} IS NULL", "<>": f"{other.sql} IS NOT NULL"}.get(operator)
            # Nothing is greater or less than null.
            return Term("Boolean", sql, other.params) if sql else Term("Boolean", "0")
        sides = [f"({term.sql})" if term.kind == "Boolean" else term.sql for term in (left, right)]
        return Term("Boolean", f"{sides[0]} {operator} {sides[1]}", left.params + right.params)

    def _membership(self, node: Any) -> Term:
        left, items = self.term(node.left), [self.term(item) for item in node.right.val]
        for item in items:
            self._check(left, item, ordered=False)
        params = tuple(p for item in items for p in item.params)
        return Term("Boolean", f"{left.sql} IN ({', '.join(item.sql for item in items)})", left.params + params)

    def _check(self, left: Term, right: Term, *, ordered: bool) -> None:
        """Refuse a comparison of two kinds, of an enum with what isn't its own literal, and what the tenant refuses."""
        kinds = {left.kind, right.kind} - {"Null"}
        if len(kinds) > 1:
            raise bad_request(f"The types Edm.{left.kind} and Edm.{right.kind} are not compatible.")
        if kinds == {"Enum"}:
            if ordered:
                raise bad_request("An enumeration has no order.")
            for one, other in ((left, right), (right, left)):
                if one.fact is not None and other.value is not None and other.kind == "Enum":
                    member(self.layout, one.fact, other.value)
        key = self.layout.entity_set.key
        if ordered and self.refusals.keyset and (left.fact in key or right.fact in key):
            raise bad_request(f"Key properties of {self.layout.name} cannot be compared by order.")


def _name(identifier: ast.Identifier) -> str:
    """The identifier with its namespace."""
    return ".".join((*identifier.namespace, identifier.name))


def _apply(name: str, function: Function, arguments: list[Term]) -> Term:
    """A function's SQL around its arguments, which must have the kinds it takes."""
    for argument, kinds in zip(arguments, function.takes, strict=True):
        if argument.kind not in kinds:
            raise bad_request(f"{name} takes no Edm.{argument.kind}.")
    sql = function.sql.format(*(argument.sql for argument in arguments))
    return Term(function.gives, sql, tuple(p for argument in arguments for p in argument.params))


def _joined(terms: Sequence[Term], operator: str) -> str:
    """The terms' SQL with the operator between them, as a balanced tree: SQLite limits the depth of an expression."""
    if len(terms) == 1:
        return f"({terms[0].sql})"
    middle = len(terms) // 2
    return f"({_joined(terms[:middle], operator)} {operator} {_joined(terms[middle:], operator)})"
