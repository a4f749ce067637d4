"""What is PostgreSQL's own: rights, locks, views, lost connections, and what its text can't hold."""

import subprocess
import sys
import threading

import psycopg
import pyarrow as pa
import pytest
from boxes import PostgresBox
from hypothesis import given, settings
from hypothesis import strategies as st
from ifs_bi_core.columnar.rows import to_arrow
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError, OutcomeUnknownError
from ifs_bi_core.ledger import history
from singer_lines import INTEGER, MOMENT, MONEY, OBJECT, STRING, record, schema, state
from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.dialects.postgresql import POSTGRESQL
from target_looker_warehouse.tables import plan
from target_looker_warehouse.warehouse import Warehouse
from target_looker_warehouse.warehouses import postgresql
from target_looker_warehouse.warehouses.copy_text import pieces
from wire_cut import WireCut

ONE = schema("s", ["id"], id=INTEGER, x=STRING)
STATE = state({"at": 1})
SECOND_BATCH = 7
"""Its place among the commits of a run: two sessions, the schema, the lock, the columns and the first batch come before it."""


@pytest.fixture
def box(postgres_box):
    return postgres_box


def said(ran):
    """The one sentence on stderr."""
    assert "Traceback" not in ran.stderr
    [line] = [line for line in ran.stderr.splitlines() if "ERROR" in line]
    return line


def rows(*ids):
    return [record("s", {"id": number, "x": "a"}) for number in ids]


def ids(box):
    return sorted(int(row["id"]) for row in box.rows("s"))


def test_rows_that_come_behind_all_that_are_kept_are_added_and_no_others(box, monkeypatch):
    write, written = postgresql.PostgreSQL.write, []
    monkeypatch.setattr(
        postgresql.PostgreSQL, "write", lambda self, text, *more: written.append(text) or write(self, text, *more)
    )

    def removals(*keys):
        del written[:]
        box.feed(schema("s", ["x", "id"], id=INTEGER, x=STRING), *rows(*keys), STATE)
        return sum(text.startswith("DELETE") and '."s" ' in text for text in written)

    assert removals(4, 2, 3) == 0
    assert removals(6, 5) == 0
    assert removals(6, 7) == 1
    assert removals(1) == 1
    assert ids(box) == [1, 2, 3, 4, 5, 6, 7]


# Addresses and rights


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (("pass-of", "wrong-of"), "password authentication failed"),
        (("/test", "/no_such"), "does not exist"),
        (("team:", "nobody:"), "password authentication failed"),
        (("127.0.0.1", "no-such-host.invalid"), "no-such-host.invalid"),
        (("127.0.0.1:", "127.0.0.1:x"), 'invalid integer value "x'),
        (("?", "?"), "server does not support SSL"),
    ],
    ids=["password", "database", "user", "host", "port", "TLS"],
)
def test_an_address_that_leads_nowhere_ends_with_2_and_a_sentence_without_the_password(box, postgres, wrong, part):
    url = f"{box.url}?sslmode={'require' if wrong[0] == '?' else 'prefer'}".replace(*wrong)
    ran = box.command(ONE, *rows(1), STATE, warehouse_url=url)
    assert (ran.returncode, ran.stdout) == (ExitCode.WRONG_CONFIGURATION, "")
    assert part in said(ran)
    assert "host, port, user, password and database in warehouse_url" in said(ran)
    assert not any(secret in ran.stderr for secret in (postgres.password, postgres.escaped, "wrong-of@the"))


def test_a_server_that_does_not_run_ends_with_2(box):
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:1/.* can't be used: .*Check that the server runs"):
        box.feed(ONE, warehouse_url="postgresql://team:hunter22@127.0.0.1:1/erp")


