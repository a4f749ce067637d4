"""The access token of IFS Cloud's Keycloak, by client credentials.

Request and answer as in IFS's documentation ("Client Credentials Flow", docs.ifs.com): the sample token lives 180 seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import msgspec
from ifs_bi_core.errors import AuthError, ConfigError, UnavailableError
from ifs_bi_core.http.message import UNREADABLE, Request
from ifs_bi_core.http.tokens import Token
from ifs_bi_core.redaction import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_core.http.message import Response, Send

_SHORTEST_LIFETIME = 1.0
_SHOWN = 300  # characters of the service's reason that an error repeats
_TOKEN = re.compile(r"^[!-~]+\Z")  # RFC 6750 has fewer characters yet; these are what a header can carry as one word
_SERVER_ERROR = 500
_TOO_MANY = 429


@dataclass(frozen=True)
class Client:
    """The IAM client of an IFS Cloud system that stands for this connector."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str


def keycloak_token_url(base_url: str, realm: str) -> str:
    """Where a system's realm (its namespace) gives tokens."""
    return f"{base_url}/auth/realms/{quote(realm, safe='')}/protocol/openid-connect/token"


def token_fetcher(client: Client, send: Send) -> Callable[[], Token]:
    """A function that asks for a token.

    It raises `ConfigError` where the client, its secret or the realm is wrong, `AuthError` where the answer is no token or the
    client is refused that had got one before, and `UnavailableError` where the service can't say.
    """
    was_accepted = False

    def fetch() -> Token:
        nonlocal was_accepted
        form = {
            "grant_type": "client_credentials",
            "client_id": client.client_id,
            "client_secret": client.client_secret,
        }
        if client.scope:
            form["scope"] = client.scope
        response = send(
            Request(
                "POST",
                client.token_url,
                headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
                body=urlencode(form).encode(),
                safe_twice=True,  # a second token does no harm
                operation="sign-in to IFS Cloud",
            )
        )
        if not response.ok:
            refusal = _refusal(response, client)
            is_new = was_accepted and isinstance(refusal, ConfigError)  # rows may have been sent since
            raise AuthError(str(refusal)) if is_new else refusal
        try:
            answer = msgspec.json.decode(response.body)
            (said,) = _TOKEN.findall(answer["access_token"])
            token = Token(said, max(_SHORTEST_LIFETIME, float(answer.get("expires_in", 60))))
        except (*UNREADABLE, KeyError, TypeError, AttributeError, ValueError):
            raise AuthError(
                f"Sign-in to IFS Cloud: {client.token_url} answered {response.status} without an access token. "
                f"Check base_url and realm, or token_url."
            ) from None
        was_accepted = True
        return token

    return fetch


def _refusal(response: Response, client: Client) -> ConfigError | UnavailableError:
    if response.status >= _SERVER_ERROR or response.status == _TOO_MANY:
        return UnavailableError(
            f"Sign-in to IFS Cloud: {client.token_url} answered {response.status}. Run again when the service is well."
        )
    try:
        answer = msgspec.json.decode(response.body)
        reason = shown(
            " ".join(str(answer[name]) for name in ("error", "error_description") if answer.get(name)), _SHOWN
        )
    except (*UNREADABLE, AttributeError, TypeError):
        reason = ""
    return ConfigError(
        f"Sign-in to IFS Cloud: {client.token_url} answered {response.status}{f' ({reason})' if reason else ''}. "
        f"Check base_url and realm (or token_url), client_id and client_secret; the IAM client must exist in this realm, "
        f"not be public, and have service accounts switched on."
    )
