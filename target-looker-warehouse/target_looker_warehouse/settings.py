"""The settings of this target: the one table from which its help, its documentation and its checks come."""

from __future__ import annotations

from ifs_bi_core.singer.account import TARGET_SETTINGS
from singer_sdk import typing as th

from target_looker_warehouse.looker.settings import LOOKER

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
            "`md:database?motherduck_token=...` is a database of MotherDuck. "
            "`postgresql://user:password@host:5432/database` is a PostgreSQL database, with what libpq knows after a `?` "
            "(`sslmode=verify-full`). `snowflake://user:password@account/database`, `bigquery://project/dataset` and "
            "`redshift://user:password@host:5439/database` are databases of Snowflake, BigQuery and Amazon Redshift. "
            "`env:NAME` or `vault:NAME` in the place of the whole address keep its secrets out of files."
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
        "views",
        th.BooleanType,
        default=True,
        title="Views",
        description=(
            "Make roll-up views beside the tables, as far as these are there: `gl_account_levels`, `gl_account_closure`, "
            "`cost_dimensions`, `all_journal_entries`, `open_purchase_orders`, `outstanding_supplier_invoices` and "
            "`spend_by_cost_centre`. They count no row that is marked as deleted. A view or table of such a name that this "
            "target did not make stays as it is. None are made with load method `append-only`."
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
        title="Batch size in rows",
        description=(
            "How many rows of a stream are loaded in one transaction; fewer where rows are wide, since memory is bounded too. "
            "More of them load a large table faster, and take more memory. Default: 100,000 in DuckDB, 10,000 in PostgreSQL; "
            "Snowflake, BigQuery and Redshift want few large loads, and have larger defaults."
        ),
    ),
    th.Property(
        "batch_wait_limit_seconds",
        th.IntegerType(minimum=1),
        title="Batch wait limit in seconds",
        description=(
            "How long a row may wait for its batch to be full; looked at whenever a line comes, so a tap that is silent holds "
            "back what it sent last. Default: no limit but the end of the input."
        ),
    ),
    th.Property(
        "identifier_case",
        th.StringType(allowed_values=["keep", "lower", "upper"]),
        title="Identifier case",
        description=(
            "The case of ASCII letters in the names of tables and columns that are made: `keep` spells them as the source does. "
            "Default: the warehouse's own (Snowflake: `upper`; Redshift: `lower`; the others: `keep`). Tables that were loaded "
            "in one case aren't found in another."
        ),
    ),
    th.Property(
        "staging_url",
        th.StringType,
        title="Staging URL",
        description=(
            "Where batches wait for a warehouse that fetches them: for Redshift a folder of a bucket, `s3://bucket/folder`. "
            "Files are removed when they are loaded. The other warehouses need none."
        ),
    ),
    th.Property(
        "lookml_dir",
        th.StringType(min_length=1),
        title="LookML folder",
        description=(
            "The root of a LookML project that is brought up to date after each load: a view for each table, explores with "
            "joins, datagroups that `_ifs_loads` triggers, and a dashboard, as `ifs-bi lookml` writes them. Files of your own "
            "are never touched; a generated file that was edited is kept and named. If it can't be written, the load stands, "
            "with a warning. Needs `pip install 'target-looker-warehouse[looker]'`."
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
    LOOKER,
    *TARGET_SETTINGS,
).to_dict()
"""As JSON Schema, the form in which the SDK wants it."""
