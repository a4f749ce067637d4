"""`ifs-bi lookml`, from what taps write to files and exit codes, and the setting `lookml_dir`."""

import json
import re
import sys
from pathlib import Path

import lkml
import pytest
from click.testing import CliRunner
from ifs_bi_core.errors import ConfigError, ExitCode
from singer_lines import INTEGER, MOMENT, MONEY, STRING, activate, record, schema
from target_looker_warehouse import dialects
from target_looker_warehouse.lookml.command import lookml
from target_looker_warehouse.lookml.schemas import schemas

LINES = [schema("suppliers", ["SupplierId"], SupplierId=STRING, Name=STRING), record("suppliers", {"SupplierId": "1"})]
CATALOG = {
    "streams": [
        {
            "tap_stream_id": "suppliers",
            "key_properties": ["SupplierId"],
            "schema": {"properties": {"SupplierId": STRING, "Name": STRING, "Text": STRING}},
            "metadata": [
                {"breadcrumb": [], "metadata": {"selected": True}},
                {"breadcrumb": ["properties", "Name"], "metadata": {"inclusion": "available"}},
                {"breadcrumb": ["properties", "Text"], "metadata": {"selected": False}},
                {"breadcrumb": ["properties", "SupplierId"], "metadata": {"inclusion": "automatic", "selected": False}},
            ],
        },
        {
            "tap_stream_id": "customers",
            "schema": {"properties": {"CustomerId": STRING}},
            "metadata": [{"breadcrumb": [], "metadata": {"selected": False}}],
        },
    ]
}


GIVEN = "\n".join(LINES)


def run(folder, *options, given=GIVEN):
    return CliRunner().invoke(lookml, ["--out", str(folder), *options], input=given, catch_exceptions=True)


def test_lines_of_a_tap_become_a_project(tmp_path):
    ran = run(tmp_path, "--schema", "erp", "--connection", "bi", "--model", "finance")
    assert (ran.exit_code, ran.output) == (0, f"{tmp_path}: 6 files written, 0 unchanged, 0 removed.\n")
    manifest = lkml.load((tmp_path / "manifest.lkml").read_text())
    assert {one["name"]: one["value"] for one in manifest["constants"]} == {
        "warehouse_connection": "bi",
        "warehouse_schema": "erp",
    }
    assert (tmp_path / "finance.model.lkml").exists()


def test_json_says_what_became_of_each_file(tmp_path):
    run(tmp_path)
    told = json.loads(run(tmp_path, "--json").output)
    assert told["written"] == told["kept"] == told["removed"] == told["left_out"] == []
    assert "views/_generated/suppliers.view.lkml" in told["unchanged"]


def test_an_edited_file_is_named_with_what_to_do(tmp_path):
    run(tmp_path)
    with (tmp_path / "views/_generated/suppliers.view.lkml").open("a") as file:
        file.write("# mine\n")
    assert (
        "suppliers.view.lkml was edited by hand and is kept. Put what you want otherwise into" in run(tmp_path).output
    )


DIALECTS = {path.stem for path in Path(dialects.__file__).parent.glob("*.py")} - {"__init__", "facts"}


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_dialect_is_known(tmp_path, dialect):
    ran = run(tmp_path, "--dialect", dialect, "--schema", "erp")
    assert ran.exit_code == 0, ran.output


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--dialect", "bigquery"], "--schema is missing"),
        (["--schema", 'a"b'], "has a character that LookML can't have"),
        (["--model", "My-Model"], "is no name of LookML"),
    ],
)
def test_a_wrong_option_is_a_wrong_configuration(tmp_path, options, part):
    error = run(tmp_path / "looker", *options).exception
    assert isinstance(error, ConfigError)
    assert error.exit_code == ExitCode.WRONG_CONFIGURATION
    assert part in str(error)
    assert not (tmp_path / "looker").exists()


def test_without_lkml_its_install_line_is_said(tmp_path, monkeypatch, duckdb_box):
    monkeypatch.setitem(sys.modules, "lkml", None)
    said = "pip install 'target-looker-warehouse[looker]'"
    assert said in str(run(tmp_path).exception)
    with pytest.raises(ConfigError, match=re.escape(said)):
        duckdb_box.feed(*LINES, lookml_dir=str(tmp_path))
    assert not duckdb_box.file.exists()


