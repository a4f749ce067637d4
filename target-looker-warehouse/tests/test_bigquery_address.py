"""What a BigQuery address says, and what is said of one that is malformed."""

import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR
from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.warehouses.bigquery_address import Place, client, place


@pytest.fixture(scope="module")
def key():
    """The key of a service account that nobody has."""
    private = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "client_email": "loader@my-project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": private.decode(),
        "private_key_id": "1",
    }


def test_an_address_names_project_and_dataset_and_more_if_need_be(tmp_path, key):
    assert place("bigquery://my-project/erp") == Place("my-project", "erp")
    assert place("bigquery://my-project/erp?location=EU").location == "EU"
    assert place("bigquery://example.com:my-project/erp").project == "example.com:my-project"
    (tmp_path / "key.json").write_text(json.dumps(key))
    assert place(f"bigquery://my-project/erp?credentials_path={tmp_path}/key.json").key == key
    assert place("bigquery://my-project/erp?api_endpoint=http://127.0.0.1:9050").endpoint == "http://127.0.0.1:9050"


def test_a_key_may_be_kept_in_the_environment_and_is_shown_nowhere(monkeypatch, key):
    monkeypatch.setenv("GOOGLE_KEY", json.dumps(key))
    address = "bigquery://my-project/erp?credentials=env:GOOGLE_KEY"
    found = place(address)
    assert found.key == key
    assert client(found)._credentials.service_account_email == key["client_email"]
    assert check_address(address).destination == "bigquery://my-project/erp"
    assert key["private_key"] not in REDACTOR.redact(f"it is {key['private_key']}.")


def test_nobodys_credentials_are_given_to_what_listens_on_this_machine(key, tmp_path):
    (tmp_path / "key.json").write_text(json.dumps(key))
    more = f"credentials_path={tmp_path}/key.json"
    here = client(place(f"bigquery://my-project/erp?api_endpoint=http://127.0.0.1:9050&{more}"))
    assert type(here._credentials).__name__ == "AnonymousCredentials"
    there = client(place(f"bigquery://my-project/erp?api_endpoint=https://bigquery.example.com&{more}"))
    assert there._credentials.service_account_email == key["client_email"]


def test_a_machine_without_credentials_is_told_so(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(
        ConfigError, match=r"^There are no credentials for bigquery://my-project/erp\. .*Nothing was sent\.$"
    ):
        client(place("bigquery://my-project/erp"))


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("bigquery://", "names no project"),
        ("bigquery://My_Project/erp", "names no project: 'My_Project' is none"),
        ("bigquery://user:pw@my-project/erp", "names a user"),
        ("bigquery://my-project", "names no dataset"),
        ("bigquery://my-project/erp/orders", "names no dataset: 'erp/orders' is none"),
        ("bigquery://my-project/erp?region=EU", "has region in its query"),
        ("bigquery://my-project/erp?location=E%20U", "has the location 'E U'"),
        ("bigquery://my-project/erp?location", "is no BigQuery address"),
        (
            "bigquery://my-project/erp?credentials=%7B%7D&credentials_path=x",
            "has both credentials and credentials_path",
        ),
        ("bigquery://my-project/erp?credentials_path=/nowhere/key.json", "'/nowhere/key.json', which can't be read"),
        ("bigquery://my-project/erp?credentials=secret-text", "has credentials that are no JSON"),
        (
            "bigquery://my-project/erp?credentials=%7B%22type%22:%22authorized_user%22%7D",
            "not the key of a service account",
        ),
    ],
)
def test_a_malformed_address_is_a_sentence_with_an_example(address, reason):
    with pytest.raises(ConfigError) as caught:
        check_address(address)
    assert reason in str(caught.value)
    assert "Write bigquery://project/dataset, for example" in str(caught.value)
    assert "secret-text" not in str(caught.value)
    assert "pw@" not in str(caught.value)


def test_an_endpoint_elsewhere_is_asked_over_tls_alone():
    with pytest.raises(ConfigError, match="http is allowed for loopback addresses alone"):
        place("bigquery://my-project/erp?api_endpoint=http://example.com")
