"""The file of the kept rows."""

from __future__ import annotations

import json
import sqlite3
import stat
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ifs_bi_core.errors import ConfigError
from target_powerbi.changes import Row
from target_powerbi.kept import Kept, Post, Status, file_of
from target_powerbi.tables import Column, Table

TABLE = Table("orders", "Orders", ("OrderNo",), (Column("OrderNo", "OrderNo", "String"),))
NOTES = replace(TABLE, stream="notes", keys=())


@pytest.fixture
def kept(tmp_path):
    opened = Kept(tmp_path / "kept.db")
    opened.define(TABLE, defined=True, status=Status.CLEAN)
    yield opened
    opened.close()


def test_what_is_written_is_there_after_the_file_was_opened_again(kept):
    kept.adopt("id-1")
    kept.write("orders", {"k": Row(b"{}", "v", 3), "gone": Row(None, "v")}, status=Status.REWRITING)
    kept.close()
    again = Kept(kept.path)
    assert again.dataset_id == "id-1"
    assert again.find("orders", ["k", "gone", "never"]) == {"k": Row(b"{}", "v", 3), "gone": Row(None, "v")}
    found = again.table("orders")
    assert found is not None
    assert (found.table, found.status, found.defined) == (TABLE, Status.REWRITING, True)
    assert list(again.rows("orders")) == [b"{}"]
    assert again.count("orders") == 1
    again.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.text(max_size=20).filter(lambda text: "\x00" not in text), st.binary(min_size=1), max_size=10)
)
def test_every_key_is_found_again(kept, rows):
    kept.write("orders", {key: Row(sent) for key, sent in rows.items()})
    assert {key: row.sent for key, row in kept.find("orders", rows).items()} == rows


def test_dropped_rows_are_forgotten_and_the_status_stays(kept):
    kept.write("orders", {"k": Row(b"{}"), "l": Row(b"{}")}, status=Status.PENDING)
    kept.drop("orders", ["k"])
    assert kept.find("orders", ["k", "l"]).keys() == {"l"}
    assert kept.status("orders") is Status.PENDING


def test_dropping_older_generations_makes_a_rewrite_due_only_where_a_shown_row_goes(kept):
    kept.write("orders", {"new": Row(b"{}", None, 2), "gone": Row(None, None, 1)})
    assert kept.drop_older("orders", 2) == 0
    assert kept.status("orders") is Status.CLEAN
    kept.write("orders", {"old": Row(b"{}", None, 1), "none": Row(b"{}")})
    assert kept.drop_older("orders", 2) == 2
    assert kept.status("orders") is Status.PENDING
    assert kept.find("orders", ["new", "gone", "old", "none"]).keys() == {"new"}


def test_running_keys_go_on_in_order(kept):
    kept.define(NOTES, defined=True, status=Status.CLEAN)
    keys = kept.running_keys("notes")
    first = [next(keys), next(keys)]
    kept.write("notes", {key: Row(b"{}") for key in first})
    third = next(kept.running_keys("notes"))
    assert [*first, third] == sorted({*first, third})
    kept.confirm({})
    kept.drop_older("notes", 1)
    assert next(kept.running_keys("notes")) == third


def test_rows_without_keys_are_dropped_unless_the_state_of_their_run_left(kept):
    kept.define(NOTES, defined=True, status=Status.CLEAN)
    for stream in ("orders", "notes"):
        kept.write(stream, {f"{n:020}": Row(b"{}") for n in (1, 2)})
    kept.confirm({})
    kept.roll_back()
    assert kept.status("notes") is Status.CLEAN
    for stream in ("orders", "notes"):
        kept.write(stream, {f"{n:020}": Row(b"{}") for n in (3, 4)})
    kept.roll_back()
    assert (kept.count("orders"), kept.count("notes")) == (4, 2)
    assert (kept.status("orders"), kept.status("notes")) == (Status.CLEAN, Status.PENDING)


def test_another_dataset_makes_all_tables_due(kept):
    kept.adopt("id-1")
    kept.adopt("id-1")
    assert kept.status("orders") is Status.CLEAN
    kept.adopt("id-2")
    found = kept.table("orders")
    assert (found.status, found.defined) == (Status.PENDING, False)


