"""What BigQuery can do.

Facts are from its documentation: cloud.google.com/bigquery/docs, reference/standard-sql/data-types and lexical for types and
identifiers, /schemas and /tables for names, /transactions for what one holds, /quotas for limits.
"""

from __future__ import annotations

import re
from types import MappingProxyType

from ifs_bi_core.columnar.columns import DECIMAL_DIGITS, ColumnType, Kind

from target_looker_warehouse.dialects.facts import DecimalType, Dialect, Widening

_RESERVED = ("_TABLE_", "_FILE_", "_PARTITION", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER", "_CHANGE_")
"""How no column's name may begin, in any case; of the last, some names alone are taken."""

_NUMERIC = ColumnType(Kind.DECIMAL, DECIMAL_DIGITS, 9)

TABLES_GET, DATASETS_GET = "tables.get", "datasets.get"

BIGQUERY = Dialect(
    name="BigQuery",
    types=MappingProxyType(
        {
            Kind.BOOLEAN: "BOOL",
            Kind.INTEGER: "INT64",
            Kind.DATE: "DATE",
            Kind.TIMESTAMP: "TIMESTAMP",
            Kind.TEXT: "STRING",
            Kind.JSON: "STRING",  # JSON keeps numbers as 64-bit integers and doubles: 1.10 and the 17th digit are lost
        }
    ),
    other_types=MappingProxyType({"NUMERIC": _NUMERIC}),
    decimals=(
        DecimalType("NUMERIC", DECIMAL_DIGITS, 9, 29),
        DecimalType("BIGNUMERIC", DECIMAL_DIGITS, 38, 38),
    ),
    # No statements but calls of its REST interface: they cost nothing, take a tenth of a second instead of one or two, need no
    # word of where a dataset lies, and tell the digits of a decimal.
    columns_of_tables=TABLES_GET,
    schemas=DATASETS_GET,
    tables_of_schema="SELECT table_name FROM {schema}.INFORMATION_SCHEMA.TABLES",
    quote="`",
    quote_escape="\\`",
    name_bytes=300,  # of a column; those of tables may be longer
    name_pattern=re.compile(rf"(?!(?i:{'|'.join(_RESERVED)}))[A-Za-z_][A-Za-z0-9_]*"),
    case_sensitive=False,  # columns are not; tables are, but for datasets that were made otherwise
    merges=True,
    transactional_ddl=False,
    widens=Widening.EVERYTHING,
    has_lock=False,
    batch_size_rows=1_000_000,  # a table takes some 1,500 loads a day: one for each stream and run is what is wanted
    held_bytes=256 << 20,
    connections=1,  # two transactions that tell `_ifs_loads` of their rows may be in each other's way
    days_between="DATE_DIFF({later}, {earlier}, DAY)",
)
"""BigQuery, in GoogleSQL."""
