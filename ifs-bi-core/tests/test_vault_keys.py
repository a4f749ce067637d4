"""Where a vault's key comes from, and how it changes."""

import contextlib
import os
import sys
import types

import pytest
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.vault.sealing import new_master_key
from ifs_bi_core.vault.store import Vault

HELD = {"ifs": "first secret", "power bi": "second\nsecret"}


class KeyringError(Exception):
    """As the package has it."""


@pytest.fixture
def keyring(monkeypatch):
    """A stand-in for the package `keyring`; a dict of what it holds."""
    held = {}
    package, errors = types.ModuleType("keyring"), types.ModuleType("keyring.errors")
    package.get_password = lambda service, user: held.get((service, user))
    package.set_password = lambda service, user, key: held.__setitem__((service, user), key)
    package.delete_password = lambda service, user: held.pop((service, user))
    errors.KeyringError = KeyringError
    monkeypatch.setitem(sys.modules, "keyring", package)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    return held


def filled(path, environ=None):
    vault = Vault(path, environ or {})
    for name, value in HELD.items():
        vault.set(name, value)
    return vault


def values(vault):
    contents = vault.read()
    return {name: contents.secret(name) for name in contents.names}


@pytest.mark.parametrize(
    "key",
    [new_master_key(), "correct horse battery staple", "ü" * 12, "x"],
    ids=["new", "a sentence", "not ASCII", "short"],
)
def test_a_key_from_the_environment_leaves_no_key_on_disk(tmp_path, key):
    vault = Vault(tmp_path / "vault.json", {"IFS_BI_VAULT_KEY": key})
    vault.set("a", "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vault.json", "vault.lock"]
    assert values(vault) == {"a": "one"}
    with pytest.raises(ConfigError, match="another key than the one in the variable IFS_BI_VAULT_KEY"):
        values(Vault(vault.path, {"IFS_BI_VAULT_KEY": key[:-1] + "z"}))


def test_the_environment_is_asked_before_the_file_and_the_file_before_the_keyring(tmp_path, keyring):
    path = tmp_path / "vault.json"
    filled(path, {"IFS_BI_VAULT_KEY": new_master_key()})
    assert not keyring
    path.unlink()
    filled(path)
    assert path.with_name("vault.key").exists()
    assert not keyring


def test_a_stale_variable_does_not_hide_the_key_file_that_fits(tmp_path):
    vault = filled(tmp_path / "vault.json")
    assert values(Vault(vault.path, {"IFS_BI_VAULT_KEY": new_master_key()})) == HELD


def test_the_key_file_may_lie_elsewhere(tmp_path):
    elsewhere = tmp_path / "keys" / "ifs"
    elsewhere.parent.mkdir()
    vault = filled(tmp_path / "vault" / "vault.json", {"IFS_BI_VAULT_KEY_FILE": str(elsewhere)})
    assert values(vault) == HELD
    assert not vault.path.with_name("vault.key").exists()
    with pytest.raises(ConfigError, match="has no key"):
        values(Vault(vault.path, {}))


def test_rotation_changes_the_key_and_no_value(tmp_path):
    vault = filled(tmp_path / "vault.json")
    key = vault.path.with_name("vault.key")
    old_key, old_vault = key.read_text(), vault.path.read_text()
    vault.rotate()
    assert values(vault) == HELD
    assert key.read_text() != old_key
    assert old_key.strip() not in key.read_text()
    assert vault.path.read_text() != old_vault
    key.write_text(old_key)
    with pytest.raises(ConfigError, match="another key"):
        values(vault)


def test_a_key_in_the_environment_is_rotated_to_the_one_given_beside_it(tmp_path):
    old, new = new_master_key(), new_master_key()
    vault = filled(tmp_path / "vault.json", {"IFS_BI_VAULT_KEY": old})
    with pytest.raises(ConfigError, match="IFS_BI_VAULT_NEW_KEY"):
        vault.rotate()
    with pytest.raises(ConfigError, match="IFS_BI_VAULT_NEW_KEY"):
        Vault(vault.path, {"IFS_BI_VAULT_KEY": old, "IFS_BI_VAULT_NEW_KEY": old}).rotate()
    place = Vault(vault.path, {"IFS_BI_VAULT_KEY": old, "IFS_BI_VAULT_NEW_KEY": new}).rotate()
    assert "put it into IFS_BI_VAULT_KEY" in place.kept
    assert values(Vault(vault.path, {"IFS_BI_VAULT_KEY": new})) == HELD
    with pytest.raises(ConfigError, match="another key"):
        values(vault)


