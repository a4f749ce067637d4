"""The Looker server: login, versions, the caller, connections and datagroups of API 4.0.

Facts: the OpenAPI description of Looker's API 4.0 and its ``login`` text (credentials in the form body; those in the
query are about to end and are not taken here); tokens live an hour and are sent as ``token x`` or ``Bearer x``.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from ifs_bi_sandbox.looker.instance import WRITABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from ifs_bi_sandbox.world import World

EXPIRES_IN = 3600  # seconds; what Looker hands out
DOCUMENTATION = "https://cloud.google.com/looker/docs/"


@dataclass(frozen=True)
class Call:
    """One request to one world."""

    request: Request
    world: World


async def login(call: Call) -> Response:
    """A token for the credentials of the form; others are not found."""
    form = parse_qs((await call.request.body()).decode())
    known = call.world.switches.looker_client_id, call.world.switches.looker_client_secret
    if (form.get("client_id", [""])[0], form.get("client_secret", [""])[0]) != known:
        return not_found()
    token = secrets.token_urlsafe(24)
    call.world.looker_tokens[token] = call.world.now() + EXPIRES_IN
    return JSONResponse(
        {"access_token": token, "token_type": "Bearer", "expires_in": EXPIRES_IN, "refresh_token": None}
    )


async def versions(call: Call) -> Response:
    """Release and API versions; the one call beside the login that needs no token."""
    origin = str(call.request.base_url).rstrip("/")
    version = {"version": "4.0", "full_version": "4.0.26.12", "status": "current", "swagger_url": f"{origin}/api/4.0"}
    return JSONResponse(
        {
            "looker_release_version": "26.12.3",
            "current_version": version,
            "supported_versions": [version],
            "api_server_url": origin,
            "web_server_url": origin,
        }
    )


async def me(call: Call) -> Response:
    """The user that the API key belongs to."""
    key = {"client_id": call.world.switches.looker_client_id, "is_disabled": False, "type": "api3"}
    user = {
        "id": "1",
        "display_name": "IFS BI loader",
        "is_disabled": False,
        "role_ids": ["2"],
        "credentials_api3": [key],
    }
    return JSONResponse(user)


async def connection(call: Call) -> Response:
    """One database connection."""
    found = call.world.looker.connections.get(call.request.path_params["name"])
    return JSONResponse(found.document()) if found else not_found()


async def test_connection(call: Call) -> Response:
    """The results of the connection's tests, or of those that ``tests`` names, separated by commas."""
    found = call.world.looker.connections.get(call.request.path_params["name"])
    if not found:
        return not_found()
    tests = tuple(test for test in call.request.query_params.get("tests", "").split(",") if test)
    try:
        return JSONResponse(found.try_out(tests))
    except KeyError as unknown:
        return invalid("tests", f"{unknown.args[0]} is not a test of this dialect")


async def datagroups(call: Call) -> Response:
    """All datagroups."""
    return JSONResponse([datagroup.document() for datagroup in call.world.looker.datagroups.values()])


async def update_datagroup(call: Call) -> Response:
    """``stale_before`` resets a datagroup's cache, ``triggered_at`` triggers it."""
    found = call.world.looker.datagroups.get(call.request.path_params["id"])
    if not found:
        return not_found()
    values = _json_object(await call.request.body())
    if values is None:
        return JSONResponse({"message": "Bad Request", "documentation_url": DOCUMENTATION}, 400)
    for name, value in values.items():
        if reason := refused(name, value, call.world.now()):
            return invalid(name, reason)
    for name, value in values.items():
        setattr(found, name, value)
    return JSONResponse(found.document())


API = "/api/4.0"
OPERATIONS: tuple[tuple[str, str, Callable[[Call], Awaitable[Response]]], ...] = (
    ("POST", "/login", login),
    ("GET", "/versions", versions),
    ("GET", "/user", me),
    ("GET", "/connections/{name}", connection),
    ("PUT", "/connections/{name}/test", test_connection),
    ("GET", "/datagroups", datagroups),
    ("PATCH", "/datagroups/{id}", update_datagroup),
)
WITHOUT_TOKEN = (login, versions)


def looker_app(world: World) -> Starlette:
    """The Looker server of one world."""

    def guarded(operation: Callable[[Call], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            signed_in = scheme.lower() in {"token", "bearer"} and world.looker_tokens.get(token, 0) > world.now()
            if signed_in or operation in WITHOUT_TOKEN:
                return await operation(Call(request, world))
            return JSONResponse({"message": "Requires authentication.", "documentation_url": DOCUMENTATION}, 401)

        return answer

    return Starlette(routes=[Route(API + path, guarded(do), methods=[method]) for method, path, do in OPERATIONS])


def refused(name: str, value: object, now: float) -> str | None:
    """Why a datagroup's member can't be set to a value; None when it can."""
    if name not in WRITABLE:
        return "is read-only"
    if type(value) is not int:
        return "must be a whole number of seconds"
    return "cannot be in the future" if value > now else None


def not_found() -> Response:
    """What Looker says of a wrong secret, too: whether the name exists is not told."""
    return JSONResponse({"message": "Not found", "documentation_url": DOCUMENTATION}, 404)


def invalid(field: str, message: str) -> Response:
    """A ``ValidationError`` with one detail."""
    detail = {"field": field, "code": "invalid", "message": message, "documentation_url": DOCUMENTATION}
    body = {"message": "Validation Failed", "errors": [detail], "documentation_url": DOCUMENTATION}
    return JSONResponse(body, 422)


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
