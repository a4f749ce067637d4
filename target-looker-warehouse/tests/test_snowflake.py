"""Snowflake by way of the vendor's connector, against the server of fakesnow; every test of it alone."""

from __future__ import annotations

import socket
from decimal import Decimal

import pyarrow as pa
import pytest
from box_snowflake import SnowflakeBox
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from ifs_bi_core.errors import ConfigError, ExitCode, IfsBiError, OutcomeUnknownError
from ifs_bi_core.ledger import history
from singer_lines import INTEGER, MONEY, STRING, record, schema
from snowflake import connector
from snowflake_wire import SilentAtCommit
from target_looker_warehouse.addresses import check_address
from target_looker_warehouse.dialects.snowflake import SNOWFLAKE
from target_looker_warehouse.warehouses.sentences import Failure
from target_looker_warehouse.warehouses.snowflake import _kind

ONE = schema("s", ["id"], id=INTEGER, x=STRING)
# Where the connector gives up waiting, a thread of its own tries to cancel the statement over the same wire.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
SECOND_BATCH = 2
"""Its place among the COMMITs of a run: the catalogue needs none."""


@pytest.fixture
def box(snowflake_box):
    return snowflake_box


@pytest.fixture
def session(box):
    """A connection of ours, and a table."""
    opened = check_address(box.config["warehouse_url"]).open()
    with opened.transaction("a table", "be made"):
        opened.define('CREATE TABLE "t" ("n" NUMBER(5,0), "x" TEXT)')
    yield opened
    opened.close()


def rows(*ids):
    return [record("s", {"id": number, "x": "a"}) for number in ids]


def ids(box):
    return sorted(int(row["id"]) for row in box.rows("s"))


def numbers(*values):
    return pa.table({"n": pa.array(values, pa.int64())})


# Transactions


def test_rows_are_there_when_the_transaction_has_ended_and_not_before(box, session):
    with session.transaction("a table", "be filled"):
        session.append('"t"', numbers(1, 2))
        assert box.query('SELECT count(*) FROM "t"') == [(0,)]
    assert box.query('SELECT count(*) FROM "t"') == [(2,)]


def _fill_and_fail(session):
    with session.transaction("a table", "be filled"):
        session.append('"t"', numbers(1))
        session.write('INSERT INTO "t" ("n") VALUES ($1)', [2])
        raise ZeroDivisionError


def test_an_error_leaves_nothing(box, session):
    with pytest.raises(ZeroDivisionError):
        _fill_and_fail(session)
    assert box.query('SELECT count(*) FROM "t"') == [(0,)]


def test_what_is_staged_ends_with_the_transaction(session):
    with session.transaction("a table", "be filled"):
        with session.staged(numbers(1), '"t"') as first, session.staged(numbers(2, 3), '"t"') as second:
            assert session.query(f"SELECT count(*) FROM {first}") == [(1,)]
            assert session.write(f'INSERT INTO "t" ("n") SELECT "n" FROM {second}') == 2
        assert session.query(f"SELECT count(*) FROM {second}") == [(2,)]
    for name in (first, second):
        with pytest.raises(IfsBiError, match="does not exist"), session.transaction("a table", "be read"):
            session.query(f"SELECT count(*) FROM {name}")
    with session.transaction("a stage", "be listed"):
        assert session.query(f"LIST @{first.rpartition('_')[0]}") == []


def _fill_and_define(session):
    with session.transaction("a table", "be filled"):
        session.append('"t"', numbers(1))
        session.define('CREATE TABLE "u" ("n" NUMBER(5,0))')


def test_a_definition_after_a_row_is_no_way_to_commit_it(box, session):
    with pytest.raises(RuntimeError, match="would commit"):
        _fill_and_define(session)
    assert box.query('SELECT count(*) FROM "t"') == [(0,)]


def test_values_that_a_column_cannot_take_are_refused(box, session):
    told = []
    with (
        pytest.raises(LookupError),
        session.transaction("table 't'", "take a batch", lambda reason: told.append(reason) or LookupError()),
    ):
        session.append('"t"', numbers(1, 1_000_000))
    assert "1000000" in told[0]
    assert box.query('SELECT count(*) FROM "t"') == [(0,)]


