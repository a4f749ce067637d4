"""Built-in streams whose set is somewhere else on this tenant, or nowhere."""

import logging

import pytest
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.singer.progress import Progress
from ifs_bi_sandbox.servers import Sandbox
from pipeline.pulling import access
from tap_ifs_cloud.candidates import _SEARCH, CANDIDATES, candidates, how_to_find
from tap_ifs_cloud.entities import BUILT_IN, catalogue
from tap_ifs_cloud.reading import Reading
from tap_ifs_cloud.surroundings import Surroundings
from tap_ifs_cloud.tap import TapIfsCloud


@pytest.fixture
def box():
    with Sandbox(scale=300) as box:
        yield box


@pytest.fixture
def discover(box, tmp_path):
    """The sources of a tap's streams, by name."""

    def sources(**settings):
        config = {
            **access(box),
            "state_dir": str(tmp_path),
            **settings,
        }
        return {name: stream.source for name, stream in TapIfsCloud(config=config).streams.items()}

    return sources


def asked(box) -> list[str]:
    """The services whose $metadata was asked for."""
    paths = [request["path"] for request in box.world.requests if request["path"].endswith("/$metadata")]
    return [path.rpartition("/v1/")[2].removesuffix(".svc/$metadata") for path in paths]


def test_every_built_in_stream_has_a_word_that_finds_its_projection_and_candidates_name_each_place_once():
    names = {entity.name for entity in BUILT_IN}
    assert names == _SEARCH.keys()
    assert CANDIDATES.keys() <= names
    for entity in BUILT_IN:
        places = [place.where for place in candidates(entity)]
        assert len(set(places)) == len(places)


def test_the_first_place_that_the_tenant_has_is_read(box, discover):
    box.world.switches.missing_projections = ["SupplierHandling", "AccountEntity"]
    sources = discover(streams=["suppliers", "gl_accounts"])
    assert sources["suppliers"].entity.where == "SuppliersHandling.svc/SupplierInfoGeneralSet (main)"
    assert sources["suppliers"].entity.sure == "claimed"
    assert sources["gl_accounts"].entity.where == "VoucherRowsAnalysis.svc/Reference_Account (main)"
    assert sources["gl_accounts"].replication == "full"  # lists of values carry no ETag


def test_the_next_discovery_asks_the_tenant_for_nothing(box, discover):
    box.world.switches.missing_projections = ["SupplierHandling", "AccountEntity"]
    first = discover(streams=["suppliers", "gl_accounts", "companies"])
    box.world.requests.clear()
    assert discover(streams=["suppliers", "gl_accounts", "companies"]) == first
    assert asked(box) == []


def test_a_stream_stays_where_it_is_read_when_a_likelier_place_appears(box, discover):
    box.world.switches.missing_projections = ["SupplierHandling"]
    discover(streams=["suppliers"])
    box.world.switches.missing_projections = []
    assert discover(streams=["suppliers"])["suppliers"].entity.projection == "SuppliersHandling"


def test_a_stream_that_is_nowhere_fails_alone_and_says_where_it_was_sought_and_how_it_is_found(box, discover, caplog):
    box.world.switches.missing_projections = ["ManSuppInvoiceEntity"]
    with caplog.at_level(logging.WARNING):
        sources = discover()
    assert set(sources) == {entity.name for entity in BUILT_IN} - {"supplier_invoices"}
    (said,) = [record.getMessage() for record in caplog.records if "supplier_invoices" in record.getMessage()]
    assert said.startswith("Stream supplier_invoices is left out, since its name here is guessed")
    tried = ("ManSuppInvoiceEntity.svc/ManSuppInvoiceSet (int)", "ManSuppInvoiceHandling.svc/ManSuppInvoiceSet (main)")
    for place in (*tried, "SupplierInvoiceHandling.svc/ManSuppInvoiceSet (main)", "IncomingInvoiceEntity.svc/"):
        assert place in said
    assert said.count("IFS Cloud answered 404") == 4
    assert "ifs-bi projections --search invoice" in said
    assert "ifs-bi entities PROJECTION" in said


def test_a_stream_that_is_asked_for_and_is_nowhere_is_a_wrong_setting(box, discover):
    box.world.switches.forbidden_projections = ["PaymentTransactionEntity"]
    with pytest.raises(
        ConfigError, match=r"PaymentTransactionSet \(int\), which is guessed: .* IFS Cloud answered 403"
    ) as error:
        discover(streams=["payments"])
    assert "MixedPaymentHandling.svc/PaymentTransactionSet" in str(error.value)
    assert "--search payment" in str(error.value)


def test_one_without_other_places_names_its_own_and_the_command(box, discover, caplog):
    box.world.switches.missing_projections = ["SitesHandling"]
    discover()
    (said,) = [record.getMessage() for record in caplog.records if "Stream sites" in record.getMessage()]
    assert "Tried was SitesHandling.svc/SiteSet (main)." in said
    assert "ifs-bi projections --search site" in said


def test_a_stream_that_joins_others_is_left_out_with_the_reason_of_the_one_that_lacks(box, discover, caplog):
    box.world.switches.missing_projections = ["GenLedVoucherRowEntity"]
    sources = discover()
    assert "journal_entries" not in sources
    assert "vouchers" in sources
    (said,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Stream journal_entries")]
    assert "journal_entries joins vouchers and gl_voucher_rows. The tenant gives gl_voucher_rows at none" in said
    assert len(asked(box)) == len(set(asked(box)))  # each was asked for once, though two streams wanted some


def test_a_place_that_the_user_names_has_no_candidates(box, discover):
    item = {"name": "payments", "projection": "NoSuchHandling", "entity_set": "NoSuchSet", "endpoint": "main"}
    (entity,) = candidates(catalogue([item])["payments"])
    assert entity.where == "NoSuchHandling.svc/NoSuchSet (main)"
    with pytest.raises(ConfigError, match="NoSuchHandling") as error:
        discover(entities=[item])
    assert "MixedPayment" not in str(error.value)


def test_other_settings_of_a_built_in_keep_its_candidates(box, discover):
    box.world.switches.missing_projections = ["SupplierHandling"]
    sources = discover(entities=[{"name": "suppliers", "filter": "SupplierId ne 'X'"}], streams=["suppliers"])
    assert sources["suppliers"].entity.where == "SuppliersHandling.svc/SupplierInfoGeneralSet (main)"
    assert sources["suppliers"].entity.filter == "SupplierId ne 'X'"


def test_a_stream_of_the_users_own_is_searched_by_its_first_word():
    own = catalogue([{"name": "work_orders", "projection": "X", "entity_set": "Y"}])["work_orders"]
    assert "--search work`" in how_to_find(own)


def test_a_bookmark_belongs_to_the_set_that_was_read(box, discover):
    questions = set()
    for missing in ([], ["SupplierHandling"]):
        box.world.switches.missing_projections = missing
        source = discover(streams=["suppliers"], state_dir=f"{box.world.database}.{len(missing)}")["suppliers"]
        questions.add(Reading.question(_reading_of(source)))
    assert len(questions) == 2


def _reading_of(source):
    config = {"page_size": 10, "paging": "auto"}
    around = Surroundings(logging.getLogger("x"), Progress("x", log=lambda *_, **__: None))
    return Reading(source, config, None, destination=None, state={}, surroundings=around)
