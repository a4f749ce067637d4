"""The tables of a warehouse as they stand, read in the way that any target may have filled them: rows, sums, keys.

Every statement is a plain SELECT with quoted names, so that it means the same in every warehouse.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from ifs_bi_core.columnar.columns import ColumnType, Kind, column_type
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.singer.sinks import DELETED_AT

from target_looker_warehouse.command.plain_values import plain
from target_looker_warehouse.loads import LOADS, read_streams
from target_looker_warehouse.names import later_columns, names_for
from target_looker_warehouse.tables import table_name
from target_looker_warehouse.warehouse import tables_called

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ifs_bi_core.source_counts import Shape

    from target_looker_warehouse.command.plain_values import PlainSums
    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.tables import ExistingTables
    from target_looker_warehouse.warehouses.connection import Connection

_NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL})
_TEXTS = frozenset({Kind.TEXT, Kind.JSON})
_PAGE_ROWS = 50_000


class _Part(NamedTuple):
    """One of the expressions by which rows are told apart.

    Attributes:
        expression: of a row, as SQL text.
        parameter: the same of a given value, with the place ``{}`` for the parameter that holds it.
        place: of that value among those that are told apart.
    """

    expression: str
    parameter: str
    place: int


class StandingTables:
    """The tables of one schema.

    Args:
        connection: to the warehouse; nothing is written.
        dialect: of the connection, with the case of names that the settings ask for.
        schema: where the tables are.
    """

    def __init__(self, connection: Connection, dialect: Dialect, schema: str) -> None:
        self.dialect = dialect
        self._connection = connection
        self._schema = schema

    def loaded(self) -> list[str]:
        """The streams that were ever loaded into the schema, sorted."""
        name = self.dialect.cased(LOADS)
        if not self._columns(name):
            return []
        found = self.ask(name, read_streams(self.qualified(name), self.dialect))
        return sorted(row[0] for row in found)

    def table(self, stream: str, shape: Shape) -> StandingTable | None:
        """The table of a stream; None where there is none."""
        found = self._columns(stream)
        name = table_name(stream, found, self.dialect)
        return StandingTable(self, name, found[name], shape) if name in found else None

    def ask(self, table: str, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement's answer.

        Args:
            table: for errors.
            text: a SELECT.
            parameters: of it.

        Raises:
            IfsBiError: the warehouse doesn't answer it.
        """
        with self._connection.transaction(f"table {table!r}", "be read"):
            return self._connection.query(text, parameters)

    def qualified(self, table: str) -> str:
        """A table of the schema as SQL text."""
        return self.dialect.qualified(*self._connection.inside, self._schema, table)

    def _columns(self, name: str) -> ExistingTables:
        """The tables that may be meant by a name."""
        with self._connection.transaction(f"table {name!r}", "be read"):
            return tables_called(name, self._schema, self._connection, self.dialect)


