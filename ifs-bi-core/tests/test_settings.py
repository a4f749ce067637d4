"""References to secrets, and addresses."""

import pytest
from ifs_bi_core.errors import ConfigError, ExitCode
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.settings import origin, resolve


def test_an_env_reference_is_replaced_at_any_depth():
    config = {"a": "env:ONE", "b": {"c": ["env:TWO", 3, None]}, "plain": "text"}
    assert resolve(config, {"ONE": "first", "TWO": "second"}) == {
        "a": "first",
        "b": {"c": ["second", 3, None]},
        "plain": "text",
    }


@pytest.mark.parametrize("environ", [{}, {"SECRET": ""}])
def test_a_reference_to_a_variable_that_is_not_set_names_setting_and_variable(environ):
    with pytest.raises(
        ConfigError, match=r"'looker\.client_secret' refers to the environment variable SECRET, which is not set"
    ):
        resolve({"looker": {"client_secret": "env:SECRET"}}, environ)


def test_a_vault_reference_is_refused_until_there_is_a_vault():
    with pytest.raises(ConfigError, match="vault") as caught:
        resolve({"client_secret": "vault:ifs"}, {})
    assert caught.value.exit_code is ExitCode.WRONG_CONFIGURATION


def test_what_a_reference_resolves_to_is_redacted_from_then_on():
    resolve({"client_secret": "env:S"}, {"S": "p&ss wörd/1"})
    assert "p&ss" not in REDACTOR.redact(
        "the secret is p&ss wörd/1, in a form p%26ss%20w%C3%B6rd%2F1 or p%26ss+w%C3%B6rd%2F1"
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://acme.ifs.cloud", "https://acme.ifs.cloud"),
        ("https://acme.ifs.cloud:48080/", "https://acme.ifs.cloud:48080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:9", "http://[::1]:9"),
    ],
)
def test_an_address_is_https_or_http_on_this_machine(given, kept):
    assert origin("base_url", given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "http://acme.ifs.cloud",
        "acme.ifs.cloud",
        "ftp://acme",
        "https://",
        "https://u:p@acme",
        "https://acme?x=1",
        "https://a:b:c",
        "",
    ],
)
def test_any_other_address_is_a_wrong_setting(given):
    with pytest.raises(ConfigError, match="base_url"):
        origin("base_url", given)
