from pathlib import Path

import pytest
from ifs_bi_core.errors import ConfigError
from target_looker_warehouse.warehouse import check_address


def test_three_slashes_mean_the_working_folder_and_four_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_address("duckdb:///warehouse.duckdb") == Path("warehouse.duckdb")
    assert check_address(f"duckdb:///{tmp_path}/w.duckdb") == tmp_path / "w.duckdb"
    (tmp_path / "a b").mkdir()
    assert check_address("duckdb:///a b/50%.duckdb") == Path("a b/50%.duckdb")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("md:my_db", "MotherDuck"),
        ("postgresql://user:pass@host/db", "PostgreSQL"),
        ("postgres://host/db", "PostgreSQL"),
        ("snowflake://account/db", "Snowflake"),
        ("bigquery://project/dataset", "BigQuery"),
        ("redshift://host/db", "Amazon Redshift"),
    ],
)
def test_a_warehouse_of_a_later_version_is_named_and_its_password_is_not(address, name):
    with pytest.raises(ConfigError, match=f"{name}, which isn't supported by this version yet") as refused:
        check_address(address)
    assert "pass" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "warehouse.duckdb",
        "duckdb://warehouse.duckdb",
        "duckdb:///",
        "duckdb:////",
        "duckdb:///:memory:",
        "mysql://root:pass@h/db",
        "duckdb:w",
    ],
)
def test_an_address_of_nothing_is_refused_with_an_example(address):
    with pytest.raises(ConfigError, match=r"names no warehouse. Write duckdb:///file.duckdb") as refused:
        check_address(address)
    assert "pass" not in str(refused.value)


def test_a_folder_that_is_not_there_is_named_and_not_made(tmp_path):
    with pytest.raises(ConfigError, match=f"there is no folder {tmp_path}/no. Make it"):
        check_address(f"duckdb:///{tmp_path}/no/w.duckdb")
    assert not (tmp_path / "no").exists()
