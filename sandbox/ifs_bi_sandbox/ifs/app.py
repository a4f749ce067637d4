"""The IFS Cloud stand-in as a Starlette application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from ifs_bi_sandbox.ifs.catalogue import Catalogue
from ifs_bi_sandbox.ifs.errors import OdpError
from ifs_bi_sandbox.ifs.exchange import Call
from ifs_bi_sandbox.ifs.limits import RequestLimit
from ifs_bi_sandbox.ifs.provider import Provider
from ifs_bi_sandbox.ifs.store import Store
from ifs_bi_sandbox.ifs.token import discovery_endpoint, is_alive, token_endpoint
from ifs_bi_sandbox.ifs.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from ifs_bi_sandbox.data.model import Projection
    from ifs_bi_sandbox.ifs.writer import Clock
    from ifs_bi_sandbox.world import World

_METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE"]


def ifs_app(
    world: World,
    projections: tuple[Projection, ...],
    *,
    modified: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Starlette:
    """The application: token service, catalogue of projections, and every projection on its endpoints.

    Args:
        world: Database, switches and time; a switch works from the next request on.
        projections: The facts to serve.
        modified: By table, the column that a write moves, beside the row version.
        clock: Gives the instant of a write within its transaction; None: the second after the table's last change.

    Raises:
        ValueError: Facts that don't fit together.
    """
    catalogue = Catalogue(projections)
    store = Store(world.database, catalogue.listing())
    realm = "/auth/realms/{realm}"
    app = Starlette(
        routes=[
            Route(f"{realm}/protocol/openid-connect/token", token_endpoint, methods=["POST"]),
            Route(f"{realm}/.well-known/openid-configuration", discovery_endpoint),
            Route("/{endpoint}/ifsapplications/{kind}/v1/{path:path}", _odata_endpoint, methods=_METHODS),
        ],
    )
    app.state.world = world
    app.state.provider = Provider(catalogue, store, Writer(modified or {}, clock), world)
    app.state.limit = RequestLimit()
    return app


async def _odata_endpoint(request: Request) -> Response:
    """Let a request with a live token through to the provider, in a thread of its own."""
    world: World = request.app.state.world
    switches = world.switches
    if not is_alive(world, request.headers.get("authorization", "")):
        # What the body of IFS's 401 looks like is not public, so there is none.
        challenge = f'Bearer realm="{switches.realm}", error="invalid_token"'
        return Response(status_code=401, headers={"WWW-Authenticate": challenge})
    if not request.app.state.limit.admits(world.now(), switches.requests_per_minute):
        wait = {} if switches.retry_after is None else {"Retry-After": str(switches.retry_after)}
        return _error(OdpError("ODP_TOO_MANY_REQUESTS"), wait)
    try:
        answer = await run_in_threadpool(request.app.state.provider.answer, await _call(request))
    except OdpError as error:
        return _error(error)
    return Response(answer.body, answer.status, answer.headers)


def _error(error: OdpError, headers: Mapping[str, str] | None = None) -> Response:
    return Response(error.body(), error.status, {"Content-Type": "application/json", **(headers or {})})


async def _call(request: Request) -> Call:
    """The request as the provider reads it, with path and query as they came."""
    endpoint, kind = request.path_params["endpoint"], request.path_params["kind"]
    raw_path = request.scope["raw_path"].decode("ascii", errors="replace")
    return Call(
        method=request.method,
        place=(endpoint, kind),
        root=f"{request.base_url}{endpoint}/ifsapplications/{kind}/v1/",
        path=raw_path.partition("/v1/")[2],
        query=request.scope["query_string"].decode("ascii", errors="replace"),
        headers=request.headers,
        body=await request.body(),
    )
