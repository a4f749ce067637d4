"""What a stream's table has to look like, and what must change where it stands already. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ifs_bi_core.columnar.columns import Column, ColumnType, Kind, column_type, widest
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.singer.sinks import DELETED_AT, ROW_VERSION, TABLE_VERSION

from target_looker_warehouse.names import names_for, suffixed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from target_looker_warehouse.dialects import Dialect

_OWN_TYPES = {DELETED_AT: ColumnType(Kind.TIMESTAMP), TABLE_VERSION: ColumnType(Kind.INTEGER)}
_ORDERED = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.DATE, Kind.TIMESTAMP, Kind.TEXT})

ExistingTables = dict[str, dict[str, str]]
"""Tables as they stand: name → column → the type's name in the warehouse."""


@dataclass(frozen=True, slots=True)
class Table:
    """A stream's table in the warehouse.

    Attributes:
        name: as the warehouse spells it.
        columns: those that this stream fills, in the SCHEMA's order; the table may have more.
        key: names of the key columns; empty for a stream without key.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def name_of(self, source: str) -> str | None:
        """The column that holds a property, or None."""
        return next((column.name for column in self.columns if column.source == source), None)

    @property
    def deleted_at(self) -> str | None:
        """The column that says since when a row is gone at the source."""
        return self.name_of(DELETED_AT)

    @property
    def table_version(self) -> str | None:
        """The column that says which full refresh last carried a row."""
        return self.name_of(TABLE_VERSION)

    @property
    def row_version(self) -> str | None:
        """The column that says which of two versions of a row is newer."""
        return next((c.name for c in self.columns if c.source == ROW_VERSION and c.type.kind in _ORDERED), None)

    def renamed(self, name: str) -> Table:
        """The same table under another name."""
        return replace(self, name=name)


class Mark(NamedTuple):
    """How far a stream has come: kept in the warehouse, written in the transaction that brings the rows.

    Attributes:
        stream: whose rows.
        batch: the last batch that brought some.
        rows: how many of its rows, from the first on, are there.
    """

    stream: str
    batch: str
    rows: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How a table gets its shape.

    Attributes:
        table: the table when everything is done.
        create: it does not exist.
        added: columns that it lacks.
        widened: columns whose type has to hold more.
    """

    table: Table
    create: bool
    added: tuple[Column, ...]
    widened: tuple[Column, ...]


def table_name(stream: str, existing: Collection[str], dialect: Dialect) -> str:
    """The name of the table of a stream."""
    return names_for([stream], existing, dialect)[stream]


def incoming_name(table: str, dialect: Dialect) -> str:
    """The name of the table that gathers rows which will replace those of ``table`` at once."""
    return suffixed(f"{table}_incoming", dialect)


def plan(
    table: str,
    properties: Mapping[str, Mapping[str, Any]],
    key: Sequence[str],
    existing: Mapping[str, str] | None,
    dialect: Dialect,
) -> Plan:
    """What to do so that the table can take the stream's rows. Nothing is ever dropped or narrowed.

    Args:
        table: the table's name.
        properties: the SCHEMA's properties.
        key: the key properties.
        existing: the table's columns and types as they stand, or None if there is no such table.
        dialect: how the warehouse names columns and types.

    Raises:
        ContractBrokenError: a column's type can't become what the SCHEMA needs without changing values, or the SCHEMA has no
            properties at all.
    """
    if not properties:
        raise ContractBrokenError(f"The SCHEMA of '{table}' has no properties, so there is nothing to make a table of.")
    standing = existing or {}
    names = names_for(properties, standing, dialect, system=dialect.system_columns)
    needed = [Column(p, names[p], _OWN_TYPES.get(p) or column_type(d)) for p, d in properties.items()]
    present = {name: dialect.column_type(type_name) for name, type_name in standing.items()}
    for column in needed:
        if column.name in standing and _fitting(present[column.name], column.type) is None:
            stands, needs = standing[column.name], dialect.type_name(column.type)
            raise ContractBrokenError(
                f'Column "{column.name}" of table "{table}" is {stands}, and the SCHEMA now needs {needs}, which {stands} '
                f"can't become without changing values. Rename or drop that column in the warehouse, or load the stream once "
                f"with load_method overwrite, then run again; nothing was changed."
            )
    columns = tuple(replace(c, type=_fitting(present.get(c.name, c.type), c.type) or c.type) for c in needed)
    return Plan(
        table=Table(table, columns, tuple(names[name] for name in key)),
        create=existing is None,
        added=tuple(column for column in columns if existing is not None and column.name not in standing),
        widened=tuple(column for column in columns if present.get(column.name, column.type) != column.type),
    )


def _fitting(present: ColumnType | None, needed: ColumnType) -> ColumnType | None:
    """The type that holds what the column has and what the SCHEMA needs; None where none does so exactly."""
    return widest(present, needed) if present else None
