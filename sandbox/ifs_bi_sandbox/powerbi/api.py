"""The Power BI server: workspaces, push datasets, their tables and rows, and row counts by DAX.

Source: the Swagger of microsoft/PowerBI-CSharp for paths and answers; ``errors`` for refusals. A service principal has
no "My workspace", so everything but the list of workspaces lives under ``/v1.0/myorg/groups/{workspace}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ifs_bi_sandbox.powerbi import errors
from ifs_bi_sandbox.powerbi.datasets import Dataset, Table, read_dataset, read_json, read_rows, read_table
from ifs_bi_sandbox.powerbi.dax import evaluate
from ifs_bi_sandbox.powerbi.limits import HOUR, LIMITS, MINUTE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from ifs_bi_sandbox.world import World

CONTEXT = "http://wabi-north-europe-g-primary-redirect.analysis.windows.net/v1.0/myorg/$metadata"
WORKSPACE_NAME = "Sandbox"
THROTTLED = "You have exceeded the amount of requests allowed in the current time frame and further requests will fail."
TOO_MANY_ROWS = (
    "You are over your rows per hour limit for this dataset. To push more rows per hour, upgrade your account to "
    "Power BI Pro or retry your push later."
)
_EQUALS = re.compile(r"(name|id) eq '((?:[^']|'')*)'")


@dataclass(frozen=True)
class Call:
    """One request, by a caller who is let in, to one world."""

    request: Request
    world: World

    def dataset(self, *, push: bool = False) -> Dataset:
        """The dataset of the path; ``push``: it must be one that takes rows."""
        wanted = self.request.path_params["dataset"]
        found = self.world.powerbi.get(wanted)
        if found is None:
            raise errors.dataset_not_found(wanted)
        if push and not found.push:
            raise errors.not_a_push_dataset(found.id)
        return found

    def table(self) -> tuple[Dataset, Table]:
        """The table of the path, and its dataset; the case of a table's name matters."""
        dataset = self.dataset(push=True)
        name = self.request.path_params["table"]
        if name not in dataset.tables:
            raise errors.table_not_found(name, dataset.id)
        return dataset, dataset.tables[name]

    async def json(self) -> object:
        """The body as JSON."""
        body = await self.request.body()
        check_size(body)
        return read_json(body)


async def list_groups(call: Call) -> Response:
    """The one workspace, unless a ``$filter`` by name or id doesn't hit it."""
    group = {
        "id": call.world.switches.workspace_id,
        "isReadOnly": False,
        "isOnDedicatedCapacity": False,
        "type": "Workspace",
        "name": WORKSPACE_NAME,
    }
    groups = [group]
    if text := call.request.query_params.get("$filter"):
        match = _EQUALS.fullmatch(text)
        if not match:
            raise errors.bad_request(f"This sandbox filters workspaces by name or id, not by: {text}", "$filter")
        groups = [group] if str(group[match[1]]).lower() == match[2].replace("''", "'").lower() else []
    return JSONResponse({"@odata.context": f"{CONTEXT}#groups", "value": groups})


async def list_datasets(call: Call) -> Response:
    """All datasets of the workspace; this list has no pages."""
    datasets = [described(dataset, call.world) for dataset in call.world.powerbi.values()]
    return JSONResponse({"@odata.context": f"{CONTEXT}#datasets", "value": datasets})


async def get_dataset(call: Call) -> Response:
    """One dataset, without its schema: that is never told."""
    return JSONResponse({"@odata.context": f"{CONTEXT}#datasets/$entity", **described(call.dataset(), call.world)})


async def create_dataset(call: Call) -> Response:
    """A new push dataset: a second one of the same name is another dataset."""
    world = call.world
    if world.switches.creation_retired:
        raise errors.creation_retired()
    created = datetime.fromtimestamp(world.now(), UTC).isoformat()
    policy = call.request.query_params.get("defaultRetentionPolicy", "None")
    dataset = read_dataset(await call.json(), id=str(uuid4()), created=created, retention=policy)
    world.powerbi[dataset.id] = dataset
    told = {"id": dataset.id, "name": dataset.name, "defaultRetentionPolicy": dataset.retention}
    context = f"{CONTEXT}#datasets/$entity"
    return JSONResponse({"@odata.context": context, **told, "upstreamDatasets": [], "users": []}, 201)


async def delete_dataset(call: Call) -> Response:
    """A dataset with its tables and rows, gone."""
    del call.world.powerbi[call.dataset().id]
    return Response()


async def list_tables(call: Call) -> Response:
    """Names of a push dataset's tables, without their columns."""
    tables = [{"name": name} for name in call.dataset(push=True).tables]
    return JSONResponse({"@odata.context": f"{CONTEXT}#tables", "value": tables})


async def put_table(call: Call) -> Response:
    """A table's definition, replaced whole."""
    dataset, table = call.table()
    new = read_table(await call.json())
    if new.name != table.name:
        raise errors.bad_request(f"The body names table '{new.name}', the path '{table.name}'.", "table")
    with call.world.lock:
        dataset.redefine(new)
    return JSONResponse({"@odata.context": f"{CONTEXT}#tables/$entity", "name": table.name})


