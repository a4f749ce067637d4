"""What addresses of Redshift and of the bucket mean, and which of them are refused."""

import pytest
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR
from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.warehouses.object_storage import Folder, check_folder
from target_looker_warehouse.warehouses.redshift_address import parameters

BUCKET = "s3://a-bucket/ifs"
PLAIN = {"sslmode": "verify-full", "ssl": True, "iam": False}
IAM = {"sslmode": "verify-full", "ssl": True, "iam": True}


@pytest.mark.parametrize(
    ("address", "destination", "driver"),
    [
        (
            "redshift://me:hunter%402@c.example.eu-central-1.redshift.amazonaws.com/erp",
            "redshift://c.example.eu-central-1.redshift.amazonaws.com:5439/erp",
            PLAIN
            | {"user": "me", "password": "hunter@2", "port": 5439, "database": "erp"}
            | {"host": "c.example.eu-central-1.redshift.amazonaws.com"},
        ),
        (
            "redshift://me:pw@host:1234/e%20rp?sslmode=verify-ca&region=eu-north-1",
            "redshift://host:1234/e rp",
            PLAIN
            | {"user": "me", "password": "pw", "host": "host", "port": 1234, "database": "e rp"}
            | {"sslmode": "verify-ca", "region": "eu-north-1"},
        ),
        (
            "redshift:///erp?iam=true&cluster_identifier=c&region=eu-central-1&db_user=loader",
            "redshift://c/erp",
            IAM | {"database": "erp", "cluster_identifier": "c", "region": "eu-central-1", "db_user": "loader"},
        ),
        (
            "redshift://loader@c.example.com/erp?iam=1&profile=etl",
            "redshift://c.example.com:5439/erp",
            IAM | {"database": "erp", "profile": "etl", "host": "c.example.com", "port": 5439, "db_user": "loader"},
        ),
        (
            "redshift:///erp?iam=true&workgroup=w&region=eu-central-1",
            "redshift://w/erp",
            IAM
            | {"database": "erp", "region": "eu-central-1", "db_user": ""}
            | {"serverless_work_group": "w", "is_serverless": True},
        ),
        (
            "redshift://me:pw@127.0.0.1/erp?ssl=false",
            "redshift://127.0.0.1:5439/erp",
            PLAIN
            | {"ssl": False, "user": "me", "password": "pw", "host": "127.0.0.1", "port": 5439, "database": "erp"},
        ),
    ],
)
def test_an_address_is_what_the_driver_is_told(address, destination, driver):
    found = parameters(address)
    assert (found.destination, found.driver) == (destination, driver)
    assert check_address(address, BUCKET).destination == destination


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("redshift://me:hunter22@[host/db", "is no Redshift address"),
        ("redshift://me:hunter22@host:port/db", "is no Redshift address"),
        ("redshift://me:hunter22@host/db?nonsense", "is no Redshift address"),
        ("redshift://me:hunter22@x@host/db", "more than one '@'"),
        ("redshift://me:hunter22/x@host/db", "is no Redshift address"),
        ("redshift://me:22/hunter22@host/db", "more than one '@'"),
        ("redshift://me:hunter22@host/db?colour=blue", "has colour in its query"),
        ("redshift://me:hunter22@host/db?ssl=false", "switches ssl off"),
        ("redshift://me:hunter22@localhost/db?ssl=false&iam=true", "switches ssl off"),
        ("redshift://me:hunter22@host/db?ssl=maybe", "neither true nor false"),
        ("redshift://me:hunter22@host/db?iam_role=arn:aws:iam::1:role/x';DROP", "neither 'default' nor the ARN"),
        ("redshift://me:hunter22@host", "names no database"),
        ("redshift:///db?cluster_identifier=c", "names no database, or nobody"),
        ("redshift://:hunter22@host/db", "names no database, or nobody"),
        ("redshift:///db?iam=true", "or no cluster"),
    ],
)
def test_a_malformed_address_is_told_with_an_example_and_without_its_password(address, part):
    with pytest.raises(ConfigError, match=rf"{part}.*Write redshift://user:password@host:5439/database") as refused:
        check_address(address, BUCKET)
    assert "hunter22" not in str(refused.value)


def test_a_password_is_known_as_a_secret_before_anything_is_opened():
    parameters("redshift://me:a%2Fsecret%40word@host/db")
    assert "a/secret@word" not in REDACTOR.redact("it is a/secret@word")


@pytest.mark.parametrize(
    ("staging_url", "folder"),
    [
        ("s3://a-bucket", Folder("a-bucket", "")),
        ("s3://a-bucket/", Folder("a-bucket", "")),
        ("s3://a.bucket/ifs", Folder("a.bucket", "ifs/")),
        ("s3://a-bucket/ifs/stage (2)/", Folder("a-bucket", "ifs/stage (2)/")),
    ],
)
def test_a_staging_url_is_a_folder_of_a_bucket(staging_url, folder):
    assert check_folder(staging_url) == folder
    assert folder.url("x") == f"s3://{folder.bucket}/x"


@pytest.mark.parametrize(
    ("staging_url", "part"),
    [
        (None, "'staging_url' is missing"),
        ("", "'staging_url' is missing"),
        ("https://a-bucket/x", "names no folder"),
        ("s3://", "names no folder"),
        ("s3://A/x", "names no folder"),
        ("s3://a-bucket/it's", "names no folder"),
        ("s3://a-bucket/back\\slash", "names no folder"),
        ("s3://key:secret22@a-bucket/x", "names no folder"),
    ],
)
def test_without_a_folder_in_s3_a_run_ends_before_anything_is_opened(staging_url, part):
    with pytest.raises(ConfigError, match=rf"{part}.*s3://my-bucket/ifs-staging") as refused:
        check_address("redshift://me:hunter22@host/db", staging_url)
    assert "secret22" not in str(refused.value)
