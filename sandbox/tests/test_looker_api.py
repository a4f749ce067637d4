"""Looker's API 4.0: documented example in, documented answer out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
import pytest
import requests
from ifs_bi_sandbox.faults import Fault, preset
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.looker.app import looker_app
from ifs_bi_sandbox.looker.instance import Instance
from ifs_bi_sandbox.wire import Wire
from ifs_bi_sandbox.world import Switches, World
from looker_sdk import error, init40, models40
from looker_sdk.rtl.api_settings import ApiSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[World, str]]:
    world = World(Path("unused"))
    listener = Listener(Wire(looker_app(world), world, "looker", revoke=world.looker_tokens.clear))
    listener.start()
    yield world, f"{listener.url}/api/4.0"
    listener.stop()


@pytest.fixture
def world(running: tuple[World, str]) -> World:
    world = running[0]
    world.now = lambda: float(NOW)
    world.switches, world.looker = Switches(), Instance()
    world.looker_tokens.clear()
    world.faults.clear()
    return world


@pytest.fixture
def api(running: tuple[World, str]) -> str:
    return running[1]


def login(world: World, api: str, **changes: str) -> requests.Response:
    switches = world.switches
    form = {"client_id": switches.looker_client_id, "client_secret": switches.looker_client_secret} | changes
    return requests.post(f"{api}/login", data=form, timeout=10)


def ask(world: World, api: str, method: str, path: str, **options: Any) -> requests.Response:
    token = login(world, api).json()["access_token"]
    return requests.request(method, api + path, headers={"Authorization": f"token {token}"}, timeout=10, **options)


def test_a_login_by_form_gives_a_token_for_an_hour(world: World, api: str) -> None:
    body = login(world, api).json()
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    for scheme in ("token", "Bearer"):
        headers = {"Authorization": f"{scheme} {body['access_token']}"}
        assert requests.get(f"{api}/user", headers=headers, timeout=10).json()["id"] == "1"
    world.now = lambda: NOW + 3600.0
    assert requests.get(f"{api}/user", headers=headers, timeout=10).status_code == 401


def test_wrong_credentials_are_not_found(world: World, api: str) -> None:
    refused = login(world, api, client_secret="wrong")
    assert refused.status_code == 404
    assert refused.json() == {"message": "Not found", "documentation_url": "https://cloud.google.com/looker/docs/"}


def test_credentials_in_the_query_are_not_taken(world: World, api: str) -> None:
    switches = world.switches
    query = {"client_id": switches.looker_client_id, "client_secret": switches.looker_client_secret}
    assert requests.post(f"{api}/login", params=query, timeout=10).status_code == 404


def test_a_call_without_a_token_requires_authentication(api: str) -> None:
    for headers in ({}, {"Authorization": "token made-up"}):
        refused = requests.get(f"{api}/user", headers=headers, timeout=10)
        assert (refused.status_code, refused.json()["message"]) == (401, "Requires authentication.")


def test_versions_need_no_token(api: str) -> None:
    assert requests.get(f"{api}/versions", timeout=10).json()["current_version"]["version"] == "4.0"


def test_a_connection_names_its_tests_and_passes_them(world: World, api: str) -> None:
    tests = ask(world, api, "GET", "/connections/warehouse").json()["dialect"]["connection_tests"]
    results = ask(world, api, "PUT", f"/connections/warehouse/test?tests={','.join(tests[:2])}").json()
    assert [(result["name"], result["status"]) for result in results] == [("connect", "success"), ("query", "success")]
    assert len(ask(world, api, "PUT", "/connections/warehouse/test").json()) == len(tests)


def test_what_is_not_there_is_not_found(world: World, api: str) -> None:
    for method, path in (("GET", "/connections/x"), ("PUT", "/connections/x/test"), ("PATCH", "/datagroups/99")):
        assert ask(world, api, method, path, json={}).status_code == 404


def test_unknown_tests_of_a_connection_are_ignored(world: World, api: str) -> None:
    assert ask(world, api, "PUT", "/connections/warehouse/test?tests=coffee").json() == []


def test_a_connection_without_its_database_fails_its_tests(world: World, api: str, tmp_path: Path) -> None:
    world.switches.looker_warehouse = str(tmp_path / "nowhere.duckdb")
    results = ask(world, api, "PUT", "/connections/warehouse/test").json()
    assert {result["status"] for result in results} == {"error"}
    assert "nowhere.duckdb" in results[0]["message"]
    world.switches.looker_warehouse, world.switches.looker_failing_tests = None, ["kill"]
    results = ask(world, api, "PUT", "/connections/warehouse/test").json()
    assert [result["name"] for result in results if result["status"] != "success"] == ["kill"]


def test_a_datagroup_is_triggered_and_its_cache_reset(world: World, api: str) -> None:
    (found,) = [group for group in ask(world, api, "GET", "/datagroups").json() if group["name"] == "purchasing_loads"]
    assert found["model_name"] == "ifs_cloud"
    update = {"triggered_at": NOW - 1, "stale_before": NOW}
    assert ask(world, api, "PATCH", f"/datagroups/{found['id']}", json=update).json() == found | update


@pytest.mark.parametrize(
    ("update", "field", "message"),
    [
        ({"triggered_at": NOW + 1}, "triggered_at", "cannot be in the future"),
        ({"stale_before": "now"}, "stale_before", "must be a whole number of seconds"),
        ({"name": "other"}, "name", "is read-only"),
    ],
)
def test_an_update_that_is_not_allowed_is_a_validation_error(
    world: World, api: str, update: dict[str, object], field: str, message: str
) -> None:
    refused = ask(world, api, "PATCH", "/datagroups/7", json=update)
    assert refused.status_code == 422
    body = refused.json()
    assert (body["message"], body["errors"][0]["field"], body["errors"][0]["message"]) == (
        "Validation Failed",
        field,
        message,
    )


def test_an_update_sent_as_a_form_is_a_bad_request(world: World, api: str) -> None:
    assert ask(world, api, "PATCH", "/datagroups/7", data={"triggered_at": 1}).status_code == 400


# What the vendor's own client sees


SHAPES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "AccessToken": {"access_token": str, "token_type": str, "expires_in": int},
    "ApiVersion": {"looker_release_version": str, "current_version": dict, "supported_versions": list},
    "User": {"id": str, "display_name": str, "is_disabled": bool, "role_ids": list},
    "DBConnection": {"name": str, "dialect_name": str, "dialect": dict, "pdts_enabled": bool},
    "DBConnectionTestResult": {"name": str, "status": str, "message": str},
    "Datagroup": {"id": str, "model_name": str, "name": str, "created_at": int, "triggered_at": (int, type(None))},
    "SqlQuery": {"slug": str, "sql": str, "run_count": int, "connection": dict},
    "MaterializePDT": {"materialization_id": str, "resp_text": str},
    "ScheduledPlan": {"id": str, "name": str, "run_once": bool, "enabled": bool, "user_id": str},
    "Error": {"message": str, "documentation_url": str},
    "ValidationError": {"message": str, "documentation_url": str, "errors": list},
}
"""Members and their types as the specification has them: of each schema those that a caller after a load reads."""


class SandboxSettings(ApiSettings):
    """Settings of the client that come from nowhere else."""

    def __init__(self, world: World, api: str) -> None:
        self.values = {
            "base_url": api.removesuffix("/api/4.0"),
            "client_id": world.switches.looker_client_id,
            "client_secret": world.switches.looker_client_secret,
        }
        super().__init__()

    def read_config(self) -> Any:
        return self.values


@pytest.fixture
def sdk(world: World, api: str) -> Any:
    client = init40(config_settings=SandboxSettings(world, api))
    client.transport.session.trust_env = False
    return client


@pytest.mark.parametrize(
    ("method", "path", "body", "shape"),
    [
        ("GET", "/versions", None, "ApiVersion"),
        ("GET", "/user", None, "User"),
        ("GET", "/connections/warehouse", None, "DBConnection"),
        ("PUT", "/connections/warehouse/test", None, "DBConnectionTestResult"),
        ("GET", "/datagroups", None, "Datagroup"),
        ("GET", "/datagroups/7", None, "Datagroup"),
        ("PATCH", "/datagroups/7", {"triggered_at": NOW}, "Datagroup"),
        ("PATCH", "/datagroups/7", {"triggered_at": NOW + 1}, "ValidationError"),
        ("POST", "/sql_queries", {"connection_name": "warehouse", "sql": "SELECT 1"}, "SqlQuery"),
        ("POST", "/sql_queries", {"connection_name": "x", "sql": "SELECT 1"}, "ValidationError"),
        ("GET", "/derived_table/ifs_cloud/spend_by_cost_centre/start", None, "MaterializePDT"),
        ("GET", "/derived_table/ifs_cloud/x/start", None, "Error"),
        ("GET", "/scheduled_plans/12", None, "ScheduledPlan"),
        ("POST", "/scheduled_plans/12/run_once", None, "ScheduledPlan"),
        ("POST", "/scheduled_plans/1/run_once", None, "Error"),
    ],
)
def test_every_answer_has_the_shape_of_its_schema(
    world: World, api: str, method: str, path: str, body: Any, shape: str
) -> None:
    answer = ask(world, api, method, path, json=body).json()
    for document in answer if isinstance(answer, list) else [answer]:
        for member, kind in SHAPES[shape].items():
            assert isinstance(document[member], kind), member


def test_the_vendors_client_finds_its_way(world: World, sdk: Any) -> None:
    assert sdk.versions().looker_release_version
    assert sdk.me().display_name == "IFS BI loader"
    assert {result.status for result in sdk.test_connection("warehouse")} == {"success"}
    (found,) = [
        group for group in sdk.all_datagroups() if (group.model_name, group.name) == ("ifs_cloud", "purchasing_loads")
    ]
    assert sdk.update_datagroup(found.id, models40.WriteDatagroup(triggered_at=NOW)).triggered_at == NOW
    build = sdk.start_pdt_build("ifs_cloud", "spend_by_cost_centre")
    assert sdk.check_pdt_build(build.materialization_id).resp_text == "Complete"
    assert sdk.scheduled_plan_run_once_by_id("12").run_once
    assert world.looker.plans["12"].deliveries == 1
    with pytest.raises(error.SDKError, match="Not found"):
        sdk.scheduled_plan("13")


COUNT = "SELECT 1 AS place, COUNT(*) AS row_count FROM orders"


def rows_of(sdk: Any, sql: str) -> str:
    query = sdk.create_sql_query(models40.SqlQueryCreate(connection_name="warehouse", sql=sql))
    return sdk.run_sql_query(query.slug, "json")


def test_sql_runner_asks_the_real_duckdb_file(world: World, sdk: Any, tmp_path: Path) -> None:
    world.switches.looker_warehouse = str(tmp_path / "warehouse.duckdb")
    with duckdb.connect(world.switches.looker_warehouse) as warehouse:
        warehouse.execute("CREATE TABLE orders AS SELECT 1.50::DECIMAL(9, 2) AS amount FROM range(3)")
    assert rows_of(sdk, COUNT) == '[{"place":1,"row_count":3}]'
    assert rows_of(sdk, "SELECT amount FROM orders LIMIT 1") == '[{"amount":1.5}]'
    assert "looker_error" in rows_of(sdk, "SELECT nothing FROM orders")
    assert "looker_error" in rows_of(sdk, "DROP TABLE orders")
    assert rows_of(sdk, COUNT) == '[{"place":1,"row_count":3}]'


def test_sql_runner_asks_the_real_postgresql(world: World, sdk: Any, postgres_url: str) -> None:
    world.switches.looker_warehouse = postgres_url
    with psycopg.connect(postgres_url) as warehouse:
        warehouse.execute("CREATE TABLE orders AS SELECT 1 AS amount FROM generate_series(1, 3)")
    assert rows_of(sdk, COUNT) == '[{"place":1,"row_count":3}]'
    assert "looker_error" in rows_of(sdk, "DROP TABLE orders")


def test_sql_runner_without_a_warehouse_says_so(sdk: Any) -> None:
    assert "looker_warehouse" in rows_of(sdk, "SELECT 1")


def test_a_token_that_ends_between_two_calls_is_refused(world: World, api: str, sdk: Any) -> None:
    sdk.me()
    world.faults.append(preset("token_revoked", service="looker", skip=0))
    with pytest.raises(error.SDKError, match="Requires authentication"):
        sdk.me()
    assert login(world, api).status_code == 200


def test_faults_speak_as_looker_does(world: World, sdk: Any) -> None:
    sdk.me()
    world.faults.append(Fault("looker", "status", path="*/user", status=429, message="Rate limited", code="429"))
    with pytest.raises(error.SDKError, match="Rate limited"):
        sdk.me()
    world.faults.append(preset("reset", service="looker", method="POST", path="*/run_once", after=True))
    with pytest.raises(error.SDKError):
        sdk.scheduled_plan_run_once_by_id("12")
    assert world.looker.plans["12"].deliveries == 1  # sent, and nobody was told


def test_the_log_of_calls_tells_what_each_was_about_and_which_quota_it_counts_against(world: World, sdk: Any) -> None:
    sdk.test_connection("warehouse")
    sdk.update_datagroup("7", models40.WriteDatagroup(triggered_at=NOW))
    sdk.scheduled_plan_run_once_by_id("12")
    told = [(call.operation, call.quota, call.about, call.status) for call in world.looker.calls]
    assert told == [
        ("login", "none", "", 200),
        ("test_connection", "admin", "warehouse", 200),
        ("update_datagroup", "admin", "ifs_cloud.purchasing_loads", 200),
        ("scheduled_plan_run_once_by_id", "query", "12", 200),
    ]
