"""The settings of this target: the one table from which its help, its documentation and its checks come."""

from __future__ import annotations

from ifs_bi_core.singer.account import TARGET_SETTINGS
from singer_sdk import typing as th

DEFAULT_URL = "duckdb:///warehouse.duckdb"

SETTINGS = th.PropertiesList(
    th.Property(
        "warehouse_url",
        th.StringType,
        default=DEFAULT_URL,
        title="Warehouse URL",
        description=(
            "The warehouse to load. `duckdb:///file.duckdb` is a DuckDB file in the working folder, "
            "`duckdb:////folder/file.duckdb` (four slashes) one anywhere else. It is created if absent; its folder is not. "
            "`postgresql://user:password@host:5432/database` is a PostgreSQL database, with what libpq knows after a `?` "
            "(`sslmode=verify-full`); `env:NAME` or `vault:NAME` keep the password out of files."
        ),
    ),
    th.Property(
        "schema",
        th.StringType(min_length=1),
        title="Schema",
        description=(
            "The schema the tables are in; created if absent. Default: the database's main schema (PostgreSQL: the first one of "
            "the user's search path)."
        ),
    ),
    th.Property(
        "load_method",
        th.StringType(allowed_values=["upsert", "append-only", "overwrite"]),
        default="upsert",
        title="Load method",
        description=(
            "`upsert` replaces the row of the same key and adds new ones; streams without a key are appended. `append-only` adds "
            "every row and changes none. `overwrite` gathers the rows of a run aside and puts them in the place of the table at "
            "its end, in one transaction; a failed run leaves the table as it was."
        ),
    ),
    th.Property(
        "hard_delete",
        th.BooleanType,
        default=False,
        title="Hard delete",
        description=(
            "Remove rows that are gone at the source. By default they stay, with their values, and `_sdc_deleted_at` says since "
            "when."
        ),
    ),
    th.Property(
        "add_record_metadata",
        th.BooleanType,
        default=False,
        title="Add record metadata",
        description="Add the Singer SDK's `_sdc_...` columns: when a row was extracted, received and loaded, and by which run.",
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1),
        default=10_000,
        title="Batch size in rows",
        description=(
            "How many rows of a stream are loaded in one transaction; fewer where rows are wide, since memory is bounded too. "
            "More of them load a large table faster, and take more memory."
        ),
    ),
    th.Property(
        "validate_records",
        th.BooleanType,
        default=True,
        title="Validate records",
        description=(
            "Check each row against its SCHEMA. Values that a column can't hold exactly are refused with or without this check."
        ),
    ),
    *TARGET_SETTINGS,
).to_dict()
"""As JSON Schema, the form in which the SDK wants it."""
