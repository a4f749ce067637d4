"""Settings as people write them: references to secrets are resolved, addresses are checked.

A string ``env:NAME`` anywhere in a configuration stands for the environment variable ``NAME``, so that the file which
Meltano writes beside a running plugin (mode 0644) holds no secret.
"""

from __future__ import annotations

import ipaddress
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENV = "env:"
_VAULT = "vault:"


def resolve(config: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The configuration with every reference replaced by what it stands for, at any depth.

    Raises:
        ConfigError: a variable is not set, or a reference names the vault, which this version does not have.
    """
    return {name: _resolved(name, value, environ) for name, value in config.items()}


def _resolved(where: str, value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _resolved(f"{where}.{name}", inner, environ) for name, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(f"{where}[{i}]", inner, environ) for i, inner in enumerate(value)]
    if not isinstance(value, str):
        return value
    if value.startswith(_VAULT):
        raise ConfigError(
            f"Setting '{where}' refers to the vault ({value}), which this version does not have. "
            f"Put the value into an environment variable and write env:NAME instead."
        )
    if value.startswith(_ENV):
        name = value.removeprefix(_ENV)
        if not environ.get(name):
            raise ConfigError(
                f"Setting '{where}' refers to the environment variable {name}, which is not set. "
                f"Set it, for example in the .env file beside meltano.yml, then run again."
            )
        REDACTOR.register(environ[name])
        return environ[name]
    return value


def register_secrets(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Tell the redactor the values of all settings that the plugin's settings schema marks as secret."""
    for name, definition in schema.get("properties", {}).items():
        if definition.get("secret") and isinstance(config.get(name), str):
            REDACTOR.register(config[name])


def origin(setting: str, address: str) -> str:
    """A service's address without a trailing slash: https, or http for a loopback address alone.

    Raises:
        ConfigError: it is no such address, or it carries a user name, a query or a fragment.
    """
    try:
        parts = urlsplit(address.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"}:
        raise ConfigError(f"Setting '{setting}' is {address!r}, which is no address. Write it as https://host[:port].")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"Setting '{setting}' must be a plain address: https://host[:port], without user name, query or fragment."
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigError(
            f"Setting '{setting}' is {address!r}: http is allowed for loopback addresses alone, because the token and the "
            f"data would travel unprotected. Write https://{host}."
        )
    return address.strip().rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
