"""DAX queries as a loader asks them: counts, sums and bounds under simple filters, and looks at a table.

Source: learn.microsoft.com/rest/api/power-bi/datasets/execute-queries and the DAX reference: counting no rows gives BLANK,
which is a null; comparing strings disregards case; created columns come back as ``[name]``, those of a table as
``Table[name]``. Known: EVALUATE of a table, ROW, FILTER, ALL, TOPN, SELECTCOLUMNS, VALUES and DISTINCT; COUNTROWS, the aggregates
of ``dax_values`` and their X forms, CALCULATE, measures, DIVIDE, IF, ISBLANK, COALESCE, BLANK, TRUE, FALSE, DATE and operators.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.powerbi.dax_filters import Filter, keys_of, members, on_others, without
from ifs_bi_sandbox.powerbi.dax_model import Model, known
from ifs_bi_sandbox.powerbi.dax_syntax import (
    Column,
    Function,
    Literal,
    Node,
    TableName,
    calls,
    columns_of,
    parse_query,
)
from ifs_bi_sandbox.powerbi.dax_tables import Part, Relation, first_by, keep, of_rows, one_row, whole
from ifs_bi_sandbox.powerbi.dax_values import AGGREGATES, COMPARISONS, FUNCTIONS, calculate, compare, folded, group
from ifs_bi_sandbox.powerbi.errors import query_failed
from ifs_bi_sandbox.powerbi.store import Same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ifs_bi_sandbox.powerbi.datasets import Table
    from ifs_bi_sandbox.powerbi.dax_tables import Vector
    from ifs_bi_sandbox.powerbi.values import Stored

_TYPES = {"String": str, "Boolean": bool, "DateTime": datetime, "Int64": int, "Double": float, "Decimal": Decimal}
_BY_ROW = frozenset({"CALCULATE", "CALCULATETABLE", "VAR"})
_NO_ROW = Relation(None, {}, [])


def evaluate(
    query: str,
    tables: Mapping[str, Table],
    relationships: Sequence[Mapping[str, Any]] = (),
    *,
    now: float = float("inf"),
) -> list[dict[str, Stored]]:
    """The rows of a query's answer, over the rows that are visible at second ``now``."""
    return list(_Scope(Model(tables, relationships, now)).table(parse_query(query)).rows())


