"""The container's file without a container engine: what it names is there, what it installs runs, and where that writes."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from signal import SIGTERM
from typing import Any

import psutil
import pytest
from pipeline.tenant import STREAMS, Tenant

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
FILE = ROOT / "docker" / "Containerfile"
IGNORED = (ROOT / "docker" / "Containerfile.dockerignore").read_text("utf-8").split()

_joined = re.sub(r"\\\n\s*", "", FILE.read_text("utf-8"))
INSTRUCTIONS = [tuple(line.split(None, 1)) for line in _joined.splitlines() if line and not line.startswith("#")]
STAGES: list[list[tuple[str, str]]] = []
for name, words in INSTRUCTIONS:
    if name == "FROM":
        STAGES.append([])
    if STAGES:
        STAGES[-1].append((name, words))
BUILD, IMAGE = STAGES


def all_of(stage: list[tuple[str, str]], wanted: str) -> list[str]:
    return [words for name, words in stage if name == wanted]


def copied() -> list[tuple[str, str]]:
    """What is copied from the checkout, and where to."""
    found = []
    for words in (words for stage in STAGES for words in all_of(stage, "COPY") if "--from=" not in words):
        *sources, target = [word for word in words.split() if not word.startswith("--")]
        found += [(source, target) for source in sources]
    return found


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    """The folder of the build stage, before it installs."""
    folder = tmp_path_factory.mktemp("source")
    for source, target in copied():
        if target.startswith("/"):
            continue
        place = folder / target
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("tests", "__pycache__"))
        else:
            place = place if not target.endswith(("/", ".")) else place / Path(source).name
            place.parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, place)
    return folder


@pytest.fixture(scope="module")
def image(context, tmp_path_factory):
    """The environment that the build stage's own installation step makes."""
    [step] = [words for words in all_of(BUILD, "RUN") if words.startswith("uv sync")]
    folder = tmp_path_factory.mktemp("image")
    # Compiling and an empty cache cost time alone.
    words = [word for word in shlex.split(step)[1:] if word not in {"--compile-bytecode", "--no-cache"}]
    ran = subprocess.run(
        [BIN / "uv", *words, "--quiet", "--python", sys.executable],
        cwd=context,
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder / "ifs-bi")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return folder / "ifs-bi"


