"""Power BI where the published limits bite or where nobody knows: every switch has an effect."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from ifs_bi_sandbox.faults import POWERBI_OPERATIONS, POWERBI_PRESETS, preset
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.powerbi import row_calls
from ifs_bi_sandbox.powerbi.api import powerbi_app
from ifs_bi_sandbox.powerbi.limits import LIMITS, Limits, Spent
from ifs_bi_sandbox.powerbi.switches import PowerBISwitches
from ifs_bi_sandbox.virtual_clock import VirtualClock
from ifs_bi_sandbox.wire import Wire
from ifs_bi_sandbox.world import Switches, World

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "head.claims.signature"
COLUMNS = {"Key": "Int64", "Name": "String", "At": "DateTime", "Amount": "Decimal", "Ok": "Boolean"}
DEFINITION = {
    "name": "D",
    "tables": [{"name": "T", "columns": [{"name": name, "dataType": kind} for name, kind in COLUMNS.items()]}],
}
ROWS = "/tables/T/rows"
NUMBER = "X-PowerBI-PushData-SequenceNumber"


@dataclass
class Service:
    """A client of the running server."""

    world: World
    origin: str
    clock: VirtualClock

    def ask(self, method: str, path: str = "", **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"} | options.pop("headers", {})
        url = f"{self.origin}/v1.0/myorg/groups/{self.world.switches.workspace_id}{path}"
        return requests.request(method, url, headers=headers, timeout=10, **options)

    def dataset(self, **options: Any) -> str:
        return f"/datasets/{self.ask('POST', '/datasets', json=DEFINITION, **options).json()['id']}"

    def post(self, dataset: str, *rows: dict[str, Any], **options: Any) -> int:
        return self.ask("POST", dataset + ROWS, json=list(rows), **options).status_code

    def shown(self, dataset: str) -> list[tuple[Any, ...]]:
        return list(self.world.powerbi[dataset.rpartition("/")[2]].tables["T"].rows)

    def count(self, dataset: str) -> int:
        query = {"queries": [{"query": "EVALUATE ROW(\"n\", COUNTROWS('T'))"}]}
        answer = self.ask("POST", f"{dataset}/executeQueries", json=query).json()
        return int(answer["results"][0]["tables"][0]["rows"][0].get("[n]", 0))


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    world = World(Path("unused"))
    listener = Listener(Wire(powerbi_app(world), world, "powerbi", revoke=world.powerbi_tokens.clear))
    listener.start()
    yield Service(world, listener.url, VirtualClock())
    listener.stop()


@pytest.fixture
def service(running: Service) -> Service:
    world = running.world
    running.clock = VirtualClock()
    world.switches, world.powerbi_queries = Switches(), Spent()
    world.now, world.waiting = running.clock.now, running.clock.waiting
    world.powerbi.clear()
    world.faults.clear()
    world.powerbi_tokens[TOKEN] = running.clock.now() + 100_000
    return running


def test_a_hundred_and_twenty_posts_a_minute_and_then_the_clock_must_move(service: Service) -> None:
    dataset = service.dataset()
    assert {service.post(dataset) for _ in range(120)} == {200}
    refused = service.ask("POST", dataset + ROWS, json=[])
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    service.clock.advance(60)
    assert service.post(dataset) == 200


def test_the_hour_of_a_large_table_is_that_of_the_whole_dataset(service: Service) -> None:
    service.world.switches.update({"powerbi_large_table_rows": 2, "powerbi_posts_per_hour_when_large": 3})
    dataset = service.dataset()
    assert [service.post(dataset, {}) for _ in range(4)] == [200, 200, 200, 429]
    service.clock.advance(3600)
    assert service.post(dataset, {}) == 200


def test_five_posts_may_be_pending(service: Service) -> None:
    dataset = service.dataset()
    arrived, go_on = threading.Semaphore(0), threading.Event()

    async def hold(_: float) -> None:
        arrived.release()
        await asyncio.to_thread(go_on.wait, 10)

    service.world.waiting = hold
    service.world.switches.powerbi_post_seconds = 1.0
    posts = [threading.Thread(target=service.post, args=(dataset, {})) for _ in range(5)]
    for post in posts:
        post.start()
    assert all(arrived.acquire(timeout=10) for _ in posts)
    assert service.post(dataset, {}) == 429
    go_on.set()
    for post in posts:
        post.join()
    assert len(service.shown(dataset)) == 5
    assert service.post(dataset, {}) == 200


def test_a_throttled_answer_may_come_without_its_wait(service: Service) -> None:
    service.world.switches.update({"powerbi_posts_per_minute": 1, "powerbi_throttle_retry_after": False})
    dataset = service.dataset()
    service.post(dataset)
    assert "Retry-After" not in service.ask("POST", dataset + ROWS, json=[]).headers


def test_queries_have_a_minute_of_their_own(service: Service) -> None:
    service.world.switches.powerbi_queries_per_minute = 1
    dataset = service.dataset()
    assert service.count(dataset) == 0
    query = {"queries": [{"query": "EVALUATE 'T'"}]}
    assert service.ask("POST", f"{dataset}/executeQueries", json=query).status_code == 429


def test_sequence_numbers_are_told_with_gaps_and_survive_as_the_switch_says(service: Service) -> None:
    dataset = service.dataset()

    def told() -> list[int]:
        answer = service.ask("GET", f"{dataset}/tables/T/sequenceNumbers").json()
        return [entry["sequenceNumber"] for entry in answer["value"]]

    service.post(dataset, {})
    assert told() == []
    service.post(dataset, {}, headers={NUMBER: "2"})
    service.post(dataset, {}, headers={NUMBER: "7"})
    assert told() == [7]
    service.ask("DELETE", dataset + ROWS)
    assert told() == [7]
    service.world.switches.powerbi_numbers_after_delete = "forget"
    service.ask("DELETE", dataset + ROWS)
    assert told() == []
    assert service.post(dataset, {}, headers={NUMBER: "one"}) == 400


@pytest.mark.parametrize(("how", "status", "rows"), [("append", 200, 2), ("ignore", 200, 1), ("refuse", 400, 1)])
def test_rows_under_a_number_that_was_used_are_a_switch(service: Service, how: str, status: int, rows: int) -> None:
    service.world.switches.update({"powerbi_repeated_number": how})
    dataset = service.dataset()
    assert service.post(dataset, {}, headers={NUMBER: "1"}) == 200
    assert service.post(dataset, {}, headers={NUMBER: "1"}) == status
    assert len(service.shown(dataset)) == rows


def test_sequence_numbers_may_be_gone(service: Service) -> None:
    service.world.switches.powerbi_sequence_numbers = "off"
    dataset = service.dataset()
    assert [service.post(dataset, {}, headers={NUMBER: "1"}) for _ in range(2)] == [200, 200]
    assert service.ask("GET", f"{dataset}/tables/T/sequenceNumbers").status_code == 404


def test_queries_may_see_rows_later(service: Service) -> None:
    service.world.switches.powerbi_visible_after = 2
    dataset = service.dataset()
    service.post(dataset, {})
    before = service.count(dataset)
    service.clock.advance(2)
    assert (before, service.count(dataset)) == (0, 1)


def test_queries_may_be_switched_off(service: Service) -> None:
    service.world.switches.powerbi_queries = "refuse"
    query = {"queries": [{"query": "EVALUATE 'T'"}]}
    assert service.ask("POST", f"{service.dataset()}/executeQueries", json=query).status_code == 401


def test_an_answer_is_cut_to_its_limit_and_says_so(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = service.dataset()
    service.post(dataset, *[{"Key": number, "Amount": 1.5} for number in range(4)])
    query = {"queries": [{"query": "EVALUATE 'T'"}]}

    def table() -> dict[str, Any]:
        answer = service.ask("POST", f"{dataset}/executeQueries", json=query)
        assert answer.status_code == 200
        return dict(answer.json()["results"][0]["tables"][0])

    assert table()["rows"][3] == {"T[Key]": 3, "T[Amount]": 1.5}
    assert "error" not in table()
    for small in (Limits(query_rows=2), Limits(query_values=10), Limits(query_bytes=60)):
        monkeypatch.setattr(row_calls, "LIMITS", small)
        assert (len(table()["rows"]), "cut to 2 of 4 rows" in table()["error"]["message"]) == (2, True)


VALUES = [
    ({"powerbi_long_strings": "cut"}, {"Name": "x" * 4001}, 1, "x" * 4000),
    ({"powerbi_typed_strings": "refuse"}, {"Key": "1"}, 0, None),
    ({"powerbi_offsets": "convert"}, {"At": "2026-01-02T03:00:00+02:00"}, 2, datetime(2026, 1, 2, 1)),  # noqa: DTZ001 - no zone
    ({"powerbi_offsets": "ignore"}, {"At": "2026-01-02T03:00:00+02:00"}, 2, datetime(2026, 1, 2, 3)),  # noqa: DTZ001 - no zone
    ({"powerbi_fine_decimals": "round"}, {"Amount": 1.00005}, 3, 1.0001),
]


@pytest.mark.parametrize(("switches", "row", "place", "stored"), VALUES)
def test_values_that_are_refused_by_default(
    service: Service, switches: dict[str, Any], row: dict[str, Any], place: int, stored: Any
) -> None:
    dataset = service.dataset()
    first = service.post(dataset, row)
    service.world.switches.update(switches)
    second = service.post(dataset, row)
    assert sorted([first, second]) == [200, 400]
    if stored is not None:
        (shown,) = service.shown(dataset)
        assert shown[place] == stored if place != 3 else float(shown[place]) == stored


def test_not_a_number_is_refused_or_blank(service: Service) -> None:
    dataset = service.dataset()
    statuses = []
    for how in ("refuse", "blank"):
        service.world.switches.update({"powerbi_nan": how})
        statuses.append(service.ask("POST", dataset + ROWS, data=b'[{"Amount": NaN}]').status_code)
    assert (statuses, service.shown(dataset)) == ([400, 200], [(None,) * 5])


def test_no_rows_at_all_are_a_switch(service: Service) -> None:
    dataset = service.dataset()
    service.world.switches.powerbi_empty_rows = "refuse"
    assert service.post(dataset) == 400


def test_the_status_of_what_is_too_much_is_a_switch(service: Service) -> None:
    service.world.switches.update({"powerbi_too_many_rows_status": 413, "powerbi_too_large_status": 400})
    dataset = service.dataset()
    many = service.ask("POST", dataset + ROWS, data=b"[" + b"{}," * LIMITS.rows_per_post + b"{}]")
    large = service.ask("POST", dataset + ROWS, data=b"[]" + b" " * LIMITS.request_bytes)
    assert (many.status_code, large.status_code) == (413, 400)


def test_a_creation_may_be_accepted_and_seen_later(service: Service) -> None:
    service.world.switches.update({"powerbi_create_status": 202, "powerbi_created_after": 30})
    made = service.ask("POST", "/datasets", json=DEFINITION)
    dataset = f"/datasets/{made.json()['id']}"
    assert (made.status_code, service.ask("GET", dataset).status_code) == (202, 404)
    assert service.ask("GET", "/datasets").json()["value"] == []
    service.clock.advance(30)
    assert service.ask("GET", dataset).status_code == 200


def test_pushing_may_end_too(service: Service) -> None:
    dataset = service.dataset()
    service.world.switches.pushing_retired = True
    refused = service.ask("POST", dataset + ROWS, json=[{}])
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "FeatureDeprecatedError")
    put = service.ask("PUT", f"{dataset}/tables/T", json=DEFINITION["tables"][0])
    assert put.json()["error"]["code"] == "FeatureDeprecatedError"
    assert service.ask("DELETE", dataset + ROWS).status_code == 200


def test_names_of_tables_may_be_free_or_stricter(service: Service) -> None:
    def status(name: str) -> int:
        table = DEFINITION["tables"][0] | {"name": name}
        return service.ask("POST", "/datasets", json=DEFINITION | {"tables": [table]}).status_code

    assert (status("a.b"), status("Date")) == (400, 201)
    service.world.switches.update({"powerbi_table_names": "any", "powerbi_date_table": "refuse"})
    assert (status("a.b"), status("Date")) == (201, 400)


def test_push_streaming_takes_names_and_types_alone(service: Service) -> None:
    streaming = DEFINITION | {"defaultMode": "PushStreaming"}
    assert service.ask("POST", "/datasets", json=streaming).status_code == 201
    column = {"name": "a", "dataType": "Int64", "isHidden": True}
    refused = service.ask("POST", "/datasets", json=streaming | {"tables": [{"name": "T", "columns": [column]}]})
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "InvalidRequest"


def test_the_callers_role_is_told_and_matters(service: Service) -> None:
    dataset = service.dataset()
    service.world.switches.powerbi_role = "Viewer"
    (user,) = service.ask("GET", "/users").json()["value"]
    assert user["groupUserAccessRight"] == "Viewer"
    assert service.post(dataset, {}) == 403
    assert service.ask("GET", f"{dataset}/tables").status_code == 200


def test_the_code_of_a_table_in_wrong_case_is_a_switch(service: Service) -> None:
    dataset = service.dataset()
    service.world.switches.powerbi_wrong_case = "RequestedResourceNotFound"
    codes = [service.ask("DELETE", f"{dataset}/tables/{name}/rows").json()["error"]["code"] for name in ("t", "x")]
    assert codes == ["RequestedResourceNotFound", "ItemNotFound"]


def test_errors_come_in_three_shapes(service: Service) -> None:
    told = service.ask("GET", "/datasets/x").json()
    service.world.switches.powerbi_error_shape = "bare"
    assert service.ask("GET", "/datasets/x").json() == told["error"]
    service.world.switches.powerbi_error_shape = "details_header"
    answer = service.ask("GET", "/datasets/x")
    assert (answer.content, "PowerBIEntityNotFound" in answer.headers["x-powerbi-error-details"]) == (b"", True)


def test_an_expired_token_may_be_told_in_the_body(service: Service) -> None:
    service.world.powerbi_tokens.clear()
    service.world.switches.powerbi_token_errors = "body"
    answer = service.ask("GET", "/datasets")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "TokenExpired")


@pytest.mark.parametrize("name", POWERBI_PRESETS)
@pytest.mark.parametrize("position", [0, 1])
def test_a_fault_strikes_its_operation_at_its_position(service: Service, name: str, position: int) -> None:
    dataset = service.dataset()
    service.world.faults.append(preset(name, skip=position, **POWERBI_OPERATIONS["post rows"]))
    assert service.ask("GET", f"{dataset}/tables").status_code == 200
    statuses: list[int | str] = []
    for number in range(position + 1):
        try:
            statuses.append(service.post(dataset, {"Key": number}))
        except requests.ConnectionError:
            statuses.append("vanished")
    stored = [row[0] for row in service.shown(dataset)]
    assert statuses[:-1] == [200] * position
    expected = {"vanish": "vanished", "token": 403, "lock": 500, "insufficient": 401}
    kind = name.removeprefix("powerbi_").split("_")[0]
    assert statuses[-1] == expected.get(kind, int(kind) if kind.isdecimal() else None)
    assert stored == list(range(position + name.endswith("_after") * (kind in {"vanish", "500"})))


def test_every_operation_of_a_fault_matches_its_own_requests_alone() -> None:
    dataset = "/v1.0/myorg/groups/g/datasets/12345678-1234-1234-1234-123456789012"
    requests_of = {
        "list groups": ("GET", "/v1.0/myorg/groups"),
        "list datasets": ("GET", "/v1.0/myorg/groups/g/datasets"),
        "create dataset": ("POST", "/v1.0/myorg/groups/g/datasets"),
        "get dataset": ("GET", dataset),
        "list tables": ("GET", f"{dataset}/tables"),
        "put table": ("PUT", f"{dataset}/tables/T"),
        "post rows": ("POST", f"{dataset}/tables/T/rows"),
        "delete rows": ("DELETE", f"{dataset}/tables/T/rows"),
        "sequence numbers": ("GET", f"{dataset}/tables/T/sequenceNumbers"),
        "query": ("POST", f"{dataset}/executeQueries"),
    }
    for operation, asked in requests_of.items():
        fault = preset("powerbi_400", **POWERBI_OPERATIONS[operation])
        assert [name for name, other in requests_of.items() if fault.matches("powerbi", *other)] == [operation], asked


def test_every_switch_is_looked_at_by_the_service() -> None:
    folder = Path(row_calls.__file__).parent
    code = "".join(path.read_text() for path in folder.glob("*.py") if path.name != "switches.py")
    code += (folder.parent / "servers.py").read_text()
    assert [field.name for field in fields(PowerBISwitches) if f".{field.name}" not in code] == []
