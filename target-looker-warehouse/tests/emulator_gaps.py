"""What tests can't show of warehouses for which emulators stand, by name. Data: docs/reference/warehouses.md is made of it."""

from __future__ import annotations

from typing import NamedTuple

_CASE = "DuckDB, which fakesnow runs on, takes names that differ in case alone for one name"
_COLUMN = "a column's name has letters, digits and '_' alone"


class Emulated(NamedTuple):
    """A warehouse that tests have by way of an emulator.

    Attributes:
        product: `Dialect.name`.
        stand_in: what the tests run against, and with which client.
        cases: cases of the conformance suite that can't be shown there, with the reason.
        steps: steps of `ifs-bi warehouse-check` that fail there, with the reason.
        golden: which files of ``tests/golden`` hold the statements that are sent.
        unseen: what else only the real one shows, and why.
    """

    product: str
    stand_in: str
    cases: dict[str, str]
    steps: dict[str, str]
    golden: str
    unseen: dict[str, str]


SNOWFLAKE = Emulated(
    "Snowflake",
    "fakesnow, with Snowflake's own connector 4 over the wire",
    {
        "properties that differ in case alone, and ones that SQL knows": _CASE,
        "streams that differ in case alone, in any order": _CASE,
    },
    {
        "Decimals of 38 digits": "fakesnow takes NUMBER(38,0) for an integer of 64 bits",
        "A row that the table does not take is put aside, and the others of its batch arrive": (
            "fakesnow answers a null in a NOT NULL column with HTTP 500 and no reason"
        ),
        "The roll-up views show what their tables have": "fakesnow adds decimals up as doubles",
    },
    "*snowflake*.sql",
    {
        "that key pairs, OAuth and roles let the right ones in": "fakesnow lets any password in",
        "that a definition commits the open transaction": "fakesnow's doesn't; the adapter itself lets none come within one",
        "the error about a MERGE that meets a row twice": "fakesnow takes the rows",
        "warehouses that are suspended, resource monitors, what loads cost": "fakesnow has none",
        "connector 5": "fakesnow doesn't speak with it; the extra asks for 4",
    },
)
BIGQUERY = Emulated(
    "BigQuery",
    "bqemulator, with Google's own client over the wire",
    {
        "properties that differ in case alone, and ones that SQL knows": _COLUMN,
        "a schema of its own": "a dataset's name has letters, digits and '_' alone",
    },
    {
        "A row that the table does not take is put aside, and the others of its batch arrive": (
            "bqemulator says of a null in a REQUIRED column what DuckDB says, and BigQuery 'cannot be null'"
        ),
    },
    "*bigquery*.sql",
    {
        "that service accounts and IAM let the right ones in": "bqemulator asks for no credentials",
        "the error about a MERGE that meets a row twice": "bqemulator takes the rows",
        "that a job's id can't be used twice": "bqemulator takes it again",
        "sessions side by side": "those of bqemulator share one transaction",
        "quotas, errors of a region, what statements cost": "bqemulator has none",
    },
)
REDSHIFT = Emulated(
    "Amazon Redshift",
    "PostgreSQL behind a relay that speaks Redshift's protocol, with Amazon's own driver, and moto for S3",
    {},
    {
        "Names that are longer than most warehouses take": (
            "PostgreSQL, which the relay leads to, cuts names after 63 bytes, and Redshift after 127"
        ),
    },
    "*redshift*.sql",
    {
        "that texts which differ in blanks at their ends are equal": (
            "PostgreSQL's aren't; that keys are kept apart by their length all the same is tested with PostgreSQL's `bpchar`"
        ),
        "what COPY makes of a Parquet file": "the relay has a COPY of its own",
        "isolation violations between sessions, workload management, VACUUM": "PostgreSQL has others",
        "that IAM roles and users of clusters and work groups let the right ones in": "moto lets anybody in",
    },
)
EMULATED = (SNOWFLAKE, BIGQUERY, REDSHIFT)