@pytest.fixture
def as_reader(box, postgres):
    """The address of the same database for a user who owns nothing in it."""
    database = box.url.rpartition("/")[2]
    with postgres.admin(database) as admin:
        admin.execute(
            "DO $$ BEGIN CREATE ROLE onlooker LOGIN PASSWORD 'reading-is-all'; EXCEPTION WHEN duplicate_object THEN END $$"
        )
        admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT CREATE ON SCHEMA public TO team")
    return f"postgresql://onlooker:reading-is-all@127.0.0.1:{postgres.port}/{database}"


@pytest.mark.parametrize(
    ("name", "part"), [(None, "permission denied for schema public"), ("erp", "permission denied for database")]
)
def test_a_user_who_may_not_make_tables_ends_with_2_and_what_to_grant(box, as_reader, name, part):
    ran = box.command(ONE, *rows(1), STATE, warehouse_url=as_reader, **({"schema": name} if name else {}))
    assert (ran.returncode, ran.stdout) == (ExitCode.WRONG_CONFIGURATION, "")
    assert part in said(ran)
    assert "a user who may use and create tables in that schema" in said(ran)


def test_a_user_who_may_not_write_a_table_ends_with_2_and_the_next_run_brings_its_rows(box, as_reader):
    box.feed(ONE, *rows(1))
    box.run(
        "GRANT USAGE ON SCHEMA public TO onlooker; GRANT SELECT ON ALL TABLES IN SCHEMA public TO onlooker; "
        "GRANT INSERT ON _ifs_loads TO onlooker"
    )
    ran = box.command(ONE, *rows(2), STATE, warehouse_url=as_reader)
    assert (ran.returncode, ran.stdout) == (ExitCode.WRONG_CONFIGURATION, "")
    assert "permission denied for table s" in said(ran)
    box.feed(ONE, *rows(2))
    assert ids(box) == [1, 2]


def test_a_user_needs_no_right_to_make_schemas_where_there_is_one_for_him(box, postgres, as_reader):
    with postgres.admin(box.url.rpartition("/")[2]) as admin:
        admin.execute("CREATE SCHEMA erp AUTHORIZATION onlooker")
    for number in (1, 2):
        assert box.feed(ONE, *rows(number), warehouse_url=as_reader, schema="erp") == ExitCode.DONE
    assert [row["id"] for row in PostgresBox(box.folder, as_reader).rows("s", "erp")] == ["1", "2"]


def test_the_schema_is_the_one_that_the_address_sets_unless_the_setting_names_one(box):
    box.run("CREATE SCHEMA erp")
    box.feed(ONE, *rows(1), warehouse_url=f"{box.url}?options=-csearch_path%3Derp")
    assert len(box.rows("s", "erp")) == 1


def test_a_database_that_only_reads_ends_with_2(box):
    box.feed(ONE)
    box.run(f"ALTER DATABASE {box.url.rpartition('/')[2]} SET default_transaction_read_only = on")
    with pytest.raises(ConfigError, match=r"cannot execute .* in a read-only transaction.* the primary server"):
        box.feed(ONE, *rows(1))


# Two runs at once


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(postgresql, "LOCK_TIMEOUT_SECONDS", 1)


def test_a_stream_that_another_run_loads_is_refused_with_that_runs_session(box, impatient):
    first = box.target()
    first.process_lines([ONE.encode()])
    with pytest.raises(
        IfsBiError,
        match=r"Another run loads stream 's' .*\(session \d+ of target-looker-warehouse, since 2.*wait for that",
    ) as refused:
        box.feed(ONE, *rows(1))
    assert refused.value.exit_code == ExitCode.FAILED
    box.feed(schema("t", ["id"], id=INTEGER), record("t", {"id": 1}))
    box.feed(ONE, *rows(1), schema="elsewhere")
    first.close()
    box.feed(ONE, *rows(2))
    assert ids(box) == [2]


def test_a_run_waits_for_one_that_is_about_to_end(box):
    first = box.target()
    first.process_lines([line.encode() for line in (ONE, *rows(1))])
    second = threading.Thread(target=box.feed, args=(ONE, *rows(2)))
    second.start()
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while box.query(waiting) == [(0,)]:
        assert second.is_alive()
    first.process_endofpipe()
    second.join()
    assert ids(box) == [1, 2]


