"""The statement that makes a view, in the words of one warehouse. Pure: facts of tables in, text out.

The SELECTs of the views keep to what all warehouses understand alike. Each begins with the tables: of every stream the rows that
are not marked as deleted, its properties under their own names, in the types that the view takes them for. What a column is
really called, that one is missing, and that its values are spread over `amount` and `amount_v2`, ends there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ifs_bi_core.columnar.columns import DECIMAL_DIGITS, ColumnType, Kind
from ifs_bi_core.singer.sinks import DELETED_AT

from target_looker_warehouse.names import later_columns, names_for
from target_looker_warehouse.views.catalogue import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.views.catalogue import Definition, Source, View

_MONEY = ColumnType(Kind.DECIMAL, DECIMAL_DIGITS, 2)  # of a null alone
_IDENTIFIER = re.compile(r'"([^"]+)"')
_AS_TEXT = re.compile(r"\bAS TEXT\)")
_DAYS_BETWEEN = re.compile(r"\bdays_between\(([^,()]+), ([^,()]+)\)")

_FREELY = frozenset({(Kind.INTEGER, Kind.DECIMAL)})
_CAST = frozenset(
    {
        *((kind, Kind.TEXT) for kind in Kind if kind is not Kind.TEXT),
        (Kind.DECIMAL, Kind.INTEGER),  # IFS Cloud calls its whole numbers decimals
        (Kind.TIMESTAMP, Kind.DATE),
        (Kind.DATE, Kind.TIMESTAMP),
    }
)
"""From which kind to which a value is taken: as it is, or by a cast. A number in a text isn't money that can be added up."""


class Standing(NamedTuple):
    """A stream's table as it stands.

    Attributes:
        table: its name as SQL text.
        columns: the types by the columns' names, as the catalogue spells both.
    """

    table: str
    columns: Mapping[str, str]


class Lack(NamedTuple):
    """Why a view can't be made: ``what`` is missing, for a sentence."""

    what: str


def view_name(view: View, dialect: Dialect) -> str:
    """What a view is called in a warehouse."""
    return names_for([view.name], (), dialect)[view.name]


def column_names(view: View, dialect: Dialect) -> dict[str, str]:
    """What the columns of a view are called in a warehouse, by their names."""
    return names_for([column.name for column in view.columns], (), dialect, system=dialect.system_columns)


def create_view(qualified: str, view: View, tables: Mapping[str, Standing], dialect: Dialect) -> str | Lack:
    """The statement that makes a view or puts it in the place of the one that stands.

    Args:
        qualified: the view's name, as SQL text.
        view: which.
        tables: by stream, those that stand.
        dialect: the warehouse's.
    """
    lack = None
    for definition in view.definitions:
        made = _definition(definition, tables, dialect)
        if not isinstance(made, Lack):
            columns = ", ".join(map(dialect.quoted, column_names(view, dialect).values()))
            options = f" {dialect.view_options}" if dialect.view_options else ""
            return f"CREATE OR REPLACE VIEW {qualified} ({columns}){options} AS\n{made}"
        lack = lack or made
    return lack or Lack("a definition")


def drop_view(qualified: str) -> str:
    """Remove a view, if there is one."""
    return f"DROP VIEW IF EXISTS {qualified}"


def _definition(definition: Definition, tables: Mapping[str, Standing], dialect: Dialect) -> str | Lack:
    steps = []
    for source in definition.sources:
        rows = _rows(source, tables.get(source.stream), dialect)
        if isinstance(rows, Lack):
            return rows
        steps.append(f"{source.stream} AS (\n    {rows}\n)")
    return "WITH " + _joined([*steps, *(_spelled(step, dialect) for step in definition.steps())])


def _joined(steps: Sequence[str]) -> str:
    """Steps of a WITH and the SELECT that follows them."""
    text, *others = steps
    for step in others:
        text += f"\n{step}" if step.startswith("SELECT") else f",\n{step}"
    return text


def _spelled(text: str, dialect: Dialect) -> str:
    """A text of ours in the words of a warehouse."""
    text = _AS_TEXT.sub(f"AS {dialect.types[Kind.TEXT]})", text)
    text = _DAYS_BETWEEN.sub(lambda found: dialect.days_between.format(earlier=found[1], later=found[2]), text)
    return _IDENTIFIER.sub(lambda found: dialect.quoted(found[1]), text)


def _rows(source: Source, standing: Standing | None, dialect: Dialect) -> str | Lack:
    """The present rows of a stream, as SQL text."""
    if standing is None:
        if not source.may_be_missing:
            return Lack(f"table {source.stream!r}")
        return f"SELECT {_listed({name: _null(name, dialect) for name in (*source.needs, *source.may_lack)}, dialect)} LIMIT 0"
    values = {}
    for name in (*source.needs, *source.may_lack):
        value = _value(name, standing.columns, dialect)
        if value is None and name in source.needs:
            return Lack(
                f'column "{name}" of table {source.stream!r} that holds {KINDS.get(name, Kind.TEXT).name} values'
            )
        values[name] = value or _null(name, dialect)
    deleted_at = names_for([DELETED_AT], standing.columns, dialect)[DELETED_AT]
    present = f" WHERE {dialect.quoted(deleted_at)} IS NULL" if deleted_at in standing.columns else ""
    return f"SELECT {_listed(values, dialect)} FROM {standing.table}{present}"  # noqa: S608 - every name is quoted


def _listed(values: Mapping[str, str], dialect: Dialect) -> str:
    return ", ".join(f"{value} AS {dialect.quoted(name)}" for name, value in values.items())


def _null(name: str, dialect: Dialect) -> str:
    kind = KINDS.get(name, Kind.TEXT)
    return f"CAST(NULL AS {dialect.type_name(_MONEY if kind is Kind.DECIMAL else ColumnType(kind))})"


def _value(name: str, columns: Mapping[str, str], dialect: Dialect) -> str | None:
    """A property of a row in the type that views take it for; None where the table doesn't have it so."""
    held = names_for([name], columns, dialect)[name]
    spread = [held, *later_columns(held, columns, dialect)] if held in columns else []
    values = [_taken(KINDS.get(name, Kind.TEXT), column, columns[column], dialect) for column in spread]
    found = [value for value in values if value is not None]
    if not found or len(found) < len(values):
        return None
    return found[0] if len(found) == 1 else f"coalesce({', '.join(reversed(found))})"


def _taken(kind: Kind, column: str, type_name: str, dialect: Dialect) -> str | None:
    """A column's values as those of a kind; None where they aren't any."""
    present, quoted = dialect.column_type(type_name), dialect.quoted(column)
    if present is None:
        return None
    if present.kind is kind or (present.kind, kind) in _FREELY:
        return quoted
    if (present.kind, kind) in _CAST:
        return f"CAST({quoted} AS {dialect.type_name(ColumnType(kind))})"
    return None
