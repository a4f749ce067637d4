"""Whoever looks for something in the tap finds its module."""

import re
from pathlib import Path

import tap_ifs_cloud


def test_the_package_says_of_each_module_what_it_is_for():
    folder = Path(tap_ifs_cloud.__file__).parent
    there = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    named = re.findall(r"`(\w+)`", tap_ifs_cloud.__doc__)
    assert set(named) == there - {"__init__"}
    assert len(named) == len(set(named))
