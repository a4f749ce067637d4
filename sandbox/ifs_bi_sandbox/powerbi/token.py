"""Microsoft's token service: OpenID discovery, client credentials and managed identities, as MSAL calls them.

Sources: learn.microsoft.com/entra/identity-platform (v2-oauth2-client-creds-grant-flow, reference-error-codes), what MSAL for
Python 1.39 sends, and learn.microsoft.com/azure/app-service/overview-managed-identity for the identities of a machine. MSAL
takes https addresses alone, in discovery's answer too: the addresses given there start with https although this server
speaks http; a client on the same machine turns them round.
"""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs
from uuid import uuid4

import orjson
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from ifs_bi_sandbox.powerbi.assertion import flaw

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ifs_bi_sandbox.world import World

POWER_BI_RESOURCES = (
    "https://analysis.windows.net/powerbi/api",
    "https://analysis.usgovcloudapi.net/powerbi/api",
    "https://high.analysis.usgovcloudapi.net/powerbi/api",
    "https://mil.analysis.usgovcloudapi.net/powerbi/api",
    "https://analysis.chinacloudapi.cn/powerbi/api",
)
"""Power BI in Microsoft's clouds (MicrosoftDocs/powerbi-docs ``embed-sample-for-customers-national-clouds.md``)."""

STORAGE_RESOURCE = "https://storage.azure.com"
"""Azure Storage, and OneLake with it, in all of them."""

DEFAULT_SCOPE = "/.default"  # all that the application was granted: the only scope client credentials can ask for


