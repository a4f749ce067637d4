"""What the page about scale says is what the simulation says, and what it gives to copy lets no two runs meet."""

import json
import re
import subprocess
import sys
from itertools import pairwise

import duckdb
import pytest
import yaml
from docs.shell_blocks import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline.commands import BIN
from tap_ifs_cloud.entities import BUILT_IN

sys.path.insert(0, str(ROOT / "benchmarks"))

import fleet
import scale

sys.path.remove(str(ROOT / "benchmarks"))

PAGE = (ROOT / "docs/scale.md").read_text("utf-8")
COST = {name: each.value for name, each in fleet.COSTS.items()}
PROJECTS = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)]
FLEETS = st.builds(fleet.Fleet, st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 6))
WORK = st.lists(
    st.lists(st.builds(fleet.Request.of, st.integers(0, 5000), st.integers(0, 5000), st.just(COST)), max_size=30),
    min_size=1,
    max_size=8,
)


def test_the_tables_of_the_page_are_what_the_command_writes(tmp_path):
    (tmp_path / "scale.md").write_text(PAGE, "utf-8")
    command = [sys.executable, ROOT / "benchmarks/scale.py", "--page", tmp_path / "scale.md"]
    subprocess.run(command, check=True, timeout=300)
    written = (tmp_path / "scale.md").read_text("utf-8")
    assert written == PAGE, (
        "run `python benchmarks/scale.py --page docs/scale.md`, and look whether the sentences still hold"
    )


def test_the_page_has_every_table_and_a_table_without_a_place_is_told():
    assert (
        scale.with_tables("| a |\n| --- |\n| old |\n\nrest\n", ["| a |\n| --- |\n| 1 |"])
        == "| a |\n| --- |\n| 1 |\n\nrest\n"
    )
    with pytest.raises(ValueError, match="0 tables with the head"):
        scale.with_tables("rest\n", ["| a |\n| --- |"])


def test_another_cost_changes_the_tables_and_an_unknown_one_is_told(capsys):
    assert scale.costs_table() in PAGE
    for wrong in ("speed=3", "tap", "tap=-1", "tap=fast"):
        with pytest.raises(SystemExit):
            scale.main([wrong])
        assert f"{wrong} is no cost" in capsys.readouterr().err


