"""What PostgreSQL 12 and later can do."""

from __future__ import annotations

from types import MappingProxyType

from ifs_bi_core.columnar.columns import ColumnType, Kind

from target_looker_warehouse.dialects.facts import DecimalType, Dialect

POSTGRESQL = Dialect(
    name="PostgreSQL",
    types=MappingProxyType(
        {
            Kind.BOOLEAN: "boolean",
            Kind.INTEGER: "bigint",
            Kind.DATE: "date",
            Kind.TIMESTAMP: "timestamp with time zone",
            Kind.TEXT: "text",
            Kind.JSON: "jsonb",  # keeps every digit, and can be compared and grouped by, unlike json
        }
    ),
    other_types=MappingProxyType({"character varying": ColumnType(Kind.TEXT), "json": ColumnType(Kind.JSON)}),
    # postgresql.org/docs/current/datatype-numeric.html: as much as may be declared
    decimals=(DecimalType("numeric", 1000, 1000, 1000),),
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
    system_columns=frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}),
    unheld="\0",
    indexes_keys=True,
    grants="""
        SELECT format('GRANT %s ON %I.%I TO %s', g.privilege_type, n.nspname, c.relname,
            CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END)
        FROM pg_catalog.pg_namespace n
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
        CROSS JOIN LATERAL aclexplode(c.relacl) g
        WHERE n.nspname = $1::text AND c.relname = $2::text AND g.grantee <> c.relowner
    """,
    connections=4,
)
