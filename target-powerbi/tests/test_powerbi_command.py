"""`ifs-bi powerbi` against the sandbox: what it tells beforehand is what the run then does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core import source_counts
from ifs_bi_core.errors import ConfigError, ExitCode
from ifs_bi_core.singer.plugin import Plugin
from ifs_bi_core.source_counts import SourceCounter
from singer_sdk import Tap
from target_powerbi.command.verbs import powerbi
from target_powerbi.kept import Kept

SUPPLIERS = {"SupplierId": {"type": "string"}, "Rating": {"type": ["number", "null"]}}


@dataclass
class Answer:
    """How a verb ended, and what it wrote."""

    code: int
    out: str
    error: Exception | None

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def table(self, stream: str = "orders") -> dict[str, Any]:
        (found,) = [one for one in self.json["tables"] if one["stream"] == stream]
        return found


@pytest.fixture
def verb(pipe, tmp_path):
    """Call a verb with the pipe's configuration."""

    def call(*args: str, source: bytes = b"", **changes: Any) -> Answer:
        config = {name: value for name, value in (pipe.config | changes).items() if value is not None}
        (tmp_path / "target.json").write_text(json.dumps(config))
        arguments = [*args, "--config", str(tmp_path / "target.json")]
        pipe.world.requests.clear()
        done = CliRunner().invoke(powerbi, arguments, input=source, standalone_mode=False)
        code = getattr(done.exception, "exit_code", done.return_value or 0)
        if done.exception is not None and not hasattr(done.exception, "exit_code"):
            raise done.exception
        return Answer(int(code), done.stdout, done.exception)

    return call


@pytest.fixture
def orders(pipe):
    """The SCHEMA of orders and some of its rows."""

    def lines(*rows: dict[str, Any]) -> bytes:
        return pipe.lines(pipe.schema(), *rows)

    return lines


def writes(pipe):
    """What was asked of Power BI that may change something."""
    return [call for call in pipe.calls() if not call.startswith("GET ") and not call.endswith("/executeQueries")]


def kept_state(pipe):
    """What is kept between runs, in full."""
    kept = Kept(pipe.kept_file())
    try:
        return {
            stream: (found, kept.held(stream), sorted(kept.items(stream))) for stream, found in kept.tables().items()
        }
    finally:
        kept.close()


# plan


def test_a_plan_of_a_first_run_tells_what_is_made_and_pushed_and_makes_and_pushes_nothing(verb, pipe, orders, tmp_path):
    told = verb("plan", "--json", source=orders(pipe.order(1), pipe.order(2), pipe.state(1)))
    assert told.code == ExitCode.DONE
    assert (told.json["dataset_id"], told.json["rows"], told.json["requests"]) == (None, 2, 1)
    assert told.json["problem"] is None
    table = told.table()
    assert (table["change"], table["read"], table["refused"], table["held"]) == ("made", 2, 0, 0)
    assert table["columns"] == 5  # those of the SCHEMA, and the name of the request
    assert not pipe.world.powerbi
    assert not writes(pipe)
    assert not (tmp_path / "kept").exists()


def test_a_plan_leaves_the_kept_rows_and_the_dataset_as_they_are(verb, pipe, orders):
    pipe.feed(pipe.schema(), pipe.order(1, 1), pipe.order(2, 2), pipe.state(1))
    kept, shown = kept_state(pipe), pipe.rows()
    told = verb("plan", "--json", source=orders(pipe.order(1, 10), pipe.order(3, 3), pipe.gone(2)))
    assert told.table()["rewritten"] == 2
    assert not writes(pipe)
    assert (kept_state(pipe), pipe.rows()) == (kept, shown)
    assert [path.name for path in pipe.kept_file().parent.iterdir() if path.name.startswith("plan-")] == []


