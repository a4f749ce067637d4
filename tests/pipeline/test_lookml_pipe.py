"""The LookML of the tap's own SCHEMAs, read by others and asked of the warehouse that was loaded from the same tap."""

import json
import subprocess
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal

import duckdb
import psycopg
import pytest
import yaml
from ifs_bi_sandbox.data import figures
from ifs_bi_sandbox.servers import Sandbox
from pipeline.commands import ROOT, Pipeline, run_command
from pipeline.lookml_sql import Model, tile_query, trees
from tap_ifs_cloud.entities import BUILT_IN
from target_looker_warehouse.lookml.facts import AREAS
from target_looker_warehouse.lookml.rules import broken, fields_of
from target_looker_warehouse.views.catalogue import VIEWS

STREAMS = {entity.name for entity in BUILT_IN}
PARSER = ROOT / ".envs" / "lookml-parser"


@pytest.fixture(scope="module", params=["duckdb", pytest.param("postgresql", marks=pytest.mark.prove)])
def dialect(request):
    return request.param


@pytest.fixture(scope="module")
def pipe(tmp_path_factory, dialect, request):
    """A tenant whose rows are in the warehouse, with the LookML that the load left."""
    with Sandbox(scale=400, seed=3) as box:
        pipe = Pipeline(box, tmp_path_factory.mktemp("lookml"))
        pipe.warehouse_settings["lookml_dir"] = str(pipe.folder / "looker")
        if dialect == "postgresql":
            server = request.getfixturevalue("postgres")
            pipe.warehouse_settings["warehouse_url"] = server.url(server.database())
        pipe.pump()
        yield pipe


@pytest.fixture(scope="module")
def project(pipe):
    return pipe.folder / "looker"


@pytest.fixture(scope="module")
def schema(dialect):
    return {"duckdb": "main", "postgresql": "public"}[dialect]


@pytest.fixture(scope="module")
def model(project, schema):
    return Model(project, schema)


@pytest.fixture(scope="module")
def ask(pipe, dialect):
    url = pipe.warehouse_settings["warehouse_url"]
    with duckdb.connect(pipe.warehouse, read_only=True) if dialect == "duckdb" else psycopg.connect(url) as connection:
        yield lambda text: connection.execute(text).fetchall()


@pytest.fixture(scope="module")
def tiles(project):
    [dashboard] = yaml.safe_load((project / "dashboards/_generated/ifs_cloud.dashboard.lookml").read_text())
    return {tile["title"]: tile for tile in dashboard["elements"]}


def test_every_stream_and_every_roll_up_has_a_view_and_an_explore(model):
    expected = STREAMS | {view.name for view in VIEWS}
    assert set(model.views) == set(model.explores) == expected
    assert {name for names in AREAS.values() for name in names} == expected


def test_what_was_written_keeps_the_rules(project, tiles):
    assert broken(trees(project), tiles.values()) == []
    assert len(tiles) == 4


def test_the_command_writes_from_a_catalog_or_from_lines_what_the_load_wrote(pipe, project, dialect):
    loaded = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    for argument in ("--discover", "--test=schema"):
        out = pipe.folder / argument.strip("-")
        schemas = run_command(
            "tap-ifs-cloud", "--config", pipe._file("tap.json", pipe.tap_settings), argument, cwd=pipe.folder
        ).out
        ran = run_command("ifs-bi", "lookml", "--out", out, "--dialect", dialect, given=schemas, cwd=pipe.folder)
        assert ran.code == 0, ran.err
        assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()} == {
            path.relative_to(project): content for path, content in loaded.items()
        }


def test_every_field_of_every_explore_can_be_asked_for(model, ask):
    for explore in model.explores:
        members = model.members(explore)
        fields = [f"{alias}.{name}" for alias, view in members.items() for name in model.fields(view)]
        columns = ", ".join(model.column(explore, field) for field in fields)
        ask(f"SELECT {columns} {model.source(explore)} LIMIT 1")
        sums = [f"{explore}.{one['name']}" for one in model.views[explore]["measures"]]
        ask(
            f"SELECT {', '.join(model.measure(explore, field) for field in sums)} FROM {model.table(explore)} AS {explore}"
        )


def test_a_primary_key_tells_all_rows_apart(model, ask):
    for view in model.views:
        key = model.primary_key(view)
        assert key is not None, view
        [(rows, keys)] = ask(f"SELECT count(*), count(DISTINCT {key}) FROM {model.table(view)} AS {view}")
        assert rows == keys, view


