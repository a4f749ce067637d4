"""Collections that IFS keys by company are read behind each company, page after page, with keys of any letters."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_sandbox.data import changes
from ifs_bi_sandbox.data.code_part_values import COMPANY_FINANCE
from ifs_bi_sandbox.data.projections import projection
from ifs_bi_sandbox.ifs.layout import layouts
from ifs_bi_sandbox.ifs.metadata import metadata_document
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import Pulling
from tap_ifs_cloud.entities import Entity
from tap_ifs_cloud.metadata import EntityType, Metadata, Property, parse
from tap_ifs_cloud.odata import collection_url, follow
from tap_ifs_cloud.offer import company_collections, entity_item, offers, stream_names
from tap_ifs_cloud.paths import parent_key, rows_of

COMPANY = Property("Company", "Edm.String")
SERVICE = "https://ifs/main/ifsapplications/projection/v1/CodePartValuesHandling.svc"


@pytest.mark.parametrize(
    ("company", "written"),
    [
        ("10", "'10'"),
        ("O'Neill", "'O''Neill'"),
        ("a/b", "'a%2Fb'"),
        ("*", "'%2A'"),
        ("#1 & 2+3%", "'%231%20%26%202%2B3%25'"),
        ("Å", "'%C3%85'"),
    ],
)
def test_the_key_of_the_company_is_quoted_and_encoded(company, written):
    url = collection_url(
        SERVICE, "CompanyFinanceSet/CodeBArray", {"$top": "2"}, parent=(Property("Company", "Edm.String"), company)
    )
    assert url == f"{SERVICE}/CompanyFinanceSet(Company={written})/CodeBArray?$top=2"
    assert unquote(url.partition("Company=")[2].partition(")/CodeBArray")[0]) == "'" + company.replace("'", "''") + "'"


def test_a_link_that_is_relative_to_the_service_leads_to_the_same_collection():
    asked = collection_url(SERVICE, "CompanyFinanceSet/CodeBArray", {}, parent=(COMPANY, "a/b"))
    link = "CompanyFinanceSet(Company='a%2Fb')/CodeBArray?$skiptoken=2"
    assert follow(link, asked) == f"{SERVICE}/{link}"


VALUE = EntityType("X.Value", ("Company", "Code"), {"Company": COMPANY, "Code": Property("Code", "Edm.String")})
FINANCE = EntityType("X.Finance", ("Company",), {"Company": COMPANY}, collections={"CodeBArray": "X.Value"})
PERIOD = EntityType("X.Period", ("Company", "Year"), {"Company": COMPANY}, collections={"RowsArray": "X.Value"})
TENANT = Metadata({"FinanceSet": FINANCE, "PeriodSet": PERIOD}, {each.name: each for each in (VALUE, FINANCE, PERIOD)})


def test_a_collection_has_the_type_that_its_navigation_property_leads_to():
    assert rows_of(TENANT, "FinanceSet/CodeBArray") is VALUE
    assert rows_of(TENANT, "FinanceSet") is FINANCE
    assert rows_of(TENANT, "FinanceSet/NoArray") is rows_of(TENANT, "NoSet/CodeBArray") is None


@pytest.mark.parametrize(
    ("path", "company", "sentence"),
    [
        ("PeriodSet/RowsArray", "Company", r"the key of PeriodSet is \(Company, Year\)"),
        ("FinanceSet/CodeBArray", None, "Name that property as `company`"),
        ("FinanceSet/CodeBArray", "Text", "and among `key`"),
    ],
)
def test_a_collection_whose_rows_can_not_be_told_apart_by_company_is_refused(path, company, sentence):
    with pytest.raises(ContractBrokenError, match=sentence):
        parent_key(TENANT, Entity("values", "X", path, company=company), VALUE.key)


class Values(Pulling):
    """The values of one code part, which lie behind each company."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        entity = {
            "name": "cost_centres",
            "projection": "CodePartValuesHandling",
            "entity_set": "CompanyFinanceSet/CodeBArray",
            "company": "Company",
        }
        super().__init__(box, folder, page_size=3, streams=["cost_centres"], entities=[entity])

    def values(self) -> set[tuple[str, str]]:
        with closing(sqlite3.connect(self.box.world.database)) as connection:
            found = connection.execute(
                'SELECT "Company", "CodePartValue" FROM accounting_code_part_value WHERE "CodePart" = \'B\''
            ).fetchall()
        return set(found)

    def asked(self) -> list[str]:
        """The paths of requests below the service, in order."""
        return [
            each["path"].partition(".svc/")[2]
            for each in self.box.world.requests
            if "CompanyFinanceSet" in each["path"]
        ]


@pytest.fixture
def pulling(tmp_path):
    with Sandbox(scale=300, seed=5) as box:
        yield Values(box, tmp_path)


def keys(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (message["record"]["Company"], message["record"]["CodePartValue"])
        for message in messages
        if message["type"] == "RECORD"
    ]


def test_each_company_is_read_behind_its_own_path_without_the_setting(pulling):
    messages = pulling.pull()
    assert set(keys(messages)) == pulling.values()
    companies = sorted({company for company, _ in pulling.values()})
    parts = pulling.state["bookmarks"]["cost_centres"]["partitions"]
    assert [part["context"] for part in parts] == [{"Company": company} for company in companies]
    paths = {unquote(path) for path in pulling.asked()}
    collections = {f"CompanyFinanceSet(Company='{company}')/CodeBArray" for company in companies}
    assert paths == {"CompanyFinanceSet", *collections}
    assert [message["type"] for message in messages].count("ACTIVATE_VERSION") == 1


