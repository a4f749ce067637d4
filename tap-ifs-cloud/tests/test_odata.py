"""URLs, literals, filters and ETags."""

import base64
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_sandbox.ifs.grammar import tokens
from ifs_bi_sandbox.ifs.query import options
from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.odata import (
    after,
    all_of,
    any_equal,
    collection_url,
    fixed_width,
    follow,
    instant,
    literal,
    parse_instant,
    row_version,
    service_url,
)

TEXT = Property("OrderNo", "Edm.String")
NUMBER = Property("LineItemNo", "Edm.Decimal")
MOMENT = Property("ChangedDate", "Edm.DateTimeOffset")
DAY = Property("EntryDate", "Edm.Date")
STATE = Property("Objstate", "IfsApp.PurchaseOrderHandling.PurchaseOrderState", is_enum=True)


def test_a_projection_and_an_entity_service_have_documented_addresses():
    assert (
        service_url("https://acme.ifs.cloud", endpoint="main", service="projection", projection="PurchaseOrderHandling")
        == "https://acme.ifs.cloud/main/ifsapplications/projection/v1/PurchaseOrderHandling.svc"
    )
    assert service_url("https://a", endpoint="int", service="entity", projection="LedgerItemEntity").endswith(
        "/int/ifsapplications/entity/v1/LedgerItemEntity.svc"
    )


def test_option_names_stay_plain_and_values_are_percent_encoded():
    url = collection_url("https://a/x.svc", "Set", {"$filter": "A eq 'O''N & 50%+#/å'", "$top": "5", "$skip": ""})
    assert url == "https://a/x.svc/Set?$filter=A%20eq%20%27O%27%27N%20%26%2050%25%2B%23%2F%C3%A5%27&$top=5"


@pytest.mark.parametrize(
    ("value", "prop", "text"),
    [
        ("O'NEILL", TEXT, "'O''NEILL'"),
        ("*", TEXT, "'*'"),
        (7, NUMBER, "7"),
        ("12345678901234567.890", NUMBER, "12345678901234567.890"),
        (True, Property("B", "Edm.Boolean"), "true"),
        (None, TEXT, "null"),
        ("2026-02-01", DAY, "2026-02-01"),
        ("2026-01-01T00:00:00.000000Z", MOMENT, "2026-01-01T00:00:00Z"),
        ("2026-01-01T01:00:00.250000+01:00", MOMENT, "2026-01-01T00:00:00.25Z"),
        ("Released", STATE, "IfsApp.PurchaseOrderHandling.PurchaseOrderState'Released'"),
    ],
)
def test_a_value_becomes_a_literal_of_its_type(value, prop, text):
    assert literal(value, prop) == text


def test_what_lies_behind_a_row_is_lexicographic_over_all_keys():
    row = {"ChangedDate": "2026-01-01T00:00:00Z", "OrderNo": "A'1", "LineItemNo": 2}
    assert after(row, [MOMENT, TEXT, NUMBER]) == (
        "ChangedDate gt 2026-01-01T00:00:00Z or (ChangedDate eq 2026-01-01T00:00:00Z and "
        "(OrderNo gt 'A''1' or (OrderNo eq 'A''1' and (LineItemNo gt 2))))"
    )


def test_filters_are_joined_so_that_none_changes_another():
    companies = any_equal(["10", "20"], Property("Company", "Edm.String"))
    assert (
        all_of(companies, None, "", "A eq 1 or B eq 2") == "(Company eq '10' or Company eq '20') and (A eq 1 or B eq 2)"
    )
    assert all_of(companies) == companies
    assert all_of() == ""


def etag(content: str) -> str:
    return f'W/"{base64.b64encode(content.encode()).decode()}"'


def test_an_etag_holds_the_time_of_the_last_change():
    assert row_version('W/"Vy8iQUFBWkkyQUFoQUFBNXZUQUFBOjIwMjUxMDA4MTcxNjEwIg=="') == "2025-10-08T17:16:10.000000Z"


@pytest.mark.parametrize(
    "tag", [None, "", 'W/"!!"', etag('W/"AAA:17"'), etag('W/"AAA:20251399999999"'), 'W/"/////w=="', etag("plain")]
)
def test_an_etag_of_another_form_holds_none(tag):
    assert row_version(tag) is None


@given(st.datetimes(), st.integers(-14, 14))
def test_texts_of_fixed_width_compare_like_the_instants_they_name(moment, hours):
    sign = "-" if hours < 0 else "+"
    text = f"{moment.isoformat()}{sign}{abs(hours):02d}:00"
    try:
        fixed = fixed_width(text)
    except OverflowError:
        return  # the instant lies outside the years 1 to 9999
    assert len(fixed) == len("YYYY-MM-DDTHH:MM:SS.ffffffZ")
    assert parse_instant(fixed) == parse_instant(text)
    assert parse_instant(instant(fixed)) == parse_instant(text)


def test_nothing_finer_than_a_microsecond_is_cut_off():
    assert fixed_width("2026-01-01T00:00:00.1234560Z").endswith(".123456Z")
    with pytest.raises(ValueError, match="finer"):
        fixed_width("2026-01-01T00:00:00.1234567Z")


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("https://ifs/main/x.svc/Set?$skiptoken=2", "https://ifs/main/x.svc/Set?$skiptoken=2"),
        ("Set?$skiptoken=2", "https://ifs/main/x.svc/Set?$skiptoken=2"),
        ("/main/x.svc/Set?$skiptoken=2", "https://ifs/main/x.svc/Set?$skiptoken=2"),
        ("?$skiptoken=2", "https://ifs/main/x.svc/Set?$skiptoken=2"),
        (
            "Set?$filter=A%20eq%20%27%2F%27&$skiptoken=2",
            "https://ifs/main/x.svc/Set?$filter=A%20eq%20%27%2F%27&$skiptoken=2",
        ),
        ("https://elsewhere/main/x.svc/Set", None),
        ("//elsewhere/main/x.svc/Set", None),
        ("http://ifs/main/x.svc/Set", None),
        ("https://ifs:8443/main/x.svc/Set", None),
    ],
)
def test_a_link_is_followed_on_the_same_host_alone(link, target):
    assert follow(link, "https://ifs/main/x.svc/Set?$top=5") == target


def test_a_relative_link_begins_at_the_service_however_deep_the_collection_lies():
    asked = "https://ifs/main/x.svc/CompanyFinanceSet(Company='10')/CodeIArray?$filter=A%20eq%20%27y.svc/%27"
    link = "CompanyFinanceSet(Company='10')/CodeIArray?$skiptoken=2"
    assert follow(link, asked) == f"https://ifs/main/x.svc/{link}"


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_key_of_any_characters_arrives_as_it_left(first, second):
    """Read as the server reads it: the address as it goes over the wire, its options, the filter's literals."""
    order = [Property("A", "Edm.String"), Property("B", "Edm.String")]
    url = collection_url("https://a/x.svc", "Set", {"$filter": after({"A": first, "B": second}, order), "$top": "5"})
    query = urlsplit(str(requests.Request("GET", url).prepare().url)).query
    read = options(query)
    assert read.keys() == {"$filter", "$top"}
    literals = [token.value.val for token in tokens(read["$filter"]) if token.type == "STRING"]
    assert literals == [first, first, second]