class StandingTable:
    """One stream's table.

    Args:
        tables: of its schema.
        name: as the warehouse spells it.
        columns: its columns and their types.
        shape: of the stream at its source.

    Attributes:
        name: as the warehouse spells it.
    """

    def __init__(self, tables: StandingTables, name: str, columns: Mapping[str, str], shape: Shape) -> None:
        self.name = name
        self._tables = tables
        self._dialect = tables.dialect
        self._columns = columns
        self._shape = shape
        sources = dict.fromkeys((*shape.properties, DELETED_AT))
        self._names = names_for(sources, columns, self._dialect, system=self._dialect.system_columns)
        self._from = f"FROM {tables.qualified(name)}"
        deleted_at = self._names[DELETED_AT]
        self._deleted_at = self._dialect.quoted(deleted_at) if deleted_at in columns else None

    def has(self, name: str) -> bool:
        """Whether there is a column of a property."""
        return self._names.get(name) in self._columns

    def rows(self) -> tuple[int, int]:
        """How many rows there are, and how many more that are marked as deleted."""
        marked = f"count({self._deleted_at})" if self._deleted_at else "0"
        ((everything, deleted),) = self._tables.ask(self.name, f"SELECT count(*), {marked} {self._from}")
        return int(everything) - int(deleted), int(deleted)

    def sums(self, by: Sequence[str], of: Sequence[str]) -> PlainSums:
        """The sums of properties by the values of others, over the rows that are not deleted.

        Raises:
            ContractBrokenError: the table lacks a column of these, or one holds no numbers.
            IfsBiError: the warehouse doesn't answer.
        """
        groups = [self._column(name) for name in by]
        added = [self._added(name) for name in of]
        text = f"SELECT {', '.join((*groups, *added))} {self._from}{self._where()}"
        if groups:
            text += f" GROUP BY {_listed(self._told_apart(by))}"
        to_plain = self._plain(by)
        width = len(by)
        return {to_plain(row[:width]): tuple(map(_number, row[width:])) for row in self._tables.ask(self.name, text)}

    def key_pages(self, page_rows: int = _PAGE_ROWS) -> Iterator[list[tuple[tuple[str | None, ...], str | None, int]]]:
        """The keys of the rows that are not deleted, some at a time: values, version, and how many rows have them.

        Args:
            page_rows: how many keys to ask for at a time.

        Raises:
            ContractBrokenError: the table lacks a column of the key.
            IfsBiError: the warehouse doesn't answer.
        """
        key, parts = self._shape.key, self._told_apart(self._shape.key)
        version = self._names.get(self._shape.version or "", "")
        told = f"max({self._dialect.quoted(version)})" if version in self._columns else "NULL"
        values, order, to_plain = ", ".join(map(self._column, key)), _listed(parts), self._plain(key)
        after: tuple[str | None, ...] = ()
        while True:
            text = (
                f"SELECT {values}, {told}, count(*) {self._from}{self._where(_behind(parts) if after else None)} "
                f"GROUP BY {order} ORDER BY {order} LIMIT {page_rows}"
            )
            parameters = [after[parts[number].place] for number in _compared(len(parts))] if after else []
            rows = self._tables.ask(self.name, text, parameters)
            page = [(to_plain(row[: len(key)]), self._version(row[-2]), int(row[-1])) for row in rows]
            yield page
            if len(page) < page_rows:
                return
            after = page[-1][0]

    def _version(self, value: str | None) -> str | None:
        return None if value is None else self._shape.version_of(value)

    def _plain(self, names: Sequence[str]) -> Callable[[Sequence[Any]], tuple[str | None, ...]]:
        return plain([self._shape.properties[name] for name in names])

    def _where(self, condition: str | None = None) -> str:
        conditions = [f"{self._deleted_at} IS NULL" if self._deleted_at else None, condition]
        given = [text for text in conditions if text]
        return f" WHERE {' AND '.join(given)}" if given else ""

    def _column(self, name: str) -> str:
        if self._names[name] not in self._columns:
            raise ContractBrokenError(f"Table {self.name!r} has no column {self._names[name]!r}.")
        return self._dialect.quoted(self._names[name])

    def _told_apart(self, names: Sequence[str]) -> list[_Part]:
        """What tells the values of properties apart, and puts them in order."""
        parts = []
        for place, name in enumerate(names):
            column, parameter = self._column(name), f"CAST({{}} AS {self._cast(name)})"
            parts.append(_Part(column, parameter, place))
            if self._dialect.blank_padded and column_type(self._shape.properties[name]).kind in _TEXTS:
                parts.append(_Part(f"octet_length({column})", f"octet_length({parameter})", place))
        return parts

    def _cast(self, name: str) -> str:
        """The type of a column, to which a parameter is cast: drivers bind values of other types than text each in their way."""
        standing = self._columns[self._names[name]]
        kept = self._dialect.column_type(standing)
        return self._dialect.type_name(kept) if kept else standing

    def _added(self, name: str) -> str:
        """The sum of a property: in each row, one of the columns that came to hold it has its value."""
        self._column(name)
        own = self._names[name]
        return " + ".join(self._sum(column) for column in (own, *later_columns(own, self._columns, self._dialect)))

    def _sum(self, column: str) -> str:
        kept: ColumnType | None = self._dialect.column_type(self._columns[column])
        if kept is None or kept.kind not in _NUMBERS:
            raise ContractBrokenError(
                f"Column {column!r} of table {self.name!r} is {self._columns[column]}, which is not added up."
            )
        return f"coalesce(sum({self._dialect.quoted(column)}), 0)"


def _number(value: Any) -> Decimal:
    return Decimal(str(value))


def _listed(parts: Sequence[_Part]) -> str:
    return ", ".join(part.expression for part in parts)


def _behind(parts: Sequence[_Part]) -> str:
    """The condition for rows behind another one, of which the parameters are values, in the order of `_compared`.

    Its first part says nothing more than the rest, but lets an index be used.
    """
    parameters = (parts[part].parameter.format(f"${number}") for number, part in enumerate(_compared(len(parts)), 1))
    first = f"{parts[0].expression} >= {next(parameters)}"
    alternatives = []
    for last in range(len(parts)):
        same = [f"{part.expression} = {next(parameters)}" for part in parts[:last]]
        alternatives.append(" AND ".join([*same, f"{parts[last].expression} > {next(parameters)}"]))
    return f"{first} AND ({' OR '.join(f'({text})' for text in alternatives)})"


def _compared(width: int) -> list[int]:
    """Of each parameter of `_behind`, the part that it is compared with."""
    return [0, *(part for last in range(width) for part in range(last + 1))]
