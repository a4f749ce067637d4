import subprocess
import sys
import threading
from datetime import UTC, datetime

import duckdb
import pytest
from ifs_bi_core.columnar.rows import to_arrow
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError, RowRejectedError
from singer_lines import INTEGER, STRING, activate, record, schema, state
from target_looker_warehouse.dialects.duckdb import DUCKDB
from target_looker_warehouse.rounds import rounds
from target_looker_warehouse.tables import changes, plan


@pytest.fixture
def box(duckdb_box):
    return duckdb_box


HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
MAKE = (
    "import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX); "
    "print('held', flush=True); sys.stdin.read()"
)
ONE = schema("s", ["id"], id=INTEGER, x=STRING)


def test_a_file_that_another_process_holds_is_named_with_its_holder(box):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, box.file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(
            IfsBiError, match=rf"{box.file} is held by another process: .*PID {holder.pid}.*run again"
        ) as refused:
            box.feed(ONE)
        holder.stdin.close()
    assert refused.value.exit_code == ExitCode.FAILED
    box.feed(ONE)
    assert box.tables() == ["s"]


@pytest.mark.parametrize("content", [b"DUCK", b"x" * 10_000, b"x" * 20_000])
def test_a_file_that_is_no_database_is_left_as_it_is(box, content):
    box.file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"is no DuckDB database|DuckDB can't open"):
        box.feed(ONE)
    assert box.file.read_bytes() == content


@pytest.fixture
def new(tmp_path):
    """What DuckDB makes before anything is in it."""
    duckdb.connect(tmp_path / "new.duckdb").close()
    return (tmp_path / "new.duckdb").read_bytes()


@pytest.mark.parametrize("written", [0, 4096, 8192])
def test_a_file_that_a_killed_process_had_only_begun_is_made_anew(box, new, written):
    assert written < len(new)
    box.file.write_bytes(new[:written])
    with pytest.raises(duckdb.IOException):
        duckdb.connect(box.file)
    box.feed(ONE, record("s", {"id": 1, "x": "a"}))
    assert box.rows("s") == [{"id": "1", "x": "a"}]
    with duckdb.connect(box.file, read_only=True) as connection:  # not only the one that made it reads it
        assert connection.execute("SELECT count(*) FROM s").fetchone() == (1,)


def test_a_file_that_lost_its_end_is_left_as_it_is(box, new):
    box.feed(ONE, record("s", {"id": 1}))
    content = box.file.read_bytes()[: len(new)]
    box.file.write_bytes(content)
    with pytest.raises(ConfigError, match="DuckDB can't open"):
        box.feed(ONE)
    assert box.file.read_bytes() == content


def test_a_file_beside_which_a_log_lies_is_left_as_it_is(box, new):
    box.file.write_bytes(new[:8192])
    box.file.with_name("warehouse.duckdb.wal").write_bytes(b"rows")
    with pytest.raises(ConfigError, match="DuckDB can't open"):
        box.feed(ONE)
    assert box.file.read_bytes() == new[:8192]


def test_a_file_that_another_process_is_just_making_is_left_to_it(box, new):
    box.file.write_bytes(new[:4096])
    with subprocess.Popen(
        [sys.executable, "-c", MAKE, box.file], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as maker:
        assert maker.stdout.readline() == b"held\n"
        with pytest.raises(IfsBiError, match="is held by another process"):
            box.feed(ONE)
        maker.stdin.close()
    assert box.file.read_bytes() == new[:4096]


def test_a_folder_is_no_database(box):
    box.file.mkdir()
    with pytest.raises(ConfigError, match="which is a folder"):
        box.feed(ONE)


def test_a_damaged_file_is_told_in_duckdbs_words(box):
    box.feed(ONE)
    content = bytearray(box.file.read_bytes())
    content[12:20] = bytes(8)
    box.file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"which DuckDB can't open: .*Corrupt"):
        box.feed(ONE)


def test_after_the_end_and_after_an_error_nothing_holds_the_file_and_no_log_is_left(box):
    assert box.command(ONE, record("s", {"id": 1})).returncode == 0
    assert not box.file.with_suffix(".duckdb.wal").exists()
    broken = box.command(ONE, record("s", {"id": 2}), record("s", {"id": None}), batch_size_rows=1, on_row_error="fail")
    assert broken.returncode == ExitCode.FAILED
    assert not box.file.with_suffix(".duckdb.wal").exists()
    assert sorted(path.name for path in box.folder.iterdir()) == ["config.json", "state", "warehouse.duckdb"]
    assert box.rows("s") == [{"id": "1"}, {"id": "2"}]


