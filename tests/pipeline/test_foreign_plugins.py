"""Our tap into a target that nobody here wrote, and taps and a mapper that nobody here wrote into our targets."""

import json
from contextlib import closing
from decimal import Decimal
from functools import cache

import psycopg
import pytest
from ifs_bi_sandbox.servers import Sandbox
from pipeline.commands import Pipeline
from pipeline.destinations import Warehouse, ordered
from pipeline.source import source_rows
from tap_ifs_cloud.entities import BUILT_IN


def test_our_tap_feeds_target_jsonl(pipeline, peer, run):
    extracted = pipeline.extract()
    loaded = run(peer("target-jsonl"), given=extracted.out, cwd=pipeline.folder)
    assert loaded.code == 0, loaded.err
    assert loaded.state["bookmarks"].keys() == {entity.name for entity in BUILT_IN}
    for entity in BUILT_IN:
        (written,) = pipeline.folder.glob(f"{entity.name}-*.jsonl")
        assert len(written.read_text().splitlines()) == len(source_rows(pipeline.box.world.database, entity.name))


def foreign_lines(pipeline, peer, run) -> bytes:
    """What tap-jsonl makes of a file: keys in other orders, missing fields, integers and decimals mixed."""
    rows = [
        {"id": 1, "name": "O'NEILL", "amount": 12345678901234.56, "when": "2026-01-01T10:00:00Z"},
        {"amount": 3, "id": 2, "name": None},
        {"name": "ÅKERLUND & SÖNER", "id": 3, "tags": ["a", "b"]},
    ]
    (pipeline.folder / "things.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = pipeline.folder / "tap-jsonl.json"
    config.write_text(json.dumps({"path": "things.jsonl", "stream_name": "things", "primary_keys": ["id"]}))
    extracted = run(peer("tap-jsonl"), "--config", config, cwd=pipeline.folder)
    assert extracted.code == 0, extracted.err
    return extracted.out


def test_tap_jsonl_feeds_our_warehouse(pipeline, peer, run, query):
    lines = foreign_lines(pipeline, peer, run)
    for _ in range(2):
        loaded = pipeline.load_warehouse(lines)
        assert loaded.code == 0, loaded.err
    assert query("SELECT id, name, CAST(amount AS VARCHAR) FROM things ORDER BY id") == [
        (1, "O'NEILL", "12345678901234.560000000000000000"),
        (2, None, "3.000000000000000000"),
        (3, "ÅKERLUND & SÖNER", None),
    ]


def test_tap_jsonl_feeds_our_power_bi(pipeline, peer, run, dataset_rows):
    lines = foreign_lines(pipeline, peer, run)
    for _ in range(2):
        loaded = pipeline.load_powerbi(lines)
        assert loaded.code == 0, loaded.err
    assert sorted((row["id"], row["name"]) for row in dataset_rows("things")) == [
        (1, "O'NEILL"),
        (2, None),
        (3, "ÅKERLUND & SÖNER"),
    ]


KINDS = """
CREATE TYPE mood AS ENUM ('calm', 'glücklich');
CREATE TABLE kinds (
    big bigint PRIMARY KEY, small smallint, money numeric(18, 2), tiny numeric(38, 10), open numeric, double double precision,
    truth boolean, words text, short varchar(5), fixed char(3), day date, at timestamp, instant timestamptz, hour time,
    id uuid, doc json, docb jsonb, numbers integer[], texts text[], mood mood, raw bytea
);
INSERT INTO kinds VALUES
    (9223372036854775807, -32768, 1234567890123456.78, 0.0000000001, 12345.678901234567, 0.1,
     true, 'Å''s "x" \\ ' || chr(9) || chr(10) || '€😀', 'abcde', 'x', '1899-12-31', '2024-02-29 23:59:59.999999',
     '2024-06-01 02:00:00.5+02', '13:14:15.5', '6f1b1e4e-0000-4000-8000-00000000abcd', '{"b": [1, 2.50, null], "a": "ä"}',
     '{"b": 12345678901234567.89}', '{1,2}', '{"a","b\\"c"}', 'glücklich', decode('deadbeef', 'hex')),
    (0, 0, 0, 0, 0, 0, false, '', '', '', '0001-01-01', '1970-01-01', '1970-01-01 00:00:00+00', '00:00',
     '00000000-0000-0000-0000-000000000000', '{}', '{}', '{}', '{}', 'calm', '');
INSERT INTO kinds (big) VALUES (1);
"""
KINDS_LOADED = [
    {
        "big": "9223372036854775807",
        "small": "-32768",
        "money": "1234567890123456.780000000000000000",
        "tiny": "0.000000000100000000",
        "open": "12345.678901234567000000",
        "double": "0.100000000000000000",
        "truth": "true",
        "words": 'Å\'s "x" \\ \t\n€😀',
        "short": "abcde",
        "fixed": "x  ",
        "day": "1899-12-31",
        "at": "2024-02-29 23:59:59.999999+00",
        "instant": "2024-06-01 00:00:00.5+00",
        "hour": "13:14:15.500000",
        "id": "6f1b1e4e-0000-4000-8000-00000000abcd",
        "doc": {"a": "ä", "b": [1, Decimal("2.50"), None]},
        "docb": {"b": Decimal("12345678901234567.89")},
        "numbers": [1, 2],
        "texts": ["a", 'b"c'],
        "mood": "glücklich",
        "raw": "deadbeef",
    },
    {
        "big": "0",
        "small": "0",
        "money": "0.000000000000000000",
        "tiny": "0.000000000000000000",
        "open": "0.000000000000000000",
        "double": "0.000000000000000000",
        "truth": "false",
        "words": "",
        "short": "",
        "fixed": "   ",
        "day": "0001-01-01",
        "at": "1970-01-01 00:00:00+00",
        "instant": "1970-01-01 00:00:00+00",
        "hour": "00:00:00",
        "id": "00000000-0000-0000-0000-000000000000",
        "doc": {},
        "docb": {},
        "numbers": [],
        "texts": [],
        "mood": "calm",
        "raw": "",
    },
    {"big": "1"},
]


@pytest.fixture(scope="module")
def lines_of_kinds(run, root, postgres, tmp_path_factory):
    """What meltanolabs-tap-postgres makes of a table of many types: it has to be chosen in the catalog."""
    folder = tmp_path_factory.mktemp("tap-postgres")
    tap = root / ".envs" / "meltanolabs-tap-postgres" / "bin" / "tap-postgres"
    url = postgres.url(postgres.database())
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        connection.execute(KINDS.encode())
    config, catalog = folder / "config.json", folder / "catalog.json"
    config.write_text(json.dumps({"sqlalchemy_url": url, "filter_schemas": ["public"], "json_as_object": True}))
    found = run(tap, "--config", config, "--discover", cwd=folder)
    assert found.code == 0, found.err
    chosen = json.loads(found.out)
    for stream in chosen["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True
    catalog.write_text(json.dumps(chosen))
    extracted = run(tap, "--config", config, "--catalog", catalog, cwd=folder)
    assert extracted.code == 0, extracted.err
    return extracted.out


def test_tables_of_every_type_go_by_tap_postgres_into_our_warehouse(warehouse, lines_of_kinds):
    loaded = warehouse.load(lines_of_kinds)
    assert loaded.code == 0, loaded.err
    assert warehouse.rows("public-kinds") == ordered(KINDS_LOADED)


MAPS = {
    "suppliers": {
        "__alias__": "vendors",
        "Label": "f'{SupplierId}: {Name}'",
        "Country": "CountryDb",
        "CountryDb": None,
        "_ifs_etag": None,
    },
    "purchase_orders": {"__filter__": "Objstate != 'Closed'", "Net": "TotalNetAmount", "TotalNetAmount": None},
}


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """What our tap makes of the streams that are mapped."""
    with Sandbox(scale=400, seed=3) as box:
        pipeline = Pipeline(box, tmp_path_factory.mktemp("extracted"))
        pipeline.tap_settings["streams"] = list(MAPS)
        return pipeline.extract()


@pytest.fixture(scope="module")
def mapped(run, peer, tmp_path_factory):
    """What meltano-map-transform makes of lines; of the same ones it is asked once."""
    folder = tmp_path_factory.mktemp("mapped")
    config = folder / "maps.json"
    config.write_text(json.dumps({"stream_maps": MAPS}))

    @cache
    def transform(lines):
        done = run(peer("meltano-map-transform"), "--config", config, given=lines, cwd=folder)
        assert done.code == 0, done.err
        return done.out

    return transform


def test_what_a_mapper_renames_removes_adds_and_leaves_out_is_so_in_our_warehouse(warehouse, extracted, mapped):
    loaded = warehouse.load(mapped(extracted.out))
    assert (loaded.code, loaded.state) == (0, extracted.state), loaded.err
    assert warehouse.tables() == ["purchase_orders", "vendors"]
    suppliers = extracted.records("suppliers")
    assert suppliers
    assert warehouse.query('SELECT "Label", "Country" FROM vendors ORDER BY "SupplierId"') == [
        (f"{row['SupplierId']}: {row['Name']}", row["CountryDb"])
        for row in sorted(suppliers, key=lambda row: row["SupplierId"])
    ]
    assert not {"CountryDb", "_ifs_etag"} & {name for row in warehouse.rows("vendors") for name in row}
    orders = exact_records(extracted.out, "purchase_orders")
    open_orders = sorted((row["OrderNo"], row["TotalNetAmount"]) for row in orders if row["Objstate"] != "Closed")
    assert 0 < len(open_orders) < len(orders)
    assert warehouse.query('SELECT "OrderNo", "Net" FROM purchase_orders ORDER BY 1') == open_orders


def exact_records(lines, stream):
    messages = (json.loads(line, parse_float=Decimal) for line in lines.splitlines())
    return [said["record"] for said in messages if said["type"] == "RECORD" and said["stream"] == stream]


def test_rows_that_go_by_a_mapper_are_those_that_our_target_maps_itself(extracted, mapped, run, tmp_path):
    outside, inside = (Warehouse.in_duckdb(tmp_path / name, run) for name in ("outside", "inside"))
    for loaded in (outside.load(mapped(extracted.out)), inside.load(extracted.out, stream_maps=MAPS)):
        assert loaded.code == 0, loaded.err
    for table in ("purchase_orders", "vendors"):
        assert outside.rows(table) == inside.rows(table) != [], table


def test_a_full_refresh_that_went_by_a_mapper_retires_rows(warehouse, extracted, mapped):
    lines = [line for line in extracted.out.splitlines(keepends=True) if b'"suppliers"' in line or b'"STATE"' in line]
    assert warehouse.load(mapped(b"".join(lines))).code == 0
    gone = next(line for line in lines if b'"RECORD"' in line)
    version = json.loads(gone)["version"]
    later = b"".join(line for line in lines if line != gone).replace(b"%d" % version, b"%d" % (version + 1))
    loaded = warehouse.load(mapped(later))
    assert loaded.code == 0, loaded.err
    retired = json.loads(gone)["record"]["SupplierId"]
    assert warehouse.query('SELECT "SupplierId" FROM vendors WHERE _sdc_deleted_at IS NOT NULL') == [(retired,)]