@dataclass(frozen=True)
class _Scope:
    """What an expression sees: the model, the filters of CALCULATE by table, and the rows at hand."""

    model: Model
    variables: Mapping[str, Vector] = field(default_factory=dict)
    relation: Relation = _NO_ROW
    part: Part | None = None

    # Tables

    def table(self, node: Node) -> Relation:
        """A table expression."""
        match node:
            case TableName(name, place):
                return self.model.filtered(self.model.find(name, place))
            case Function("FILTER", (source, condition)):
                return self._where(self.table(source), condition)
            case Function("ALL", (TableName(name, place),)):
                table = self.model.find(name, place)
                return self.model.under(on_others(self.model.filters, table.name)).filtered(table)
            case Function("CALCULATETABLE", (source, *conditions)):
                return self._under(conditions).table(source)
            case Function("VALUES" | "DISTINCT", (TableName() as source,)):
                return self.table(source)
            case Function():
                return self._made(node)
        raise query_failed("Query (1, 1) The expression specified in the query is not a valid table expression.")

    def _made(self, node: Function) -> Relation:
        """A table with rows or columns of its own."""
        match node:
            case Function("ROW", arguments):
                names, expressions = arguments[::2], arguments[1::2]
                return one_row(dict(zip(map(_text, names), map(self.scalar, expressions), strict=True)))
            case Function("TOPN", (count, source, *order)):
                return self._top(self.scalar(count), self.table(source), order)
            case Function("SELECTCOLUMNS", (source, *columns)):
                return self._select(self.table(source), columns)
            case Function("SUMMARIZE", (source, *columns)):
                return self._combinations(self.table(source), columns)
            case Function("VALUES" | "DISTINCT", (Column() as column,)):
                return self._combinations(self.model.source(column)[0], [column])
        raise query_failed(f"Query {node.place} This sandbox doesn't know {node.name} as a table.")

    def _where(self, relation: Relation, condition: Node) -> Relation:
        return keep(relation, lambda part: replace(self, relation=relation, part=part).vector(condition))

    def _top(self, count: Stored, relation: Relation, order: Sequence[Node]) -> Relation:
        left = int(str(count or 0))
        if order:
            return self._sorted(relation, order, left)
        parts = []
        for part in relation.parts:
            if left <= 0:
                break
            parts.append(part.first(left))
            left -= part.count
        return replace(relation, parts=parts)

    def _sorted(self, relation: Relation, order: Sequence[Node], count: int) -> Relation:
        """The first rows by one expression, the largest first unless ASC is said."""
        expression, *direction = order
        ascending = bool(direction) and isinstance(direction[0], TableName) and direction[0].name.upper() == "ASC"
        ranks = [replace(self, relation=relation, part=part).vector(expression) for part in relation.parts]
        return first_by(relation, ranks, count, ascending=ascending)

    def _select(self, relation: Relation, columns: Sequence[Node]) -> Relation:
        made = dict(zip(map(_text, columns[::2]), columns[1::2], strict=True))

        def chosen(part: Part) -> Part:
            scope = replace(self, relation=relation, part=part)
            return Part(part.count, lambda name: scope.vector(made[name]))

        for node in made.values():  # also where there are no rows, a column that isn't there is an error
            replace(self, relation=relation, part=Part(0, lambda _: [])).vector(node)
        return Relation(None, dict.fromkeys(made), [chosen(part) for part in relation.parts])

    def _combinations(self, relation: Relation, columns: Sequence[Node]) -> Relation:
        """The different combinations of values of some columns, as they are written first."""
        names = [self._own(relation, column) for column in columns if isinstance(column, Column)]
        found: dict[tuple[Stored, ...], tuple[Stored, ...]] = {}
        for part in relation.parts:
            for row in zip(*map(part.values, names), strict=True):
                found.setdefault(tuple(map(folded, row)), row)
        return of_rows(replace(relation, columns={name: relation.columns[name] for name in names}), [*found.values()])

    # Values

    def scalar(self, node: Node) -> Stored:
        """An expression of which there is one value."""
        vector = replace(self, relation=_NO_ROW, part=None).vector(node)
        if not isinstance(vector, Same):
            raise query_failed("Query (1, 1) A single value cannot be determined.")
        return vector.value

    def vector(self, node: Node) -> Vector:
        """An expression for each row at hand; `Same` when its value is the same for all."""
        if self.part is not None and self.part.count != 1 and self._is_by_row(node):
            return [whole(row.vector(node), 1)[0] for row in self._rows()]
        match node:
            case Literal(value):
                return Same(value)
            case Column():
                return self._column(node)
            case TableName(name, place):
                if name.lower() in self.variables:
                    return self.variables[name.lower()]
                raise query_failed(f"Query {place} The table '{name}' is not a value.")
            case Function("VAR", (Literal(name), value, result)):
                return replace(self, variables={**self.variables, str(name): self.vector(value)}).vector(result)
            case Function("TODAY", ()):
                today = datetime.fromtimestamp(self.model.now, UTC).date()
                return Same(datetime.combine(today, datetime.min.time()))
            case Function():
                return self._function(node)

    def _function(self, node: Function) -> Vector:
        """An operator, or a function that isn't about the present."""
        match node:
            case Function(sign, (left, right)) if sign in COMPARISONS:
                self._check_comparable(left, right, node.place)
                return self._each(partial(compare, sign), left, right)
            case Function(("+" | "-" | "*" | "/" | "&") as sign, (left, right)):
                return self._each(partial(calculate, sign), left, right)
            case Function("IN", (value, Function("{}", items))):
                wanted = {folded(self.scalar(item)) for item in items}
                return self._each(lambda one: folded(one) in wanted, value)
        if node.name in FUNCTIONS:
            return self._each(FUNCTIONS[node.name], *node.arguments)
        return Same(self._aggregate(node.name, node.arguments, node.place))

    def _each(self, function: Callable[..., Stored], *nodes: Node) -> Vector:
        """A function of values, for each row at hand."""
        vectors = [self.vector(node) for node in nodes]
        if all(isinstance(vector, Same) for vector in vectors):
            return Same(function(*(vector.value for vector in vectors if isinstance(vector, Same))))
        columns = [repeat(vector.value) if isinstance(vector, Same) else vector for vector in vectors]
        return list(map(function, *columns))

    def _is_by_row(self, node: Node) -> bool:
        """Whether an expression turns the row at hand into filters: it has a value of its own for each row."""
        if isinstance(node, Column):
            return node.table is None and self.model.measure(node.name) is not None
        return isinstance(node, Function) and node.name not in FUNCTIONS and calls(node, _BY_ROW)

    def _rows(self) -> Iterator[_Scope]:
        """A scope for each row at hand."""
        if self.part is None:
            return
        columns = {name: self.part.values(name) for name in self.relation.columns}
        for place in range(self.part.count):
            row = {name: Same(values[place]) for name, values in columns.items()}
            yield replace(self, part=Part(1, row.__getitem__))

    def _column(self, column: Column) -> Vector:
        if column.table is None and (measure := self.model.measure(column.name)) is not None:
            return Same(self._under([]).scalar(measure))
        if self.part is None:
            if column.table is not None:
                self.model.source(column)  # it is missing: that is the better reason
            told = f"A single value for column '{column.name}' in table '{column.table or ''}' cannot be determined."
            raise query_failed(f"Query {column.place} {told}")
        return self.part.column(self._own(self.relation, column))

    def _own(self, relation: Relation, column: Column) -> str:
        """A column of these rows."""
        if column.table is not None:
            other = self.model.find(column.table, column.place).name
            if relation.table != other:
                raise query_failed(f"Query {column.place} '{other}' belongs to another table than the rows at hand.")
        return known(relation, column)

    def _aggregate(self, name: str, arguments: Sequence[Node], place: str) -> Stored:
        """A function that looks at a whole table."""
        match arguments:
            case [source] if name == "COUNTROWS":
                return self.table(source).count() or None
            case [source] if name == "ISEMPTY":
                return not self.table(source).count()
            case [Column() as column] if name in AGGREGATES:
                relation, known = self.model.source(column)
                kind = relation.columns[known]
                if name in {"SUM", "AVERAGE"} and kind in {"String", "Boolean"}:
                    told = f"takes an argument that evaluates to numbers or dates and cannot work with values of type {kind}."
                    raise query_failed(f"Query {place} The function {name} {told}")
                return AGGREGATES[name](value for part in relation.parts for value in part.values(known))
            case [source, expression] if name.removesuffix("X") in AGGREGATES and name.endswith("X"):
                relation = self.table(source)
                scopes = [replace(self, relation=relation, part=part) for part in relation.parts]
                vectors = ((scope.vector(expression), part) for scope, part in zip(scopes, relation.parts, strict=True))
                values = (value for vector, part in vectors for value in whole(vector, part.count))
                return AGGREGATES[name.removesuffix("X")](values)
            case [expression, *filters] if name == "CALCULATE":
                return self._under(filters).scalar(expression)
        raise query_failed(f"Query {place} This sandbox doesn't know {name} with {len(arguments)} arguments.")

    def _under(self, conditions: Sequence[Node]) -> _Scope:
        """This scope without its row, which becomes filters, and under more filters."""
        filters, added = self.model.filters, list[Filter]()
        if self.part is not None and self.relation.table is not None:
            names = list(self.relation.columns)
            filters += (members(self.relation.table, names, keys_of(replace(self.relation, parts=[self.part]), names)),)
        for condition in conditions:
            match condition:
                case Function("ALL" | "REMOVEFILTERS", (TableName(name, place),)):
                    filters = on_others(filters, self.model.find(name, place).name)
                case Function("ALLEXCEPT", (TableName(name, place), *columns)):
                    table = self.model.find(name, place)
                    kept = frozenset(self.model.source(column)[1] for column in columns if isinstance(column, Column))
                    filters = on_others(filters, table.name, kept)
                case Function("KEEPFILTERS", (inner,)):
                    added.append(self._filter(inner))
                case _:
                    added.append(new := self._filter(condition))
                    filters = without(filters, new.table, new.columns)
        return replace(self, model=self.model.under((*filters, *added)), relation=_NO_ROW, part=None)

    def _filter(self, node: Node) -> Filter:
        """A filter: a condition on one table's columns, or the rows of a table."""
        match node:
            case Function("FILTER", (TableName(name, place), condition)):
                table = self.model.find(name, place)
                return Filter(table.name, frozenset(table.columns), lambda relation: self._where(relation, condition))
            case Function("TREATAS", (source, *columns)):
                members_of = self.table(source)
                owners = [self.model.source(column) for column in columns if isinstance(column, Column)]
                names = [name for _, name in owners]
                return members(str(owners[0][0].table), names, keys_of(members_of, list(members_of.columns)))
            case Function("FILTER" | "VALUES" | "DISTINCT" | "SUMMARIZE" | "CALCULATETABLE"):
                relation = self.table(node)
                names = list(relation.columns)
                return members(str(relation.table), names, keys_of(relation, names))
        named = {column.table for column in columns_of(node)}
        if len(named) != 1 or None in named:
            raise query_failed("Query (1, 1) This sandbox filters by the columns of one table at a time.")
        table = self.model.find(str(named.pop()), "(1, 1)")
        columns_named = frozenset(self.model.source(column)[1] for column in columns_of(node))
        return Filter(table.name, columns_named, lambda relation: self._where(relation, node))

    def _check_comparable(self, left: Node, right: Node, place: str) -> None:
        """Refuse to compare text with numbers, also where there are no rows."""
        kinds = [kind for node in (left, right) if (kind := self._kind(node)) is not None]
        if len({group(kind) for kind in kinds}) > 1:
            told = " with values of type ".join(group(kind) for kind in kinds)
            raise query_failed(
                f"Query {place} DAX comparison operations do not support comparing values of type {told}."
            )

    def _kind(self, node: Node) -> type | None:
        if isinstance(node, Literal):
            return type(node.value)
        if isinstance(node, Column) and self.part is not None and not self._is_by_row(node):
            return _TYPES.get(self.relation.columns[self._own(self.relation, node)] or "")
        return None


def _text(node: Node) -> str:
    if isinstance(node, Literal) and isinstance(node.value, str):
        return node.value
    raise query_failed("Query (1, 1) The name of a column must be a string.")
