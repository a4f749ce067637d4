"""A plugin's settings for an `ifs-bi` verb: read, resolved and checked as the plugin itself does, without starting it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from singer_sdk.plugin_base import JSONSchemaValidator, _format_validation_error

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import redact_logs
from ifs_bi_core.settings import complaint, register_secrets, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ifs_bi_core.singer.plugin import Plugin

ENVIRONMENT = "ENV"
"""Stands for the plugin's environment variables where a configuration file could stand."""


def settings_of(plugin: type[Plugin], sources: Sequence[str] = (ENVIRONMENT,)) -> Mapping[str, Any]:
    """The settings that the plugin would run with, defaults filled in.

    Args:
        plugin: the tap or target.
        sources: what its ``--config`` takes: JSON files, of which a later one wins, and ``ENV`` for its environment variables,
            which win over all.

    Raises:
        ConfigError: a file can't be read, a reference leads nowhere, or the settings are not those of the plugin.
    """
    given = plugin.cb_config(click.Context(click.Command(plugin.name)), click.Option(["--config"]), tuple(sources))
    from_environment = plugin._from_environment() if given.parse_env else {}  # noqa: SLF001 - this is the plugin's own way of starting
    settings = resolve(given.config | from_environment)
    schema = plugin.config_jsonschema
    plugin.append_builtin_config(schema)
    register_secrets(settings, schema)
    redact_logs()
    wrong = [_format_validation_error(error) for error in JSONSchemaValidator(schema).iter_errors(settings)]
    if not wrong:
        return settings
    hint = ""
    if not given.config and not from_environment:
        prefix = plugin.name.upper().replace("-", "_")
        hint = f" Give the plugin's settings with --config FILE, or set environment variables {prefix}_…"
    raise ConfigError(complaint(plugin.name, wrong, settings) + hint)