def test_the_key_moves_into_the_keyring_and_back(tmp_path, keyring):
    vault = filled(tmp_path / "vault.json")
    key = vault.path.with_name("vault.key")
    vault.rotate("keyring")
    assert not key.exists()
    assert len(keyring) == 1
    assert values(vault) == HELD
    vault.rotate()
    assert len(keyring) == 1
    assert values(vault) == HELD
    vault.rotate("file")
    assert not keyring
    assert values(vault) == HELD


def test_without_the_package_the_keyring_is_a_sentence_and_nothing_changes(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    vault = filled(tmp_path / "vault.json")
    with pytest.raises(ConfigError, match=r"pip install 'ifs-bi-core\[keyring\]'"):
        vault.rotate("keyring")
    assert values(vault) == HELD


def test_a_keyring_that_refuses_is_a_sentence_and_nothing_changes(tmp_path, keyring, monkeypatch):
    def locked(*_words):
        raise KeyringError("it is locked")

    vault = filled(tmp_path / "vault.json")
    monkeypatch.setattr(sys.modules["keyring"], "set_password", locked)
    monkeypatch.setattr(sys.modules["keyring"], "get_password", locked)
    with pytest.raises(ConfigError, match="it is locked"):
        vault.rotate("keyring")
    assert values(vault) == HELD
    vault.path.with_name("vault.key").unlink()
    with pytest.raises(ConfigError, match=r"has no key.*it is locked"):
        values(vault)


def values_or_none(path, environ):
    with contextlib.suppress(ConfigError):
        return values(Vault(path, environ))
    return None


STEPS = ("open", "fdopen", "fchmod", "fsync", "replace", "unlink", "close")


def killed_before_step(number, action):
    """Run ``action`` in a process that ends, as if killed, before its step ``number``; whether it came to that."""
    child = os.fork()
    if child:
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert ended in {0, 9}, "the action failed by itself"
        return ended == 9
    left = [number]

    def stopping(step):
        def stopped(*args, **kwargs):
            if not left[0]:
                os._exit(9)
            left[0] -= 1
            return step(*args, **kwargs)

        return stopped

    for name in STEPS:
        setattr(os, name, stopping(getattr(os, name)))
    try:
        action()
    finally:
        os._exit(0 if sys.exc_info()[0] is None else 1)


@pytest.mark.parametrize("action", ["set", "change", "remove", "rotate", "rotate environment", "to file"])
def test_a_process_killed_between_any_two_steps_leaves_a_vault_that_opens(tmp_path, action):
    old, new = new_master_key(), new_master_key()
    in_environment = action in {"rotate environment", "to file"}
    environ = {"IFS_BI_VAULT_KEY": old, "IFS_BI_VAULT_NEW_KEY": new} if in_environment else {}
    do, allowed = {
        "set": (lambda vault: vault.set("new", "value"), (HELD, HELD | {"new": "value"})),
        "change": (lambda vault: vault.set("ifs", "other"), (HELD, HELD | {"ifs": "other"})),
        "remove": (lambda vault: vault.remove("ifs"), (HELD, {"power bi": HELD["power bi"]})),
        "rotate": (lambda vault: vault.rotate(), (HELD,)),
        "rotate environment": (lambda vault: vault.rotate(), (HELD,)),
        "to file": (lambda vault: vault.rotate("file"), (HELD,)),
    }[action]
    number = 0
    while True:
        vault = filled(tmp_path / str(number) / "vault.json", environ)
        killed = killed_before_step(number, lambda vault=vault: do(vault))
        environs = [{"IFS_BI_VAULT_KEY": key} for key in (old, new)] if in_environment else [{}]
        opened = [held for held in (values_or_none(vault.path, environ) for environ in environs) if held]
        assert opened, f"nothing opens the vault after a kill before step {number}"
        assert all(held in allowed for held in opened)
        if not in_environment:
            vault.set("afterwards", "works")  # what was left behind is in nobody's way
            vault.rotate()
            assert values(vault)["afterwards"] == "works"
        if not killed:
            break
        number += 1
    assert opened[-1] == allowed[-1]
    assert number > 8  # it was stopped in many places


def test_a_first_set_killed_between_any_two_steps_is_done_by_the_next_one(tmp_path):
    number, killed = 0, True
    while killed:
        vault = Vault(tmp_path / str(number) / "vault" / "vault.json", {})
        killed = killed_before_step(number, lambda vault=vault: vault.set("ifs", "first secret"))
        vault.set("power bi", "second secret")
        assert values(vault)["power bi"] == "second secret"
        number += 1
    assert values(vault) == {"ifs": "first secret", "power bi": "second secret"}