def test_runs_that_begin_at_once_in_an_empty_database_all_load(box):
    commands = []
    for number in range(4):
        config = box.folder / f"{number}.json"
        config.write_text(
            f'{{"warehouse_url": "{box.url}", "schema": "new", "state_dir": "{box.folder}/state{number}"}}'
        )
        commands.append(
            subprocess.Popen([box.COMMAND, "--config", config], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        )
    for number, command in enumerate(commands):
        lines = [ONE, *rows(number)]
        command.stdin.write("".join(f"{line}\n" for line in lines).encode())
        command.stdin.close()
    assert [command.wait() for command in commands] == [0] * 4
    assert [row["id"] for row in box.rows("s", "new")] == ["0", "1", "2", "3"]


def test_a_schema_that_another_run_makes_at_the_same_moment_is_used(box):
    with psycopg.connect(box.url) as other:
        other.execute("CREATE SCHEMA new")
        ours = threading.Thread(target=box.feed, args=(ONE, *rows(1)), kwargs={"schema": "new"})
        ours.start()
        while box.query("SELECT count(*) FROM pg_locks WHERE NOT granted") == [(0,)]:
            assert ours.is_alive()
    ours.join()
    assert len(box.rows("s", "new")) == 1


def test_a_stream_that_waits_in_the_warehouse_holds_up_no_other_one(box):
    other = schema("other", ["id"], id=INTEGER)
    box.feed(ONE, other)
    with psycopg.connect(box.url) as holder:
        holder.execute("LOCK TABLE s IN ACCESS EXCLUSIVE MODE")
        lines = (ONE, *rows(1, 2), other, *(record("other", {"id": n}) for n in range(2)))
        ours = threading.Thread(target=box.feed, args=lines, kwargs={"batch_size_rows": 2, "views": False})
        ours.start()
        while box.query("SELECT count(*) FROM other") != [(2,)]:
            assert ours.is_alive()
    ours.join()
    assert ids(box) == [1, 2]


# Lost connections


def test_a_server_that_restarts_ends_the_run_and_the_next_one_brings_what_is_missing(box, postgres):
    running = box.target(batch_size_rows=2)
    running.process_lines([line.encode() for line in (ONE, *rows(1, 2, 3))])
    running.flight.land()
    postgres.stop("immediate")
    postgres.start()
    running.process_lines([line.encode() for line in rows(4)])
    with pytest.raises(IfsBiError, match=r"table 's' could not take a batch: .*Nothing of it was done") as lost:
        running.flight.land()
    assert not isinstance(lost.value, OutcomeUnknownError)
    running.close()
    assert ids(box) == [1, 2]
    box.feed(ONE, *rows(1, 2, 3, 4, 5), batch_size_rows=2)
    assert ids(box) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("method", ["upsert", "append-only"])
@pytest.mark.parametrize("arrives", [True, False], ids=["done and the answer lost", "lost on the way"])
def test_a_connection_lost_at_commit_is_settled_by_what_the_warehouse_holds(box, postgres, arrives, method):
    box.feed(ONE)
    wire = WireCut(postgres.port, SECOND_BATCH, arrives=arrives)
    wired = PostgresBox(box.folder, postgres.url(box.url.rpartition("/")[2], port=wire.port))
    with pytest.raises(OutcomeUnknownError, match=r"table 's' was about to take a batch, and nobody knows"):
        wired.feed(ONE, *rows(1, 2), load_method=method, batch_size_rows=1)
    assert ids(box) == ([1, 2] if arrives else [1])
    wired.feed(ONE, *rows(2) if method == "upsert" else [], load_method=method)
    assert ids(box) == ([1] if method == "append-only" and not arrives else [1, 2])
    with box.ledger() as ledger:
        batches = [batch for run in history.runs(ledger) for batch in history.show(ledger, run.run).batches]
    told = [batch.rows for batch in sorted(batches, key=lambda batch: batch.at)][:2]
    assert told == [{"acknowledged": 1}, {"acknowledged": 1} if arrives else {"withdrawn": 1}]
    wire.close()


# What PostgreSQL's values can't be


def test_a_null_character_is_refused_and_told(box):
    bad = [record("s", {"id": 2, "x": "a\0b"}), record("s", {"id": 3, "x": 5})]
    assert box.feed(ONE, *rows(1), *bad, *rows(4), validate_records=False) == ExitCode.DEAD_LETTERS
    assert ids(box) == [1, 4]
    reasons = dict(box.dead())
    assert "character that PostgreSQL can't hold ('\\x00')" in reasons['{"id":"2"}']
    assert "5 is no text" in reasons['{"id":"3"}']


def test_a_null_character_in_json_is_refused_by_the_server_and_the_others_arrive(box):
    lines = [record("s", {"id": n, "o": {"a": "\0" if n == 3 else "\\u0000"}}) for n in range(6)]
    assert box.feed(schema("s", ["id"], id=INTEGER, o=OBJECT), *lines) == ExitCode.DEAD_LETTERS
    assert ids(box) == [0, 1, 2, 4, 5]
    assert box.query("SELECT o ->> 'a' FROM s WHERE id = 1") == [("\\u0000",)]
    [(key, reason)] = box.dead()
    assert key == '{"id":"3"}'
    assert "unsupported Unicode escape sequence" in reason


def test_a_key_too_long_for_an_index_is_refused(box):
    noise = "".join(chr(0x4E00 + (n * 7919) % 20000) for n in range(4000))
    lines = [record("t", {"k": key}) for key in ("short", noise)]
    assert box.feed(schema("t", ["k"], k=STRING), *lines) == ExitCode.DEAD_LETTERS
    assert box.rows("t") == [{"k": "short"}]


KNOWN = "CREATE TABLE known (x text PRIMARY KEY); INSERT INTO known VALUES ('a')"
REFUSING = {
    "a trigger": (
        """CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.x = 'bad' THEN RAISE 'never %', NEW.x; END IF; RETURN NEW; END $$;
        CREATE TABLE s (id bigint, x text); CREATE TRIGGER t BEFORE INSERT ON s FOR EACH ROW EXECUTE FUNCTION no()""",
        "never bad",
    ),
    "a partition that is not there": (
        "CREATE TABLE s (id bigint, x text) PARTITION BY LIST (x); CREATE TABLE p PARTITION OF s FOR VALUES IN ('a')",
        "no partition of relation",
    ),
    "a reference": (
        f"{KNOWN}; CREATE TABLE s (id bigint, x text REFERENCES known)",
        "violates foreign key constraint",
    ),
    "a reference that is looked at when the batch ends": (
        f"{KNOWN}; CREATE TABLE s (id bigint, x text REFERENCES known DEFERRABLE INITIALLY DEFERRED)",
        "violates foreign key constraint",
    ),
}


@pytest.mark.parametrize("name", REFUSING)
def test_a_row_that_the_table_refuses_is_a_dead_letter_and_the_others_arrive(box, name):
    statements, reason = REFUSING[name]
    box.run(statements)
    assert box.feed(ONE, *rows(1, 2), record("s", {"id": 3, "x": "bad"}), *rows(4)) == ExitCode.DEAD_LETTERS
    assert ids(box) == [1, 2, 4]
    [(key, said_of_it)] = box.dead()
    assert key == '{"id":"3"}'
    assert reason in said_of_it


def test_a_letter_that_the_databases_encoding_lacks_is_refused(box, postgres):
    with postgres.admin() as admin:
        admin.execute(
            "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0 OWNER team"
        )
    latin = PostgresBox(box.folder, postgres.url("latin"))
    texts = {1: "é", 2: "\u20ac", 3: "a"}
    lines = [record("s", {"id": number, "x": text}) for number, text in texts.items()]
    assert latin.feed(ONE, *lines) == ExitCode.DEAD_LETTERS
    assert {row["id"]: row["x"] for row in latin.rows("s")} == {"1": "é", "3": "a"}


def test_names_that_are_too_long_are_told_apart_in_every_run(box):
    long = [f"{'very_' * 14}long_{number}" for number in range(3)]
    key, *others = long
    lines = [
        schema(long[0], [key], **{key: INTEGER}, **dict.fromkeys(others, STRING)),
        record(long[0], {key: 1, others[1]: "x"}),
    ]
    for _ in range(2):
        box.feed(*lines, schema(long[1], [key], **{key: INTEGER}), record(long[1], {key: 2}))
        box.feed(*lines, load_method="overwrite")
    first, second = sorted(box.tables(), key=lambda table: -len(box.types(table)))
    assert [len(name) for name in (first, second)] == [63, 63]
    assert [list(row.values()) for row in box.rows(first) + box.rows(second)] == [["1", "x"], ["2"]]
    assert len(box.types(first)) == 3


def test_a_stream_whose_name_has_a_null_character_is_loaded_and_remembered(box):
    lines = [schema("a\0b", ["id"], id=INTEGER), record("a\0b", {"id": 1})]
    for _ in range(2):
        assert box.feed(*lines) == ExitCode.DONE
    [name] = box.tables()
    assert len(box.rows(name)) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.none()
        | st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from("\\\n\r\tN.\"',")
        ),
        max_size=6,
    )
)
def test_any_text_arrives_as_it_is(copying, texts):
    planned, warehouse = copying
    given_rows = [{"id": number, "x": text} for number, text in enumerate(texts)]
    held, flaws = to_arrow(given_rows, planned.table.columns)
    assert not flaws
    warehouse.start_over(planned.table)
    warehouse.append(planned.table, held, None)
    with warehouse._connection.transaction("the rows", "be read"):
        found = warehouse._connection.query("SELECT x FROM law ORDER BY id")
    assert [text for (text,) in found] == texts


