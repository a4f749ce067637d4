"""What is offered, as values, as text, as JSON and as YAML."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tap_ifs_cloud.entities import catalogue
from tap_ifs_cloud.first_row import FirstRow
from tap_ifs_cloud.metadata import EntityType, Metadata, Property
from tap_ifs_cloud.offer import Offer, entity_item, machine_form, offers, stream_names, type_name
from tap_ifs_cloud.offer_text import offers_text, offers_yaml

STATE = "IfsApp.OrderHandling.OrderState"
PROPERTIES = [
    Property("luname", "Edm.String"),
    Property("OrderNo", "Edm.String", nullable=False),
    Property("Objstate", STATE, is_enum=True),
    Property("Company", "Edm.String"),
    Property("Amount", "Edm.Decimal", precision=15, scale=2),
    Property("Share", "Edm.Decimal", scale=3),
    Property("Tags", "Edm.String", is_collection=True),
    Property("DateEntered", "Edm.DateTimeOffset"),
    Property("ChangedDay", "Edm.Date"),
    Property("ChangedDate", "Edm.DateTimeOffset"),
    Property("Rowversion", "Edm.DateTimeOffset"),
    Property("DateChangedReason", "Edm.String"),
    Property("No", "Edm.String"),
]
ORDER = EntityType(
    "IfsApp.OrderHandling.Order",
    ("OrderNo",),
    {prop.name: prop for prop in PROPERTIES},
    {"VendorRef": "IfsApp.OrderHandling.Vendor", "OtherRef": "IfsApp.OrderHandling.Order"},
    {"LinesArray": "IfsApp.OrderHandling.Line"},
)
VENDOR = EntityType("IfsApp.OrderHandling.Vendor", (), {"Name": Property("Name", "Edm.String")})
METADATA = Metadata(
    {"OrderSet": ORDER, "OldOrders": ORDER, "Reference_Vendor": VENDOR},
    {ORDER.name: ORDER, VENDOR.name: VENDOR},
    {STATE: ("Planned", "Released"), "IfsApp.OrderHandling.Unused": ("A",)},
)


def offered(**changes):
    found = offers(METADATA, projection="OrderHandling", endpoint="main", service="projection")
    return [Offer(**(vars(offer) | changes)) for offer in found]


def test_candidates_for_a_modified_field_are_dates_whose_names_speak_of_change_the_likeliest_first():
    assert [prop.name for prop in offered()[0].modified] == ["Rowversion", "ChangedDate", "ChangedDay"]


def test_navigation_leads_to_sets_where_there_are_any():
    order = offered()[0]
    assert order.leads_to("IfsApp.OrderHandling.Order") == "OrderSet or OldOrders"
    assert order.leads_to("IfsApp.OrderHandling.Vendor") == "Reference_Vendor"
    assert order.leads_to("IfsApp.OrderHandling.Line") == "Line"


def test_only_the_enums_of_a_set_belong_to_it():
    assert list(offered()[0].enums) == [STATE]
    assert offered()[2].enums == {}


@pytest.mark.parametrize(
    ("projection", "entity_set", "name"),
    [
        ("PurchaseOrderHandling", "PurchaseOrderSet", "purchase_orders"),  # the built-in one
        ("CompanyHandling", "Lookup_IsoCurrency_EntitySet", "currencies"),
        ("SuppliersHandling", "SupplierInfoGeneralSet", "suppliers"),  # where the built-in one may be, too
        ("X", "PurchaseOrderSet", "purchase_order"),
        ("X", "Reference_CodeB", "code_b"),
        ("X", "MRPPartSet", "mrp_part"),
        ("X", "Set", "entity"),
        ("X", "Åland Orders", "land_orders"),
    ],
)
def test_a_stream_is_named_like_the_built_in_one_or_like_its_set(projection, entity_set, name):
    assert Offer(projection, entity_set, "main", "projection", ORDER, {}, {}).stream == name


@given(st.lists(st.sampled_from(["OrderSet", "Order", "Reference_Order", "OtherSet", "Order_2"]), max_size=8))
def test_no_two_streams_have_one_name(sets):
    chosen = [Offer("X", name, "main", "projection", ORDER, {}, {}) for name in sets]
    names = stream_names(chosen)
    assert len(set(names)) == len(names) == len(sets)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OrderNo", "String"),
        ("Amount", "Decimal(15, 2)"),
        ("Share", "Decimal(?, 3)"),
        ("Objstate", "OrderState"),
        ("Tags", "list of String"),
    ],
)
def test_a_type_reads_like_one(name, text):
    assert type_name(ORDER.properties[name]) == text


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (FirstRow(1, etag=True, row_version="2026", under_select=True), "yes, with the time of the row's last change"),
        (FirstRow(1, etag=True, row_version="2026"), "yes, with the time of the row's last change; $select is refused"),
        (
            FirstRow(1, etag=True, row_version=None, under_select=False),
            "yes, but none that holds a time; rows of a $select carry none",
        ),
        (FirstRow(1, etag=False, under_select=False), "no"),
        (FirstRow(0), "not known: the set is empty for this user"),
        (FirstRow(None, refusal="S: 403."), "not known: S: 403."),
    ],
)
def test_every_kind_of_etag_has_its_words(row, sentence):
    assert row.sentence == sentence
    assert f"ETag         {sentence}" in offers_text(offered(first_row=row), in_full=False)
    assert f"# ETag: {sentence}" in offers_yaml(offered(first_row=row))
    assert machine_form(offered(first_row=row)[0], "x")["etag"]["sentence"] == sentence


def test_the_text_shows_sets_in_full_and_lists_of_values_by_name():
    text = offers_text(offered(), in_full=False)
    for line in (
        "  key          OrderNo",
        "  modified?    Rowversion (DateTimeOffset), ChangedDate (DateTimeOffset), ChangedDay (Date)",
        "  company      Company",
        "  references   VendorRef → Reference_Vendor, OtherRef → OrderSet or OldOrders",
        "  collections  LinesArray → Line",
        "  enum OrderState Planned, Released",
        "lists of values Reference_Vendor",
    ):
        assert line in text.splitlines()
    assert "OrderNo String!" in text
    assert max(map(len, text.splitlines())) <= 110
    assert "none is declared" in offers_text(offered(), in_full=True)
    assert offers_text([], in_full=False) == "There are no entity sets."


def test_json_holds_every_field_with_its_enum():
    told = json.loads(json.dumps(machine_form(offered()[0], "orders")))
    assert told["item"]["name"] == "orders"
    assert told["fields"][2] == {
        "name": "Objstate",
        "type": STATE,
        "nullable": True,
        "text": "OrderState",
        "enum": ["Planned", "Released"],
    }
    assert told["modified_candidates"] == ["Rowversion", "ChangedDate", "ChangedDay"]
    assert told["references"]["VendorRef"] == "Reference_Vendor"
    assert told["collections"] == {"LinesArray": "Line"}
    assert told["etag"] is None


def test_yaml_is_what_entities_takes_and_leaves_decisions_to_a_person():
    text = offers_yaml(offered())
    items = yaml.safe_load(text)
    assert items == [
        entity_item(offer, name) for offer, name in zip(offered(), ["order", "old_orders", "vendor"], strict=True)
    ]
    assert set(catalogue(items)) >= {"order", "old_orders", "vendor"}
    assert "key" not in items[2]
    for line in (
        "  # modified: Rowversion  # only if it moves with every change of a row",
        "  # or ChangedDate",
        "  # expand: [VendorRef, OtherRef]",
        "  # key: []  # $metadata declares none: name what identifies a row",
    ):
        assert line in text.splitlines()


def test_comments_of_yaml_become_settings_by_taking_the_mark_away():
    lines = offers_yaml(offered()[:1]).splitlines()
    kept = [line.replace("  # ", "  ", 1) for line in lines if "# or " not in line]
    (item,) = yaml.safe_load("\n".join(kept))
    assert item["modified"] == "Rowversion"
    assert item["select"] == [name for name in ORDER.properties if name != "luname"]
    assert item["expand"] == ["VendorRef", "OtherRef"]


NAMES = st.text(min_size=1, max_size=12) | st.sampled_from(["No", "yes", "null", "on", "1e3", "~", "- x", "a: b", "#"])


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), NAMES, st.text(max_size=30))
def test_names_of_any_kind_survive_yaml(names, entity_set, sentence):
    kind = EntityType(
        "N.T", tuple(names), {name: Property(name, "Edm.DateTimeOffset") for name in names}, dict.fromkeys(names, "")
    )
    offer = Offer("P", entity_set, "main", "projection", kind, {}, {}, FirstRow(None, refusal=sentence))
    assert yaml.safe_load(offers_yaml([offer])) == [entity_item(offer, offer.stream)]
