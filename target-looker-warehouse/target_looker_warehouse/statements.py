"""The SQL that this target sends to DuckDB. Pure: names in, texts out.

Every identifier is quoted here; values travel as parameters or as Arrow data, never inside a text. Rows are replaced by DELETE
and INSERT in one transaction: DuckDB's MERGE and INSERT ... ON CONFLICT take minutes where that takes a second
(github.com/duckdb/duckdb/issues/11275), and no primary key is declared because keeping its index doubles a load.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ifs_bi_core.columnar.columns import Column

INCOMING = "_ifs_incoming"
"""The name under which a batch of Arrow data is visible to these statements."""

COLUMNS_OF_TABLES = """
    SELECT table_name, column_name, data_type FROM duckdb_columns()
    WHERE database_name = ? AND lower(schema_name) = lower(?) AND lower(table_name) IN (lower(?), lower(?))
    ORDER BY column_index
"""
"""Parameters: database, schema, a table's name and its suffixed name."""

MARKS = "_ifs_bi_marks"
"""The table that says which batch of each stream arrived last (`target_looker_warehouse.warehouse.Mark`)."""

LIMIT_MEMORY = "SET memory_limit = ?"
"""Parameter: an amount with its unit. What is over it is given back at once, or an error says that it can't be."""


def quoted(name: str) -> str:
    """An identifier as SQL text."""
    return '"' + name.replace('"', '""') + '"'


def qualified(*names: str) -> str:
    """Identifiers from the outer to the inner, as SQL text."""
    return ".".join(map(quoted, names))


def attach(path: str, database: str, row_group_rows: int) -> str:
    """Open a database file under a name. DuckDB before version 2 takes the path as a literal alone."""
    literal = "'" + path.replace("'", "''") + "'"
    return f"ATTACH {literal} AS {quoted(database)} (ROW_GROUP_SIZE {row_group_rows})"


def checkpoint(database: str) -> str:
    """Fold a database's write-ahead log into its file."""
    return f"CHECKPOINT {quoted(database)}"


def create_schema(schema: str) -> str:
    """Make a schema, if there is none."""
    return f"CREATE SCHEMA IF NOT EXISTS {schema}"


def create_marks(table: str) -> str:
    """Make the table of marks, if there is none."""
    return f"CREATE TABLE IF NOT EXISTS {table} (stream VARCHAR, batch VARCHAR, batch_rows BIGINT)"


def read_mark(table: str) -> str:
    """The mark of a stream. Parameter: the stream."""
    return f"SELECT stream, batch, batch_rows FROM {table} WHERE stream = ?"


def delete_mark(table: str) -> str:
    """Take out the mark of a stream. Parameter: the stream."""
    return f"DELETE FROM {table} WHERE stream = ?"


def insert_mark(table: str) -> str:
    """Put in a mark. Parameters: stream, batch, how many of its rows."""
    return f"INSERT INTO {table} VALUES (?, ?, ?)"


def create_table(table: str, columns: Sequence[Column]) -> str:
    """Make a table without constraints."""
    return f"CREATE TABLE {table} ({', '.join(f'{quoted(column.name)} {column.type}' for column in columns)})"


def drop_table(table: str) -> str:
    """Remove a table, if there is one."""
    return f"DROP TABLE IF EXISTS {table}"


def rename_table(table: str, name: str) -> str:
    """Give a table another name in its schema."""
    return f"ALTER TABLE {table} RENAME TO {quoted(name)}"


def add_column(table: str, column: Column) -> str:
    """Add a column; the rows that stand have null in it."""
    return f"ALTER TABLE {table} ADD COLUMN {quoted(column.name)} {column.type}"


def widen_column(table: str, column: Column) -> str:
    """Give a column a type that holds more; fails where a value doesn't fit it."""
    return f"ALTER TABLE {table} ALTER COLUMN {quoted(column.name)} SET DATA TYPE {column.type}"


def insert(table: str, columns: Sequence[str]) -> str:
    """Put all incoming rows in."""
    names = ", ".join(map(quoted, columns))
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {quoted(INCOMING)}"


def insert_unkept(table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    """Put those incoming rows in whose keys the table doesn't have."""
    return (
        f"INSERT INTO {table} ({', '.join(map(quoted, columns))}) "
        f"SELECT {', '.join(f'incoming.{quoted(name)}' for name in columns)} "
        f"FROM {quoted(INCOMING)} AS incoming ANTI JOIN {table} AS kept ON {_same(key)}"
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
    """Mark the rows that a full refresh didn't carry. Parameters: the time as microseconds since 1970, the refresh's version."""
    return (
        f"UPDATE {table} SET {quoted(deleted_at)} = make_timestamptz(?::BIGINT) "
        f"WHERE {quoted(deleted_at)} IS NULL AND {_unseen(table_version)}"
    )


def delete_unseen(table: str, table_version: str) -> str:
    """Take out the rows that a full refresh didn't carry. Parameter: the refresh's version."""
    return f"DELETE FROM {table} WHERE {_unseen(table_version)}"


def _unseen(table_version: str) -> str:
    return f"({quoted(table_version)} >= ?) IS NOT TRUE"


def _same(key: Sequence[str]) -> str:
    return " AND ".join(f"kept.{quoted(name)} = incoming.{quoted(name)}" for name in key)


def _unless_newer(version: str | None) -> str:
    return f" AND (kept.{quoted(version)} > incoming.{quoted(version)}) IS NOT TRUE" if version else ""
