"""Whose configuration leads to the source, and what is asked of it."""

import json
from importlib.metadata import EntryPoint

import pytest
from ifs_bi_core import source_counts as module
from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.singer.plugin import Plugin
from ifs_bi_core.source_counts import SourceCounter, counted, filtered, mapped, opened, owner
from singer_sdk import Tap


class TapShop(Plugin, Tap):
    """Is never started: only its settings are asked for."""

    name = "tap-shop"
    config_jsonschema = {  # noqa: RUF012 - as the SDK has it
        "type": "object",
        "properties": {
            "address": {"type": ["string"]},
            "password": {"type": ["string", "null"], "secret": True},
            "limit": {"type": ["number", "null"], "default": 7},
        },
        "required": ["address"],
    }

    def discover_streams(self):
        raise AssertionError


def counts(config, streams):
    said = {"orders": config["limit"], "secrets": f"{config['address']} refuses {config.get('password')}."}
    return {stream: said[stream] for stream in streams}


SHOP = SourceCounter("Shop", lambda: TapShop, counts)


@pytest.fixture
def shop(monkeypatch, tmp_path):
    """The path of a configuration of a tap that can count, with one more that is broken."""
    monkeypatch.setattr(module, "SHOP", SHOP, raising=False)
    points = [
        EntryPoint("tap-shop", "ifs_bi_core.source_counts:SHOP", module.SOURCE_COUNTS),
        EntryPoint("tap-gone", "no_such_package:COUNTER", module.SOURCE_COUNTS),
    ]
    monkeypatch.setattr(module, "entry_points", lambda **_: points)

    def written(**settings):
        path = tmp_path / "tap.json"
        path.write_text(json.dumps({"address": "https://shop"} | settings))
        return f"tap-shop={path}"

    return written


def test_the_tap_is_asked_with_the_settings_that_it_would_run_with(shop):
    found = counted([shop()], ["orders"])
    assert (found.system, found.rows) == ("Shop", {"orders": 7})


def test_a_later_file_wins(shop, tmp_path):
    (tmp_path / "more.json").write_text('{"limit": 9}')
    assert counted([shop(), f"tap-shop={tmp_path / 'more.json'}"], ["orders"]).rows == {"orders": 9}


def test_no_sentence_holds_a_secret(shop):
    (sentence,) = counted([shop(password="hunter22")], ["secrets"]).rows.values()
    assert "hunter22" not in sentence
    assert REDACTOR.redact("hunter22") in sentence


def test_a_stream_whose_rows_the_tap_filters_is_not_counted(shop):
    maps = {"orders": {"__filter__": "Amount > 0"}, "sites": {"__alias__": "places", "__filter__": "True"}}
    found = counted([shop(stream_maps=maps)], ["orders", "places"]).rows
    assert found.keys() == {"orders", "places"}
    assert all("stream_maps filter its rows" in sentence for sentence in found.values())
    assert filtered({"stream_maps": {"orders": {"Name": "upper(Name)"}, "sites": None}}, "orders") is None


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        (["tap-shop={}"], "address"),
        (["tap-gone={}"], r"can't be loaded \(ModuleNotFoundError"),
        (["x.json"], "whose it is"),
    ],
)
def test_what_can_not_be_asked_is_said(shop, sources, sentence, tmp_path):
    (tmp_path / "empty.json").write_text("{}")
    with pytest.raises(ConfigError, match=sentence):
        counted([source.format(tmp_path / "empty.json") for source in sources], ["orders"])


def test_a_file_is_that_of_the_only_tap_or_of_the_one_that_it_names():
    assert owner(["tap-a"], ["a.json", "ENV"]) == ("tap-a", ["a.json", "ENV"])
    assert owner(["tap-a", "tap-b"], ["tap-b=b.json"]) == ("tap-b", ["b.json"])
    assert owner(["tap-a"], ["odd=name.json"]) == ("tap-a", ["odd=name.json"])
    for installed, sources in ([["tap-a", "tap-b"], ["x.json"]], [["tap-a", "tap-b"], ["tap-a=x", "tap-b=y"]]):
        with pytest.raises(ConfigError, match="Write PLUGIN=FILE, where PLUGIN is one of tap-a, tap-b"):
            owner(installed, sources)
    with pytest.raises(ConfigError, match="Install the tap"):
        owner([], ["x.json"])


def test_a_system_is_opened_with_the_settings_that_the_tap_would_run_with(shop, monkeypatch):
    whole = SourceCounter("Shop", lambda: TapShop, counts, lambda config: f"rows of {config['address']}")
    monkeypatch.setattr(module, "SHOP", whole)
    found = opened([shop()])
    assert (found.system, found.rows, found.config["limit"]) == ("Shop", "rows of https://shop", 7)


def test_a_plugin_that_counts_and_no_more_says_so(shop):
    with pytest.raises(ConfigError, match="tap-shop tells how many rows there are, and no more"):
        opened([shop()])


def test_a_stream_whose_values_are_mapped_is_told():
    maps = {"stream_maps": {"orders": {"Name": "upper(Name)"}, "sites": {"__alias__": "places"}, "gone": None}}
    assert "stream_maps change" in (mapped(maps, "orders") or "")
    assert mapped(maps, "places")
    assert mapped(maps, "companies") is None
    assert mapped({}, "orders") is None
