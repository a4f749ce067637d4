"""The catalogue and what a configuration lays over it."""

import pytest
from ifs_bi_core.errors import ConfigError
from tap_ifs_cloud.entities import BUILT_IN, catalogue


def test_names_are_unique_and_say_how_sure_they_are():
    assert len({entity.name for entity in BUILT_IN}) == len(BUILT_IN)
    assert {entity.sure for entity in BUILT_IN} <= {"seen", "claimed", "guessed"}


def test_an_item_lays_its_facts_over_the_built_in_of_its_name():
    known = catalogue([{"name": "payments", "projection": "MixedPaymentHandling", "key": ["Company", "Id"]}])
    assert known["payments"].projection == "MixedPaymentHandling"
    assert known["payments"].key == ("Company", "Id")
    assert known["payments"].company == "Company"
    assert known["payments"].sure == "configured"


def test_an_item_adds_an_entity():
    item = {"name": "parts", "projection": "PartHandling", "entity_set": "PartCatalogSet"}
    assert catalogue([item])["parts"].where == "PartHandling.svc/PartCatalogSet (main)"


def test_a_stream_that_joins_others_names_built_in_ones_and_gives_way_to_a_set_of_the_users_own():
    known = catalogue([])
    for entity in BUILT_IN:
        assert {name for _, name in entity.stages} <= known.keys()
    assert known["journal_entries"].where == "vouchers and gl_voucher_rows"
    assert catalogue([{"name": "journal_entries", "filter": "VoucherNo gt 1"}])["journal_entries"].stages
    own = {"name": "journal_entries", "projection": "OurJournal", "entity_set": "JournalSet"}
    assert catalogue([own])["journal_entries"].stages == ()
    assert catalogue([own])["journal_entries"].where == "OurJournal.svc/JournalSet (main)"


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"projection": "X"}, r"entities\[0\] has no name"),
        ({"name": "new"}, "is not built in, so it needs projection and entity_set"),
        ({"name": "payments", "modifed": "X"}, "has modifed, which is no setting of an entity"),
        ({"name": "payments", "sure": "seen"}, "has sure, which is no setting"),
        ({"name": "payments", "stages": []}, "has stages, which is no setting"),
    ],
)
def test_an_item_that_makes_no_entity_is_a_wrong_setting(item, sentence):
    with pytest.raises(ConfigError, match=sentence):
        catalogue([item])