def test_half_a_transaction_leaves_nothing(kept):
    with pytest.raises(sqlite3.Error):
        kept.write("orders", {"k": Row(b"{}"), "bad": Row(object())}, status=Status.PENDING)  # type: ignore[arg-type]
    assert not kept.find("orders", ["k"])
    assert kept.status("orders") is Status.CLEAN


def test_the_file_is_for_the_owners_eyes_alone(tmp_path):
    opened = Kept(tmp_path / "folder" / "kept.db")
    assert stat.S_IMODE(opened.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(opened.path.parent.stat().st_mode) == 0o700
    opened.close()


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "kept.db").write_bytes(b"this is no database at all " * 100)
    with pytest.raises(ConfigError, match=r"kept\.db can't be read: file is not a database\. Restore the file"):
        Kept(tmp_path / "kept.db")


POST = Post("name", 3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from("abcd"), st.builds(Row, st.none() | st.binary(min_size=1), st.none() | st.just("v"))
    ),
    st.dictionaries(
        st.sampled_from("abcd"), st.builds(Row, st.none() | st.binary(min_size=1), st.none() | st.just("w"), st.just(7))
    ),
    st.booleans(),
    st.booleans(),
)
def test_a_post_leaves_its_rows_where_it_arrived_and_what_was_kept_before_where_it_did_not(
    kept, before, rows, arrived, reopened
):
    kept.clear()
    kept.define(TABLE, defined=True, status=Status.CLEAN)
    kept.write("orders", before)
    kept.begin_post("orders", POST, rows, {key: row for key, row in before.items() if key in rows})
    assert (kept.status("orders"), kept.posts("orders"), kept.held("orders")) == (Status.PENDING, [POST], 0)
    assert kept.find("orders", "abcd") == before | rows
    if reopened:
        kept.close()
        kept.__init__(kept.path)  # type: ignore[misc]  # the process ended, and this is the next one
    (kept.end_post if arrived else kept.undo_post)("orders", POST)
    assert kept.find("orders", "abcd") == (before | rows if arrived else before)
    assert (kept.status("orders"), kept.posts("orders"), kept.held("orders")) == (Status.CLEAN, [], 3 * arrived)


def test_a_rewrite_that_ends_leaves_a_table_of_the_kept_rows_alone(kept):
    kept.begin_post("orders", POST, {"k": Row(b"{}"), "gone": Row(None)}, {})
    kept.end_post("orders", POST)
    assert kept.held("orders") == 3
    kept.mark("orders", Status.REWRITING)
    kept.mark("orders", Status.CLEAN)
    assert (kept.held("orders"), kept.held_by_stream()) == (1, {"orders": 1})
    kept.adopt("id-1")
    kept.begin_post("orders", POST, {"l": Row(b"{}")}, {})
    kept.adopt("id-2")
    assert (kept.held("orders"), kept.posts("orders"), kept.status("orders")) == (0, [], Status.PENDING)


def test_rows_that_go_are_found_a_page_at_a_time(kept):
    kept.define(NOTES, defined=True, status=Status.CLEAN)
    kept.write("orders", {key: Row(b"{}", None, generation) for key, generation in (("a", 1), ("b", 2), ("c", None))})
    kept.write("orders", {"d": Row(None, None, 1)})
    assert list(kept.older("orders", 2, 9)) == ["a", "c"]
    assert list(kept.older("orders", 2, 1)) == ["a"]
    kept.write("notes", {f"{n:020}": Row(b"{}") for n in (1, 2)})
    kept.confirm({})
    kept.write("notes", {f"{n:020}": Row(b"{}") for n in (3, 4)})
    assert list(kept.unconfirmed("notes", 9)) == [f"{n:020}" for n in (3, 4)]


LAYOUT_1 = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tables (id INTEGER PRIMARY KEY, stream TEXT NOT NULL UNIQUE, definition TEXT NOT NULL, defined INTEGER NOT NULL,
  status TEXT NOT NULL, confirmed TEXT NOT NULL DEFAULT '');
