"""Single values on their way into a column: exact, or refused with the reason and the way to have it otherwise. No I/O.

Data types and their ranges: MicrosoftDocs/powerbi-docs ``developer/api-dataset-properties.md``. Where the type of a column was
chosen in the setting `tables`, it does to a value what it does; else a value that it can't hold is refused.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from ifs_bi_core.singer.lines import encode

from target_powerbi.limits import LIMITS
from target_powerbi.tables import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_powerbi.tables import Column

_LARGEST_INT64 = 2**63 - 2  # the smallest and the largest number of 64 bits are not allowed
_DIGITS_OF_INT64 = 19
LARGEST_SHOWN = 2**53
"""What comes after it, visuals round: they calculate in doubles."""
_FIXED = Decimal(1).scaleb(-LIMITS.decimal_scale)
_quantized = Context(prec=LIMITS.decimal_digits, traps=[InvalidOperation]).quantize
_INFINITE = float("inf")
_SHOWN = 40  # characters of a value that a reason repeats
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))? ?(Z|z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
_MILLISECOND_DIGITS = 3
_FRACTIONAL = "--T::."
_USUAL = {10: "--", 20: "--T::Z", 27: _FRACTIONAL}
"""By their length: a day, a moment in whole seconds, one in microseconds, each as every third character from the fifth on."""


class UnfitValueError(ValueError):
    """A value that its column can't hold exactly; the message is the reason, and how to have it otherwise."""


def converter(column: Column, stream: str) -> Callable[[Any], Any]:
    """A function from a Singer value other than null to the value that Power BI gets; it raises `UnfitValueError`."""
    setting = f"tables.{stream}.columns.{column.property}"
    match column.type:
        case "String":
            return _string(setting)
        case "Int64":
            return _int64(setting, bounded=not column.chosen)
        case "Double":
            return _double(setting, exact=not column.chosen)
        case "Decimal":
            return _decimal(setting)
        case "Boolean":
            return _boolean
        case "DateTime":
            return _moment_of_transport if column.property.startswith(METADATA) else _moment(setting)


def text_of(value: Any) -> str:
    """Text as it is; numbers with every digit; what else JSON knows as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return format(value, "f") if abs(value.adjusted()) <= LIMITS.characters_per_string else str(value)
    return encode(value).decode()


def length_of(text: str) -> int:
    """Its characters as .NET counts them: UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _string(setting: str) -> Callable[[Any], str]:
    most = LIMITS.characters_per_string

    def convert(value: Any) -> str:
        text = value if type(value) is str else text_of(value)
        if 2 * len(text) > most and (length := length_of(text)) > most:  # a character has at most two units
            raise UnfitValueError(
                f"has {length:,} characters, and a string in Power BI holds {most:,}: switch truncate_strings on, or leave "
                f"the column out with {setting}.drop: true"
            )
        return text

    return convert


def _number(value: Any) -> int | Decimal:
    if type(value) is int:
        return value
    if type(value) is float:  # what a stream map calculated
        value = Decimal(repr(value))
    if type(value) is not Decimal:
        raise UnfitValueError(f"is {_shown(value)}, which is no number")
    if not value.is_finite():
        raise UnfitValueError(f"is {value}, and Power BI has numbers alone: leave it empty at the source")
    return value


def _int64(setting: str, *, bounded: bool) -> Callable[[Any], int]:
    largest = LARGEST_SHOWN if bounded else _LARGEST_INT64
    advice = (
        f"choose {setting}.type: Int64 (exact in the model up to 64 bits, rounded by visuals), String or Double"
        if bounded
        else f"choose {setting}.type: String or Double"
    )

    def convert(value: Any) -> int:
        number = _number(value)
        if isinstance(number, Decimal):
            if not number.is_finite() or number.adjusted() > _DIGITS_OF_INT64 or number != number.to_integral_value():
                raise UnfitValueError(f"is {_shown(value)}, which is no whole number of 64 bits: {advice}")
            number = int(number)
        if not -largest <= number <= largest:
            raise UnfitValueError(f"is {_shown(value)}, beyond the integers that Power BI shows exactly: {advice}")
        return number

    return convert