def test_the_file_passes_the_lint():
    linter = ROOT / ".envs" / "hadolint" / "bin" / "hadolint"
    ran = subprocess.run(
        [linter, "--failure-threshold", "style", FILE], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stdout


def test_what_is_copied_is_there_and_is_not_left_aside():
    sources = {source for source, _ in copied()}
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert IGNORED[IGNORED.index("*") :], "all is left aside but what is named"
    assert sources == {word.removeprefix("!") for word in IGNORED if word.startswith("!")}


def test_the_image_runs_as_nobody_of_the_host_and_keeps_its_state_in_a_volume():
    [user] = all_of(IMAGE, "USER")
    [volume] = all_of(IMAGE, "VOLUME")
    [folder] = all_of(IMAGE, "WORKDIR")
    uid, gid = user.split(":")
    assert int(uid) == int(gid) >= 10_000
    assert json.loads(volume) == [folder]
    [made] = all_of(IMAGE, "RUN")
    assert f"--owner={uid} --group={gid} --mode=0700 {folder}" in made
    assert f"--uid {uid}" in made
    last = max(number for number, (name, _) in enumerate(IMAGE) if name in {"RUN", "COPY"})
    assert last < [name for name, _ in IMAGE].index("USER"), "nothing is installed by the user that runs it"


def test_the_installer_is_of_the_version_that_the_lock_file_is_of(uv):
    [step] = [words for words in all_of(BUILD, "RUN") if words.startswith("pip install")]
    [asked] = re.findall(r"\buv==\S+", step)
    assert uv("--version").split()[1] == asked.partition("==")[2]
    assert asked in uv("pip", "compile", "--quiet", "--no-header", "--only-binary", ":all:", "-", given=asked)


def test_every_stage_is_of_the_same_python_which_the_packages_are_tested_on():
    assert [words.split()[0] for stage in STAGES for words in all_of(stage, "FROM")] == [
        "python:${PYTHON}-slim-bookworm"
    ] * 2
    [(name, default)] = INSTRUCTIONS[:1]
    assert (name, default) == ("ARG", "PYTHON=3.13")


@pytest.mark.prove
def test_the_image_has_the_plugins_with_their_extras_and_no_tools_of_the_workshop(image):
    commands = {path.name for path in (image / "bin").iterdir()}
    assert {"ifs-bi", "tap-ifs-cloud", "tap-replay", "target-powerbi", "target-looker-warehouse"} <= commands
    assert commands.isdisjoint({"pytest", "ruff", "mypy", "ifs-bi-sandbox"})
    [site] = (image / "lib").glob("python*/site-packages")
    for module in ("psycopg", "snowflake/connector", "google/cloud/bigquery", "redshift_connector", "looker_sdk"):
        assert (site / module).is_dir()


@pytest.mark.prove
def test_a_pipe_writes_to_its_folder_alone_and_goes_on_from_what_was_confirmed(image, tmp_path):
    work, temporary, config = (tmp_path / name for name in ("work", "temporary", "config"))
    for folder in (work, temporary, config):
        folder.mkdir()
    tenant = Tenant(tmp_path)
    before = written(image)

    def run() -> str:
        with tenant.served() as address:
            tap = tenant.settings(address, Path(".ifs-bi"))
            (config / "tap.json").write_text(json.dumps(tap))
            target = {"warehouse_url": "duckdb:///warehouse.duckdb", "hard_delete": True}
            (config / "target.json").write_text(json.dumps(target))
            ran = subprocess.run(
                [ROOT / "docker" / "pipe", config / "tap.json", "target-looker-warehouse", config / "target.json"],
                cwd=work,
                env={
                    "PATH": f"{image / 'bin'}:/usr/bin:/bin",
                    "HOME": str(work),
                    "TMPDIR": str(temporary),
                    **dict(re.findall(r"(PYTHON[A-Z]+|IFS_[A-Z_]+)=(\S+)", " ".join(all_of(IMAGE, "ENV")))),
                },
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr
            return ran.stderr

    said = run()
    assert all(json.loads(line) for line in said.splitlines())  # logs are JSON
    state = json.loads((work / "state-target-looker-warehouse.json").read_text())
    assert state["bookmarks"].keys() >= set(STREAMS)
    tenant.tick()
    tenant.put("10", 1)
    run()
    again = json.loads((work / "state-target-looker-warehouse.json").read_text())
    assert again != state
    assert written(image) == before
    assert list(temporary.iterdir()) == []
    assert {path.name for path in work.iterdir()} == {
        ".ifs-bi",
        "warehouse.duckdb",
        "state-target-looker-warehouse.json",
    }


def written(folder: Path) -> dict[str, int]:
    """Every file of a folder with the time of its last change."""
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture
def stand_ins(tmp_path):
    """Makes commands of shell scripts; the words of a pipe with one of them as its target, and its environment."""
    commands = tmp_path / "bin"
    commands.mkdir()

    def made(target: str, **scripts: str) -> dict[str, Any]:
        for name, script in scripts.items():
            path = commands / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)
        words = [ROOT / "docker" / "pipe", "tap.json", target, "target.json"]
        return {"args": words, "cwd": tmp_path, "env": {"PATH": f"{commands}:/usr/bin:/bin"}}

    return made


@pytest.mark.parametrize(
    ("ends", "code", "kept"),
    [("cat >/dev/null; echo '{\"b\": 2}'", 1, {"b": 2}), ("exit 3", 3, {"b": 1})],
    ids=["content", "refused"],
)
def test_a_pipe_ends_as_the_target_ends_and_loses_no_state(tmp_path, stand_ins, ends, code, kept):
    """The target's code wins over the tap's; an empty output leaves the state as it was."""
    state = tmp_path / "state-target-any.json"
    state.write_text('{"b": 1}\n')
    ran = subprocess.run(**stand_ins("target-any", tap_ifs_cloud="exit 1", target_any=ends), check=False)
    assert (ran.returncode, json.loads(state.read_text())) == (code, kept)


def test_what_a_killed_pipe_had_confirmed_is_where_the_next_one_goes_on(tmp_path, stand_ins):
    (tmp_path / "state-target-any.json").write_text('{"b": 1}\n')
    (tmp_path / "state-target-any.json.said").write_text('{"b": 2}\n{"b": 3}\n{"b": {"c": 4}')
    words = stand_ins("target-any", tap_ifs_cloud='cat "$4" >given', target_any="cat >/dev/null")
    assert subprocess.run(**words, check=False).returncode == 0
    assert (tmp_path / "given").read_text() == '{"b": 3}\n'
    assert not (tmp_path / "state-target-any.json.said").exists()


def test_who_stops_a_pipe_stops_both_and_keeps_what_was_confirmed(tmp_path, stand_ins):
    os.mkfifo(tmp_path / "begun")
    target = "echo '{\"b\": 2}'; echo up >begun; exec cat >/dev/null"
    with subprocess.Popen(**stand_ins("target-any", tap_ifs_cloud="exec tail -f /dev/null", target_any=target)) as pipe:
        assert (tmp_path / "begun").read_text() == "up\n"
        pipe.terminate()
        assert pipe.wait(30) == 128 + SIGTERM
    assert json.loads((tmp_path / "state-target-any.json").read_text()) == {"b": 2}
    assert [p for p in psutil.process_iter(["cwd"]) if p.info["cwd"] == str(tmp_path)] == []
