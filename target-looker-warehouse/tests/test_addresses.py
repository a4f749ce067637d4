import sys
from pathlib import Path

import pytest
from ifs_bi_core.errors import ConfigError
from target_looker_warehouse.addresses import PRODUCTS, check_address


def test_three_slashes_mean_the_working_folder_and_four_the_root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_address("duckdb:///warehouse.duckdb").destination == f"duckdb:///{tmp_path}/warehouse.duckdb"
    assert check_address(f"duckdb:///{tmp_path}/w.duckdb").destination == f"duckdb:///{tmp_path}/w.duckdb"
    (tmp_path / "a b").mkdir()
    check_address("duckdb:///a b/50%.duckdb").open().close()
    assert Path("a b/50%.duckdb").exists()


@pytest.mark.parametrize("address", ["", "warehouse.duckdb", "mysql://root:hunter22@h/db"])
def test_an_address_of_nothing_is_refused_with_an_example_of_each_warehouse(address):
    with pytest.raises(
        ConfigError, match=r"names no warehouse. Write an address like .*duckdb:///file.duckdb"
    ) as refused:
        check_address(address)
    assert "hunter22" not in str(refused.value)
    assert all(product.example in str(refused.value) for product in PRODUCTS.values())


@pytest.mark.parametrize(
    "address", ["duckdb://warehouse.duckdb", "duckdb:///", "duckdb:////", "duckdb:///:memory:", "duckdb:w"]
)
def test_an_address_of_no_file_is_refused_with_an_example(address):
    with pytest.raises(ConfigError, match=r"names no warehouse. Write duckdb:///file.duckdb"):
        check_address(address)


def test_a_database_of_motherduck_is_told_without_its_token():
    address = check_address("md:erp?motherduck_token=hunter22-of-the-duck")
    assert address.destination == "md:erp"
    with pytest.raises(ConfigError, match=r"DuckDB's extension for it can't be loaded: .*install_extension") as refused:
        address.open()
    assert "hunter22" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("md:erp", "no token. Write md:erp\\?motherduck_token="),
        ("md:?motherduck_token=hunter22", "is no MotherDuck address"),
        ("md:erp?motherduck_token=hunter22&saas=1", "is no MotherDuck address"),
    ],
)
def test_a_malformed_motherduck_address_is_told_without_its_token(address, part):
    with pytest.raises(ConfigError, match=part) as refused:
        check_address(address)
    assert "hunter22" not in str(refused.value)


def test_a_folder_that_is_not_there_is_named_and_not_made(tmp_path):
    with pytest.raises(ConfigError, match=f"there is no folder {tmp_path}/no. Make it"):
        check_address(f"duckdb:///{tmp_path}/no/w.duckdb")
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("address", "destination"),
    [
        ("postgresql://me:secret@db.example/erp", "postgresql://db.example:5432/erp"),
        ("postgres://db.example:6543/erp?sslmode=verify-full&application_name=x", "postgresql://db.example:6543/erp"),
        ("postgresql://you@[::1]/e%20rp", "postgresql://::1:5432/e rp"),
        ("postgresql:///erp?host=/run/postgresql", "postgresql:///run/postgresql:5432/erp"),
    ],
)
def test_a_postgresql_database_is_told_without_user_and_secrets(address, destination):
    assert check_address(address).destination == destination


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("postgresql://me:hunter22@[host/db", "is no PostgreSQL address"),
        ("postgresql://me:hunter22@host/db?nonsense=1", "is no PostgreSQL address"),
        ("postgresql://me:hunter22@x@host/db", "more than one '@'"),
    ],
)
def test_a_malformed_postgresql_address_is_told_without_its_password(address, part):
    with pytest.raises(ConfigError, match=part) as refused:
        check_address(address)
    assert "hunter22" not in str(refused.value)


DRIVERS = {
    "postgresql": "psycopg",
    "snowflake": "snowflake",
    "bigquery": "google",
    "redshift": "redshift_connector",
}


@pytest.mark.parametrize("scheme", DRIVERS)
def test_a_missing_driver_is_named_with_the_line_that_installs_it(monkeypatch, scheme):
    monkeypatch.setitem(sys.modules, DRIVERS[scheme], None)
    for name in [name for name in sys.modules if name.startswith("target_looker_warehouse.warehouses.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigError, match=rf"pip install 'target-looker-warehouse\[{scheme}\]'"):
        check_address(PRODUCTS[scheme].example)