def _double(setting: str, *, exact: bool) -> Callable[[Any], float]:
    def convert(value: Any) -> float:
        number = _number(value)
        try:
            double = float(number)
        except OverflowError:
            double = _INFINITE
        if abs(double) == _INFINITE or (exact and Decimal(repr(double)) != number):
            raise UnfitValueError(
                f"is {_shown(value)}, which has more digits than a Double keeps: choose {setting}.type: String (every digit), "
                f"Decimal ({LIMITS.decimal_digits} digits, {LIMITS.decimal_scale} of them decimals) or Double (rounds)"
            )
        return double

    return convert


def _decimal(setting: str) -> Callable[[Any], Decimal]:
    def convert(value: Any) -> Decimal:
        number = value if type(value) is Decimal else Decimal(_number(value))
        try:
            fixed = _quantized(number, _FIXED)
        except InvalidOperation:  # more than 28 digits, or none
            fixed = None
        if fixed is None or fixed != number:
            _number(number)  # which says it better where it is none
            raise UnfitValueError(
                f"is {_shown(value)}, and a Decimal in Power BI has {LIMITS.decimal_digits} digits, {LIMITS.decimal_scale} of "
                f"them decimals: choose {setting}.type: String (every digit) or Double (rounds)"
            )
        return fixed

    return convert


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise UnfitValueError(f"is {_shown(value)}, which is neither true nor false")
    return value


def _moment(setting: str) -> Callable[[Any], str]:
    advice = f"choose {setting}.type: String to have it as it is"

    def convert(value: Any) -> str:
        parts = utc(value)
        if parts is None:
            raise UnfitValueError(f"is {_shown(value)}, which is no date or timestamp of ISO 8601: {advice}")
        day, clock, fraction = parts
        if day < LIMITS.first_day:
            raise UnfitValueError(
                f"is {_shown(value)}, and the calendar of Power BI begins {LIMITS.first_day}: {advice}"
            )
        digits = fraction.rstrip("0")
        if len(digits) > _MILLISECOND_DIGITS:
            raise UnfitValueError(f"is {_shown(value)}, and Power BI keeps no more than milliseconds: {advice}")
        return f"{day}T{clock}.{digits.ljust(_MILLISECOND_DIGITS, '0')}Z" if digits else f"{day}T{clock}Z"

    return convert


def _moment_of_transport(value: Any) -> str:
    """A moment that a pipe noted about itself, cut to milliseconds: nothing at the source is that exact."""
    parts = utc(value)
    if parts is None:
        raise UnfitValueError(f"is {_shown(value)}, which is no timestamp of ISO 8601")
    day, clock, fraction = parts
    return f"{day}T{clock}.{fraction[:_MILLISECOND_DIGITS].ljust(_MILLISECOND_DIGITS, '0')}Z"


def utc(value: Any) -> tuple[str, str, str] | None:
    """Day, time of day in whole seconds and digits of the fraction, in UTC; None where it is no moment of the calendar.

    A timestamp without an offset is taken as UTC.
    """
    if not isinstance(value, str):
        return None
    marks = value[4:20:3]
    if marks == _USUAL.get(len(value)) and (marks != _FRACTIONAL or value[-1] == "Z"):
        # The regular expression comes to the same, in three times the time.
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return None
        return value[:10], value[11:19] or "00:00:00", value[20:-1]
    match = _MOMENT.fullmatch(value)
    if match is None:
        return None
    day, clock, fraction, offset = match.groups("")
    clock = clock or "00:00:00"
    zone = "" if offset in {"Z", "z"} else offset
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{zone}")
        if zone:
            moment = moment.astimezone(UTC)
            return moment.date().isoformat(), moment.time().isoformat(), fraction
    except (ValueError, OverflowError):
        return None
    return day, clock if len(clock) == len("00:00:00") else f"{clock}:00", fraction


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, Decimal) else text_of(value)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return repr(text) if isinstance(value, str) else text
