"""The Looker server: what API 4.0 has for a caller after a load, from the login to a report that is sent.

Facts: the OpenAPI description of Looker's API 4.0 and its ``login`` text (credentials in the form body; those in the
query are about to end and are not taken here); tokens live an hour and are sent as ``token x`` or ``Bearer x``. Which quota
a call counts against is the specification's ``x-looker-activity-type``. Unknown of the real service, and assumed here: what a
query of SQL Runner that the database refuses looks like (200, and one row with ``looker_error``).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ifs_bi_sandbox.looker import instance
from ifs_bi_sandbox.looker.instance import WRITABLE
from ifs_bi_sandbox.looker.warehouse import WarehouseError, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from ifs_bi_sandbox.world import World

EXPIRES_IN = 3600  # seconds; what Looker hands out
DOCUMENTATION = "https://cloud.google.com/looker/docs/"


@dataclass(frozen=True)
class Call:
    """One request to one world."""

    request: Request
    world: World

    @property
    def looker(self) -> instance.Instance:
        """What the installation holds."""
        return self.world.looker

    def named(self, parameter: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[parameter])

    async def json_object(self) -> dict[str, Any] | None:
        """The body; None where it is no JSON object."""
        try:
            value = orjson.loads(await self.request.body())
        except orjson.JSONDecodeError:
            return None
        return value if isinstance(value, dict) else None


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
    found = call.looker.connections.get(call.named("name"))
    return JSONResponse(found.document()) if found else not_found()


async def test_connection(call: Call) -> Response:
    """The results of the connection's tests, or of those that ``tests`` names, separated by commas; unknown ones are ignored."""
    found = call.looker.connections.get(call.named("name"))
    if not found:
        return not_found()
    asked = {test for test in call.request.query_params.get("tests", "").split(",") if test}
    trouble = await run_in_threadpool(_trouble, call.world)
    failing = call.world.switches.looker_failing_tests
    return JSONResponse(
        [
            {"name": test, "status": "error", "message": trouble or f"Cannot {test}"}
            if trouble or test in failing
            else {"name": test, "status": "success", "message": f"Can {test}"}
            for test in found.tests
            if test in asked or not asked
        ]
    )


async def datagroups(call: Call) -> Response:
    """All datagroups."""
    return JSONResponse([datagroup.document() for datagroup in call.looker.datagroups.values()])


async def datagroup(call: Call) -> Response:
    """One datagroup."""
    found = call.looker.datagroups.get(call.named("id"))
    return JSONResponse(found.document()) if found else not_found()


async def update_datagroup(call: Call) -> Response:
    """``stale_before`` resets a datagroup's cache, ``triggered_at`` triggers it."""
    found = call.looker.datagroups.get(call.named("id"))
    if not found:
        return not_found()
    values = await call.json_object()
    if values is None:
        return bad_request()
    for name, value in values.items():
        if reason := refused(name, value, call.world.now()):
            return invalid(name, reason)
    for name, value in values.items():
        setattr(found, name, value)
    return JSONResponse(found.document())


async def create_sql_query(call: Call) -> Response:
    """A query for SQL Runner."""
    values = await call.json_object()
    if values is None:
        return bad_request()
    found = call.looker.connections.get(values.get("connection_name") or "")
    if found is None or not values.get("sql"):
        return invalid("connection_name" if found is None else "sql", "is missing or unknown")
    return JSONResponse(call.looker.new_query(found, values["sql"]).document())


async def run_sql_query(call: Call) -> Response:
    """The rows of such a query, asked of the warehouse itself; as JSON alone."""
    query = call.looker.queries.get(call.named("slug"))
    if query is None or call.named("format") != "json":
        return not_found()
    query.run_count += 1
    try:
        rows = await run_in_threadpool(run, call.world.switches.looker_warehouse, query.sql)
    except WarehouseError as error:
        rows = [{"looker_error": str(error)}]
    return Response(orjson.dumps(rows, default=_number), media_type="application/json")


async def start_pdt_build(call: Call) -> Response:
    """Build a persistent derived table; asked twice, it is built twice."""
    wanted = call.named("model"), call.named("view")
    if wanted not in call.looker.derived_tables:
        return not_found()
    return JSONResponse(call.looker.new_build(*wanted).document("Enqueued"))


