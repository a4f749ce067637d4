"""What a landing zone has to look like, and the tables that it becomes."""

from __future__ import annotations

import json
import logging
from datetime import date
from decimal import Decimal

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from ifs_bi_core.cli import ifs_bi
from ifs_bi_core.errors import ConfigError, ContractBrokenError, ExitCode, RowRejectedError

VERSION = "_ifs_row_version"


def test_a_first_run_writes_a_file_without_markers_beside_the_metadata(mirror):
    states = mirror.feed(
        mirror.schema(), mirror.order(1, Decimal("12345678901234.56")), mirror.order(2), mirror.state(1)
    )
    assert json.loads((mirror.zone / "orders/_metadata.json").read_text()) == {"keyColumns": ["OrderNo"]}
    assert sorted(path.name for path in (mirror.zone / "orders").iterdir()) == [f"{1:020}.parquet", "_metadata.json"]
    assert [list(row) for row in mirror.file(1)] == [["OrderNo", "Amount", "Note", VERSION]] * 2
    assert mirror.apply().partner["partnerName"] == "ifs-bi"
    assert mirror.apply().partner["sourceInfo"]["sourceType"] == "IFS Cloud"
    assert mirror.rows() == [("1", Decimal("12345678901234.56"), None, None), ("2", Decimal("1.00"), None, None)]
    assert states == [{"bookmark": 1}]
    mirror.check_ledger()


def test_updates_and_deletes_carry_a_marker_in_the_last_column(mirror):
    mirror.feed(mirror.schema(), mirror.order(1), mirror.order(2), mirror.order(3))
    mirror.feed(mirror.schema(), mirror.order(1, 10), mirror.gone(2), mirror.order(4))
    assert [(row["OrderNo"], row["__rowMarker__"]) for row in mirror.file(2)] == [("1", 4), ("2", 2), ("4", 4)]
    schema = pq.read_schema(mirror.zone / f"orders/{2:020}.parquet")
    assert schema.names[-1] == "__rowMarker__"
    assert str(schema.field("__rowMarker__").type) == "int32"
    assert mirror.amounts() == {"1": 10, "3": 1, "4": 1}


def test_files_that_only_add_go_without_markers_until_the_first_change_and_never_again(mirror):
    mirror.feed(mirror.schema(), mirror.order(1))
    mirror.feed(mirror.schema(), mirror.order(2))
    mirror.feed(mirror.schema(), mirror.order(2, 5))
    mirror.feed(mirror.schema(), mirror.order(3))
    assert ["__rowMarker__" in mirror.file(number)[0] for number in (1, 2, 3, 4)] == [False, False, True, True]
    assert mirror.amounts() == {"1": 1, "2": 5, "3": 1}


def test_numbers_go_on_where_fabric_has_removed_all_files_but_the_last(mirror):
    for number in range(1, 4):
        mirror.feed(mirror.schema(), mirror.order(number))
        mirror.apply()
    assert mirror.files() == [3]
    mirror.feed(mirror.schema(), mirror.order(4))
    assert mirror.files() == [3, 4]
    assert mirror.amounts().keys() == {"1", "2", "3", "4"}


def test_fabric_s_own_folders_are_left_alone_and_what_a_killed_run_left_half_done_is_removed(mirror):
    mirror.feed(mirror.schema(), mirror.order(1))
    theirs = mirror.zone / "orders/_ProcessedFiles"
    theirs.mkdir()
    half = mirror.zone / f"orders/_{2:020}.parquet.tmp"
    half.write_bytes(b"PAR1")
    mirror.feed(mirror.schema(), mirror.order(2))
    assert theirs.is_dir()
    assert not half.exists()


def test_the_same_stream_twice_writes_no_file_the_second_time(mirror):
    messages = [
        mirror.schema(),
        *(mirror.order(number, Decimal("1.50"), Note="ä") for number in range(5)),
        mirror.state(1),
    ]
    mirror.feed(*messages)
    assert mirror.feed(*messages, add_record_metadata=True) == [{"bookmark": 1}]
    assert mirror.files() == [1]


def test_a_batch_is_a_file_and_a_key_that_comes_twice_in_it_is_written_once(mirror):
    rows = [
        mirror.order(1, 1),
        mirror.order(2, 2),
        mirror.order(1, 3),
        mirror.gone(2),
        mirror.order(3),
        mirror.order(4),
    ]
    mirror.feed(mirror.schema(), *rows, batch_size_rows=4)
    assert mirror.files() == [1, 2]
    assert mirror.amounts() == {"1": 3, "3": 1, "4": 1}


