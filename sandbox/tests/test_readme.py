"""The README lists the servers, services, presets and operations that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from ifs_bi_sandbox.control import OPERATIONS
from ifs_bi_sandbox.faults import PRESETS, Service
from ifs_bi_sandbox.servers import SERVERS

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
SECTIONS = {text.partition("\n")[0]: text for text in README.split("\n## ")}


def named(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def test_every_server_has_a_row() -> None:
    assert re.findall(r"^\| `(\w+)`", SECTIONS["Servers"], re.MULTILINE) == list(SERVERS)


def test_every_service_that_a_fault_may_strike_is_named() -> None:
    (sentence,) = re.findall(r"Services are (.*?)\. A fault", SECTIONS["Faults"], re.DOTALL)
    assert named(sentence) == set(get_args(Service))


def test_every_preset_is_named() -> None:
    presets = SECTIONS["Faults"].partition("Presets")[2]
    assert named(presets) - {"ifs", "service", "method", "path"} == PRESETS.keys()


def test_every_operation_of_the_control_endpoint_has_a_row() -> None:
    told = set()
    for row in re.findall(r"^\| (`[A-Z].*?`) +\|", SECTIONS["Control endpoint"], re.MULTILINE):
        path = re.search(r" (/[^`]+)`", row)
        assert path
        told |= {(method, re.sub(r"{\w+}", "{}", path[1])) for method in re.findall(r"`([A-Z]+)", row)}
    assert told == {(method, re.sub(r"{\w+}", "{}", path)) for method, path, _ in OPERATIONS}
