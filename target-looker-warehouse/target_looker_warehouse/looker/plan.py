"""What Looker is told after a load, and with which calls. Pure.

What is due lies in the ledger as items, in words: ``datagroup ifs_cloud.sales_loads``. A run spends its calls on what Looker has
to do, and what is left on a look at the connection; what there are no calls for waits for the next run.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from target_looker_warehouse.looker.settings import Item, LookerSettings


class Kind(StrEnum):
    """What an item is about, in the order in which a run goes through them.

    A datagroup is triggered whatever the connection may do; then it is looked at, then comes what needs it.
    """

    DATAGROUP = "datagroup"
    CONNECTION = "connection"
    PDT_BUILD = "pdt_build"
    SCHEDULED_PLAN = "scheduled_plan"

    def item(self, name: str) -> str:
        """It in the words of the ledger."""
        return f"{self.value} {name}"


_SETTINGS: Mapping[Kind, Callable[[LookerSettings], Iterable[Item]]] = {
    Kind.DATAGROUP: lambda settings: settings.datagroups,
    Kind.PDT_BUILD: lambda settings: settings.pdt_builds,
    Kind.SCHEDULED_PLAN: lambda settings: settings.scheduled_plans,
}
"""Where the items of a kind are configured."""


class Look(StrEnum):
    """How the connection is looked at."""

    TEST = "test"
    VERIFY = "verify"
    NONE = "none"


_CALLS = {Look.VERIFY: 2, Look.TEST: 1, Look.NONE: 0}


@dataclass(frozen=True)
class Plan:
    """The calls of one run.

    Attributes:
        look: at the connection.
        told: kinds and names of what is told or looked at, in order.
        later: the same of what there are no calls for.
    """

    look: Look
    told: tuple[tuple[Kind, str], ...]
    later: tuple[tuple[Kind, str], ...]


def due_by(settings: LookerSettings, stream: str) -> list[str]:
    """The items that are due when a stream changed."""
    found = [
        kind.item(one.name) for kind, items in _SETTINGS.items() for one in items(settings) if one.concerns(stream)
    ]
    return [Kind.CONNECTION.item(settings.connection), *found] if settings.connection else found


def plan(settings: LookerSettings, due: Collection[str], known: Collection[str], *, counted: bool) -> Plan:
    """The calls for what is due; what is no longer configured is left out.

    Args:
        settings: what is configured, and how many calls a run may make.
        due: items of the ledger.
        known: the datagroups whose ids are known.
        counted: whether there are row counts to compare.
    """
    left = settings.max_calls
    told: list[tuple[Kind, str]] = []
    later: list[tuple[Kind, str]] = []
    looks_up = False
    for kind, items in _SETTINGS.items():
        for name in (one.name for one in items(settings) if kind.item(one.name) in due):
            asks = kind is Kind.DATAGROUP and name not in known and not looks_up
            if left >= 1 + asks:
                left -= 1 + asks
                looks_up |= asks
                told.append((kind, name))
            else:
                later.append((kind, name))
    look = Look.NONE
    if settings.connection and Kind.CONNECTION.item(settings.connection) in due:
        wanted = [Look.VERIFY, Look.TEST] if settings.verify and counted else [Look.TEST]
        look = next((one for one in wanted if _CALLS[one] <= left), Look.NONE)
        if look is not Look.NONE:
            told.append((Kind.CONNECTION, settings.connection))
    order = list(Kind)
    told.sort(key=lambda one: order.index(one[0]))
    return Plan(look, tuple(told), tuple(later))


def ids_of(wanted: Iterable[str], found: Mapping[str, str]) -> dict[str, str]:
    """The ids of datagroups by the names of the settings; one that isn't there, or could be several, has none.

    Args:
        wanted: ``model.name``, or the name alone.
        found: ids by ``model.name``.
    """
    ids = {}
    for name in wanted:
        matching = [one for one in found if name in {one, one.partition(".")[2]}]
        if len(matching) == 1:
            ids[name] = found[matching[0]]
    return ids
