# ruff: noqa: INP001 - a script beside the files that it writes
"""Writes hub/*.yml from the code: the definitions of the plugins for Meltano Hub.

``python hub/generate.py`` writes; ``--check`` ends with 1 where a file is not what would be written. What a definition holds is
said by meltano/hub, ``schemas/plugin_definitions`` and ``schemas/common`` (JSON Schema draft 7).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from tap_ifs_cloud.tap import TapIfsCloud
from target_looker_warehouse.target import TargetLookerWarehouse
from target_powerbi.target import TargetPowerBI

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent
PLUGINS = (TapIfsCloud, TargetLookerWarehouse, TargetPowerBI)
VARIANT = "ifs-bi"
FACTS: Mapping[str, Mapping[str, Any]] = {
    "tap-ifs-cloud": {
        "label": "IFS Cloud",
        "description": "ERP: purchase orders, supplier invoices, customer orders, general ledger, and any other entity",
        "pip_url": "tap-ifs-cloud",
        "domain_url": "https://www.ifs.com/ifs-cloud",
        "keywords": ["erp", "ifs", "odata", "finance", "procurement"],
        "settings_group_validation": [
            ["base_url", "realm", "client_id", "client_secret"],
            ["base_url", "token_url", "client_id", "client_secret"],
        ],
    },
    "target-looker-warehouse": {
        "label": "Warehouse behind Looker",
        "description": "DuckDB, PostgreSQL, Snowflake, BigQuery or Redshift, kept equal to the source, and Looker told of it",
        "pip_url": "target-looker-warehouse[bigquery,looker,postgresql,redshift,snowflake]",
        "domain_url": "https://cloud.google.com/looker",
        "keywords": ["looker", "lookml", "warehouse", "duckdb", "postgresql", "snowflake", "bigquery", "redshift"],
        "settings_group_validation": [["warehouse_url"]],
    },
    "target-powerbi": {
        "label": "Power BI",
        "description": "Push datasets of Power BI and mirrored databases of Microsoft Fabric, kept equal to the source",
        "pip_url": "target-powerbi[fabric]",
        "domain_url": "https://www.microsoft.com/power-platform/products/power-bi",
        "keywords": ["powerbi", "fabric", "push dataset", "open mirroring", "reports"],
        "settings_group_validation": [
            ["tenant_id", "client_id", "client_secret", "workspace_id", "dataset_name"],
            ["tenant_id", "client_id", "client_certificate_path", "workspace_id", "dataset_name"],
            ["managed_identity", "workspace_id", "dataset_name"],
            ["tenant_id", "client_id", "client_secret", "destination", "landing_zone_url"],
        ],
    },
}
"""What the code does not say of a plugin."""

KINDS = {
    "string": "string",
    "integer": "integer",
    "number": "integer",  # Meltano 4.4 ends with a decimal from the environment: it is no JSON. In meltano.yml fractions work
    "boolean": "boolean",
    "array": "array",
    "object": "object",
}
CAPABILITIES = {
    "extractors": {
        "catalog",
        "discover",
        "state",
        "about",
        "stream-maps",
        "schema-flattening",
        "activate-version",
        "batch",
    }
    | {"structured-logging"},
    "loaders": {"about", "stream-maps", "activate-version", "batch", "soft-delete", "hard-delete", "schema-flattening"}
    | {"target-schema", "validate-records", "datatype-failsafe"},
}
"""What the hub's schema knows; a plugin may have more."""


def definition(plugin: Any) -> dict[str, Any]:
    """A plugin as the hub describes it."""
    facts = FACTS[plugin.name]
    schema = settings_of(plugin)
    return {
        "name": plugin.name,
        "variant": VARIANT,
        "label": facts["label"],
        "description": facts["description"],
        "namespace": plugin.name.replace("-", "_"),
        "pip_url": facts["pip_url"],
        "executable": plugin.name,
        "domain_url": facts["domain_url"],
        "maintenance_status": "beta",
        "keywords": facts["keywords"],
        "capabilities": sorted({one.value for one in plugin.capabilities} & CAPABILITIES[folder_of(plugin)]),
        "settings_group_validation": facts["settings_group_validation"],
        "settings": [setting(name, said) for name, said in schema["properties"].items()],
    }


def folder_of(plugin: Any) -> str:
    """The kind of plugin, as Meltano calls it."""
    return "extractors" if plugin.name.startswith("tap-") else "loaders"


def settings_of(plugin: Any) -> dict[str, Any]:
    """The JSON Schema of a plugin's settings, the SDK's own among them."""
    schema: dict[str, Any] = plugin.config_jsonschema
    plugin.append_builtin_config(schema)
    return schema


def is_secret(said: Mapping[str, Any]) -> bool:
    """Whether a setting, or a part of it, is a secret."""
    return bool(said.get("secret")) or any(map(is_secret, said.get("properties", {}).values()))


def setting(name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """One setting as the hub describes it.

    An object is one setting: of settings named ``object.part`` Meltano makes an object full of nulls where none of them is set.
    """
    kinds = said.get("type", [])
    kind = next((kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"), "string")
    options = [value for value in said.get("enum", ()) if value is not None]
    facts = {
        "name": name,
        "label": said.get("title") or name.replace("_", " ").capitalize(),
        "kind": "date_iso8601" if said.get("format") == "date-time" else "options" if options else KINDS[kind],
        "sensitive": is_secret(said) or None,
        "value": said.get("default"),
        "options": [{"label": str(value), "value": value} for value in options] or None,
        "description": re.sub(r"\s+", " ", said.get("description", "")).strip(),
    }
    return {name: value for name, value in facts.items() if value is not None}


def pages() -> dict[Path, str]:
    """What the folder holds, by path."""
    return {
        FOLDER / f"{plugin.name}.yml": "# Generated by hub/generate.py. Change the code, not this file.\n"
        + yaml.safe_dump(definition(plugin), sort_keys=False, allow_unicode=True, width=120)
        for plugin in PLUGINS
    }


def main() -> int:
    """Write the definitions, or with ``--check`` compare them."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            sys.stderr.write(f"{path.name} is not what hub/generate.py writes. Run it and commit.\n")
        return 1 if stale else 0
    for path, text in pages().items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
