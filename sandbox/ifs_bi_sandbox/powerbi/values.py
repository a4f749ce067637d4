"""Values on their way into a column of a push dataset: what each data type takes, refuses and stores.

Source: MicrosoftDocs/powerbi-docs ``developer/api-dataset-properties.md`` ("Data type restrictions") and the examples of
the REST reference. Where the documents leave open whether a value is rounded or refused, it is refused here,
so that nothing is ever rounded unseen: more than four decimals in a Decimal column, an offset other than UTC in a
DateTime. Switches turn that round (``switches``).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, DecimalException
from functools import lru_cache
from typing import TYPE_CHECKING

from ifs_bi_sandbox.powerbi.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_sandbox.powerbi.switches import PowerBISwitches

Stored = int | float | bool | Decimal | datetime | str | None

FOUR_DECIMALS = Decimal("0.0001")  # a Decimal column is fixed: 28 digits, 4 of them behind the point
INT64 = 2**63
FIRST_DATE = datetime(1899, 12, 30)  # noqa: DTZ001 - a DateTime column knows no zone
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,7}))?)?(?:Z|[+-]00:00)?")
_US = re.compile(r"(\d\d?)/(\d\d?)/(\d{4})")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


def _number(value: object) -> Decimal:
    """A JSON number, or a string that holds one (clients that send every value as a string are in production)."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return Decimal(value)
    raise ValueError(f"{value!r} is not a number")


def int64(value: object) -> int:
    """A whole number of 64 bits."""
    if type(value) is int and -INT64 < value < INT64 - 1:
        return value
    number = _number(value)
    if not -INT64 < number < INT64 - 1:
        raise ValueError(f"{value} is out of range: the smallest and the largest 64-bit number are not allowed")
    if number != number.to_integral_value():
        raise ValueError(f"{value!r} is not a whole number")
    return int(number)


def double(value: object) -> float:
    """A binary floating-point number; NaN and infinities are not in JSON."""
    number = float(_number(value))
    if number in {float("inf"), float("-inf")}:
        raise ValueError(f"{value!r} is out of range")
    return number


def fixed_decimal(value: object) -> Decimal:
    """Exactly four decimals, at most 28 digits; a value that has more is refused, never rounded."""
    number = _number(value)
    try:
        fixed = number.quantize(FOUR_DECIMALS)
    except DecimalException:  # more than 28 digits
        fixed = None
    if fixed is None or fixed != number:
        raise ValueError(f"{value} doesn't fit a Decimal column: it holds 28 digits, 4 of them decimals")
    return fixed


def boolean(value: object) -> bool:
    """True or false, or a string that says so."""
    if isinstance(value, str):
        value = _BOOLEANS.get(value.lower())
    if not isinstance(value, bool):
        raise ValueError("not a Boolean")  # noqa: TRY004 - all refusals of a value are ValueErrors
    return value


def string(value: object) -> str:
    """Text of at most 4,000 UTF-16 units."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a string")  # noqa: TRY004 - all refusals of a value are ValueErrors
    length = len(value) if value.isascii() else len(value.encode("utf-16-le")) // 2
    if length > LIMITS.string_length:
        raise ValueError(f"a string of {length} characters is too long: {LIMITS.string_length} are allowed")
    return value


@lru_cache(maxsize=65_536)
def date_time(value: object) -> datetime:
    """UTC without a zone, to a 300th of a second, which is how the engine keeps a time of day.

    Taken: ISO 8601 (date; date and time with ``T`` or a space; up to seven decimals; without a zone or with UTC) and the
    American ``07/30/2014``.
    """
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a date")  # noqa: TRY004 - all refusals of a value are ValueErrors
    if iso := _ISO.fullmatch(value):
        day, time, fraction = iso.groups()
        moment = datetime.fromisoformat(f"{day}T{time}" if time else day)
        if fraction:
            ticks = round(int(fraction) * 300 / 10 ** len(fraction))
            moment += timedelta(microseconds=round(ticks * 1_000_000 / 300))
    elif american := _US.fullmatch(value):
        month, number, year = map(int, american.groups())
        moment = datetime.combine(date(year, month, number), datetime.min.time())
    else:
        raise ValueError(f"{value!r} is not a date and time that is understood: send UTC as 2026-11-20T12:34:56Z")
    if moment < FIRST_DATE:
        raise ValueError(f"{value!r} is before 1899-12-30, the first day of the engine's calendar")
    return moment


COERCIONS: dict[str, Callable[[object], Stored]] = {
    "Int64": int64,
    "Double": double,
    "Decimal": fixed_decimal,
    "Boolean": boolean,
    "String": string,
    "DateTime": date_time,
}
"""What a JSON value becomes in a column of each data type; ValueError says why it can't."""

_OFFSET = re.compile(r"(?<=\d)[+-]\d\d:?\d\d$")


def coercions(rules: PowerBISwitches) -> dict[str, Callable[[object], Stored]]:
    """`COERCIONS` as the switches want them."""
    changed = dict(COERCIONS)
    if rules.powerbi_long_strings == "cut":
        changed["String"] = _cut
    if rules.powerbi_fine_decimals == "round":
        changed["Decimal"] = _rounded
    if rules.powerbi_offsets == "convert":
        changed["DateTime"] = _converted
    if rules.powerbi_offsets == "ignore":
        changed["DateTime"] = _local
    if rules.powerbi_typed_strings == "refuse":
        for kind in ("Int64", "Double", "Decimal", "Boolean"):
            changed[kind] = _typed(changed[kind])
    return changed


def _cut(value: object) -> str:
    """Text, without what is beyond 4,000 UTF-16 units."""
    if isinstance(value, str) and len(value) * 2 > LIMITS.string_length:
        value = value.encode("utf-16-le")[: 2 * LIMITS.string_length].decode("utf-16-le", "ignore")
    return string(value)


def _rounded(value: object) -> Decimal:
    number = _number(value)
    try:
        return fixed_decimal(number.quantize(FOUR_DECIMALS, ROUND_HALF_UP))
    except DecimalException:
        return fixed_decimal(number)


def _converted(value: object) -> datetime:
    """A moment with an offset, in UTC."""
    if isinstance(value, str) and _OFFSET.search(value):
        value = datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return date_time(value)


def _local(value: object) -> datetime:
    """A moment with an offset, as if it had none."""
    return date_time(_OFFSET.sub("", value) if isinstance(value, str) else value)


def _typed(coerce: Callable[[object], Stored]) -> Callable[[object], Stored]:
    def refuse_strings(value: object) -> Stored:
        if isinstance(value, str):
            raise ValueError(f"{value!r} is a string")  # noqa: TRY004 - all refusals of a value are ValueErrors
        return coerce(value)

    return refuse_strings


DATA_TYPES = {name.lower(): name for name in COERCIONS} | {"bool": "Boolean"}
"""Data types by the lower-case name: the service reads them without regard to case."""


def as_json(value: Stored) -> int | float | bool | str | None:
    """A stored value for the control endpoint: decimals as strings with every digit, times as ISO 8601."""
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value
