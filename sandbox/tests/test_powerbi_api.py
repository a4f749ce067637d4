"""Power BI's REST API: documented example in, documented answer out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from ifs_bi_sandbox.listener import Listener
from ifs_bi_sandbox.powerbi import datasets
from ifs_bi_sandbox.powerbi.api import powerbi_app
from ifs_bi_sandbox.powerbi.limits import Spent
from ifs_bi_sandbox.world import Switches, World

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "head.claims.signature"
EXAMPLE = {
    "name": "SalesMarketing",
    "defaultMode": "Push",
    "tables": [
        {
            "name": "Product",
            "columns": [
                {"name": "ProductID", "dataType": "Int64"},
                {"name": "Name", "dataType": "string"},
                {"name": "Category", "dataType": "string"},
                {"name": "IsCompete", "dataType": "bool"},
                {"name": "ManufacturedOn", "dataType": "DateTime"},
                {"name": "Sales", "dataType": "Int64", "formatString": "Currency"},
            ],
        }
    ],
}
MADE = {"IsCompete": True, "ManufacturedOn": "07/30/2014"}
ROWS = {
    "rows": [
        {"ProductID": 1, "Name": "Adjustable Race", "Category": "Components", **MADE},
        {"ProductID": 2, "Name": "LL Crankarm", "Category": "Components", **MADE},
        {"ProductID": 3, "Name": "HL Mountain Frame - Silver", "Category": "Bikes", **MADE},
    ]
}


@dataclass
class PowerBI:
    """A client of the running server."""

    world: World
    origin: str

    def ask(self, method: str, path: str = "", *, workspace: str | None = None, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {TOKEN}"} | options.pop("headers", {})
        group = workspace or self.world.switches.workspace_id
        url = f"{self.origin}/v1.0/myorg/groups/{group}/datasets{path}"
        return requests.request(method, url, headers=headers, timeout=10, **options)

    def create(self, **options: Any) -> str:
        return str(self.ask("POST", json=EXAMPLE, **options).json()["id"])


@pytest.fixture(scope="module")
def running() -> Iterator[PowerBI]:
    world = World(Path("unused"))
    listener = Listener(powerbi_app(world))
    listener.start()
    yield PowerBI(world, listener.url)
    listener.stop()


@pytest.fixture
def powerbi(running: PowerBI) -> PowerBI:
    world = running.world
    world.switches = Switches()
    world.powerbi.clear()
    world.powerbi_queries = Spent()
    world.now = lambda: 1_800_000_000.0
    world.powerbi_tokens.clear()
    world.powerbi_tokens[TOKEN] = 1_800_003_600.0
    return running


def test_the_documented_dataset_is_created(powerbi: PowerBI) -> None:
    response = powerbi.ask("POST", json=EXAMPLE, params={"defaultRetentionPolicy": "basicFIFO"})
    assert response.status_code == 201
    body = response.json()
    assert body.pop("@odata.context").endswith("/v1.0/myorg/$metadata#datasets/$entity")
    assert body.pop("id") in powerbi.world.powerbi
    assert body == {
        "name": "SalesMarketing",
        "defaultRetentionPolicy": "basicFIFO",
        "upstreamDatasets": [],
        "users": [],
    }
    assert response.headers["RequestId"]


def test_two_datasets_may_have_one_name(powerbi: PowerBI) -> None:
    first, second = powerbi.create(), powerbi.create()
    listed = powerbi.ask("GET").json()["value"]
    assert [(item["id"], item["name"], item["addRowsAPIEnabled"]) for item in listed] == [
        (first, "SalesMarketing", True),
        (second, "SalesMarketing", True),
    ]


def test_a_dataset_is_found_and_deleted(powerbi: PowerBI) -> None:
    dataset = powerbi.create()
    found = powerbi.ask("GET", f"/{dataset}").json()
    assert (found["name"], found["createdDate"]) == ("SalesMarketing", "2027-01-15T08:00:00+00:00")
    deleted = powerbi.ask("DELETE", f"/{dataset}")
    assert (deleted.status_code, deleted.content) == (200, b"")
    gone = powerbi.ask("GET", f"/{dataset}")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "PowerBIEntityNotFound")


def test_tables_tell_their_names_and_nothing_else(powerbi: PowerBI) -> None:
    assert powerbi.ask("GET", f"/{powerbi.create()}/tables").json()["value"] == [{"name": "Product"}]


def test_the_documented_rows_are_stored(powerbi: PowerBI) -> None:
    dataset = powerbi.create()
    response = powerbi.ask("POST", f"/{dataset}/tables/Product/rows", json=ROWS)
    assert (response.status_code, response.content) == (200, b"")
    stored = powerbi.world.powerbi[dataset].tables["Product"].rows
    assert [row[:4] for row in stored[1:]] == [
        (2, "LL Crankarm", "Components", True),
        (3, "HL Mountain Frame - Silver", "Bikes", True),
    ]
    assert stored[0][4].isoformat() == "2014-07-30T00:00:00"
    assert stored[0][5] is None


def test_all_rows_of_a_table_are_deleted(powerbi: PowerBI) -> None:
    dataset = powerbi.create()
    powerbi.ask("POST", f"/{dataset}/tables/Product/rows", json=ROWS)
    response = powerbi.ask("DELETE", f"/{dataset}/tables/Product/rows")
    assert (response.status_code, response.content) == (200, b"")
    assert powerbi.world.powerbi[dataset].tables["Product"].rows == []


def test_a_put_replaces_the_definition_and_backfills_nulls(powerbi: PowerBI) -> None:
    dataset = powerbi.create()
    powerbi.ask("POST", f"/{dataset}/tables/Product/rows", json=ROWS)
    new = {
        "name": "Product",
        "columns": [{"name": "NewColumn", "dataType": "string"}, {"name": "ProductID", "dataType": "Int64"}],
    }
    response = powerbi.ask("PUT", f"/{dataset}/tables/Product", json=new)
    assert (response.status_code, response.json()["name"]) == (200, "Product")
    assert powerbi.world.powerbi[dataset].tables["Product"].rows == [(None, 1), (None, 2), (None, 3)]


def test_a_put_makes_no_table(powerbi: PowerBI) -> None:
    dataset = powerbi.create()
    response = powerbi.ask(
        "PUT", f"/{dataset}/tables/Cr", json={"name": "Cr", "columns": EXAMPLE["tables"][0]["columns"]}
    )
    assert response.status_code == 404
    assert response.json() == {
        "error": {
            "code": "ItemNotFound",
            "message": f"Table '<pi>Cr</pi>' not found in dataset 'sobe_wowvirtualserver|{dataset}'",
        }
    }


def test_the_case_of_a_table_name_matters(powerbi: PowerBI) -> None:
    assert powerbi.ask("POST", f"/{powerbi.create()}/tables/product/rows", json=ROWS).status_code == 404


def test_a_table_name_travels_in_the_path(powerbi: PowerBI) -> None:
    table = EXAMPLE["tables"][0] | {"name": "Größe #1 ^"}
    dataset = powerbi.ask("POST", json=EXAMPLE | {"tables": [table]}).json()["id"]
    assert powerbi.ask("POST", f"/{dataset}/tables/Gr%C3%B6%C3%9Fe%20%231%20%5E/rows", json=ROWS).status_code == 200


def test_a_dataset_published_from_a_file_takes_no_rows(powerbi: PowerBI) -> None:
    powerbi.world.powerbi["d1"] = datasets.Dataset("d1", "Report", "2026-01-01", push=False)
    assert powerbi.ask("GET").json()["value"][0]["addRowsAPIEnabled"] is False
    for response in (powerbi.ask("GET", "/d1/tables"), powerbi.ask("POST", "/d1/tables/Product/rows", json=ROWS)):
        assert response.status_code == 404
        assert response.json() == {"error": {"code": "ItemNotFound", "message": "Dataset d1 is not Push API dataset."}}


def test_an_unknown_property_is_refused_in_the_words_of_the_service(powerbi: PowerBI) -> None:
    response = powerbi.ask("POST", json=EXAMPLE | {"compatibilityLevel": 1550})
    assert response.status_code == 400
    assert response.json() == {
        "error": {
            "code": "BadRequest",
            "message": "Bad Request",
            "details": [
                {
                    "message": "The property 'compatibilityLevel' does not exist on type "
                    "'Microsoft.PowerBI.ServiceContracts.Api.Dataset'. Make sure to only use property names that are "
                    "defined by the type.",
                    "target": "dataset",
                }
            ],
        }
    }


def test_rows_are_inserted_all_or_none(powerbi: PowerBI) -> None:
    dataset = powerbi.create()
    rows = [*ROWS["rows"], {"ProductID": "four"}]
    response = powerbi.ask("POST", f"/{dataset}/tables/Product/rows", json={"rows": rows})
    assert response.status_code == 400
    assert "Row 3, column 'ProductID' (Int64)" in response.json()["error"]["details"][0]["message"]
    assert powerbi.world.powerbi[dataset].tables["Product"].rows == []


def test_an_unknown_column_is_refused_or_dropped_as_the_switch_says(powerbi: PowerBI) -> None:
    path = f"/{powerbi.create()}/tables/Product/rows"
    assert powerbi.ask("POST", path, json=[{"Weight": 1}]).status_code == 400
    powerbi.world.switches.powerbi_unknown_columns = "drop"
    assert powerbi.ask("POST", path, json=[{"Weight": 1}]).status_code == 200


@pytest.mark.parametrize(
    ("authorization", "info"),
    [
        (None, None),
        ("Bearer nonsense", "InvalidToken"),
        ("Basic abc", "InvalidToken"),
        ("Bearer other.claims.signature", "TokenExpired"),
    ],
)
def test_a_caller_without_a_good_token_gets_an_empty_403(
    powerbi: PowerBI, authorization: str | None, info: str | None
) -> None:
    response = powerbi.ask("GET", headers={"Authorization": authorization})
    assert (response.status_code, response.content) == (403, b"")
    assert response.headers.get("x-powerbi-error-info") == info
    assert response.headers["RequestId"]


def test_a_token_ends(powerbi: PowerBI) -> None:
    powerbi.world.now = lambda: 1_800_003_600.0
    response = powerbi.ask("GET")
    assert (response.status_code, response.headers["x-powerbi-error-info"]) == (403, "TokenExpired")


def test_another_workspace_is_not_accessible(powerbi: PowerBI) -> None:
    response = powerbi.ask("GET", workspace="00000000-0000-0000-0000-000000000000")
    assert (response.status_code, response.content) == (401, b"")
    assert response.headers["x-powerbi-error-info"] == "GroupNotAccessible"


@pytest.mark.parametrize(
    ("asked", "found"), [("", True), ("name eq 'Sandbox'", True), ("name eq 'Other'", False), ("id eq '1'", False)]
)
def test_workspaces_are_listed_and_filtered(powerbi: PowerBI, asked: str, found: bool) -> None:  # noqa: FBT001 - a parameter
    response = requests.get(
        f"{powerbi.origin}/v1.0/myorg/groups",
        params={"$filter": asked} if asked else {},
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=10,
    )
    assert [group["id"] for group in response.json()["value"]] == [powerbi.world.switches.workspace_id] * found


def test_the_minute_has_a_budget_of_requests(powerbi: PowerBI) -> None:
    powerbi.world.switches.powerbi_posts_per_minute = 2
    path = f"/{powerbi.create()}/tables/Product/rows"
    statuses = [powerbi.ask("POST", path, json=rows).status_code for rows in (ROWS, [{"Weight": 1}])]
    throttled = powerbi.ask("POST", path, json=ROWS)
    assert [*statuses, throttled.status_code] == [200, 400, 429]
    assert throttled.headers["Retry-After"] == "60"
    assert throttled.json()["error"]["message"].startswith("You have exceeded the amount of requests")
    powerbi.world.now = lambda: 1_800_000_060.0
    assert powerbi.ask("POST", path, json=ROWS).status_code == 200


def test_the_hour_has_a_budget_of_rows(powerbi: PowerBI) -> None:
    powerbi.world.switches.powerbi_rows_per_hour = 5
    path = f"/{powerbi.create()}/tables/Product/rows"
    assert powerbi.ask("POST", path, json=ROWS).status_code == 200
    throttled = powerbi.ask("POST", path, json=ROWS)
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "3600")
    assert throttled.json()["error"]["message"].startswith("You are over your rows per hour limit for this dataset.")


def test_a_large_table_shrinks_the_budget_of_requests(powerbi: PowerBI) -> None:
    powerbi.world.switches.update({"powerbi_large_table_rows": 3, "powerbi_posts_per_hour_when_large": 1})
    path = f"/{powerbi.create()}/tables/Product/rows"
    assert powerbi.ask("POST", path, json=ROWS).status_code == 200
    assert powerbi.ask("POST", path, json=ROWS).headers["Retry-After"] == "3600"


def test_a_request_of_more_than_16_megabytes_is_refused(powerbi: PowerBI) -> None:
    path = f"/{powerbi.create()}/tables/Product/rows"
    assert powerbi.ask("POST", path, data=b"[]" + b" " * (16 * 1024 * 1024 - 2)).status_code == 200
    assert powerbi.ask("POST", path, data=b"[]" + b" " * (16 * 1024 * 1024 - 1)).status_code == 413


def test_creation_ends_when_it_is_retired(powerbi: PowerBI) -> None:
    dataset = powerbi.create()
    powerbi.world.switches.creation_retired = True
    refused = powerbi.ask("POST", json=EXAMPLE)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "FeatureDeprecatedError")
    assert powerbi.ask("POST", f"/{dataset}/tables/Product/rows", json=ROWS).status_code == 200


def test_a_query_counts_rows(powerbi: PowerBI) -> None:
    dataset = powerbi.create()
    powerbi.ask("POST", f"/{dataset}/tables/Product/rows", json=ROWS)
    counts = [
        powerbi.ask("POST", f"/{dataset}/executeQueries", json={"queries": [{"query": query}]}).json()
        for query in (
            "EVALUATE ROW(\"n\", COUNTROWS('Product'))",
            "EVALUATE ROW(\"n\", COUNTROWS(FILTER('Product', 'Product'[Category] = \"Bikes\")))",
        )
    ]
    assert counts == [
        {"results": [{"tables": [{"rows": [{"[n]": 3}]}]}]},
        {"results": [{"tables": [{"rows": [{"[n]": 1}]}]}]},
    ]


def test_a_count_of_nothing_is_blank(powerbi: PowerBI) -> None:
    path = f"/{powerbi.create()}/executeQueries"
    asked = {"queries": [{"query": "EVALUATE ROW(\"n\", COUNTROWS('Product'))"}]}
    rows = [
        powerbi.ask("POST", path, json=asked | settings).json()["results"][0]["tables"][0]["rows"]
        for settings in ({}, {"serializerSettings": {"includeNulls": True}})
    ]
    assert rows == [[{}], [{"[n]": None}]]


def test_one_call_takes_one_query(powerbi: PowerBI) -> None:
    query = {"query": "EVALUATE ROW(\"n\", COUNTROWS('Product'))"}
    path = f"/{powerbi.create()}/executeQueries"
    for queries in ([], [query, query], [{"query": 1}]):
        assert powerbi.ask("POST", path, json={"queries": queries}).status_code == 400