async def post_rows(call: Call) -> Response:
    """Rows appended, all or none; every request counts, the refused one too."""
    dataset, table = call.table()
    body = await call.request.body()
    now, switches = call.world.now(), call.world.switches
    check_requests(dataset, switches.powerbi_posts_per_minute, now)
    accepted = 0
    try:
        check_size(body)
        rows = table.read(read_rows(body), drop_unknown=switches.powerbi_unknown_columns == "drop")
        if wait := dataset.spent.seconds_until_rows(now, len(rows), switches.powerbi_rows_per_hour):
            raise errors.throttled(TOO_MANY_ROWS, wait)
        with call.world.lock:
            dataset.add(table, rows)
        accepted = len(rows)
    finally:
        dataset.spent.add(now, accepted)
    return Response()


async def delete_rows(call: Call) -> Response:
    """All rows of a table, gone: there is no way to delete some."""
    call.table()[1].rows.clear()
    return Response()


async def execute_queries(call: Call) -> Response:
    """The answer to one DAX query; nulls only when ``includeNulls`` asks for them."""
    dataset, world = call.dataset(), call.world
    if wait := world.powerbi_queries.seconds_until_request(world.now(), LIMITS.queries_per_minute, MINUTE):
        raise errors.throttled(THROTTLED, wait)
    world.powerbi_queries.add(world.now(), 0)
    match await call.json():
        case {"queries": [{"query": str(query)}], **more}:
            row = evaluate(query, dataset.tables)
        case _:
            raise errors.bad_request('One query per call is allowed: {"queries": [{"query": "…"}]}', "queries")
    match more:
        case {"serializerSettings": {"includeNulls": True}}:
            pass
        case _:
            row = {name: value for name, value in row.items() if value is not None}
    return JSONResponse({"results": [{"tables": [{"rows": [row]}]}]})


GROUPS = "/v1.0/myorg/groups"
DATASETS = f"{GROUPS}/{{workspace}}/datasets"
TABLE = f"{DATASETS}/{{dataset}}/tables/{{table}}"
OPERATIONS: tuple[tuple[str, str, Callable[[Call], Awaitable[Response]]], ...] = (
    ("GET", GROUPS, list_groups),
    ("GET", DATASETS, list_datasets),
    ("POST", DATASETS, create_dataset),
    ("GET", f"{DATASETS}/{{dataset}}", get_dataset),
    ("DELETE", f"{DATASETS}/{{dataset}}", delete_dataset),
    ("GET", f"{DATASETS}/{{dataset}}/tables", list_tables),
    ("PUT", TABLE, put_table),
    ("POST", f"{TABLE}/rows", post_rows),
    ("DELETE", f"{TABLE}/rows", delete_rows),
    ("POST", f"{DATASETS}/{{dataset}}/executeQueries", execute_queries),
)


def powerbi_app(world: World) -> Starlette:
    """The Power BI server of one world: one workspace, and the datasets of ``world.powerbi``."""

    def guarded(operation: Callable[[Call], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                check_token(request.headers.get("authorization"), world.powerbi_tokens, world.now())
                if request.path_params.get("workspace", world.switches.workspace_id) != world.switches.workspace_id:
                    raise errors.no_access_to_workspace()
                response = await operation(Call(request, world))
            except errors.PowerBIError as error:
                body = error.body
                response = Response(status_code=error.status) if body is None else JSONResponse(body, error.status)
                response.headers.update(error.headers)
            response.headers["RequestId"] = str(uuid4())
            return response

        return answer

    return Starlette(routes=[Route(path, guarded(do), methods=[method]) for method, path, do in OPERATIONS])


def described(dataset: Dataset, world: World) -> dict[str, Any]:
    """A dataset as the list shows it; ``addRowsAPIEnabled`` tells push datasets from the others."""
    switches = world.switches
    return {
        "id": dataset.id,
        "name": dataset.name,
        "webUrl": f"https://app.powerbi.com/groups/{switches.workspace_id}/datasets/{dataset.id}",
        "addRowsAPIEnabled": dataset.push,
        "configuredBy": switches.powerbi_client_id,
        "isRefreshable": not dataset.push,
        "isEffectiveIdentityRequired": False,
        "isEffectiveIdentityRolesRequired": False,
        "isOnPremGatewayRequired": False,
        "targetStorageMode": "Abf",
        "createdDate": dataset.created,
        "upstreamDatasets": [],
        "users": [],
    }


def check_token(authorization: str | None, tokens: dict[str, float], now: float) -> None:
    """Refuse a caller without a token that is issued and alive; a JWT nobody issued counts as expired."""
    if authorization is None:
        raise errors.not_signed_in(None)
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token):
        raise errors.not_signed_in(errors.INVALID_TOKEN)
    if tokens.get(token, 0) <= now:
        raise errors.not_signed_in(errors.TOKEN_EXPIRED)


def check_requests(dataset: Dataset, posts_per_minute: int, now: float) -> None:
    """Refuse a POST of rows above the minute's budget, or above the hour's when a table is large."""
    wait = dataset.spent.seconds_until_request(now, posts_per_minute, MINUTE)
    if dataset.has_large_table:
        wait = max(wait, dataset.spent.seconds_until_request(now, LIMITS.posts_per_hour_when_large, HOUR))
    if wait:
        raise errors.throttled(THROTTLED, wait)


def check_size(body: bytes) -> None:
    """Refuse a body of more than 16 MB."""
    if len(body) > LIMITS.request_bytes:
        raise errors.too_large(f"{len(body)} bytes in one request: at most {LIMITS.request_bytes} are allowed.")
