"""Decisions have one form, so that whoever looks for what would break one finds it in its place."""

import re

import pytest
from docs.shell_blocks import ROOT

DECISIONS = sorted((ROOT / "docs" / "adr").glob("*.md"))
PARTS = (["Context", "Decision", "Consequences"], ["Context", "Decision", "Considered and not chosen", "Consequences"])


def test_decisions_are_numbered_without_a_gap():
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_number_its_parts_and_what_would_violate_it(path):
    text = path.read_text("utf-8")
    assert text.startswith(f"# {int(path.name[:4])}. ")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) in PARTS
    assert text.rstrip().split("\n\n")[-1].startswith("A change violates this when ")
