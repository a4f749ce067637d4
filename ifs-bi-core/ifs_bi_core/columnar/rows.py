"""Rows as typed columns, exactly. Pure.

Each column is converted at once, by Arrow, where all its values have the plain form that nearly all sources send. A column that
holds anything else is converted value by value, by rules that say of each value what it is, or why it can't be held. Both ways
agree; neither rounds, cuts, shifts or nulls, and no decimal passes through a float.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ifs_bi_core.columnar import moments
from ifs_bi_core.columnar.columns import DECIMAL_DIGITS, Column, ColumnType, Kind
from ifs_bi_core.columnar.moments import FlawError
from ifs_bi_core.singer.lines import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Row = dict[str, Any]

_SHOWN = 60  # characters of a value that a reason repeats
_EXACT = Context(prec=DECIMAL_DIGITS, traps=[InvalidOperation, Inexact])
_INTEGERS = range(-(2**63), 2**63)
_NUMBER_TEXT = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_UTC = pa.timestamp("us", "UTC")

_PLAIN_DATE = r"^\d{4}-\d\d-\d\d$"
_DATE_BYTES = len("2026-01-31")
_TIMESTAMP_BYTES = {len("2026-01-31T10:20:30Z"), len("2026-01-31T10:20:30.000000Z")}
"""Of texts of these lengths, Arrow takes none for a date or a timestamp of UTC that `moments` would not take for the same."""
_PLAIN_TIMESTAMPS = {
    r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$": _UTC,
    r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?$": pa.timestamp("us"),  # without an offset: UTC
}


def to_arrow(rows: Sequence[Row], columns: Sequence[Column]) -> tuple[pa.Table, dict[int, str]]:
    """The rows as a table with the columns' names and types; an absent property is null.

    Args:
        rows: values as they come off Singer lines.
        columns: what to take from them.

    Returns:
        The table, and the rows that can't be held exactly and are not in it: by position, with the reason.
    """
    flaws: dict[int, str] = {}
    arrays = []
    for column in columns:
        source = column.source
        values = [row.get(source) for row in rows]
        plain = _RULES[column.type.kind].plain
        array = at_once(values, column.type) if plain is None or set(map(type, values)) <= plain else None
        if array is None:
            array, flawed = _one_by_one(values, column.type)
            for position, reason in flawed.items():
                flaws.setdefault(position, f"{source} {reason}")
        arrays.append(array)
    if flaws:
        table, _ = to_arrow([row for position, row in enumerate(rows) if position not in flaws], columns)
        return table, flaws
    return pa.Table.from_arrays(arrays, names=[column.name for column in columns]), {}


def at_once(values: Sequence[Any], column_type: ColumnType) -> pa.Array | None:
    """The column, if all its values have the plain form; None if they have to be looked at one by one.

    Args:
        values: of the Python types that a decoded row has in such a column.
        column_type: what they become.
    """
    try:
        return _RULES[column_type.kind].at_once(values, column_type)
    except (pa.ArrowInvalid, ArithmeticError, UnicodeEncodeError, RecursionError):
        return None  # one of the values can't be held, and the slow way will say which


def _one_by_one(values: Sequence[Any], column_type: ColumnType) -> tuple[pa.Array | None, dict[int, str]]:
    """The column, or reasons by position."""
    rule = _RULES[column_type.kind]
    flaws: dict[int, str] = {}
    exact: list[Any] = []
    for position, value in enumerate(values):
        try:
            exact.append(None if value is None else rule.exact(value, column_type))
        except FlawError as flaw:
            flaws[position] = f"can't be held as {column_type}: {flaw}"
        except UnicodeEncodeError:
            flaws[position] = f"can't be held as {column_type}: {_shown(value)} holds half of a surrogate pair"
        except RecursionError:
            flaws[position] = f"can't be held as {column_type}: it is nested too deeply"
    return (None if flaws else rule.built(exact, column_type)), flaws


# All values of a column at once. Each raises where Arrow meets a value that it can't hold exactly.


def _booleans(values: Sequence[Any], _type: ColumnType) -> pa.Array:
    return pa.array(values, pa.bool_())


def _integers(values: Sequence[Any], _type: ColumnType) -> pa.Array:
    return pa.array(values, pa.int64())


def _decimals(values: Sequence[Any], column_type: ColumnType) -> pa.Array:
    # Arrow itself takes 1E-77 for zero and ends the process at 1E-9999999, so it is given no exponent but the column's.
    quantize = Context(prec=column_type.precision, traps=[InvalidOperation, Inexact]).quantize
    unit = Decimal(1).scaleb(-column_type.scale)
    exact = [None if value is None else quantize(value, unit) for value in values]
    return pa.array(exact, pa.decimal128(column_type.precision, column_type.scale))


def _texts(values: Sequence[Any], _type: ColumnType) -> pa.Array:
    return pa.array(values, pa.string())


def _json_texts(values: Sequence[Any], _type: ColumnType) -> pa.Array:
    return pa.array([None if value is None else encode(value).decode() for value in values], pa.string())


def _dates(values: Sequence[Any], _type: ColumnType) -> pa.Array | None:
    texts = pa.array(values, pa.string())
    if _length(texts) == _DATE_BYTES or _all(pc.match_substring_regex(texts, _PLAIN_DATE)):
        dates = pc.cast(texts, pa.date32())
        if _within(dates.cast(pa.int32()), moments.FIRST_DAY, moments.LAST_DAY):
            return dates
    return None


def _timestamps(values: Sequence[Any], _type: ColumnType) -> pa.Array | None:
    texts = pa.array(values, pa.string())
    has_offsets = _length(texts) in _TIMESTAMP_BYTES and _all(pc.ends_with(texts, "Z"))
    for form, parsed_as in _PLAIN_TIMESTAMPS.items():
        if has_offsets or _all(pc.match_substring_regex(texts, form)):
            microseconds = pc.cast(texts, parsed_as).cast(pa.int64())
            within = _within(microseconds, moments.FIRST_MOMENT, moments.LAST_MOMENT)
            return microseconds.view(_UTC) if within else None
    return None


def _length(texts: pa.Array) -> int | None:
    """Of each text, in bytes; None where there is no text, or two are of different lengths."""
    bounds = pc.min_max(pc.binary_length(texts)).as_py()
    return bounds["min"] if bounds["min"] == bounds["max"] else None


def _all(answers: pa.Array) -> bool:
    return pc.all(answers).as_py() is not False  # null: every value is null


def _within(numbers: pa.Array, first: int, last: int) -> bool:
    bounds = pc.min_max(numbers).as_py()
    return bounds["min"] is None or bool(first <= bounds["min"] and bounds["max"] <= last)


# One value at a time. Each raises FlawError with the reason.


def _boolean(value: Any, _type: ColumnType) -> bool:
    if not isinstance(value, bool):
        raise FlawError(f"{_shown(value)} is neither true nor false")
    return value


def _integer(value: Any, _type: ColumnType) -> int:
    number = _number(value)
    if number.adjusted() < DECIMAL_DIGITS and number == number.to_integral_value() and int(number) in _INTEGERS:
        return int(number)
    raise FlawError(f"{_shown(value)} is no integer of 64 bits")


def _decimal(value: Any, column_type: ColumnType) -> Decimal:
    number = _number(value)
    if number and number.adjusted() >= column_type.whole_digits:
        raise FlawError(f"{_shown(value)} has more than {column_type.whole_digits} digits before the point")
    try:
        return number.quantize(Decimal(1).scaleb(-column_type.scale), context=_EXACT)
    except Inexact:
        raise FlawError(f"{_shown(value)} has more than {column_type.scale} decimals") from None


def _number(value: Any) -> Decimal:
    """A number of any form as a decimal; a float, which only a stream map can bring, as the number it is written as."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal | str):
        raise FlawError(f"{_shown(value)} is no number")
    if isinstance(value, str) and not _NUMBER_TEXT.fullmatch(value):
        raise FlawError(f"{_shown(value)} is no number")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except ArithmeticError:
        raise FlawError(f"the exponent of {_shown(value)} is more than can be read") from None
    if not number.is_finite():
        raise FlawError(f"{_shown(value)} is no number")
    return number or Decimal(0)  # a zero of any exponent and sign


