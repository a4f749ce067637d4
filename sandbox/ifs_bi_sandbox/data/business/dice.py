"""Seeded chance, in the words that the business modules need."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Dice:
    """A source of chance that gives the same for the same seed, on every machine."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)  # a string: hashed the same way everywhere
        self._draw = self._random.random

    def chance(self, per_cent: int) -> bool:
        """True in so many of a hundred cases."""
        return self._draw() * 100 < per_cent

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._draw() * (high - low + 1))

    def pick(self, choices: Sequence[T]) -> T:
        """One of them, all alike."""
        return choices[int(self._draw() * len(choices))]

    def favourite(self, choices: Sequence[T]) -> T:
        """One of them, the first ones more often: a few suppliers get most of the orders."""
        return choices[int(self._draw() ** 2 * len(choices))]

    def price(self, low: int, high: int) -> Decimal:
        """An amount with two digits after the point, from low to high."""
        return Decimal(self.between(low * 100, high * 100)).scaleb(-2)

    def instant(self, on: date, today: date) -> str:
        """An instant of that day's working hours; of today only the morning is over."""
        hour = self.between(7, 10 if on >= today else 17)
        return f"{on.isoformat()}T{hour:02}:{self.between(0, 59):02}:{self.between(0, 59):02}"


def days(count: int) -> timedelta:
    """So many days."""
    return timedelta(days=count)
