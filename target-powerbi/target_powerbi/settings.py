"""What the settings of a run say, looked through; the settings themselves are in `target_powerbi.setting_table`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.settings import origin

from target_powerbi.choices import table_choice
from target_powerbi.mirroring.address import landing_zone
from target_powerbi.setting_table import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_powerbi.choices import TableChoice

WriteMode: TypeAlias = Literal["mirror", "signed", "append"]
"""How rows are written. Each way has keys and columns of its own (`tables.table_of`), rows (`sinks`), a delivery
(`target.TargetPowerBI.run`), measures (`measures`), and figures that can be compared (`command.verification`); which of the other
settings go with it, `read_settings` says."""
OnMissingColumn: TypeAlias = Literal["fail", "add", "drop"]
OnUnknown: TypeAlias = Literal["stop", "rewrite", "accept"]
RetentionPolicy: TypeAlias = Literal["none", "basicFIFO"]

_FOLDER = "file://"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TENANT = re.compile(r"[\w.-]+")  # an id, or a domain of the tenant


@dataclass(frozen=True)
class Settings:
    """A configuration that was looked through; names are those of the settings."""

    tenant_id: str  # empty where a managed identity signs in
    client_id: str  # the same
    client_secret: str | None = field(repr=False)
    client_certificate_path: Path | None
    client_certificate_password: str | None = field(repr=False)
    managed_identity: bool | str  # False: none; True: that of the machine; a client id: one that was assigned to it
    workspace_id: str
    dataset_id: str | None
    dataset_name: str | None
    landing_zone_url: str | None  # None: a push dataset
    write_mode: WriteMode
    tables: Mapping[str, TableChoice]
    model: bool
    manage_schema: bool
    on_missing_column: OnMissingColumn
    on_unknown: OnUnknown | None  # None: what is usual for `write_mode`
    retention_policy: RetentionPolicy
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
        if self.landing_zone_url:
            return self.landing_zone_url
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
    tables = {stream: table_choice(given) for stream, given in config["tables"].items()}
    if config["write_mode"] != "mirror" and (
        related := [name for name, choice in tables.items() if choice.relationships]
    ):
        raise ConfigError(
            f"Setting 'tables.{related[0]}.relationships': with write_mode {config['write_mode']} a key has several rows, and a "
            f"relationship needs one. Take it out, or set write_mode mirror."
        )
    place = _place(config)
    return Settings(
        **_sign_in(config, needed=not (place["landing_zone_url"] or "").startswith(_FOLDER)),
        **place,
        write_mode=cast("WriteMode", config["write_mode"]),
        tables=tables,
        model=config["model"],
        manage_schema=config["manage_schema"],
        on_missing_column=cast("OnMissingColumn", config["on_missing_column"]),
        on_unknown=cast("OnUnknown | None", config.get("on_unknown")),
        retention_policy=_retention_policy(config),
        replace_unknown_rows=config["replace_unknown_rows"],
        truncate_strings=config["truncate_strings"],
        batch_size_rows=config["batch_size_rows"],
        authority_host=_bare_origin("authority_host", config["authority_host"]),
        token_scope=config["token_scope"],
        api_url=_bare_origin("api_url", config["api_url"]),
        retry_limit_seconds=float(config["retry_limit_seconds"]),
        state_dir=Path(config["state_dir"]),
    )


def _place(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that say where rows go: a push dataset of a workspace, or a landing zone."""
    if config["destination"] == "fabric_mirroring":
        return {"workspace_id": "", "dataset_id": None, "dataset_name": None, "landing_zone_url": _landing_zone(config)}
    dataset_id, dataset_name = config.get("dataset_id") or None, config.get("dataset_name") or None
    if (dataset_id is None) == (dataset_name is None):
        raise ConfigError(
            "Give one of the settings 'dataset_id' (an existing push dataset) and 'dataset_name' (found, or created when absent)."
        )
    return {
        "workspace_id": _matching(config, "workspace_id", _GUID, "the id after /groups/ in the workspace's address"),
        "dataset_id": _matching(config, "dataset_id", _GUID, "the id after /datasets/ in its address")
        if dataset_id
        else None,
        "dataset_name": dataset_name,
        "landing_zone_url": None,
    }


