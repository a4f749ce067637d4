"""The README tells every setting, and no other, and says early what Looker can't do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from target_looker_warehouse.settings import SETTINGS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SDK = {"stream_maps", "stream_map_config", "faker_config"}
OWN = {name: s for name, s in SETTINGS["properties"].items() if name not in SDK and not name.startswith("flattening_")}


def test_the_table_of_settings_is_the_settings():
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    told = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", table, re.MULTILINE))
    assert told.keys() == OWN.keys()
    for name, setting in OWN.items():
        default = setting.get("default")
        if default is not None:
            assert told[name] == f"`{str(default).lower()}`"


def test_the_first_screen_says_that_looker_cannot_query_a_local_file():
    assert "Looker can't query a local DuckDB file" in " ".join(line.lstrip("> ") for line in README.splitlines()[:15])


@pytest.mark.parametrize("name", OWN)
def test_every_setting_says_what_it_does(name):
    assert OWN[name]["title"]
    assert OWN[name]["description"]
