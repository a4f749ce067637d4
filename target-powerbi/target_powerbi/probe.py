"""What DAX queries tell about the columns of a table that nothing is kept of: the API gives no schema back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError, OutcomeUnknownError

from target_powerbi.choices import NUMBERS
from target_powerbi.dax import quoted_column, quoted_table
from target_powerbi.outcomes import NOTHING_HAPPENED
from target_powerbi.tables import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from target_powerbi.tables import Table

_FULL_NAME = re.compile(r".*?\[(.+)\]", re.DOTALL)
_KINDS = {"text": {"String", "DateTime"}, "number": NUMBERS, "true or false": {"Boolean"}}
"""Kinds of JSON values, and the data types that have them."""


def columns_shown(table: Table, ask: Callable[[str], list[dict[str, Any]]]) -> tuple[Column, ...] | None:
    """The columns that a table has, as far as queries show; None where Power BI does not answer them.

    A row tells the names of all columns, and of their types whether they are text, numbers or neither. Without a row, it is asked
    for the columns that there should be: all at once, and one by one when one is not there.

    Args:
        table: as it should be. A column whose values are of the right kind is taken to have the right type.
        ask: answers a DAX query with its rows.
    """
    try:
        rows = ask(f"EVALUATE TOPN(1, {quoted_table(table.name)})")
        if rows:
            return tuple(_of_row(table, rows[0]))
        if _has(ask, table.name, table.all_columns):
            return table.all_columns
        return tuple(column for column in table.all_columns if _has(ask, table.name, [column])) or None
    except (*NOTHING_HAPPENED, OutcomeUnknownError):
        return None


def _has(ask: Callable[[str], list[dict[str, Any]]], table: str, columns: Iterable[Column]) -> bool:
    chosen = ", ".join(f'"{place}", {quoted_column(table, column.name)}' for place, column in enumerate(columns))
    try:
        ask(f"EVALUATE TOPN(1, SELECTCOLUMNS({quoted_table(table)}, {chosen}))")
    except ContractBrokenError:  # the query names what is not there
        return False
    return True


def _of_row(table: Table, row: dict[str, Any]) -> Iterable[Column]:
    wanted = {column.name.casefold(): column for column in table.all_columns}
    for full, value in row.items():
        match = _FULL_NAME.fullmatch(full)
        name = match[1].replace("]]", "]") if match else full
        column = wanted.get(name.casefold())
        if column is None:
            yield Column(name, name, "some type")  # type: ignore[arg-type]  # for the difference that is shown alone
        elif value is None or column.type in _KINDS[_kind(value)]:
            yield column
        else:
            yield Column(name, column.name, _kind(value))  # type: ignore[arg-type]  # the same


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    return "text" if isinstance(value, str) else "number"
