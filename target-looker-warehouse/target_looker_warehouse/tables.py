"""What a stream's table has to look like, and what must change where it stands already. Pure.

Nothing is ever dropped, and no value is cast: where a column can't become what the SCHEMA needs with all the values that it has,
rows go into a column beside it from then on: `amount_v2` beside `amount`, or `amount_v3` where that one doesn't fit either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from ifs_bi_core.columnar.columns import Column, ColumnType, Kind, column_type, widest
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.singer.sinks import DELETED_AT, ROW_VERSION, TABLE_VERSION

from target_looker_warehouse.dialects.facts import Widening
from target_looker_warehouse.names import names_for, suffixed, versioned

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from target_looker_warehouse.dialects.facts import Dialect

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
        others: names of the columns that stand in the table and that this stream doesn't fill.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def all_columns(self) -> tuple[str, ...]:
        """The names of all columns there are."""
        return (*(column.name for column in self.columns), *self.others)

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

    def aside(self, name: str, standing: Collection[str]) -> Table:
        """The same columns in another table, which has those that stand already."""
        filled = {column.name for column in self.columns}
        return replace(self, name=name, others=tuple(column for column in standing if column not in filled))


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


def changes(table: Table, standing: Mapping[str, str] | None, dialect: Dialect) -> Plan:
    """What gives a table its shape.

    Args:
        table: how it has to be.
        standing: its columns and types as they stand, or None if there is no such table.
        dialect: how the warehouse names types.
    """
    there = standing or {}
    return Plan(
        table=table,
        create=standing is None,
        added=tuple(column for column in table.columns if standing is not None and column.name not in there),
        widened=tuple(
            column
            for column in table.columns
            if column.name in there and dialect.column_type(there[column.name]) != dialect.stored(column.type)
        ),
    )


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
    *,
    replaced: bool = False,
) -> Plan:
    """What to do so that the table can take the stream's rows. Nothing is ever dropped or narrowed.

    Args:
        table: the table's name.
        properties: the SCHEMA's properties.
        key: the key properties.
        existing: the table's columns and types as they stand, or None if there is no such table.
        dialect: how the warehouse names columns and types.
        replaced: whether all its rows will be replaced, so that no row of a later run has to be matched with one that stands.

    Raises:
        ContractBrokenError: a column by which rows are matched can't become what the SCHEMA needs without changing values, or
            the SCHEMA has no properties at all.
    """
    if not properties:
        raise ContractBrokenError(f"The SCHEMA of '{table}' has no properties, so there is nothing to make a table of.")
    standing = existing or {}
    names = names_for(properties, standing, dialect, system=dialect.system_columns)
    present = {name: dialect.column_type(type_name) for name, type_name in standing.items()}
    fixed = {DELETED_AT, TABLE_VERSION} if replaced else {DELETED_AT, TABLE_VERSION, ROW_VERSION, *key}
    columns = []
    for source, definition in properties.items():
        needed = _OWN_TYPES.get(source) or column_type(definition)
        taken = {dialect.folded(name) for other, name in names.items() if other != source}
        for name in _choices(names[source], taken, dialect):
            fitting = _fitting(present[name], needed, dialect) if name in present else needed
            if fitting is not None:
                names[source] = name
                columns.append(Column(source, name, fitting))
                break
            if source in fixed:
                raise _unfit(table, name, standing[name], dialect.type_name(needed))
    filled = set(names.values())
    others = tuple(name for name in standing if name not in filled)
    return changes(Table(table, tuple(columns), tuple(names[name] for name in key), others), existing, dialect)


def _choices(name: str, taken: Collection[str], dialect: Dialect) -> Iterator[str]:
    """The names that a property's column may have, without end: its own, then one for each type that did not fit."""
    yield name
    for number in count(2):
        choice = versioned(name, number, dialect)
        if dialect.folded(choice) not in taken:
            yield choice


def _fitting(present: ColumnType | None, needed: ColumnType, dialect: Dialect) -> ColumnType | None:
    """The type of which a standing column can be and hold what the SCHEMA needs; None where there is none."""
    if present is None:
        return None
    stored = dialect.stored(needed)
    becomes = widest(present, stored)
    if becomes is None or (becomes != present and not _widens(present, becomes, dialect)):
        return None
    return needed if becomes == stored else becomes


def _widens(present: ColumnType, becomes: ColumnType, dialect: Dialect) -> bool:
    """Whether a column can become of a type in its place, with any value that it may have."""
    if becomes.whole_digits < present.whole_digits or dialect.stored(becomes) != becomes:
        return False
    match dialect.widens:
        case Widening.EVERYTHING:
            return True
        case Widening.PRECISION:
            same_kind = present.kind is becomes.kind is Kind.DECIMAL and present.scale == becomes.scale
            return same_kind and dialect.decimal_name(present) == dialect.decimal_name(becomes)
        case Widening.NOTHING:
            return False


def _unfit(table: str, column: str, stands: str, needs: str) -> ContractBrokenError:
    return ContractBrokenError(
        f'Column "{column}" of table "{table}" is {stands}, and the SCHEMA now needs {needs}, which {stands} can\'t become '
        f"without changing values. Rows are matched by this column. Rename or drop it in the warehouse, or load the stream "
        f"once with load_method overwrite, then run again; nothing was changed."
    )
