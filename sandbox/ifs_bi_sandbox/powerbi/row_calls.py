"""Power BI's operations on rows: push, empty, sequence numbers and DAX queries, each within its limits.

Source: the Swagger of microsoft/PowerBI-CSharp and the published limits (``limits``). The header of sequence numbers is that of
public clients (DataBooster/PyWebApi ``powerbi_push_datasets.py``); no current document has it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import JSONResponse, Response

from ifs_bi_sandbox.powerbi import errors
from ifs_bi_sandbox.powerbi.bodies import read_rows
from ifs_bi_sandbox.powerbi.dax import evaluate
from ifs_bi_sandbox.powerbi.limits import HOUR, LIMITS, MINUTE

if TYPE_CHECKING:
    from ifs_bi_sandbox.powerbi.call import Call
    from ifs_bi_sandbox.powerbi.datasets import Dataset, Table
    from ifs_bi_sandbox.powerbi.switches import PowerBISwitches
    from ifs_bi_sandbox.powerbi.values import Stored

SEQUENCE_NUMBER = "X-PowerBI-PushData-SequenceNumber"
CLIENT = "1"  # the one application of this sandbox
THROTTLED = "You have exceeded the amount of requests allowed in the current time frame and further requests will fail."
TOO_MANY_ROWS = (
    "You are over your rows per hour limit for this dataset. To push more rows per hour, upgrade your account to "
    "Power BI Pro or retry your push later."
)


async def post_rows(call: Call) -> Response:
    """Rows appended, all or none; every request that isn't throttled counts, the refused one too."""
    call.check_writer()
    dataset, table = call.table()
    call.check_pushing()
    body = await call.request.body()
    switches = call.world.switches
    if dataset.pending >= switches.powerbi_pending_posts:
        raise errors.throttled(THROTTLED, call.retry_after(1), switches.powerbi_pending_status)
    if wait := seconds_until_post(dataset, switches, call.world.now()):
        raise errors.throttled(THROTTLED, call.retry_after(wait))
    dataset.spent.add_request(call.world.now())
    dataset.pending += 1
    try:
        if switches.powerbi_post_seconds:
            await call.world.waiting(switches.powerbi_post_seconds)
        append(call, dataset, table, body)
    finally:
        dataset.pending -= 1
    return Response()


def append(call: Call, dataset: Dataset, table: Table, body: bytes) -> None:
    """Store the rows of a body, when they are within the budget and the table takes them."""
    now, switches = call.world.now(), call.world.switches
    call.check_size(body)
    block = table.read(read_rows(body, switches), switches)
    fixed = switches.powerbi_windows == "fixed"
    if wait := dataset.spent.seconds_until_rows(now, block.count, switches.powerbi_rows_per_hour, fixed=fixed):
        raise errors.throttled(TOO_MANY_ROWS, call.retry_after(wait))
    with call.world.lock:
        number = sequence_number(call, table)
        if number is not None and number <= table.sequence_numbers.get(CLIENT, number - 1):
            if switches.powerbi_repeated_number == "refuse":
                raise errors.bad_request(f"Sequence number {number} was used before.", SEQUENCE_NUMBER)
            if switches.powerbi_repeated_number == "ignore":
                return
        dataset.add(table, block, switches, visible=now + switches.powerbi_visible_after)
        if number is not None:
            table.sequence_numbers[CLIENT] = number
    dataset.spent.add_rows(now, block.count)


def sequence_number(call: Call, table: Table) -> int | None:
    """The number that a request gives to its rows, if any; gaps are allowed."""
    text = call.request.headers.get(SEQUENCE_NUMBER)
    if text is None or call.world.switches.powerbi_sequence_numbers == "off":
        return None
    if not text.isascii() or not text.isdecimal():
        raise errors.bad_request(f"'{text}' is no sequence number for table '{table.name}'.", SEQUENCE_NUMBER)
    return int(text)


def seconds_until_post(dataset: Dataset, switches: PowerBISwitches, now: float) -> int:
    """0, or whole seconds until the minute's budget, and the hour's when a table is large, allow another POST of rows."""
    fixed = switches.powerbi_windows == "fixed"
    wait = dataset.spent.seconds_until_request(now, switches.powerbi_posts_per_minute, MINUTE, fixed=fixed)
    if dataset.largest_table() >= switches.powerbi_large_table_rows:
        per_hour = switches.powerbi_posts_per_hour_when_large
        wait = max(wait, dataset.spent.seconds_until_request(now, per_hour, HOUR, fixed=fixed))
    return wait


async def delete_rows(call: Call) -> Response:
    """All rows of a table, gone: there is no way to delete some."""
    call.check_writer()
    _, table = call.table()
    with call.world.lock:
        table.rows.clear()
        if call.world.switches.powerbi_numbers_after_delete == "forget":
            table.sequence_numbers.clear()
    return Response()


async def list_sequence_numbers(call: Call) -> Response:
    """The last sequence number of each client that gave one."""
    _, table = call.table()
    if call.world.switches.powerbi_sequence_numbers == "off":
        raise errors.no_sequence_numbers()
    numbers = [{"clientId": client, "sequenceNumber": number} for client, number in table.sequence_numbers.items()]
    return JSONResponse({"value": numbers})


async def execute_queries(call: Call) -> Response:
    """The answer to one DAX query; nulls only when ``includeNulls`` asks for them."""
    dataset, world = call.dataset(), call.world
    switches = world.switches
    if switches.powerbi_queries == "refuse":
        raise errors.queries_switched_off()
    fixed, per_minute = switches.powerbi_windows == "fixed", switches.powerbi_queries_per_minute
    if wait := world.powerbi_queries.seconds_until_request(world.now(), per_minute, MINUTE, fixed=fixed):
        raise errors.throttled(THROTTLED, call.retry_after(wait))
    world.powerbi_queries.add_request(world.now())
    match await call.json():
        case {"queries": [{"query": str(query)}], **more}:
            rows = evaluate(query, dataset.tables, dataset.relationships, now=world.now())
        case _:
            raise errors.bad_request('One query per call is allowed: {"queries": [{"query": "…"}]}', "queries")
    nulls = more.get("serializerSettings") == {"includeNulls": True}
    return Response(query_answer(rows, nulls=nulls), media_type="application/json")


def query_answer(rows: list[dict[str, Stored]], *, nulls: bool) -> bytes:
    """The body of an answer, cut to what one may hold: it is a success even then, with an error beside the rows."""
    most = min(LIMITS.query_rows, LIMITS.query_values // max(1, len(rows[0]) if rows else 1))
    told: list[bytes] = []
    size = 0
    for row in rows[:most]:
        told.append(orjson.dumps(_shown(row, nulls=nulls), default=_number))
        size += len(told[-1]) + 1
        if size > LIMITS.query_bytes:
            told.pop()
            break
    table: dict[str, Any] = {"rows": [orjson.Fragment(row) for row in told]}
    if len(told) < len(rows):
        message = f"The answer was cut to {len(told)} of {len(rows)} rows."
        table["error"] = {"code": "DatasetExecuteQueriesTruncated", "message": message}
    return orjson.dumps({"results": [{"tables": [table]}]})


def _shown(row: dict[str, Stored], *, nulls: bool) -> dict[str, Stored]:
    return row if nulls else {name: value for name, value in row.items() if value is not None}


def _number(value: object) -> orjson.Fragment:
    """A decimal as a JSON number with all its digits."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} can't be told in JSON")
    return orjson.Fragment(f"{value.normalize():f}")
