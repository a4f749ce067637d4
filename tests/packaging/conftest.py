"""What is published: the packages, built once, and the interpreters that they may be installed into."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"


@pytest.fixture(scope="session")
def uv():
    """Runs uv to its end, and gives what it wrote to stdout."""

    def run(*words, given="", cwd=ROOT):
        ran = subprocess.run(
            [str(UV), *map(str, words)], input=given, capture_output=True, cwd=cwd, text=True, timeout=600, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return run


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """The folder that `make wheels` fills."""
    folder = tmp_path_factory.mktemp("dist")
    # The environment that the tests run in is the one that make would prepare.
    ran = subprocess.run(
        ["make", "--old-file=.venv/.ready", "wheels", f"DIST={folder}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return folder
