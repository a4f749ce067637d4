"""Every request that target-powerbi makes is one that the official definitions of Power BI's REST API allow."""

import contextlib
import io
import itertools
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from ifs_bi_core.errors import IfsBiError
from ifs_bi_core.http.client import Surroundings
from ifs_bi_core.singer.lines import encode
from ifs_bi_sandbox.faults import POWERBI_OPERATIONS, preset
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.powerbi.api import powerbi_app
from ifs_bi_sandbox.servers import Sandbox
from ifs_bi_sandbox.wire import Wire
from jsonschema import Draft202012Validator
from target_powerbi.target import TargetPowerBI

CONTRACT = json.loads(Path(__file__).with_name("powerbi_operations.json").read_text())
ROOT = "/v1.0/myorg"
SEGMENTS = {"{id}": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "{name}": r"[^/]{1,300}"}
ORDERS = {
    "OrderNo": {"type": "string"},
    "Amount": {"type": ["number", "null"], "multipleOf": 0.01, "precision": 18, "scale": 2},
    "Ordered": {"type": ["string", "null"], "format": "date"},
    "Changed": {"type": ["string", "null"], "format": "date-time"},
    "Lines": {"type": ["integer", "null"]},
    "Open": {"type": ["boolean", "null"]},
}
TABLES = {
    "orders": {
        "table": "Purchase orders #1",
        "columns": {
            "Amount": {"type": "Decimal", "format": "#,0.00", "summarize_by": "sum"},
            "Lines": {"name": "Number of lines", "hidden": True},
        },
        "measures": {"Total": "SUM('Purchase orders #1'[Amount])"},
    }
}
LINES = [
    {
        "type": "SCHEMA",
        "stream": "lines",
        "schema": {"type": "object", "properties": {"LineNo": {"type": "integer"}, "OrderNo": {"type": "string"}}},
        "key_properties": ["LineNo"],
    },
    {"type": "RECORD", "stream": "lines", "record": {"LineNo": 1, "OrderNo": "1"}},
]


@dataclass(frozen=True)
class Asked:
    """One request as it came over the wire; `path` is undecoded, without the root."""

    method: str
    path: str
    query: list
    content_type: str
    authorization: str
    body: bytes


