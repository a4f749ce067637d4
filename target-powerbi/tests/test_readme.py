"""The README tells every setting, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from target_powerbi.setting_table import SETTINGS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_table_of_settings_is_the_settings():
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    told = dict(re.findall(r"^\| `(\w+)` \|([^|]*)\|", table, re.MULTILINE))
    sdk = {"add_record_metadata", "validate_records", "stream_maps", "stream_map_config", "faker_config"}
    own = {
        name: definition
        for name, definition in SETTINGS["properties"].items()
        if name not in sdk and not name.startswith("flattening_")
    }
    assert told.keys() == own.keys()
    for name, definition in own.items():
        default = definition.get("default")
        if default is not None:
            text = str(default).lower() if isinstance(default, bool) else str(default)
            assert told[name].strip() == f"`{text}`"
        assert (told[name].strip() == "required") == (name in SETTINGS.get("required", ()))