def login_app(world: World) -> Starlette:
    """The token service of one world: one tenant with one application."""

    async def discovery(request: Request) -> Response:
        tenant = request.path_params["tenant"]
        if tenant != world.switches.tenant_id:
            return _unknown_tenant(tenant, world.now())
        origin = _origin(request)
        return JSONResponse(
            {
                "token_endpoint": f"{origin}/{tenant}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "private_key_jwt",
                    "client_secret_basic",
                ],
                "jwks_uri": f"{origin}/{tenant}/discovery/v2.0/keys",
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": f"{origin}/{tenant}/v2.0",
                "authorization_endpoint": f"{origin}/{tenant}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{origin}/{tenant}/oauth2/v2.0/devicecode",
                "end_session_endpoint": f"{origin}/{tenant}/oauth2/v2.0/logout",
                "tenant_region_scope": "EU",
                "cloud_instance_name": "microsoftonline.com",
            }
        )

    async def token(request: Request) -> Response:
        tenant = request.path_params["tenant"]
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        if refusal := _refusal(world, tenant, form, _origin(request)):
            return refusal
        issued, expires_in = _issued(world, form["scope"].removesuffix(DEFAULT_SCOPE), tenant, form["client_id"])
        return JSONResponse(
            {"token_type": "Bearer", "expires_in": expires_in, "ext_expires_in": expires_in, "access_token": issued}
        )

    async def identity(request: Request) -> Response:
        asked = request.query_params
        if request.headers.get("x-identity-header") != world.switches.powerbi_identity_header:
            return _identity_refusal(401, "The identity header is not the one that this machine was given.")
        named = asked.get("client_id")
        if named is not None and named not in world.switches.powerbi_identities:
            told = "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."
            return _identity_refusal(400, told)
        resource = asked.get("resource", "")
        if resource not in (*POWER_BI_RESOURCES, STORAGE_RESOURCE):
            return _identity_refusal(500, f"The resource principal named {resource} was not found.")
        issued, expires_in = _issued(world, resource, world.switches.tenant_id, named or "system")
        return JSONResponse(
            {
                "access_token": issued,
                "expires_on": str(int(world.now()) + expires_in),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    return Starlette(
        routes=[
            Route("/msi/token", identity, methods=["GET"]),
            Route("/{tenant}/v2.0/.well-known/openid-configuration", discovery, methods=["GET"]),
            Route("/{tenant}/oauth2/v2.0/token", token, methods=["POST"]),
        ]
    )


def _origin(request: Request) -> str:
    """The address that discovery gives as this service's own."""
    return f"https://{request.headers['host']}"


def _issued(world: World, resource: str, tenant: str, app: str) -> tuple[str, int]:
    """A new token that the API takes, and how many seconds it lives."""
    expires_in = world.switches.powerbi_expires_in
    token = _jwt(resource, tenant, app, world.now(), expires_in)
    world.powerbi_tokens[token] = world.now() + expires_in
    return token, expires_in


def _identity_refusal(status: int, told: str) -> Response:
    return JSONResponse({"statusCode": status, "message": told, "correlationId": str(uuid4())}, status)


def _refusal(world: World, tenant: str, form: dict[str, str], origin: str) -> Response | None:
    """The first thing wrong with a token request, in the order in which the service looks."""
    switches, now = world.switches, world.now()
    app, scope = form.get("client_id", ""), form.get("scope", "")
    if tenant != switches.tenant_id:
        return _unknown_tenant(tenant, now)
    if form.get("grant_type") != "client_credentials":
        grant = form.get("grant_type", "")
        return _aadsts(
            70003, 400, "unsupported_grant_type", f"The app requested an unsupported grant type '{grant}'.", now
        )
    if app != switches.powerbi_client_id:
        told = f"Application with identifier '{app}' was not found in the directory '{tenant}'."
        return _aadsts(700016, 400, "unauthorized_client", told, now)
    if refusal := _credential_refusal(world, tenant, form, origin):
        return refusal
    if not scope.endswith(DEFAULT_SCOPE):
        told = (
            f"The provided value for scope {scope} is not valid. Client credential flows must have a scope value with "
            "/.default suffixed to the resource identifier (application ID URI)."
        )
        return _aadsts(1002012, 400, "invalid_scope", told, now)
    if (resource := scope.removesuffix(DEFAULT_SCOPE)) not in (*POWER_BI_RESOURCES, STORAGE_RESOURCE):
        told = f"The resource principal named {resource} was not found in the tenant named {tenant}."
        return _aadsts(500011, 400, "invalid_resource", told, now)
    return None


def _credential_refusal(world: World, tenant: str, form: dict[str, str], origin: str) -> Response | None:
    """What is wrong with the secret, or with the signature that stands for a certificate."""
    switches, now, app = world.switches, world.now(), form["client_id"]
    if "client_assertion" in form:
        endpoints = (f"{origin}/{tenant}/oauth2/v2.0/token", f"{origin}/{tenant}/v2.0")
        wrong = flaw(form, switches.powerbi_certificate, app, endpoints, now)
        return None if wrong is None else _aadsts(wrong[0], 401, "invalid_client", wrong[1], now)
    if "client_secret" not in form:
        told = "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."
        return _aadsts(7000216, 401, "invalid_client", told, now)
    if form["client_secret"] != switches.powerbi_client_secret:
        told = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            f"not the client secret ID, for a secret added to app '{app}'."
        )
        return _aadsts(7000215, 401, "invalid_client", told, now)
    return None


def _unknown_tenant(tenant: str, now: float) -> Response:
    told = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
    return _aadsts(90002, 400, "invalid_tenant", told, now)


def _aadsts(number: int, status: int, error: str, told: str, now: float) -> Response:
    """An error as the token service words it: its number in the text and in ``error_codes``, and what support asks for."""
    trace, correlation, time = str(uuid4()), str(uuid4()), f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%SZ}"
    body: dict[str, Any] = {
        "error": error,
        "error_description": f"AADSTS{number}: {told} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}",
        "error_codes": [number],
        "timestamp": time,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={number}",
    }
    return JSONResponse(body, status)


def _jwt(resource: str, tenant: str, app: str, now: float, expires_in: int) -> str:
    """Three dotted parts like the real thing; nobody has to verify the last one."""
    claims = {"aud": resource, "tid": tenant, "appid": app, "iat": int(now), "exp": int(now) + expires_in}
    parts = (orjson.dumps(part) for part in ({"typ": "JWT", "alg": "RS256"}, claims))
    encoded = [base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, secrets.token_urlsafe(32)])
