"""Settings that can't be meant are refused with a sentence."""

from __future__ import annotations

import pytest
from ifs_bi_core.errors import ConfigError
from target_powerbi.settings import read_settings


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"dataset_name": None}, "Give one of the settings 'dataset_id'"),
        ({"dataset_id": "11111111-2222-3333-4444-555555555555"}, "Give one of the settings 'dataset_id'"),
        (
            {"dataset_name": None, "dataset_id": "Purchasing"},
            "Setting 'dataset_id' is 'Purchasing'. Write the id after /datasets/",
        ),
        ({"workspace_id": "My workspace"}, "Setting 'workspace_id' is 'My workspace'. Write the id after /groups/"),
        ({"tenant_id": "a/b"}, "Setting 'tenant_id' is 'a/b'. Write the Directory (tenant) id"),
        (
            {"destination": "fabric_mirroring"},
            "Setting 'landing_zone_url' is '', and destination fabric_mirroring needs one.",
        ),
        ({"write_mode": "merge"}, "'merge' is not one of"),
        ({"batch_size_rows": 10_001}, "10001 is greater than the maximum of 10000"),
        ({"api_url": "http://api.powerbi.com"}, "http is allowed for loopback addresses alone"),
        ({"api_url": "https://api.powerbi.com/v1.0"}, "Write the origin alone, https://api.powerbi.com."),
        ({"authority_host": "login"}, "Setting 'authority_host' is 'login', which is no address"),
        (
            {"client_secret": None},
            "'client_certificate_path' and 'managed_identity' to sign in with; there is none of them",
        ),
        ({"client_certificate_path": "a.pem"}, "there are 'client_secret' and 'client_certificate_path'"),
        ({"managed_identity": True}, "there are 'client_secret' and 'managed_identity'"),
        ({"client_certificate_password": "x"}, "is of no use without 'client_certificate_path'"),
        ({"client_secret": None, "managed_identity": "me"}, "Write true, or the client id of the identity"),
        ({"client_id": None}, "Setting 'client_id' is missing"),
        ({"tenant_id": None}, "Setting 'tenant_id' is ''. Write the Directory (tenant) id"),
        (
            {"write_mode": "append", "tables": {"lines": {"relationships": {"OrderNo": "orders"}}}},
            "with write_mode append a key has several rows, and a relationship needs one",
        ),
        ({"client_secret": "env:NOT_SET_ANYWHERE"}, "environment variable NOT_SET_ANYWHERE, which is not set"),
        ({"tables": {"orders": {"colums": {}}}}, "'colums' was unexpected"),
        ({"tables": {"orders": {"columns": {"a": {"type": "Text"}}}}}, "'Text' is not one of"),
        ({"tables": {"orders": {"columns": {"a": {"summarize_by": "total"}}}}}, "'total' is not one of"),
        ({"on_missing_column": "ignore"}, "'ignore' is not one of"),
    ],
)
def test_a_setting_that_can_not_be_meant_gets_its_sentence(pipe, changes, sentence):
    with pytest.raises(ConfigError) as refused:
        pipe.target(**changes)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (True, True),
        ("true", True),
        ("TRUE", True),
        (False, False),
        ("false", False),
        ("11111111-2222-3333-4444-55555555AAAA", "11111111-2222-3333-4444-55555555aaaa"),
    ],
)
def test_a_managed_identity_is_that_of_the_machine_or_one_with_a_client_id(pipe, given, meant):
    changes = {"client_secret": None if meant else "x", "managed_identity": given}
    settings = pipe.target(**changes).settings
    assert settings.managed_identity == meant
    if meant:
        assert (settings.tenant_id, settings.client_id) == ("", "")


def test_settings_never_show_the_secret(pipe):
    assert pipe.config["client_secret"] not in repr(pipe.target().settings)


def test_the_tables_setting_is_read(pipe):
    chosen = {
        "orders": {"table": "Orders", "columns": {"Amount": {"type": "Double", "format": "0"}}, "measures": {"n": "1"}}
    }
    choice = pipe.target(tables=chosen).settings.tables["orders"]
    assert (choice.table, choice.columns["Amount"].type, choice.measures) == ("Orders", "Double", {"n": "1"})


def test_null_is_the_default(pipe):
    nulls = dict.fromkeys(["manage_schema", "tables", "write_mode", "dataset_id", "batch_size_rows", "api_url"])
    assert read_settings(pipe.config | nulls) == pipe.target(api_url="https://api.powerbi.com").settings


def test_settings_never_show_the_password_of_a_certificate(pipe):
    changes = {"client_secret": None, "client_certificate_path": "a.pfx", "client_certificate_password": "hunter22"}
    assert "hunter22" not in repr(pipe.target(**changes).settings)
