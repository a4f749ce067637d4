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
            "'fabric_mirroring', which is not supported by this version. Set push_dataset.",
        ),
        ({"write_mode": "signed"}, "'signed', which is not supported by this version. Set mirror or append."),
        ({"write_mode": "merge"}, "'merge' is not one of"),
        ({"batch_size_rows": 10_001}, "10001 is greater than the maximum of 10000"),
        ({"api_url": "http://api.powerbi.com"}, "http is allowed for loopback addresses alone"),
        ({"api_url": "https://api.powerbi.com/v1.0"}, "Write the origin alone, https://api.powerbi.com."),
        ({"authority_host": "login"}, "Setting 'authority_host' is 'login', which is no address"),
        ({"client_secret": None}, "'client_secret' is a required property"),
        ({"client_secret": "env:NOT_SET_ANYWHERE"}, "environment variable NOT_SET_ANYWHERE, which is not set"),
        ({"tables": {"orders": {"colums": {}}}}, "'colums' was unexpected"),
        ({"tables": {"orders": {"columns": {"a": {"type": "Text"}}}}}, "'Text' is not one of"),
    ],
)
def test_a_setting_that_can_not_be_meant_gets_its_sentence(pipe, changes, sentence):
    with pytest.raises(ConfigError) as refused:
        pipe.target(**changes)
    assert sentence in str(refused.value)


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