def test_a_key_that_was_gone_may_come_again(mirror):
    mirror.feed(mirror.schema(), mirror.order(1))
    mirror.feed(mirror.schema(), mirror.gone(1))
    assert mirror.amounts() == {}
    mirror.feed(mirror.schema(), mirror.order(1, 7))
    assert mirror.amounts() == {"1": 7}


def test_the_deletion_of_a_row_that_was_never_there_writes_nothing(mirror):
    mirror.feed(mirror.schema(), mirror.order(1))
    mirror.feed(mirror.schema(), mirror.gone(9))
    assert mirror.files() == [1]


def test_an_older_version_never_replaces_a_newer_one(mirror, caplog):
    def at(hour, amount):
        return mirror.order(1, amount, **{VERSION: f"2026-11-20T{hour}:00:00.000000Z"})

    mirror.feed(mirror.schema(), at(12, 2))
    with caplog.at_level(logging.INFO):
        mirror.feed(mirror.schema(), at(11, 1))
    assert "orders: 1 rows were older than what is delivered, and left aside." in caplog.text
    assert mirror.amounts() == {"1": 2}
    mirror.feed(mirror.schema(), mirror.gone(1, **{VERSION: "2026-11-20T11:30:00.000000Z"}))
    assert mirror.amounts() == {"1": 2}
    mirror.feed(mirror.schema(), at(13, 3))
    assert mirror.amounts() == {"1": 3}


def test_values_arrive_as_they_left(mirror):
    properties = {
        "Id": {"type": "integer"},
        "Day": {"type": "string", "format": "date"},
        "At": {"type": "string", "format": "date-time"},
        "Open": {"type": "boolean"},
        "Lines": {"type": "array"},
        "Rate": {"type": "number"},
    }
    row = {
        "Id": 2**63 - 1,
        "Day": "0001-01-01",
        "At": "2026-11-20T12:00:00.123456+02:00",
        "Open": False,
        "Lines": [{"No": 1, "Sum": Decimal("1.10")}],
        "Rate": Decimal("0.000000000000000001"),
    }
    mirror.feed(mirror.schema("lines", properties, ("Id",)), mirror.record(row, "lines"))
    columns = '"Id", "Day", epoch_us("At"), "Open", "Lines", "Rate"'
    assert mirror.rows("lines", columns) == [
        (
            2**63 - 1,
            date(1, 1, 1),
            1795168800_123456,  # 10:00 in UTC
            False,
            '[{"No":1,"Sum":1.10}]',
            Decimal("0.000000000000000001"),
        )
    ]


def test_bad_rows_become_dead_letters_and_the_others_of_their_batch_arrive(mirror):
    properties = {
        "OrderNo": {"type": "string"},
        "Amount": {"type": "number", "multipleOf": 0.01, "precision": 6, "scale": 2},
        "Ordered": {"type": "string", "format": "date"},
        "Note": {"type": "string"},
    }
    bad = {
        "decimals": {"Amount": Decimal("1.001")},
        "digits": {"Amount": Decimal(12345)},
        "type": {"Amount": "much"},
        "day": {"Ordered": "2026-02-30"},
        "long": {"Note": "x" * 32765},
    }
    rows = [mirror.record({"OrderNo": name, **values}) for name, values in bad.items()]
    mirror.feed(
        mirror.schema(properties=properties),
        mirror.order("first"),
        *rows,
        mirror.record({"Amount": 1}),
        mirror.order("last"),
        mirror.state(1),
        validate_records=False,
    )
    assert mirror.code == ExitCode.DEAD_LETTERS
    assert mirror.amounts() == {"first": 1, "last": 1}
    reasons = dict(mirror.dead())
    assert len(mirror.dead()) == len(bad) + 1
    for name, reason in {
        "decimals": "Amount can't be held as DECIMAL(6,2): 1.001 has more than 2 decimals",
        "digits": "Amount can't be held as DECIMAL(6,2): 12345 has more than 4 digits before the point",
        "type": "Amount can't be held as DECIMAL(6,2): 'much' is no number",
        "day": "Ordered can't be held as DATE: '2026-02-30' is no day of the calendar (day is out of range for month)",
        "long": "Note has 32,765 characters, and a string of a mirrored table holds 32,764: switch truncate_strings on, or "
        "leave the column out with tables.orders.columns.Note.drop: true",
    }.items():
        assert reasons[f'{{"OrderNo":"{name}"}}'] == reason
    mirror.check_ledger()


