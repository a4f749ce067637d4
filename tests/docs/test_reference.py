"""What is written down is what the code says."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)

PROJECT = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))
DECLARED = {p["name"]: p for kind in PROJECT["plugins"].values() for p in kind if "inherit_from" not in p}


def test_the_generated_reference_is_what_the_code_says():
    stale = [
        path.name for path, text in generate.pages().items() if not path.exists() or path.read_text("utf-8") != text
    ]
    assert stale == [], "run `make docs` and commit"


@pytest.mark.parametrize("plugin", generate.PLUGINS, ids=lambda plugin: plugin.name)
def test_meltano_knows_every_setting_and_every_secret(plugin):
    schema = plugin.config_jsonschema
    plugin.append_builtin_config(schema)
    settings = {setting["name"]: setting for setting in DECLARED[plugin.name]["settings"]}
    assert settings.keys() == schema["properties"].keys()
    secret = {name for name, definition in schema["properties"].items() if definition.get("secret")}
    assert {name for name, setting in settings.items() if setting.get("sensitive")} == secret
    given = {name: value for name, value in DECLARED[plugin.name]["config"].items() if name in secret}
    assert {name: value[:4] for name, value in given.items()} == dict.fromkeys(given, "env:")


def test_nothing_is_asked_of_meltano_hub():
    assert all({"namespace", "pip_url", "executable", "settings"} <= plugin.keys() for plugin in DECLARED.values())


def test_every_variable_of_meltano_yml_stands_in_the_example_of_an_environment():
    used = set(re.findall(r"\$([A-Z_]+)|env:([A-Z_]+)", (ROOT / "meltano.yml").read_text("utf-8")))
    names = {dollar or env for dollar, env in used} - {"NAME"}
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if re.match("[A-Z]", line))
    assert names <= example.keys()


PAGES = sorted(page for page in ROOT.glob("**/*.md") if not re.search(r"^(\.|build|dist)", str(page.relative_to(ROOT))))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_target_of_the_makefile_says_what_it_does():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE).group(1).split()
    assert [target for target in targets if not re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE)] == []