@pytest.mark.parametrize("write_mode", ["mirror", "signed", "append"])
def test_a_plan_tells_the_very_requests_that_the_run_then_makes(verb, pipe, write_mode):
    first = [pipe.schema(), *(pipe.order(number, number) for number in range(7)), pipe.state(1)]
    second = [
        pipe.schema(properties=dict(pipe.schema()["schema"]["properties"], Buyer={"type": ["string", "null"]})),
        pipe.order(1, 100, Buyer="A"),
        pipe.gone(2),
        pipe.order(8, 8),
        pipe.state(2),
    ]
    for messages in (first, second):
        told = verb("plan", "--json", source=pipe.lines(*messages), write_mode=write_mode, batch_size_rows=3)
        table = told.table()
        pipe.feed(*messages, write_mode=write_mode, batch_size_rows=3)
        posts = pipe.calls("POST", "/rows")
        assert table["requests"] == len(posts)
        assert (table["rewritten"] is not None) == (table["change"] != "made" and bool(pipe.calls("DELETE", "/rows")))
        assert bool(table["new_columns"]) == bool(pipe.calls("PUT"))
    assert table["new_columns"] == ["Buyer"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    write_mode=st.sampled_from(["mirror", "signed", "append"]),
    size=st.integers(1, 4),
    runs=st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3) | st.just(0.00001) | st.none()), max_size=8),
            st.booleans(),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_whatever_comes_the_run_does_what_the_plan_told(verb, pipe, tmp_path, write_mode, size, runs):
    pipe.world.powerbi.clear()
    pipe.config["state_dir"] = str(tmp_path / f"kept-{len(list(tmp_path.iterdir()))}")
    changes = {"write_mode": write_mode, "batch_size_rows": size}
    for version, (rows, refreshes) in enumerate(runs, 1):
        lines = [
            pipe.gone(number) if amount is None else pipe.order(number, amount) | {"version": version}
            for number, amount in rows
        ]
        messages = [pipe.schema(), *lines, *([pipe.activate(version)] if refreshes else [])]
        table = verb("plan", "--json", source=pipe.lines(*messages), **changes).table()
        before = len(pipe.dataset().tables["orders"].rows) if pipe.world.powerbi else 0
        letters = len(pipe.dead())
        pipe.feed(*messages, **changes)
        assert table["requests"] == len(pipe.calls("POST", "/rows"))
        assert table["refused"] == len(pipe.dead()) - letters
        remained = before if table["rewritten"] is None else 0
        came = table["added"] if table["rewritten"] is None else table["rewritten"]
        assert remained + came == len(pipe.dataset().tables["orders"].rows)


def test_the_catalog_of_a_tap_is_enough_to_know_the_tables(verb, pipe, tmp_path):
    catalog = {
        "streams": [
            {
                "tap_stream_id": stream,
                "schema": {"type": "object", "properties": properties},
                "key_properties": keys,
                "metadata": [
                    {"breadcrumb": [], "metadata": {"inclusion": "available", **chosen}},
                    *(
                        {"breadcrumb": ["properties", name], "metadata": {"inclusion": "available"}}
                        for name in properties
                    ),
                    {"breadcrumb": ["properties", "Rating"], "metadata": {"inclusion": "available", "selected": False}},
                ],
            }
            for stream, properties, keys, chosen in (
                ("orders", pipe.schema()["schema"]["properties"], ["OrderNo"], {"selected": False}),
                ("suppliers", SUPPLIERS, ["SupplierId"], {"selected": True}),
            )
        ]
    }
    (tmp_path / "catalog.json").write_text(json.dumps(catalog, indent=2))
    told = verb("plan", "--json", "--input", str(tmp_path / "catalog.json"))
    assert [table["stream"] for table in told.json["tables"]] == ["suppliers"]
    assert told.table("suppliers")["columns"] == 2  # the deselected one is left out
    assert told.json["has_rows"] is False
    for stream in catalog["streams"]:
        stream["metadata"] = []
    told = verb("plan", "--json", source=json.dumps(catalog, indent=2).encode())
    assert [table["stream"] for table in told.json["tables"]] == ["orders", "suppliers"]
    assert told.table("suppliers")["columns"] == 3


def test_a_plan_counts_what_the_limits_make_a_load_last(verb, pipe, orders):
    rows = [pipe.order(number) for number in range(250)]
    told = verb("plan", "--json", source=orders(*rows), batch_size_rows=1)
    assert told.json["requests"] == 250
    assert 110 < told.json["seconds"] < 125  # 120 requests a minute
    assert told.json["left"] == {"rows": 1_000_000, "requests": 120, "requests_this_hour": None}


