"""``ifs-bi ping``: which systems are looked at, what is printed, and how it ends."""

import json
import signal
from importlib.metadata import EntryPoint

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from ifs_bi_core import ping as module
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError
from ifs_bi_core.ping import Check, Ping, Status, assigned, ping
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.singer.configuration import settings_of
from ifs_bi_core.singer.plugin import Plugin
from singer_sdk import Tap

SETTINGS = {
    "type": "object",
    "properties": {
        "address": {"type": ["string"]},
        "password": {"type": ["string", "null"], "secret": True},
        "limit": {"type": ["number", "null"], "default": 7},
    },
    "required": ["address"],
}


class TapWell(Plugin, Tap):
    """Is never started: only its settings are asked for."""

    name = "tap-well"
    config_jsonschema = SETTINGS

    def discover_streams(self):
        raise AssertionError


class TapIll(TapWell):
    name = "tap-ill"


def well(config):
    yield Check(
        "token", f"{config['address']} lets us in with {config.get('password')}.", found={"limit": config["limit"]}
    )
    yield Check("clock", "It is an hour off.", Status.NOTICE)


def ill(config):
    yield Check("token", "It lets us in.")
    yield Check.failed("row", IfsBiError(f"{config['address']} is empty."))


WELL = Ping("Well", lambda: TapWell, well)
ILL = Ping("Ill", lambda: TapIll, ill)


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Call the verb with two pings installed, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "WELL", WELL, raising=False)
    monkeypatch.setattr(module, "ILL", ILL, raising=False)
    points = [
        EntryPoint("tap-well", "ifs_bi_core.ping:WELL", module.PINGS),
        EntryPoint("tap-ill", "ifs_bi_core.ping:ILL", module.PINGS),
        EntryPoint("tap-gone", "no_such_package:PING", module.PINGS),
    ]
    monkeypatch.setattr(module, "entry_points", lambda **_: points)
    (tmp_path / "a.json").write_text('{"address": "https://a", "password": "hunter22"}')

    def run(*words):
        return CliRunner().invoke(ping, words, standalone_mode=False)

    return run


def test_each_check_has_a_line_and_a_notice_does_no_harm(call):
    ran = call("tap-well", "--config", "a.json")
    assert ran.return_value == ExitCode.DONE
    assert ran.output.splitlines() == [
        "Well (tap-well)",
        "  ✓ token: https://a lets us in with [redacted].",
        "  ! clock: It is an hour off.",
    ]


def test_an_address_from_a_variable_is_shown_and_a_secret_from_one_is_not(call, tmp_path, monkeypatch):
    monkeypatch.setenv("WELL_ADDRESS", "https://well.example")
    monkeypatch.setenv("WELL_PASSWORD", "hunter22")
    (tmp_path / "b.json").write_text('{"address": "env:WELL_ADDRESS", "password": "env:WELL_PASSWORD"}')
    ran = call("tap-well", "--config", "b.json")
    assert "  ✓ token: https://well.example lets us in with [redacted]." in ran.output


def test_json_gives_the_facts_and_no_secret_either(call):
    ran = call("tap-well", "--config", "a.json", "--json")
    first, second = json.loads(ran.output)
    assert first == {
        "plugin": "tap-well",
        "system": "Well",
        "name": "token",
        "sentence": "https://a lets us in with [redacted].",
        "status": "fine",
        "exit_code": 0,
        "found": {"limit": 7},
    }
    assert second["status"] == "notice"


def test_a_failed_check_ends_with_1_and_the_other_systems_are_still_looked_at(call):
    ran = call("--config", "tap-ill=a.json", "--config", "tap-well=a.json")
    assert ran.return_value == ExitCode.FAILED
    assert "  ✗ row: https://a is empty.\nWell (tap-well)\n  ✓ token" in ran.output


def test_a_wrong_configuration_is_a_failed_check_and_ends_with_2(call):
    ran = call("--config", "tap-ill=a.json", "--config", "tap-well=nowhere.json")
    assert ran.return_value == ExitCode.WRONG_CONFIGURATION
    assert "  ✗ row: https://a is empty." in ran.output
    assert "  ✗ configuration: The configuration file nowhere.json is not there." in ran.output


