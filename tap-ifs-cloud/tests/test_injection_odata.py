"""Whatever values, names and files hold, it reaches IFS Cloud as one literal or one name, and comes back as it was."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ContractBrokenError, ExitCode, RowRejectedError
from pipeline.hostile import hostile_server
from tap_ifs_cloud.conditions import tokens
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.odata import after, any_equal, collection_url, follow, literal, service_url
from tap_ifs_cloud.write_back.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.hostile import HostileServer

HOSTILE = [
    "' or 1 eq 1 or Company eq '",
    "'') or (1 eq 1",
    "10' ; DROP TABLE row; --",
    "a/../../b",
    "..",
    "?$filter=1&x=#y",
    "%27%20or%201%20eq%201",
    "a&b=c;d+e f",
    "\u2019 or \uff07 or \u02bc",
    "a\nb\r\nHost: evil",
    "$skip(1)[2]{3}",
    "\\' \\\" `",
    "<script>alert(1)</script>",
    "'",
]
TEXT = Property("Company", "Edm.String")
UNQUOTED = [
    "Edm.Date",
    "Edm.TimeOfDay",
    "Edm.Guid",
    "Edm.DateTimeOffset",
    "Edm.Decimal",
    "Edm.Int64",
    "Edm.Double",
]
ANY = st.text() | st.sampled_from(HOSTILE)


def pieces(condition: str) -> list[str]:
    """The kinds of a condition's tokens."""
    return [token.kind for token in tokens(condition) if token.kind != "space"]


@given(ANY)
def test_a_text_is_one_literal_and_means_itself(value):
    written = literal(value, TEXT)
    assert pieces(f"Company eq {written}") == ["word", "word", "text"]
    assert written[1:-1].replace("''", "'") == value


@given(ANY)
def test_a_member_of_an_enumeration_is_one_literal(value):
    written = literal(value, Property("State", "IfsApp.P.State", is_enum=True))
    assert pieces(f"State eq {written}") == ["word", "word", "enum"]


@given(
    st.sampled_from(UNQUOTED),
    ANY | st.sampled_from(["1 or 1 eq 1", "2026-01-01 or 1 eq 1", "2026-01-01Z)", "1e999999"]),
)
def test_what_stands_without_quotes_has_its_own_form_or_is_refused(kind, value):
    try:
        written = literal(value, Property("P", kind))
    except ContractBrokenError:
        return
    assert re.fullmatch(r"[0-9A-Za-z:.+-]+", written)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Edm.Date", "2026-01-31"),
        ("Edm.TimeOfDay", "23:59:59.125"),
        ("Edm.Guid", "0123abcd-0123-ABCD-0123-0123456789ab"),
        ("Edm.Decimal", "12.50"),
    ],
)
def test_what_has_its_form_stays_as_it_is(kind, value):
    assert literal(value, Property("P", kind)) == value


@given(st.lists(ANY, min_size=1, max_size=4), ANY)
def test_conditions_of_several_values_have_as_many_parts_and_no_more(values, last):
    assert pieces(any_equal(values, TEXT)).count("text") == len(values)
    order = (TEXT, Property("No", "Edm.Decimal"))
    condition = after({"Company": last, "No": Decimal(1)}, order)
    assert [kind for kind in pieces(condition) if kind in {"text", "number", "other"}] == ["text", "text", "number"]


@given(ANY.filter(str.strip), ANY.filter(bool), ANY.filter(bool))
def test_an_address_has_the_parts_that_it_was_made_of(company, condition, projection):
    service = service_url("https://host", endpoint="main", service="projection", projection=projection)
    url = collection_url(service, "Set/RowArray", {"$filter": condition, "$top": "1"}, parent=(TEXT, company))
    assert url.isascii()
    assert url.isprintable()
    parts = urlsplit(url)
    assert parts.netloc == "host"
    assert parse_qs(parts.query, keep_blank_values=True) == {"$filter": [condition], "$top": ["1"]}
    segments = parts.path.split("/")
    assert len(segments) == len(["", "main", "ifsapplications", "projection", "v1", "P.svc", "Set", "RowArray"])
    assert unquote(segments[5]) == f"{projection}.svc"
    assert unquote(segments[6]) == f"Set(Company={literal(company, TEXT)})"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil/x",
        "//evil/x",
        "https://host@evil/x",
        "https://host:444/x",
        "http://host/x",
        "https://host\\@evil/x",
        "ht\ntps://evil/x",
        "https://[::1",
        "javascript:alert(1)",
        "file:///etc/passwd",
    ],
)
def test_a_token_goes_to_no_other_host(link):
    assert follow(link, "https://host/main/P.svc/Set?$top=1") is None


