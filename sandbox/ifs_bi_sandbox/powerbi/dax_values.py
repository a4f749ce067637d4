"""Values as DAX handles them: blanks, comparisons that disregard case, numbers of three kinds, and aggregates.

Source: learn.microsoft.com/dax/data-types-dax: a BLANK equals 0, "" and FALSE, is 0 in a sum and blank in a product; text can't
be compared with numbers.
"""

from __future__ import annotations

import operator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ifs_bi_sandbox.powerbi.errors import query_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ifs_bi_sandbox.powerbi.values import Stored

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_ZEROS: dict[type, Stored] = {str: "", bool: False, datetime: datetime(1899, 12, 30)}  # noqa: DTZ001 - no zone
_GROUPS = {str: "Text", bool: "True/False", datetime: "Date"}


def group(kind: type) -> str:
    """What DAX calls a kind of value when it refuses to compare it."""
    return _GROUPS.get(kind, "Number")


def compare(sign: str, left: Stored, right: Stored) -> bool:
    """Whether a comparison holds; ``==`` tells a BLANK from a zero."""
    if sign == "==" and (left is None or right is None):
        return left is right
    if left is None:
        left = _ZEROS.get(type(right), 0)
    if right is None:
        right = _ZEROS.get(type(left), 0)
    if group(type(left)) != group(type(right)):
        told = f"values of type {group(type(left))} with values of type {group(type(right))}"
        raise query_failed(f"Query (1, 1) DAX comparison operations do not support comparing {told}.")
    return COMPARISONS[sign](folded(left), folded(right))


def folded(value: Stored) -> Stored:
    """A value by which equal ones are found: strings without their case."""
    return value.casefold() if isinstance(value, str) else value


def calculate(sign: str, left: Stored, right: Stored) -> Stored:
    """Sum, difference, product or quotient; joined text of ``&``."""
    if sign == "&":
        return ("" if left is None else str(left)) + ("" if right is None else str(right))
    if sign in "+-" and left is None and right is None:
        return None
    if sign == "*" and (left is None or right is None):
        return None
    if sign == "/" and left is None:
        return None
    if isinstance(left, datetime) and isinstance(right, int) and sign in "+-":
        return left + timedelta(days=right if sign == "+" else -right)
    one, other = _numbers(0 if left is None else left, 0 if right is None else right)
    if sign == "/":
        if not other:
            raise query_failed("Query (1, 1) This sandbox has no infinity: a division by zero.")
        return float(one) / float(other)
    result: Stored = {"+": operator.add, "-": operator.sub, "*": operator.mul}[sign](one, other)
    return result


def _numbers(left: Stored, right: Stored) -> tuple[Any, Any]:
    """Two numbers of one kind: a Double makes the other a Double."""
    for value in (left, right):
        if isinstance(value, str | datetime):
            raise query_failed(f"Query (1, 1) Cannot convert value '{value}' to type Number.")
    if isinstance(left, float) or isinstance(right, float):
        return float(left), float(right)  # type: ignore[arg-type] # neither is text any more
    return left, right


def total(values: Iterable[Stored]) -> Stored:
    """The sum; BLANK when there is nothing but blanks."""
    result: Stored = None
    for value in values:
        if value is not None:
            result = value if result is None else calculate("+", result, value)
    return result


def least(values: Iterable[Stored]) -> Stored:
    """The smallest value that isn't blank."""
    return min((value for value in values if value is not None), key=_order, default=None)


def greatest(values: Iterable[Stored]) -> Stored:
    """The largest value that isn't blank."""
    return max((value for value in values if value is not None), key=_order, default=None)


def average(values: Iterable[Stored]) -> Stored:
    """The mean of what isn't blank."""
    known = [value for value in values if value is not None]
    result = total(known)
    if result is None:
        return None
    return result / len(known) if isinstance(result, Decimal) else calculate("/", result, len(known))


def count(values: Iterable[Stored]) -> Stored:
    """How many aren't blank; none is BLANK."""
    return sum(value is not None for value in values) or None


def distinct_count(values: Iterable[Stored]) -> Stored:
    """How many different ones, BLANK being one; none is BLANK."""
    return len({folded(value) for value in values}) or None


AGGREGATES: dict[str, Callable[[Iterable[Stored]], Stored]] = {
    "SUM": total,
    "MIN": least,
    "MAX": greatest,
    "AVERAGE": average,
    "COUNT": count,
    "COUNTA": count,
    "DISTINCTCOUNT": distinct_count,
}
"""Functions of one column; with an X, those but the last take a table and an expression."""


def _order(value: Stored) -> Any:
    return folded(value)


def _divide(left: Stored, right: Stored, otherwise: Stored = None) -> Stored:
    return calculate("/", left, right) if right else otherwise


def _first(*values: Stored) -> Stored:
    return next((value for value in values if value is not None), None)


FUNCTIONS: dict[str, Callable[..., Stored]] = {
    "&&": lambda one, other: bool(one and other),
    "||": lambda one, other: bool(one or other),
    "NOT": lambda one: not one,
    "IF": lambda condition, then, otherwise=None: then if condition else otherwise,
    "ISBLANK": lambda one: one is None,
    "BLANK": lambda: None,
    "TRUE": lambda: True,
    "FALSE": lambda: False,
    "COALESCE": _first,
    "DIVIDE": _divide,
    "ABS": lambda one: one if one is None else abs(one),
    "DATE": datetime,
    "YEAR": lambda one: one and one.year,
    "MONTH": lambda one: one and one.month,
    "DAY": lambda one: one and one.day,
}
"""Functions of values, and operators that aren't comparisons or sums."""
