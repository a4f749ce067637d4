"""What a loaded table has to hold, and whether it does: every column of every row, in one number.

A row's fingerprint is the MD5 of its columns as text, each in one form whatever type somebody gave it; a table's is the sum over
its rows, so that their order makes no difference and a row that is there twice does. DuckDB and PostgreSQL take the same SQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa
from pages import DATES, DECIMALS, FLAGS, MARK, MOMENTS, PAGE_ROWS, TEXTS, row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

COLUMNS: dict[str, str] = {
    "OrderNo": "VARCHAR",
    "LineNo": "DECIMAL(20,0)",
    "Objstate": "VARCHAR",
    **dict.fromkeys(DECIMALS, "DECIMAL(20,2)"),
    **dict.fromkeys(TEXTS, "VARCHAR"),
    **dict.fromkeys(DATES, "DATE"),
    **dict.fromkeys(MOMENTS, "TIMESTAMP"),
    **dict.fromkeys(FLAGS, "BOOLEAN"),
}
"""The columns that are compared, and the type whose text is."""

HEXADECIMAL = {
    "duckdb": "CAST('0x' || substr({0}, 1, 15) AS BIGINT)",
    "postgresql": "('x' || substr({0}, 1, 15))::bit(60)::bigint",
}
"""60 bits of a digest as a number."""

_PLAIN, _OTHER = "plain words", "other words"
_FIRST_UPDATED = 3


@dataclass(frozen=True)
class Fingerprint:
    """How many rows, and the sum of their digests."""

    rows: int
    digest: int


@dataclass(frozen=True)
class Updates:
    """Which rows were updated: one of every ``step``, as often as ``count`` says. All their texts and one amount differ."""

    count: int
    step: int

    def __contains__(self, place: int) -> bool:
        """Whether the row at a place was."""
        return place % self.step == _FIRST_UPDATED and place < self.count * self.step

    @property
    def condition(self) -> str:
        """The same in SQL."""
        return f"(place % {self.step} = {_FIRST_UPDATED} AND place < {self.count * self.step})"

    @staticmethod
    def line(line: bytes) -> bytes:
        """A RECORD line as it is after the update."""
        changed = line.replace(_PLAIN.encode(), _OTHER.encode()).replace(b'"Amount0":', b'"Amount0":9', 1)
        return changed.replace(b"2025-10-08T17:16:10", b"2025-10-09T17:16:10")  # the row version: the newer one wins


NO_UPDATES = Updates(0, PAGE_ROWS)


def fingerprint_sql(dialect: str, columns: Mapping[str, str], table: str) -> str:
    """The query for a table's fingerprint.

    Args:
        dialect: of `HEXADECIMAL`.
        columns: expression by name, of all `COLUMNS`.
        table: what they are in.
    """
    texts = (
        f"coalesce(CAST(CAST(CAST({columns[name]} AS VARCHAR) AS {kind}) AS VARCHAR), '~')"
        for name, kind in COLUMNS.items()
    )
    digest = HEXADECIMAL[dialect].format(f"md5(concat_ws('|', {', '.join(texts)}))")
    return f"SELECT count(*), coalesce(sum({digest}), 0) FROM {table}"


def source(updates: Updates = NO_UPDATES) -> duckdb.DuckDBPyConnection:
    """A database whose macro ``rows_of(first, last)`` gives the source's rows by ``place``; all other columns are text."""
    connection = duckdb.connect()
    rows = [{**row(number), "number": number} for number in range(PAGE_ROWS)]
    connection.register("page", pa.Table.from_pylist(rows))
    connection.execute("CREATE TABLE template AS FROM page")
    place = f"page * {PAGE_ROWS} + number"
    shown = {name: f"CAST({name} AS VARCHAR)" for name in COLUMNS} | {
        "OrderNo": f"replace(OrderNo, '{MARK}', printf('%06d', page))",
        "Amount0": f"if({updates.condition}, '9' || Amount0, Amount0)",
        **{name: f"if({updates.condition}, replace({name}, '{_PLAIN}', '{_OTHER}'), {name})" for name in TEXTS},
    }
    columns = ", ".join(f'{expression} AS "{name}"' for name, expression in shown.items())
    connection.execute(
        f"CREATE MACRO rows_of(lowest, behind) AS TABLE SELECT {columns}, place FROM (SELECT *, {place} AS place FROM template, "
        f"range(lowest // {PAGE_ROWS}, behind // {PAGE_ROWS} + 1) numbers(page)) WHERE place >= lowest AND place < behind"
    )
    return connection


def expected(rows: int, updates: Updates = NO_UPDATES) -> Fingerprint:
    """Of the source's first rows."""
    with source(updates) as connection:
        columns = {name: f'"{name}"' for name in COLUMNS}
        return found(connection.execute(fingerprint_sql("duckdb", columns, f"rows_of(0, {rows})")).fetchone())


def of_lines(file: Path, record: str = "record") -> Fingerprint:
    """Of the RECORD lines of a file; or of its lines, where a line is the record alone."""
    columns = {name: f"(record ->> '$.{name}')" for name in COLUMNS}
    with duckdb.connect() as connection:
        if record:
            lines = f"read_json('{file}', format='newline_delimited', columns={{type: 'VARCHAR', {record}: 'JSON'}})"
            table = f"(SELECT * FROM {lines} WHERE type = 'RECORD')"
        else:
            table = f"(SELECT json AS record FROM read_json_objects('{file}', format='newline_delimited'))"
        return found(connection.execute(fingerprint_sql("duckdb", columns, table)).fetchone())


def found(answer: Iterable[int] | None) -> Fingerprint:
    """A database's answer."""
    return Fingerprint(*map(int, answer or ()))
