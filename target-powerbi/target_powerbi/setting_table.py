"""The settings of target-powerbi: the one table from which help, documentation and validation come."""

from __future__ import annotations

from ifs_bi_core.singer.account import TARGET_SETTINGS
from singer_sdk import typing as th

from target_powerbi.choices import TABLE
from target_powerbi.limits import LIMITS

SETTINGS = th.PropertiesList(
    th.Property(
        "tenant_id",
        th.StringType,
        description="Directory (tenant) id of the Microsoft Entra tenant; not needed with `managed_identity`",
    ),
    th.Property(
        "client_id",
        th.StringType,
        description="Application (client) id of the app registration; not needed with `managed_identity`",
    ),
    th.Property(
        "client_secret",
        th.StringType,
        secret=True,
        description="Value of its secret, or `env:NAME`. Give this, `client_certificate_path` or `managed_identity`",
    ),
    th.Property(
        "client_certificate_path",
        th.StringType,
        description="File with its certificate and the private key, as PEM or PFX, instead of a secret",
    ),
    th.Property(
        "client_certificate_password",
        th.StringType,
        secret=True,
        description="What the private key in that file is encrypted with, or `env:NAME`; absent: it is not encrypted",
    ),
    th.Property(
        "managed_identity",
        th.CustomType({"type": ["boolean", "string", "null"]}),
        description="Sign in as the identity that Azure gave this machine, without a secret: `true` for its own one, or the "
        "client id of one that was assigned to it",
    ),
    th.Property(
        "workspace_id",
        th.StringType,
        description="Id of the workspace: the part after `/groups/` in its address; a push dataset needs one, since a service "
        "principal has no My workspace",
    ),
    th.Property("dataset_id", th.StringType, description="Id of an existing push dataset. Give this or `dataset_name`"),
    th.Property(
        "dataset_name", th.StringType, description="Name of the push dataset, which is found, or created when absent"
    ),
    th.Property(
        "destination",
        th.StringType,
        allowed_values=["push_dataset", "fabric_mirroring"],
        default="push_dataset",
        description="Where the rows go. push_dataset: a push dataset of Power BI. fabric_mirroring: a mirrored database of "
        "Microsoft Fabric (open mirroring), by files in its landing zone",
    ),
    th.Property(
        "landing_zone_url",
        th.StringType,
        description="Landing zone of the mirrored database: the https address that its page shows, `abfss://<workspace>@onelake.dfs."
        "fabric.microsoft.com/<mirrored database>/Files/LandingZone`, or `file:///folder` for a folder of this machine",
    ),
    th.Property(
        "write_mode",
        th.StringType,
        allowed_values=["mirror", "signed", "append"],
        default="mirror",
        description="mirror: the present state, one row a key; updates and deletes rewrite the table at the end of a run. "
        "signed: the present state too, without a rewrite or an empty moment: a change is the old row with `_sign` -1 and the "
        "new one with 1, and sums and counts are those over `_sign`. append: every version as a row",
    ),
    th.Property(
        "tables",
        th.ObjectType(additional_properties=TABLE),
        default={},
        description="Stream → name of its table, columns, measures and relationships; only what differs from the default",
    ),
    th.Property(
        "model",
        th.BooleanType,
        default=True,
        description="Use the shipped model of the IFS streams: formats, what is summed, hidden columns, relationships, measures",
    ),
    th.Property(
        "manage_schema",
        th.BooleanType,
        default=True,
        description="Create the dataset when it is absent, and add columns to its tables",
    ),
    th.Property(
        "on_missing_column",
        th.StringType,
        allowed_values=["fail", "add", "drop"],
        default="add",
        description="What happens to a property that has no column in an existing table. add: the column is added. drop: the "
        "property is left out, with a warning. fail: the run stops before the first row",
    ),
    th.Property(
        "on_unknown",
        th.StringType,
        allowed_values=["stop", "rewrite", "accept"],
        description="What happens when an answer of Power BI is lost and nobody can tell whether the rows arrived, since it "
        "answers no queries about the dataset. rewrite: the table is emptied and filled from the kept rows at the end of the "
        "run. stop: the run ends with exit code 1, and nothing newer of the table moves. accept: the rows count as delivered, "
        "with a warning. Default: rewrite in `mirror`, stop elsewhere",
    ),
    th.Property(
        "retention_policy",
        th.StringType,
        allowed_values=["none", "basicFIFO"],
        default="none",
        description=f"What a dataset that is created does with old rows. none: keeps them, at most {LIMITS.rows_per_table:,} a "
        f"table. basicFIFO: drops the oldest beyond {LIMITS.rows_per_fifo_table:,} a table, for `append` alone",
    ),
    th.Property(
        "replace_unknown_rows",
        th.BooleanType,
        default=False,
        description="Rows that a table holds and this target has no record of are deleted, and what the run brings takes their "
        "place. Switch it on for one run, together with a full refresh of the tap",
    ),
    th.Property(
        "truncate_strings",
        th.BooleanType,
        default=False,
        description=f"Cut strings to the {LIMITS.characters_per_string:,} characters that Power BI holds (a mirrored table: "
        f"{LIMITS.characters_per_mirrored_string:,}), and count them; else such a row is refused",
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1, maximum=LIMITS.rows_per_post),
        default=LIMITS.rows_per_post,
        description="Rows that a request carries at most, or a file of a landing zone",
    ),
    th.Property(
        "authority_host",
        th.StringType,
        default="https://login.microsoftonline.com",
        description="Origin of the sign-in service; another one in the national clouds. http for loopback addresses alone",
    ),
    th.Property(
        "token_scope",
        th.StringType,
        default="https://analysis.windows.net/powerbi/api/.default",
        description="What a token is asked for; another one in the national clouds. For a landing zone it is always OneLake",
    ),
    th.Property(
        "api_url",
        th.StringType,
        default="https://api.powerbi.com",
        description="Origin of the Power BI REST API; another one in the national clouds. http for loopback addresses alone",
    ),
    th.Property(
        "retry_limit_seconds",
        th.NumberType(minimum=0),
        default=600,
        description="How long one request is tried again, and the longest wait that Power BI may ask for",
    ),
    *TARGET_SETTINGS,
).to_dict()
