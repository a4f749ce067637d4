"""Settings as people write them: references to secrets are resolved, addresses are checked.

A string ``env:NAME`` anywhere in a configuration stands for the environment variable ``NAME``, and ``vault:NAME`` for the
secret ``NAME`` of the vault (`ifs_bi_core.vault`), so that the file which Meltano writes beside a running plugin (mode
0644) holds no secret. A variable may hold ``vault:NAME`` in turn, so that Meltano's ``.env`` holds none either.

What a reference stands for is a secret from then on, unless a variable holds the mere address of a web service: messages name it,
and where an address is a secret after all (a webhook's), its reader says so.
"""

from __future__ import annotations

import ipaddress
import os
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ifs_bi_core.vault.store import Contents

_ENV = "env:"
_VAULT = "vault:"
_MOST_DIGITS = 20  # of a whole number that a setting may be
_SHORT, _MARKS = 24, set("@:/=")  # longer texts, and those with one of these, may be addresses or secrets
_SAID = 1_000  # characters of what is wrong: the first of many mistakes are enough


def resolve(config: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The configuration with every reference replaced by what it stands for, at any depth; a setting that is null is left out.

    The vault is that of the setting ``state_dir``, or the file that the environment variable ``IFS_BI_VAULT`` names. It is read
    once, and only where a reference names it. What comes out of it is final, even where it looks like a reference.

    Raises:
        ConfigError: a variable is not set, the vault does not hold a name, or it can't be opened.
    """
    references = _References(environ, config.get("state_dir"))
    return {name: references.resolved(name, value) for name, value in config.items() if value is not None}


def complaint(plugin: str, wrong: Iterable[str], settings: Mapping[str, Any]) -> str:
    """The sentence about settings that are not those of a plugin, without values that nobody should read in a log.

    A secret that stands under the wrong name is not known for one, so what may be an address or a secret is left out.

    Args:
        plugin: its name.
        wrong: what is wrong, as JSON Schema words it: with values, as Python writes them.
        settings: as they were given.
    """
    said = "; ".join(wrong)
    for text in sorted(_texts(settings), key=len, reverse=True):
        if len(text) > _SHORT or not text.isascii() or _MARKS & set(text):
            said = said.replace(repr(text), "what it holds")
            said = said.replace(text, "what it holds") if len(text) > _SHORT // 2 else said
    return f"{plugin} is configured wrongly: {said[:_SAID]}{'…' if len(said) > _SAID else ''}."


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


class _References:
    """What references stand for in one environment and one vault."""

    def __init__(self, environ: Mapping[str, str], state_dir: Any) -> None:
        self._environ = environ
        self._state_dir = state_dir

    def resolved(self, where: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self.resolved(f"{where}.{name}", inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.resolved(f"{where}[{i}]", inner) for i, inner in enumerate(value)]
        if isinstance(value, Decimal):
            return _number(value)
        if not isinstance(value, str):
            return value
        if not _is_text(value):
            raise ConfigError(
                f"Setting '{where}' holds a NUL character or half of a surrogate pair, which no name, path or address has. Write "
                f"it anew, then run again."
            )
        said = self._variable(where, value.removeprefix(_ENV)) if value.startswith(_ENV) else value
        if said.startswith(_VAULT):
            return self._secret(where, said.removeprefix(_VAULT))
        if said is not value and not _is_plain_address(said):
            REDACTOR.register(said)
        return said

    def _variable(self, where: str, name: str) -> str:
        value = self._environ.get(name)
        if not value:
            raise ConfigError(
                f"Setting '{where}' refers to the environment variable {name}, which is not set. "
                f"Set it, for example in the .env file beside meltano.yml, then run again."
            )
        return value

    def _secret(self, where: str, name: str) -> str:
        try:
            return self._vault.secret(name)
        except ConfigError as error:
            raise ConfigError(f"Setting '{where}' refers to the vault ({_VAULT}{name}). {error}") from None

    @cached_property
    def _vault(self) -> Contents:
        # Here and not above: who has no vault needn't wait for cryptography to load.
        from ifs_bi_core.vault.store import Vault  # noqa: PLC0415 - the reason is the line above

        folder = self._state_dir
        if isinstance(folder, str) and folder.startswith(_ENV):
            folder = self._variable("state_dir", folder.removeprefix(_ENV))
        return Vault.within(folder, self._environ).read()


def _number(said: Decimal) -> int | float:
    """A number of a configuration file, whose reader brings those with a point or an exponent as decimals."""
    whole = said.is_finite() and said.adjusted() < _MOST_DIGITS and said == said.to_integral_value()
    return int(said) if whole else float(said)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


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


def _is_plain_address(text: str) -> bool:
    """Whether it is a web address without user, password, query and fragment, in which a secret may stand."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not {"@", "?", "#"} & set(text)


def is_loopback(host: str) -> bool:
    """Whether ``host`` names this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