def test_a_join_from_many_to_one_multiplies_no_row(model, ask):
    joined = 0
    for explore in model.explores:
        alone = model.source(explore).partition(" LEFT JOIN ")[0].partition(" WHERE ")[0]
        where = model.source(explore).rpartition(" WHERE ")[2]
        many = model.source(explore, without="many_to_many")
        assert ask(f"SELECT count(*) {many}") == ask(f"SELECT count(*) {alone} WHERE {where}"), explore
        joined += many.count(" LEFT JOIN ")
    assert joined > 60


def test_joins_find_what_they_look_for(model, ask):
    for explore, field in (
        ("purchase_orders", "suppliers.name"),
        ("gl_voucher_rows", "gl_accounts.description"),
        ("gl_voucher_rows", "code_part_b.description"),
        ("supplier_invoice_postings", "supplier_invoices.invoice_no"),
        ("gl_voucher_rows", "gl_account_levels.level1"),
    ):
        [(found,)] = ask(f"SELECT count({model.column(explore, field)}) {model.source(explore)}")
        assert found > 0, field


def test_an_amount_never_adds_up_more_than_one_currency(model):
    for view in model.views.values():
        fields = dict(fields_of(view))
        for name, field in fields.items():
            if field["type"] == "sum" and "currency" in field["description"]:
                [required] = field["required_fields"]
                assert required.rpartition(".")[2] in {"currency_code", "currency", "company", "contract"}, (
                    view["name"],
                    name,
                )


def test_the_dashboard_shows_open_purchase_orders_as_they_are_in_the_source(model, ask, tiles, pipe):
    expected = defaultdict(Decimal)
    for _, name, currency, amount in figures.open_purchase_orders(pipe.box.world.database):
        expected[name, currency] += amount
    rows = ask(tile_query(model, tiles["Open purchase orders by supplier"]))
    assert {(name, currency): amount for name, currency, amount in rows} == expected


def test_the_dashboard_shows_outstanding_supplier_invoices_as_they_are_in_the_source(model, ask, tiles, pipe):
    expected = defaultdict(Decimal)
    for _, currency, amount in figures.outstanding_supplier_invoices(pipe.box.world.database):
        expected[currency] += amount
    found = defaultdict(Decimal)
    for bucket, currency, amount in ask(tile_query(model, tiles["Outstanding supplier invoices by days overdue"])):
        assert bucket in {"not due", "1-30", "31-60", "61-90", "over 90"}
        found[currency] += amount
    assert found == expected


def test_the_dashboard_shows_the_spend_of_this_month_as_it_is_in_the_source(model, ask, tiles, pipe):
    tile = tiles["Month-to-date spend by cost centre"]
    today = date.fromisoformat(figures.report(pipe.box.world.database)["today"])
    [(field, value)] = tile["filters"].items()
    assert value == "this month to second"
    day = model.column(tile["explore"], field)
    rows = ask(tile_query(model, tile, f"{day} BETWEEN DATE '{today:%Y-%m}-01' AND DATE '{today}'"))
    found, expected = Counter(), Counter()
    for centre, name, _, amount in rows:
        found[centre, name or ""] += amount
    for _, centre, name, amount in figures.month_to_date_spend(pipe.box.world.database, today):
        expected[centre, name] += amount
    assert found == expected
    assert expected


def test_a_datagroup_sees_the_load(project, ask, schema):
    groups = trees(project)["ifs_cloud.model.lkml"]["datagroups"]
    assert len(groups) == len(AREAS)
    for group in groups:
        [(at,)] = ask(group["sql_trigger"].replace("@{warehouse_schema}", schema))
        assert at is not None, group["name"]


READ = """
const { parseFiles } = require("lookml-parser")
parseFiles({ source: "**/*.{lkml,lookml}", cwd: process.argv[1], fileOutput: "by-name" }).then((project) => {
  const model = project.model.ifs_cloud
  const names = (things) => Object.keys(things).filter((name) => !name.startsWith("$")).sort()
  console.log(JSON.stringify({
    errors: project.errors || [],
    connection: model.connection,
    views: names(model.view),
    explores: names(model.explore),
    joins: names(model.explore.purchase_order_lines.join),
    fields: names(model.view.purchase_orders.dimension),
  }))
})
"""


@pytest.mark.prove
def test_another_parser_reads_the_same_project_with_its_includes(project, model):
    ran = subprocess.run(
        [PARSER / "bin" / "node", "-e", READ, str(project)], cwd=PARSER, capture_output=True, text=True, check=True
    )
    told = json.loads(ran.stdout)
    assert told["errors"] == []
    assert told["connection"] == "@{warehouse_connection}"
    assert (told["views"], told["explores"]) == (sorted(model.views), sorted(model.explores))
    assert told["joins"] == sorted(set(model.members("purchase_order_lines")) - {"purchase_order_lines"})
    assert told["fields"] == sorted(one["name"] for one in model.views["purchase_orders"]["dimensions"])
