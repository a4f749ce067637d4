"""A shell and Meltano read the same from a .env."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_sandbox.env_file import env_file
from ifs_bi_sandbox.servers import Sandbox

PIECES = st.sampled_from(
    ["a", "Z", "9", " ", "  ", "#", " #", "$", "$HOME", "`", '"', "=", "~", ":~", "*", "!", "(", ";", "&", "ö", "€"]
)
VALUES = st.lists(PIECES | st.characters(exclude_characters="'\\$", categories=["L", "N", "P", "S", "Zs"]), max_size=8)


def read_by_a_shell(path: Path, names: list[str]) -> list[str]:
    show = "".join(f'printf "%s\\0" "${name}"; ' for name in names)
    ran = subprocess.run(
        ["bash", "-c", f"set -eu -a; . {path}; {show}"],
        capture_output=True,
        timeout=20,
        check=True,
        env={"HOME": "/root"},
    )
    assert ran.stderr == b""
    return ran.stdout.decode().split("\0")[:-1]


@settings(max_examples=20, deadline=None)
@given(st.lists(VALUES.map("".join), min_size=1, max_size=20))
def test_every_value_arrives_in_a_shell_and_in_meltano(values):
    given_ = {f"V{number}": "".join(c for c in value if c.isprintable()) for number, value in enumerate(values)}
    with TemporaryDirectory() as folder:
        path = Path(folder) / ".env"
        path.write_text(env_file(given_), "utf-8")
        assert dict(zip(given_, read_by_a_shell(path, list(given_)), strict=True)) == given_
        assert dotenv_values(path) == given_


@pytest.mark.parametrize("value", ["it's", "back\\slash", "${HOME}", "two\nlines", "a\r", "\0", "\ud800"])
def test_a_value_that_they_would_read_differently_is_refused(value):
    with pytest.raises(ValueError, match=r"^SECRET has a character that a shell and Meltano read differently$"):
        env_file({"SECRET": value})


def test_the_settings_of_a_sandbox_can_be_sourced(tmp_path):
    with Sandbox(scale=300) as sandbox:
        told = sandbox.environment()
    path = tmp_path / ".env"
    path.write_text(env_file(told))
    assert dict(zip(told, read_by_a_shell(path, list(told)), strict=True)) == told
    assert dotenv_values(path) == told
