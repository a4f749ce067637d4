"""The token service: Keycloak's endpoint for the client-credentials flow, and which bearer tokens are alive.

Shapes follow IFS's documentation of the client credential flow and Keycloak's own answers. Only ``client_credentials`` is
granted; the ``refresh_token`` in the answer is there because the real one is, and no grant redeems it here.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote_plus

import orjson
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.requests import Request

    from ifs_bi_sandbox.world import World

REFRESH_EXPIRES_IN: Final = 1800  # seconds; IFS's documented sample
# Broader than what clients ask for, as observed on real tenants.
GRANTED_SCOPE: Final = "openid audience microprofile-jwt profile email"

_NO_REALM: Final = {"error": "Realm does not exist"}
_BAD_CLIENT: Final = {
    "error": "invalid_client",
    "error_description": "Invalid client or Invalid client credentials",
}
_NO_GRANT: Final = {"error": "invalid_request", "error_description": "Missing form parameter: grant_type"}
_BAD_GRANT: Final = {"error": "unsupported_grant_type", "error_description": "Unsupported grant_type"}


async def token_endpoint(request: Request) -> JSONResponse:
    """POST ``/auth/realms/{realm}/protocol/openid-connect/token``: an access token for the right client and secret."""
    world: World = request.app.state.world
    form = dict(parse_qsl((await request.body()).decode(errors="replace"), keep_blank_values=True))
    status, answer = grant(
        world,
        realm=request.path_params["realm"],
        form=form,
        authorization=request.headers.get("authorization", ""),
        issuer=f"{request.base_url}auth/realms/{request.path_params['realm']}",
    )
    return JSONResponse(answer, status, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


async def discovery_endpoint(request: Request) -> JSONResponse:
    """GET ``/auth/realms/{realm}/.well-known/openid-configuration``."""
    world: World = request.app.state.world
    realm = request.path_params["realm"]
    if realm != world.switches.realm:
        return JSONResponse(_NO_REALM, 404)
    issuer = f"{request.base_url}auth/realms/{realm}"
    connect = f"{issuer}/protocol/openid-connect"
    return JSONResponse(
        {
            "issuer": issuer,
            "authorization_endpoint": f"{connect}/auth",
            "token_endpoint": f"{connect}/token",
            "userinfo_endpoint": f"{connect}/userinfo",
            "jwks_uri": f"{connect}/certs",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "scopes_supported": GRANTED_SCOPE.split(),
        }
    )


def grant(
    world: World, *, realm: str, form: dict[str, str], authorization: str, issuer: str
) -> tuple[int, dict[str, Any]]:
    """Decide on one token request: the status and the JSON of its answer.

    Args:
        world: Holds the right realm, client and secret, and remembers the token.
        realm: The realm of the path.
        form: The decoded form body.
        authorization: The ``Authorization`` header, for ``client_secret_basic``; else empty.
        issuer: The realm's address, for the token's claims.
    """
    switches = world.switches
    if realm != switches.realm:
        return 404, _NO_REALM
    if not form.get("grant_type"):
        return 400, _NO_GRANT
    if form["grant_type"] != "client_credentials":
        return 400, _BAD_GRANT
    if _client(form, authorization) != (switches.ifs_client_id, switches.ifs_client_secret):
        return 401, _BAD_CLIENT
    claims = {"iss": issuer, "azp": switches.ifs_client_id, "exp": int(world.now()) + switches.expires_in}
    access_token = _jwt(claims | {"typ": "Bearer"})
    with world.lock:
        for token, end in list(world.ifs_tokens.items()):
            if end <= world.now():
                del world.ifs_tokens[token]
        world.ifs_tokens[access_token] = world.now() + switches.expires_in
    return 200, {
        "access_token": access_token,
        "expires_in": switches.expires_in,
        "refresh_expires_in": REFRESH_EXPIRES_IN,
        "refresh_token": _jwt(claims | {"typ": "Refresh"}),
        "token_type": "Bearer",
        "id_token": _jwt(claims | {"typ": "ID"}),
        "not-before-policy": 0,
        "session_state": secrets.token_hex(16),
        "scope": GRANTED_SCOPE,
    }


def is_alive(world: World, authorization: str) -> bool:
    """Whether an ``Authorization`` header carries a bearer token that was issued here and has not ended."""
    scheme, _, token = authorization.partition(" ")
    with world.lock:
        end = world.ifs_tokens.get(token.strip())
    return scheme.lower() == "bearer" and end is not None and world.now() < end


def _client(form: dict[str, str], authorization: str) -> tuple[str, str]:
    """The client's name and secret, from the header or from the form."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return "", ""
    return unquote_plus(name), unquote_plus(secret)  # RFC 6749 §2.3.1: both are form-encoded first


def _jwt(claims: dict[str, Any]) -> str:
    """Text in the form and about the length of a signed token; the signature is random, since nobody checks it."""
    parts = [orjson.dumps({"alg": "RS256", "typ": "JWT"}), orjson.dumps(claims | {"jti": secrets.token_hex(16)})]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in [*parts, secrets.token_bytes(256)])
