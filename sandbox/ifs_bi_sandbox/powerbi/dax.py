"""The two DAX queries a loader asks: how many rows a table has, and how many of them carry a value.

Source: learn.microsoft.com/rest/api/power-bi/datasets/execute-queries and the DAX reference: counting no rows gives BLANK,
which is a null; comparing strings disregards case; created columns come back as ``[name]``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ifs_bi_sandbox.powerbi.errors import query_failed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ifs_bi_sandbox.powerbi.datasets import Table

_STRING = r'"((?:[^"]|"")*)"'
_TABLE = r"(?:'((?:[^']|'')+)'|([A-Za-z_]\w*))"
_COLUMN = rf"{_TABLE}\[((?:[^\]]|\]\])+)\]"
_FILTER = rf"FILTER\(\s*{_TABLE}\s*,\s*{_COLUMN}\s*=\s*{_STRING}\s*\)"
_COUNT = re.compile(
    rf"\s*EVALUATE\s+ROW\(\s*{_STRING}\s*,\s*COUNTROWS\(\s*(?:{_TABLE}|{_FILTER})\s*\)\s*\)\s*", re.IGNORECASE
)


def evaluate(query: str, tables: Mapping[str, Table]) -> dict[str, int | None]:
    """The one row of ``EVALUATE ROW("n", COUNTROWS('T'))`` or ``… COUNTROWS(FILTER('T', 'T'[c] = "x"))``."""
    if not (match := _COUNT.fullmatch(query)):
        raise query_failed("Query (1, 1) This sandbox counts the rows of a table, with one equality, and nothing else.")
    name, quoted, plain, *filtered = match.groups()
    if quoted or plain:
        count = len(_table(quoted, plain, tables).rows)
    else:
        filter_quoted, filter_plain, column_quoted, column_plain, column, value = filtered
        table = _table(filter_quoted, filter_plain, tables)
        if _table(column_quoted, column_plain, tables) is not table:
            raise query_failed("Query (1, 1) The column belongs to another table than the one that is filtered.")
        count = _count(table, column.replace("]]", "]"), value.replace('""', '"'))
    return {f"[{name.replace(chr(34) * 2, chr(34))}]": count or None}


def _table(quoted: str | None, plain: str | None, tables: Mapping[str, Table]) -> Table:
    name = plain or (quoted or "").replace("''", "'")
    table = next((table for table in tables.values() if table.name.casefold() == name.casefold()), None)
    if table is None:
        raise query_failed(f"Query (1, 1) Cannot find table '{name}'.")
    return table


def _count(table: Table, column: str, value: str) -> int:
    places = {name.casefold(): (place, kind) for place, (name, kind) in enumerate(table.columns.items())}
    if column.casefold() not in places:
        raise query_failed(f"Query (1, 1) Column '{column}' in table '{table.name}' cannot be found.")
    place, kind = places[column.casefold()]
    if kind != "String":
        raise query_failed(f"Query (1, 1) DAX comparison operations do not support comparing {kind} with Text.")
    wanted = value.casefold()
    # In DAX a BLANK equals the empty string.
    return sum(str(row[place] or "").casefold() == wanted for row in table.rows)
