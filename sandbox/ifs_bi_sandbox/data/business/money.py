"""Amounts of money, exact to the cent, and the group's exchange rates."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
RATE_GRAIN = Decimal("0.000001")
PARITY = Decimal(1)

# What one unit cost in the home currency, on average; invented, near the rates of the years 2024 to 2026.
MEAN_RATES = {
    ("SEK", "EUR"): Decimal("11.2480"),
    ("SEK", "USD"): Decimal("10.0650"),
    ("EUR", "SEK"): Decimal("0.088905"),
    ("EUR", "USD"): Decimal("0.894810"),
}


def cents(value: Decimal) -> Decimal:
    """Rounded to two digits after the point, half away from zero as invoices do."""
    return value.quantize(CENT, ROUND_HALF_UP)


def part(amount: Decimal, per_cent: int) -> Decimal:
    """So many per cent of an amount, to the cent."""
    return cents(amount * per_cent / 100)


def rate(home: str, currency: str, on: date) -> Decimal:
    """What one unit of ``currency`` costs in ``home`` in the quarter of ``on``; it stays within 2 % of the mean."""
    if home == currency:
        return PARITY
    quarter = on.year * 4 + (on.month - 1) // 3
    swing = quarter * 7919 % 41 - 20  # per mille; any spread will do, as long as it is the same every time
    return (MEAN_RATES[home, currency] * (1000 + swing) / 1000).quantize(RATE_GRAIN)