def test_the_taps_cost_is_the_readmes():
    rows = re.findall(r"^\| tap-ifs-cloud.*\|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert any(f"| {COST['tap']:g} |" in row for row in rows), "set it in benchmarks/fleet.py, then write the page anew"


def test_the_simulation_is_within_a_tenth_of_what_was_measured():
    rows = [line.strip("| ").split(" | ") for line in scale.measured_table().splitlines()[2:]]
    assert len(rows) == len(scale.MEASURED)
    assert [float(row[4]) for row in rows] == [pytest.approx(float(row[3]), rel=0.1) for row in rows]


@settings(max_examples=40)
@given(work=WORK, machines=FLEETS, limit=st.sampled_from([7, 40, 1000]))
def test_no_fleet_is_faster_than_what_limits_it(work, machines, limit):
    cost = {**COST, "limit": limit * machines.machines}
    took = fleet.simulated(work, machines, cost)
    for name, seconds in fleet.bounds(work, machines, cost).items():
        assert took >= seconds - 1e-6, name


@settings(max_examples=30)
@given(work=WORK, runs=st.integers(1, 6))
def test_dealing_out_loses_no_request(work, runs):
    piles = fleet.dealt(work, runs, COST)
    assert len(piles) == runs
    assert sorted(sum(piles, [])) == sorted(sum(work, []))  # noqa: RUF017 - short lists


@settings(max_examples=30)
@given(
    streams=st.sampled_from(fleet.STREAMS),
    rows=st.integers(0, 200_000),
    what=st.sampled_from(["first", "night", "month_end"]),
)
def test_every_row_is_looked_at_and_no_request_asks_for_more_than_a_page(streams, rows, what):
    asked = fleet.requests(streams, rows, what, COST)
    assert sum(page.rows if what == "first" else page.keys for page in asked) == rows
    assert len(asked) >= COST["least"]
    assert all(max(page.rows, page.keys) <= COST["page"] for page in asked)


def test_more_of_what_holds_a_night_up_makes_it_shorter():
    work = fleet.units(20, "night", COST, one_by_one=True)
    one, two = fleet.Fleet(cores=8), fleet.Fleet(runs=2, cores=8)
    took = [fleet.simulated(fleet.dealt(work, each.runs, COST), each, COST) for each in (one, two)]
    assert took[1] < 0.6 * took[0]


def test_companies_one_by_one_cost_requests_that_all_at_once_do_not():
    for fewer, more in pairwise((1, 10, 100)):
        at_once, one_by_one = (
            [sum(map(len, fleet.units(n, "night", COST, one_by_one=each))) for n in (fewer, more)]
            for each in (False, True)
        )
        assert one_by_one[1] - one_by_one[0] > at_once[1] - at_once[0]


def test_the_streams_of_the_simulation_are_the_built_in_ones_without_the_one_that_joins_two():
    scoped = [entity.name for entity in BUILT_IN if entity.company and entity.name != "journal_entries"]
    assert sum(each.sets for each in fleet.STREAMS if each.by_company) == len(scoped)
    assert sum(each.sets for each in fleet.STREAMS) == len(BUILT_IN) - 1


def test_the_first_example_reads_each_stream_in_one_run():
    streams = [name for tap in PROJECTS[0]["plugins"]["extractors"] for name in tap["config"]["streams"]]
    assert sorted(streams) == sorted(entity.name for entity in BUILT_IN if entity.name != "journal_entries")


@pytest.mark.parametrize("project", PROJECTS, ids=["by stream", "by company"])
def test_no_two_runs_of_an_example_load_one_table(project):
    taps = {tap["name"]: tap["config"]["streams"] for tap in project["plugins"]["extractors"]}
    schemas = {loader["name"]: loader["config"]["schema"] for loader in project["plugins"].get("loaders", ())}
    tables = [
        (schemas.get(target), stream)
        for job in project["jobs"]
        for tap, target in (task.split() for task in job["tasks"])
        for stream in taps[tap]
    ]
    assert len(tables) == len(set(tables)) > 0


@pytest.mark.parametrize("project", PROJECTS, ids=["by stream", "by company"])
def test_an_example_sets_what_the_shipped_project_knows(project):
    shipped = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))["plugins"]
    for kind, plugins in project["plugins"].items():
        known = {each["name"]: {setting["name"] for setting in each.get("settings", ())} for each in shipped[kind]}
        for plugin in plugins:
            assert plugin["config"].keys() <= known[plugin["inherit_from"]]


def full_reading(company, version):
    text = {"type": "string"}
    schema = {"properties": {"Company": text, "_sdc_deleted_at": {"type": ["string", "null"], "format": "date-time"}}}
    of_stream = {"stream": "vouchers"}
    return [
        {"type": "SCHEMA", **of_stream, "schema": schema, "key_properties": ["Company"]},
        {"type": "RECORD", **of_stream, "record": {"Company": company}, "version": version},
        {"type": "ACTIVATE_VERSION", **of_stream, "version": version},
    ]


@pytest.mark.parametrize(("schemas", "gone"), [(("ifs", "ifs"), ["10"]), (("ifs_largest", "ifs_others"), [])])
def test_companies_of_two_runs_are_safe_in_schemas_of_their_own_alone(tmp_path, schemas, gone):
    for number, (schema, company) in enumerate(zip(schemas, ("10", "20"), strict=True), 1):
        config = {"warehouse_url": "duckdb:///bi.duckdb", "schema": schema}
        (tmp_path / "target.json").write_text(json.dumps(config), "utf-8")
        lines = "".join(f"{json.dumps(message)}\n" for message in full_reading(company, number))
        command = [BIN / "target-looker-warehouse", "--config", "target.json"]
        subprocess.run(command, cwd=tmp_path, input=lines, text=True, check=True, capture_output=True, timeout=120)
    with duckdb.connect(tmp_path / "bi.duckdb") as connection:
        everything = " UNION ALL ".join(f"SELECT * FROM {schema}.vouchers" for schema in sorted(set(schemas)))
        query = f'SELECT "Company", _sdc_deleted_at IS NOT NULL FROM ({everything}) ORDER BY 1'
        found = connection.execute(query).fetchall()
    assert [company for company, _ in found] == ["10", "20"]
    assert [company for company, retired in found if retired] == gone