@pytest.fixture(scope="module")
def copying(postgres):
    warehouse = Warehouse(check_address(postgres.url(postgres.database())).open(), None)
    yield plan("law", {"id": INTEGER, "x": STRING}, [], None, POSTGRESQL), warehouse
    warehouse.close()


def test_rows_are_written_in_pieces_that_joined_are_all_rows():
    table = pa.table({"n": pa.array(range(25_000), pa.int64())}).slice(3, 24_000)
    text = b"".join(bytes(piece) for piece in pieces(table))
    assert text == "".join(f"{number}\n" for number in range(3, 24_003)).encode()


# Views, grants and readers


@pytest.fixture
def read(box, as_reader):
    """A table with rows, a view on it, and somebody who may read both."""
    box.feed(ONE, *rows(1, 2, 3, 4, 5))
    box.run(
        "CREATE VIEW v AS SELECT id FROM s; GRANT SELECT ON s, v TO onlooker; GRANT USAGE ON SCHEMA public TO onlooker"
    )

    def count():
        with psycopg.connect(as_reader) as connection:
            return connection.execute("SELECT (SELECT count(*) FROM s), (SELECT count(*) FROM v)").fetchone()

    return count


def test_an_overwritten_table_keeps_its_views_and_who_may_read_it(box, read):
    box.feed(schema("s", ["id"], id=INTEGER, y=STRING), record("s", {"id": 9, "y": "new"}), load_method="overwrite")
    assert box.rows("s") == [{"id": "9", "y": "new"}]
    assert read() == (1, 1)
    assert box.tables() == ["s", "v"]


