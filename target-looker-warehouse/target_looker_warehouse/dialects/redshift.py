"""What Amazon Redshift can do, provisioned and serverless (docs.aws.amazon.com/redshift/latest/dg)."""

from __future__ import annotations

import re
from types import MappingProxyType

from ifs_bi_core.columnar.columns import Kind

from target_looker_warehouse.dialects.facts import DecimalType, Dialect, Widening

_TEXT = (
    "character varying(65535)"  # as long as there is; a VARCHAR without a length holds 256 bytes (r_Character_types)
)

REDSHIFT = Dialect(
    name="Amazon Redshift",
    types=MappingProxyType(
        {
            Kind.BOOLEAN: "boolean",
            Kind.INTEGER: "bigint",
            Kind.DATE: "date",
            Kind.TIMESTAMP: "timestamp with time zone",
            Kind.TEXT: _TEXT,
            # SUPER doesn't tell 1 from 1.0, and holds no text longer than a VARCHAR either (limitations-super): JSON keeps its
            # digits as text, and JSON_PARSE reads it where it is queried.
            Kind.JSON: _TEXT,
        }
    ),
    other_types=MappingProxyType({}),
    decimals=(DecimalType("numeric", 38, 37, 38),),  # r_Numeric_types201
    # pg_catalog is answered by the leader node; SVV_COLUMNS says the same, much later.
    columns_of_tables="""
        SELECT CAST(c.relname AS VARCHAR(127)), CAST(a.attname AS VARCHAR(127)), format_type(a.atttypid, a.atttypmod)
        FROM pg_catalog.pg_namespace n
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
        WHERE lower(CAST(n.nspname AS VARCHAR(127))) = lower(CAST($1 AS VARCHAR(127)))
        AND lower(CAST(c.relname AS VARCHAR(127))) IN (lower(CAST($2 AS VARCHAR(127))), lower(CAST($3 AS VARCHAR(127))))
        AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    """,
    schemas="""
        SELECT CAST(nspname AS VARCHAR(127)) FROM pg_catalog.pg_namespace
        WHERE lower(CAST(nspname AS VARCHAR(127))) = lower(CAST($1 AS VARCHAR(127)))
    """,
    name_bytes=127,  # r_names
    name_pattern=re.compile(r"[^\0-\x1f\x7f]+"),  # r_names: what can be printed
    # Quoted names are folded too, but for sessions that say otherwise (enable_case_sensitive_identifier); Looker's may not.
    case_sensitive=False,
    identifier_case="lower",
    blank_padded=True,  # r_Character_types, significance of trailing blanks
    system_columns=frozenset({"oid", "tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "deletexid", "insertxid"}),
    unheld="\0",
    text_bytes=65_535,
    widens=Widening.NOTHING,  # ALTER COLUMN TYPE makes a VARCHAR longer, and ours are the longest (r_ALTER_TABLE)
    has_lock=False,  # there are no advisory locks
    # A COPY takes some seconds however few rows it brings, and leaves rows unsorted until the next VACUUM.
    batch_size_rows=100_000,
    held_bytes=64 << 20,
    connections=4,
)
