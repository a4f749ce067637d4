"""The exact statements that reach Snowflake, where no emulator tells what they do there."""

from __future__ import annotations

import re
from difflib import unified_diff
from pathlib import Path

import pytest
from box_snowflake import GAPS
from conformance import CASES
from ifs_bi_core.errors import ConfigError, IfsBiError
from singer_lines import INTEGER, MOMENT, MONEY, OBJECT, STRING, activate, raw, record, schema
from snowflake import connector
from snowflake_wire import RUN, Recorder
from target_looker_warehouse.target import TargetLookerWarehouse

GOLDEN = Path(__file__).parent / "golden"
DEFINITION = re.compile(r"(CREATE|ALTER|DROP|USE)\b")
WRITE = re.compile(rf"(INSERT|MERGE|UPDATE|DELETE|COPY INTO (?!{RUN}))")
V1, V2 = "2024-01-01T00:00:00.000000Z", "2024-01-02T00:00:00.000000Z"
ORDERS = schema(
    "orders", ["id"], id=STRING, amount=MONEY, note=OBJECT, _ifs_row_version=MOMENT, _sdc_deleted_at=MOMENT, b=INTEGER
)
LIVE = [record("orders", {"id": "1", "amount": 1, "_ifs_row_version": V2}, 1), record("orders", {"id": "2"}, 1)]
GONE = [record("orders", {"id": "1", "_sdc_deleted_at": V2}, 1)]

RUNS = {
    "upsert": ([ORDERS, *LIVE, *GONE, activate("orders", 1)], {}),
    "hard_delete": ([ORDERS, *LIVE, *GONE, activate("orders", 1)], {"hard_delete": True}),
    "append_only": ([ORDERS, *LIVE], {"load_method": "append-only"}),
    "overwrite": ([ORDERS, *LIVE], {"load_method": "overwrite"}),
    "schema_of_its_own": ([schema("s", ["k"], k=STRING), raw("s", '{"k":"x"}')], {"schema": 'erp "x"'}),
    "names_that_differ_in_case": (
        [*(line for name in GAPS for line in CASES[name].runs[0]), schema("it's", ["it's"], **{"it's": STRING})],
        {"identifier_case": "keep"},
    ),
}


@pytest.fixture
def recorded(monkeypatch, tmp_path):
    def run(lines, recorder=None, **config):
        recorder = recorder or Recorder()
        monkeypatch.setattr(connector, "connect", recorder)
        settings = {
            "warehouse_url": "snowflake://team:secret-1@acme-eu/ERP",
            "state_dir": str(tmp_path),
            "views": False,
        }
        target = TargetLookerWarehouse(config=settings | config)
        with target.account.closing(target.exit_code):
            target.listen(line + "\n" for line in lines)
        target.close()
        return recorder

    return run


@pytest.mark.parametrize("name", RUNS)
def test_these_are_the_statements_of_a_run(recorded, name):
    lines, config = RUNS[name]
    sent = "".join(f"{statement};\n" for statement in recorded(lines, **config).statements)
    golden = GOLDEN / f"snowflake_{name}.sql"
    if not golden.exists():
        golden.write_text(sent)
        pytest.fail(f"{golden} was not there and is written: read it, then run again")
    expected = golden.read_text()
    assert sent == expected, "".join(unified_diff(expected.splitlines(keepends=True), sent.splitlines(keepends=True)))


@pytest.mark.parametrize("name", RUNS)
def test_no_definition_stands_between_a_row_and_its_commit(recorded, name):
    lines, config = RUNS[name]
    open_since = None
    written = 0
    for statement in recorded(lines, batch_size_rows=1, **config).statements:
        assert not (open_since and DEFINITION.match(statement)), f"{statement} would commit {open_since}"
        if WRITE.match(statement):
            open_since, written = statement, written + 1
        elif statement in {"COMMIT", "ROLLBACK"}:
            open_since = None
    assert written
    assert open_since is None


def test_a_file_that_is_not_found_is_not_taken_for_loaded(recorded):
    recorder = Recorder(finds_files=False)
    with pytest.raises(IfsBiError, match="took 0 of 1 rows"):
        recorded(RUNS["schema_of_its_own"][0], recorder)
    assert "COMMIT" not in recorder.statements


def test_a_database_without_a_schema_to_work_in_is_told(recorded):
    with pytest.raises(ConfigError, match=r"snowflake://acme-eu/ERP has no such schema, or the role may not use it\."):
        recorded(RUNS["upsert"][0], Recorder(schema=None))


def test_every_wait_has_a_limit_and_no_session_is_told_otherwise(recorded):
    options = recorded(RUNS["upsert"][0]).options
    limits = [options["login_timeout"], options["network_timeout"]]
    session = options["session_parameters"]
    limits += [session["STATEMENT_TIMEOUT_IN_SECONDS"], session["LOCK_TIMEOUT"]]
    assert all(0 < limit <= 3_600 for limit in limits)
    assert (options["autocommit"], session["TIMEZONE"], session["QUOTED_IDENTIFIERS_IGNORE_CASE"]) == (
        False,
        "UTC",
        False,
    )
