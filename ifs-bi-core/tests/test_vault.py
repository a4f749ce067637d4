"""What a vault gives back, and what it refuses."""

import json
import os
import stat
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.vault import files
from ifs_bi_core.vault.sealing import (
    DamagedVaultError,
    derived,
    empty,
    encoded,
    new_master_key,
    parsed,
    proven,
    put,
    taken,
)
from ifs_bi_core.vault.store import Vault

MASTER = "k" * 43
SENTENCES = {"changed or cut", "another key", "has no key", "format 2", "open to others", "There is no vault"}


@pytest.fixture
def vault(tmp_path):
    """A vault of two secrets with a key file."""
    made = Vault(tmp_path / "vault" / "vault.json", {})
    made.set("ifs", "first secret")
    made.set("power bi", "second secret")
    return made


def values(vault):
    contents = vault.read()
    return {name: contents.secret(name) for name in contents.names}


def refusal(vault):
    with pytest.raises(ConfigError) as caught:
        values(vault)
    assert caught.value.exit_code is ExitCode.WRONG_CONFIGURATION
    return str(caught.value)


def sealed(**secrets):
    document, keys = empty(MASTER)
    for name, value in secrets.items():
        document = put(document, keys, name, value)
    return document, keys, encoded(document, keys)


def reopened(data):
    document = parsed(data, "here")
    keys = derived(MASTER, document.salt)
    proven(data, document, keys, "here")
    return {name: taken(document, keys, name, "here") for name in document.entries}


@given(secrets=st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=4))
def test_every_text_comes_back_as_it_was_set(secrets):
    document, keys = empty(MASTER)
    for name, value in secrets.items():
        document = put(document, keys, name, value)
    assert reopened(encoded(document, keys)) == secrets


@settings(max_examples=15, deadline=None)
@given(name=st.text(min_size=1), value=st.text(min_size=1))
def test_every_text_comes_back_from_the_disk(tmp_path_factory, name, value):
    made = Vault(tmp_path_factory.mktemp("v") / "vault.json", {"IFS_BI_VAULT_KEY": MASTER})
    made.set(name, value)
    assert values(made) == {name: value}


@pytest.mark.parametrize(("name", "value"), [("", "x"), ("x", ""), ("x", "\udcff"), ("\udcff", "x")])
def test_what_is_empty_or_no_text_is_refused_before_anything_is_made(tmp_path, name, value):
    with pytest.raises(ConfigError, match="nothing was stored"):
        Vault(tmp_path / "vault" / "vault.json", {}).set(name, value)
    assert not list(tmp_path.iterdir())


def test_a_change_of_any_bit_of_the_file_is_detected(tmp_path):
    vault = Vault(tmp_path / "vault.json", {"IFS_BI_VAULT_KEY": MASTER})
    vault.set("a", "one")
    vault.set("b", "two")
    data = vault.path.read_bytes()
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        vault.path.write_bytes(changed)
        with pytest.raises(ConfigError):
            vault.read()


@given(cut=st.integers(min_value=0, max_value=400), more=st.binary(max_size=3))
def test_a_file_that_was_cut_or_lengthened_is_detected(cut, more):
    _, _, data = sealed(a="one", b="two")
    changed = data[:cut] + more
    if changed != data:
        with pytest.raises(DamagedVaultError):
            reopened(changed)


def test_entries_that_changed_places_are_detected_even_under_a_valid_seal():
    document, keys, _ = sealed(a="one", b="two")
    swapped = document.entries | {"a": document.entries["b"]}
    with pytest.raises(DamagedVaultError):
        reopened(encoded(type(document)(document.key_id, document.salt, swapped), keys))


@pytest.mark.parametrize("change", ["swap", "take away", "spaces", "repeat"])
def test_a_file_put_together_otherwise_is_detected(change):
    _, _, data = sealed(a="one", b="two")
    said = json.loads(data)
    if change == "swap":
        said["entries"] = {"a": said["entries"]["b"], "b": said["entries"]["a"]}
    elif change == "take away":
        del said["entries"]["b"]
    changed = (json.dumps(said, indent=2 if change == "spaces" else 1) + "\n").encode()
    if change == "repeat":
        changed = data.replace(b'"format": 1,', b'"format": 1,\n "format": 1,')
    with pytest.raises(DamagedVaultError):
        reopened(changed)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"1", b"[" * 100_000, b"\xff", b'{"format": 1, "key_id": "", "salt": "", "entries": {"a": 1}}']
)
def test_a_file_that_is_no_vault_is_detected(data):
    with pytest.raises(DamagedVaultError):
        reopened(data)


@given(st.text(min_size=8))
def test_no_value_lies_in_the_file_in_plain(value):
    _, _, data = sealed(name=value)
    for form in (value.encode(), value.encode().hex().encode(), json.dumps(value)[1:-1].encode()):
        assert form not in data


def test_the_same_value_never_looks_the_same_twice():
    first, second = sealed(a="one")[0], sealed(a="one")[0]
    assert first.entries != second.entries
    assert first.salt != second.salt


