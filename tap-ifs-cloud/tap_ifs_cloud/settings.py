"""The settings of tap-ifs-cloud: the one table from which help, documentation and validation come."""

from __future__ import annotations

from importlib.metadata import version

from ifs_bi_core.singer.account import ACCOUNT_SETTINGS
from singer_sdk import typing as th

LARGEST_PAGE = 5_000
"""Rows that IFS Cloud is asked for at most in one request."""

_ENTITY = th.ObjectType(
    th.Property("name", th.StringType, required=True, description="Name of the stream"),
    th.Property("projection", th.StringType, description="Projection or entity service, without .svc"),
    th.Property(
        "entity_set",
        th.StringType,
        description="Collection in it; `CompanyFinanceSet/CodeBArray` for one that IFS Cloud keys by company",
    ),
    th.Property(
        "endpoint", th.StringType, allowed_values=["main", "int", "b2b"], description="URL part before ifsapplications"
    ),
    th.Property("service", th.StringType, allowed_values=["projection", "entity"], description="Kind of service"),
    th.Property(
        "key", th.ArrayType(th.StringType), description="Properties that identify a row; default: from $metadata"
    ),
    th.Property("modified", th.StringType, description="Filterable timestamp or date that moves with every change"),
    th.Property(
        "replication",
        th.StringType,
        allowed_values=["auto", "timestamp", "row_version", "full"],
        description="How changes are found. auto: timestamp where `modified` exists, else row_version where rows carry ETags, "
        "else full",
    ),
    th.Property("company", th.StringType, description="Property that holds the company, by which `companies` scopes"),
    th.Property("filter", th.StringType, description="OData filter that every request carries"),
    th.Property("select", th.ArrayType(th.StringType), description="Properties to read; default: all"),
    th.Property("expand", th.ArrayType(th.StringType), description="Single-valued references to read along"),
    th.Property(
        "delete_guard_percent",
        th.NumberType(minimum=0, maximum=100),
        description="Instead of the setting of that name, for a set whose rows come and go",
    ),
    th.Property(
        "booleans",
        th.ArrayType(th.StringType),
        description="Texts that say TRUE or FALSE, to be written as booleans; all others stay texts",
    ),
    th.Property(
        "logical_unit",
        th.StringType,
        description="Logical unit, as IFS Cloud's history log names it; default: what the rows say (`luname`)",
    ),
)

SETTINGS = th.PropertiesList(
    th.Property(
        "base_url",
        th.StringType,
        required=True,
        description="Address of the IFS Cloud system, `https://host[:port]`; http for loopback addresses alone",
    ),
    th.Property(
        "realm",
        th.StringType,
        description="Realm (namespace) of the system in its Keycloak. IFS Cloud shows it in API Explorer as part of Connect URL",
    ),
    th.Property(
        "token_url", th.StringType, description="Token endpoint, instead of the one that base_url and realm make"
    ),
    th.Property("client_id", th.StringType, required=True, description="IAM client with a service account"),
    th.Property("client_secret", th.StringType, required=True, secret=True, description="Its secret, or `env:NAME`"),
    th.Property("scope", th.StringType, default="openid microprofile-jwt", description="Scope to ask for; empty: none"),
    th.Property(
        "companies",
        th.ArrayType(th.StringType),
        description="Companies to read, one at a time and each with its own bookmark; default: all that the user may see, "
        "at once",
    ),
    th.Property(
        "entities", th.ArrayType(_ENTITY), description="Entities to add, or to lay over the built-in one of that name"
    ),
    th.Property(
        "streams",
        th.ArrayType(th.StringType),
        description="Streams to offer; default: every built-in that the tenant has, and all of `entities`",
    ),
    th.Property(
        "start_date", th.DateTimeType, description="Read incremental streams from here on; default: from the beginning"
    ),
    th.Property(
        "source_time_zone",
        th.StringType,
        description="IANA name (Europe/Berlin) of the zone whose wall clock the tenant marks `Z`; timestamps are then written as "
        "the instants they name, `_ifs_row_version` excepted, which is the database's clock as it is. Default: `Z` means UTC. "
        "Another value reads every stream anew",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=LARGEST_PAGE),
        default=LARGEST_PAGE,
        description="Rows to ask for a page",
    ),
    th.Property(
        "requests_per_minute",
        th.NumberType(exclusive_minimum=0),
        default=1000,
        description="Most requests in any 60 seconds; any positive number",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1),
        default=4,
        description="Requests under way at once, over all streams and companies and the next pages of each; all of them share "
        "`requests_per_minute`. 1: one after the other, and no page before its turn",
    ),
    th.Property(
        "paging",
        th.StringType,
        allowed_values=["auto", "keyset", "skip"],
        default="auto",
        description="How to go from page to page. auto: keyset, or skip where that is refused, or the server's links where both "
        "are",
    ),
    th.Property(
        "lookback_seconds",
        th.NumberType(minimum=0),
        default=600,
        description="How far before its bookmark an incremental stream reads again, against late commits",
    ),
    th.Property(
        "delete_detection",
        th.StringType,
        allowed_values=["off", "key_scan", "history_log"],
        default="key_scan",
        description="How rows that are gone are found. key_scan: all keys of the set are read and compared with those that were "
        "delivered, row_version streams in every run, timestamp streams every `delete_scan_hours`. history_log: timestamp "
        "streams read them from HistoryLogHandling in every run, where the tenant logs deletes of that entity; elsewhere as "
        "key_scan does",
    ),
    th.Property(
        "delete_scan_hours",
        th.NumberType(minimum=0),
        default=24,
        description="Hours from one look at the keys of a timestamp stream to the next; 0: in every run",
    ),
    th.Property(
        "delete_guard_percent",
        th.NumberType(minimum=0, maximum=100),
        default=50,
        description="If more than this part of a stream's rows is not there any more, none is taken for gone: the service user "
        "may have lost a right",
    ),
    th.Property(
        "batch_config",
        th.ObjectType(
            th.Property(
                "encoding",
                th.ObjectType(
                    th.Property("format", th.StringType, allowed_values=["jsonl"], description="Form of the files"),
                    th.Property(
                        "compression",
                        th.StringType,
                        allowed_values=["none", "gzip"],
                        description="none, or gzip where room on the disk or the way to it is scarce; default: none",
                    ),
                ),
                description="How files are written",
            ),
            th.Property(
                "storage",
                th.ObjectType(
                    th.Property(
                        "root",
                        th.StringType,
                        description="Folder, or an address that fsspec knows (`s3://…`), which the target reads as well; "
                        "default: `batch-files` in `state_dir`",
                    ),
                    th.Property("prefix", th.StringType, description="What names of files begin with"),
                ),
                description="Where they are written",
            ),
            th.Property(
                "batch_size",
                th.IntegerType(minimum=1),
                description="Most rows in a file, and about so many between one STATE and the next; default: 100,000",
            ),
        ),
        description="Lets records leave in files, which BATCH lines name, instead of as RECORD lines: for a target that reads "
        "BATCH and removes files that it has loaded, as target-looker-warehouse and target-powerbi do. Off if left out",
    ),
    th.Property(
        "request_timeout_seconds",
        th.NumberType(exclusive_minimum=0),
        default=300,
        description="Longest silence of an answer",
    ),
    th.Property(
        "retry_limit_seconds", th.NumberType(minimum=0), default=600, description="How long one request is tried again"
    ),
    th.Property(
        "user_agent",
        th.StringType,
        default=f"tap-ifs-cloud/{version('tap-ifs-cloud')}",
        description="How the tap names itself to IFS Cloud",
    ),
    *ACCOUNT_SETTINGS,
).to_dict()
