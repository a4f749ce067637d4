"""`ifs-bi powerbi plan` against the sandbox: what it tells beforehand is what the run then does."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ExitCode
from powerbi_verbs import SUPPLIERS, kept_state, writes
from target_powerbi.kept import Kept


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
