"""Who takes part: our commands, the peers at pinned versions in environments of their own, and what loading takes at least."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pages import DATES, DECIMALS, ENTITY_SET, FLAGS, MOMENTS, PAGE_ROWS, PROJECTION, SERVICE, TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouses import Place

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
ENVIRONMENTS = HERE.parent / ".envs"
OURS = {"realm": "bench", "client_id": "bench", "client_secret": "bench-secret", "requests_per_minute": 1e6}


@dataclass(frozen=True)
class Program:
    """One command.

    Attributes:
        name: as the table shows it.
        command: what is started, without arguments.
        settings: its configuration, for a tap by the source's address, for a target by the place it loads to.
        kind: whose it is, ``ours``, ``peer`` or ``floor``.
        environment: the folder of its environment, of `ENVIRONMENTS`; none: ours. ``bench-NAME`` is made of
            ``benchmarks/environments/NAME.txt``; those that the tests have too are named in the Makefile.
        configured: how it is told its settings; ``{config}`` is a file with all of them, and each has its name.
        copied: whether it takes ready CSV instead of Singer lines.
        naive: whether it gets timestamps without their ``Z``. target-duckdb needs that: DuckDB takes the first line of its CSV
            for a header where a timestamp has a zone and its column has none, and that row is lost.
    """

    name: str
    command: tuple[str, ...]
    settings: Callable[[Any], dict[str, Any]]
    kind: str = "peer"
    environment: str = ""
    configured: tuple[str, ...] = ("--config", "{config}")
    copied: bool = False
    naive: bool = False


def _in(environment: str, command: str) -> str:
    return str(ENVIRONMENTS / environment / "bin" / command)


def _entities(address: str, replication: str = "full") -> dict[str, Any]:
    entity = {"name": "order_lines", "projection": PROJECTION, "entity_set": ENTITY_SET, "replication": replication}
    return {"base_url": address, "entities": [entity], "streams": ["order_lines"], **OURS}


def _rest_api(address: str) -> dict[str, Any]:
    text = ["string", "null"]
    properties = {
        "OrderNo": {"type": "string"},
        **{name: {"type": text} for name in ("LineNo", "Objstate", *DECIMALS, *TEXTS)},
        **{name: {"type": text, "format": "date"} for name in DATES},
        **{name: {"type": text, "format": "date-time"} for name in MOMENTS},
        **{name: {"type": ["boolean", "null"]} for name in FLAGS},
    }
    stream = {"name": "order_lines", "path": f"{SERVICE}/{ENTITY_SET}", "records_path": "$.value[*]"}
    stream |= {"primary_keys": ["OrderNo"], "schema": {"properties": properties}, "num_inference_records": 10}
    return {
        "api_url": address,
        "streams": [stream],
        "pagination_request_style": "simple_offset_paginator",
        "pagination_response_style": "offset",
        "pagination_initial_offset": 0,
        "pagination_page_size": PAGE_ROWS,
        "offset_records_jsonpath": "$.value",
        "pagination_limit_per_page_param": "$top",
        "pagination_next_page_param": "$skip",
    }


def _postgresql(database: str) -> Callable[[Place], dict[str, Any]]:
    def settings(place: Place) -> dict[str, Any]:
        names = {"host": "127.0.0.1", "port": place.port, "user": "team", "password": place.password}
        return {**names, database: place.database, "default_target_schema": "public"}

    return settings


TAP = Program("tap-ifs-cloud", (str(BIN / "tap-ifs-cloud"),), _entities, "ours")
TAP_VERSIONS = replace(
    TAP, name="tap-ifs-cloud, keeping each row's version", settings=partial(_entities, replication="row_version")
)
WAREHOUSE = Program(
    "target-looker-warehouse",
    (str(BIN / "target-looker-warehouse"),),
    lambda place: {"warehouse_url": place.address},
    "ours",
)
WAREHOUSE_SMALL_BATCHES = replace(
    WAREHOUSE,
    name="target-looker-warehouse, 10,000 rows a batch",
    settings=lambda place: {"warehouse_url": place.address, "batch_size_rows": 10_000},
)
POWERBI = Program("target-powerbi", (str(BIN / "target-powerbi"),), dict, "ours")
TEMPLATE_TAP = Program(
    "SDK template tap",
    (_in("bench-template-tap", "python"), str(HERE / "peers/template_tap.py")),
    lambda address: {"api_url": address},
    environment="bench-template-tap",
)
TEMPLATE_TAP_NAIVE = replace(TEMPLATE_TAP, settings=lambda address: {"api_url": address, "naive_timestamps": True})
REST_API_TAP = Program(
    "tap-rest-api-msdk",
    (_in("bench-tap-rest-api-msdk", "tap-rest-api-msdk"),),
    _rest_api,
    environment="bench-tap-rest-api-msdk",
)
TARGET_DUCKDB = Program(
    "target-duckdb",
    (_in("bench-target-duckdb", "target-duckdb"),),
    lambda place: {"path": str(place.file), "default_target_schema": "main"},
    environment="bench-target-duckdb",
    naive=True,
)
TARGET_JSONL = Program(
    "target-jsonl",
    (_in("target-jsonl", "target-jsonl"),),
    lambda place: {"destination_path": str(place.folder)},
    environment="target-jsonl",
)
TARGET_POSTGRES = Program(
    "meltanolabs-target-postgres",
    (_in("meltanolabs-target-postgres", "target-postgres"),),
    lambda place: {**_postgresql("database")(place), "use_copy": True},
    environment="meltanolabs-target-postgres",
)
PIPELINEWISE = Program(
    "pipelinewise-target-postgres",
    (_in("pipelinewise-target-postgres", "target-postgres"),),
    _postgresql("dbname"),
    environment="pipelinewise-target-postgres",
)
MELTANO = Program("meltano", (_in("meltano", "meltano"),), dict, environment="meltano", configured=())
PEERS = (TEMPLATE_TAP, REST_API_TAP, TARGET_DUCKDB, TARGET_JSONL, TARGET_POSTGRES, PIPELINEWISE, MELTANO)


def without_ledger(program: Program) -> Program:
    """One of ours as if there were no ledger."""
    command = (sys.executable, str(HERE / "without_ledger.py"), Path(program.command[0]).name)
    return Program(f"{program.name} without ledger", command, program.settings, "floor")


def floor(name: str, title: str, *, copied: bool = False) -> Program:
    """A function of `floors`, which takes the place's address alone."""
    command = (sys.executable, str(HERE / "floors.py"), name)
    return Program(
        title, command, lambda place: {"address": place.address}, "floor", configured=("{address}",), copied=copied
    )
