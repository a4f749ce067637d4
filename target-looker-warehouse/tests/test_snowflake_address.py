from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR
from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.warehouses.snowflake_address import destination, parameters

PLACE = {"account": "acme-eu", "database": "ERP"}
BY_PASSWORD = {"user": "team", "password": "p@ss:word/1", "authenticator": "snowflake"}
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda word: not word.startswith(("env:", "vault:"))
)


@pytest.fixture
def key(tmp_path):
    file = tmp_path / "key.p8"
    file.write_text("a key")
    return str(file)


def test_an_address_says_account_database_user_and_password():
    said = parameters("snowflake://team:p%40ss%3Aword%2F1@acme-eu/ERP?warehouse=LOADING&role=LOADER&schema=BI")
    assert said == PLACE | BY_PASSWORD | {"warehouse": "LOADING", "role": "LOADER", "schema": "BI"}


def test_a_key_is_named_by_its_file(key, monkeypatch):
    monkeypatch.setenv("KEY_PHRASE", "opens-the-key")
    said = parameters(f"snowflake://team@acme-eu/ERP?private_key_path={key}&private_key_passphrase=env:KEY_PHRASE")
    way = {"authenticator": "snowflake_jwt", "private_key_file": key, "private_key_file_pwd": "opens-the-key"}
    assert said == PLACE | {"user": "team"} | way
    assert REDACTOR.redact("it was opens-the-key") == "it was [redacted]"


def test_an_account_may_be_written_as_a_host():
    assert parameters("snowflake://team:secret-1@acme-eu.snowflakecomputing.com/ERP")["account"] == "acme-eu"


def test_a_token_stands_for_the_user(monkeypatch):
    monkeypatch.setenv("SNOWFLAKE_TOKEN", "an-oauth-token")
    said = parameters("snowflake://acme-eu/ERP?authenticator=oauth&token=env:SNOWFLAKE_TOKEN")
    assert said == PLACE | {"authenticator": "oauth", "token": "an-oauth-token"}


def test_a_password_may_be_a_reference(monkeypatch):
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", "p@ss?word&1")
    said = parameters("snowflake://team:env:SNOWFLAKE_PASSWORD@acme-eu/ERP")
    assert said["password"] == "p@ss?word&1"


def test_the_destination_is_the_same_whoever_comes_and_holds_no_secret():
    first = check_address("snowflake://team:secret-of-the-team@acme-eu/ERP?warehouse=A")
    second = check_address("snowflake://other:another-secret@acme-eu/ERP?warehouse=B&role=R")
    assert first.destination == second.destination == "snowflake://acme-eu/ERP"


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("snowflake://", "one account and one database"),
        ("snowflake://team:secret-1@acme-eu", "one account and one database"),
        ("snowflake://team:secret-1@acme-eu/", "one account and one database"),
        ("snowflake://team:secret-1@acme-eu/ERP/BI", "one account and one database"),
        ("snowflake://team:secret-1@x@acme-eu/ERP", "more than one '@'"),
        ("snowflake://team@acme-eu/ERP", "lacks password"),
        ("snowflake://acme-eu/ERP", "lacks user and password"),
        ("snowflake://acme-eu/ERP?authenticator=oauth", "lacks token"),
        (
            "snowflake://team@acme-eu/ERP?authenticator=oauth_client_credentials",
            "lacks oauth_client_id and oauth_client_s",
        ),
        ("snowflake://team:secret-1@acme-eu/ERP?authenticator=externalbrowser", "no person"),
        ("snowflake://team@acme-eu/ERP?private_key_path=/no/such/key", "no such file"),
        ("snowflake://team:secret-1@acme-eu/ERP?warehouse", "name=value"),
        ("snowflake://team:secret-1@acme-eu/ERP?wherehouse=X", "wherehouse"),
        ("snowflake://team:secret-1@acme-eu/ERP?protocol=http&host=snow.example", "Loopback"),
        ("snowflake://team:secret-1@acme-eu/ERP?protocol=ftp&host=127.0.0.1", "isn't https"),
        ("snowflake://team:secret-1@acme-eu/ERP?port=many", "port that is no number"),
        ("snowflake://team:env:NO_SUCH_VARIABLE@acme-eu/ERP", "NO_SUCH_VARIABLE"),
    ],
)
def test_a_malformed_address_is_told_without_its_secret(address, part):
    with pytest.raises(ConfigError) as told:
        check_address(address)
    assert part in str(told.value)
    assert "secret-1" not in str(told.value)


@settings(max_examples=40)
@given(WORDS, WORDS)
def test_any_user_and_password_can_be_written(user, password):
    said = parameters(f"snowflake://{quote(user, safe='')}:{quote(password, safe='')}@acme-eu/ERP")
    assert (said["user"], said["password"]) == (user, password)
    assert destination(said) == "snowflake://acme-eu/ERP"
