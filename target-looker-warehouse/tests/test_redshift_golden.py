"""The statements that Redshift is sent, letter for letter: what stands in for a Redshift that no test here has."""

import re
from pathlib import Path

import pytest
from singer_lines import BOOLEAN, DATE, INTEGER, MOMENT, MONEY, NUMBER, OBJECT, STRING, activate, record, schema
from target_looker_warehouse.dialects.redshift import REDSHIFT

GOLDEN = Path(__file__).parent / "golden"
TYPES = {"i": INTEGER, "n": NUMBER, "m": MONEY, "b": BOOLEAN, "d": DATE, "at": MOMENT, "o": OBJECT}
VERSIONED = {"_ifs_row_version": MOMENT, "_sdc_deleted_at": MOMENT}
V1 = "2024-01-01T00:00:00.000000Z"
RUNS = {
    "upsert": (
        [
            schema("Orders", ["Id"], Id=STRING, **TYPES),
            record("Orders", {"Id": "1", "o": {"a": 1}}),
            record("Orders", {"Id": "2"}),
        ],
        {},
    ),
    "versions_and_deletes": (
        [
            schema("Orders", ["Company", "Id"], Company=STRING, Id=STRING, Name=STRING, **VERSIONED),
            record("Orders", {"Company": "10", "Id": "1", "Name": "a", "_ifs_row_version": V1}, 1),
            record("Orders", {"Company": "10", "Id": "2", "_ifs_row_version": V1, "_sdc_deleted_at": V1}, 1),
            activate("Orders", 1),
        ],
        {},
    ),
    "hard_delete": (
        [
            schema("Orders", ["Id"], Id=STRING, **VERSIONED),
            record("Orders", {"Id": "2", "_ifs_row_version": V1, "_sdc_deleted_at": V1}, 1),
            activate("Orders", 1),
        ],
        {"hard_delete": True, "schema": "erp"},
    ),
    "evolution": (
        [
            schema("Orders", ["Id"], Id=STRING, x=INTEGER),
            record("Orders", {"Id": "1", "x": 1}),
            schema("Orders", ["Id"], Id=STRING, x=MONEY, y=DATE),
            record("Orders", {"Id": "1", "x": 1, "y": "2024-01-01"}),
        ],
        {},
    ),
    "append_only": (
        [schema("Orders", ["Id"], Id=STRING), record("Orders", {"Id": "1"})],
        {"load_method": "append-only"},
    ),
    "overwrite": ([schema("Orders", ["Id"], Id=STRING), record("Orders", {"Id": "1"})], {"load_method": "overwrite"}),
}
RUN, KEYS = r"/[0-9a-f]{32}/", r"aws_access_key_id=[^']*"


def told(statements):
    """As a file: without what is another in each run, questions to the catalogue, and what is done for views."""
    questions = {REDSHIFT.columns_of_tables, REDSHIFT.schemas}
    kept = [statement for statement in statements if statement not in questions and "_ifs_views" not in statement]
    text = "".join(f"{statement};\n" for statement in kept).replace("begin transaction;\ncommit;\n", "")
    return re.sub(KEYS, "KEYS", re.sub(RUN, "/RUN/", text))


@pytest.mark.parametrize("name", RUNS)
def test_these_are_the_statements(redshift_box, name):
    lines, config = RUNS[name]
    del redshift_box.config["identifier_case"]
    shim = redshift_box.servers.shim
    shim.statements.clear()
    redshift_box.feed(*lines, **config)
    found = redshift_box.folder / f"redshift_{name}.sql"
    found.write_text(told(shim.statements))
    assert found.read_text() == (GOLDEN / found.name).read_text(), f"{found} holds what was sent"