def _text(value: Any, _type: ColumnType) -> str:
    text = _written(value)
    text.encode()
    return text


def _json_text(value: Any, _type: ColumnType) -> str:
    return encode(value).decode()


def _day(value: Any, _type: ColumnType) -> int:
    return moments.days(_written(value))


def _moment(value: Any, _type: ColumnType) -> int:
    return moments.microseconds(_written(value))


def _written(value: Any) -> str:
    """Text as it is; a date or timestamp, which only a stream map can bring, as ISO 8601 writes it."""
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str):
        raise FlawError(f"{_shown(value)} is no text")
    return value


def _shown(value: Any) -> str:
    shown = str(value) if isinstance(value, Decimal) else repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def _built_dates(days: Sequence[Any], _type: ColumnType) -> pa.Array:
    return pa.array(days, pa.int32()).view(pa.date32())


def _built_timestamps(microseconds: Sequence[Any], _type: ColumnType) -> pa.Array:
    return pa.array(microseconds, pa.int64()).view(_UTC)


class _Rule(NamedTuple):
    """How values become a column of one kind.

    Attributes:
        plain: the Python types that `at_once` can be trusted with; None for any.
        at_once: all values to the array, or None.
        exact: one value to what `built` takes.
        built: exact values to the array.
    """

    plain: frozenset[type] | None
    at_once: Callable[[Sequence[Any], ColumnType], pa.Array | None]
    exact: Callable[[Any, ColumnType], Any]
    built: Callable[[Sequence[Any], ColumnType], pa.Array]


_NULL = type(None)
_RULES = {
    Kind.BOOLEAN: _Rule(frozenset({bool, _NULL}), _booleans, _boolean, _booleans),
    Kind.INTEGER: _Rule(frozenset({int, _NULL}), _integers, _integer, _integers),
    Kind.DECIMAL: _Rule(frozenset({int, Decimal, _NULL}), _decimals, _decimal, _decimals),
    Kind.DATE: _Rule(frozenset({str, _NULL}), _dates, _day, _built_dates),
    Kind.TIMESTAMP: _Rule(frozenset({str, _NULL}), _timestamps, _moment, _built_timestamps),
    Kind.TEXT: _Rule(frozenset({str, _NULL}), _texts, _text, _texts),
    Kind.JSON: _Rule(None, _json_texts, _json_text, _texts),
}
