"""What is Redshift's own: the way over S3, other sessions' transactions, lost connections, rights and secrets."""

import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from signal import SIGINT, default_int_handler, raise_signal, signal

import psycopg
import pyarrow as pa
import pytest
from box_redshift import BUCKET, SECRET
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError, OutcomeUnknownError
from ifs_bi_core.ledger import history
from singer_lines import INTEGER, STRING, record, schema
from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.warehouses import redshift

CONFLICT = (
    "XX000",
    "1023",
    "Serializable isolation violation on table - 42, transactions forming the cycle are: 1, 2 (pid:3)",
)


@pytest.fixture
def box(redshift_box):
    return redshift_box


@pytest.fixture
def shim(box):
    """The relay, which misbehaves as a test says and not beyond it."""
    shim = box.servers.shim
    shim.statements.clear()
    yield shim
    shim.failing, shim.answering, shim.tls = (lambda _: None), (lambda _: None), None


@pytest.fixture
def connection(box):
    opened = check_address(box.config["warehouse_url"], box.config["staging_url"]).open()
    yield opened
    opened.close()


@pytest.fixture
def table(connection):
    with connection.transaction("the table", "be made"):
        connection.define('CREATE TABLE "public"."t" ("id" BIGINT, "x" VARCHAR(65535))')
    return '"public"."t"'


def rows(*ids):
    return pa.table({"id": pa.array(ids, pa.int64()), "x": pa.array(["a"] * len(ids), pa.string())})


def ids(box):
    return sorted(number for (number,) in box.query("SELECT id FROM t"))


# Rows


def test_every_type_arrives_as_it_left(connection, box):
    at = datetime(1, 1, 1, tzinfo=UTC)
    last = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    given = pa.table(
        {
            "b": pa.array([True, None, False]),
            "i": pa.array([-(2**63), None, 2**63 - 1], pa.int64()),
            "n": pa.array(
                [Decimal("-0.000000000000000001"), None, Decimal(12345678901234567890)], pa.decimal128(38, 18)
            ),
            "d": pa.array([date(1, 1, 1), None, date(9999, 12, 31)]),
            "at": pa.array([at, None, last], pa.timestamp("us", "UTC")),
            "t": pa.array(["", None, "'\\\"\t\n\r,é\U0001f600 "], pa.string()),
        }
    )
    with connection.transaction("the table", "be made"):
        connection.define(
            'CREATE TABLE "all" ("t" VARCHAR(65535), "b" BOOLEAN, "i" BIGINT, "more" BIGINT, "n" numeric(38,18), "d" DATE, '
            '"at" timestamp with time zone)'
        )
        connection.append('"all"', given)
    assert box.query('SELECT b, i, n, d, t FROM "all" ORDER BY i') == [
        (True, -(2**63), Decimal("-0.000000000000000001"), date(1, 1, 1), ""),
        (
            False,
            2**63 - 1,
            Decimal("12345678901234567890.000000000000000000"),
            date(9999, 12, 31),
            "'\\\"\t\n\r,é\U0001f600 ",
        ),
        (None,) * 5,
    ]
    assert box.query('SELECT "at"::text, more FROM "all" ORDER BY i') == [
        ("0001-01-01 00:00:00+00", None),
        ("9999-12-31 23:59:59.999999+00", None),
        (None, None),
    ]
    with connection.transaction("the table", "be read"):
        assert connection.query('SELECT "n" FROM "all" WHERE "i" = $1', [2**63 - 1]) == [(given["n"][2].as_py(),)]


def test_several_tables_of_rows_are_there_at_once_and_gone_with_the_transaction(connection, table, box):
    with (
        connection.transaction("table", "take rows"),
        connection.staged(rows(1, 2), table) as one,
        connection.staged(rows(2, 3), table) as two,
    ):
        assert connection.query(f"SELECT a.id FROM {one} AS a JOIN {two} AS b ON a.id = b.id") == [(2,)]
        assert len(box.servers.objects()) == 4
    assert box.servers.objects() == []
    with connection.transaction("table", "take rows"), connection.staged(rows(1), table) as name:
        assert connection.query(f"SELECT count(*) FROM {name}") == [(1,)]