def test_what_an_earlier_run_sent_is_taken_off_the_limits(verb, pipe, orders):
    pipe.feed(pipe.schema(), *(pipe.order(number) for number in range(5)), batch_size_rows=1)
    left = verb("plan", "--json", source=orders()).json["left"]
    assert left == {"rows": 999_995, "requests": 115, "requests_this_hour": None}


def test_a_plan_finishes_what_an_earlier_run_left_undone(verb, pipe, orders):
    pipe.feed(pipe.schema(), pipe.order(1, 1), pipe.order(2, 2))
    pipe.fault("status", method="POST", path="*/rows", status=400)
    with pytest.raises(Exception, match="400"):
        pipe.feed(pipe.schema(), pipe.order(1, 10), on_row_error="fail")
    assert verb("plan", "--json", source=orders()).table()["rewritten"] == 2


def test_a_stream_that_would_end_the_run_is_told_and_the_others_are_planned(verb, pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    other = dict(pipe.schema()["schema"]["properties"], Lines={"type": "string"})
    told = verb("plan", "--json", source=pipe.lines(pipe.schema(properties=other), pipe.order(1), pipe.order(2)))
    assert told.code == ExitCode.FAILED
    assert "Lines   Int64        String" in told.table()["problem"]
    assert told.json["rows"] == 0
    lacking = pipe.lines(
        pipe.schema("suppliers", SUPPLIERS, ("SupplierId",)), pipe.schema(), pipe.order(2), pipe.order(3)
    )
    told = verb("plan", "--json", source=lacking)
    assert told.code == ExitCode.FAILED
    assert "has no table 'suppliers'" in told.table("suppliers")["problem"]
    assert told.table()["added"] == 2


def test_rows_that_would_be_refused_are_counted_with_their_reason_and_no_letter_is_written(verb, pipe, orders):
    told = verb("plan", "--json", source=orders(pipe.order(1, 0.00001), pipe.order(2)))
    assert (told.table()["refused"], told.table()["added"] + (told.table()["rewritten"] or 0)) == (1, 1)
    assert any("0.00001" in note for note in told.json["notes"])
    assert pipe.dead() == []


def test_a_plan_in_words(verb, pipe, orders):
    told = verb("plan", source=orders(pipe.order(1))).out
    assert "Dataset 'Purchasing' is not there: a run makes it with 1 tables and 0 relationships." in told
    assert "1 rows are pushed in 1 requests, and no limit of Power BI holds them up." in told
    assert "Power BI's limits leave 1,000,000 rows in this hour, 120 requests in this minute." in told
    assert "The input holds no rows" not in told
    assert "The input holds no rows" in verb("plan", source=orders()).out


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (b"", "The input is empty"),
        (b"hello\n", "neither Singer lines nor a catalog"),
        (b'{\n"streams": 3\n}', "neither Singer lines nor a catalog"),
        (b'{"streams": [{"stream": "x"}]}', "no catalog of a tap: KeyError, 'tap_stream_id'"),
    ],
)
@pytest.mark.parametrize("name", ["plan", "create"])
def test_an_input_that_is_none_gets_a_sentence(verb, name, source, sentence):
    told = verb(name, source=source)
    assert told.code == ExitCode.WRONG_CONFIGURATION
    assert sentence in str(told.error)


def test_a_plan_while_a_run_is_going_on_says_so(verb, pipe, orders):
    pipe.feed(pipe.schema(), pipe.order(1))
    running = Kept(pipe.kept_file())
    try:
        told = verb("plan", source=orders())
    finally:
        running.close()
    assert told.code == ExitCode.WRONG_CONFIGURATION
    assert "Another run delivers to this dataset" in str(told.error)


@pytest.mark.parametrize("name", ["plan", "create", "compact", "verify"])
def test_wrong_settings_end_every_verb_with_2(verb, name, orders):
    told = verb(name, source=orders(), dataset_name=None)
    assert told.code == ExitCode.WRONG_CONFIGURATION
    assert "Give one of the settings 'dataset_id'" in str(told.error)


