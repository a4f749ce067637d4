"""Our tap into a target that nobody here wrote, and a tap that nobody here wrote into our targets."""

import json

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
