"""The hub's definitions, ``--about`` and the READMEs tell the same settings as the code."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
MELTANO = ROOT / ".envs" / "meltano" / "bin" / "meltano"
_spec = importlib.util.spec_from_file_location("hub_generate", ROOT / "hub" / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)

PLUGINS = {plugin.name: plugin for plugin in generate.PLUGINS}
DEFINITIONS = {name: yaml.safe_load((ROOT / "hub" / f"{name}.yml").read_text("utf-8")) for name in PLUGINS}
READMES = ("target-looker-warehouse", "target-powerbi")
"""Those with a table of the settings; the tap's leads to the generated page."""
OF_THE_SDK = {"stream_maps", "stream_map_config", "faker_config", "add_record_metadata", "validate_records"}

# meltano/hub, schemas/common/*.schema.json and schemas/plugin_definitions/*.schema.json.
NEEDED = {"name", "namespace", "variant", "label"}
KNOWN = NEEDED | {"pip_url", "description", "executable", "settings", "docs", "repo", "logo_url", "hidden"}
KNOWN |= {"settings_group_validation", "commands", "capabilities", "maintenance_status", "domain_url", "keywords"}
KNOWN |= {"quality", "definition", "next_steps", "settings_preamble", "usage", "prereq", "requires", "ext_repo"}
OF_A_SETTING = {"name", "aliases", "label", "value", "placeholder", "kind", "description", "tooltip", "documentation"}
OF_A_SETTING |= {"env", "value_processor", "value_post_processor", "oauth", "options", "docs", "hidden", "sensitive"}
KINDS = {"date_iso8601", "file", "email", "integer", "decimal", "options", "object", "array", "boolean", "string"}


@pytest.fixture(scope="module")
def about():
    """The settings that ``--about --format=markdown`` prints: name → required, default, description; of objects as a whole."""

    def printed(plugin: str) -> dict[str, tuple[str, str, str]]:
        ran = subprocess.run([BIN / plugin, "--about", "--format=markdown"], capture_output=True, text=True, check=True)
        table = ran.stdout.partition("## Settings")[2]
        rows = re.findall(r"^\| (\S+) \| (True|False) \| (.*?) \| (.*) \|$", table, re.MULTILINE)
        return {name: (required, default, text) for name, required, default, text in rows if "." not in name}

    told = {plugin: printed(plugin) for plugin in PLUGINS}
    assert all(told.values())
    return told


def test_the_definitions_are_what_the_code_says():
    stale = [path.name for path, text in generate.pages().items() if path.read_text("utf-8") != text]
    assert stale == [], "run hub/generate.py and commit"


@pytest.mark.parametrize("name", PLUGINS)
def test_a_definition_is_of_the_hubs_form(name):
    said = DEFINITIONS[name]
    assert said.keys() <= KNOWN
    assert said.keys() >= NEEDED
    for setting in said["settings"]:
        assert setting.keys() <= OF_A_SETTING
        assert setting["kind"] in KINDS
        assert setting["description"]
        assert ("options" in setting) == (setting["kind"] == "options")
    names = {setting["name"] for setting in said["settings"]}
    assert {one for group in said["settings_group_validation"] for one in group} <= names


@pytest.mark.parametrize("name", PLUGINS)
def test_a_definition_tells_the_settings_and_secrets_that_about_prints(name, about):
    settings = {setting["name"]: setting for setting in DEFINITIONS[name]["settings"]}
    assert settings.keys() == about[name].keys()
    for setting, (_, default, text) in about[name].items():
        assert str(settings[setting].get("value")) == default
        assert settings[setting]["description"] == " ".join(text.replace("<BR/>", " ").split())
    properties = generate.settings_of(PLUGINS[name])["properties"]
    secret = {setting for setting, said in properties.items() if '"secret": true' in json.dumps(said)}
    assert {setting for setting, said in settings.items() if said.get("sensitive")} == secret


@pytest.mark.parametrize("name", PLUGINS)
def test_a_definition_asks_for_extras_that_the_package_has(name):
    package, _, extras = DEFINITIONS[name]["pip_url"].partition("[")
    assert package == name
    project = (ROOT / name / "pyproject.toml").read_text("utf-8").partition("[project.optional-dependencies]")[2]
    had = set(re.findall(r"^(\w+) = \[", project.partition("\n[")[0], re.MULTILINE))
    assert set(filter(None, extras.rstrip("]").split(","))) == had


@pytest.mark.parametrize("name", PLUGINS)
def test_the_reference_tells_the_settings_that_about_prints(name, about):
    page = (ROOT / "docs" / "reference" / f"{name}.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| .*? \| (?:`([^`]*)`)? ?\| ", page, re.MULTILINE))
    told = {setting: default for setting, (_, default, _) in about[name].items()}
    assert {setting: default or "None" for setting, default in rows.items()} == told


@pytest.mark.parametrize("name", READMES)
def test_the_settings_table_of_a_readme_tells_the_settings_that_about_prints(name, about):
    readme = (ROOT / name / "README.md").read_text("utf-8")
    rows = dict(
        re.findall(r"^\| `(\w+)` \| *(.*?) *\|", readme.partition("## Settings")[2].partition("\n## ")[0], re.MULTILINE)
    )
    told = {
        setting: default
        for setting, (_, default, _) in about[name].items()
        if setting not in OF_THE_SDK and not setting.startswith("flattening_")
    }
    assert told.keys() - rows.keys() == set()
    for setting, default in told.items():
        if default != "None":
            assert rows[setting].strip("`").lower() == default.lower()


@pytest.mark.parametrize(
    "name",
    ["tap-ifs-cloud", *(pytest.param(name, marks=pytest.mark.prove) for name in PLUGINS if name != "tap-ifs-cloud")],
)
def test_meltano_takes_a_definition_and_gives_the_plugin_a_configuration_that_it_takes(name, tmp_path):
    (tmp_path / "meltano.yml").write_text("send_anonymous_usage_stats: false\n")

    def meltano(*words: str) -> str:
        ran = subprocess.run([MELTANO, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    kind = generate.folder_of(PLUGINS[name]).removesuffix("s")
    meltano("add", "--no-install", "--plugin-type", kind, "--from-ref", str(ROOT / "hub" / f"{name}.yml"), name)
    given = json.loads(meltano("config", "print", name))
    properties = generate.settings_of(PLUGINS[name])["properties"]
    assert {setting: value for setting, value in given.items() if value is not None} == {
        setting: said["default"] for setting, said in properties.items() if said.get("default") is not None
    }
