"""``ifs-bi projections`` and ``ifs-bi entities`` as people type them, against the sandbox."""

import json
from dataclasses import asdict

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError, ContractBrokenError
from ifs_bi_sandbox.data.projections import TENANT
from ifs_bi_sandbox.faults import Fault
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import access
from tap_ifs_cloud.catalogue_command import entities, projections
from tap_ifs_cloud.projections import Listed, matching, near, one_line, projections_text
from tap_ifs_cloud.tap import TapIfsCloud

VERBS = {"projections": projections, "entities": entities}


@pytest.fixture(scope="module")
def running():
    with Sandbox(scale=300) as box:
        yield box


@pytest.fixture
def box(running):
    """The sandbox as it was at first."""
    before = asdict(running.world.switches)
    running.world.requests.clear()
    yield running
    vars(running.world.switches).update(before)
    running.world.faults.clear()


@pytest.fixture
def settings(box, tmp_path):
    return {
        **access(box),
        "state_dir": str(tmp_path / "state"),
        "retry_limit_seconds": 0,
    }


@pytest.fixture
def typed(settings, tmp_path):
    """Type a verb; --config is added."""
    path = tmp_path / "tap.json"
    path.write_text(json.dumps(settings))

    def call(verb, *words):
        return CliRunner().invoke(VERBS[verb], [*words, "--config", str(path)], standalone_mode=False)

    return call


def said(ran, *words):
    assert ran.exception is None, ran.exception
    lines = ran.output.splitlines()
    for word in words:
        assert word in lines
    return lines


def asked_for(box, part):
    return [request["path"] for request in box.world.requests if part in request["path"]]


def test_every_projection_of_the_tenant_is_listed_once(typed):
    lines = said(typed("projections"))
    assert [line.split()[0] for line in lines] == sorted(projection.name for projection in TENANT)


@pytest.mark.parametrize("paging", ["client", "next_absolute", "next_relative", "silent_cap"])
def test_the_list_is_complete_however_pages_are_cut(box, typed, paging):
    box.world.switches.paging, box.world.switches.page_cap = paging, 3
    assert len(said(typed("projections"))) == len(TENANT)


def test_a_search_looks_at_names_categories_and_descriptions_and_needs_every_word(typed):
    lines = said(typed("projections", "--search", "INVOICE", "--search", "standardentity"))
    assert lines == [
        "ManSuppInvoiceEntity   StandardEntity  Supplier invoices",
        "PostingProposalEntity  StandardEntity  Postings of supplier invoices",
    ]
    assert said(typed("projections", "--search", "no such thing")) == ["No projection holds no such thing."]


def test_json_gives_the_columns_of_the_tenant(typed):
    (one,) = json.loads(typed("projections", "--search", "SitesHandling", "--json").output)
    assert one == {
        "name": "SitesHandling",
        "Name": "SitesHandling",
        "Description": "Sites",
        "Categories": "Standard",
    }


def test_a_list_that_is_not_granted_says_so(box, typed):
    box.world.switches.forbidden_projections = ["AllProjections"]
    error = typed("projections").exception
    assert isinstance(error, ContractBrokenError)
    assert "AllProjections" in str(error)
    assert "Grant" in str(error)


def test_a_projection_shows_its_sets_with_keys_fields_and_etags(typed):
    lines = said(
        typed("entities", "PurchaseOrderHandling.svc"),
        "PurchaseOrderSet",
        "  key          OrderNo",
        "  ETag         yes, with the time of the row's last change",
        "  modified?    ChangedDate (DateTimeOffset)",
        "  company      Company",
        "lists of values Reference_Supplier",
    )
    assert "Reference_Supplier" not in lines  # no paragraph of its own


def test_a_named_set_is_shown_alone_also_a_list_of_values(typed):
    lines = said(
        typed("entities", "PurchaseOrderHandling", "Reference_Supplier"), "Reference_Supplier", "  ETag         no"
    )
    assert "PurchaseOrderSet" not in lines


def test_entity_services_are_looked_for_where_they_are(box, typed):
    said(typed("entities", "PurchaseOrderLineEntity"), "PurchaseOrderLineSet")
    assert asked_for(box, "$metadata") == ["/int/ifsapplications/entity/v1/PurchaseOrderLineEntity.svc/$metadata"]


def test_asking_twice_asks_the_server_once_unless_it_is_to_be_asked(box, typed):
    for _ in range(2):
        typed("entities", "SitesHandling", "--no-rows")
    assert len(asked_for(box, ".svc")) == 1
    typed("entities", "SitesHandling", "--no-rows", "--refresh")
    assert len(asked_for(box, ".svc")) == 2


@pytest.mark.parametrize(
    ("switches", "words"),
    [
        ({"etag_with_select": False}, "yes, with the time of the row's last change; rows of a $select carry none"),
        ({"refuse_select": ["SiteSet"]}, "yes, with the time of the row's last change; $select is refused"),
        ({"allowed_companies": []}, "not known: the set is empty for this user"),
    ],
)
def test_what_etags_there_are_is_found_out(box, typed, switches, words):
    box.world.switches.update(switches)
    said(typed("entities", "SitesHandling", "SiteSet"), f"  ETag         {words}")


def test_a_set_that_answers_with_an_error_does_not_hide_the_others(box, typed):
    box.world.faults.append(
        Fault("ifs", "status", status=501, code="ODP_NOT_IMPLEMENTED", path="*/PurchaseOrderSet", times=None)
    )
    lines = said(typed("entities", "PurchaseOrderHandling"), "PurchaseOrderLines")
    assert any("not known: one row of PurchaseOrderHandling.svc/PurchaseOrderSet: " in line for line in lines)