def test_a_dead_letter_that_is_replayed_arrives_and_is_done(mirror):
    long = mirror.order(2, 2, Note="x" * 40000)
    mirror.feed(mirror.schema(), mirror.order(1), long, mirror.state(1))
    assert mirror.amounts() == {"1": 1}
    for arrived in ({"1": 1, "2": 2}, {"1": 1, "2": 2}):
        said = CliRunner().invoke(ifs_bi, ["replay", "--state-dir", str(mirror.state_dir)])
        mirror.feed(*map(json.loads, said.stdout.splitlines()), truncate_strings=True)
        assert mirror.amounts() == arrived
        assert mirror.code == ExitCode.DONE
    assert mirror.files() == [1, 2] or mirror.files() == [2]
    mirror.check_ledger()


def test_a_bad_row_ends_the_run_where_that_is_wanted(mirror):
    with pytest.raises(RowRejectedError, match=r"orders: the row OrderNo='2' can't be delivered: Amount can't be held"):
        mirror.feed(
            mirror.schema(),
            mirror.order(1),
            mirror.order(2, Decimal("0.001")),
            on_row_error="fail",
            validate_records=False,
        )
    assert mirror.files() == []


def test_long_strings_are_cut_only_when_told_so_and_by_units_of_utf_16(mirror, caplog):
    properties = {"Id": {"type": "integer"}, "Text": {"type": "string"}, "Tree": {"type": "object"}}
    texts = mirror.schema("texts", properties, ("Id",))
    rows = [
        mirror.record({"Id": number, "Text": text}, "texts")
        for number, text in enumerate(("x" * 32764, "€" * 32764, "x" * 40000, "x" + "😀" * 20000))
    ]
    tree = mirror.record({"Id": 9, "Tree": {"a": "x" * 32764}}, "texts")
    mirror.feed(texts, *rows, tree, truncate_strings=True)
    assert mirror.rows("texts", 'length("Text")') == [(16382,), (32764,), (32764,), (32764,)]
    assert "texts: 2 strings were cut to 32,764 characters." in caplog.text
    [(key, reason)] = mirror.dead()
    assert key == '{"Id":"9"}'
    assert reason.endswith(
        "a part of a JSON text is none: leave the column out with tables.texts.columns.Tree.drop: true"
    )
    mirror.feed(texts, *rows, truncate_strings=True)
    assert mirror.files("texts") == [1]


def test_a_key_is_never_cut(mirror):
    mirror.feed(mirror.schema(), mirror.order("x" * 40000), truncate_strings=True)
    [(_, reason)] = mirror.dead()
    assert reason.endswith("holds 32,764: a key is never cut")


def test_a_refresh_removes_what_it_did_not_bring(mirror):
    def refresh(version, *orders):
        rows = [mirror.order(number, 1, version) for number in orders]
        mirror.feed(mirror.schema(), *rows, mirror.activate(version), mirror.state(version), batch_size_rows=2)

    refresh(1, 1, 2, 3)
    refresh(2, 1, 2, 3)
    assert mirror.files() == [1, 2]
    refresh(3, 1, 3, 4)
    assert mirror.amounts().keys() == {"1", "3", "4"}
    refresh(4)
    assert mirror.amounts() == {}
    refresh(5, 2)
    assert mirror.amounts().keys() == {"2"}


def test_a_version_that_is_announced_before_its_rows_removes_nothing_until_they_have_come(mirror):
    mirror.feed(mirror.schema(), mirror.order(1, 1, 1), mirror.order(2, 1, 1), mirror.activate(1))
    wider = mirror.schema(properties=mirror.schema()["schema"]["properties"] | {"Extra": {"type": "boolean"}})
    mirror.feed(
        mirror.schema(), mirror.activate(2), mirror.order(1, 1, 2), wider, mirror.order(3, 1, 2), mirror.activate(2)
    )
    assert mirror.amounts().keys() == {"1", "3"}
    mirror.feed(wider, mirror.activate(3), mirror.order(3, 1, 3), mirror.schema())
    assert mirror.amounts().keys() == {"3"}


def test_columns_that_are_added_come_last_and_those_that_are_lost_stay_as_blanks(mirror):
    first = {"OrderNo": {"type": "string"}, "Amount": {"type": "integer"}, "Old": {"type": "string"}}
    later = {"New": {"type": "boolean"}, "Amount": {"type": "integer"}, "OrderNo": {"type": "string"}}
    mirror.feed(mirror.schema(properties=first), mirror.order(1, 1, Old="a"), mirror.order(2, 2))
    mirror.feed(mirror.schema(properties=later), mirror.order(1, 1), mirror.order(2, 2), mirror.order(3, 3, New=True))
    assert [row["OrderNo"] for row in mirror.file(2)] == ["1", "3"]  # the second is the row that it was
    assert mirror.rows(columns='"OrderNo", "Amount", "Old", "New"') == [
        ("1", 1, None, None),
        ("2", 2, None, None),
        ("3", 3, None, True),
    ]