def test_an_error_leaves_nothing_in_the_table_and_nothing_in_s3(connection, table, box):
    def interrupted():
        with connection.transaction("table", "take rows"):
            connection.append(table, rows(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert (ids(box), box.servers.objects()) == ([], [])
    with connection.transaction("table", "take rows"):
        connection.append(table, rows(2))
    assert ids(box) == [2]


def test_who_is_interrupted_leaves_nothing_and_doesnt_wait_for_the_statement(connection, table, box, shim, caplog):
    def interrupt(text):
        if text.startswith("INSERT"):
            raise_signal(SIGINT)

    def interrupted():
        with connection.transaction("table", "take rows"):
            connection.append(table, rows(1))
            connection.query("SELECT 1")

    shim.answering = interrupt
    before = signal(SIGINT, default_int_handler)  # a plugin of another test may have put its own there
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        signal(SIGINT, before)
    assert [record.getMessage() for record in caplog.records if "stays in S3" in record.getMessage()] == []
    assert (ids(box), box.servers.objects()) == ([], [])
    assert shim.statements[-1].startswith(("INSERT", "DROP", "SELECT"))
    with pytest.raises(IfsBiError, match="connection is closed"), connection.transaction("table", "take rows"):
        connection.query("SELECT 1")


def test_a_role_is_named_in_copy_and_no_key(box, shim):
    opened = check_address(
        f"{box.config['warehouse_url']}&iam_role=arn:aws:iam::123456789012:role/r", box.config["staging_url"]
    ).open()
    with opened.transaction("table", "take rows"), opened.staged(rows(1), "t"):
        pass
    opened.close()
    [copy] = [text for text in shim.statements if text.startswith("COPY")]
    assert "IAM_ROLE 'arn:aws:iam::123456789012:role/r' FORMAT AS PARQUET MANIFEST" in copy
    assert SECRET not in copy


# Other sessions' transactions


def test_a_transaction_that_another_one_stands_against_is_done_again(connection, table, box, shim):
    conflicts = iter([CONFLICT])
    shim.failing = lambda text: next(conflicts, None) if text == "commit" else None
    with connection.transaction("table", "take rows"):
        connection.append(table, rows(1, 2))
        assert connection.write(f"DELETE FROM {table} WHERE id = $1", [1]) == 1
    assert (ids(box), box.servers.objects()) == ([2], [])
    assert [text for text in shim.statements if text in {"commit", "rollback"}] == ["commit", "rollback", "commit"]


def test_two_transactions_that_read_what_the_other_writes_are_both_done(connection, table, box, shim):
    with connection.transaction("table", "take rows"):
        connection.append(table, rows(1))
    with psycopg.connect(box._behind) as other:
        other.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        other.commit()
        shim.statements.clear()
        with connection.transaction("table", "take rows"):
            assert connection.query("SELECT count(*) FROM t WHERE x = 'b'") == [(0,)]
            other.execute("SELECT count(*) FROM t WHERE x = 'a'").fetchone()
            other.execute("INSERT INTO t VALUES (7, 'c')")
            connection.write("INSERT INTO t VALUES (8, 'a')")
            other.commit()
    assert ids(box) == [1, 7, 8]
    assert shim.statements.count("commit") == 2


def test_a_conflict_that_comes_again_and_again_ends_with_a_sentence(connection, table, box, shim):
    shim.failing = lambda text: CONFLICT if text == "commit" else None
    with (
        pytest.raises(
            IfsBiError,
            match=r"table could not take rows: 1023 \(Serializable isolation violation on table - 42, .*Nothing",
        ),
        connection.transaction("table", "take rows"),
    ):
        connection.append(table, rows(1))
    assert shim.statements.count("commit") == redshift.TRIES
    assert ids(box) == []


def test_what_is_no_longer_true_is_not_written_again(connection, table, box, shim):
    def fails(text):
        if text == "commit":
            shim.failing = lambda _: None
            box.run("INSERT INTO t VALUES (1, 'theirs')")
            return CONFLICT
        return None

    def replaced():
        with connection.transaction("table", "take rows"):
            connection.write(f"DELETE FROM {table} WHERE id = 1")
            connection.append(table, rows(1))

    shim.failing = fails
    with pytest.raises(IfsBiError, match="another session changed the rows"):
        replaced()
    assert box.query("SELECT x FROM t") == [("theirs",)]


# Lost connections


@pytest.mark.parametrize("arrives", [True, False], ids=["done and the answer lost", "lost on the way"])
def test_a_connection_lost_at_commit_is_an_outcome_that_nobody_knows(connection, table, box, shim, arrives):
    def cut(text):
        if text == "commit":
            raise ConnectionAbortedError

    setattr(shim, "answering" if arrives else "failing", cut)
    with (
        pytest.raises(OutcomeUnknownError, match="was about to take rows, and nobody knows"),
        connection.transaction("table", "take rows"),
    ):
        connection.append(table, rows(1))
    assert ids(box) == ([1] if arrives else [])
    assert box.servers.objects() == []


def test_a_connection_lost_before_the_end_has_done_nothing(connection, table, box, shim):
    def cut(text):
        if text.startswith("COPY"):
            raise ConnectionAbortedError

    shim.failing = cut
    with (
        pytest.raises(IfsBiError, match="Nothing of it was done") as lost,
        connection.transaction("table", "take rows"),
    ):
        connection.append(table, rows(1))
    assert not isinstance(lost.value, OutcomeUnknownError)
    with pytest.raises(IfsBiError, match="Nothing of it was done"), connection.transaction("table", "take rows"):
        connection.append(table, rows(1))
    assert ids(box) == []


# Addresses and rights


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        (("pass-of", "wrong-of"), "password authentication failed"),
        (("/test", "/no_such"), "does not exist"),
        (("team:", "nobody:"), "password authentication failed"),
        (("127.0.0.1:", "127.0.0.1:1?"), ""),
        (("?ssl=false", ""), "Server refuses SSL"),
    ],
    ids=["password", "database", "user", "port", "TLS"],
)
def test_an_address_that_leads_nowhere_is_told_without_its_password(box, wrong, part):
    url = box.config["warehouse_url"].replace(*wrong)
    if "?" in wrong[1]:
        url = box.servers.url(box.database, port=1)
    with pytest.raises(ConfigError, match=rf"{part}.*Check that the cluster runs") as refused:
        check_address(url, box.config["staging_url"]).open()
    secrets = (box.servers.postgres.password, box.servers.postgres.escaped, "wrong-of@the")
    assert not any(secret in str(refused.value) for secret in secrets)


