"""Numbers, months and names as the report writes them: the same in the terminal and on the page."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
CENTS = 2
ELLIPSIS = "…"


def money(amount: Decimal) -> str:
    """An amount with every digit, at least two behind the point: 1,234.50."""
    exponent = amount.normalize().as_tuple().exponent
    decimals = max(CENTS, -exponent) if isinstance(exponent, int) else CENTS
    return f"{amount:,.{decimals}f}"


def short(amount: Decimal) -> str:
    """An amount as a label in a small place, to about two digits: 950, 8.4k, 218k, 1.2M."""
    value = abs(amount)
    for unit, name in ((Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k")):
        if value >= unit * Decimal("0.9995"):
            scaled = value / unit
            text = f"{scaled:.1f}" if scaled < Decimal("9.95") else f"{scaled:.0f}"
            return f"{'-' if amount < 0 else ''}{text}{name}"
    return f"{amount:.0f}"


def count(number: int, one: str, more: str | None = None) -> str:
    """A number with its noun: 1 row, 1,200 rows."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def month_name(month: str) -> str:
    """2026-11 as November 2026."""
    year, number = month.split("-")
    return f"{MONTHS[int(number) - 1]} {year}"


def day_name(day: date) -> str:
    """A day as 20 November 2026."""
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def months_between(first: str, last: str) -> Iterator[str]:
    """Every month from the first (YYYY-MM) to the last, both included."""
    year, number = (int(part) for part in first.split("-"))
    while (month := f"{year:04}-{number:02}") <= last:
        yield month
        year, number = (year, number + 1) if number < len(MONTHS) else (year + 1, 1)


def due(month: str, today: date) -> str:
    """How a month of due dates lies to today: overdue, this month, or later."""
    current = f"{today:%Y-%m}"
    if month < current:
        return "overdue"
    return "this month" if month == current else "later"


def shortened(text: str, most: int) -> str:
    """Text of at most so many characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + ELLIPSIS
