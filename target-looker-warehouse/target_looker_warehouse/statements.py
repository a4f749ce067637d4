"""The SQL of this target, the same for every warehouse. Pure: names in, texts out.

Every identifier is quoted here; values travel as parameters (``$1``) or in bulk, never inside a text. Rows are replaced by DELETE
and INSERT in one transaction. In DuckDB, MERGE and INSERT ... ON CONFLICT take minutes where that takes a second
(github.com/duckdb/duckdb/issues/11275). In PostgreSQL they take about as long, but ask for a unique index, and a table that
somebody else made, or that was appended to, may not take one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ifs_bi_core.columnar.columns import Column

    from target_looker_warehouse.dialects import Dialect

INCOMING = "_ifs_incoming"
"""The name under which the rows of a batch are visible to these statements."""

MARKS = "_ifs_bi_marks"
"""The table that says which batch of each stream arrived last (`target_looker_warehouse.tables.Mark`)."""


def quoted(name: str) -> str:
    """An identifier as SQL text."""
    return '"' + name.replace('"', '""') + '"'


def qualified(*names: str) -> str:
    """Identifiers from the outer to the inner, as SQL text."""
    return ".".join(map(quoted, names))


def create_schema(schema: str) -> str:
    """Make a schema."""
    return f"CREATE SCHEMA {schema}"


def create_marks(table: str) -> str:
    """Make the table of marks."""
    return f"CREATE TABLE {table} (stream VARCHAR, batch VARCHAR, batch_rows BIGINT)"


def read_mark(table: str) -> str:
    """The mark of a stream. Parameter: the stream."""
    return f"SELECT stream, batch, batch_rows FROM {table} WHERE stream = $1"


def delete_mark(table: str) -> str:
    """Take out the mark of a stream. Parameter: the stream."""
    return f"DELETE FROM {table} WHERE stream = $1"


def insert_mark(table: str) -> str:
    """Put in a mark. Parameters: stream, batch, how many of its rows."""
    return f"INSERT INTO {table} VALUES ($1, $2, $3)"


def create_table(table: str, columns: Sequence[Column], dialect: Dialect) -> str:
    """Make a table without constraints."""
    return f"CREATE TABLE {table} ({', '.join(_defined(column, dialect) for column in columns)})"


def create_index(table: str, key: Sequence[str]) -> str:
    """Make an index by which the rows of a key are found; the warehouse names it."""
    return f"CREATE INDEX ON {table} ({', '.join(map(quoted, key))})"


def create_staging(columns: Sequence[str], table: str) -> str:
    """Make a table for incoming rows, with the types that columns of another one have; it ends with the transaction."""
    names = ", ".join(map(quoted, columns))
    return f"CREATE TEMPORARY TABLE {quoted(INCOMING)} ON COMMIT DROP AS SELECT {names} FROM {table} WITH NO DATA"


def drop_table(table: str) -> str:
    """Remove a table, if there is one."""
    return f"DROP TABLE IF EXISTS {table}"


def rename_table(table: str, name: str) -> str:
    """Give a table another name in its schema."""
    return f"ALTER TABLE {table} RENAME TO {quoted(name)}"


def add_column(table: str, column: Column, dialect: Dialect) -> str:
    """Add a column; the rows that stand have null in it."""
    return f"ALTER TABLE {table} ADD COLUMN {_defined(column, dialect)}"


def drop_column(table: str, name: str) -> str:
    """Remove a column."""
    return f"ALTER TABLE {table} DROP COLUMN {quoted(name)}"


def widen_column(table: str, column: Column, dialect: Dialect) -> str:
    """Give a column a type that holds more; fails where a value doesn't fit it."""
    return f"ALTER TABLE {table} ALTER COLUMN {quoted(column.name)} SET DATA TYPE {dialect.type_name(column.type)}"


def insert(table: str, columns: Sequence[str], rows: str) -> str:
    """Put all rows of another table in."""
    names = ", ".join(map(quoted, columns))
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {rows}"


def delete_all(table: str) -> str:
    """Take out all rows; who reads the table meanwhile sees them still."""
    return f"DELETE FROM {table}"


def insert_unkept(table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    """Put those incoming rows in whose keys the table doesn't have."""
    return (
        f"INSERT INTO {table} ({', '.join(map(quoted, columns))}) "
        f"SELECT {', '.join(f'incoming.{quoted(name)}' for name in columns)} "
        f"FROM {quoted(INCOMING)} AS incoming WHERE NOT EXISTS (SELECT 1 FROM {table} AS kept WHERE {_same(key)})"
    )


def delete_kept(table: str, key: Sequence[str], version: str | None) -> str:
    """Take out the rows whose keys are incoming, but for those that are newer than what comes."""
    return (
        f"DELETE FROM {table} AS kept USING {quoted(INCOMING)} AS incoming WHERE {_same(key)}{_unless_newer(version)}"
    )


def carry_on_newer(table: str, table_version: str, key: Sequence[str], version: str) -> str:
    """Note of the kept rows that are newer than what comes that the full refresh carried their keys: they aren't gone."""
    return (
        f"UPDATE {table} AS kept SET {quoted(table_version)} = incoming.{quoted(table_version)} "
        f"FROM {quoted(INCOMING)} AS incoming WHERE {_same(key)} AND kept.{quoted(version)} > incoming.{quoted(version)}"
    )


def mark_kept(table: str, columns: Sequence[str], key: Sequence[str], version: str | None) -> str:
    """Write what incoming rows carry in ``columns`` over the kept rows of their keys, but for those that are newer."""
    written = ", ".join(f"{quoted(name)} = coalesce(incoming.{quoted(name)}, kept.{quoted(name)})" for name in columns)
    return f"UPDATE {table} AS kept SET {written} FROM {quoted(INCOMING)} AS incoming WHERE {_same(key)}{_unless_newer(version)}"


def mark_unseen(table: str, deleted_at: str, table_version: str) -> str:
    """Mark the rows that a full refresh didn't carry. Parameters: the time as ISO 8601 writes it, the refresh's version."""
    return (
        f"UPDATE {table} SET {quoted(deleted_at)} = CAST($1 AS TIMESTAMP WITH TIME ZONE) "
        f"WHERE {quoted(deleted_at)} IS NULL AND {_unseen(table_version, 2)}"
    )


def delete_unseen(table: str, table_version: str) -> str:
    """Take out the rows that a full refresh didn't carry. Parameter: the refresh's version."""
    return f"DELETE FROM {table} WHERE {_unseen(table_version, 1)}"


def _defined(column: Column, dialect: Dialect) -> str:
    return f"{quoted(column.name)} {dialect.type_name(column.type)}"


def _unseen(table_version: str, parameter: int) -> str:
    return f"({quoted(table_version)} >= ${parameter}) IS NOT TRUE"


def _same(key: Sequence[str]) -> str:
    return " AND ".join(f"kept.{quoted(name)} = incoming.{quoted(name)}" for name in key)


def _unless_newer(version: str | None) -> str:
    return f" AND (kept.{quoted(version)} > incoming.{quoted(version)}) IS NOT TRUE" if version else ""