def test_a_batch_that_fails_half_way_leaves_nothing(box):
    box.feed(schema("s", ["id"], id=INTEGER, x=STRING), record("s", {"id": 1, "x": "kept"}))
    with duckdb.connect(
        box.file
    ) as connection:  # somebody's own constraint, which the second statement of a batch meets
        connection.execute(
            "CREATE TABLE t AS FROM s; DROP TABLE s; CREATE TABLE s (id BIGINT, x VARCHAR CHECK (x <> 'bad'))"
        )
        connection.execute("INSERT INTO s FROM t; DROP TABLE t")
    with pytest.raises(RowRejectedError, match=r"table 's' does not take it: .*[Cc]onstraint"):
        box.feed(ONE, record("s", {"id": 1, "x": "good"}), record("s", {"id": 2, "x": "bad"}), on_row_error="fail")
    assert box.rows("s") == [{"id": "1", "x": "kept"}]


def test_a_view_in_the_tables_place_is_told(box):
    with duckdb.connect(box.file) as connection:
        connection.execute("CREATE VIEW s AS SELECT 1::BIGINT AS id, '' AS x")
    with pytest.raises(IfsBiError, match=r"table 's' could not take a batch: .*base table"):
        box.feed(ONE, record("s", {"id": 1}))


@pytest.fixture
def standing(box):
    """A table of five rows, loaded by an earlier run."""
    box.feed(ONE, *(record("s", {"id": n, "x": "old"}) for n in range(5)))
    return box


def test_an_overwriting_run_that_fails_leaves_the_old_rows_and_nothing_else(standing):
    with pytest.raises(IfsBiError):
        standing.feed(
            ONE,
            record("s", {"id": 7}),
            record("s", {"id": 8}),
            record("s", {}),
            load_method="overwrite",
            batch_size_rows=1,
            on_row_error="fail",
        )
    fatal = {"load_method": "overwrite", "batch_size_rows": 1, "on_row_error": "fail"}
    ran = standing.command(ONE, record("s", {"id": 7}), record("s", {}), **fatal)
    assert ran.returncode == ExitCode.FAILED
    assert standing.tables() == ["s"]
    assert len(standing.rows("s")) == 5


def test_what_a_killed_overwriting_run_left_is_replaced_by_the_next(standing):
    with duckdb.connect(standing.file) as connection:
        connection.execute(
            f'CREATE TABLE "{plan("s", {"x": STRING}, [], None, DUCKDB).table.name}_incoming_a3cd1c93" (other DATE)'
        )
    standing.feed(ONE, record("s", {"id": 9}), load_method="overwrite")
    assert standing.rows("s") == [{"id": "9"}]


def test_a_reader_never_sees_fewer_rows_than_the_smaller_of_the_old_and_the_new_ones(box):
    """DuckDB lets the process that writes a file read it by another connection."""
    running = box.target(load_method="overwrite", batch_size_rows=2)
    warehouse = running.warehouse
    planned = plan("s", {"id": INTEGER}, ["id"], None, DUCKDB)
    warehouse.shape(planned)
    incoming = planned.table.aside("incoming", [])
    sizes = [3, 7, 5]
    seen, looked, done = set(), threading.Event(), threading.Event()

    def fill(size):
        rows, _ = to_arrow([{"id": n} for n in range(size)], planned.table.columns)
        warehouse.start_over(incoming)
        warehouse.merge(incoming, rounds(rows, planned.table), None, hard_delete=False)
        warehouse.refill(changes(planned.table, {"id": "BIGINT"}, DUCKDB), "incoming", [])

    def read(connection):
        while not done.is_set():
            seen.add(connection.execute("SELECT count(*) FROM warehouse.main.s").fetchone()[0])
            looked.set()

    fill(4)
    reader = threading.Thread(target=read, args=(warehouse._connection._connection._connection.cursor(),))
    reader.start()
    looked.wait()
    for size in sizes * 8:
        fill(size)
    done.set()
    reader.join()
    running.close()
    assert 4 in seen
    assert seen <= {4, *sizes}


def test_a_soft_retirement_says_when_and_does_not_touch_what_was_gone_before(box):
    target = box.target()
    target.clock = lambda: datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
    gone = record("s", {"id": 2, "_sdc_deleted_at": "2024-01-01T00:00:00Z"}, 1)
    lines = [
        ONE,
        record("s", {"id": 1, "x": "a"}, 1),
        gone,
        record("s", {"id": 3}, 2),
        activate("s", 2),
        state({"a": 1}),
    ]
    target.process_lines([line.encode() for line in lines])
    target.process_endofpipe()
    assert box.rows("s") == [
        {"id": "1", "x": "a", "_sdc_table_version": "1", "_sdc_deleted_at": "2024-05-06 07:08:09.123456+00"},
        {"id": "2", "_sdc_table_version": "1", "_sdc_deleted_at": "2024-01-01 00:00:00+00"},
        {"id": "3", "_sdc_table_version": "2"},
    ]


def test_closing_twice_does_no_harm(box):
    warehouse = box.warehouse()
    warehouse.close()
    warehouse.close()


def test_a_schema_is_found_in_any_case(box):
    with duckdb.connect(box.file) as connection:
        connection.execute("CREATE SCHEMA Erp")
    for _ in range(2):
        box.feed(ONE, record("s", {"id": 1}), schema="erp")
    assert box.rows("s", "Erp") == [{"id": "1"}]
