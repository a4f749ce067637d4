"""What a DuckDB database can do: a file, or one of MotherDuck's."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from ifs_bi_core.columnar.columns import DECIMAL_DIGITS, Kind

from target_looker_warehouse.dialects.facts import DecimalType, Dialect

DUCKDB = Dialect(
    name="DuckDB",
    types=MappingProxyType(
        {kind: kind.value for kind in Kind if kind is not Kind.DECIMAL}
    ),  # the core's own names are DuckDB's (duckdb.org/docs/current/sql/data_types)
    other_types=MappingProxyType({}),
    decimals=(DecimalType("DECIMAL", DECIMAL_DIGITS, DECIMAL_DIGITS, DECIMAL_DIGITS),),
    columns_of_tables="""
        SELECT table_name, column_name, data_type FROM duckdb_columns()
        WHERE database_name = current_database() AND lower(schema_name) = lower($1)
        AND lower(table_name) IN (lower($2), lower($3))
        ORDER BY column_index
    """,
    schemas="""
        SELECT schema_name FROM duckdb_schemas() WHERE database_name = current_database() AND lower(schema_name) = lower($1)
    """,
    case_sensitive=False,
    batch_size_rows=100_000,  # each commit is dear; half the time of ten batches of a tenth
    held_bytes=128 << 20,
)
"""A file, which its process holds alone."""

MOTHERDUCK = replace(DUCKDB, name="MotherDuck", has_lock=False)
"""A database that many sessions may write to at a time."""