class Recorder:
    """ASGI middleware that keeps every request."""

    def __init__(self, app):
        self.app = app
        self.asked = []

    async def __call__(self, scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = parse_qsl(scope["query_string"].decode(), keep_blank_values=True)
        path = scope["raw_path"].decode()
        kind, token = headers.get("content-type", ""), headers.get("authorization", "")
        self.asked.append(Asked(scope["method"], path, query, kind, token, body))
        told = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again():
            return next(told, None) or await receive()

        await self.app(scope, again, send)


def schema_of(kind):
    return Draft202012Validator({"$defs": CONTRACT["$defs"], "$ref": f"#/$defs/{kind}"})


def operation_of(asked):
    """The one operation that a request's method and path are."""
    path = asked.path.removeprefix(ROOT)
    found = [
        name
        for name, operation in CONTRACT["operations"].items()
        if operation["method"] == asked.method and re.fullmatch(pattern(operation["path"]), path)
    ]
    assert len(found) == 1, f"{asked.method} {asked.path} is no operation of Power BI"
    return found[0]


def pattern(path):
    parts = (SEGMENTS.get(part, re.escape(part)) for part in path.split("/"))
    return "/".join(parts)


def check(asked):
    """The operation's name, once everything about the request is as it is defined."""
    name = operation_of(asked)
    operation = CONTRACT["operations"][name]
    assert asked.path.startswith(ROOT)
    assert re.fullmatch(r"Bearer [\w-]+\.[\w-]+\.[\w-]+", asked.authorization)
    for parameter, value in asked.query:
        assert parameter in operation.get("query", ()), f"{name} has no parameter {parameter}"
        Draft202012Validator(CONTRACT["parameters"][parameter]).validate(value)
    if "body" in operation:
        assert asked.content_type.partition(";")[0] == "application/json"
        assert len(asked.body) <= 16 * 1024 * 1024
        schema_of(operation["body"]).validate(json.loads(asked.body))
    else:
        assert not asked.body
    return name


class Scene:
    """A target in this process and the recorder it talks to."""

    def __init__(self, box, recorder, api_url, folder):
        self.world = box.world
        self.recorder = recorder
        self.folder = folder
        self.waited = 0.0
        switches = box.world.switches
        self.config = {
            "tenant_id": switches.tenant_id,
            "client_id": switches.powerbi_client_id,
            "client_secret": switches.powerbi_client_secret,
            "workspace_id": switches.workspace_id,
            "dataset_name": "Purchasing",
            "authority_host": box.login_url,
            "api_url": api_url,
            "batch_size_rows": 2,
            "tables": TABLES,
        }

    def sleep(self, seconds):
        self.waited += seconds

    def feed(self, *rows, columns=ORDERS, more=(), **settings):
        """Run the target over orders and `more` messages; an error of the target is part of the scene."""
        surroundings = Surroundings(lambda: time.time() + self.waited, self.sleep, lambda: 0.5)
        kind = type("TargetOfContract", (TargetPowerBI,), {"surroundings": surroundings})
        target = kind(config=self.config | {"state_dir": str(self.folder)} | settings)
        schema = {"type": "object", "properties": columns}
        messages = [
            {"type": "SCHEMA", "stream": "orders", "schema": schema, "key_properties": ["OrderNo"]},
            *({"type": "RECORD", "stream": "orders", "record": row} for row in rows),
            *more,
            {"type": "STATE", "value": {"bookmark": len(rows)}},
        ]
        lines = b"".join(encode(message) + b"\n" for message in messages)
        with contextlib.suppress(IfsBiError), contextlib.redirect_stdout(io.StringIO()):
            try:
                with target.account.closing(target.exit_code):
                    target.listen(io.BytesIO(lines))
            finally:
                target.close()

    def operations(self):
        """The names of the operations that were asked since the last look, each of them checked."""
        asked = list(self.recorder.asked)
        self.recorder.asked.clear()
        return [check(request) for request in asked]


@pytest.fixture(scope="module")
def box():
    with Sandbox(scale=300) as box:
        yield box


@pytest.fixture
def scene(box, tmp_path):
    world = box.world
    recorder = Recorder(Wire(powerbi_app(world), world, "powerbi", revoke=world.powerbi_tokens.clear))
    listener = Listener(recorder)
    listener.start()
    world.powerbi.clear()
    world.faults.clear()
    yield Scene(box, recorder, listener.url, tmp_path)
    listener.stop()


def order(number, amount=1.25, **values):
    known = {"Ordered": "2026-11-20", "Changed": "2026-11-20T12:34:56.789Z", "Lines": 3, "Open": True}
    return {"OrderNo": str(number), "Amount": amount, **known, **values}


@pytest.mark.parametrize("example", CONTRACT["examples"]["valid"])
def test_a_valid_example_is_valid(example):
    schema_of(CONTRACT["operations"][example["operation"]]["body"]).validate(example["body"])


@pytest.mark.parametrize("example", CONTRACT["examples"]["invalid"])
def test_an_invalid_example_is_not(example):
    assert not schema_of(CONTRACT["operations"][example["operation"]]["body"]).is_valid(example["body"])


def test_creation_and_new_rows_are_as_defined(scene):
    scene.feed(*(order(number) for number in range(5)))
    asked = scene.operations()
    assert asked.count("create dataset") == 1
    assert asked.count("post rows") >= 1
    (dataset,) = scene.world.powerbi.values()
    assert len(dataset.tables["Purchase orders #1"].rows) == 5


def test_a_relationship_is_as_defined(scene):
    tables = TABLES | {"lines": {"relationships": {"OrderNo": "orders"}}}
    scene.feed(order(1), more=LINES, tables=tables)
    assert "create dataset" in scene.operations()
    (dataset,) = scene.world.powerbi.values()
    assert [link["toTable"] for link in dataset.relationships] == ["Purchase orders #1"]
    assert {name: len(table.rows) for name, table in dataset.tables.items()} == {"Purchase orders #1": 1, "lines": 1}


def test_a_new_column_and_a_rewrite_are_as_defined(scene):
    scene.feed(order(1), order(2))
    scene.operations()
    columns = ORDERS | {"Note": {"type": ["string", "null"]}}
    scene.feed(order(1, 9, Note="ä"), order(3), columns=columns)
    asked = scene.operations()
    assert {"put table", "delete rows", "post rows"} <= set(asked)


@pytest.mark.parametrize("mode", ["append", "signed"])
def test_the_other_ways_to_write_are_as_defined(scene, mode):
    scene.feed(order(1), order(2), write_mode=mode)
    scene.operations()
    scene.feed(order(1, 2), order(3), write_mode=mode)
    asked = scene.operations()
    assert "post rows" in asked
    assert "delete rows" not in asked


def test_looking_for_rows_after_an_unanswered_post_is_as_defined(scene):
    scene.feed(order(1))
    scene.operations()
    scene.world.faults.append(preset("powerbi_vanish_after", **POWERBI_OPERATIONS["post rows"]))
    scene.feed(order(2))
    assert not scene.world.faults
    assert "query" in scene.operations()


def test_starting_over_without_memory_is_as_defined(scene, tmp_path):
    scene.feed(order(1))
    scene.operations()
    scene.folder = tmp_path / "other"
    scene.feed(order(1))
    assert "list datasets" in scene.operations()


def test_trouble_at_every_position_brings_no_other_requests(scene):
    scene.feed(order(1), order(2), order(3))
    names = ["powerbi_500_after", "powerbi_429_storm", "powerbi_token_death", "powerbi_400"]
    for name, position in itertools.product(names, range(2)):
        scene.world.faults.append(preset(name, skip=position))
        scene.feed(order(1, position), order(4 + position))
        scene.world.faults.clear()
    assert len(scene.operations()) > len(names)
