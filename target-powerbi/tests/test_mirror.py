"""`mirror`: the tables show the present state, one row a key."""

from __future__ import annotations

import logging
from datetime import datetime
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError, ExitCode, RowRejectedError


def numbers(pipe, *amounts) -> list[dict]:
    """One order each, numbered from 1."""
    return [pipe.order(number, amount) for number, amount in enumerate(amounts, 1)]


def test_a_first_run_makes_the_dataset_with_all_tables_and_fills_it(pipe):
    lines = {"LineNo": {"type": "integer"}, "Open": {"type": "boolean"}}
    out = pipe.feed(
        pipe.schema(),
        pipe.order(1, Decimal("12345678901234.56"), Ordered="2026-11-20", Lines=3),
        pipe.schema("lines", lines, ("LineNo",)),
        pipe.record({"LineNo": 1, "Open": True}, "lines"),
        pipe.state(1),
    )
    assert pipe.rows() == [
        {
            "OrderNo": "1",
            "Amount": Decimal("12345678901234.56"),
            "Ordered": datetime(2026, 11, 20),  # noqa: DTZ001 - a DateTime column knows no zone
            "Lines": 3,
        }
    ]
    assert pipe.rows("lines") == [{"LineNo": 1, "Open": True}]
    assert pipe.dataset().name == "Purchasing"
    assert pipe.dataset().retention == "None"
    assert out == '{"bookmark":1}\n'


def test_the_same_stream_twice_sends_no_row_the_second_time(pipe):
    messages = [pipe.schema(), *numbers(pipe, 1, 2, Decimal("3.50")), pipe.state(1)]
    pipe.feed(*messages)
    assert pipe.feed(*messages) == '{"bookmark":1}\n'
    assert pipe.calls() == ["GET datasets", f"GET datasets/{pipe.dataset().id}/tables"]
    assert len(pipe.amounts()) == 3


def test_new_rows_are_appended_without_emptying_the_table(pipe):
    pipe.feed(pipe.schema(), *numbers(pipe, 1, 2))
    pipe.feed(pipe.schema(), pipe.order(3), pipe.order(4), batch_size_rows=1)
    assert len(pipe.calls("POST", "/rows")) == 2
    assert not pipe.calls("DELETE")
    assert pipe.amounts().keys() == {"1", "2", "3", "4"}


def test_updates_and_deletes_are_shown_by_one_rewrite_at_the_end(pipe):
    pipe.feed(pipe.schema(), *numbers(pipe, 1, 2, 3))
    pipe.feed(pipe.schema(), pipe.order(2, 20), pipe.gone(3), pipe.order(4, 4), pipe.order(1, 10), batch_size_rows=2)
    assert pipe.amounts() == {"1": 10, "2": 20, "4": 4}
    assert len(pipe.calls("DELETE", "/rows")) == 1


def test_a_table_that_nothing_happened_to_is_not_touched(pipe):
    pipe.feed(pipe.schema(), pipe.order(1), pipe.schema("lines"), pipe.record({"OrderNo": "1"}, "lines"))
    pipe.feed(pipe.schema(), pipe.order(1, 5), pipe.schema("lines"), pipe.record({"OrderNo": "1"}, "lines"))
    assert not [call for call in pipe.calls() if "tables/lines/" in call]


def test_a_key_that_was_gone_may_come_again(pipe):
    pipe.feed(pipe.schema(), pipe.order(1), pipe.order(2))
    pipe.feed(pipe.schema(), pipe.gone(1))
    assert pipe.amounts().keys() == {"2"}
    pipe.feed(pipe.schema(), pipe.order(1, 7))
    assert pipe.amounts() == {"1": 7, "2": 1}


def test_the_deletion_of_a_row_that_was_never_there_is_nothing(pipe):
    pipe.feed(pipe.schema(), pipe.order(1))
    pipe.feed(pipe.schema(), pipe.gone(9))
    assert not pipe.calls("DELETE")


def test_an_older_version_never_replaces_a_newer_one(pipe):
    properties = {
        "OrderNo": {"type": "string"},
        "Amount": {"type": "integer"},
        "_ifs_row_version": {"type": "string", "format": "date-time"},
    }
    pipe.feed(pipe.schema(properties=properties), pipe.order(1, 2, _ifs_row_version="2026-11-20T12:00:00.000000Z"))
    pipe.feed(pipe.schema(properties=properties), pipe.order(1, 1, _ifs_row_version="2026-11-20T11:00:00.000000Z"))
    assert pipe.amounts() == {"1": 2}
    pipe.feed(pipe.schema(properties=properties), pipe.order(1, 3, _ifs_row_version="2026-11-20T13:00:00.000000Z"))
    assert pipe.amounts() == {"1": 3}


