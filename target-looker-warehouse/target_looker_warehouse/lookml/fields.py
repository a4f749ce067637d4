"""The dimensions of a view, from the columns of its table. Pure.

A date becomes a group of timeframes and is not moved between time zones; a timestamp is an instant and is. Numbers that are codes
are shown without separators. Names depend on the view's properties alone, not on their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ifs_bi_core.columnar.columns import Kind

from target_looker_warehouse.lookml.facts import (
    FORMATS,
    LEFT_OUT,
    MEANINGS,
    ORDERED,
    Number,
    is_technical,
    number_of,
)
from target_looker_warehouse.lookml.naming import Taken, digest, expressible, label, lookml_name, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ifs_bi_core.columnar.columns import Column

    from target_looker_warehouse.dialects.facts import Dialect
    from target_looker_warehouse.lookml.relations import Relation

PRIMARY_KEY = "primary_key"
"""The name of the dimension that stands for a key of several columns."""

COUNT = "count"

_OF_A_DAY = ("raw", "date", "week", "month", "quarter", "year")
TIMEFRAMES: Mapping[Kind, tuple[str, ...]] = {Kind.DATE: _OF_A_DAY, Kind.TIMESTAMP: ("raw", "time", *_OF_A_DAY[1:])}
"""What a date or timestamp can be looked at by; ``raw`` is the column itself."""

_TYPES = {
    Kind.BOOLEAN: "yesno",
    Kind.INTEGER: "number",
    Kind.DECIMAL: "number",
    Kind.TEXT: "string",
    Kind.JSON: "string",
}
_NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL})


@dataclass(frozen=True, slots=True)
class Field:
    """What a column is in LookML.

    Attributes:
        column: whose values it has.
        name: of the dimension or dimension group.
        label: what people read.
    """

    column: Column
    name: str
    label: str

    @property
    def kind(self) -> Kind:
        """What the column holds."""
        return self.column.type.kind

    @property
    def is_group(self) -> bool:
        """Whether it is a group of timeframes."""
        return self.kind in TIMEFRAMES

    @property
    def is_number(self) -> bool:
        """Whether its values can be added."""
        return self.kind in _NUMBERS

    @property
    def raw(self) -> str:
        """The name by which a query has the column itself."""
        return f"{self.name}_raw" if self.is_group else self.name

    @property
    def shown(self) -> str:
        """The name by which a list of rows shows it."""
        return f"{self.name}_date" if self.is_group else self.name


class Fields:
    """The fields of one view, by property, in the columns' order.

    Args:
        relation: what the view is made of.

    Attributes:
        taken: names of the view's fields.
        labels: of the view's fields, in lower case.
        left_out: properties that LookML can't name.
    """

    def __init__(self, relation: Relation) -> None:
        self.taken, self.labels = Taken(), Taken()
        self.taken.take([PRIMARY_KEY])
        self.taken.take([COUNT])
        columns = [column for column in relation.columns if column.source not in LEFT_OUT]
        self.left_out = tuple(column.source for column in columns if not expressible(column.name))
        found: dict[str, Field] = {}
        # A dimension has one name and a group many, so that groups give way.
        for column in sorted(columns, key=lambda one: (one.type.kind in TIMEFRAMES, one.source)):
            if expressible(column.name):
                found[column.source] = self._field(column)
        self._by_property = {column.source: found[column.source] for column in columns if column.source in found}

    def __iter__(self) -> Iterator[Field]:
        return iter(self._by_property.values())

    def of(self, prop: str) -> Field | None:
        """The field of a property, or None."""
        return self._by_property.get(prop)

    def first(self, *props: str) -> Field | None:
        """The field of the first of these properties that there is, or None."""
        return next((found for prop in props if (found := self.of(prop))), None)

    def label(self, *candidates: str, endings: tuple[str, ...] = ("",)) -> str:
        """The first of these labels that no other field of the view has; the last one always is."""
        found = self.labels.take((candidate.lower() for candidate in candidates), endings)
        return next((candidate for candidate in candidates if candidate.lower() == found), candidates[-1])

    def _field(self, column: Column) -> Field:
        source, kind = column.source, column.type.kind
        name, text = lookml_name(source), MEANINGS.get(source, (label(source), ""))[0]
        names, texts = [name], [text]
        endings: tuple[str, ...] = ("",)
        label_endings: tuple[str, ...] = ("",)
        if kind in TIMEFRAMES:
            short = name.removesuffix("_date").removesuffix("_at")
            names.insert(0, short)
            texts.insert(0, text.removesuffix(" date").removesuffix(" at"))
            endings = ("", *(f"_{timeframe}" for timeframe in TIMEFRAMES[kind]))
            label_endings = ("", *(f" {timeframe}" for timeframe in TIMEFRAMES[kind]))
        unique = f"{name}_{digest(source)}"
        return Field(
            column,
            self.taken.take([*names, unique], endings) or unique,
            self.label(*texts, f"{text} ({plain(source)})", f"{text} ({digest(source)})", endings=label_endings),
        )


def dimension(field: Field, relation: Relation, dialect: Dialect, *, hidden: bool) -> dict[str, Any]:
    """The dimension or dimension group of a field."""
    made: dict[str, Any] = {"name": field.name}
    if relation.key == (field.column.source,) and not field.is_group:
        made["primary_key"] = "yes"
    if hidden or is_technical(field.column.source) or field.kind is Kind.JSON:
        made["hidden"] = "yes"
    made["label"] = field.label
    made["description"] = description(field, relation)
    if field.is_group:
        made |= {"type": "time", "timeframes": list(TIMEFRAMES[field.kind])}
        made |= {"datatype": "timestamp"} if field.kind is Kind.TIMESTAMP else {"convert_tz": "no", "datatype": "date"}
    else:
        made["type"] = _TYPES[field.kind]
        if field.is_number:
            code = field.column.source in relation.key
            made["value_format_name"] = FORMATS[Number.CODE if code else number_of(field.column.source)]
    made |= _values(field, dialect)
    return made


def _values(field: Field, dialect: Dialect) -> dict[str, Any]:
    """Where the values of a dimension come from."""
    column = column_sql(field.column, dialect)
    if ordered := ORDERED.get(field.column.source):
        return {"case": {"whens": [{"sql": f"{column} = '{value}'", "label": value} for value in ordered]}}
    return {"sql": column}


def description(field: Field, relation: Relation) -> str:
    """What a field is, in a sentence or two."""
    prop = field.column.source
    told = relation.descriptions.get(prop) or MEANINGS.get(prop, ("", ""))[1]
    text = plain(told) if told else f"{plain(prop)} of {plain(relation.name)}, as the source has it."
    if field.kind is Kind.TIMESTAMP:
        text += " An instant, shown in the reader's time zone."
    return text


def column_sql(column: Column, dialect: Dialect) -> str:
    """A column of the view's table."""
    return f"${{TABLE}}.{dialect.quoted(column.name)}"


def primary_key(fields: Fields, relation: Relation, dialect: Dialect) -> dict[str, Any] | None:
    """The dimension that tells rows apart where the key is more than one plain field; None where none is needed or can be.

    Two keys never make one text: in each part the mark that separates parts is written with another sign behind it.
    """
    parts = [fields.of(prop) for prop in relation.key]
    if not parts or None in parts or (len(parts) == 1 and parts[0] and not parts[0].is_group):
        return None
    text = dialect.types[Kind.TEXT]
    sql = " || '^1' || ".join(_as_text(part, text, dialect) for part in parts if part)
    return {
        "name": PRIMARY_KEY,
        "primary_key": "yes",
        "hidden": "yes",
        "type": "string",
        "description": f"The key: {', '.join(map(plain, relation.key))}.",
        "sql": sql,
    }


def _as_text(field: Field, text: str, dialect: Dialect) -> str:
    column = column_sql(field.column, dialect)
    if field.kind is Kind.TEXT:
        return f"COALESCE(REPLACE({column}, '^', '^0'), '')"
    return f"COALESCE(CAST({column} AS {text}), '')"
