"""Each package is installed alone, into an empty environment, and its commands start."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLISHED = ("ifs-bi-core", "tap-ifs-cloud", "target-looker-warehouse", "target-powerbi")
PROJECTS = {name: tomllib.loads((ROOT / name / "pyproject.toml").read_text("utf-8"))["project"] for name in PUBLISHED}
PYTHONS = ("3.11", "3.12", "3.13")
"""What the packages are published for; `ci.yml` has each of them."""
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def interpreter(version: str) -> str | None:
    """The Python of this version, where this machine has one: on the PATH or beside pyenv's; nothing is downloaded."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    places = [str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python"))]
    for python in filter(None, [*places, shutil.which(f"python{version}")]):
        said = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
        if said.stdout.startswith(f"Python {version}."):  # a shim of pyenv may stand for none
            return python
    return None


ELSEWHERE = {version: python for version in PYTHONS if version != HERE and (python := interpreter(version))}


def built(dist: Path, package: str, kind: str) -> Path:
    """The one file of this kind."""
    [file] = dist.glob(f"{package.replace('-', '_')}-*{kind}")
    return file


def install_and_start(uv, dist: Path, package: str, kind: str, python: str, folder: Path) -> None:
    """Install one file into an empty environment, and start every command that it brings."""
    uv("venv", "--quiet", "--no-project", "--python", python, folder)
    into = ("--python", folder / "bin" / "python")
    # What it depends on comes as users get it: our own from the folder that is published, the rest from the registry.
    uv("pip", "install", "--quiet", *into, "--find-links", dist, built(dist, package, kind), cwd=folder)
    uv("pip", "check", "--quiet", *into)
    commands = PROJECTS[package]["scripts"]
    for command in commands:
        words = ["--help"] if command == "ifs-bi" else ["--about"]
        ran = subprocess.run(
            [folder / "bin" / command, *words], capture_output=True, text=True, timeout=120, check=False, cwd=folder
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stderr == ""
        assert command in ran.stdout
        if words == ["--about"]:
            assert PROJECTS[package]["version"] in ran.stdout
    help_ = subprocess.run(
        [folder / "bin" / "ifs-bi", "--help"], capture_output=True, text=True, timeout=120, check=True
    )
    verbs = PROJECTS["ifs-bi-core"]["entry-points"]["ifs_bi.commands"].keys()
    verbs |= PROJECTS[package]["entry-points"]["ifs_bi.commands"].keys()
    shown = help_.stdout.partition("Commands:")[2]
    assert {verb for verb in verbs if f"\n  {verb} " not in shown} == set()


@pytest.mark.parametrize("package", PUBLISHED)
def test_a_wheel_installs_alone_and_its_commands_start(uv, dist, tmp_path, package):
    install_and_start(uv, dist, package, ".whl", sys.executable, tmp_path / "env")


@pytest.mark.prove
@pytest.mark.parametrize("package", PUBLISHED)
def test_an_sdist_installs_alone_and_its_commands_start(uv, dist, tmp_path, package):
    install_and_start(uv, dist, package, ".tar.gz", sys.executable, tmp_path / "env")


@pytest.mark.prove
@pytest.mark.parametrize("kind", [".whl", ".tar.gz"])
@pytest.mark.parametrize("version", ELSEWHERE)
@pytest.mark.parametrize("package", PUBLISHED)
def test_other_pythons_of_this_machine_take_the_packages_too(uv, dist, tmp_path, package, version, kind):
    install_and_start(uv, dist, package, kind, ELSEWHERE[version], tmp_path / "env")


@pytest.mark.prove
@pytest.mark.parametrize("version", PYTHONS)
def test_every_dependency_and_extra_has_a_wheel_for_every_python(uv, dist, version):
    asked = [
        f"{name}[{','.join(project['optional-dependencies'])}]" if "optional-dependencies" in project else name
        for name, project in PROJECTS.items()
    ]
    resolved = uv(
        *("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--only-binary", ":all:"),
        *("--python-version", version, "--python-platform", "linux", "--find-links", dist, "-"),
        given="\n".join(asked),
    )
    pinned = {line.partition("==")[0].partition("[")[0] for line in resolved.splitlines() if "==" in line}
    assert {*PUBLISHED, "pyarrow", "snowflake-connector-python", "azure-storage-file-datalake"} <= pinned


@pytest.mark.parametrize("package", PUBLISHED)
def test_a_wheel_holds_its_package_and_its_licence_and_nothing_else(dist, package):
    wheel = built(dist, package, ".whl")
    module = package.replace("-", "_")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        info = f"{module}-{PROJECTS[package]['version']}.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
    assert {name.split("/")[0] for name in names} == {module, info}
    in_tree = {
        str(path.relative_to(ROOT / package))
        for path in (ROOT / package / module).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith(f"{module}/")} == in_tree
    assert f"{info}/licenses/LICENSE" in names
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert PROJECTS[package]["version"] == PROJECTS["ifs-bi-core"]["version"], "one version for all"
    assert package == "ifs-bi-core" or "\nRequires-Dist: ifs-bi-core" in metadata