def test_what_ends_the_run_at_its_end_is_told(verb, pipe, orders):
    pipe.feed(pipe.schema(), pipe.order(1))
    many = pipe.lines(pipe.schema(), *(pipe.order(number, "x" * number) for number in range(3)))
    told = verb("plan", source=many, on_row_error="fail")
    assert told.code == ExitCode.FAILED
    assert "A run would end with this: orders: the row OrderNo='0' can't be delivered" in told.out


def test_a_catalog_that_leaves_decimals_out_is_enough_for_a_plan_and_not_for_a_dataset(verb, pipe):
    vague = dict(pipe.schema()["schema"]["properties"], Amount={"type": ["number", "null"]})
    catalog = {"streams": [pipe.schema(properties=vague) | {"tap_stream_id": "orders"}]}
    source = json.dumps(catalog).encode()
    (note,) = verb("plan", "--json", source=source).json["notes"]
    assert "how many decimals orders.Amount have" in note
    told = verb("create", source=source)
    assert told.code == ExitCode.WRONG_CONFIGURATION
    assert "--test=schema" in str(told.error)
    assert not pipe.world.powerbi
    pipe.feed(pipe.schema(), pipe.order(1, 0.5))
    told = verb("plan", "--json", source=source)  # what the column is, is known now
    assert (told.code, told.json["notes"], told.table()["problem"]) == (ExitCode.DONE, [], None)


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


# verify


@pytest.mark.parametrize("write_mode", ["mirror", "signed", "append"])
def test_verify_finds_equal_what_was_delivered(verb, pipe, write_mode):
    pipe.feed(pipe.schema(), *(pipe.order(n, Decimal("0.07") * n, Lines=n) for n in range(40)), write_mode=write_mode)
    pipe.feed(pipe.schema(), pipe.order(1, Decimal("123456789012.34")), pipe.order(99, -5), write_mode=write_mode)
    told = verb("verify", "--json", write_mode=write_mode)
    assert told.code == ExitCode.DONE
    (table,) = told.json
    assert (table["holds"], table["rows_kept"]) == (True, 42 if write_mode == "append" else 41)
    sums = {one["column"]: one["kept"] for one in table["sums"]}
    replaced = Decimal("0.07") if write_mode != "append" else 0
    assert Decimal(sums["Amount"]) == Decimal("123456789012.34") + Decimal("54.60") - 5 - replaced
    assert not writes(pipe)


def test_verify_tells_what_differs_and_ends_with_1(verb, pipe):
    pipe.feed(pipe.schema(), pipe.order(1, Decimal("1.25")), pipe.order(2, 2))
    table = pipe.dataset().tables["orders"]
    table.rows.append(tuple({"OrderNo": "9", "Amount": Decimal("0.01")}.get(name) for name in table.columns))
    told = verb("verify")
    assert told.code == ExitCode.FAILED
    assert "orders (table 'orders'): 2 rows are kept, and Power BI shows 3." in told.out
    assert "the sum of Amount is 3.25 in the kept rows and 3.26 in Power BI." in told.out