CREATE TABLE kept_rows (table_id INTEGER NOT NULL, key TEXT NOT NULL, sent BLOB, version TEXT, generation INTEGER,
  PRIMARY KEY (table_id, key));
INSERT INTO facts VALUES ('dataset_id', 'id-1');
INSERT INTO kept_rows VALUES (1, 'k', x'7b7d', 'v', 3), (2, '00000000000000000001', x'7b7d', NULL, NULL);
PRAGMA user_version=1;
"""
"""The file as the first version of the target made it."""


LAYOUT_2 = LAYOUT_1.replace("confirmed TEXT NOT NULL DEFAULT '');", "confirmed TEXT NOT NULL DEFAULT '', batch TEXT);")
LAYOUT_2 = LAYOUT_2.replace("user_version=1", "user_version=2")
LAYOUT_3 = LAYOUT_2.replace("batch TEXT);", "batch TEXT, held INTEGER NOT NULL DEFAULT 1);")
LAYOUT_3 = LAYOUT_3.replace("user_version=2", "user_version=3")


@pytest.mark.parametrize("layout", [LAYOUT_1, LAYOUT_2, LAYOUT_3], ids=["1", "2", "3"])
def test_a_file_of_an_earlier_layout_is_brought_to_the_present_one_and_loses_nothing(tmp_path, layout):
    with sqlite3.connect(tmp_path / "kept.db") as database:
        database.executescript(layout)
        for table, confirmed in ((TABLE, ""), (NOTES, "00000000000000000001")):
            row = (table.stream, json.dumps(table.record()), 1, "clean", confirmed)
            database.execute(
                "INSERT INTO tables (stream, definition, defined, status, confirmed) VALUES (?, ?, ?, ?, ?)", row
            )
    database.close()
    for batch in (None, "batch-1"):  # it is brought there once, and opened again
        opened = Kept(tmp_path / "kept.db")
        assert opened.dataset_id == "id-1"
        assert opened.tables().keys() == {"orders", "notes"}
        assert opened.find("orders", ["k"]) == {"k": Row(b"{}", "v", 3)}
        assert opened.held_by_stream() == {"orders": 1, "notes": 1}
        assert opened.posts("orders") == []
        assert opened.batch("orders") == batch
        opened.took("orders", "batch-1")
        opened.roll_back()
        assert opened.count("notes") == 1
        opened.close()
    with sqlite3.connect(tmp_path / "kept.db") as database:
        assert database.execute("PRAGMA user_version").fetchone() == (4,)
    database.close()


def test_the_last_batch_of_each_table_is_remembered(kept):
    kept.define(NOTES, defined=True, status=Status.CLEAN)
    assert (kept.batch("orders"), kept.batch("notes"), kept.batch("never seen")) == (None, None, None)
    kept.took("orders", "batch-1")
    kept.confirm({"notes": "batch-2"})
    kept.define(TABLE, defined=False)
    assert (kept.batch("orders"), kept.batch("notes")) == ("batch-1", "batch-2")


def test_a_layout_of_another_version_is_told(tmp_path):
    with sqlite3.connect(tmp_path / "kept.db") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(ConfigError, match="it has layout 99"):
        Kept(tmp_path / "kept.db")


def test_a_folder_that_can_not_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"can't be written to .*Check state_dir"):
        Kept(tmp_path / "file" / "kept.db")


def test_each_service_workspace_dataset_and_mode_has_a_file(pipe):
    configs = [
        {},
        {"dataset_name": "Purchasing!"},
        {"dataset_name": "Purchasing?"},
        {"dataset_name": None, "dataset_id": "11111111-2222-3333-4444-555555555555"},
        {"workspace_id": "11111111-2222-3333-4444-555555555555"},
        {"write_mode": "append"},
        {"api_url": "https://api.powerbigov.us"},
    ]
    files = {file_of(pipe.target(**changes).settings).name for changes in configs}
    assert len(files) == len(configs)
    assert all(name.startswith("powerbi-") for name in files)
