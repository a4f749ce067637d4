"""The SQL of this target but for how rows are applied (`target_looker_warehouse.merging`). Pure: names in, texts out.

Every identifier is quoted here; values travel as parameters (``$1``) or in bulk, never inside a text. Tables are SQL text, as
`Dialect.qualified` makes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_core.columnar.columns import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ifs_bi_core.columnar.columns import Column

    from target_looker_warehouse.dialects.facts import Dialect


def listed(names: Sequence[str], dialect: Dialect) -> str:
    """Identifiers as SQL text, one after another."""
    return ", ".join(map(dialect.quoted, names))


def create_schema(schema: str) -> str:
    """Make a schema."""
    return f"CREATE SCHEMA {schema}"


def create_table(table: str, columns: Sequence[Column], dialect: Dialect) -> str:
    """Make a table without constraints."""
    return f"CREATE TABLE {table} ({', '.join(_defined(column, dialect) for column in columns)})"


def create_index(table: str, key: Sequence[str], dialect: Dialect) -> str:
    """Make an index by which the rows of a key are found; the warehouse names it."""
    return f"CREATE INDEX ON {table} ({listed(key, dialect)})"


def drop_table(table: str) -> str:
    """Remove a table, if there is one."""
    return f"DROP TABLE IF EXISTS {table}"


def add_column(table: str, column: Column, dialect: Dialect) -> str:
    """Add a column; the rows that stand have null in it."""
    return f"ALTER TABLE {table} ADD COLUMN {_defined(column, dialect)}"


def widen_column(table: str, column: Column, dialect: Dialect) -> str:
    """Give a column a type that holds more."""
    return (
        f"ALTER TABLE {table} ALTER COLUMN {dialect.quoted(column.name)} SET DATA TYPE {dialect.type_name(column.type)}"
    )


def insert(table: str, columns: Sequence[str], rows: str, dialect: Dialect) -> str:
    """Put all rows of another table in."""
    names = listed(columns, dialect)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {rows}"


def insert_values(table: str, columns: Sequence[Column], rows: int, dialect: Dialect) -> str:
    """Put rows in. Parameters: their values, row by row, timestamps as ISO 8601 writes them."""
    values = [
        f"CAST(${row * len(columns) + place} AS {dialect.type_name(column.type)})"
        for row in range(rows)
        for place, column in enumerate(columns, 1)
    ]
    width = len(columns)
    tuples = (f"({', '.join(values[first : first + width])})" for first in range(0, len(values), width))
    return f"INSERT INTO {table} ({listed([column.name for column in columns], dialect)}) VALUES {', '.join(tuples)}"


def delete_all(table: str) -> str:
    """Take out all rows; who reads the table meanwhile sees them still."""
    return f"DELETE FROM {table} WHERE TRUE"


def mark_unseen(table: str, deleted_at: str, table_version: str, dialect: Dialect) -> str:
    """Mark the rows that a full refresh didn't carry. Parameters: the time as ISO 8601 writes it, the refresh's version."""
    marked = dialect.quoted(deleted_at)
    return (
        f"UPDATE {table} SET {marked} = CAST($1 AS {dialect.types[Kind.TIMESTAMP]}) "
        f"WHERE {marked} IS NULL AND {_unseen(table_version, 2, dialect)}"
    )


def delete_unseen(table: str, table_version: str, dialect: Dialect) -> str:
    """Take out the rows that a full refresh didn't carry. Parameter: the refresh's version."""
    return f"DELETE FROM {table} WHERE {_unseen(table_version, 1, dialect)}"


def _defined(column: Column, dialect: Dialect) -> str:
    return f"{dialect.quoted(column.name)} {dialect.type_name(column.type)}"


def _unseen(table_version: str, parameter: int, dialect: Dialect) -> str:
    return f"NOT coalesce({dialect.quoted(table_version)} >= ${parameter}, FALSE)"
