"""The control endpoint: what a test or the demo does to the sandbox, and what it wants to know about it.

Everything here is JSON. It is no part of any service that the sandbox stands for, so the services' own clients never see it.
Bad input is answered 400 with ``{"error": sentence}``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ifs_bi_sandbox.data import changes, figures
from ifs_bi_sandbox.faults import read_fault
from ifs_bi_sandbox.powerbi.datasets import Dataset
from ifs_bi_sandbox.powerbi.values import as_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from ifs_bi_sandbox.world import World


@dataclass(frozen=True)
class Call:
    """One request to one world."""

    request: Request
    world: World

    async def objects(self) -> list[dict[str, Any]]:
        """The JSON objects of the body: one, a list of them, or none."""
        body = await self.request.body()
        document = orjson.loads(body) if body else []
        objects = document if isinstance(document, list) else [document]
        if not all(isinstance(item, dict) for item in objects):
            raise ValueError("the body must be a JSON object or a list of them")
        return objects

    async def object(self) -> dict[str, Any]:
        """The one JSON object of the body; empty when there is no body."""
        objects = await self.objects()
        if len(objects) > 1:
            raise ValueError("the body must be one JSON object")
        return objects[0] if objects else {}


async def health(call: Call) -> object:
    """That the sandbox answers."""
    return {"status": "ok", "database": call.world.database.name}


async def get_switches(call: Call) -> object:
    """All switches."""
    return asdict(call.world.switches)


async def set_switches(call: Call) -> object:
    """Some switches set, all or none; answers all."""
    call.world.switches.update(await call.object())
    return asdict(call.world.switches)


async def get_faults(call: Call) -> object:
    """The faults that are still to come."""
    return [asdict(fault) for fault in call.world.faults]


async def add_faults(call: Call) -> object:
    """One fault or a list of them, by their fields or as ``{"preset": name, …}``; answers all that are to come."""
    faults = [read_fault(item) for item in await call.objects()]
    with call.world.lock:
        call.world.faults.extend(faults)
    return [asdict(fault) for fault in call.world.faults]


async def delete_faults(call: Call) -> object:
    """No fault any more."""
    call.world.faults.clear()
    return []


async def get_requests(call: Call) -> object:
    """The request log, oldest first; ``?service=`` keeps one service's."""
    service = call.request.query_params.get("service")
    return [entry for entry in list(call.world.requests) if service in {None, entry["service"]}]


async def delete_requests(call: Call) -> object:
    """An empty request log."""
    call.world.requests.clear()
    return []


async def apply_changes(call: Call) -> object:
    """One change of the source, or a list in its order; answers a list of what each did."""
    return [await run_in_threadpool(changes.apply, call.world.database, change) for change in await call.objects()]


async def do_business(call: Call) -> object:
    """A day of business, by ``{"seed": n}``; answers how much of what happened."""
    seed = (await call.object()).get("seed", 1)
    return await run_in_threadpool(changes.a_day_of_business, call.world.database, seed)


async def get_figures(call: Call) -> object:
    """The three figures of the report, computed from the source."""
    return await run_in_threadpool(figures.report, call.world.database)


async def get_datasets(call: Call) -> object:
    """What Power BI holds: datasets with their tables, columns, measures and numbers of rows."""
    return [_dataset(dataset) for dataset in call.world.powerbi.values()]


async def publish_dataset(call: Call) -> object:
    """A dataset by ``{"name": …}`` as if somebody had published it from a file: it takes no rows."""
    created = datetime.fromtimestamp(call.world.now(), UTC).isoformat()
    dataset = Dataset(str(uuid4()), (await call.object())["name"], created, push=False)
    call.world.powerbi[dataset.id] = dataset
    return _dataset(dataset)


async def get_rows(call: Call) -> object:
    """All rows of one table as they are stored, nulls included."""
    dataset = call.world.powerbi[call.request.path_params["dataset"]]
    table = dataset.tables[call.request.path_params["table"]]
    with call.world.lock:
        names, rows = list(table.columns), list(table.rows)
    return await run_in_threadpool(lambda: [dict(zip(names, map(as_json, row), strict=True)) for row in rows])


async def advance_clock(call: Call) -> object:
    """Let ``{"seconds": n}`` pass on the services' clock, tokens and limits included; answers its present second."""
    seconds = (await call.object()).get("seconds", 0)
    if not isinstance(seconds, int | float) or seconds < 0:
        raise ValueError("seconds must be a number, and time doesn't go back")
    before = call.world.now
    call.world.now = lambda: before() + seconds
    return {"now": call.world.now()}


async def get_datagroups(call: Call) -> object:
    """Looker's datagroups."""
    return [datagroup.document() for datagroup in call.world.looker.datagroups.values()]


async def get_looker_calls(call: Call) -> object:
    """The calls that Looker answered, oldest first: operation, the quota it counts against, what it was about."""
    return [asdict(answered) for answered in list(call.world.looker.calls)]


OPERATIONS: tuple[tuple[str, str, Callable[[Call], Awaitable[object]]], ...] = (
    ("GET", "/health", health),
    ("GET", "/switches", get_switches),
    ("PATCH", "/switches", set_switches),
    ("GET", "/faults", get_faults),
    ("POST", "/faults", add_faults),
    ("DELETE", "/faults", delete_faults),
    ("GET", "/requests", get_requests),
    ("DELETE", "/requests", delete_requests),
    ("POST", "/changes", apply_changes),
    ("POST", "/day", do_business),
    ("POST", "/clock", advance_clock),
    ("GET", "/figures", get_figures),
    ("GET", "/powerbi/datasets", get_datasets),
    ("POST", "/powerbi/datasets", publish_dataset),
    ("GET", "/powerbi/datasets/{dataset}/tables/{table}/rows", get_rows),
    ("GET", "/looker/datagroups", get_datagroups),
    ("GET", "/looker/calls", get_looker_calls),
)


def control_app(world: World) -> Starlette:
    """The control endpoint of one world."""

    def answered(operation: Callable[[Call], Awaitable[object]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                result = await operation(Call(request, world))
            except KeyError as unknown:
                return JSONResponse({"error": f"there is no {unknown.args[0]}"}, 400)
            except (TypeError, ValueError) as error:
                return JSONResponse({"error": str(error)}, 400)
            return Response(orjson.dumps(result, default=_plain), media_type="application/json")

        return answer

    return Starlette(routes=[Route(path, answered(do), methods=[method]) for method, path, do in OPERATIONS])


def _dataset(dataset: Dataset) -> dict[str, Any]:
    tables = [
        {
            "name": table.name,
            "columns": table.columns,
            "details": table.details,
            "measures": list(table.measures.values()),
            "rows": len(table.rows),
        }
        for table in dataset.tables.values()
    ]
    return {
        "id": dataset.id,
        "name": dataset.name,
        "push": dataset.push,
        "retention": dataset.retention,
        "tables": tables,
        "relationships": dataset.relationships,
    }


def _plain(value: object) -> str:
    """What JSON has no word for: a decimal keeps every digit."""
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{value!r} can't be told in JSON")