async def check_pdt_build(call: Call) -> Response:
    """How a building goes: here it is done at once."""
    found = call.looker.builds.get(call.named("id"))
    return JSONResponse(found.document("Complete")) if found else not_found()


async def scheduled_plan(call: Call) -> Response:
    """A plan."""
    found = call.looker.plans.get(call.named("id"))
    return JSONResponse(found.document(run_once=False)) if found else not_found()


async def scheduled_plan_run_once_by_id(call: Call) -> Response:
    """Send a plan's report now; asked twice, people get it twice."""
    found = call.looker.plans.get(call.named("id"))
    if not found:
        return not_found()
    found.deliveries += 1
    return JSONResponse(found.document(run_once=True))


API = "/api/4.0"
OPERATIONS: tuple[tuple[str, str, Callable[[Call], Awaitable[Response]], str], ...] = (
    ("POST", "/login", login, "none"),
    ("GET", "/versions", versions, "none"),
    ("GET", "/user", me, "admin"),
    ("GET", "/connections/{name}", connection, "admin"),
    ("PUT", "/connections/{name}/test", test_connection, "admin"),
    ("GET", "/datagroups", datagroups, "admin"),
    ("GET", "/datagroups/{id}", datagroup, "admin"),
    ("PATCH", "/datagroups/{id}", update_datagroup, "admin"),
    ("POST", "/sql_queries", create_sql_query, "query"),
    ("POST", "/sql_queries/{slug}/run/{format}", run_sql_query, "query"),
    ("GET", "/derived_table/{model}/{view}/start", start_pdt_build, "admin"),
    ("GET", "/derived_table/{id}/status", check_pdt_build, "admin"),
    ("GET", "/scheduled_plans/{id}", scheduled_plan, "query"),
    ("POST", "/scheduled_plans/{id}/run_once", scheduled_plan_run_once_by_id, "query"),
)
"""Method, path, what answers, and the quota of the edition that it counts against."""

WITHOUT_TOKEN = (login, versions)


def looker_app(world: World) -> Starlette:
    """The Looker server of one world."""

    def guarded(
        operation: Callable[[Call], Awaitable[Response]], quota: str
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            signed_in = scheme.lower() in {"token", "bearer"} and world.looker_tokens.get(token, 0) > world.now()
            if signed_in or operation in WITHOUT_TOKEN:
                response = await operation(Call(request, world))
            else:
                response = JSONResponse(
                    {"message": "Requires authentication.", "documentation_url": DOCUMENTATION}, 401
                )
            about = _about(world.looker, request)
            call = instance.Call(operation.__name__, quota, about, response.status_code, world.now())
            world.looker.calls.append(call)
            return response

        return answer

    return Starlette(
        routes=[Route(API + path, guarded(do, quota), methods=[method]) for method, path, do, quota in OPERATIONS]
    )


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


def bad_request() -> Response:
    """What it says of a body that is no JSON object."""
    return JSONResponse({"message": "Bad Request", "documentation_url": DOCUMENTATION}, 400)


def invalid(field: str, message: str) -> Response:
    """A ``ValidationError`` with one detail."""
    detail = {"field": field, "code": "invalid", "message": message, "documentation_url": DOCUMENTATION}
    body = {"message": "Validation Failed", "errors": [detail], "documentation_url": DOCUMENTATION}
    return JSONResponse(body, 422)


def _trouble(world: World) -> str | None:
    """Why the connection's database can't be asked; a connection without one passes its tests."""
    if world.switches.looker_warehouse is None:
        return None
    try:
        run(world.switches.looker_warehouse, "SELECT 1")
    except WarehouseError as error:
        return str(error)
    return None


def _about(looker: instance.Instance, request: Request) -> str:
    """What a call is about, by a name that people know it by."""
    parameters = request.path_params
    found = looker.datagroups.get(parameters.get("id", ""))
    if found and "/datagroups/" in request.url.path:
        return f"{found.model_name}.{found.name}"
    return ".".join(str(value) for name, value in parameters.items() if name in {"name", "id", "model", "view"})


def _number(value: object) -> int | float | str:
    """A value that JSON has no word for."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)