@pytest.mark.parametrize(
    ("properties", "keys", "line"),
    [
        (
            {"OrderNo": {"type": "string"}, "Amount": {"type": "string"}},
            ("OrderNo",),
            "column Amount: was Amount DECIMAL(18,2), is now Amount VARCHAR",
        ),
        (
            {"OrderNo": {"type": "string"}, "Amount": {"type": "integer"}},
            ("OrderNo", "Amount"),
            "key: was OrderNo, is now OrderNo, Amount",
        ),
        ({"OrderNo": {"type": "string"}, "Amount": {"type": "integer"}}, (), "key: was OrderNo, is now none"),
    ],
)
def test_a_type_or_key_that_changed_stops_the_stream_until_the_table_may_be_made_anew(mirror, properties, keys, line):
    mirror.feed(mirror.schema(), mirror.order(1), mirror.order(2))
    mirror.apply()
    changed = mirror.schema(properties=properties, keys=keys)
    row = mirror.order(3, "5" if properties["Amount"]["type"] == "string" else 5)
    with pytest.raises(ContractBrokenError) as broken:
        mirror.feed(changed, row)
    assert "orders: the table 'orders' of the mirrored database can't change like this:\n" in str(broken.value)
    assert f"\n  {line}\n" in str(broken.value)
    assert "run once with the tap's full refresh and replace_unknown_rows: true" in str(broken.value)
    assert mirror.amounts().keys() == {"1", "2"}
    mirror.feed(changed, row, replace_unknown_rows=True)
    assert mirror.files() == [1]
    assert mirror.rows(columns='"OrderNo"') == [("3",)]
    mirror.feed(changed, row)
    assert mirror.files() == ([1] if keys else [1, 2])


def test_a_table_is_made_anew_once_in_a_run(mirror):
    changed = mirror.schema(properties={"OrderNo": {"type": "string"}, "Amount": {"type": "string"}})
    mirror.feed(mirror.schema(), mirror.order(1))
    with pytest.raises(ContractBrokenError, match="can't change like this"):
        mirror.feed(changed, mirror.order(1, "1"), mirror.schema(), mirror.order(1), replace_unknown_rows=True)


def test_a_schema_that_grows_in_the_middle_of_a_run_is_followed(mirror):
    wider = mirror.schema()["schema"]["properties"] | {"Extra": {"type": "boolean"}}
    mirror.feed(mirror.schema(), mirror.order(1), mirror.schema(properties=wider), mirror.order(2, 2, Extra=True))
    assert mirror.files() == [1, 2]
    assert mirror.rows(columns='"OrderNo", "Extra"') == [("1", None), ("2", True)]


def test_rows_without_a_key_are_numbered_and_a_refresh_takes_the_old_ones_out(mirror):
    notes = mirror.schema("notes", {"Text": {"type": "string"}}, ())

    def texts():
        return [text for (text,) in mirror.rows("notes", '"Text"')]

    mirror.feed(notes, *(mirror.record({"Text": text}, "notes", 1) for text in "aab"), mirror.activate(1, "notes"))
    mirror.feed(notes, mirror.record({"Text": "a"}, "notes", 1))
    assert texts() == ["a", "a", "a", "b"]
    mirror.feed(notes, *(mirror.record({"Text": "z"}, "notes", 1) for _ in range(9)), batch_size_rows=4)
    mirror.feed(notes)
    assert texts() == ["a", "a", "a", "b", *"z" * 9]
    assert mirror.rows("notes", "_ifs_row_number") == [(number,) for number in range(1, 14)]
    mirror.feed(notes, mirror.record({"Text": "c"}, "notes", 7), mirror.activate(7, "notes"), mirror.state(1))
    assert texts() == ["c"]
    gone = mirror.record({"Text": "c", "_sdc_deleted_at": "2026-11-20T12:00:00Z"}, "notes")
    with pytest.raises(RowRejectedError, match="without a key nobody knows which row"):
        mirror.feed(notes, gone, on_row_error="fail")
    mirror.check_ledger()