def test_a_parameter_is_one_outside_of_names_and_texts_alone(session):
    with session.transaction("values", "be read"):
        assert session.query("""SELECT $2 || $1 AS "$1 ""?", '$2''' AS B""", ["a", "b$1?"]) == [("b$1?a", "$2'")]


# What a run leaves


def test_names_are_capitals_unless_somebody_asks_for_others(box):
    del box.config["identifier_case"]
    box.feed(
        schema("Purchase orders", ["id"], id=INTEGER, Amount=MONEY), record("Purchase orders", {"id": 1, "Amount": 2})
    )
    assert box.tables() == ["PURCHASE ORDERS"]
    assert box.rows("PURCHASE ORDERS") == [{"ID": "1", "AMOUNT": "2.00"}]


def test_any_name_of_a_property_is_the_name_of_a_column(box):
    names = ["$1", "a?", '"', "select", "ä ö", "_", "x" * 255]  # fakesnow fails at an apostrophe: golden SQL has it
    box.feed(schema("s", ["$1"], **dict.fromkeys(names, STRING)), record("s", dict.fromkeys(names, "v")))
    assert box.rows("s") == [dict.fromkeys(names, "v")]


def test_an_integer_column_and_one_of_19_digits_keep_what_they_get(box):
    digits = {"type": ["number", "null"], "multipleOf": 1, "precision": 19, "scale": 0}
    for _ in range(2):  # the second time the table stands
        lines = [schema("s", ["i"], i=INTEGER, d=digits), record("s", {"i": -(2**63), "d": 9_999_999_999_999_999_999})]
        assert box.feed(*lines) == ExitCode.DONE
    assert box.rows("s") == [{"i": str(-(2**63)), "d": "9999999999999999999"}]
    assert box.types("s") == {"i": "NUMBER(19,0)", "d": "NUMBER(19,0)"}


def test_decimals_that_no_number_holds_are_text(box):
    tiny = {"type": ["number", "null"], "multipleOf": 1e-38}
    box.feed(schema("s", ["id"], id=INTEGER, d=tiny), record("s", {"id": 1, "d": 0.1}))
    assert box.types("s")["d"] == "TEXT"
    assert Decimal(box.rows("s")[0]["d"]) == Decimal("0.1")


# When the network fails


@pytest.mark.parametrize("arrives", [True, False])
def test_a_lost_answer_is_asked_for_by_the_next_run(box, arrives):
    wire = SilentAtCommit(box.server.port, SECOND_BATCH, arrives=arrives)
    wired = SnowflakeBox(box.folder, box.server)
    wired.database = box.database
    wired.config["warehouse_url"] = box.server.url(box.database, port=wire.port, network_timeout="1")
    with pytest.raises(OutcomeUnknownError, match=r"table 's' was about to take a batch, and nobody knows"):
        wired.feed(ONE, *rows(1, 2), batch_size_rows=1)
    wire.close()
    assert ids(box) == ([1, 2] if arrives else [1])
    box.feed(ONE, *rows(2))
    assert ids(box) == [1, 2]
    with box.ledger() as ledger:
        batches = [batch for run in history.runs(ledger) for batch in history.show(ledger, run.run).batches]
    told = [batch.rows for batch in sorted(batches, key=lambda batch: batch.at)][:2]
    assert told == [{"acknowledged": 1}, {"acknowledged": 1} if arrives else {"withdrawn": 1}]


def test_an_account_that_is_not_there_is_told_without_its_password(box):
    with socket.socket() as bound:  # nobody listens there
        bound.bind(("127.0.0.1", 0))
        address = box.server.url(box.database, port=bound.getsockname()[1], login_timeout="1")
        with pytest.raises(ConfigError, match="can't be used") as told:
            check_address(address).open()
    assert box.server.password not in str(told.value)
    assert "Nothing was sent" in str(told.value)