def test_a_full_refresh_takes_out_what_it_did_not_bring(pipe):
    def refresh(version, *orders):
        rows = [pipe.order(number) | {"version": version} for number in orders]
        return pipe.feed(pipe.schema(), *rows, pipe.activate(version), pipe.state(version))

    refresh(1, 1, 2, 3)
    assert not pipe.calls("GET", "executeQueries")
    refresh(2, 1, 2, 3)
    assert not pipe.calls("POST", "/rows")
    refresh(3, 1, 3, 4)
    assert pipe.amounts().keys() == {"1", "3", "4"}
    assert len(pipe.calls("DELETE")) == 1


def test_a_version_that_is_activated_before_its_rows_empties_nothing_in_between(pipe):
    pipe.feed(pipe.schema(), pipe.order(1) | {"version": 1}, pipe.activate(1))
    pipe.feed(pipe.schema(), pipe.activate(2), pipe.order(1) | {"version": 2})
    assert not pipe.calls("DELETE")
    assert pipe.amounts().keys() == {"1"}


def test_a_row_without_a_version_that_comes_behind_a_full_refresh_stays(pipe):
    pipe.feed(pipe.schema(), pipe.order(1) | {"version": 1}, pipe.activate(2), pipe.order(2), pipe.state(1))
    assert pipe.amounts().keys() == {"2"}


def test_such_a_row_stays_though_the_schema_has_got_a_column_meanwhile(pipe):
    wider = pipe.schema(properties={**pipe.schema()["schema"]["properties"], "Note": {"type": ["string", "null"]}})
    pipe.feed(pipe.schema(), pipe.order(1) | {"version": 1}, pipe.activate(2), wider, pipe.order(2), pipe.state(1))
    assert pipe.amounts().keys() == {"2"}


def test_rows_without_a_version_go_when_a_version_is_activated(pipe):
    pipe.feed(pipe.schema(), pipe.order(1), pipe.order(2))
    pipe.feed(pipe.schema(), pipe.order(2) | {"version": 5}, pipe.activate(5))
    assert pipe.amounts().keys() == {"2"}


def test_a_stream_without_a_key_is_appended_to(pipe):
    notes = pipe.schema("notes", {"Text": {"type": "string"}}, ())
    pipe.feed(notes, pipe.record({"Text": "a"}, "notes"), pipe.record({"Text": "b"}, "notes"))
    pipe.feed(notes, pipe.record({"Text": "a"}, "notes"))
    assert [row["Text"] for row in pipe.rows("notes")] == ["a", "a", "b"]
    pipe.feed(notes, pipe.record({"Text": "c"}, "notes", 7), pipe.activate(7, "notes"))
    assert [row["Text"] for row in pipe.rows("notes")] == ["c"]
    gone = pipe.record({"Text": "c", "_sdc_deleted_at": "2026-11-20T12:00:00Z"}, "notes")
    with pytest.raises(RowRejectedError, match="without a key nobody knows which row"):
        pipe.feed(notes, gone, on_row_error="fail")


def unfit(pipe) -> list[dict]:
    """An order, one that no Decimal can hold, and a state."""
    return [pipe.order(1), pipe.order(2, Decimal("0.00001")), pipe.state(1)]


def test_a_row_that_can_not_be_delivered_stops_the_run_with_its_sentence_where_that_is_wanted(pipe):
    with pytest.raises(RowRejectedError) as refused:
        pipe.feed(pipe.schema(), *unfit(pipe), on_row_error="fail")
    assert str(refused.value) == (
        "orders: the row OrderNo='2' can't be delivered: Amount is 0.00001, and a Decimal in Power BI has 28 digits, 4 of them "
        "decimals: choose tables.orders.columns.Amount.type: String (every digit) or Double (rounds). Mend it at the source or "
        "leave the column out; the state was not moved past it."
    )
    assert pipe.out == ""
    assert pipe.dead() == []


def test_a_row_that_can_not_be_delivered_is_a_dead_letter_and_the_others_arrive_before_state(pipe):
    assert pipe.feed(pipe.schema(), *unfit(pipe)) == '{"bookmark":1}\n'
    assert pipe.code == ExitCode.DEAD_LETTERS
    assert pipe.amounts() == {"1": 1}
    [(key, reason)] = pipe.dead()
    assert key == '{"OrderNo":"2"}'
    assert reason.startswith("Amount is 0.00001, and a Decimal in Power BI has 28 digits, 4 of them decimals")


