"""What GitHub runs are the targets that a developer runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE).group(1).split())
WORKFLOWS = {path.name: yaml.safe_load(path.read_text("utf-8")) for path in (ROOT / ".github/workflows").glob("*.yml")}
JOBS = [
    pytest.param(job, id=f"{name}:{title}")
    for name, workflow in WORKFLOWS.items()
    for title, job in workflow["jobs"].items()
]
PYTHONS = {"3.11", "3.12", "3.13"}
LONGEST_JOB = 360
"""Minutes that GitHub lets a job take on a runner of its own (docs.github.com, "Actions limits")."""


def steps(job, action: str) -> list[dict]:
    return [step for step in job["steps"] if step.get("uses", "").startswith(f"actions/{action}@")]


def test_there_is_a_workflow_for_changes_for_nights_and_for_releases():
    assert WORKFLOWS.keys() == {"ci.yml", "nightly.yml", "release.yml"}


@pytest.mark.parametrize("job", JOBS)
def test_every_command_of_a_job_is_a_target_of_the_makefile(job):
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert all(re.fullmatch(r"make [a-z-]+", command) for command in commands)
    assert {command.removeprefix("make ") for command in commands} <= TARGETS


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_the_checkout_and_no_more(name):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    granted = {title: job["permissions"] for title, job in WORKFLOWS[name]["jobs"].items() if "permissions" in job}
    assert granted == ({"publish": {"id-token": "write"}} if name == "release.yml" else {})


@pytest.mark.parametrize("job", JOBS)
def test_a_job_ends_by_itself_and_keeps_no_credentials(job):
    proves = any(step.get("run") == "make prove" for step in job["steps"])
    assert 0 < job["timeout-minutes"] <= (LONGEST_JOB if proves else 180)
    assert all(step["with"]["persist-credentials"] is False for step in steps(job, "checkout"))
    assert "secrets." not in yaml.safe_dump(job)


def test_the_long_proofs_have_the_time_that_they_take_and_some_more_for_what_comes_before():
    minutes = re.findall(r"^(?:PROVE|SOAK)_MINUTES \?= (\d+)$", MAKEFILE, re.MULTILINE)
    assert WORKFLOWS["nightly.yml"]["jobs"]["prove"]["timeout-minutes"] >= sum(map(int, minutes)) + 60


@pytest.mark.parametrize("job", JOBS)
def test_whoever_installs_the_packages_has_every_python_and_tests_with_the_first(job):
    given = {step["with"]["python-version"] for step in steps(job, "setup-python")}
    made = {step.get("run", "") for step in job["steps"]}
    wanted = "3.13\n3.12\n3.11\n" if made & {"make installs", "make prove"} else "3.11"
    assert given == ({wanted} if given or any(made) else set())


def test_the_pythons_that_are_given_are_those_that_the_packages_are_tested_on():
    wheels = (ROOT / "tests" / "packaging" / "test_wheels.py").read_text("utf-8")
    assert set(re.findall(r'"(3\.\d+)"', wheels.partition("PYTHONS = ")[2].partition("\n")[0])) == PYTHONS
