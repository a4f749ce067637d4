"""What reading an entity set taught about the server: a small value that travels in STATE, so that the next run begins with it.

It only ever saves requests: a run that begins without it, or with one that is no longer true, reads the same rows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from operator import lt, ne
from typing import TYPE_CHECKING, Any, Literal, get_args

from tap_ifs_cloud.wire_rows import column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_ifs_cloud.metadata import Property

Mode = Literal["keyset", "skip", "link"]
"""How to come from page to page: behind the last row's key, by counting rows, or by the server's links."""

_CALM_WALKS = 10


@dataclass(frozen=True)
class Learned:
    """What is known about one entity set.

    Attributes:
        mode: the surest way from page to page that the set accepts.
        page_size: rows of the largest page that comes in time; None where none was too slow.
        of: the page size that was configured when that was found out; another one makes it void.
        calm: readings in a row since then in which no page was too slow.
        capped_at: rows to which the server cuts pages without a word.
        whole_rows: whether the set refuses ``$select``. A `Walk` passes it on; who writes the addresses sets it.
        filters_here: whether the set refuses to filter by enumerations, so that the tap does. The same holds for it.
    """

    mode: Mode = "keyset"
    page_size: int | None = None
    of: int | None = None
    calm: int = 0
    capped_at: int | None = None
    whole_rows: bool = False
    filters_here: bool = False

    def first_page_size(self, configured: int) -> int:
        """Rows to begin with: what came in time the last times, and twice as many after ten of them."""
        if self.page_size is None or self.of != configured:
            return configured
        return min(configured, self.page_size * (2 if self.calm >= _CALM_WALKS else 1))

    def after_walk(self, configured: int, page_size: int, *, shrunk: bool) -> Learned:
        """The same after a reading that ended with pages of ``page_size``."""
        if page_size >= configured:
            return replace(self, page_size=None, of=None, calm=0)
        first = self.first_page_size(configured)
        calm = 0 if shrunk or first != self.page_size else self.calm + 1
        return replace(self, page_size=page_size, of=configured, calm=calm)

    def as_state(self) -> dict[str, Any]:
        """What differs from knowing nothing, as JSON."""
        nothing = asdict(Learned())
        return {name: value for name, value in asdict(self).items() if value != nothing[name]}

    @classmethod
    def from_state(cls, state: Any) -> Learned:
        """The value of a state; whatever is no such thing counts as nothing known."""
        if not isinstance(state, dict):
            return cls()
        names = {field.name for field in fields(cls)}
        known = cls(**{name: value for name, value in state.items() if name in names})
        return known if _is_sound(known) else cls()


def _is_sound(known: Learned) -> bool:
    """Whether the values are of the kinds and sizes that a walk writes."""
    sizes = (known.page_size, known.of, known.capped_at)
    return (
        known.mode in get_args(Mode)
        and all(size is None or (type(size) is int and size > 0) for size in sizes)
        and type(known.calm) is int
        and known.calm >= 0
        and isinstance(known.whole_rows, bool)
        and isinstance(known.filters_here, bool)
    )


def in_code_point_order(rows: Sequence[Mapping[str, Any]], order: Sequence[Property]) -> bool:
    """Whether texts ascend as their characters' numbers do, wherever they decide the order of two rows.

    A database can sort by a language's rules (``a`` beside ``A``) and yet compare by numbers (``a`` far behind ``Z``), as
    Oracle does with its default ``NLS_COMP=BINARY`` under a linguistic ``NLS_SORT``. A filter "behind this row" would then leave
    out rows that come behind it in the sorting.
    """
    if not order:
        return True
    first = column(rows, order[0].name)
    in_turn = lt if order[0].type == "Edm.String" and set(map(type, first)) == {str} else ne
    if all(map(in_turn, first, first[1:])):  # the usual case: nothing but the first property decides
        return True
    for one, other in pairwise(rows):
        for prop in order:
            here, there = one.get(prop.name), other.get(prop.name)
            if here == there:
                continue
            if prop.type == "Edm.String" and isinstance(here, str) and isinstance(there, str) and here > there:
                return False
            break
    return True
