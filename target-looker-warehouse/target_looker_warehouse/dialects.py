"""What a warehouse can do, as data: the engine reads these facts, and never asks which warehouse it is.

What is the same everywhere (quoting, `DELETE ... USING` and `INSERT` in one transaction, `$1` as a parameter) is no fact here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase
from types import MappingProxyType
from typing import TYPE_CHECKING

from ifs_bi_core.columnar.columns import ColumnType, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)
_DECIMAL = re.compile(r"(?:decimal|numeric)\((\d+),\s*(\d+)\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The facts of one kind of warehouse.

    Attributes:
        name: of the product, for sentences.
        types: the warehouse's own name of each kind of column, as its catalogue spells it; of a decimal, the name without digits.
        other_types: names of types that this target never makes, and that hold the same values.
        columns_of_tables: the statement that tells the columns of tables: table, column, type, in the table's order. Parameters:
            the schema, and two names that a table may have.
        schemas: the statement that tells whether there is a schema. Parameter: its name.
        name_bytes: of the longest identifier; 0 where there is no limit to speak of.
        case_sensitive: whether two quoted names that differ only in the case of ASCII letters are two names.
        system_columns: names that no column may have.
        unheld: a character that no text can hold; empty where there is none.
        indexes_keys: whether rows are found by an index on the key. Where columns are scanned, keeping one makes a load dearer.
        refills: whether an overwritten table is emptied, reshaped and filled, in one transaction, instead of being dropped: where
            views would forbid to drop it, and who may read it would be forgotten.
    """

    name: str
    types: Mapping[Kind, str]
    other_types: Mapping[str, Kind]
    columns_of_tables: str
    schemas: str
    name_bytes: int
    case_sensitive: bool
    system_columns: frozenset[str]
    unheld: str
    indexes_keys: bool
    refills: bool

    def type_name(self, column_type: ColumnType) -> str:
        """The type as SQL text."""
        name = self.types[column_type.kind]
        return f"{name}({column_type.precision},{column_type.scale})" if column_type.kind is Kind.DECIMAL else name

    def column_type(self, type_name: str) -> ColumnType | None:
        """The type that the catalogue calls so; None for one that may not hold every value exactly."""
        if decimal := _DECIMAL.fullmatch(type_name):
            return ColumnType(Kind.DECIMAL, int(decimal[1]), int(decimal[2]))
        for kind, own in self.types.items():
            if own == type_name and kind is not Kind.DECIMAL:
                return ColumnType(kind)
        other = self.other_types.get(type_name)
        return ColumnType(other) if other else None

    def folded(self, name: str) -> str:
        """A name as the warehouse compares it."""
        return name if self.case_sensitive else name.translate(_LOWER)

    def holds(self, name: str) -> bool:
        """Whether a name can be an identifier as it is."""
        too_long = self.name_bytes and len(name.encode(errors="surrogatepass")) > self.name_bytes
        return bool(name) and "\0" not in name and not too_long


DUCKDB = Dialect(
    name="DuckDB",
    types=MappingProxyType(
        {kind: kind.value for kind in Kind}
    ),  # the core's own names are DuckDB's (duckdb.org/docs/current/sql/data_types)
    other_types=MappingProxyType({}),
    columns_of_tables="""
        SELECT table_name, column_name, data_type FROM duckdb_columns()
        WHERE database_name = 'warehouse' AND lower(schema_name) = lower($1) AND lower(table_name) IN (lower($2), lower($3))
        ORDER BY column_index
    """,
    schemas="""
        SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'warehouse' AND lower(schema_name) = lower($1)
    """,
    name_bytes=0,
    case_sensitive=False,
    system_columns=frozenset(),
    unheld="",
    indexes_keys=False,
    refills=False,
)
"""A DuckDB database attached as ``warehouse`` (`target_looker_warehouse.duckdb_file`)."""

POSTGRESQL = Dialect(
    name="PostgreSQL",
    types=MappingProxyType(
        {
            Kind.BOOLEAN: "boolean",
            Kind.INTEGER: "bigint",
            Kind.DECIMAL: "numeric",
            Kind.DATE: "date",
            Kind.TIMESTAMP: "timestamp with time zone",
            Kind.TEXT: "text",
            Kind.JSON: "jsonb",  # keeps every digit, and can be compared and grouped by, unlike json
        }
    ),
    other_types=MappingProxyType({"character varying": Kind.TEXT, "json": Kind.JSON}),
    columns_of_tables="""
        SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod)
        FROM pg_catalog.pg_namespace n
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
        WHERE n.nspname = $1::text AND c.relname IN ($2::text, $3::text)
        AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    """,
    schemas="SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname = $1::text",
    name_bytes=63,  # longer ones are cut without an error (postgresql.org/docs/current/sql-syntax-lexical.html)
    case_sensitive=True,
    system_columns=frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}),
    unheld="\0",
    indexes_keys=True,
    refills=True,
)
"""PostgreSQL 12 and later."""