def test_yaml_pasted_into_entities_makes_a_stream(typed, settings):
    items = yaml.safe_load(typed("entities", "CustomerOrderHandling", "--yaml").output)
    names = [item["name"] for item in items]
    assert names == ["customer_orders", "customer_order_lines"]
    renamed = [item | {"name": f"my_{item['name']}"} for item in items]
    tap = TapIfsCloud(config=settings | {"entities": renamed, "streams": [item["name"] for item in renamed]})
    assert [(s.name, list(s.primary_keys)) for s in tap.streams.values()] == [
        (f"my_{item['name']}", item["key"]) for item in sorted(items, key=lambda item: item["name"])
    ]


def test_json_tells_what_the_text_tells(typed):
    told = json.loads(typed("entities", "PurchaseOrderHandling", "--json").output)
    order = next(one for one in told if one["item"]["entity_set"] == "PurchaseOrderSet")
    assert order["item"]["key"] == ["OrderNo"]
    assert (order["etag"]["present"], order["etag"]["under_select"]) == (True, True)
    assert order["references"] == {"VendorNoRef": "Reference_Supplier"}
    assert next(field for field in order["fields"] if field["name"] == "Objstate")["enum"][:2] == [
        "Planned",
        "Released",
    ]


@pytest.mark.parametrize(
    ("words", "kind", "parts"),
    [
        (("PurchaseOrdersHandling",), ConfigError, ["no projection PurchaseOrdersHandling", "PurchaseOrderHandling"]),
        (("Zzzzz",), ConfigError, ["no projection Zzzzz", "ifs-bi projections --search WORD"]),
        (
            ("PurchaseOrderLineEntity", "--endpoint", "main", "--service", "projection"),
            ConfigError,
            ["not at /main as projection, but at /int as entity", "--endpoint int --service entity"],
        ),
        (("SitesHandling", "SitesSet"), ConfigError, ["SitesHandling has no entity set SitesSet", "SiteSet"]),
        (("SitesHandling", "--yaml", "--json"), ConfigError, ["not for both"]),
    ],
)
def test_wrong_input_gets_its_sentence(typed, words, kind, parts):
    error = typed("entities", *words).exception
    assert isinstance(error, kind)
    assert all(part in str(error) for part in parts), str(error)


def test_a_projection_that_is_not_granted_names_itself_and_the_grant(box, typed):
    box.world.switches.forbidden_projections = ["SitesHandling"]
    error = typed("entities", "SitesHandling").exception
    assert isinstance(error, ContractBrokenError)
    assert all(part in str(error) for part in ("SitesHandling", "403", "SE_UNAUTHORIZED", "Grant the projection"))


def test_an_entity_service_that_is_not_activated_says_so(box, typed):
    box.world.switches.inactive_entity_services = ["LedgerItemEntity"]
    error = typed("entities", "LedgerItemEntity").exception
    assert isinstance(error, ContractBrokenError)
    assert "not activated" in str(error)


def test_an_unknown_projection_without_the_list_keeps_the_server_s_answer(box, typed):
    box.world.switches.forbidden_projections = ["AllProjections"]
    error = typed("entities", "Nope").exception
    assert isinstance(error, ContractBrokenError)
    assert "404" in str(error)


def test_a_page_that_is_no_metadata_is_named(box, typed):
    box.world.faults.append(Fault("ifs", "status", status=200, message="<edmx/>", path="*SitesHandling*", times=None))
    assert "$metadata of SitesHandling: $metadata holds no schema" in str(typed("entities", "SitesHandling").exception)


def test_a_missing_configuration_says_where_settings_come_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for verb, words in ((projections, []), (entities, ["SitesHandling"])):
        error = CliRunner().invoke(verb, words, standalone_mode=False).exception
        assert isinstance(error, ConfigError)
        assert "TAP_IFS_CLOUD_…" in str(error)


def test_the_environment_configures_the_verbs(settings, monkeypatch):
    for name, value in settings.items():
        monkeypatch.setenv(f"TAP_IFS_CLOUD_{name.upper()}", str(value))
    ran = CliRunner().invoke(projections, ["--search", "SitesHandling"], standalone_mode=False)
    said(ran, "SitesHandling  Standard  Sites")


@given(st.lists(st.text(alphabet="abcX", min_size=1, max_size=6), unique=True), st.text(alphabet="abcX", max_size=6))
def test_names_that_are_near_are_names_that_there_are(names, typed_name):
    found = near(typed_name, names)
    assert set(found) <= set(names)
    assert len(set(found)) == len(found) <= 5


def test_near_finds_what_was_meant():
    names = ["PurchaseOrderHandling", "PurchaseOrdersHandling", "CustomerHandling", "SitesHandling"]
    assert near("purchaseorderhandlin", names)[0] == "PurchaseOrderHandling"
    assert near("Sites", names) == ["SitesHandling"]
    assert near("qqq", names) == []


def test_rows_with_other_columns_than_known_ones_are_listed_too():
    odd = [
        Listed("A", {"Name": "A", "Description": None}),
        Listed("LongName", {"Name": "LongName", "Category": "Premium"}),
    ]
    assert projections_text(odd) == "A\nLongName  Premium"
    assert matching(odd, ["premium"]) == [odd[1]]
    assert matching(odd, []) == odd


@given(st.text())
def test_a_description_never_moves_the_cursor(text):
    assert one_line(text).isprintable()
