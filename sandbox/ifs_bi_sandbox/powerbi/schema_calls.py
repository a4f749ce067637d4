"""Power BI's operations on workspaces, datasets and tables: one function each, from a call to an answer.

Source: the Swagger of microsoft/PowerBI-CSharp for paths and answers; ``errors`` for refusals.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.responses import JSONResponse, Response

from ifs_bi_sandbox.powerbi import errors
from ifs_bi_sandbox.powerbi.definitions import read_dataset, read_table

if TYPE_CHECKING:
    from ifs_bi_sandbox.powerbi.call import Call
    from ifs_bi_sandbox.powerbi.datasets import Dataset
    from ifs_bi_sandbox.world import World

CONTEXT = "http://wabi-north-europe-g-primary-redirect.analysis.windows.net/v1.0/myorg/$metadata"
WORKSPACE_NAME = "Sandbox"
_EQUALS = re.compile(r"(name|id) eq '((?:[^']|'')*)'")


async def list_groups(call: Call) -> Response:
    """The one workspace, unless a ``$filter`` by name or id doesn't hit it, or ``$top`` and ``$skip`` leave it out."""
    group = {
        "id": call.world.switches.workspace_id,
        "isReadOnly": False,
        "isOnDedicatedCapacity": False,
        "type": "Workspace",
        "name": WORKSPACE_NAME,
    }
    asked = call.request.query_params
    groups = [group]
    if text := asked.get("$filter"):
        match = _EQUALS.fullmatch(text)
        if not match:
            raise errors.bad_request(f"This sandbox filters workspaces by name or id, not by: {text}", "$filter")
        groups = [group] if str(group[match[1]]).lower() == match[2].replace("''", "'").lower() else []
    top, skip = asked.get("$top", "1"), asked.get("$skip", "0")
    if not (top.isdecimal() and skip.isdecimal()):
        raise errors.bad_request("$top and $skip are whole numbers.", "$top")
    return JSONResponse({"@odata.context": f"{CONTEXT}#groups", "value": groups[int(skip) :][: int(top)]})


async def list_group_users(call: Call) -> Response:
    """Who has a role in the workspace: the caller."""
    switches = call.world.switches
    user = {
        "groupUserAccessRight": switches.powerbi_role,
        "displayName": "IFS Cloud loader",
        "identifier": switches.powerbi_client_id,
        "principalType": "App",
    }
    return JSONResponse({"@odata.context": f"{CONTEXT}#groups", "value": [user]})


async def list_datasets(call: Call) -> Response:
    """All datasets of the workspace; this list has no pages."""
    now = call.world.now()
    shown = [described(dataset, call.world) for dataset in call.world.powerbi.values() if dataset.visible <= now]
    return JSONResponse({"@odata.context": f"{CONTEXT}#datasets", "value": shown})


async def get_dataset(call: Call) -> Response:
    """One dataset, without its schema: that is never told."""
    return JSONResponse({"@odata.context": f"{CONTEXT}#datasets/$entity", **described(call.dataset(), call.world)})


async def create_dataset(call: Call) -> Response:
    """A new push dataset: a second one of the same name is another dataset."""
    world, switches = call.world, call.world.switches
    call.check_writer()
    if switches.creation_retired:
        raise errors.creation_retired()
    created = datetime.fromtimestamp(world.now(), UTC).isoformat()
    policy = call.request.query_params.get("defaultRetentionPolicy", "None")
    document = await call.json()
    dataset = read_dataset(document, id=str(uuid4()), created=created, retention=policy, rules=switches)
    dataset.visible = world.now() + switches.powerbi_created_after
    world.powerbi[dataset.id] = dataset
    told = {"id": dataset.id, "name": dataset.name, "defaultRetentionPolicy": dataset.retention}
    body = {"@odata.context": f"{CONTEXT}#datasets/$entity", **told, "upstreamDatasets": [], "users": []}
    return JSONResponse(body, switches.powerbi_create_status)


async def delete_dataset(call: Call) -> Response:
    """A dataset with its tables and rows, gone."""
    call.check_writer()
    del call.world.powerbi[call.dataset().id]
    return Response()


async def list_tables(call: Call) -> Response:
    """Names of a push dataset's tables, without their columns."""
    tables = [{"name": name} for name in call.dataset(push=True).tables]
    return JSONResponse({"@odata.context": f"{CONTEXT}#tables", "value": tables})


async def put_table(call: Call) -> Response:
    """A table's definition, replaced whole."""
    call.check_writer()
    dataset, table = call.table()
    call.check_pushing()
    switches = call.world.switches
    new = read_table(await call.json(), switches)
    if new.name != table.name:
        raise errors.bad_request(f"The body names table '{new.name}', the path '{table.name}'.", "table")
    with call.world.lock:
        dataset.redefine(new, switches)
    return JSONResponse({"@odata.context": f"{CONTEXT}#tables/$entity", "name": table.name})


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
