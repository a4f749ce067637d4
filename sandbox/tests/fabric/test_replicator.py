"""What the replicator makes of a landing zone's files."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_sandbox.cli import main
from ifs_bi_sandbox.fabric.landing_zone import RefusedError
from ifs_bi_sandbox.fabric.replicator import apply

if TYPE_CHECKING:
    from conftest import Zone


def test_an_initial_load_has_no_markers_and_is_inserted(zone: Zone) -> None:
    zone.metadata("id")
    zone.write(1, "SELECT 1 AS id, 'a' AS name UNION ALL SELECT 2, 'b'")
    assert zone.apply().files == {"Orders": 1}
    assert zone.shown() == [(1, "a"), (2, "b")]


def test_markers_insert_update_delete_and_upsert(zone: Zone) -> None:
    zone.metadata("id")
    zone.rows(1, "(1, 10, 0)", "(2, 20, 0)", "(3, 30, 0)")
    zone.rows(2, "(1, 11, 1)", "(2, NULL, 2)", "(3, 31, 4)", "(4, 40, 4)", "(5, 50, 1)")
    zone.apply()
    assert zone.shown() == [(1, 11), (3, 31), (4, 40)]


def test_rows_of_one_key_take_effect_in_their_order(zone: Zone) -> None:
    zone.metadata("id")
    zone.rows(1, "(1, 10, 4)", "(1, NULL, 2)", "(2, 20, 4)", "(1, 12, 4)", "(2, 21, 4)", "(2, NULL, 2)")
    zone.apply()
    assert zone.shown() == [(1, 12)]


def test_inserting_a_key_twice_doubles_the_row(zone: Zone) -> None:
    zone.metadata("id")
    zone.rows(1, "(1, 10, 0)", "(1, 10, 0)")
    zone.apply()
    assert zone.shown() == [(1, 10), (1, 10)]


def test_a_delete_needs_its_key_alone(zone: Zone) -> None:
    zone.metadata("id")
    zone.rows(1, "(1, 10, 4)", "(2, 20, 4)")
    zone.rows(2, "(1, 2)", columns="id, __rowMarker__")
    zone.rows(3, "(3, 30, 4)")
    zone.apply()
    assert zone.shown() == [(2, 20), (3, 30)]


def test_a_key_of_several_columns_may_have_nulls(zone: Zone) -> None:
    zone.metadata("a", "b")
    zone.rows(1, "(1, NULL, 'x', 4)", "(1, 2, 'y', 4)", columns="a, b, t, __rowMarker__")
    zone.rows(2, "(1, NULL::INTEGER, 'z', 4)", columns="a, b, t, __rowMarker__")
    zone.apply()
    assert zone.shown(columns="t") == [("y",), ("z",)]


def test_a_new_column_is_added_and_a_dropped_one_is_null(zone: Zone) -> None:
    zone.metadata("id")
    zone.rows(1, "(1, 10, 4)")
    zone.rows(2, "(2, 20, 'new', 4)", columns="id, amount, note, __rowMarker__")
    zone.rows(3, "(3, 'gone', 4)", columns="id, note, __rowMarker__")
    zone.rows(4, "(1, 'gone', 4)", columns="id, note, __rowMarker__")
    zone.apply()
    assert zone.shown(columns="id, amount, note") == [(1, None, "gone"), (2, 20, "new"), (3, None, "gone")]


def test_processed_files_are_deleted_but_for_the_last(zone: Zone) -> None:
    zone.metadata("id")
    for number in (1, 2, 3):
        zone.rows(number, f"({number}, 1, 4)")
    zone.apply()
    assert zone.files() == [3]
    assert zone.apply().files == {"Orders": 0}
    zone.rows(4, "(4, 1, 4)")
    assert zone.apply().files == {"Orders": 1}
    assert (zone.files(), len(zone.shown())) == ([4], 4)


def test_a_folder_that_is_gone_drops_its_table(zone: Zone) -> None:
    zone.metadata("id")
    zone.rows(1, "(1, 1, 4)")
    zone.apply()
    shutil.rmtree(zone.path / "Orders")
    assert zone.apply().dropped == ["Orders"]
    with pytest.raises(duckdb.CatalogException):
        zone.shown()


@pytest.mark.parametrize("files", [1, 3])
def test_a_folder_made_anew_replaces_its_table_whatever_its_key_and_types(zone: Zone, files: int) -> None:
    zone.metadata("id")
    for number in range(1, files + 1):
        zone.rows(number, f"({number}, 1, 4)")
    zone.apply()
    shutil.rmtree(zone.path / "Orders")
    zone.metadata("no")
    zone.rows(1, "('x', 4)", columns="no, __rowMarker__")
    zone.apply()
    assert zone.shown() == [("x",)]


def test_what_begins_with_an_underscore_is_the_writers_own(zone: Zone) -> None:
    zone.metadata("id")
    zone.rows(1, "(1, 1, 4)")
    (zone.path / "Orders" / "_00000000000000000002.parquet").write_bytes(b"half")
    (zone.path / "_scratchPad").mkdir()
    (zone.path / "_notes.txt").write_text("x")
    assert zone.apply().files == {"Orders": 1}


def test_a_folder_of_a_schema_holds_tables(zone: Zone) -> None:
    zone.metadata("id", table="sales.schema/Orders")
    zone.rows(1, "(1, 1, 4)", table="sales.schema/Orders")
    assert zone.apply().files == {"sales.Orders": 1}
    assert zone.shown("sales.Orders") == [(1, 1)]


def test_types_survive(zone: Zone) -> None:
    zone.metadata("id")
    zone.write(1, "SELECT 1 AS id, 1.25::DECIMAL(28,4) AS d, TIMESTAMP '2026-01-02 03:04:05.678' AS t, true AS b")
    zone.apply()
    assert zone.shown(columns="d::VARCHAR, t::VARCHAR, b") == [("1.2500", "2026-01-02 03:04:05.678", True)]


REFUSED = [
    ("(2, 2, 3)", {}, "__rowMarker__ 3 is none of 0, 1, 2 and 4"),
    ("(2, 2, NULL::INTEGER)", {}, "__rowMarker__ None is none of"),
    ("(2, 2, 'x')", {}, "must be a column of whole numbers"),
    ("(2, 4, 2)", {"columns": "id, __rowMarker__, amount"}, "must be the last column"),
    ("(2, 4)", {"columns": "amount, __rowMarker__"}, "the key column id is not in the file"),
    ("(2, '2', 4)", {}, "the type of column amount changed from INTEGER to VARCHAR"),
    ("(2, 2, 4)", {"columns": "id, total, __rowMarker__"}, "column amount is gone and total is new"),
    ("(2, 4)", {"columns": "id, __rowMarker__"}, "updates have key columns alone"),
    ("(2, [1], 4)", {"columns": "id, items, __rowMarker__"}, "Write complex values as JSON text"),
    ("(2, {'a': 1}, 4)", {"columns": "id, items, __rowMarker__"}, "Write complex values as JSON text"),
    ("(2, 2, 4)", {"options": ", COMPRESSION brotli"}, "compressed by BROTLI"),
    ("(2, 2, 4)", {"name": "2.parquet"}, "2.parquet is no data file"),
    ("(2, 2, 4)", {"name": "00000000000000000003.parquet"}, "file 2 is missing before file 3"),
    ("(2, 2, 4)", {"name": "00000000000000000002.csv"}, "is no data file"),
]


@pytest.mark.parametrize(("row", "how", "told"), REFUSED)
def test_what_fabric_refuses_is_refused_and_leaves_the_table(
    zone: Zone, row: str, how: dict[str, Any], told: str
) -> None:
    zone.metadata("id")
    zone.rows(1, "(1, 1, 4)")
    zone.apply()
    zone.rows(2, row, **how)
    with pytest.raises(RefusedError) as refused:
        zone.apply()
    assert told in str(refused.value)
    assert str(refused.value).startswith("Table Orders: ")
    assert zone.shown() == [(1, 1)]


def test_a_file_that_is_not_parquet_is_refused(zone: Zone) -> None:
    zone.metadata("id")
    zone.path.joinpath("Orders", f"{1:020}.parquet").write_bytes(b"id;amount")
    with pytest.raises(RefusedError, match="is not Parquet"):
        zone.apply()


def test_a_column_that_comes_back_tells_of_partial_rows(zone: Zone) -> None:
    zone.metadata("id")
    zone.rows(1, "(1, 1, 'n', 4)", columns="id, amount, note, __rowMarker__")
    zone.rows(2, "(1, 2, 4)")
    zone.rows(3, "(1, 3, 'm', 4)", columns="id, amount, note, __rowMarker__")
    with pytest.raises(RefusedError, match="column note is back, which was missing in file 2"):
        zone.apply()


def test_without_a_key_rows_can_only_be_inserted(zone: Zone) -> None:
    zone.metadata()
    zone.rows(1, "(1, 1, 0)")
    zone.rows(2, "(1, 1)", columns="id, amount")
    zone.apply()
    assert zone.shown() == [(1, 1), (1, 1)]
    zone.rows(3, "(1, 1, 4)")
    with pytest.raises(RefusedError, match="need keyColumns"):
        zone.apply()


def test_a_key_can_not_change(zone: Zone) -> None:
    zone.metadata("id")
    zone.rows(1, "(1, 1, 4)")
    zone.apply()
    zone.metadata("amount")
    zone.rows(2, "(1, 1, 4)")
    with pytest.raises(RefusedError, match="keyColumns changed to amount: they were id"):
        zone.apply()


@pytest.mark.parametrize(
    ("text", "told"),
    [(None, "has no _metadata.json"), ("{", "is not JSON"), ('{"keyColumns": "id"}', "list of column")],
)
def test_metadata_must_be_there_and_right(zone: Zone, text: str | None, told: str) -> None:
    zone.rows(1, "(1, 1, 4)")
    if text is not None:
        (zone.path / "Orders" / "_metadata.json").write_text(text)
    with pytest.raises(RefusedError, match=told):
        zone.apply()


def test_a_refused_table_does_not_stop_the_others(zone: Zone) -> None:
    zone.rows(1, "(1, 1, 4)", table="Bad")
    zone.metadata("id")
    zone.rows(1, "(1, 1, 4)")
    with pytest.raises(RefusedError, match=r"Table Bad has no _metadata\.json"):
        zone.apply()
    assert zone.shown() == [(1, 1)]


def test_a_data_file_outside_of_a_tables_folder_is_refused(zone: Zone) -> None:
    zone.write(1, "SELECT 1 AS id", table=".")
    with pytest.raises(RefusedError, match="lies beside the tables' folders"):
        zone.apply()


def test_the_writer_tells_who_it_is(zone: Zone) -> None:
    told = {"partnerName": "P", "sourceInfo": {"sourceType": "IFS Cloud"}}
    path = zone.path / "_partnerEvents.json"
    path.write_text(json.dumps(told))
    assert zone.apply().partner == told
    path.write_text('{"partnerName": "P"}')
    with pytest.raises(RefusedError, match="needs partnerName, and sourceInfo"):
        zone.apply()


CHANGES = st.lists(
    st.lists(st.tuples(st.sampled_from([2, 4]), st.integers(1, 4), st.integers(0, 99)), min_size=1, max_size=6),
    min_size=1,
    max_size=4,
)


@settings(max_examples=20, deadline=None)
@given(CHANGES)
def test_files_of_upserts_and_deletes_leave_what_a_dictionary_would(files: list[list[tuple[int, int, int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "zone" / "T"
        table.mkdir(parents=True)
        (table / "_metadata.json").write_text('{"keyColumns": ["k"]}')
        held: dict[int, int] = {}
        for number, changes in enumerate(files, 1):
            for marker, key, value in changes:
                if marker == 2:
                    held.pop(key, None)
                else:
                    held[key] = value
            rows = ", ".join(f"({key}, {value}, {marker})" for marker, key, value in changes)
            select = f"SELECT * FROM (VALUES {rows}) AS t(k, v, __rowMarker__)"
            duckdb.sql(f"COPY ({select}) TO '{table}/{number:020}.parquet' (FORMAT parquet)")
        database = Path(folder) / "d.duckdb"
        apply(table.parent, database)
        with duckdb.connect(str(database)) as connection:
            assert dict(connection.execute("SELECT k, v FROM T").fetchall()) == held


def test_the_command_tells_what_it_applied_or_what_is_refused(zone: Zone) -> None:
    zone.metadata("id")
    zone.rows(1, "(1, 1, 4)")
    arguments = ["replicate", str(zone.path), str(zone.database)]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.output) == (0, "Orders: 1 files applied.\n")
    zone.rows(3, "(1, 1, 4)")
    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1
    assert "Error: Table Orders: file 2 is missing before file 3." in refused.output