def test_checks_that_cannot_be_loaded_say_so(call):
    ran = call("tap-gone", "--config", "a.json")
    assert ran.return_value == ExitCode.FAILED
    assert "tap-gone (tap-gone)\n  ✗ installation: Its checks can't be loaded (ModuleNotFoundError" in ran.output


def test_without_arguments_the_systems_of_the_environment_are_looked_at(call, monkeypatch):
    monkeypatch.setenv("TAP_WELL_ADDRESS", "https://b")
    monkeypatch.setenv("TAP_WELL_LIMIT", "2.5")
    monkeypatch.setenv("TAP_ILL_LOGLEVEL", "DEBUG")
    ran = call("--json")
    assert {told["plugin"] for told in json.loads(ran.output)} == {"tap-well"}
    assert json.loads(ran.output)[0]["found"] == {"limit": 2.5}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Nothing is configured."),
        (("tap-well", "tap-none"), "There is no ping of tap-none. There is one of tap-gone, tap-ill, tap-well."),
        (("--config", "a.json"), "--config a.json doesn't say whose it is. Write --config PLUGIN=a.json"),
        (("tap-well", "--config", "tap-ill=a.json"), "--config is given for tap-ill, which is not among tap-well."),
    ],
)
def test_what_is_typed_wrongly_gets_a_sentence(call, words, sentence):
    ran = call(*words)
    assert isinstance(ran.exception, ConfigError)
    assert sentence in str(ran.exception)
    assert ran.output == ""


NAMES = ["tap-a", "tap-b", "target-c"]


@given(
    asked=st.lists(st.sampled_from(NAMES), unique=True),
    sources=st.lists(st.tuples(st.sampled_from([*NAMES, ""]), st.sampled_from(["x.json", "a=b.json", "ENV"]))),
    environ=st.dictionaries(
        st.sampled_from(["TAP_A_URL", "TARGET_C_URL", "TAP_AB_URL", "TAP_B_LOGLEVEL"]), st.just("v")
    ),
)
def test_every_file_goes_to_the_plugin_it_was_given_for_and_to_no_other(asked, sources, environ):
    words = [f"{name}={file}" if name else file for name, file in sources]
    try:
        plan = assigned(NAMES, asked, words, environ)
    except ConfigError:
        return
    in_environment = {"TAP_A_URL": "tap-a", "TARGET_C_URL": "target-c"}
    configured = [name for name, _ in sources if name] or [
        in_environment[name] for name in environ if name in in_environment
    ]
    assert set(plan) == set(asked or configured)
    for plugin, files in plan.items():
        named = [file for name, file in sources if name == plugin or (not name and len(asked) == 1)]
        assert files == (named or ["ENV"])


def test_settings_are_read_resolved_and_checked_as_the_plugin_does_it(tmp_path, monkeypatch):
    file = tmp_path / "config.json"
    file.write_text('{"address": "env:WHERE", "password": "hunter33"}')
    monkeypatch.setenv("WHERE", "https://c")
    settings = settings_of(TapWell, [str(file)])
    assert (settings["address"], settings["limit"]) == ("https://c", 7)
    assert REDACTOR.redact("hunter33") == "[redacted]"
    monkeypatch.setenv("TAP_WELL_LIMIT", "3.5")
    assert settings_of(TapWell, [str(file)])["limit"] == 7
    assert settings_of(TapWell, [str(file), "ENV"])["limit"] == 3.5


def test_missing_settings_tell_where_settings_come_from(tmp_path):
    with pytest.raises(
        ConfigError, match=r"'address' is a required property\. Give .* --config FILE, or .* TAP_WELL_…"
    ):
        settings_of(TapWell)
    file = tmp_path / "config.json"
    file.write_text('{"limit": "many"}')
    with pytest.raises(
        ConfigError, match=r"tap-well is configured wrongly: .*'many' is not of type .*config\['limit'\]"
    ):
        settings_of(TapWell, [str(file)])


def test_reading_settings_takes_over_no_signal(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("TAP_WELL_ADDRESS", "https://d")
    assert settings_of(TapWell)["address"] == "https://d"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reference_that_leads_nowhere_is_named(monkeypatch):
    monkeypatch.setenv("TAP_WELL_ADDRESS", "env:NO_SUCH_VARIABLE")
    with pytest.raises(ConfigError, match="NO_SUCH_VARIABLE, which is not set"):
        settings_of(TapWell)
