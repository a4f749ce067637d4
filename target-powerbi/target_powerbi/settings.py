"""The settings of target-powerbi: the one table from which help, documentation and validation come, and what they say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.settings import origin
from ifs_bi_core.singer.account import TARGET_SETTINGS
from singer_sdk import typing as th

from target_powerbi.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Mapping

DataType: TypeAlias = Literal["String", "Int64", "Double", "Decimal", "Boolean", "DateTime"]
DATA_TYPES: tuple[DataType, ...] = ("String", "Int64", "Double", "Decimal", "Boolean", "DateTime")
"""What a column of a push dataset can be (MicrosoftDocs/powerbi-docs ``developer/api-dataset-properties.md``)."""

WriteMode: TypeAlias = Literal["mirror", "append"]

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TENANT = re.compile(r"[\w.-]+")  # an id, or a domain of the tenant

_COLUMN = th.ObjectType(
    th.Property("name", th.StringType, description="Name of the column; default: that of the property"),
    th.Property("type", th.StringType, allowed_values=list(DATA_TYPES), description="Data type of the column"),
    th.Property("format", th.StringType, description="How Power BI shows the values, such as `#,0.00`"),
    th.Property("drop", th.BooleanType, description="Leave the property out"),
    additional_properties=False,
)
_TABLE = th.ObjectType(
    th.Property("table", th.StringType, description="Name of the table; default: that of the stream"),
    th.Property("columns", th.ObjectType(additional_properties=_COLUMN), description="Property → what its column is"),
    th.Property(
        "measures", th.ObjectType(additional_properties=th.StringType), description="Name of a measure → DAX expression"
    ),
    additional_properties=False,
)

SETTINGS = th.PropertiesList(
    th.Property(
        "tenant_id", th.StringType, required=True, description="Directory (tenant) id of the Microsoft Entra tenant"
    ),
    th.Property(
        "client_id", th.StringType, required=True, description="Application (client) id of the app registration"
    ),
    th.Property(
        "client_secret", th.StringType, required=True, secret=True, description="Value of its secret, or `env:NAME`"
    ),
    th.Property(
        "workspace_id",
        th.StringType,
        required=True,
        description="Id of the workspace: the part after `/groups/` in its address. A service principal has no My workspace",
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
        description="Where the rows go. `fabric_mirroring` is not supported by this version",
    ),
    th.Property(
        "write_mode",
        th.StringType,
        allowed_values=["mirror", "signed", "append"],
        default="mirror",
        description="mirror: the present state, one row a key. append: every version as a row. "
        "`signed` is not supported by this version",
    ),
    th.Property(
        "tables",
        th.ObjectType(additional_properties=_TABLE),
        default={},
        description="Stream → name of its table, columns and measures; only what differs from the default",
    ),
    th.Property(
        "manage_schema",
        th.BooleanType,
        default=True,
        description="Create the dataset when it is absent, and add columns to its tables",
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
        description=f"Cut strings to the {LIMITS.characters_per_string:,} characters that Power BI holds, and count them; "
        "else such a row is refused",
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1, maximum=LIMITS.rows_per_post),
        default=LIMITS.rows_per_post,
        description="Rows a request carries at most",
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
        description="What a token is asked for; another one in the national clouds",
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


@dataclass(frozen=True)
class ColumnChoice:
    """What the setting `tables` says of one property; None and False: the default."""

    name: str | None = None
    type: DataType | None = None
    format: str | None = None
    drop: bool = False


@dataclass(frozen=True)
class TableChoice:
    """What the setting `tables` says of one stream."""

    table: str | None = None
    columns: Mapping[str, ColumnChoice] = field(default_factory=dict)
    measures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settings:
    """A configuration that was looked through; names are those of the settings."""

    tenant_id: str
    client_id: str
    client_secret: str = field(repr=False)
    workspace_id: str
    dataset_id: str | None
    dataset_name: str | None
    write_mode: WriteMode
    tables: Mapping[str, TableChoice]
    manage_schema: bool
    replace_unknown_rows: bool
    truncate_strings: bool
    batch_size_rows: int
    authority_host: str
    token_scope: str
    api_url: str
    retry_limit_seconds: float
    state_dir: Path

    @property
    def destination(self) -> str:
        """Where rows go, and how they are written: another one has other kept rows."""
        dataset = self.dataset_id.lower() if self.dataset_id else f"name {self.dataset_name}"
        return f"{self.api_url}/{self.workspace_id.lower()}/{dataset} ({self.write_mode})"

    @property
    def dataset(self) -> str:
        """The dataset, in words for logs and errors."""
        return f"'{self.dataset_name}'" if self.dataset_name else str(self.dataset_id)


def read_settings(config: Mapping[str, Any]) -> Settings:
    """What a configuration says that has passed the JSON schema of `SETTINGS`.

    Raises:
        ConfigError: a value can't be meant, contradicts another one, or asks for what this version does not do.
    """
    defaults = {name: definition.get("default") for name, definition in SETTINGS["properties"].items()}
    config = defaults | {name: value for name, value in config.items() if value is not None}  # null: the default
    _refuse_what_is_not_there_yet(config)
    dataset_id, dataset_name = config.get("dataset_id") or None, config.get("dataset_name") or None
    if (dataset_id is None) == (dataset_name is None):
        raise ConfigError(
            "Give one of the settings 'dataset_id' (an existing push dataset) and 'dataset_name' (found, or created when absent)."
        )
    return Settings(
        tenant_id=_matching(config, "tenant_id", _TENANT, "the Directory (tenant) id, or a domain of the tenant"),
        client_id=config["client_id"],
        client_secret=config["client_secret"],
        workspace_id=_matching(config, "workspace_id", _GUID, "the id after /groups/ in the workspace's address"),
        dataset_id=_matching(config, "dataset_id", _GUID, "the id after /datasets/ in its address")
        if dataset_id
        else None,
        dataset_name=dataset_name,
        write_mode=cast("WriteMode", config["write_mode"]),
        tables={stream: _table_choice(given) for stream, given in config["tables"].items()},
        manage_schema=config["manage_schema"],
        replace_unknown_rows=config["replace_unknown_rows"],
        truncate_strings=config["truncate_strings"],
        batch_size_rows=config["batch_size_rows"],
        authority_host=_bare_origin("authority_host", config["authority_host"]),
        token_scope=config["token_scope"],
        api_url=_bare_origin("api_url", config["api_url"]),
        retry_limit_seconds=float(config["retry_limit_seconds"]),
        state_dir=Path(config["state_dir"]),
    )


def _refuse_what_is_not_there_yet(config: Mapping[str, Any]) -> None:
    for name, values, instead in (
        ("destination", {"fabric_mirroring"}, "push_dataset"),
        ("write_mode", {"signed"}, "mirror or append"),
    ):
        if config[name] in values:
            raise ConfigError(
                f"Setting '{name}' is '{config[name]}', which is not supported by this version. Set {instead}."
            )


def _matching(config: Mapping[str, Any], name: str, pattern: re.Pattern[str], what: str) -> str:
    value = str(config[name]).strip()
    if not pattern.fullmatch(value):
        raise ConfigError(f"Setting '{name}' is {value!r}. Write {what}.")
    return value


def _bare_origin(name: str, address: str) -> str:
    checked = origin(name, address)
    parts = urlsplit(checked)
    if parts.path:
        raise ConfigError(f"Setting '{name}' is {address!r}. Write the origin alone, {parts.scheme}://{parts.netloc}.")
    return checked


def _table_choice(given: Mapping[str, Any]) -> TableChoice:
    columns = {name: ColumnChoice(**choice) for name, choice in (given.get("columns") or {}).items()}
    return TableChoice(given.get("table"), columns, given.get("measures") or {})
