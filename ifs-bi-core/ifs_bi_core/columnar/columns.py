"""JSON Schema properties as typed columns. Pure: definitions in, types out.

A column's type is what the source promises, as far as a warehouse can hold it exactly. What a row brings beyond that is
refused when the row is converted (`ifs_bi_core.columnar.rows`), never rounded or cut.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DECIMAL_DIGITS = 38
"""Digits of the widest decimal: a 128-bit integer, in DuckDB (duckdb.org/docs/current/sql/data_types/numeric) and in Arrow."""

_OPEN_SCALE = 18  # decimals of a number whose SCHEMA says nothing of them: 20 digits stay before the point
_INTEGER_DIGITS = 19  # of the largest 64-bit integer


class Kind(StrEnum):
    """What a column holds."""

    BOOLEAN = "BOOLEAN"
    INTEGER = "BIGINT"
    DECIMAL = "DECIMAL"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP WITH TIME ZONE"
    TEXT = "VARCHAR"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type; as text, its name in SQL.

    Attributes:
        kind: what it holds.
        precision: digits in all, of a DECIMAL.
        scale: digits after the point, of a DECIMAL.
    """

    kind: Kind
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        return f"DECIMAL({self.precision},{self.scale})" if self.kind is Kind.DECIMAL else self.kind.value

    @classmethod
    def parse(cls, name: str) -> ColumnType | None:
        """The type of that name, or None for one that this target never makes."""
        if decimal := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", name):
            return cls(Kind.DECIMAL, int(decimal[1]), int(decimal[2]))
        return next((cls(kind) for kind in Kind if kind == name and kind is not Kind.DECIMAL), None)

    @property
    def whole_digits(self) -> int:
        """Digits before the point that a number of this type may have."""
        return _INTEGER_DIGITS if self.kind is Kind.INTEGER else self.precision - self.scale


@dataclass(frozen=True, slots=True)
class Column:
    """A property of the stream and the column that holds it.

    Attributes:
        source: the property's name in the SCHEMA.
        name: the column's name in the warehouse.
        type: the column's type.
    """

    source: str
    name: str
    type: ColumnType


_NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL})
_WRITTEN = frozenset({Kind.TEXT, Kind.DATE, Kind.TIMESTAMP})  # what is a string in JSON


def column_type(definition: Mapping[str, Any]) -> ColumnType:
    """The type that holds every value the definition allows, or JSON where no other type does.

    Args:
        definition: the JSON Schema of one property: `type` with `format`, `multipleOf`, `precision` and `scale`, or alternatives
            in `anyOf` or `oneOf`. A definition that says no more, or refers elsewhere, allows anything.
    """
    types = set(_alternatives(definition))
    kinds = {each.kind for each in types}
    if len(types) == 1:
        return types.pop()
    if kinds and kinds <= _NUMBERS:
        first, *others = sorted(types, key=str)
        for other in others:
            first = widest(first, other) or first
        return first
    return ColumnType(Kind.TEXT if kinds and kinds <= _WRITTEN else Kind.JSON)


def _alternatives(definition: Mapping[str, Any]) -> Iterator[ColumnType]:
    """One type for each way the definition can be met, null aside."""
    choices = definition.get("anyOf") or definition.get("oneOf")
    if choices:
        for choice in choices if isinstance(choices, list) else [{}]:
            yield from _alternatives(choice if isinstance(choice, dict) else {})
        return
    declared = definition.get("type", "any")
    for name in declared if isinstance(declared, list) else [declared]:
        if name != "null":
            yield _simple(name, definition)


def _simple(name: str, definition: Mapping[str, Any]) -> ColumnType:
    match name, definition.get("format"):
        case "boolean", _:
            return ColumnType(Kind.BOOLEAN)
        case "integer", _:
            return ColumnType(Kind.INTEGER)
        case ("number", _) | (
            "string",
            "x-singer.decimal",
        ):  # the latter: the Singer SDK's decimals that travel as text
            return _decimal(definition)
        case "string", "date":
            return ColumnType(Kind.DATE)
        case "string", "date-time":
            return ColumnType(Kind.TIMESTAMP)
        case "string", _:
            return ColumnType(Kind.TEXT)
    return ColumnType(Kind.JSON)


def _decimal(definition: Mapping[str, Any]) -> ColumnType:
    scales = [
        scale
        for scale in (_digits(definition.get("scale")), _step_scale(definition.get("multipleOf")))
        if scale is not None
    ]
    if not scales:
        return ColumnType(Kind.DECIMAL, DECIMAL_DIGITS, _OPEN_SCALE)
    scale = min(max(0, *scales), DECIMAL_DIGITS)
    precision = _digits(definition.get("precision")) or DECIMAL_DIGITS
    return ColumnType(Kind.DECIMAL, min(max(precision, scale, 1), DECIMAL_DIGITS), scale)


def _digits(said: Any) -> int | None:
    """A number of digits, if that is what the definition says there."""
    return said if type(said) is int else None


def _step_scale(step: Any) -> int | None:
    """Decimals of a `multipleOf`: 2 for 0.01, 0 for 10."""
    try:
        exponent = Decimal(str(step)).normalize().as_tuple().exponent
    except InvalidOperation:
        return None
    return max(0, -exponent) if isinstance(exponent, int) else None


def widest(existing: ColumnType, needed: ColumnType) -> ColumnType | None:
    """The type that an existing column must have to hold the needed one too; None where none does so exactly.

    Numbers widen to the larger scale and as many digits before the point as both have, up to `DECIMAL_DIGITS` in all.
    """
    if existing == needed:
        return existing
    if existing.kind in _NUMBERS and needed.kind in _NUMBERS:
        scale = max(existing.scale, needed.scale)
        whole = max(existing.whole_digits, needed.whole_digits)
        return ColumnType(Kind.DECIMAL, min(DECIMAL_DIGITS, whole + scale), scale)
    return None
