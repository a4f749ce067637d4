"""What a run finds that it did not leave so: files or memory that are gone, a folder for another key, another writer."""

from __future__ import annotations

import json
import shutil

import pytest
from ifs_bi_core.errors import ConfigError, ContractBrokenError, ExitCode, UnavailableError
from target_powerbi.mirroring.local_files import LocalFiles


def forget(mirror):
    (kept,) = mirror.state_dir.glob("mirroring-*.db*")
    kept.unlink()


def test_files_that_nobody_remembers_stop_the_run_until_the_table_may_be_made_anew(mirror):
    mirror.feed(mirror.schema(), mirror.order(1), mirror.order(2))
    mirror.apply()
    forget(mirror)
    with pytest.raises(ContractBrokenError) as broken:
        mirror.feed(mirror.schema(), mirror.order(1))
    assert str(broken.value).startswith(
        "orders: the folder 'orders' of the landing zone ends with file 1, and by what this target keeps in "
    )
    assert "it has to end with file 0 (0: none)" in str(broken.value)
    assert str(broken.value).endswith("replace_unknown_rows: true, which makes the table anew.")
    assert broken.value.exit_code == ExitCode.FAILED
    mirror.feed(mirror.schema(), mirror.order(1, 5), replace_unknown_rows=True)
    assert mirror.amounts() == {"1": 5}
    mirror.feed(mirror.schema(), mirror.order(1, 5), mirror.order(2))
    assert mirror.amounts() == {"1": 5, "2": 1}


def test_a_folder_that_somebody_dropped_stops_the_run_until_the_table_may_be_made_anew(mirror):
    mirror.feed(mirror.schema(), mirror.order(1), mirror.order(2))
    shutil.rmtree(mirror.zone / "orders")
    with pytest.raises(ContractBrokenError, match="ends with file 0, and by what this target keeps"):
        mirror.feed(mirror.schema(), mirror.order(1))
    mirror.feed(mirror.schema(), mirror.order(1), replace_unknown_rows=True)
    assert mirror.amounts() == {"1": 1}


def test_a_table_that_was_only_ever_emptied_is_still_known(mirror):
    mirror.feed(mirror.schema(), mirror.order(1), mirror.gone(1))
    mirror.feed(mirror.schema(), mirror.order(2))
    mirror.feed(mirror.schema(), mirror.gone(2))
    mirror.feed(mirror.schema(), mirror.order(3))
    assert mirror.amounts() == {"3": 1}


def test_replace_unknown_rows_changes_nothing_where_all_rows_are_known(mirror):
    mirror.feed(mirror.schema(), mirror.order(1))
    mirror.feed(mirror.schema(), mirror.order(2), replace_unknown_rows=True)
    assert mirror.amounts() == {"1": 1, "2": 1}


def test_a_folder_that_was_made_for_another_key_is_used_if_it_is_empty(mirror):
    mirror.feed(mirror.schema())
    metadata = mirror.zone / "orders/_metadata.json"
    metadata.write_text(json.dumps({"keyColumns": ["Amount"]}))
    mirror.feed(mirror.schema(), mirror.order(1))
    assert json.loads(metadata.read_text()) == {"keyColumns": ["OrderNo"]}
    metadata.write_text("[]")
    with pytest.raises(ContractBrokenError, match="was made for the key none, and the key is now OrderNo"):
        mirror.feed(mirror.schema(), mirror.order(2))


def test_metadata_that_is_gone_is_written_again(mirror):
    mirror.feed(mirror.schema(), mirror.order(1))
    (mirror.zone / "orders/_metadata.json").unlink()
    (mirror.zone / "_partnerEvents.json").unlink()
    mirror.feed(mirror.schema(), mirror.order(2))
    assert mirror.amounts() == {"1": 1, "2": 1}


def test_a_file_of_another_writer_is_not_replaced(mirror):
    files = LocalFiles(mirror.zone)
    files.publish("orders/1.parquet", b"theirs")
    with pytest.raises(ContractBrokenError, match=r"has a file orders/1\.parquet that this run did not write"):
        files.publish("orders/1.parquet", b"mine")
    assert files.read("orders/1.parquet") == b"theirs"


def test_a_table_to_which_another_one_has_written_stops_the_run(mirror):
    mirror.feed(mirror.schema(), mirror.order(1))
    other = mirror.zone / f"orders/{2:020}.parquet"
    other.write_bytes(b"theirs")
    with pytest.raises(ContractBrokenError, match=r"ends with file 2, and by what this target keeps in .* with file 1"):
        mirror.feed(mirror.schema(), mirror.order(2))
    other.unlink()
    mirror.feed(mirror.schema(), mirror.order(2))
    assert mirror.amounts() == {"1": 1, "2": 1}


def test_a_second_run_at_the_same_time_is_refused(mirror):
    first = mirror.target()
    assert first.mirroring
    with pytest.raises(
        ConfigError, match=r"Another run delivers to this dataset: it holds .*\.db\. Start this one when"
    ):
        mirror.feed(mirror.schema())
    first.close()
    mirror.feed(mirror.schema())


def test_a_folder_may_have_spaces_and_letters_of_all_kinds(mirror):
    mirror.zone = mirror.zone.with_name("Zone für Müller")
    mirror.feed(mirror.schema(), mirror.order(1), landing_zone_url=f"file://{mirror.zone.parent}/Zone%20für Müller/")
    mirror.feed(mirror.schema(), mirror.order(2), landing_zone_url=f"file://{mirror.zone}")
    assert mirror.amounts() == {"1": 1, "2": 1}


def test_a_folder_that_can_not_be_used_is_told(mirror):
    mirror.zone.write_text("a file")
    with pytest.raises(
        UnavailableError, match=r"can't be used at _partnerEvents\.json: File exists\. Check landing_zone_url"
    ):
        mirror.feed(mirror.schema(), mirror.order(1))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"landing_zone_url": None}, "is '', and destination fabric_mirroring needs one. Write abfss://<workspace>@"),
        ({"landing_zone_url": "landing/zone"}, "needs one. Write abfss"),
        ({"landing_zone_url": "file://server/share"}, "needs one. Write abfss"),
        ({"landing_zone_url": "file:///"}, "needs one. Write abfss"),
        ({"landing_zone_url": "abfss://ws@onelake.dfs.fabric.microsoft.com/db"}, "which is no landing zone"),
        ({"landing_zone_url": "abfss://onelake.dfs.fabric.microsoft.com/db/Files/LandingZone"}, "needs one"),
        ({"landing_zone_url": "https://onelake.dfs.fabric.microsoft.com/ws/db/Tables/x"}, "which is no landing zone"),
        (
            {"landing_zone_url": "http://example.com/ws/db/Files/LandingZone"},
            "http is allowed for loopback addresses alone",
        ),
        (
            {"landing_zone_url": "abfss://ws@onelake.dfs.fabric.microsoft.com/db/Files/LandingZone"},
            "Give one of the settings 'client_secret', 'client_certificate_path' and 'managed_identity'",
        ),
        ({"write_mode": "signed"}, "Setting 'write_mode' is 'signed', and a mirrored database is kept equal"),
        ({"destination": "fabric"}, "fabric"),
    ],
)
def test_settings_that_can_not_be_meant_are_told_before_anything_is_sent(mirror, settings, sentence):
    with pytest.raises(Exception, match=sentence) as wrong:
        mirror.feed(mirror.schema(), mirror.order(1), **settings)
    assert getattr(wrong.value, "exit_code", ExitCode.WRONG_CONFIGURATION) == ExitCode.WRONG_CONFIGURATION
    assert not mirror.zone.exists()
