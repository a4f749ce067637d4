"""``ifs-bi vault`` as people type it."""

import json
import os
import pty
import subprocess
import sys

import pytest
from click.testing import CliRunner
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.vault.command import vault
from ifs_bi_core.vault.store import Vault

SECRET = "hunter22 hunter22"


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Call a verb in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("STATE_DIR", "VAULT", "VAULT_KEY", "VAULT_KEY_FILE", "VAULT_NEW_KEY"):
        monkeypatch.delenv(f"IFS_BI_{name}", raising=False)

    def call(*words, given=None):
        return CliRunner().invoke(vault, words, input=given)

    return call


def secret(name):
    return Vault.within().read().secret(name)


def test_a_secret_from_a_pipe_is_held_and_never_printed(typed, tmp_path):
    ran = typed("set", "ifs", given=f"{SECRET}\n")
    assert (ran.exit_code, SECRET in ran.output) == (0, False)
    assert "write vault:ifs" in ran.output
    assert secret("ifs") == SECRET
    assert (tmp_path / ".ifs-bi" / "vault" / "vault.json").exists()
    listed = typed("list")
    assert (listed.exit_code, listed.output) == (0, "ifs\n")


def test_the_variable_that_names_the_state_folder_of_the_other_verbs_names_the_vault_s_too(
    typed, tmp_path, monkeypatch
):
    monkeypatch.setenv("IFS_BI_STATE_DIR", str(tmp_path / "state"))
    assert typed("set", "ifs", given=SECRET).exit_code == 0
    assert Vault.within(tmp_path / "state").read().secret("ifs") == SECRET
    assert not (tmp_path / ".ifs-bi").exists()


@pytest.mark.parametrize(
    ("given", "kept"), [("a b", "a b"), (" a \n", " a "), ("a\r\n", "a"), ("a\n\n", "a\n"), ("one\ntwo\n", "one\ntwo")]
)
def test_one_line_end_after_a_piped_value_is_not_part_of_it(typed, given, kept):
    assert typed("set", "x", given=given).exit_code == 0
    assert secret("x") == kept


@pytest.mark.parametrize("given", ["", "\n", b"\xff\xfe"])
def test_nothing_and_bytes_are_refused(typed, given, tmp_path):
    assert isinstance(typed("set", "x", given=given).exception, ConfigError)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [(SECRET,), ("-hunter22",), ("--value=hunter22",), ("--value", "hunter22"), ("--", "-hunter22")]
)
def test_a_value_in_the_arguments_is_refused_and_not_repeated(typed, words, tmp_path):
    ran = typed("set", "x", *words, given="other\n")
    assert isinstance(ran.exception, ConfigError)
    assert "not taken from arguments" in str(ran.exception)
    assert "hunter22" not in ran.output + str(ran.exception)
    assert not list(tmp_path.iterdir())


def test_a_value_typed_at_a_terminal_is_not_shown(tmp_path):
    screen, terminal = pty.openpty()
    script = "from ifs_bi_core.vault.command import vault; vault()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "set", "ifs"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=tmp_path,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    for prompt in (b"Value of ifs: ", b"Once more: "):
        while prompt not in shown:
            shown += os.read(screen, 1000)
        os.write(screen, SECRET.encode() + b"\n")
    try:
        while more := os.read(screen, 1000):
            shown += more
    except OSError:  # Linux's answer when the other side is closed
        pass
    assert process.wait(30) == 0
    os.close(screen)
    assert b"write vault:ifs" in shown
    assert b"hunter" not in shown


def test_every_verb_answers_programs_with_one_object(typed):
    path = ".ifs-bi/vault/vault.json"
    assert json.loads(typed("set", "a", "--json", given="one").output) == {"vault": path, "set": "a"}
    assert json.loads(typed("list", "--json").output) == {"vault": path, "names": ["a"]}
    key = "the key file .ifs-bi/vault/vault.key"
    assert json.loads(typed("rotate", "--json").output) == {"vault": path, "key_in": key}
    assert json.loads(typed("remove", "a", "--json").output) == {"vault": path, "removed": "a"}
    assert typed("list").output == ""


def test_rotation_says_where_the_key_is(typed, monkeypatch):
    typed("set", "a", given="one")
    assert typed("rotate").output == (
        ".ifs-bi/vault/vault.json is sealed with a new key, kept in the key file .ifs-bi/vault/vault.key.\n"
    )
    assert secret("a") == "one"


def test_the_state_dir_and_the_variable_name_another_vault(typed, tmp_path, monkeypatch):
    assert typed("set", "a", "--state-dir", "elsewhere", given="one").exit_code == 0
    assert (tmp_path / "elsewhere" / "vault" / "vault.json").exists()
    monkeypatch.setenv("IFS_BI_VAULT", str(tmp_path / "third" / "v.json"))
    assert typed("set", "a", "--state-dir", "elsewhere", given="two").exit_code == 0
    assert (tmp_path / "third" / "v.json").exists()
    assert secret("a") == "two"


@pytest.mark.parametrize("words", [("list",), ("remove", "a"), ("rotate",)])
def test_without_a_vault_the_sentence_says_how_to_make_one(typed, words, tmp_path):
    ran = typed(*words)
    assert isinstance(ran.exception, ConfigError)
    assert "ifs-bi vault set NAME" in str(ran.exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["set", "list", "remove", "rotate"])
def test_every_verb_has_help_and_json(typed, verb):
    ran = typed(verb, "--help")
    assert ran.exit_code == 0
    assert "--json" in ran.output
    assert "[SURPLUS]" not in ran.output
