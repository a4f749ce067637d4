"""The key of dead letters lies in the vault: made once, kept when the vault's own key changes."""

import base64
import subprocess
import sys

import pytest
from ifs_bi_core.dead_letter.letter import RefusedRow
from ifs_bi_core.dead_letter.store import DeadLetters
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.replay.key import NAME, letter_key
from ifs_bi_core.vault.sealing import new_master_key
from ifs_bi_core.vault.store import Vault


@pytest.fixture
def vault(tmp_path):
    """The vault of a state folder, with a key file."""
    made = Vault.within(tmp_path, {})
    made.set("ifs", "secret")
    return made


def test_without_a_vault_and_its_variable_there_is_no_key_and_none_is_made(tmp_path):
    assert letter_key(tmp_path, {})() is None
    assert not list(tmp_path.iterdir())


def test_where_there_is_a_vault_a_key_is_made_at_first_use_and_stays(tmp_path, vault):
    ask = letter_key(tmp_path, {})
    assert vault.read().names == ("ifs",)
    key = ask()
    assert (len(key), ask(), letter_key(tmp_path, {}, create=False)()) == (32, key, key)
    assert vault.read().names == ("ifs", NAME)
    assert base64.b64decode(vault.read().secret(NAME)) == key


def test_the_variable_alone_is_enough_to_seal(tmp_path):
    environ = {"IFS_BI_VAULT_KEY": new_master_key()}
    assert letter_key(tmp_path, environ, create=False)() is None
    assert not list(tmp_path.iterdir())
    key = letter_key(tmp_path, environ)()
    assert letter_key(tmp_path, environ, create=False)() == key


def test_who_only_opens_never_makes_a_key(tmp_path, vault):
    before = vault.path.read_bytes()
    assert letter_key(tmp_path, {}, create=False)() is None
    assert vault.path.read_bytes() == before


def test_letters_open_after_the_vault_was_rotated(tmp_path, vault):
    row = RefusedRow(b'{"type":"RECORD"}', "no")
    sealed = DeadLetters(tmp_path, key=letter_key(tmp_path, {}))
    letter = sealed.put("s", schema=b'{"type":"SCHEMA"}', rows=[row], run="R", destination="d")
    assert letter.sealed
    vault.rotate()
    after = DeadLetters(tmp_path, key=letter_key(tmp_path, {}, create=False))
    assert after.payload(letter.id) == [b'{"type":"SCHEMA"}', row.line]


def test_a_vault_that_can_not_be_opened_is_told_and_nothing_is_written_in_plain(tmp_path, vault):
    vault.path.with_name("vault.key").unlink()
    store = DeadLetters(tmp_path, key=letter_key(tmp_path, {}))
    with pytest.raises(ConfigError, match="has no key"):
        store.put("s", schema=b"{}", rows=[RefusedRow(b"{}", "no")], run="R", destination="d")
    assert store.letters() == []


@pytest.mark.parametrize("held", ["no base64!", "c2hvcnQ=", "ü"])
def test_an_entry_that_is_no_key_is_told_and_not_replaced(tmp_path, vault, held):
    vault.set(NAME, held)
    with pytest.raises(ConfigError, match="no key of 32 bytes"):
        letter_key(tmp_path, {})()
    assert vault.read().secret(NAME) == held


def test_processes_that_make_the_key_at_once_end_with_one(tmp_path, vault):
    script = """
import pathlib, sys
from ifs_bi_core.replay.key import letter_key
from ifs_bi_core.vault import store
print("ready", flush=True)
sys.stdin.read()
print(letter_key(pathlib.Path(sys.argv[1]), {})().hex())
"""
    making = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in making:
        assert process.stdout.readline() == "ready\n"
    for process in making:
        process.stdin.close()
    keys = {process.stdout.read().strip() for process in making}
    for process in making:
        process.stdout.close()
        assert process.wait(60) == 0
    assert keys == {letter_key(tmp_path, {})().hex()}
