"""The values of one column of many rows: all at once where each is of the usual kind, else one by one. No I/O.

What a value becomes, and whether a column can hold it, is said in `target_powerbi.values` alone. Here is the short way to the
same result, for those that are of the column's own kind: a loop in C instead of a call a value.
"""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation
from operator import eq
from typing import TYPE_CHECKING, Any, TypeAlias

from target_powerbi.limits import LIMITS
from target_powerbi.values import LARGEST_SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_powerbi.tables import Column

    Convert: TypeAlias = Callable[[Any], Any]
    ConvertAll: TypeAlias = Callable[[Sequence[Any]], Sequence[Any]]

_NOTHING = type(None)
_SHORT = LIMITS.characters_per_string // 2  # characters; each has at most two units
_FIXED = Decimal(1).scaleb(-LIMITS.decimal_scale)
_quantized = Context(prec=LIMITS.decimal_digits, traps=[InvalidOperation]).quantize
_MOST_SEEN = 4_000  # moments of one column that are remembered


def column_converter(column: Column, convert: Convert) -> ConvertAll:
    """A function from Singer values to the values that Power BI gets, nulls among them.

    Args:
        column: of the values.
        convert: does the same to a single value other than null, and raises `UnfitValueError`, which is passed on.
    """
    if column.type == "DateTime":
        return _remembering(convert)
    usual = {"String": _texts, "Decimal": _decimals, "Boolean": _flags, "Int64": _integers}.get(column.type)

    def converted(values: Sequence[Any]) -> Sequence[Any]:
        found = usual(values) if usual else None
        return _singly(values, convert) if found is None else found

    return converted


def _singly(values: Sequence[Any], convert: Convert) -> list[Any]:
    return [None if value is None else convert(value) for value in values]


def _texts(values: Sequence[Any]) -> Sequence[Any] | None:
    if {str, _NOTHING}.issuperset(map(type, values)) and max(map(len, filter(None, values)), default=0) <= _SHORT:
        return values
    return None


def _decimals(values: Sequence[Any]) -> Sequence[Any] | None:
    if not {Decimal, _NOTHING}.issuperset(map(type, values)):
        return None
    try:
        fixed = [None if value is None else _quantized(value, _FIXED) for value in values]
    except InvalidOperation:
        return None
    return fixed if all(map(eq, fixed, values)) else None


def _flags(values: Sequence[Any]) -> Sequence[Any] | None:
    return values if {bool, _NOTHING}.issuperset(map(type, values)) else None


def _integers(values: Sequence[Any]) -> Sequence[Any] | None:
    if not {int, _NOTHING}.issuperset(map(type, values)):
        return None
    return values if max(map(abs, filter(None, values)), default=0) <= LARGEST_SHOWN else None


def _remembering(convert: Convert) -> ConvertAll:
    """Most dates of a column come again and again."""
    seen: dict[Any, Any] = {}

    def converted(values: Sequence[Any]) -> Sequence[Any]:
        try:
            news = set(values) - seen.keys()
        except TypeError:  # one is a list or an object
            return _singly(values, convert)
        if len(seen) >= _MOST_SEEN:
            seen.clear()
            news = set(values)
        seen.update((value, None if value is None else convert(value)) for value in news)
        return list(map(seen.__getitem__, values))

    return converted
