"""Rows on the wire: the ETag of a row, and the SELECT that fetches rows and packs them into JSON."""

from __future__ import annotations

import base64
import sqlite3
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from ifs_bi_sandbox.ifs.errors import bad_request
from ifs_bi_sandbox.ifs.layout import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ifs_bi_sandbox.ifs.aggregation import Aggregation
    from ifs_bi_sandbox.ifs.filter import Condition, Parameter
    from ifs_bi_sandbox.ifs.layout import Layout

ETAG: Final = "@odata.etag"
CHUNK: Final = 5000  # rows held as Python objects at once; an answer without $top may have a million
_ROWS_A_BLOCK: Final = 64
_TRUTH: Final = {None: None, 0: False, 1: True}


def etag_maker(table: str) -> Callable[[int, str], str]:
    """The function from a table's row number and row version to the row's ETag.

    An ETag is ``W/"<base64>"`` around ``W/"<ROWID>:<YYYYMMDDHHMMSS>"``, as decoded from real tenants. The ROWID has Oracle's
    form (6 digits of the object, 3 of the file, 6 of the block, 3 of the row) and stays with its row.
    """
    checksum = zlib.crc32(table.encode())
    segment = (checksum & 0xFFFFF) << 18 | (1 + checksum % 60)  # object and file: 36 and 18 bits
    # 3 + 9 bytes are whole groups of base64, so that this half is the same for every row.
    head = 'W/"' + base64.b64encode(b'W/"' + _digits(segment, 9)).decode()

    def etag(number: int, version: str) -> str:
        block, row = divmod(number, _ROWS_A_BLOCK)
        tail = b'%b:%b"' % (_digits(block << 18 | row, 9), version.encode())
        return f'{head}{base64.b64encode(tail).decode()}"'

    return etag


def _digits(number: int, count: int) -> bytes:
    """The number in Oracle's digits, which are those of base64, with leading zeros (``A``)."""
    bits = count * 6
    size = -(-bits // 8)
    return base64.b64encode((number << (size * 8 - bits)).to_bytes(size, "big"))[:count]


@dataclass(frozen=True)
class Expanded:
    """One ``…Ref`` that is shown inside each row: its name, the target's layout and members, and the join's condition."""

    name: str
    layout: Layout
    members: tuple[str, ...]
    alias: str
    on: Condition


@dataclass(frozen=True)
class Selection:
    """What is read of an entity set: which members of which rows, in which order.

    Attributes:
        layout: The entity set.
        members: The members shown, in IFS's order.
        where: Conditions that all hold; the table's alias is ``m``.
        order: ORDER BY terms.
        limit: At most so many rows; None for all.
        offset: So many rows are passed over first.
        expanded: References shown inside the rows.
        exact: Decimals as strings.
        with_etag: Whether rows carry ``@odata.etag``.
        apply: What the rows are grouped and added up to; ``members`` are its names then.
    """

    layout: Layout
    members: tuple[str, ...]
    where: tuple[Condition, ...] = ()
    order: tuple[str, ...] = ()
    limit: int | None = None
    offset: int = 0
    expanded: tuple[Expanded, ...] = ()
    exact: bool = False
    with_etag: bool = True
    apply: Aggregation | None = None

    def read(self, connection: sqlite3.Connection) -> list[dict[str, Any]]:
        """All rows of the selection, as the members of their JSON objects."""
        return self._pack(_run(connection, *self._statement()).fetchall())

    def json(self, connection: sqlite3.Connection) -> tuple[bytes, int]:
        """The rows as JSON objects with commas between them, and how many there are."""
        cursor = _run(connection, *self._statement())
        parts, count = [], 0
        while rows := cursor.fetchmany(CHUNK):
            parts.append(orjson.dumps(self._pack(rows))[1:-1])
            count += len(rows)
        return b",".join(parts), count

    def count(self, connection: sqlite3.Connection) -> int:
        """How many rows meet the conditions, whatever the limit and the offset."""
        where, params = _all(self.where)
        sql = f"SELECT count(*) FROM {self.layout.table} AS m WHERE {where}"  # noqa: S608 - names are facts, values are bound
        return int(_run(connection, sql, params).fetchone()[0])

    def _statement(self) -> tuple[str, tuple[Parameter, ...]]:
        if self.apply is None:
            columns = [self.layout.expression(member, "m", exact=self.exact) for member in self.members]
        else:
            columns = [
                f"{sql} AS {quoted(name)}"
                for name, sql in zip(self.members, self.apply.columns(self.layout, exact=self.exact), strict=True)
            ]
        joins = ""
        params: tuple[Parameter, ...] = ()
        for ref in self.expanded:
            columns += [f"{ref.alias}.{quoted(ref.layout.entity_set.key[0])} IS NOT NULL"]
            columns += [ref.layout.expression(member, ref.alias, exact=self.exact) for member in ref.members]
            joins += f" LEFT JOIN {ref.layout.table} AS {ref.alias} ON {ref.on.sql}"
            params += ref.on.params
        if self.with_etag:
            columns = ['m."_rowid"', *columns, 'm."_rowversion"']
        where, bound = _all(self.where)
        sql = f"SELECT {', '.join(columns) or '1'} FROM {self.layout.table} AS m{joins} WHERE {where}"  # noqa: S608 - names are facts, values are bound
        if self.apply is not None:
            sql += self.apply.grouping()
        if self.order:
            sql += f" ORDER BY {', '.join(self.order)}"
        return f"{sql} LIMIT ? OFFSET ?", (*params, *bound, -1 if self.limit is None else self.limit, self.offset)

    def _pack(self, rows: Sequence[tuple[Any, ...]]) -> list[dict[str, Any]]:
        """Rows of the statement as JSON objects."""
        names = (ETAG, *self.members) if self.with_etag else self.members
        packed = [dict(zip(names, row, strict=False)) for row in rows]
        if self.with_etag:
            etag = etag_maker(self.layout.entity_set.table)
            for item, row in zip(packed, rows, strict=True):
                item[ETAG] = etag(row[0], row[-1])
        _tell_truth(packed, self.layout.booleans(self.members))
        start = len(names)
        for ref in self.expanded:
            end = start + 1 + len(ref.members)
            for item, row in zip(packed, rows, strict=True):
                item[ref.name] = dict(zip(ref.members, row[start + 1 : end], strict=True)) if row[start] else None
            _tell_truth([item[ref.name] for item in packed if item[ref.name]], ref.layout.booleans(ref.members))
            start = end
        return packed


def _run(connection: sqlite3.Connection, sql: str, params: tuple[Parameter, ...]) -> sqlite3.Cursor:
    """Execute a SELECT; what exceeds SQLite's limits is the request's fault."""
    try:
        return connection.execute(sql, params)
    except sqlite3.OperationalError as error:
        if "parser stack overflow" in str(error) or "too many" in str(error) or "too large" in str(error):
            raise bad_request(f"The filter is too large: {error}.") from None
        raise


def _tell_truth(items: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Turn 0 and 1 into false and true."""
    for name in names:
        for item in items:
            item[name] = _TRUTH[item[name]]


def _all(conditions: Sequence[Condition]) -> tuple[str, tuple[Parameter, ...]]:
    """The conditions joined by AND."""
    sql = " AND ".join(f"({condition.sql})" for condition in conditions)
    return sql or "1", tuple(param for condition in conditions for param in condition.params)
