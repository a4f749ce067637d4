"""References to secrets, and addresses."""

import subprocess
import sys

import pytest
from ifs_bi_core.errors import ConfigError, ExitCode
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.settings import complaint, origin, resolve
from ifs_bi_core.vault.store import Vault


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


@pytest.fixture
def environ(tmp_path):
    """An environment that names a vault of two secrets."""
    named = {"IFS_BI_VAULT": str(tmp_path / "vault" / "vault.json")}
    vault = Vault.within(environ=named)
    vault.set("ifs", "sesame 1")
    vault.set("warehouse", "postgresql://loader:p%40ss-word@db/dwh")
    return named


def test_a_vault_reference_is_replaced_at_any_depth(environ):
    config = {"client_secret": "vault:ifs", "looker": {"datagroups": [{"x": "vault:ifs"}, "vaults"]}, "n": 1}
    assert resolve(config, environ) == {
        "client_secret": "sesame 1",
        "looker": {"datagroups": [{"x": "sesame 1"}, "vaults"]},
        "n": 1,
    }


def test_a_variable_may_hold_a_vault_reference(environ):
    assert resolve({"a": "env:IFS_CLIENT_SECRET"}, environ | {"IFS_CLIENT_SECRET": "vault:ifs"}) == {"a": "sesame 1"}
    assert REDACTOR.redact("vault:ifs") == "vault:ifs"


def test_what_the_vault_holds_is_final_even_where_it_looks_like_a_reference(environ):
    Vault.within(environ=environ).set("odd", "env:HOME")
    assert resolve({"a": "vault:odd"}, environ) == {"a": "env:HOME"}


def test_the_vault_lies_in_the_state_dir_of_the_setting(tmp_path):
    Vault.within(tmp_path / "state").set("ifs", "sesame 2")
    for state_dir in (str(tmp_path / "state"), "env:STATE"):
        config = {"state_dir": state_dir, "client_secret": "vault:ifs"}
        assert resolve(config, {"STATE": str(tmp_path / "state")})["client_secret"] == "sesame 2"


def test_a_name_that_the_vault_does_not_hold_names_setting_and_vault_and_what_is_there(environ):
    with pytest.raises(
        ConfigError,
        match=r"'looker\.client_secret' refers to the vault \(vault:lookr\)\. .* holds no 'lookr'\. It holds ifs, warehouse\.",
    ) as caught:
        resolve({"looker": {"client_secret": "vault:lookr"}}, environ)
    assert caught.value.exit_code is ExitCode.WRONG_CONFIGURATION


def test_a_vault_that_is_not_there_names_the_setting_and_what_to_type(tmp_path):
    with pytest.raises(ConfigError, match=r"'client_secret' refers to .* no vault .* ifs-bi vault set NAME"):
        resolve({"client_secret": "vault:ifs"}, {"IFS_BI_VAULT": str(tmp_path / "none.json")})


def test_without_a_vault_reference_cryptography_is_not_loaded():
    script = (
        "import sys; from ifs_bi_core.settings import resolve; import ifs_bi_core.http.client, ifs_bi_core.http.tokens; "
        "resolve({'a': 'env:HOME'}); assert not any(n.startswith(('cryptography', 'ifs_bi_core.vault')) for n in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_vault_is_opened_once_for_all_settings(environ, monkeypatch):
    opened = []
    read = Vault.read
    monkeypatch.setattr(Vault, "read", lambda vault: opened.append(vault) or read(vault))
    resolve({"a": "vault:ifs", "b": ["vault:ifs", "vault:warehouse"]}, environ)
    assert len(opened) == 1


def test_a_secret_from_the_vault_and_the_password_of_a_url_are_redacted_from_then_on(environ):
    resolve({"client_secret": "vault:ifs", "warehouse_url": "vault:warehouse"}, environ)
    for said in ("sesame 1", "sesame%201", "sesame+1", "p%40ss-word", "p@ss-word"):
        assert said not in REDACTOR.redact(f"refused: {said}.")


def test_what_a_reference_resolves_to_is_redacted_from_then_on():
    resolve({"client_secret": "env:S"}, {"S": "p&ss wörd/1"})
    assert "p&ss" not in REDACTOR.redact(
        "the secret is p&ss wörd/1, in a form p%26ss%20w%C3%B6rd%2F1 or p%26ss+w%C3%B6rd%2F1"
    )


@pytest.mark.parametrize(
    "address", ["https://acme.ifs.cloud", "http://127.0.0.1:8000/", "https://acme.ifs.cloud/auth/realms/acme/token"]
)
def test_an_address_from_a_variable_is_no_secret(address):
    resolve({"base_url": "env:A"}, {"A": address})
    assert REDACTOR.redact(f"{address} lets us in.") == f"{address} lets us in."


@pytest.mark.parametrize(
    "address",
    [
        "https://loader:sesame-3@acme.ifs.cloud",
        "https://sesame-3@acme.ifs.cloud",
        "https://acme.blob.core.windows.net/zone?sig=sesame-3",
        "https://acme.ifs.cloud/#sesame-3",
        "postgresql://db/sesame-3",
        "https:sesame-3",
        "https://[sesame-3",
    ],
)
def test_an_address_in_which_a_secret_may_stand_is_one(address):
    resolve({"base_url": "env:A"}, {"A": address})
    assert "sesame-3" not in REDACTOR.redact(f"{address} lets us in.")


def test_an_address_from_the_vault_is_a_secret(environ):
    Vault.within(environ=environ).set("place", "https://acme.ifs.cloud/sesame-4")
    resolve({"base_url": "vault:place"}, environ)
    assert "sesame-4" not in REDACTOR.redact("https://acme.ifs.cloud/sesame-4 lets us in.")


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


def test_a_secret_under_the_wrong_name_is_not_repeated():
    settings = {"limit": "postgresql://team:hunter22@host/erp", "mode": "many", "more": [{"key": "a" * 40}]}
    wrong = [f"{value!r} is not of type 'integer' in config" for value in (settings["limit"], "many", settings["more"])]
    told = complaint("tap-well", wrong, settings)
    assert told.startswith(
        "tap-well is configured wrongly: what it holds is not of type 'integer' in config; 'many' is not"
    )
    assert "hunter22" not in told
    assert "aaa" not in told


def test_a_sentence_about_settings_has_an_end():
    assert len(complaint("tap-well", ["'x' is wrong"] * 1000, {})) < 1100
