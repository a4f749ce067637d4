"""The laws of the driver speak where something is wrong: each is shown something that is."""

import os
import subprocess
from contextlib import closing

import duckdb
import pytest
from faults import laws
from faults.landscape import IFS_SECRET, Landscape
from faults.playing import Play
from faults.processes import Ended
from faults.scripts import Change, Script
from ifs_bi_core.ledger.accounts import BATCH_EVENTS
from ifs_bi_core.ledger.runs import Ledger
from sqlalchemy import delete

TAP = "tap-ifs-cloud"
SCRIPT = Script(1, "duckdb", 2, ("dated", "entire"), {}, {}, {}, ())


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A script without a fault that was played, in its landscape."""
    with Landscape(tmp_path_factory.mktemp("landscape"), SCRIPT, None) as landscape:
        play = Play(landscape)
        assert play.play().broken == []
        yield play


@pytest.fixture
def landscape(played):
    """The same, in which every law holds at first."""
    assert said(played.landscape) == []
    return played.landscape


def said(landscape, *more):
    return list(laws.of_a_script(landscape, more))


def warehouse(landscape):
    return duckdb.connect(str(landscape.folder / "warehouse.duckdb"))


def ended(code, words=""):
    return Ended({TAP: code}, {TAP: words}, b"", frozenset())


def test_a_row_that_is_missing_doubled_or_another_is_told(landscape):
    for statement, word in (
        ('DELETE FROM dated WHERE "No" = 0', "destination None"),
        ("INSERT INTO entire SELECT * FROM entire LIMIT 1", "twice"),
        ('UPDATE dated SET "Text" = \'else\' WHERE "No" = 1', "'else'"),
    ):
        with warehouse(landscape) as connection:
            connection.execute("CREATE TABLE kept_dated AS FROM dated")
            connection.execute("CREATE TABLE kept_entire AS FROM entire")
            connection.execute(statement)
        (first, *_) = laws.destination_is_source(landscape)
        assert word in first
        with warehouse(landscape) as connection:
            for name in ("dated", "entire"):
                connection.execute(f"DELETE FROM {name}")
                connection.execute(f"INSERT INTO {name} FROM kept_{name}")
                connection.execute(f"DROP TABLE kept_{name}")


def test_a_change_that_no_run_brought_is_told(landscape):
    landscape.source.change(Change("put", "10", 1))
    assert len(list(laws.destination_is_source(landscape))) == 2  # in both streams


def test_a_run_that_moved_rows_though_nothing_had_changed_is_told(played):
    played.landscape.source.change(Change("put", "10", 1))
    played._run({})
    assert [line for line in laws.nothing_was_to_do(played.landscape) if "dated" in line]
    played._run({})
    assert list(laws.nothing_was_to_do(played.landscape)) == []


def test_a_table_of_a_load_a_file_and_a_process_that_stayed_are_told(landscape):
    with warehouse(landscape) as connection:
        connection.execute("CREATE TABLE _staging (x INT)")
    half = landscape.state_dir / "batches" / "1.parquet.writing"
    half.touch()
    with subprocess.Popen(["sleep", "60"], cwd=landscape.folder) as process:
        told = said(landscape)
        process.kill()
    assert [line.split()[-1] for line in told[:1]] == ["main._staging"]
    assert any("1.parquet.writing" in line for line in told)
    assert any(f"process {process.pid} goes on" in line for line in told)
    half.unlink()
    with warehouse(landscape) as connection:
        connection.execute("DROP TABLE _staging")


def test_a_secret_that_was_said_or_written_is_told(landscape):
    token = min(landscape.tokens)
    note = landscape.folder / "note"
    note.write_text(token)
    told = said(landscape, ("its log", f"with {IFS_SECRET}".encode()))
    note.unlink()
    assert any(line.startswith("IFS secret (plain) in its log") for line in told)
    assert any(line.endswith("in note") and line.startswith("token") for line in told)


def test_a_batch_without_an_answer_is_told(landscape):
    kept = (landscape.state_dir / "ledger.db").read_bytes()
    with closing(Ledger.open(None, landscape.state_dir)) as ledger, ledger.database.write() as connection:
        connection.execute(delete(BATCH_EVENTS).where(BATCH_EVENTS.c.state == "acknowledged"))
    told = list(laws.ledger_balances(landscape))
    (landscape.state_dir / "ledger.db").write_bytes(kept)
    assert any("has no answer" in line for line in told)


@pytest.mark.parametrize(
    ("code", "words", "told"),
    [
        (0, "INFO done", 0),
        (1, "ERROR IFS Cloud answered 500.", 0),
        (1, "ERROR told\nINFO and more", 1),
        (1, "", 1),
        (2, "ERROR no room", 1),
        (3, "ERROR rows went to the dead letters", 1),
        (-9, "", 1),
        (None, "", 1),
        (1, "Traceback (most recent call last)\nERROR tap met something it was not made for", 2),
    ],
)
def test_how_a_run_ends_is_a_code_of_the_design_and_a_sentence(code, words, told):
    assert len(list(laws.of_a_run(ended(code, words), frozenset(), frozenset()))) == told


def test_who_was_killed_may_be_and_who_had_no_room_may_call_it_a_wrong_configuration():
    assert list(laws.of_a_run(ended(-9), frozenset({TAP}), frozenset())) == []
    assert list(laws.of_a_run(ended(2, "ERROR no room"), frozenset(), frozenset({TAP}))) == []


def test_a_clean_run_has_to_end_well():
    assert len(list(laws.of_a_clean_run(ended(1, "ERROR")))) == 1
    assert list(laws.of_a_clean_run(ended(os.EX_OK))) == []