def test_an_overwritten_table_keeps_a_column_that_a_view_reads_and_that_the_stream_no_longer_fills(box, read):
    box.feed(schema("s", ["id"], id=STRING), record("s", {"id": "9"}), load_method="overwrite")
    assert box.rows("s") == [{"id_v2": "9"}]
    assert read() == (1, 1)


def test_a_column_that_a_view_reads_and_that_would_widen_is_told(box):
    box.feed(schema("s", ["id"], id=INTEGER, n=INTEGER))
    box.run("CREATE VIEW v AS SELECT n FROM s")
    with pytest.raises(IfsBiError, match=r'column "n" of table .s. could not be widened: cannot alter type .* view'):
        box.feed(schema("s", ["id"], id=INTEGER, n=MONEY))


def test_a_reader_never_sees_fewer_rows_than_the_smaller_of_the_old_and_the_new_ones(box):
    sizes = [5, 9, 3, 7]
    box.feed(ONE, *rows(*range(4)))
    seen, looked, done = set(), threading.Event(), threading.Event()

    def look():
        with psycopg.connect(box.url, autocommit=True) as connection:
            while not done.is_set():
                seen.add(connection.execute("SELECT count(*) FROM s").fetchone()[0])
                looked.set()

    reader = threading.Thread(target=look)
    reader.start()
    looked.wait()
    for size in sizes:
        box.feed(ONE, *rows(*range(size)), load_method="overwrite", batch_size_rows=2)
    done.set()
    reader.join()
    assert 4 in seen
    assert seen <= {4, *sizes}
    assert ids(box) == list(range(7))


