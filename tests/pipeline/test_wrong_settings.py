"""Whatever is wrong, a person gets one clear sentence, the right exit code, no traceback and no secret."""

import json

import pytest
from ifs_bi_sandbox.servers import Sandbox
from ifs_bi_sandbox.world import Switches
from pipeline.commands import Pipeline

SECRETS = ("sandbox-ifs-secret", "sandbox-powerbi-secret", "not-the-secret")


@pytest.fixture(scope="module")
def box():
    """One for all: what is wrong here is never the services."""
    with Sandbox(scale=400, seed=3, switches=Switches(requests_per_minute=0)) as box:
        yield box


@pytest.fixture
def pipeline(box, tmp_path):
    box.world.powerbi.clear()
    return Pipeline(box, tmp_path)


def one_sentence(ran, code: int, *parts: str) -> None:
    """The last line of standard error says it; nothing else went wrong loudly."""
    assert ran.code == code, ran.err
    assert "Traceback" not in ran.err
    assert not any(secret in ran.err or secret.encode() in ran.out for secret in SECRETS)
    said = [line for line in ran.err.splitlines() if "| ERROR" in line]
    assert len(said) == 1, ran.err
    for part in parts:
        assert part in said[0]


@pytest.mark.parametrize(
    ("changes", "code", "parts"),
    [
        ({"client_secret": "not-the-secret"}, 2, ["answered 401 (invalid_client", "Check base_url and realm"]),
        ({"client_id": "NOBODY"}, 2, ["invalid_client"]),
        ({"realm": "elsewhere"}, 2, ["answered 404", "Realm does not exist", "realm"]),
        ({"realm": None}, 2, ["realm"]),
        ({"base_url": "http://acme.ifs.cloud"}, 2, ["http is allowed for loopback addresses alone"]),
        ({"base_url": "acme"}, 2, ["'base_url' is 'acme', which is no address"]),
        ({"base_url": "http://127.0.0.1:9", "retry_limit_seconds": 0}, 1, ["127.0.0.1:9 can't be reached"]),
        ({"client_secret": "env:NO_SUCH_VARIABLE"}, 2, ["'client_secret'", "NO_SUCH_VARIABLE, which is not set"]),
        ({"client_secret": "vault:ifs"}, 2, ["vault"]),
        ({"page_size": 5001}, 2, ["5001 is greater than the maximum of 5000"]),
        ({"requests_per_minute": 0}, 2, ["requests_per_minute"]),
        ({"streams": ["purchase_order"]}, 2, ["streams names purchase_order", "purchase_orders"]),
        ({"entities": [{"name": "x", "projection": "Nope", "entity_set": "S"}]}, 2, ["$metadata of Nope", "404"]),
        (
            {"entities": [{"name": "x", "projection": "SitesHandling", "entity_set": "S"}]},
            2,
            ["SitesHandling has no entity set S"],
        ),
        ({"entities": [{"name": "sites", "select": ["Nope"]}]}, 2, ["has no property Nope"]),
        ({"source_time_zone": "Mars/Olympus"}, 2, ["source_time_zone is 'Mars/Olympus'", "Europe/Berlin"]),
    ],
)
def test_the_tap_says_what_is_wrong(pipeline, changes, code, parts):
    pipeline.tap_settings = {k: v for k, v in (pipeline.tap_settings | changes).items() if v is not None}
    one_sentence(pipeline.extract(), code, *parts)


@pytest.mark.parametrize("command", ["tap-ifs-cloud", "target-looker-warehouse", "target-powerbi"])
@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["is not there"]),
        ("{", ["is no JSON object"]),
        ("[1]", ["is no JSON object"]),
        ("\x00", ["is no JSON object"]),
    ],
)
def test_a_configuration_that_cannot_be_read_is_named(tmp_path, run, command, content, parts):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    one_sentence(run(command, "--config", path, cwd=tmp_path), 2, "config.json", *parts)


@pytest.mark.parametrize(
    ("command", "named"),
    [("tap-ifs-cloud", "'client_id' is a required property"), ("target-powerbi", "'dataset_id'")],
)
def test_a_missing_setting_is_named(tmp_path, run, command, named):
    path = tmp_path / "config.json"
    path.write_text("{}")
    one_sentence(run(command, "--config", path, cwd=tmp_path), 2, named)


ENVIRONMENT = {
    "TAP_IFS_CLOUD_BASE_URL": "http://127.0.0.1:9",
    "TAP_IFS_CLOUD_REALM": "r",
    "TAP_IFS_CLOUD_CLIENT_ID": "c",
}


