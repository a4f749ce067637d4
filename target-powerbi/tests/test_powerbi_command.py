"""`ifs-bi powerbi` against the sandbox: `create`, `compact`, and what is the same of every verb."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ifs_bi_core.errors import ExitCode
from powerbi_verbs import SUPPLIERS, writes

# create


def test_create_makes_the_dataset_with_all_tables_and_the_run_fills_it(verb, pipe):
    both = pipe.lines(pipe.schema(), pipe.order(1), pipe.schema("suppliers", SUPPLIERS, ("SupplierId",)))
    told = verb("create", "--json", source=both)
    assert told.code == ExitCode.DONE
    assert told.json == {
        "dataset": "'Purchasing'",
        "dataset_id": pipe.dataset().id,
        "made": True,
        "tables": ["orders", "suppliers"],
    }
    assert set(pipe.dataset().tables) == {"orders", "suppliers"}
    assert pipe.rows() == []
    pipe.feed(pipe.schema(), pipe.order(1), pipe.state(1))
    assert pipe.amounts() == {"1": 1}
    assert len(pipe.world.powerbi) == 1


def test_create_of_a_dataset_that_is_there_adds_columns_and_nothing_else(verb, pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    wider = dict(pipe.schema()["schema"]["properties"], Buyer={"type": ["string", "null"]})
    told = verb("create", source=pipe.lines(pipe.schema(properties=wider), pipe.order(2)))
    assert "Dataset 'Purchasing' is there, and fits 1 tables: orders." in told.out
    assert "Buyer" in pipe.dataset().tables["orders"].columns
    assert pipe.amounts() == {"1": 1}


def test_create_without_a_schema_is_refused(verb, pipe):
    told = verb("create", source=pipe.lines(pipe.state(1)))
    assert told.code == ExitCode.WRONG_CONFIGURATION
    assert "no SCHEMA" in str(told.error)
    assert not pipe.world.powerbi


def test_create_after_the_retirement_says_what_to_do(verb, pipe, orders):
    pipe.world.switches.creation_retired = True
    told = verb("create", source=orders())
    assert told.code == ExitCode.WRONG_CONFIGURATION
    assert "Microsoft no longer creates push datasets here" in str(told.error)


# compact


def test_compact_takes_out_what_cancels_itself(verb, pipe):
    pipe.feed(pipe.schema(), pipe.order(1, 0), pipe.order(2, 2), write_mode="signed")
    for amount in range(1, 5):
        pipe.feed(pipe.schema(), pipe.order(1, amount), write_mode="signed")
    assert len(pipe.came()) == 10
    told = verb("compact", "--json", write_mode="signed")
    assert told.json == [{"stream": "orders", "table": "orders", "rows": 2, "removed": 8}]
    assert len(pipe.came()) == 2
    assert pipe.counting() == {"1": 4, "2": 2}
    assert verb("compact", "--json", write_mode="signed").json == []
    assert verb("compact", "--json", "--table", "orders", write_mode="signed").json[0]["removed"] == 0


@pytest.mark.parametrize(
    ("feed", "args", "changes", "sentence"),
    [
        (
            True,
            ["--table", "nope"],
            {"write_mode": "signed"},
            "no stream or table 'nope' in this dataset. It has orders",
        ),
        (False, [], {"write_mode": "signed"}, "Nothing was delivered yet"),
        (True, [], {"write_mode": "mirror"}, "no rows cancel each other"),
    ],
)
def test_compact_of_what_can_not_be_is_refused(verb, pipe, feed, args, changes, sentence):
    if feed:
        pipe.feed(pipe.schema(), pipe.order(1), **changes)
    told = verb("compact", *args, **changes)
    assert told.code == ExitCode.WRONG_CONFIGURATION
    assert sentence in str(told.error)
    assert not writes(pipe)


# every verb


@pytest.mark.parametrize("name", ["plan", "create", "compact", "verify"])
def test_wrong_settings_end_every_verb_with_2(verb, name, orders):
    told = verb(name, source=orders(), dataset_name=None)
    assert told.code == ExitCode.WRONG_CONFIGURATION
    assert "Give one of the settings 'dataset_id'" in str(told.error)


def test_a_landing_zone_needs_no_plan_and_the_other_verbs_say_why_they_are_not_for_it(verb, orders, tmp_path):
    changes = {"destination": "fabric_mirroring", "landing_zone_url": (tmp_path / "zone").as_uri()}
    told = verb("plan", source=orders(), **changes)
    assert told.code == ExitCode.DONE
    assert "need not be made ahead" in told.out
    for name in ("create", "compact", "verify"):
        told = verb(name, source=orders(), **changes)
        assert told.code == ExitCode.WRONG_CONFIGURATION
        assert "The setting 'destination' is fabric_mirroring." in str(told.error)


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({}, 0, ("is not there: a run makes it with 1 tables", "")),
        ({"client_secret": "wrong-secret"}, 2, ("", "AADSTS7000215")),
        ({"tables": {"orders": {"table": "Date"}}}, 2, ("Power BI loses a pushed table of that name", "")),
    ],
)
def test_the_command_ends_with_its_code_and_says_nothing_beside(pipe, orders, tmp_path, changes, code, said):
    (tmp_path / "target.json").write_text(json.dumps(pipe.config | {"client_secret": "env:POWERBI_SECRET"} | changes))
    done = subprocess.run(
        [Path(sys.executable).with_name("ifs-bi"), "powerbi", "plan", "--config", tmp_path / "target.json"],
        input=orders(pipe.order(1)),
        capture_output=True,
        env=os.environ | {"POWERBI_SECRET": pipe.config["client_secret"]},
        cwd=tmp_path,
        timeout=60,
        check=False,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code
    assert said[0] in out
    assert said[1] in err
    assert bool(err) == bool(said[1])
    assert pipe.config["client_secret"] not in out + err
    assert "wrong-secret" not in out + err