def test_an_overwriting_run_that_fails_leaves_the_old_rows_and_nothing_else(box):
    box.feed(ONE, *rows(1, 2))
    fatal = {"load_method": "overwrite", "batch_size_rows": 1, "on_row_error": "fail"}
    assert box.command(ONE, *rows(7), record("s", {}), **fatal).returncode == ExitCode.FAILED
    assert (box.tables(), ids(box)) == (["s"], [1, 2])


def test_rows_are_found_by_an_index_on_their_key(box):
    box.feed(schema("s", ["id", "at"], id=INTEGER, at=MOMENT, x=STRING))
    [(definition,)] = box.query("SELECT indexdef FROM pg_indexes WHERE tablename = 's'")
    assert definition.endswith("(id, at)")


def test_a_batch_leaves_no_table_behind_and_the_ledger_balances(box):
    box.feed(ONE, *rows(1, 2, 3), batch_size_rows=1)
    assert box.tables() == ["s"]
    with box.ledger() as ledger:
        [run] = history.runs(ledger)
        assert history.balance(ledger, run.run).holds


def test_without_the_driver_a_duckdb_file_is_loaded_all_the_same(duckdb_box):
    program = (
        "import sys; sys.modules['psycopg'] = None; sys.argv = ['x', '--config', sys.argv[1]]\n"
        "from target_looker_warehouse.target import main; main()"
    )
    config = duckdb_box.folder / "c.json"
    config.write_text(
        f'{{"warehouse_url": "{duckdb_box.config["warehouse_url"]}", "state_dir": "{duckdb_box.state_dir}"}}'
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, config], input=f"{ONE}\n", capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert duckdb_box.tables() == ["s"]


def test_the_password_is_in_nothing_that_a_run_says_or_writes(box, postgres, as_reader):
    good = box.command(ONE, *rows(1), record("s", {"id": "x"}), STATE)
    forbidden = box.command(ONE, *rows(2), STATE, warehouse_url=as_reader)
    assert (good.returncode, forbidden.returncode) == (ExitCode.DEAD_LETTERS, ExitCode.WRONG_CONFIGURATION)
    written = [path.read_bytes() for path in box.state_dir.rglob("*") if path.is_file()]
    said = [text.encode() for ran in (good, forbidden) for text in (ran.stdout, ran.stderr)]
    assert len(written) >= 2
    for secret in (postgres.password, postgres.escaped, "reading-is-all"):
        assert not any(secret.encode() in content for content in written + said)