def test_a_password_goes_over_tls_to_the_host_of_the_certificate(box, shim, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(shim.speak_tls(tmp_path, "localhost")))
    url = box.config["warehouse_url"].replace("?ssl=false", "")
    with pytest.raises(ConfigError, match=r"127.0.0.1.*can't be used: .*certificate"):
        check_address(url, box.config["staging_url"]).open()
    check_address(url.replace("127.0.0.1", "localhost"), box.config["staging_url"]).open().close()
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ConfigError, match=r"localhost.*can't be used: .*certificate verify failed"):
        check_address(url.replace("127.0.0.1", "localhost"), box.config["staging_url"]).open()


def test_with_iam_the_password_is_asked_of_aws(box, shim, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(shim.speak_tls(tmp_path, "localhost")))
    box.servers.aws("redshift").create_cluster(
        ClusterIdentifier="ours", NodeType="ra3.large", MasterUsername="x", MasterUserPassword="Not-asked-for-1"
    )
    url = f"redshift://localhost:{shim.port}/{box.database}?iam=true&region=eu-central-1&db_user=loader&cluster_identifier="
    with pytest.raises(ConfigError, match=r"Cluster theirs not found.*with IAM: the AWS credentials and the cluster"):
        check_address(f"{url}theirs", box.config["staging_url"]).open()
    with pytest.raises(ConfigError, match='password authentication failed for user "IAM:loader"'):
        check_address(f"{url}ours", box.config["staging_url"]).open()


