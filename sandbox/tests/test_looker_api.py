"""Looker's API 4.0: documented example in, documented answer out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.looker.app import looker_app
from ifs_bi_sandbox.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_800_000_000


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[World, str]]:
    world = World(Path("unused"))
    listener = Listener(looker_app(world))
    listener.start()
    yield world, f"{listener.url}/api/4.0"
    listener.stop()


@pytest.fixture
def world(running: tuple[World, str]) -> World:
    running[0].now = lambda: float(NOW)
    return running[0]


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
    assert ask(world, api, "PUT", "/connections/warehouse/test?tests=coffee").status_code == 422


def test_a_datagroup_is_triggered_and_its_cache_reset(world: World, api: str) -> None:
    (found,) = [group for group in ask(world, api, "GET", "/datagroups").json() if group["name"] == "ifs_load"]
    assert found["model_name"] == "ifs"
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