def _landing_zone(config: Mapping[str, Any]) -> str:
    place = landing_zone(str(config.get("landing_zone_url") or ""))
    if config["write_mode"] != "mirror":
        raise ConfigError(
            f"Setting 'write_mode' is '{config['write_mode']}', and a mirrored database is kept equal to its source. Set mirror."
        )
    return str(place)


def _retention_policy(config: Mapping[str, Any]) -> RetentionPolicy:
    policy = config["retention_policy"]
    if policy != "none" and config["write_mode"] != "append":
        raise ConfigError(
            f"Setting 'retention_policy' is '{policy}', with which Power BI drops the oldest rows of a table, and 'write_mode' "
            f"is '{config['write_mode']}', which keeps the table equal to its source. Set write_mode: append, or "
            f"retention_policy: none."
        )
    return cast("RetentionPolicy", policy)


def _sign_in(config: Mapping[str, Any], *, needed: bool) -> dict[str, Any]:
    """The settings that say who signs in, of which there has to be one way; nobody does in a folder of this machine."""
    if not needed:
        return {
            "tenant_id": "",
            "client_id": "",
            "client_secret": None,
            "client_certificate_path": None,
            "client_certificate_password": None,
            "managed_identity": False,
        }
    managed = _managed_identity(config.get("managed_identity"))
    path = config.get("client_certificate_path") or None
    ways = {"client_secret": config.get("client_secret"), "client_certificate_path": path, "managed_identity": managed}
    given = [f"'{name}'" for name, value in ways.items() if value]
    if len(given) != 1:
        has = f"there are {' and '.join(given)}" if given else "there is none of them"
        raise ConfigError(
            f"Give one of the settings 'client_secret', 'client_certificate_path' and 'managed_identity' to sign in with; {has}."
        )
    if config.get("client_certificate_password") and not path:
        raise ConfigError(
            "Setting 'client_certificate_password' is of no use without 'client_certificate_path'. Take it out."
        )
    if not managed and not config.get("client_id"):
        raise ConfigError("Setting 'client_id' is missing: the Application (client) id of the app registration.")
    where = "the Directory (tenant) id, or a domain of the tenant"
    return {
        "tenant_id": "" if managed else _matching(config, "tenant_id", _TENANT, where),
        "client_id": "" if managed else config["client_id"],
        "client_secret": config.get("client_secret") or None,
        "client_certificate_path": Path(path) if path else None,
        "client_certificate_password": config.get("client_certificate_password") or None,
        "managed_identity": managed,
    }


def _managed_identity(given: bool | str | None) -> bool | str:  # noqa: FBT001 - a value of the configuration
    """What the setting says; an environment variable has texts alone."""
    if given is None or isinstance(given, bool):
        return given or False
    text = given.strip().lower()
    if text in {"", "true", "false"}:
        return text == "true"
    if not _GUID.fullmatch(text):
        raise ConfigError(
            f"Setting 'managed_identity' is {given!r}. Write true, or the client id of the identity that was assigned."
        )
    return text


def _matching(config: Mapping[str, Any], name: str, pattern: re.Pattern[str], what: str) -> str:
    value = str(config.get(name) or "").strip()
    if not pattern.fullmatch(value):
        raise ConfigError(f"Setting '{name}' is {value!r}. Write {what}.")
    return value


def _bare_origin(name: str, address: str) -> str:
    checked = origin(name, address)
    parts = urlsplit(checked)
    if parts.path:
        raise ConfigError(f"Setting '{name}' is {address!r}. Write the origin alone, {parts.scheme}://{parts.netloc}.")
    return checked