def test_first_use_makes_folder_vault_and_key_for_one_user_alone(vault):
    folder = vault.path.parent
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())} == {
        "vault": 0o700,
        "vault.json": 0o600,
        "vault.key": 0o600,
        "vault.lock": 0o600,
    }
    assert values(vault) == {"ifs": "first secret", "power bi": "second secret"}


@pytest.mark.parametrize("name", ["vault.json", "vault.key"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_is_open_to_others_is_refused_with_what_to_type(vault, name, mode):
    path = vault.path.with_name(name)
    path.chmod(mode)
    said = refusal(vault)
    assert f"{path} is open to others (mode 0{mode:o})" in said
    assert f"chmod 600 '{path}'" in said
    path.chmod(0o400)
    assert values(vault)["ifs"] == "first secret"


def test_each_refusal_has_a_sentence_of_its_own(vault, tmp_path):
    said = {refusal(Vault(tmp_path / "nowhere" / "vault.json", {})), refusal(Vault(tmp_path / "vault.json", {}))}
    key, data = vault.path.with_name("vault.key"), vault.path.read_bytes()
    vault.path.write_bytes(data.replace(b'"ifs"', b'"ifz"'))
    said.add(refusal(vault))
    vault.path.write_bytes(data.replace(b'"format": 1', b'"format": 2'))
    said.add(refusal(vault))
    vault.path.write_bytes(data)
    vault.path.chmod(0o644)
    said.add(refusal(vault))
    vault.path.chmod(0o600)
    key.write_text(new_master_key())
    said.add(refusal(vault))
    key.unlink()
    said.add(refusal(vault))
    assert {words for words in SENTENCES if any(words in sentence for sentence in said)} == SENTENCES


def test_a_missing_key_is_looked_for_in_three_places_and_all_are_told(vault):
    vault.path.with_name("vault.key").unlink()
    said = refusal(vault)
    assert "IFS_BI_VAULT_KEY" in said
    assert str(vault.path.with_name("vault.key")) in said
    assert "keyring" in said


def test_a_name_that_is_not_there_is_answered_with_those_that_are(vault):
    with pytest.raises(ConfigError, match=r"holds no 'looker'. It holds ifs, power bi\."):
        vault.read().secret("looker")
    with pytest.raises(ConfigError, match="holds no 'looker'"):
        vault.remove("looker")


def test_a_removed_secret_is_gone_and_a_changed_one_is_new(vault):
    vault.remove("ifs")
    vault.set("power bi", "third secret")
    assert values(vault) == {"power bi": "third secret"}


def test_a_path_that_can_not_be_a_vault_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "vault.json").mkdir()
    with pytest.raises(ConfigError, match="can't be made"):
        Vault(tmp_path / "file" / "vault.json", {}).set("a", "b")
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        Vault(tmp_path / "vault.json", {}).set("a", "b")
    with pytest.raises(ConfigError, match="can't be read: Not a directory"):
        Vault(tmp_path / "file" / "vault.json", {}).read()


def test_to_look_for_a_vault_leaves_nothing_behind(tmp_path):
    with pytest.raises(ConfigError, match="There is no vault"):
        Vault(tmp_path / "vault.json", {}).read()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_a_sentence_and_the_old_vault_stays(vault, monkeypatch):
    def full(_handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(IfsBiError, match="can't be written: No space left on device") as caught:
            vault.set("ifs", "lost")
    assert caught.value.exit_code is ExitCode.FAILED
    assert values(vault)["ifs"] == "first secret"


def test_what_is_read_is_redacted_from_then_on_and_so_is_the_key(vault):
    key = vault.path.with_name("vault.key").read_text().strip()
    values(vault)
    assert REDACTOR.redact(f"first secret {key}") == "[redacted] [redacted]"
    assert "first" not in repr(vault.read())


def test_two_processes_that_set_at_once_lose_nothing(tmp_path):
    path, count = tmp_path / "vault" / "vault.json", 40
    script = f"""
import sys, pathlib
from ifs_bi_core.vault.store import Vault
print("ready", flush=True)
sys.stdin.readline()  # both begin together
for number in range({count}):
    Vault(pathlib.Path(sys.argv[1]), {{}}).set(f"{{sys.argv[2]}}{{number}}", f"value {{number}}")
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", script, path, prefix], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for prefix in "ab"
    ]
    for writer in writers:
        writer.stdout.readline()
    for writer in writers:
        writer.stdin.close()
    for writer in writers:
        assert writer.wait(60) == 0
        writer.stdout.close()
    assert values(Vault(path, {})) == {f"{prefix}{n}": f"value {n}" for prefix in "ab" for n in range(count)}


def test_a_lock_that_another_process_keeps_is_waited_for_and_then_told(tmp_path):
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    with files.locked(tmp_path, alone=True), pytest.raises(IfsBiError, match="30 seconds"):  # noqa: SIM117 - the inner one waits
        with files.locked(tmp_path, alone=True, clock=lambda: now[0], sleep=sleep):
            pass
    assert now[0] == pytest.approx(30, abs=0.1)
    with files.locked(tmp_path, alone=False), files.locked(tmp_path, alone=False):
        pass
