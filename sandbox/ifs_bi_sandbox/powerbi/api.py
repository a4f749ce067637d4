"""The Power BI server: who is let in, which operation a path is, and how a refusal goes over the wire.

Source: the Swagger of microsoft/PowerBI-CSharp for the paths; ``errors`` for refusals. A service principal has
no "My workspace", so everything but the list of workspaces lives under ``/v1.0/myorg/groups/{workspace}``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ifs_bi_sandbox.powerbi import errors, row_calls, schema_calls
from ifs_bi_sandbox.powerbi.call import Call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from ifs_bi_sandbox.powerbi.switches import PowerBISwitches
    from ifs_bi_sandbox.world import World

GROUPS = "/v1.0/myorg/groups"
DATASETS = f"{GROUPS}/{{workspace}}/datasets"
TABLE = f"{DATASETS}/{{dataset}}/tables/{{table}}"
OPERATIONS: tuple[tuple[str, str, Callable[[Call], Awaitable[Response]]], ...] = (
    ("GET", GROUPS, schema_calls.list_groups),
    ("GET", f"{GROUPS}/{{workspace}}/users", schema_calls.list_group_users),
    ("GET", DATASETS, schema_calls.list_datasets),
    ("POST", DATASETS, schema_calls.create_dataset),
    ("GET", f"{DATASETS}/{{dataset}}", schema_calls.get_dataset),
    ("DELETE", f"{DATASETS}/{{dataset}}", schema_calls.delete_dataset),
    ("GET", f"{DATASETS}/{{dataset}}/tables", schema_calls.list_tables),
    ("PUT", TABLE, schema_calls.put_table),
    ("POST", f"{TABLE}/rows", row_calls.post_rows),
    ("DELETE", f"{TABLE}/rows", row_calls.delete_rows),
    ("GET", f"{TABLE}/sequenceNumbers", row_calls.list_sequence_numbers),
    ("POST", f"{DATASETS}/{{dataset}}/executeQueries", row_calls.execute_queries),
)


def powerbi_app(world: World) -> Starlette:
    """The Power BI server of one world: one workspace, and the datasets of ``world.powerbi``."""

    def guarded(operation: Callable[[Call], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                check_token(request.headers.get("authorization"), world.powerbi_tokens, world.now(), world.switches)
                if request.path_params.get("workspace", world.switches.workspace_id) != world.switches.workspace_id:
                    raise errors.no_access_to_workspace()
                response = await operation(Call(request, world))
            except errors.PowerBIError as error:
                response = refusal(error, world.switches)
            response.headers["RequestId"] = str(uuid4())
            return response

        return answer

    return Starlette(routes=[Route(path, guarded(do), methods=[method]) for method, path, do in OPERATIONS])


def refusal(error: errors.PowerBIError, switches: PowerBISwitches) -> Response:
    """A refusal in the shape that the switch chose; all of them have been seen."""
    body: dict[str, Any] | None = error.body
    if body is None:
        return Response(status_code=error.status, headers=error.headers)
    if switches.powerbi_error_shape == "bare":
        body = body["error"]
    if switches.powerbi_error_shape == "details_header":
        told = re.sub(r"[^\x20-\x7e]", "?", orjson.dumps(body).decode())  # a header is ASCII
        return Response(status_code=error.status, headers=error.headers | {"x-powerbi-error-details": told})
    return JSONResponse(body, error.status, error.headers)


def check_token(authorization: str | None, tokens: dict[str, float], now: float, switches: PowerBISwitches) -> None:
    """Refuse a caller without a token that is issued and alive; a JWT nobody issued counts as expired."""
    if authorization is None:
        raise errors.not_signed_in(None)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token):
        raise errors.not_signed_in(errors.INVALID_TOKEN)
    if tokens.get(token, 0) <= now:
        in_body = switches.powerbi_token_errors == "body"  # noqa: S105 - a place, no password
        raise errors.not_signed_in(errors.TOKEN_EXPIRED, told_in_body=in_body)
