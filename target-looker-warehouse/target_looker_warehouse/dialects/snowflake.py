"""What Snowflake can do."""

from __future__ import annotations

from types import MappingProxyType

from ifs_bi_core.columnar.columns import ColumnType, Kind

from target_looker_warehouse.dialects.facts import DecimalType, Dialect, Widening

_INTEGER = "NUMBER(19,0)"  # whatever it is called, an integer is a NUMBER; this one holds 64 bits

SNOWFLAKE = Dialect(
    name="Snowflake",
    types=MappingProxyType(
        {
            Kind.BOOLEAN: "BOOLEAN",
            Kind.INTEGER: _INTEGER,
            Kind.DATE: "DATE",
            # An instant with its offset, which here is always that of UTC. TIMESTAMP_NTZ is the clock on some wall. TIMESTAMP_LTZ
            # is an instant too, but becomes the session's wall clock where it is cast to TIMESTAMP_NTZ, as Looker does before it
            # converts time zones.
            Kind.TIMESTAMP: "TIMESTAMP_TZ",
            Kind.TEXT: "TEXT",
            # VARIANT keeps numbers of more than 38 digits, and those with an exponent, as doubles
            # (docs.snowflake.com/en/sql-reference/data-types-semistructured). PARSE_JSON reads this column.
            Kind.JSON: "TEXT",
        }
    ),
    # Looked up first: a column of this type may be of an integer or of a DECIMAL(19,0), which holds more.
    other_types=MappingProxyType(
        {_INTEGER: ColumnType(Kind.DECIMAL, 19, 0), "TIMESTAMP_LTZ": ColumnType(Kind.TIMESTAMP)}
    ),
    decimals=(DecimalType("NUMBER", 38, 37, 38),),  # docs.snowflake.com/en/sql-reference/data-types-numeric
    columns_of_tables="""
        SELECT table_name, column_name, CASE data_type
            WHEN 'NUMBER' THEN 'NUMBER(' || numeric_precision || ',' || numeric_scale || ')' ELSE data_type END
        FROM information_schema.columns
        WHERE table_schema = $1 AND table_name IN ($2, $3)
        ORDER BY ordinal_position
    """,
    schemas="SELECT schema_name FROM information_schema.schemata WHERE schema_name = $1",
    name_bytes=255,  # docs.snowflake.com/en/sql-reference/identifiers-syntax: characters; bytes are never fewer
    # Whoever writes SQL by hand, without quotes, means names in capitals.
    identifier_case="upper",
    # A stream on a table (change tracking) adds columns of these names to it.
    system_columns=frozenset({"METADATA$ACTION", "METADATA$ISUPDATE", "METADATA$ROW_ID"}),
    text_bytes=16_777_216,  # of a TEXT without a length; an account that allows 128 MB has to be asked for it column by column
    merges=True,
    transactional_ddl=False,
    widens=Widening.PRECISION,
    has_lock=False,
    # A load is half a dozen statements, each of which takes a tenth of a second and more, whatever it carries.
    batch_size_rows=250_000,
    held_bytes=128 << 20,
    view_options="COPY GRANTS",  # docs.snowflake.com/en/sql-reference/sql/create-view
    connections=4,
)
"""A Snowflake database; the address names it, statements say its name."""
