"""A configuration of anything: the command works or says what is wrong, and nothing is sent where it is."""

import json
import os

import pytest
from hostile import VALUES, assert_told
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ExitCode
from pipeline.forked import run_forked
from target_looker_warehouse.settings import SETTINGS

LINES = b"""{"type":"SCHEMA","stream":"orders","schema":{"properties":{"id":{"type":"integer"}}},"key_properties":["id"]}
{"type":"RECORD","stream":"orders","record":{"id":1}}
{"type":"RECORD","stream":"orders","record":{"id":"no number"}}
{"type":"STATE","value":{"at":1}}
"""
SECRET = "hunter22-hunter22"
ODD = [
    *(None, True, -1, 5.0, 0.5, 1e308, 10**30, "", " ", "env:", "env:NOT_SET", "env:a=b", "vault:", "vault:none", "//"),
    *("duckdb://", "duckdb:////no/such/folder/w.duckdb", f"postgresql://u:{SECRET}@[::1/x", "sqlite:///\0", "\ud800"),
    *(f"mysql://u:{SECRET}@host/db", "x" * 100_000, "../" * 50, "a\0b", [], {}, {"a": {"b": 1}}, [5]),
]
"""Values that look like settings; those with a secret must not show it."""

WITH_PASSWORDS = {"warehouse_url", "ledger_url"}

FILES = {
    "empty": b"",
    "no JSON": b"{a",
    "a list": b"[]",
    "null": b"null",
    "bytes": bytes(range(256)),
    "UTF-16": '{"schema":"a"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "deep": b"[" * 100_000,
    "deep objects": b'{"state_dir":' * 100_000,
    "NaN": b'{"retain_trail_days":NaN}',
    "5,000 digits": b'{"retain_trail_days":' + b"9" * 5000 + b"}",
    "an exponent of 20 digits": b'{"retain_trail_days":1e99999999999999999999}',
    "a name that nobody knows": b'{"warehouse_ulr":5}',
    "20 MB": b'{"x":"' + b"y" * 20_000_000 + b'"}',
}


def ran(folder, text):
    (folder / "config.json").write_bytes(text)
    code, out, err = run_forked(
        "target-looker-warehouse", ["--config", "config.json"], LINES, folder, {**os.environ}, timeout=60
    )
    return code, out, err.decode()


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_configuration_file_of_anything_is_used_or_refused_with_a_sentence(tmp_path, text):
    code, out, err = ran(tmp_path, text)
    assert_told(code, err)
    assert code in {ExitCode.WRONG_CONFIGURATION, ExitCode.DEAD_LETTERS}
    assert (out == b"") == (code == ExitCode.WRONG_CONFIGURATION)


@pytest.mark.parametrize("days", [0.5, 0, 1e308, 10**30])
def test_days_may_be_parts_of_one_and_more_than_a_calendar_has(tmp_path, days):
    config = {"retain_payload_days": days, "retain_trail_days": days, "state_dir": str(tmp_path / "state")}
    code, _, err = ran(tmp_path, json.dumps(config).encode())
    assert_told(code, err)
    assert code == ExitCode.DEAD_LETTERS


def test_a_setting_that_is_null_is_one_that_is_left_out(tmp_path):
    code, _, err = ran(tmp_path, json.dumps(dict.fromkeys(SETTINGS["properties"])).encode())
    assert_told(code, err)
    assert code == ExitCode.DEAD_LETTERS


def holds_for(folder, name, value):
    """The law: it ends as it should, shows no password where one may stand, and where it is refused nothing is sent."""
    config = {"warehouse_url": f"duckdb:///{folder}/w.duckdb", "state_dir": str(folder / "state")} | {name: value}
    code, out, err = ran(folder, json.dumps(config).encode())
    assert_told(code, err)
    if name in WITH_PASSWORDS:
        assert SECRET not in err
    if code == ExitCode.WRONG_CONFIGURATION:
        assert out == b""


NAMES = st.sampled_from(sorted(SETTINGS["properties"]))


@settings(max_examples=20, deadline=None)
@given(NAMES, st.sampled_from(ODD) | VALUES)
def test_any_setting_may_be_anything(tmp_path_factory, name, value):
    holds_for(tmp_path_factory.mktemp("odd"), name, value)


@pytest.mark.prove
@settings(max_examples=600, deadline=None)
@given(NAMES, st.sampled_from(ODD) | VALUES)
def test_any_setting_may_be_anything_over_many(tmp_path_factory, name, value):
    holds_for(tmp_path_factory.mktemp("odd"), name, value)
