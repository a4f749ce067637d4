"""The measures of the shipped model in DAX, in the form that is right for how the rows are written. No I/O.

- `mirror`: one row a key, so plain sums.
- `signed`: a row that takes back an earlier one has ``_sign`` -1 and the same values, so sums over amount times ``_sign``.
- `append`: every version of a row is there, so sums over the latest version of each key that is not gone.

A measure whose stream or column is not there (deselected, dropped) is left out. Columns are named by property, in braces; what
they are called in Power BI is looked up. DAX: learn.microsoft.com/dax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_core.singer.sinks import DELETED_AT, ROW_VERSION

from target_powerbi.dax import quoted_column, quoted_table
from target_powerbi.limits import LIMITS
from target_powerbi.model import FIGURES, PROPERTY
from target_powerbi.tables import SIGN, Measure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_powerbi.model import Among, Figure
    from target_powerbi.settings import WriteMode
    from target_powerbi.tables import Table


def with_measures(table: Table, tables: Mapping[str, Table], write_mode: WriteMode) -> tuple[Measure, ...]:
    """The measures of a table: those of the setting `tables`, and those of the model that the dataset has the columns for.

    A name that is taken (by a column of the table, or by a measure of any table) is not given again.

    Args:
        table: whose measures.
        tables: all tables of the dataset, by stream.
        write_mode: how rows are written.
    """
    own = tuple(measure for measure in table.measures if not measure.shipped)
    others = (measure.name for other in tables.values() if other.stream != table.stream for measure in other.measures)
    taken = {name.casefold() for name in (*(c.name for c in table.all_columns), *(m.name for m in own), *others)}
    shipped: list[Measure] = []
    for measure in _shipped(table, tables, write_mode):
        if measure.name.casefold() not in taken and len(measure.name) <= LIMITS.characters_per_name:
            taken.add(measure.name.casefold())
            shipped.append(measure)
    return (*own, *shipped)


def _shipped(table: Table, tables: Mapping[str, Table], write_mode: WriteMode) -> Iterator[Measure]:
    for figure in FIGURES:
        if figure.stream == table.stream:
            try:
                expression = _figure(figure, table, tables, write_mode)
            except LookupError:  # it needs what is not there
                continue
            yield Measure(figure.name, expression, figure.format, figure.description, shipped=True)
    if write_mode == "mirror":  # visuals count and add up by themselves there
        return
    try:
        yield Measure(f"Rows of {table.name}", _sum("1", table, write_mode), "#,0", shipped=True)
    except LookupError:
        return
    for column in table.columns:
        if column.summarize_by == "sum":
            expression = _sum(f"{{{column.property}}}", table, write_mode)
            yield Measure(f"Sum of {column.name} of {table.name}", expression, column.format, shipped=True)


def _figure(figure: Figure, table: Table, tables: Mapping[str, Table], write_mode: WriteMode) -> str:
    conditions = [f"KEEPFILTERS({_named(condition, table)})" for condition in figure.where]
    if figure.among:
        theirs = tables[figure.among.stream]
        ours = ", ".join(_column(table, own) for _, own in figure.among.on)
        conditions.append(f"KEEPFILTERS(TREATAS({_members(figure.among, theirs, write_mode)}, {ours}))")
    return f"CALCULATE({', '.join([_sum(figure.amount, table, write_mode), *conditions])})"


def _sum(amount: str, table: Table, write_mode: WriteMode) -> str:
    """An amount of each row, added up over the rows that count."""
    name, each = quoted_table(table.name), _named(amount, table)
    match write_mode:
        case "mirror":
            return f"SUMX({name}, {each})"
        case "signed":
            sign = _column(table, SIGN.property)
            return f"SUM({sign})" if each == "1" else f"SUMX({name}, ({each}) * {sign})"
        case "append":
            latest = f"CALCULATE(MAXX({name}, {each}), {_column(table, ROW_VERSION)} = newest)"
            counted = f"{_newest(table)} RETURN IF(NOT (gone > newest), {latest})"
            return f"SUMX({_subjects(table, table.identity)}, {counted})"


def _members(among: Among, table: Table, write_mode: WriteMode) -> str:
    """The keys of a table's rows of which something is true."""
    on = tuple(prop for prop, _ in among.on)
    keys, condition = _subjects(table, on), f"KEEPFILTERS({_named(among.where, table)})"
    match write_mode:
        case "mirror":
            return f"CALCULATETABLE({keys}, {condition})"
        case "signed":
            return f"FILTER({keys}, CALCULATE(SUM({_column(table, SIGN.property)}), {condition}) > 0)"
        case "append":
            if set(table.identity) != set(on):
                raise LookupError(among.stream)
            latest = f"CALCULATETABLE({quoted_table(table.name)}, {_column(table, ROW_VERSION)} = newest, {condition})"
            return f"FILTER({keys}, {_newest(table)} RETURN NOT (gone > newest) && NOT (ISEMPTY({latest})))"


def _newest(table: Table) -> str:
    """When the row of a key changed last, and when it was found to be gone, whatever else a report filters."""
    if not table.identity:
        raise LookupError(table.stream)
    every = f"ALLEXCEPT({quoted_table(table.name)}, {_columns(table, table.identity)})"
    newest = f"VAR newest = CALCULATE(MAX({_column(table, ROW_VERSION)}), {every})"
    return f"{newest} VAR gone = CALCULATE(MAX({_column(table, DELETED_AT)}), {every})"


def _subjects(table: Table, properties: Iterable[str]) -> str:
    return f"SUMMARIZE({quoted_table(table.name)}, {_columns(table, properties)})"


def _columns(table: Table, properties: Iterable[str]) -> str:
    return ", ".join(_column(table, prop) for prop in properties)


def _named(expression: str, table: Table) -> str:
    """The expression with the columns as they are called in Power BI."""
    return PROPERTY.sub(lambda match: _column(table, match[1]), expression)


def _column(table: Table, prop: str) -> str:
    column = table.column_of(prop)
    if column is None:
        raise LookupError(prop)
    return quoted_column(table.name, column.name)