# How a session begins


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path_factory.mktemp("key") / "key.p8"
    locked = serialization.BestAvailableEncryption(b"opens-the-key")
    file.write_bytes(made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    return file


WAYS = {
    "key": "private_key_path={key}&private_key_passphrase=opens-the-key",
    "oauth": "authenticator=oauth&token=the-token-of-the-team",
    "programmatic_access_token": "authenticator=programmatic_access_token&token=the-token-of-the-team",
}


@pytest.mark.parametrize("way", WAYS)
def test_the_connector_takes_each_way_to_sign_in(box, key, way):
    place, _, options = box.config["warehouse_url"].partition("?")
    address = f"snowflake://team@{place.rpartition('@')[2]}?{options}&{WAYS[way].format(key=key)}"
    opened = check_address(address).open()
    assert (opened.inside, opened.main_schema) == ((box.database,), "PUBLIC")
    opened.close()


@pytest.mark.parametrize("passphrase", ["", "&private_key_passphrase=another-word"])
def test_a_key_that_is_none_or_stays_locked_is_told_without_its_passphrase(box, key, passphrase):
    place, _, options = box.config["warehouse_url"].partition("?")
    address = f"snowflake://team@{place.rpartition('@')[2]}?{options}&private_key_path={key}{passphrase}"
    with pytest.raises(ConfigError, match=r"can't be used: .* Check account") as told:
        check_address(address).open()
    assert "another-word" not in str(told.value)


# What Snowflake says


@pytest.mark.parametrize(
    ("error", "ending", "kind"),
    [
        (
            connector.ProgrammingError("Numeric value '1000000' is out of range", 100039, "22003"),
            False,
            Failure.REFUSED,
        ),
        (
            connector.ProgrammingError("String 'abc' is too long and would be truncated", 100078, "22000"),
            False,
            Failure.REFUSED,
        ),
        (connector.ProgrammingError("NULL result in a non-nullable column", 100072, "22000"), False, Failure.REFUSED),
        (connector.ProgrammingError("Duplicate row detected during DML action", 100090, "42P18"), False, Failure.OTHER),
        (connector.ProgrammingError("no current database", 90105, "22000"), False, Failure.FORBIDDEN),
        (connector.ProgrammingError("exceeded its quota", 90073, "22000"), False, Failure.FORBIDDEN),
        (connector.ProgrammingError("No active warehouse selected", 606, "57P03"), False, Failure.FORBIDDEN),
        (
            connector.ProgrammingError("Insufficient privileges to operate on schema", 3001, "42501"),
            False,
            Failure.FORBIDDEN,
        ),
        (connector.ProgrammingError("does not exist or not authorized", 2003, "42S02"), False, Failure.FORBIDDEN),
        (connector.ProgrammingError("syntax error", 1003, "42000"), False, Failure.OTHER),
        (connector.ProgrammingError("syntax error", 1003, "42000"), True, Failure.OTHER),
        (connector.ProgrammingError("SQL execution canceled", 604, "57014"), True, Failure.UNKNOWN),
        (connector.OperationalError("Connection is closed", 250002, "08003"), True, Failure.UNKNOWN),
        (connector.OperationalError("Connection is closed", 250002, "08003"), False, Failure.OTHER),
        (ConnectionResetError(), True, Failure.UNKNOWN),
        (ConnectionResetError(), False, Failure.OTHER),
    ],
)
def test_an_error_is_of_a_kind_by_its_number_and_state(error, ending, kind):
    assert _kind(error, ending=ending) == kind


def test_a_type_is_read_back_as_it_was_named():
    for name in ("NUMBER(38,2)", "NUMBER(19,0)", "TIMESTAMP_TZ", "DATE", "BOOLEAN", "TEXT"):
        assert SNOWFLAKE.type_name(SNOWFLAKE.column_type(name)) == name
    for other in ("FLOAT", "VARIANT", "TIMESTAMP_NTZ", "BINARY"):
        assert SNOWFLAKE.column_type(other) is None