def test_strings_are_cut_only_when_told_so_and_the_end_says_how_many(pipe, caplog):
    texts = pipe.schema("texts", {"Id": {"type": "integer"}, "Text": {"type": "string"}}, ("Id",))
    long = pipe.record({"Id": 1, "Text": "x" * 4001}, "texts")
    with pytest.raises(RowRejectedError, match="switch truncate_strings on"):
        pipe.feed(texts, long, on_row_error="fail")
    pipe.feed(texts, long, truncate_strings=True)
    assert len(pipe.rows("texts")[0]["Text"]) == 4000
    assert "texts: 1 strings were cut to what Power BI holds." in caplog.text


def test_unknown_properties_of_rows_are_told_once(pipe, caplog):
    pipe.feed(pipe.schema(), pipe.order(1, Surprise=1), pipe.order(2, Surprise=1), batch_size_rows=1)
    assert caplog.text.count("properties that the SCHEMA does not name, and that have no column: Surprise.") == 1


def test_metadata_columns_do_not_make_rows_look_changed(pipe):
    messages = [pipe.schema(), pipe.order(1)]
    pipe.feed(*messages, add_record_metadata=True)
    pipe.feed(*messages, add_record_metadata=True)
    assert not pipe.calls("POST", "/rows")
    assert "_sdc_received_at" not in pipe.dataset().tables["orders"].columns


def test_columns_go_by_their_chosen_names_and_measures_are_sent(pipe):
    chosen = {
        "orders": {
            "table": "Purchase orders",
            "columns": {"OrderNo": {"name": "Order no"}, "Lines": {"drop": True}},
            "measures": {"Total": "1"},
        }
    }
    pipe.feed(pipe.schema(), pipe.order(1, Lines=3), tables=chosen)
    assert pipe.rows("Purchase orders") == [{"Order no": "1", "Amount": 1}]
    assert pipe.dataset().tables["Purchase orders"].measures.keys() == {"Total"}


def test_a_key_needs_no_column(pipe):
    keyless = {"orders": {"columns": {"OrderNo": {"drop": True}}}}
    pipe.feed(pipe.schema(), *numbers(pipe, 1, 2), tables=keyless)
    pipe.feed(pipe.schema(), pipe.order(2, 5), pipe.gone(1), tables=keyless)
    assert pipe.rows() == [{"Amount": 5}]


def test_misspelt_columns_of_the_setting_are_told(pipe, caplog):
    pipe.feed(pipe.schema(), tables={"orders": {"columns": {"OrdrNo": {"drop": True}}}})
    assert "tables.orders names properties it does not have: OrdrNo." in caplog.text


def test_a_run_without_input_is_a_run(pipe):
    assert pipe.feed() == ""
    assert pipe.feed(pipe.state(3)) == '{"bookmark":3}\n'
    assert not pipe.world.powerbi


def test_two_runs_at_a_time_are_refused(pipe):
    first = pipe.target()
    assert first.run
    with pytest.raises(
        ConfigError, match=r"Another run delivers to this dataset: it holds .*\.db\. Start this one when"
    ):
        pipe.feed(pipe.schema())
    first.close()
    pipe.feed(pipe.schema())


def test_a_schema_that_grows_in_the_middle_of_a_run_is_followed(pipe):
    wider = {
        "OrderNo": {"type": "string"},
        "Amount": {"type": "number", "multipleOf": 0.01},
        "Extra": {"type": "boolean"},
    }
    narrow = {name: wider[name] for name in ("OrderNo", "Amount")}
    for _ in range(2):
        pipe.feed(
            pipe.schema(properties=narrow), pipe.order(1), pipe.schema(properties=wider), pipe.order(2, 2, Extra=True)
        )
        assert pipe.rows() == [{"OrderNo": "1", "Amount": 1}, {"OrderNo": "2", "Amount": 2, "Extra": True}]
        pipe.world.powerbi.clear()
        pipe.kept_file().unlink()


def test_progress_is_told(pipe, caplog):
    with caplog.at_level(logging.INFO):
        pipe.feed(pipe.schema(), pipe.order(1))
    assert "Making dataset 'Purchasing' with 1 tables" in caplog.text
    assert "orders: writing all 1 rows of table 'orders'." in caplog.text


STEP = st.lists(
    st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 2)),  # key, and its amount or that it is gone
    max_size=8,
)
NAMES = count()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=1, max_size=4), st.integers(1, 3))
def test_after_every_run_the_table_is_the_source(pipe, runs, batch_size):
    pipe.world.powerbi.clear()
    pipe.config["dataset_name"] = f"Purchasing {next(NAMES)}"
    source: dict[str, int] = {}
    for run in runs:
        for key, amount in run:
            if amount is None:
                source.pop(key, None)
            else:
                source[key] = amount
        said = [pipe.gone(key) if amount is None else pipe.order(key, amount) for key, amount in run]
        pipe.feed(pipe.schema(), *said, batch_size_rows=batch_size)
        assert pipe.amounts() == source