def test_a_right_that_the_user_lacks_is_told(connection, box):
    with box.servers.postgres.admin(box.database) as admin:
        admin.execute("CREATE TABLE theirs (id bigint)")
    with (
        pytest.raises(ConfigError, match=r"permission denied for table theirs.*who may use and create tables"),
        connection.transaction("table 'theirs'", "take rows"),
    ):
        connection.write('DELETE FROM "theirs" WHERE TRUE')


@pytest.mark.parametrize(
    "failure",
    [
        ("22001", "value too long for type character varying(3)", ""),
        (
            "XX000",
            "Value too long for character type",
            "error:  Value too long\n code:      8001\n context: it is too long",
        ),
        (
            "XX000",
            "Numeric data overflow",
            "error:  Numeric data overflow\n code:      1058\n context: 64 bit overflow",
        ),
    ],
)
def test_values_that_a_column_does_not_take_are_refused_rows(connection, table, shim, failure):
    shim.failing = lambda text: failure if text.startswith("INSERT") else None
    with (
        pytest.raises(LookupError, match=failure[1].partition("(")[0]),
        connection.transaction("table", "take rows", refused=LookupError),
    ):
        connection.append(table, rows(1))


def test_no_secret_is_in_an_error_that_repeats_the_statement(connection, table, shim):
    shim.failing = lambda text: ("42601", f"syntax error in {text}", "") if text.startswith("COPY") else None
    with pytest.raises(IfsBiError, match="syntax error in COPY") as error, connection.transaction("table", "take rows"):
        connection.append(table, rows(1))
    assert SECRET not in str(error.value)


# S3


def test_a_bucket_that_is_not_there_is_told_and_nothing_is_loaded(box, connection, table):
    opened = check_address(box.config["warehouse_url"], "s3://no-such-bucket/x").open()
    with (
        pytest.raises(ConfigError, match=r"put into s3://no-such-bucket/x/: .*bucket does not exist.*Let staging_url"),
        opened.transaction("table", "take rows"),
    ):
        opened.append(table, rows(1))
    opened.close()
    assert ids(box) == []


