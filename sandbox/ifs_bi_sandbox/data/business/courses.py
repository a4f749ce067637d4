"""The course that orders and payments take with time: how far each one is on a given day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.business.dice import days

if TYPE_CHECKING:
    from datetime import date

    from ifs_bi_sandbox.data.business.dice import Dice


@dataclass(frozen=True)
class Course:
    """An order's state, the day of its last change, and when it was delivered and invoiced, if it was."""

    state: str
    changed: date
    delivered: date | None = None
    invoiced: date | None = None


def purchase_course(ordered: date, wanted: date, today: date, dice: Dice) -> Course:
    """How far a purchase order is today. Young orders are never cancelled, so there always is an open one."""
    cancelled = ordered + days(dice.between(1, 10))
    confirmed = ordered + days(5)
    delivered = wanted + days(dice.between(-2, 6))
    invoiced = delivered + days(dice.between(2, 12))
    if dice.chance(4) and cancelled + days(2) < today:
        return Course("Cancelled", cancelled)
    if today < ordered + days(2):
        return Course("Planned", ordered)
    if today < confirmed:
        return Course("Released", ordered)
    if dice.chance(1):
        return Course("Stopped", confirmed)
    if today < delivered or dice.chance(4):  # the supplier is late
        return Course("Confirmed", confirmed)
    if today < delivered + days(2):
        return Course("Arrived", delivered, delivered)
    if today < invoiced or dice.chance(4):  # nobody has seen an invoice
        return Course("Received", delivered + days(1) if delivered < today else delivered, delivered)
    return Course("Closed", invoiced, delivered, invoiced)


def line_states(course: Course, count: int, dice: Dice) -> list[str]:
    """The states of an order's lines: that of the order, but a later line may be cancelled, or further than the others."""
    states = [course.state]
    for _ in range(count - 1):
        if course.state in {"Planned", "Cancelled"} or not dice.chance(6):
            states.append(course.state)
        elif course.state == "Confirmed":
            states.append("Arrived")
        else:
            states.append("Cancelled")
    return states


def sales_course(ordered: date, wanted: date, today: date, dice: Dice) -> Course:
    """How far a customer order is today."""
    cancelled = ordered + days(dice.between(1, 5))
    reserved, delivered = ordered + days(3), wanted + days(dice.between(0, 2))
    invoiced = delivered + days(dice.between(1, 3))
    if dice.chance(3) and cancelled < today:
        return Course("Cancelled", cancelled)
    before_delivery = (
        (ordered + days(1), "Planned", ordered),
        (reserved, "Released", ordered),
        (delivered - days(1), "Reserved", reserved),
        (delivered, "Picked", delivered - days(1)),
    )
    for end, state, changed in before_delivery:
        if today < end:
            return Course(state, changed)
    if dice.chance(1):
        return Course("Blocked", ordered)
    if dice.chance(2):
        return Course("PartiallyDelivered", delivered, delivered)
    if today < invoiced:
        return Course("Delivered", delivered, delivered)
    return Course("Invoiced", invoiced, delivered, invoiced)


def payment_plan(due: date, dice: Dice) -> list[tuple[date, int]]:
    """When an item is paid, and how many per cent of it; 100 at the end is the rest, whatever that is."""
    first = due + days(dice.between(-3, 14))
    if dice.chance(88):
        return [(first, 100)]
    if dice.chance(60):
        return [(first, dice.between(30, 70)), *([(first + days(30), 100)] if dice.chance(50) else [])]
    return []
