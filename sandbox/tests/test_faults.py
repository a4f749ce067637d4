"""Scripted faults as data, and what a real client sees of them on a real connection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from ifs_bi_sandbox.faults import PRESETS, Fault, preset, read_fault, take
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.wire import Wire
from ifs_bi_sandbox.world import World
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

ANSWER = {"value": ["row"] * 100}
ANSWER_BYTES = len(JSONResponse(ANSWER).body)


class Service:
    """A tiny service with a token, behind a wire: it remembers what it was asked to store."""

    def __init__(self) -> None:
        self.world = World(Path("unused"))
        self.stored: list[bytes] = []
        self.tokens = {"good"}
        routes = [
            Route("/rows", self.read, methods=["GET"]),
            Route("/rows", self.write, methods=["POST"]),
            Route("/auth/token", self.read, methods=["GET"]),
        ]
        wire = Wire(Starlette(routes=routes), self.world, "ifs", parts={"/auth/": "token"}, revoke=self.tokens.clear)
        self.listener = Listener(wire)
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = "Bearer good"

    async def read(self, request: Request) -> JSONResponse:
        known = request.headers.get("authorization", "").removeprefix("Bearer ") in self.tokens
        return JSONResponse(ANSWER) if known else JSONResponse({}, 401)

    async def write(self, request: Request) -> JSONResponse:
        self.stored.append(await request.body())
        return JSONResponse(None)

    def get(self, path: str = "/rows", **options: object) -> requests.Response:
        return self.session.get(self.listener.url + path, timeout=10, **options)

    def post(self, body: bytes = b"{}") -> requests.Response:
        return self.session.post(f"{self.listener.url}/rows", data=body, timeout=10)


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    service = Service()
    service.listener.start()
    yield service
    service.listener.stop()


@pytest.fixture
def service(running: Service) -> Service:
    running.world.faults.clear()
    running.world.requests.clear()
    running.stored.clear()
    running.tokens.add("good")
    return running


def test_a_status_answers_in_the_shape_of_the_service(service: Service) -> None:
    service.world.faults.append(preset("operation_timeout"))
    response = service.get()
    assert response.status_code == 504
    message = "Operation did not complete in the expected time (300 seconds)."
    assert response.json() == {"error": {"code": "ODP_OPERATION_TIMEOUT", "message": message, "details": []}}
    assert service.get().status_code == 200


def test_each_service_words_its_errors_in_its_own_way() -> None:
    bodies = {
        name: Fault(name, "status", status=500, code="C", message="M").answer()[2]
        for name in ("token", "powerbi", "looker")
    }
    assert bodies == {
        "token": b'{"error":"C","error_description":"M"}',
        "powerbi": b'{"error":{"code":"C","message":"M"}}',
        "looker": b'{"message":"M","documentation_url":"https://cloud.google.com/looker/docs/"}',
    }


@pytest.mark.parametrize(("name", "header"), [("throttled", "1"), ("throttled_without_retry_after", None)])
def test_a_throttled_answer_comes_with_or_without_retry_after(service: Service, name: str, header: str | None) -> None:
    service.world.faults.append(preset(name))
    response = service.get()
    assert (response.status_code, response.headers.get("Retry-After")) == (429, header)


def test_a_reset_reaches_the_client_as_a_reset_connection(service: Service) -> None:
    service.world.faults.append(preset("reset"))
    with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
        service.post()
    assert service.stored == []


def test_a_lost_answer_leaves_the_work_done(service: Service) -> None:
    service.world.faults.append(preset("rows_stored_answer_lost", service="ifs"))
    with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
        service.post(b'{"rows":[]}')
    assert service.stored == [b'{"rows":[]}']


def test_a_status_may_replace_the_answer_of_work_that_was_done(service: Service) -> None:
    service.world.faults.append(Fault("ifs", "status", method="POST", status=500, after=True))
    assert service.post(b"x").status_code == 500
    assert service.stored == [b"x"]


def test_a_reset_within_the_body_comes_after_headers_and_half_of_it(service: Service) -> None:
    service.world.faults.append(preset("reset_mid_body"))
    response = service.get(stream=True)
    assert response.status_code == 200
    assert response.headers["Content-Length"] == str(ANSWER_BYTES)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="Connection reset by peer"):
        response.json()


def test_a_truncated_body_is_shorter_than_promised(service: Service) -> None:
    service.world.faults.append(preset("truncated_body"))
    half, rest = ANSWER_BYTES // 2, ANSWER_BYTES - ANSWER_BYTES // 2
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match=rf"{half} bytes read, {rest} more expected"):
        service.get()


def test_revoked_tokens_end_in_the_middle_of_a_run(service: Service) -> None:
    service.world.faults.append(preset("token_revoked", skip=2))
    assert [service.get().status_code for _ in range(3)] == [200, 200, 401]


@pytest.mark.parametrize("after", [False, True])
def test_a_slow_answer_waits_for_as_long_as_it_says(service: Service, after: bool) -> None:  # noqa: FBT001 - a parameter
    waited: list[tuple[float, int]] = []

    async def waiting(seconds: float) -> None:
        waited.append((seconds, len(service.stored)))

    service.world.waiting = waiting
    service.world.faults.append(preset("slow", method="POST", seconds=30, after=after))
    assert service.post().status_code == 200
    assert waited == [(30, int(after))]


def test_faults_count_their_requests_and_leave_when_they_are_used_up(service: Service) -> None:
    service.world.faults.append(Fault("ifs", "status", status=503, path="/r*", method="GET", skip=1, times=2))
    service.post()
    assert [service.get().status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    assert service.world.faults == []


def test_a_fault_that_still_skips_lets_the_next_one_strike() -> None:
    first = Fault("ifs", "status", status=500, skip=1)
    second = Fault("ifs", "status", status=503, times=None)
    world = World(Path("unused"), faults=[first, second])
    assert [take(world, "ifs", "GET", "/").status for _ in range(3)] == [503, 500, 503]
    assert world.faults == [second]


def test_the_token_endpoint_is_a_service_of_its_own(service: Service) -> None:
    service.world.faults.append(Fault("token", "status", status=503))
    assert [service.get().status_code, service.get("/auth/token").status_code] == [200, 503]
    assert [entry["service"] for entry in service.world.requests] == ["ifs", "token"]


def test_the_log_tells_everything_about_a_request_but_its_token(service: Service) -> None:
    service.world.now = lambda: 1000.0
    service.get("/rows?$top=5&$filter=A%20eq%20'%2B'&client_secret=hidden")
    service.world.faults.append(preset("reset_mid_body"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        service.get()
    whole, half = service.world.requests
    assert whole == {
        "service": "ifs",
        "method": "GET",
        "path": "/rows",
        "query": {"$top": "5", "$filter": "A eq '+'", "client_secret": "(secret)"},
        "status": 200,
        "request_bytes": 0,
        "response_bytes": ANSWER_BYTES,
        "time": 1000.0,
        "fault": None,
        "authorization": True,
    }
    assert (half["response_bytes"], half["fault"]) == (ANSWER_BYTES // 2, "reset_mid_body")


def test_a_connection_is_used_again_after_an_ordinary_answer_and_a_new_one_after_a_reset(service: Service) -> None:
    service.get()
    service.world.faults.append(preset("reset"))
    with pytest.raises(requests.ConnectionError):
        service.get()
    assert service.get().json() == ANSWER


def test_a_fault_in_json_is_its_fields_or_a_preset_with_differences() -> None:
    assert read_fault({"preset": "slow", "seconds": 9}) == preset("slow", seconds=9)
    assert read_fault({"service": "looker", "kind": "reset"}) == Fault("looker", "reset")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"preset": "earthquake"}, "no preset 'earthquake': there are throttled"),
        ({"kind": "reset"}, "needs service, or a preset"),
        ({"service": "sap", "kind": "reset"}, "service 'sap' is none of ifs, token"),
        ({"service": "ifs", "kind": "burn"}, "kind 'burn' is none of status, reset"),
        ({"service": "ifs", "kind": "status"}, "such a fault needs it"),
        ({"service": "ifs", "kind": "reset", "status": 500}, "status belongs to"),
        ({"service": "ifs", "kind": "reset", "times": 0}, "times at least 1"),
        ({"service": "ifs", "kind": "reset", "sevice": 1}, "a fault has no sevice"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_with_a_reason(document: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_fault(document)


def test_every_preset_of_the_documents_is_there() -> None:
    assert {(fault.kind, fault.status, fault.code) for fault in PRESETS.values()} >= {
        ("status", 429, None),
        ("status", 503, None),
        ("status", 504, "ODP_OPERATION_TIMEOUT"),
        ("status", 500, "MI_MODIFIED_ERROR"),
        ("status", 500, "DATABASE_ERROR"),
        ("status", 403, "SE_UNAUTHORIZED"),
        ("status", 404, "ODP_RESOURCE_NOTFOUND"),
        ("status", 501, "ODP_NOT_IMPLEMENTED"),
        ("status", 401, None),
        ("status", 502, None),
        ("status", 504, None),
        ("status", 200, None),
        ("status", 302, None),
        ("reset_mid_body", None, None),
        ("truncate", None, None),
        ("revoke_tokens", None, None),
        ("slow", None, None),
    }


@pytest.mark.parametrize(
    ("name", "body"), [("sign_in_page", b"<!DOCTYPE html>"), ("gateway_error", b"<html>"), ("gateway_timeout", b"")]
)
def test_what_stands_before_the_service_does_not_speak_json(service: Service, name: str, body: bytes) -> None:
    service.world.faults.append(preset(name))
    response = service.get()
    assert response.status_code == PRESETS[name].status
    assert response.content.startswith(body)
    assert response.headers.get("Content-Type") == ("text/html" if body else None)