def test_verify_where_queries_are_off_says_what_to_switch_on(verb, pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    pipe.world.switches.powerbi_queries = "refuse"
    told = verb("verify")
    assert told.code == ExitCode.FAILED
    assert "'Dataset Execute Queries REST API'" in str(told.error)


def test_verify_of_nothing_is_refused(verb):
    told = verb("verify")
    assert told.code == ExitCode.WRONG_CONFIGURATION
    assert isinstance(told.error, ConfigError)
    assert "Nothing was delivered yet to dataset 'Purchasing' with write_mode mirror" in str(told.error)


# verify, with the source


@pytest.fixture
def at_source(monkeypatch, tmp_path):
    """A source that has as many rows of each stream as is said, and the --source that leads to it."""
    asked: list[str] = []

    def set_up(**rows: Any) -> list[str]:
        def counts(_config: Any, streams: Any) -> dict[str, Any]:
            asked.extend(streams)
            return {stream: rows[stream] for stream in streams}

        counter = SourceCounter("Shop", lambda: TapShop, counts)
        monkeypatch.setattr(source_counts, "COUNTER", counter, raising=False)
        point = EntryPoint("tap-shop", "ifs_bi_core.source_counts:COUNTER", source_counts.SOURCE_COUNTS)
        monkeypatch.setattr(source_counts, "entry_points", lambda **_: [point])
        (tmp_path / "tap.json").write_text("{}")
        return ["--source", str(tmp_path / "tap.json")]

    set_up.asked = asked
    return set_up


class TapShop(Plugin, Tap):
    """Is never started: only its settings are asked for."""

    name = "tap-shop"
    config_jsonschema = {"type": "object", "properties": {}}  # noqa: RUF012 - as the SDK has it


@pytest.mark.parametrize("write_mode", ["mirror", "signed"])
def test_verify_compares_the_rows_with_those_at_the_source(verb, pipe, at_source, write_mode):
    pipe.feed(pipe.schema(), *(pipe.order(number) for number in range(5)), write_mode=write_mode)
    pipe.feed(pipe.schema(), pipe.order(1, 7), pipe.gone(2), write_mode=write_mode)
    told = verb("verify", *at_source(orders=4), write_mode=write_mode)
    assert told.code == ExitCode.DONE
    assert "orders (table 'orders'): Shop has 4 rows, too." in told.out
    told = verb("verify", *at_source(orders=6), write_mode=write_mode)
    assert told.code == ExitCode.FAILED
    assert "4 rows are equal" in told.out
    assert "orders (table 'orders'): Shop has 6 rows, and Power BI shows 4. Rows may have come or gone" in told.out
    told = verb("verify", "--json", *at_source(orders=6), write_mode=write_mode)
    (table,) = told.json
    assert table["source"] == {"system": "Shop", "rows": 6, "why_not": None}
    assert (table["holds"], table["rows_shown"]) == (False, 4)


def test_what_can_not_be_counted_is_said_and_is_no_difference(verb, pipe, at_source):
    pipe.feed(pipe.schema(), pipe.order(1))
    told = verb("verify", *at_source(orders="it is not granted."))
    assert told.code == ExitCode.DONE
    assert "orders (table 'orders'): not compared with Shop: it is not granted." in told.out


def test_versions_rows_without_keys_and_filtered_rows_are_not_compared_with_the_source(verb, pipe, at_source):
    versions = {"write_mode": "append", "dataset_name": "Versions"}
    pipe.feed(pipe.schema(), pipe.order(1), **versions)
    told = verb("verify", *at_source(), **versions)
    assert told.code == ExitCode.DONE
    assert "not compared with Shop: in write_mode append every version of a row is a row." in told.out
    pipe.feed(pipe.schema(), pipe.order(1), pipe.schema("events", keys=()), pipe.record({"OrderNo": "1"}, "events"))
    told = verb("verify", *at_source(orders=1))
    assert told.code == ExitCode.DONE
    assert "events (table 'events'): not compared with Shop: it has no key" in told.out
    maps = {"stream_maps": {"orders": {"__filter__": "Lines > 1"}}}
    assert "stream_maps filter its rows" in verb("verify", *at_source(), **maps).out
    assert at_source.asked == ["orders"]


def test_verify_without_a_source_asks_none(verb, pipe, at_source):
    pipe.feed(pipe.schema(), pipe.order(1))
    at_source(orders=1)
    assert verb("verify").code == ExitCode.DONE
    assert at_source.asked == []


def test_kept_rows_are_compared_with_the_source_where_power_bi_can_not_tell(verb, pipe, at_source):
    pipe.feed(pipe.schema(), pipe.order(1))
    pipe.fault("status", status=400, method="POST", path="*/executeQueries")
    told = verb("verify", *at_source(orders=3))
    assert told.code == ExitCode.FAILED
    assert "Shop has 3 rows, and 1 are kept." in told.out


# mirroring


def test_a_landing_zone_needs_no_plan_and_the_other_verbs_say_why_they_are_not_for_it(verb, orders, tmp_path):
    changes = {"destination": "fabric_mirroring", "landing_zone_url": (tmp_path / "zone").as_uri()}
    told = verb("plan", source=orders(), **changes)
    assert told.code == ExitCode.DONE
    assert "need not be made ahead" in told.out
    for name in ("create", "compact", "verify"):
        told = verb(name, source=orders(), **changes)
        assert told.code == ExitCode.WRONG_CONFIGURATION
        assert "The setting 'destination' is fabric_mirroring." in str(told.error)


# The command itself


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