def test_changes_are_found_by_scans_and_fetched_by_keys_at_the_same_path(pulling):
    pulling.pull()
    (first, *_), last = sorted(pulling.values()), max(pulling.values())
    changes.apply(
        pulling.box.world.database,
        {
            "action": "update",
            "table": "accounting_code_part_value",
            "key": {"Company": first[0], "CodePart": "B", "CodePartValue": first[1]},
            "values": {"Description": "Renamed"},
        },
    )
    changes.apply(
        pulling.box.world.database,
        {
            "action": "delete",
            "table": "accounting_code_part_value",
            "key": {"Company": last[0], "CodePart": "B", "CodePartValue": last[1]},
        },
    )
    pulling.box.world.requests.clear()
    messages = pulling.pull()
    told = {
        (m["record"]["Company"], m["record"]["CodePartValue"]): m["record"] for m in messages if m["type"] == "RECORD"
    }
    assert told[first]["Description"] == "Renamed"
    assert told[last]["_sdc_deleted_at"]
    assert all("CodeBArray" in path for path in pulling.asked() if "(" in path)


def test_links_are_followed_behind_the_company(pulling):
    pulling.box.world.switches.update({"paging": "next_relative", "page_cap": 2})
    pulling.settings["paging"] = "skip"
    messages = pulling.pull()
    assert set(keys(messages)) == pulling.values()
    assert len(keys(messages)) == len(pulling.values())


def test_a_company_of_any_letters_is_read(pulling):
    odd = "A/1 #'*%+&"
    with closing(sqlite3.connect(pulling.box.world.database)) as connection, connection:
        for table, facts in (("company", {}), ("accounting_code_part_value", {"CodePart": "B"})):
            columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})") if name != "_rowid"]
            where = " AND ".join(f"\"{name}\" = '{value}'" for name, value in facts.items()) or "1"
            chosen = ", ".join("?" if name == "Company" else f'"{name}"' for name in columns)
            names = ", ".join(f'"{name}"' for name in columns)
            source = f'SELECT {chosen} FROM {table} WHERE {where} AND "Company" = (SELECT min("Company") FROM company)'
            connection.execute(f"INSERT INTO {table} ({names}) {source}", (odd,))
    pulling.settings["companies"] = [odd]
    messages = pulling.pull()
    assert keys(messages)
    assert set(keys(messages)) == {value for value in pulling.values() if value[0] == odd}


def test_every_built_in_stream_brings_the_same_rows_by_company_as_at_once(pulling, tmp_path):
    del pulling.settings["streams"], pulling.settings["entities"]
    pulling.settings["page_size"] = 500
    with closing(sqlite3.connect(pulling.box.world.database)) as connection:
        companies = sorted(name for (name,) in connection.execute('SELECT "Company" FROM company'))
    at_once = pulling.pull()
    pulling.state = {}
    pulling.settings |= {"companies": companies, "state_dir": str(tmp_path / "another")}
    by_company = pulling.pull()
    assert sent(by_company) == sent(at_once)
    assert len(by_company) > len(at_once)  # a STATE for each company
    bookmarks = pulling.state["bookmarks"]
    assert len(bookmarks["journal_entries"]["partitions"]) == len(companies)
    assert "partitions" not in bookmarks["suppliers"]
    again = pulling.pull()
    assert {m["stream"] for m in again if m["type"] in {"RECORD", "ACTIVATE_VERSION"}} == {"currencies"}


def sent(messages: list[dict[str, Any]]) -> Counter[str]:
    """What would be loaded: rows, and versions that end; without what differs from run to run."""
    wanted = [
        (m["type"], m["stream"], m.get("record")) for m in messages if m["type"] in {"RECORD", "ACTIVATE_VERSION"}
    ]
    return Counter(json.dumps(each, sort_keys=True) for each in wanted)


def test_the_setting_says_which_companies_are_read(pulling):
    company = min(company for company, _ in pulling.values())
    pulling.settings["companies"] = [company]
    messages = pulling.pull()
    assert set(keys(messages)) == {value for value in pulling.values() if value[0] == company}
    assert "CompanyFinanceSet" not in pulling.asked()


def test_the_catalogue_command_offers_what_is_keyed_by_company():
    document = parse(metadata_document_of("CodePartValuesHandling"), "$metadata")
    sets = offers(document, projection="CodePartValuesHandling", endpoint="main", service="projection")
    found = company_collections(document, sets)
    assert [each.entity_set for each in found][:2] == ["CompanyFinanceSet/CodeBArray", "CompanyFinanceSet/CodeCArray"]
    assert entity_item(found[0], stream_names(found)[0]) == {
        "name": "code_b",
        "projection": "CodePartValuesHandling",
        "entity_set": "CompanyFinanceSet/CodeBArray",
        "endpoint": "main",
        "service": "projection",
        "key": ["Company", "CodePart", "CodePartValue"],
        "company": "Company",
        "replication": "auto",
    }


def metadata_document_of(name: str) -> bytes:
    found = projection(name)
    return metadata_document(found, tuple(layouts(found).values()))


def test_the_page_has_a_collection_for_each_code_part():
    assert [each.name for each in COMPANY_FINANCE.references] == [f"Code{letter}Array" for letter in "BCDEFGHIJ"]