def test_without_credentials_a_run_ends_with_what_to_set(box, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    opened = check_address(box.config["warehouse_url"], box.config["staging_url"]).open()
    with (
        pytest.raises(ConfigError, match=r"Unable to locate credentials.*environment, profile or role"),
        opened.transaction("table", "take rows"),
        opened.staged(rows(1), "t"),
    ):
        pass
    opened.close()


def test_a_file_that_can_not_be_removed_is_told_and_the_rows_are_there(box, connection, table, caplog):
    with connection.transaction("table", "take rows"):
        connection.append(table, rows(1))
        connection._staging._folder = connection._staging._folder._replace(bucket="gone-in-between")
    assert ids(box) == [1]
    assert "stays in S3: The specified bucket does not exist" in caplog.text
    for key in box.servers.objects():
        box.servers.s3.delete_object(Bucket=BUCKET, Key=key)


# Whole runs


def test_rows_that_no_varchar_holds_are_dead_letters_and_the_others_arrive(box):
    lines = [
        record("s", {"id": number, "x": text}) for number, text in enumerate(["a", "é" * 32_768, "b\0", "é" * 32_767])
    ]
    assert box.feed(schema("s", ["id"], id=INTEGER, x=STRING), *lines) == ExitCode.DEAD_LETTERS
    assert [row["id"] for row in box.rows("s")] == ["0", "3"]
    reasons = dict(box.dead())
    assert "65535" in reasons['{"id":"1"}'].replace(",", "")
    assert "Amazon Redshift" in reasons['{"id":"2"}']


def test_rows_that_somebody_elses_table_refuses_are_dead_letters_and_the_others_arrive(box):
    box.run("CREATE TABLE s (id bigint, x varchar(65535) NOT NULL)")
    lines = [record("s", {"id": number, "x": None if number == 2 else "a"}) for number in range(4)]
    assert box.feed(schema("s", ["id"], id=INTEGER, x=STRING), *lines) == ExitCode.DEAD_LETTERS
    assert [row["id"] for row in box.rows("s")] == ["0", "1", "3"]
    [(key, reason)] = box.dead()
    assert (key, "null value" in reason) == ('{"id":"2"}', True)


def test_a_narrower_column_of_somebody_elses_gets_one_beside_it(box):
    box.run("CREATE TABLE s (id bigint, x varchar(3))")
    box.feed(schema("s", ["id"], id=INTEGER, x=STRING), record("s", {"id": 1, "x": "longer"}))
    assert box.rows("s") == [{"id": "1", "x_v2": "longer"}]


@pytest.mark.parametrize("arrives", [True, False], ids=["done and the answer lost", "lost on the way"])
def test_the_next_run_settles_what_nobody_knew(box, shim, arrives):
    one = schema("s", ["id"], id=INTEGER)
    box.feed(one)

    def cut(text):
        if text == "commit" and any(sent.startswith("COPY") for sent in shim.statements):
            raise ConnectionAbortedError

    shim.statements.clear()
    setattr(shim, "answering" if arrives else "failing", cut)
    with pytest.raises(OutcomeUnknownError, match="was about to take a batch, and nobody knows"):
        box.feed(one, record("s", {"id": 1}), load_method="append-only")
    shim.answering = shim.failing = lambda _: None
    box.feed(one, load_method="append-only")
    assert box.rows("s") == ([{"id": "1"}] if arrives else [])
    with box.ledger() as ledger:
        told = [batch.rows for run in history.runs(ledger) for batch in history.show(ledger, run.run).batches]
    assert told == [{"acknowledged": 1} if arrives else {"withdrawn": 1}]


def test_names_are_in_lower_case_unless_a_setting_keeps_them(box):
    lines = [schema("Orders", ["Id"], Id=INTEGER, ID=STRING), record("Orders", {"Id": 1, "ID": "x"})]
    box.feed(*lines, identifier_case="lower")
    assert box.rows("orders") == [{"id": "1", "id_3843971d": "x"}]
    box.feed(*lines, schema="kept")
    assert box.rows("Orders", "kept") == [{"Id": "1", "ID_3843971d": "x"}]


def test_no_secret_is_in_anything_that_a_run_says_or_writes(box, monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the-token-of-the-session-0123456789")
    monkeypatch.setenv("TARGET_LOOKER_WAREHOUSE_LOGLEVEL", "DEBUG")
    monkeypatch.setenv("LOGLEVEL", "DEBUG")
    one = schema("s", ["id"], id=INTEGER)
    good = box.command(one, record("s", {"id": 1}), record("s", {"id": "x"}))
    missing = box.command(one, record("s", {"id": 2}), staging_url="s3://no-such-bucket")
    wrong = box.command(one, warehouse_url=box.config["warehouse_url"].replace("team:", "nobody:"))
    codes = [good.returncode, missing.returncode, wrong.returncode]
    assert codes == [ExitCode.DEAD_LETTERS, ExitCode.WRONG_CONFIGURATION, ExitCode.WRONG_CONFIGURATION]
    said = [text.encode() for ran in (good, missing, wrong) for text in (ran.stdout, ran.stderr)]
    written = [path.read_bytes() for path in box.state_dir.rglob("*") if path.is_file()]
    assert len(written) >= 2
    postgres = box.servers.postgres
    for secret in (postgres.password, postgres.escaped, SECRET, "the-token-of-the-session"):
        assert not any(secret.encode() in content for content in said + written)


def test_without_the_drivers_the_line_that_installs_them_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "redshift_connector", None)
    monkeypatch.delitem(sys.modules, "target_looker_warehouse.warehouses.redshift", raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'target-looker-warehouse\[redshift\]'"):
        check_address("redshift://me:pw@host/db", "s3://a-bucket")