def test_a_roll_up_that_could_not_be_made_has_no_view_in_lookml(duckdb_box, tmp_path):
    names = ("Company", "CodePart", "CodePartValue")
    values = schema("code_part_values", list(names), **dict.fromkeys(names, STRING))
    row = record("code_part_values", dict.fromkeys(names, "1"))
    duckdb_box.feed(values, row, lookml_dir=str(tmp_path / "with"))
    duckdb_box.run("DROP VIEW cost_dimensions; CREATE TABLE cost_dimensions (mine INTEGER)")
    duckdb_box.feed(values, row, lookml_dir=str(tmp_path / "without"))
    view = "views/_generated/cost_dimensions.view.lkml"
    assert ((tmp_path / "with" / view).exists(), (tmp_path / "without" / view).exists()) == (True, False)


def test_a_catalog_is_read_as_it_is_selected_on_one_line_or_many():
    for indent in (None, 2):
        [found] = schemas(json.dumps(CATALOG, indent=indent).splitlines(keepends=True), "here")
        assert (found.stream, list(found.properties), found.key) == (
            "suppliers",
            ["SupplierId", "Name"],
            ("SupplierId",),
        )


def test_a_property_that_may_be_anything_is_a_hidden_one(tmp_path):
    line = {"type": "SCHEMA", "stream": "s", "key_properties": [], "schema": {"properties": {"any": True}}}
    assert run(tmp_path, given=json.dumps(line)).exit_code == 0
    view = lkml.load((tmp_path / "views/_generated/s.view.lkml").read_text())["views"][0]
    assert view["dimensions"][0]["hidden"] == "yes"


def test_the_last_schema_of_a_stream_counts():
    later = schema("suppliers", ["SupplierId"], SupplierId=STRING, Rating=STRING)
    [found] = schemas([*LINES, later], "here")
    assert list(found.properties) == ["SupplierId", "Rating"]


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("", "neither a Singer catalog nor Singer lines"),
        ("no json", "neither a Singer catalog nor Singer lines"),
        ('{"streams": []}', "no SCHEMA in here"),
        ('{"streams": [{}]}', "neither a Singer catalog"),
        ('{"type": "STATE", "value": {}}', "no SCHEMA in here"),
        ('{"type": "SCHEMA", "stream": "x"}', "Line 1 of here is no SCHEMA message"),
        (schema("x", ["id"], a=STRING), "keys that it has no property for: id"),
    ],
)
def test_what_is_no_tap_s_output_is_said(given, part):
    with pytest.raises(ConfigError, match=part):
        schemas(given.splitlines(), "here")


def test_a_load_brings_the_lookml_of_its_streams(duckdb_box, tmp_path):
    folder = tmp_path / "looker"
    orders = schema("purchase_orders", ["OrderNo"], OrderNo=STRING, VendorNo=STRING, CurrencyCode=STRING, Total=MONEY)
    duckdb_box.feed(orders, record("purchase_orders", {"OrderNo": "1"}), lookml_dir=str(folder))
    duckdb_box.feed(*LINES, lookml_dir=str(folder))
    explore = lkml.load((folder / "explores/_generated/purchase_orders.explore.lkml").read_text())["explores"][0]
    assert [join["name"] for join in explore["joins"]] == ["suppliers"]  # of the other run


def test_a_column_that_a_load_added_filters_rows_that_are_gone(duckdb_box, tmp_path):
    lines = [schema("s", ["id"], id=INTEGER), record("s", {"id": 1}, 1), activate("s", 1)]
    duckdb_box.feed(*lines, lookml_dir=str(tmp_path / "looker"))
    explore = lkml.load((tmp_path / "looker/explores/_generated/s.explore.lkml").read_text())["explores"][0]
    assert explore["sql_always_where"] == "${s.sdc_deleted_raw} IS NULL"


def test_rows_of_which_every_version_stays_have_no_key_in_lookml(duckdb_box, tmp_path):
    duckdb_box.feed(*LINES, lookml_dir=str(tmp_path / "looker"), load_method="append-only")
    view = lkml.load((tmp_path / "looker/views/_generated/suppliers.view.lkml").read_text())["views"][0]
    assert not any("primary_key" in one for one in view["dimensions"])


def test_a_load_stands_though_its_lookml_can_not_be_written(duckdb_box, tmp_path):
    (tmp_path / "looker").write_text("a file")
    ran = duckdb_box.command(*LINES, lookml_dir=str(tmp_path / "looker"))
    assert ran.returncode == ExitCode.DONE
    assert "The rows are loaded, and the LookML in" in ran.stderr
    assert len(duckdb_box.rows("suppliers")) == 1


def test_a_timestamp_of_another_tap_is_a_group(tmp_path):
    run(tmp_path, given=schema("events", ["id"], id=INTEGER, created_at=MOMENT))
    view = lkml.load((tmp_path / "views/_generated/events.view.lkml").read_text())["views"][0]
    assert [group["name"] for group in view["dimension_groups"]] == ["created"]
