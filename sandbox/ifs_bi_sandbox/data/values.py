"""How a value lies in SQLite: checked against its property on the way in, exact on the way out."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_sandbox.data.model import Property

Stored = str | int | None
Row = dict[str, Any]  # property name → value; a property that is missing is null

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")

# Oracle's NUMBER has 38 digits; a digit that would be rounded away is an error.
EXACT = Context(prec=38, traps=[Inexact, InvalidOperation])
NOT_A_NUMBER = Decimal("NaN")


def storing(prop: Property, members: tuple[str, ...] = ()) -> Callable[[Any], Stored]:
    """The function that turns a value into what SQLite keeps (see `Property`), or raises ValueError.

    ``members`` are the values of the property's enum. Strings are taken for every type, as they come from JSON.
    """
    check = _CHECKS[prop.type](prop, members)
    if prop.nullable:
        return lambda value: None if value is None else check(value)

    def required(value: Any) -> Stored:
        if value is None:
            raise ValueError(f"{prop.name} must not be null")
        return check(value)

    return required


def loading(prop: Property) -> Callable[[Any], Any]:
    """The function that turns what SQLite keeps into str, int, bool or Decimal; null stays None."""
    if prop.type == "Decimal" and prop.scale:
        return lambda raw: None if raw is None else Decimal(raw)
    if prop.type == "Boolean":
        return lambda raw: None if raw is None else bool(raw)
    return lambda raw: raw


def _text(prop: Property, _: tuple[str, ...]) -> Callable[[Any], Stored]:
    longest = prop.max_length or 4000

    def check(value: Any) -> Stored:
        if not isinstance(value, str) or len(value) > longest:
            raise ValueError(f"{prop.name} takes a string of at most {longest} characters, not {value!r}")
        return value

    return check


def _enum(prop: Property, members: tuple[str, ...]) -> Callable[[Any], Stored]:
    known = frozenset(members)

    def check(value: Any) -> Stored:
        if value not in known:
            raise ValueError(f"{prop.name} takes one of {', '.join(members)}, not {value!r}")
        return str(value)

    return check


def _decimal(prop: Property, _: tuple[str, ...]) -> Callable[[Any], Stored]:
    grain = Decimal(1).scaleb(-prop.scale)

    def check(value: Any) -> Stored:
        try:
            # A float comes from JSON alone: its shortest text is what the sender wrote.
            number = value if isinstance(value, Decimal) else Decimal(str(value))
            exact = number.quantize(grain, context=EXACT)
        except DecimalException:
            exact = NOT_A_NUMBER
        if not exact.is_finite():
            raise ValueError(f"{prop.name} takes a number with {prop.scale} digits after the point, not {value!r}")
        return format(exact, "f") if prop.scale else int(exact)

    return check


def _date(prop: Property, _: tuple[str, ...]) -> Callable[[Any], Stored]:
    def check(value: Any) -> Stored:
        if type(value) is date:
            return value.isoformat()
        if not isinstance(value, str) or not DATE.fullmatch(value):
            raise ValueError(f"{prop.name} takes a date like 2026-11-20, not {value!r}")
        date.fromisoformat(value)
        return value

    return check


def _instant(prop: Property, _: tuple[str, ...]) -> Callable[[Any], Stored]:
    def check(value: Any) -> Stored:
        text = value.removesuffix("Z") if isinstance(value, str) else ""
        if not INSTANT.fullmatch(text):
            raise ValueError(f"{prop.name} takes an instant like 2026-11-20T12:00:00, not {value!r}")
        datetime.fromisoformat(text)
        return text

    return check


def _boolean(prop: Property, _: tuple[str, ...]) -> Callable[[Any], Stored]:
    def check(value: Any) -> Stored:
        if not isinstance(value, bool):
            raise ValueError(f"{prop.name} takes true or false, not {value!r}")  # noqa: TRY004 - a ValueError like all others
        return int(value)

    return check


_CHECKS = {
    "String": _text,
    "Stream": _text,
    "Enum": _enum,
    "Decimal": _decimal,
    "Date": _date,
    "DateTimeOffset": _instant,
    "Boolean": _boolean,
}
