"""Which data type a column has: from the JSON schema of a property. No I/O."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from target_powerbi.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from target_powerbi.choices import DataType


def data_type(definition: Any) -> DataType:
    """The data type that holds every value which a property's JSON schema allows, or can refuse it exactly.

    A number with at most four decimals is a Decimal; one with more, or with nobody saying how many, is a Double, and
    values that a Double can't hold are refused row by row. What may be of several kinds is a String.
    """
    branches = list(_branches(definition))
    kinds = {kind for kind, _ in branches}
    if kinds == {"string"} and all(branch.get("format") in {"date", "date-time"} for _, branch in branches):
        return "DateTime"
    if kinds == {"integer"}:
        return "Int64"
    if kinds == {"boolean"}:
        return "Boolean"
    if kinds and kinds <= {"integer", "number"}:
        return "Decimal" if all(_is_fixed(branch) for kind, branch in branches if kind == "number") else "Double"
    return "String"


def _branches(definition: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each type that a value may have, with the schema that says so; null aside."""
    if not isinstance(definition, dict):
        yield "any", {}
        return
    alternatives = definition.get("anyOf") or definition.get("oneOf")
    if alternatives:
        for alternative in alternatives:
            yield from _branches(alternative)
        return
    types = definition.get("type", "any")
    for kind in [types] if isinstance(types, str) else types:
        if kind != "null":
            yield kind, definition


def _is_fixed(number: Mapping[str, Any]) -> bool:
    """Whether the schema says that a number has few enough decimals, and does not say that it has too many digits."""
    scale = number.get("scale")
    if scale is None and number.get("multipleOf"):
        exponent = Decimal(str(number["multipleOf"])).normalize().as_tuple().exponent
        scale = max(0, -exponent) if isinstance(exponent, int) else None
    return (
        scale is not None
        and scale <= LIMITS.decimal_scale
        and number.get("precision", LIMITS.decimal_digits) <= LIMITS.decimal_digits
    )


def is_day(definition: Any) -> bool:
    """Whether all values of a property are dates without a time of day."""
    branches = list(_branches(definition))
    return bool(branches) and all(branch.get("format") == "date" for _, branch in branches)
