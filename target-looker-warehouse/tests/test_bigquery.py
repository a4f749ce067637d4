"""What is BigQuery's own: exact values by way of Parquet, tables of incoming rows, transactions, the statements it is sent."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from google.cloud import bigquery
from ifs_bi_core.columnar.columns import Column, ColumnType, Kind
from ifs_bi_core.errors import IfsBiError
from ifs_bi_core.singer.outgoing import BatchRefusedError
from singer_lines import MOMENT, MONEY, NUMBER, STRING, activate, record, schema
from target_looker_warehouse.dialects.bigquery import BIGQUERY
from target_looker_warehouse.names import suffixed
from target_looker_warehouse.statements import create_table
from target_looker_warehouse.warehouses.bigquery_staging import INCOMING

GOLDEN = Path(__file__).parent / "golden" / "bigquery_run.sql"
V1, V2 = "2024-01-01T00:00:00.000000Z", "2024-01-02T00:00:00.000000Z"

VALUES = {
    "truth": (pa.bool_(), [True, None]),
    "whole": (pa.int64(), [-(2**63), 2**63 - 1]),
    "money": (pa.decimal128(38, 9), [Decimal("-12345678901234567890123456789.123456789"), Decimal("0.000000001")]),
    "large": (pa.decimal128(38, 0), [Decimal(10**38 - 1), Decimal(1 - 10**38)]),
    "small": (pa.decimal128(38, 38), [Decimal("0.00000000000000000000000000000000000001"), None]),
    "day": (pa.date32(), [date(1, 1, 1), date(9999, 12, 31)]),
    "moment": (
        pa.timestamp("us", "UTC"),
        [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)],
    ),
    "text": (pa.string(), ["", "\0\t'\"`\\ä\U0001f600"]),
}


def column(name):
    kind = VALUES[name][0]
    if pa.types.is_decimal(kind):
        return Column(name, name, ColumnType(Kind.DECIMAL, kind.precision, kind.scale))
    kinds = {
        "truth": Kind.BOOLEAN,
        "whole": Kind.INTEGER,
        "day": Kind.DATE,
        "moment": Kind.TIMESTAMP,
        "text": Kind.TEXT,
    }
    return Column(name, name, ColumnType(kinds[name]))


@pytest.fixture
def connection(bigquery_box):
    opened = bigquery_box.connection()
    with opened.transaction("schema 'erp'", "be made"):
        opened.define(f"CREATE SCHEMA {BIGQUERY.qualified(bigquery_box.project, 'erp')}")
    yield opened
    opened.close()


@pytest.fixture
def table(connection, bigquery_box):
    made = bigquery_box.place("t")
    with connection.transaction("table 't'", "be made"):
        connection.define(create_table(made, [column("whole"), column("text")], BIGQUERY))
    return made


def rows(*numbers):
    return pa.table({"whole": pa.array(numbers, pa.int64()), "text": pa.array(["x"] * len(numbers), pa.string())})


def numbers(box):
    return sorted(int(row["whole"]) for row in box.rows("t"))


def test_every_value_that_a_column_holds_arrives_as_it_left(connection, bigquery_box):
    columns = [column(name) for name in VALUES]
    given = pa.table({name: pa.array(values, kind) for name, (kind, values) in VALUES.items()})
    place = bigquery_box.place("values")
    with connection.transaction("table 'values'", "take a batch"):
        connection.define(create_table(place, columns, BIGQUERY))
        connection.append(place, given)
    with connection.transaction("table 'values'", "be read"):
        told = {
            name: type_name for _, name, type_name in connection.query(BIGQUERY.columns_of_tables, ["erp", "values"])
        }
        found = connection.query(f"SELECT * FROM {place} ORDER BY whole")
    assert {name: BIGQUERY.column_type(type_name) for name, type_name in told.items()} == {
        c.name: c.type for c in columns
    }
    assert told["money"] == "NUMERIC(38,9)"
    assert told["small"] == "BIGNUMERIC(38,38)"
    assert [dict(zip(VALUES, row, strict=True)) for row in found] == given.to_pylist()


def test_names_that_no_column_can_have_get_another_one():
    for name in ("a b", "ä", "1st", "_TABLE_x", "_partitiontime", "__root__", "x" * 301, ""):
        assert not BIGQUERY.holds(name)
        assert BIGQUERY.holds(suffixed(name, BIGQUERY))
    for name in ("Id", "_ifs_row_version", "_sdc_deleted_at", "select", "x" * 300):
        assert BIGQUERY.holds(name)


@pytest.mark.parametrize(
    ("needed", "name"),
    [
        ((38, 2), "BIGNUMERIC(38,2)"),
        ((31, 2), "NUMERIC(31,2)"),
        ((38, 9), "NUMERIC(38,9)"),
        ((20, 10), "BIGNUMERIC(20,10)"),
    ],
)
def test_a_decimal_is_the_smaller_type_that_holds_all_its_digits(needed, name):
    decimal = ColumnType(Kind.DECIMAL, *needed)
    assert BIGQUERY.type_name(decimal) == name
    assert BIGQUERY.column_type(name.replace(",", ", ")) == decimal
    assert BIGQUERY.column_type("NUMERIC") == ColumnType(Kind.DECIMAL, 38, 9)
    assert BIGQUERY.column_type("BIGNUMERIC") is None  # holds more digits than a value of ours may have


def append_and_fail(connection, table):
    with connection.transaction("table 't'", "take a batch"):
        connection.append(table, rows(1, 2))
        connection.write("INSERT INTO nowhere.t (x) VALUES (1)")


def test_what_fails_in_the_middle_leaves_nothing(connection, table, bigquery_box):
    with pytest.raises(IfsBiError, match="table 't' could not take a batch"):
        append_and_fail(connection, table)
    assert numbers(bigquery_box) == []
    with connection.transaction("table 't'", "take a batch"):
        connection.append(table, rows(3))
    assert numbers(bigquery_box) == [3]


def test_the_tables_of_incoming_rows_are_gone_behind_the_transaction_however_it_ends(connection, table, bigquery_box):
    with connection.transaction("table 't'", "take a batch"):
        with connection.staged(rows(1), table) as one, connection.staged(rows(2), table) as other:
            assert one != other
            connection.write(f"INSERT INTO {table} SELECT * FROM {one}")
            connection.write(f"INSERT INTO {table} SELECT * FROM {other}")
        assert len([name for name in bigquery_box.all_tables() if name.startswith(INCOMING)]) == 2
    assert bigquery_box.all_tables() == ["t"]
    with (
        pytest.raises(ZeroDivisionError),
        connection.transaction("table 't'", "take a batch"),
        connection.staged(rows(3), table),
    ):
        raise ZeroDivisionError
    assert bigquery_box.all_tables() == ["t"]
    assert numbers(bigquery_box) == [1, 2]


def test_what_a_run_that_died_left_behind_is_removed_and_what_others_work_with_is_not(connection, table, bigquery_box):
    mine, theirs = f"{INCOMING}e3b98a4d_00000000_1", f"{INCOMING}ffffffff_00000000_1"  # the former is of table t
    for name in (mine, theirs):
        left = bigquery.Table(f"{bigquery_box.project}.erp.{name}", [bigquery.SchemaField("whole", "INTEGER")])
        left.description = "a session that is no more"
        bigquery_box.client.create_table(left)
    with connection.transaction("table 't'", "take a batch"):
        connection.append(table, rows(1))
    assert bigquery_box.all_tables() == [theirs, "t"]
    assert numbers(bigquery_box) == [1]


def test_rows_that_a_load_job_does_not_take_are_refused(connection, table):
    wrong = pa.table({"whole": pa.array(["not a number"], pa.string())})
    with pytest.raises(BatchRefusedError), connection.transaction("table 't'", "take a batch", BatchRefusedError):
        connection.append(table, wrong)


def test_what_is_not_there_is_no_error_to_ask_for(bigquery_box):
    opened = bigquery_box.connection()
    with opened.transaction("table 't'", "be looked up"):
        assert opened.query(BIGQUERY.schemas, ["erp"]) == []
        assert opened.query(BIGQUERY.columns_of_tables, ["erp", "t", "t_2"]) == []
    opened.close()


def test_a_run_sends_these_statements_and_load_jobs(bigquery_box):
    """What no emulator judges as BigQuery does: types, MERGE, and how rows are loaded."""
    columns = {"id": STRING, "n": NUMBER, "m": MONEY, "_ifs_row_version": MOMENT, "_sdc_deleted_at": MOMENT}
    started = datetime.now(UTC) - timedelta(minutes=1)
    bigquery_box.feed(
        schema("s", ["id"], **columns),
        record("s", {"id": "a", "n": 1.5, "m": 2, "_ifs_row_version": V1}, 1),
        record("s", {"id": "b", "_ifs_row_version": V1, "_sdc_deleted_at": V2}, 1),
        record("s", {"id": "a", "_ifs_row_version": V2}, 1),
        activate("s", 1),
        views=False,
    )
    bigquery_box.feed(schema("t", [], x=STRING), record("t", {"x": "a"}), load_method="overwrite", views=False)
    jobs = sorted(bigquery_box.client.list_jobs(min_creation_time=started), key=lambda job: job.created)
    text = "".join(f"{shown(job)};\n" for job in jobs)
    text = re.sub(rf"{INCOMING}(\w{{8}})_\w{{8}}_", rf"{INCOMING}\1_RUN_", text).replace(
        bigquery_box.project, "project"
    )
    assert text == GOLDEN.read_text(encoding="utf-8")


def shown(job):
    if isinstance(job, bigquery.LoadJob):
        return (
            f"-- {job.source_format} to {job.destination.table_id}, {job.create_disposition}, {job.write_disposition}"
        )
    return job.query