def test_rows_without_a_key_of_a_run_whose_state_never_left_are_taken_out_before_they_come_again(mirror):
    notes = mirror.schema("notes", {"Text": {"type": "string"}}, ())
    rows = [mirror.record({"Text": text}, "notes") for text in "ab"]
    mirror.feed(notes, rows[0], mirror.state(1))
    with pytest.raises(RowRejectedError):
        mirror.feed(
            notes, rows[1], mirror.record({"Text": 1}, "notes"), mirror.state(2), batch_size_rows=1, on_row_error="fail"
        )
    assert mirror.files("notes") == [1, 2]
    mirror.feed(notes, rows[1], mirror.state(2))
    assert mirror.rows("notes", '"Text"') == [("a",), ("b",)]
    mirror.check_ledger()


def test_names_lose_what_a_delta_table_forbids(mirror):
    properties = {"Order No": {"type": "string"}, "a=b;c": {"type": "integer"}}
    mirror.feed(
        mirror.schema("_public.orders", properties, ("Order No",)),
        mirror.record({"Order No": "1", "a=b;c": 1}, "_public.orders"),
    )
    assert mirror.rows("public_orders", '"Order_No", "a_b_c"') == [("1", 1)]


def test_names_and_columns_can_be_chosen_and_what_a_mirrored_table_has_not_is_told(mirror, caplog):
    chosen = {
        "orders": {
            "table": "Purchase orders",
            "columns": {
                "OrderNo": {"name": "No"},
                "Note": {"drop": True},
                "Amount": {"format": "0.00"},
                "X": {"drop": True},
            },
            "measures": {"Total": "1"},
        }
    }
    mirror.feed(mirror.schema(), mirror.order(1, Note="x", Surprise=1), tables=chosen)
    assert mirror.rows("Purchase orders", '"No", "Amount"') == [("1", Decimal("1.00"))]
    assert "tables.orders: a mirrored table has no format, measures; that is left aside." in caplog.text
    assert "The setting tables.orders names properties it does not have: X." in caplog.text
    assert "properties that the SCHEMA does not name, and that have no column: Surprise." in caplog.text


@pytest.mark.parametrize(
    ("properties", "choice", "sentence"),
    [
        ({"a b": {}, "a_b": {}}, {}, "a_b and a b would be the same column 'a_b'"),
        (
            {"x": {}},
            {"columns": {"x": {"name": "__ROWMARKER__"}}},
            "x and the marker of open mirroring would be the same",
        ),
        ({}, {"columns": {"OrderNo": {"drop": True}}}, "leaves out OrderNo, which identifies a row"),
        ({}, {"table": "_ _"}, "no table can have this name"),
    ],
)
def test_names_that_can_not_be_are_told(mirror, properties, choice, sentence):
    with pytest.raises(ConfigError, match=sentence):
        mirror.feed(mirror.schema(properties={"OrderNo": {"type": "string"}} | properties), tables={"orders": choice})


def test_two_streams_of_one_table_are_refused(mirror):
    with pytest.raises(ContractBrokenError, match="The streams orders and lines would both go to table 'Orders'"):
        mirror.feed(mirror.schema(), mirror.schema("lines"), tables={"lines": {"table": "Orders"}})


def test_a_new_column_does_not_take_the_name_of_one_that_the_schema_lost(mirror):
    mirror.feed(mirror.schema(properties={"OrderNo": {"type": "string"}, "Sum": {"type": "integer"}}), mirror.order(1))
    renamed = {"orders": {"columns": {"Total": {"name": "sum"}}}}
    with pytest.raises(ConfigError, match="Total and Sum would be the same column 'sum'"):
        mirror.feed(
            mirror.schema(properties={"OrderNo": {"type": "string"}, "Total": {"type": "integer"}}), tables=renamed
        )


def test_a_run_without_input_makes_nothing(mirror):
    assert mirror.feed(mirror.state(3)) == [{"bookmark": 3}]
    assert not mirror.zone.exists()


def test_state_leaves_in_the_middle_of_a_run_where_all_that_it_stands_for_is_done(mirror, monkeypatch):
    monkeypatch.setattr(type(mirror.target()).__mro__[1], "_MAX_RECORD_AGE_IN_MINUTES", -1)
    rows = [mirror.order(1), mirror.state(1), mirror.order(2), mirror.state(2)]
    assert mirror.feed(mirror.schema(), *rows)[0] == {"bookmark": 1}
    notes = mirror.schema("notes", {"Text": {"type": "string"}}, ())
    assert mirror.feed(notes, mirror.record({"Text": "a"}, "notes"), mirror.schema(), *rows) == [{"bookmark": 2}]