@pytest.mark.parametrize(
    ("name", "value", "code", "part"),
    [
        ("RETRY_LIMIT_SECONDS", "0.5", 1, "127.0.0.1:9 can't be reached"),
        ("RETRY_LIMIT_SECONDS", "soon", 2, "TAP_IFS_CLOUD_"),
        ("PAGE_SIZE", "many", 2, "TAP_IFS_CLOUD_"),
        ("PAGE_SIZE", "6000", 2, "6000 is greater than the maximum of 5000"),
    ],
)
def test_settings_in_the_environment_are_read_and_checked_like_those_of_a_file(tmp_path, run, name, value, code, part):
    environ = {**ENVIRONMENT, "TAP_IFS_CLOUD_CLIENT_SECRET": "not-the-secret", f"TAP_IFS_CLOUD_{name}": value}
    one_sentence(run("tap-ifs-cloud", "--config", "ENV", cwd=tmp_path, **environ), code, part)


@pytest.mark.parametrize("option", ["--catalog", "--state"])
def test_a_catalog_or_state_that_cannot_be_read_is_named(pipeline, option):
    broken = pipeline.folder / "broken.json"
    broken.write_text('{"bookmarks": ')
    one_sentence(pipeline.extract(option, broken), 2, "no JSON")


def test_an_unknown_option_is_named(tmp_path, run):
    one_sentence(run("tap-ifs-cloud", "--nope", cwd=tmp_path), 2, "--nope")


@pytest.mark.parametrize(
    ("changes", "code", "parts"),
    [
        ({"client_secret": "not-the-secret"}, 2, ["AADSTS7000215"]),
        ({"client_id": "99999999-0000-0000-0000-000000000000"}, 2, ["AADSTS700016"]),
        ({"tenant_id": "99999999-0000-0000-0000-000000000000"}, 2, ["tenant"]),
        ({"workspace_id": "99999999-0000-0000-0000-000000000000"}, 2, ["workspace"]),
        ({"api_url": "http://api.powerbi.com"}, 2, ["http is allowed for loopback addresses alone"]),
        ({"dataset_id": "99999999-0000-0000-0000-000000000000", "dataset_name": None}, 2, ["dataset"]),
        ({"retention_policy": "basicFIFO"}, 2, ["Set write_mode: append"]),
    ],
)
def test_target_powerbi_says_what_is_wrong(pipeline, changes, code, parts, some_lines):
    pipeline.powerbi_settings = {k: v for k, v in (pipeline.powerbi_settings | changes).items() if v is not None}
    one_sentence(pipeline.load_powerbi(some_lines), code, *parts)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("duckdb:////no/such/folder/x.duckdb", ["/no/such/folder"]),
        ("postgresql://localhost/x", ["PostgreSQL"]),
        ("oracle://x", ["oracle"]),
        ("warehouse.duckdb", ["warehouse_url"]),
    ],
)
def test_target_looker_warehouse_says_what_is_wrong(pipeline, url, parts, some_lines):
    pipeline.warehouse_settings["warehouse_url"] = url
    one_sentence(pipeline.load_warehouse(some_lines), 2, *parts)


STATE = b'{"type":"STATE","value":{"a":1}}\n'


@pytest.mark.parametrize("load", ["load_warehouse", "load_powerbi"])
@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b'{"type":"RECORD","stream":"s","record":{"id":"x"}}', ["s: the row id='x'"]),
        (b'{"type":"RECORD","stream":"other","record":{}}', ["'other' came before its SCHEMA"]),
        (b'{"type":"RECORD","str', ["Line 3 of the input is no Singer message"]),
        (b"\xff\xfe", ["Line 3 of the input is no Singer message"]),
    ],
)
def test_a_target_names_the_line_or_the_row_that_is_wrong_and_prints_no_state(pipeline, load, line, parts, some_lines):
    pipeline.warehouse_settings["on_row_error"] = pipeline.powerbi_settings["on_row_error"] = "fail"
    ran = getattr(pipeline, load)(some_lines + line + b"\n" + STATE)
    one_sentence(ran, 1, *parts)
    assert ran.out == b""


@pytest.mark.parametrize("load", ["load_warehouse", "load_powerbi"])
def test_a_row_that_is_wrong_is_a_dead_letter_and_the_run_goes_on_and_ends_with_3(pipeline, load, some_lines, run):
    wrong = b'{"type":"RECORD","stream":"s","record":{"id":"x"}}\n'
    ran = getattr(pipeline, load)(some_lines + wrong + STATE)
    assert (ran.code, ran.out) == (3, b'{"a":1}\n')
    assert "Traceback" not in ran.err
    assert "1 rows went to the dead letters (s 1)" in ran.err
    listed = run("ifs-bi", "dead-letters", "list", "--json", cwd=pipeline.folder)
    [letter] = json.loads(listed.out)
    assert (letter["stream"], letter["rows"], letter["state"]) == ("s", 1, "pending")
    assert "id must be integer" in letter["reason"]


@pytest.fixture
def some_lines() -> bytes:
    schema = {"properties": {"id": {"type": "integer"}}}
    messages = [
        {"type": "SCHEMA", "stream": "s", "schema": schema, "key_properties": ["id"]},
        {"type": "RECORD", "stream": "s", "record": {"id": 1}},
    ]
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)