ORDERS = Resource(
    name="orders",
    url="https://host/main/P.svc/OrderSet",
    entity_type="IfsApp.P.Order",
    key=(Property("OrderNo", "Edm.String"), Property("Id", "Edm.Guid")),
    properties={"OrderNo": Property("OrderNo", "Edm.String"), "Id": Property("Id", "Edm.Guid")},
)
GUID = "0123abcd-0123-abcd-0123-0123456789ab"


@given(ANY)
def test_the_address_of_a_record_is_one_segment(value):
    url = ORDERS.record_url({"OrderNo": value, "Id": GUID})
    assert url.isascii()
    assert url.startswith(f"{ORDERS.url}(")
    rest = url.removeprefix(ORDERS.url)
    assert not set(rest) & set("/?#&' ")
    assert unquote(rest) == f"(OrderNo={literal(value, TEXT)},Id={GUID})"


@pytest.mark.parametrize("value", [*HOSTILE, "0123abcd-0123-abcd-0123-0123456789ab) or (1 eq 1"])
def test_a_key_of_another_form_is_refused(value):
    with pytest.raises(RowRejectedError, match="can't be written in an address"):
        ORDERS.record_url({"OrderNo": "1", "Id": value})


@pytest.mark.parametrize("action", [*HOSTILE, "", ".", "a.", "Release/../../Other", "Release?x", "Release\n"])
def test_what_is_no_name_of_an_action_is_refused(action):
    with pytest.raises(RowRejectedError, match="no name of an action"):
        ORDERS.action_url({"OrderNo": "1", "Id": GUID}, action)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[HostileServer]:
    with hostile_server(tmp_path_factory.mktemp("odata")) as running:
        yield running


def test_hostile_companies_and_keys_bring_their_own_rows_and_no_others(server):
    """By company, behind a bookmark, by key from page to page, and by the keys of what changed."""
    pipe, tenant = server.pipe, server.pipe.tenant
    for company in HOSTILE:
        for number in range(12):
            tenant.put(company, number)
    for _ in range(2):
        assert pipe.run(companies=HOSTILE, streams=["dated", "versioned"]) == ExitCode.DONE, pipe.said
        arrived, source = (one.shown(HOSTILE) for one in (pipe.arrived, tenant))
        for stream in ("dated", "versioned"):
            assert {key for key in arrived[stream] if key[0] in HOSTILE} == set(source[stream])
            assert arrived[stream] == source[stream]
        tenant.tick()
        for company in HOSTILE:
            tenant.put(company, 3)
            tenant.remove(company, 5)
    assert pipe.run(streams=["dated", "versioned"]) == ExitCode.DONE


def test_a_hostile_company_that_has_no_rows_brings_none(server):
    before = sum(server.pipe.arrived.moved.values())
    code = server.pipe.run(companies=["' or 1 eq 1 or '1' eq '", "x') or (Company ne '"], streams=["versioned"])
    assert code == ExitCode.DONE, server.pipe.said
    assert sum(server.pipe.arrived.moved.values()) == before


@pytest.mark.parametrize("name", ["a\nERROR forged", "a\x1b[2Jb", "a\u202eb", "a\u2028b"])
def test_names_of_the_configuration_forge_no_line_of_a_log(server, name):
    entity = {"name": name, "projection": name, "entity_set": name}
    code = server.pipe.run(entities=[entity], streams=[name])
    assert code == ExitCode.WRONG_CONFIGURATION
    assert server.pipe.errors()
    for sentence in server.pipe.said:
        assert not set(sentence) & set("\n\x1b\u202e\u2028")
    assert json.dumps(name)[1:-1] in server.pipe.errors()
