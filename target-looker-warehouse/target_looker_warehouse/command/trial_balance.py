"""The trial balance at the source beside the one in the warehouse: company, year, period and account. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from target_looker_warehouse.command.plain_values import PlainSums

_BY = ("Company", "AccountingYear", "AccountingPeriod", "Account")
_STAGE = "stage"
_AMOUNTS = ("DebetAmount", "CreditAmount", "Amount")
"""As IFS Cloud spells the properties of its voucher rows."""

_EXACT = Context(prec=500)

Amounts = tuple[Decimal, ...]


@dataclass(frozen=True)
class Line:
    """A line that is not the same on both sides.

    Attributes:
        of: company, year, period, account, and the stage where there are stages.
        source: its amounts at the source; None where it has no such line.
        warehouse: the same in the warehouse.
    """

    of: tuple[str | None, ...]
    source: Amounts | None
    warehouse: Amounts | None


@dataclass(frozen=True)
class TrialBalance:
    """Two trial balances side by side.

    Attributes:
        by: what names a line.
        amounts: what a line has.
        agreeing: how many lines are the same.
        differing: the others, in order.
        source: the totals at the source.
        warehouse: those in the warehouse.
    """

    by: tuple[str, ...]
    amounts: tuple[str, ...]
    agreeing: int
    differing: tuple[Line, ...]
    source: Amounts
    warehouse: Amounts


def lines_of(properties: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """By what a stream's trial balance is made, and of what; None of a stream that has none."""
    amounts = tuple(name for name in _AMOUNTS if name in properties)
    if not amounts or not set(_BY) <= set(properties):
        return None
    return (*_BY, *((_STAGE,) if _STAGE in properties else ())), amounts


def compared(by: tuple[str, ...], amounts: tuple[str, ...], source: PlainSums, warehouse: PlainSums) -> TrialBalance:
    """Both sides, line by line, to the last digit."""
    names = sorted(source.keys() | warehouse.keys(), key=lambda name: tuple((part is not None, part) for part in name))
    differing = [
        Line(name, source.get(name), warehouse.get(name)) for name in names if source.get(name) != warehouse.get(name)
    ]
    return TrialBalance(
        by=by,
        amounts=amounts,
        agreeing=len(names) - len(differing),
        differing=tuple(differing),
        source=_total(source, len(amounts)),
        warehouse=_total(warehouse, len(amounts)),
    )


def _total(sums: PlainSums, width: int) -> Amounts:
    with localcontext(_EXACT):
        return tuple(sum((amounts[place] for amounts in sums.values()), Decimal(0)) for place in range(width))
