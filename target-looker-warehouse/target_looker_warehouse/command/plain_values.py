"""One way to write a value, whether a tap's record or a warehouse's driver holds it. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ifs_bi_core.columnar.columns import Kind, column_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PlainSums = dict[tuple[str | None, ...], tuple[Decimal, ...]]
"""Sums by values that are written in one way."""


def plain(definitions: Sequence[Mapping[str, Any]]) -> Callable[[Sequence[Any]], tuple[str | None, ...]]:
    """What writes values of these properties.

    Args:
        definitions: the JSON Schema of each property.
    """
    writers = [_WRITERS.get(column_type(definition).kind, str) for definition in definitions]

    def write(values: Sequence[Any]) -> tuple[str | None, ...]:
        return tuple(None if value is None else writer(value) for writer, value in zip(writers, values, strict=True))

    return write


def _number(value: Any) -> str:
    """A number with no more zeros than it needs: a warehouse keeps those of the column, the source none."""
    text = f"{Decimal(str(value)):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _day(value: Any) -> str:
    return value.isoformat()[:10] if isinstance(value, date) else str(value)[:10]


def _moment(value: Any) -> str:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _truth(value: Any) -> str:
    return str(value).lower()


_WRITERS: dict[Kind, Callable[[Any], str]] = {
    Kind.INTEGER: _number,
    Kind.DECIMAL: _number,
    Kind.DATE: _day,
    Kind.TIMESTAMP: _moment,
    Kind.BOOLEAN: _truth,
}
