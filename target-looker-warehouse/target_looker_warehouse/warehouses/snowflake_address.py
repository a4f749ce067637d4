"""What an address of Snowflake says, as the parameters of the vendor's connector. Opens nothing.

``snowflake://user:password@account/database?warehouse=…&role=…&schema=…``. The ways to sign in are rows of one table; each secret
may be a reference (``env:NAME``, ``vault:NAME``), so that the address holds none.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.settings import is_loopback, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLE = "snowflake://user:password@account/database?warehouse=LOADING"
_SCHEME = "snowflake://"
_PASSWORD, _KEY_PAIR = "snowflake", "snowflake_jwt"
_WAYS = {
    _PASSWORD: ("user", "password"),
    _KEY_PAIR: ("user", "private_key_path"),
    "oauth": ("token",),
    "oauth_client_credentials": ("oauth_client_id", "oauth_client_secret", "oauth_token_request_url"),
    "programmatic_access_token": ("user", "token"),
}
"""What each ``authenticator`` needs. Those that ask a person at a browser or a telephone are none for a schedule."""
_SECRETS = ("password", "private_key_passphrase", "token", "oauth_client_secret")
_NUMBERS = ("port", "login_timeout", "network_timeout")
_PLAIN = (
    "authenticator",
    "host",
    "oauth_client_id",
    "oauth_scope",
    "oauth_token_request_url",
    "private_key_path",
    "protocol",
    "role",
    "schema",
    "warehouse",
)
_KNOWN = frozenset({*_SECRETS, *_NUMBERS, *_PLAIN})
_CONNECTOR_NAMES = {"private_key_path": "private_key_file", "private_key_passphrase": "private_key_file_pwd"}


def parameters(warehouse_url: str) -> dict[str, Any]:
    """What the address says, by the connector's names (docs.snowflake.com/en/developer-guide/python-connector).

    Raises:
        ConfigError: it is malformed, lacks what its way to sign in needs, or names a key that isn't there.
    """
    found = resolve(_parts(warehouse_url))
    for name in _SECRETS:
        REDACTOR.register(found.get(name))
    way = found.setdefault("authenticator", _KEY_PAIR if "private_key_path" in found else _PASSWORD).lower()
    if way not in _WAYS:
        raise _wrong(f"has the authenticator {way!r}. Those that need no person are {', '.join(_WAYS)}.")
    if missing := [name for name in _WAYS[way] if not found.get(name)]:
        raise _wrong(f"signs in by the authenticator {way!r} and lacks {' and '.join(missing)}.")
    key = found.get("private_key_path")
    if key and not Path(key).expanduser().is_file():
        raise _wrong(f"names the private key {key}, and there is no such file.")
    protocol, host = found.get("protocol", "https"), found.get("host", "")
    if protocol != "https" and not (protocol == "http" and is_loopback(host)):
        raise _wrong(
            "has a protocol that isn't https. Loopback addresses alone may have http: rows would travel unprotected."
        )
    for name in _NUMBERS:
        if name in found and not found[name].isdecimal():
            raise _wrong(f"has a {name} that is no number.")
    numbers = {name: int(found[name]) for name in _NUMBERS if name in found}
    return {_CONNECTOR_NAMES.get(name, name): value for name, value in (found | numbers).items()}


def destination(found: Mapping[str, Any]) -> str:
    """The database without user and secrets: the same text for the same place in every run."""
    return f"{_SCHEME}{found['account']}/{found['database']}"


def _parts(warehouse_url: str) -> dict[str, str]:
    """The parts of the address, by the names that users know."""
    address, _, query = warehouse_url.removeprefix(_SCHEME).partition("?")
    credentials, _, place = address.rpartition("@")
    user, _, password = credentials.partition(":")
    host, *path = place.split("/")
    account = host.removesuffix(".snowflakecomputing.com")
    REDACTOR.register(unquote(password))
    if "@" in credentials:  # which of them ends the password is a guess
        raise _wrong("has more than one '@'. Write those of the user and the password as %40.")
    if not account or len(path) != 1 or not path[0]:
        raise _wrong("doesn't name one account and one database.")
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
    except ValueError:
        raise _wrong("has a query that isn't made of name=value, joined by '&'.") from None
    if unknown := sorted(options.keys() - _KNOWN):
        raise _wrong(f"has {', '.join(unknown)} in its query; known are {', '.join(sorted(_KNOWN))}.")
    said = {"user": unquote(user), "password": unquote(password), "account": account, "database": unquote(path[0])}
    return {name: value for name, value in (said | options).items() if value}


def _wrong(what: str) -> ConfigError:
    return ConfigError(f"Setting 'warehouse_url' is an address of Snowflake and {what} Write it like {EXAMPLE}.")
