"""``$apply``: rows grouped and added up, as OData Extension for Data Aggregation 4.0 has it.

What is there: ``filter(...)`` once, before ``groupby((A,B),aggregate(...))``, ``groupby((A,B))`` or ``aggregate(...)``, with the
methods ``sum``, ``min``, ``max`` and the virtual property ``$count``. How much of it IFS Cloud has is not public, so all else is
answered 501, and a switch refuses it altogether.

Sums are exact: decimals are added up as what they are, not as binary floats.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final

from ifs_bi_sandbox.ifs.errors import bad_request, not_implemented
from ifs_bi_sandbox.ifs.layout import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ifs_bi_sandbox.ifs.layout import Layout

METHODS: Final = frozenset({"sum", "min", "max"})
_EXACT: Final = Context(prec=300)


@dataclass(frozen=True)
class Total:
    """One item of ``aggregate``: a property, None for ``$count``, with what is made of it, and the name of that."""

    name: str | None
    method: str
    alias: str


@dataclass(frozen=True)
class Aggregation:
    """What ``$apply`` asks for.

    Attributes:
        filter: The text of its ``filter``.
        by: The properties that rows are grouped by; none: all rows are one group.
        totals: What is made of each group.
    """

    filter: str | None
    by: tuple[str, ...]
    totals: tuple[Total, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The members of a row of the answer."""
        return (*self.by, *(total.alias for total in self.totals))

    def columns(self, layout: Layout, *, exact: bool) -> Iterator[str]:
        """The SQL of each member, for a table with the alias ``m``; text where it is a number and ``exact``."""
        for name in self.by:
            yield layout.expression(name, "m", exact=exact)
        for total in self.totals:
            if total.name is None:
                yield "CAST(count(*) AS TEXT)" if exact else "count(*)"
                continue
            scale = layout.properties[total.name].scale
            sql = f"odp_{total.method}(m.{quoted(total.name)})"
            yield sql if exact else f"CAST({sql} AS {'NUMERIC' if scale else 'INTEGER'})"

    def grouping(self) -> str:
        """GROUP BY and its terms; empty where there is one group."""
        return f" GROUP BY {', '.join(f'm.{quoted(name)}' for name in self.by)}" if self.by else ""


class _Gathered(ABC):
    """An aggregate function of SQLite over decimals, which are texts or integers there; the answer is a text."""

    def __init__(self) -> None:
        self.value: Decimal | None = None

    def step(self, value: str | int | None) -> None:
        """Take one row's value; null counts nothing."""
        if value is not None:
            number = Decimal(value)
            self.value = number if self.value is None else self.joined(self.value, number)

    def finalize(self) -> str | None:
        """What came of it, without trailing zeros."""
        if self.value is None:
            return None
        text = f"{self.value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text

    @staticmethod
    @abstractmethod
    def joined(one: Decimal, other: Decimal) -> Decimal:
        """Two values as one."""


class Sum(_Gathered):
    """``sum``."""

    @staticmethod
    def joined(one: Decimal, other: Decimal) -> Decimal:
        """Both together."""
        return _EXACT.add(one, other)


class Least(_Gathered):
    """``min``."""

    @staticmethod
    def joined(one: Decimal, other: Decimal) -> Decimal:
        """The lesser."""
        return min(one, other)


class Greatest(_Gathered):
    """``max``."""

    @staticmethod
    def joined(one: Decimal, other: Decimal) -> Decimal:
        """The greater."""
        return max(one, other)


FUNCTIONS: Final[dict[str, Any]] = {"odp_sum": Sum, "odp_min": Least, "odp_max": Greatest}
"""The aggregate functions that `Aggregation.columns` names."""


def aggregation(layout: Layout, text: str) -> Aggregation:
    """Read a ``$apply``.

    Args:
        layout: The entity set it is for.
        text: The decoded option.

    Raises:
        OdpError: 400 for what is no ``$apply`` of this set; 501 for what is not there.
    """
    chosen: str | None = None
    by: tuple[str, ...] = ()
    steps = [_call(step) for step in _split(text, "/")]
    if steps and steps[0][0] == "filter":
        chosen = steps.pop(0)[1]
    if len(steps) != 1:
        raise not_implemented(
            f"$apply with the transformations {', '.join(name for name, _ in steps) or 'filter alone'}"
        )
    name, inside = steps[0]
    if name == "groupby":
        names, *then = _split(inside, ",")
        by = tuple(_property(layout, item) for item in _split(names.removeprefix("(").removesuffix(")"), ","))
        if len(then) > 1 or not names.startswith("("):
            raise bad_request(f"$apply: groupby({inside}) is not valid.")
        name, inside = _call(then[0]) if then else ("aggregate", "")
    if name != "aggregate":
        raise not_implemented(f"$apply with {name}")
    totals = tuple(_total(layout, item) for item in _split(inside, ","))
    aliases = [total.alias for total in totals]
    if not (by or totals) or len({*by, *aliases}) < len(by) + len(aliases):
        raise bad_request("$apply names nothing, or one thing twice.")
    return Aggregation(chosen, by, totals)


def _total(layout: Layout, text: str) -> Total:
    match = re.fullmatch(r"(?:\$count|(\w+)\s+with\s+([\w.]+))\s+as\s+(\w+)", text.strip())
    if match is None:
        raise bad_request(f"$apply: {text!r} can't be aggregated.")
    name, method, alias = match.groups()
    if alias in layout.properties:  # Data Aggregation 4.0, 3.1.1: an alias is not the name of a declared property
        raise bad_request(f"$apply: the alias {alias} is a property of {layout.entity_set.entity_type}.")
    if name is None:
        return Total(None, "count", alias)
    if layout.properties[_property(layout, name)].type != "Decimal":
        raise bad_request(f"$apply: {name} is no number.")
    if method not in METHODS:
        raise not_implemented(f"$apply with {method}")
    return Total(name, method, alias)


def _property(layout: Layout, text: str) -> str:
    name = text.strip()
    if name not in layout.properties:
        raise bad_request(f"$apply: {layout.entity_set.entity_type} has no property {name!r}.")
    return name


def _call(text: str) -> tuple[str, str]:
    match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text, re.DOTALL)
    if match is None:
        raise bad_request(f"$apply: {text!r} is no transformation.")
    return match[1], match[2]


def _split(text: str, separator: str) -> Sequence[str]:
    """The parts between separators that stand in no parentheses and in no string."""
    parts, depth, quotes, start = [], 0, False, 0
    for place, letter in enumerate(text):
        quotes ^= letter == "'"
        depth += 0 if quotes else {"(": 1, ")": -1}.get(letter, 0)
        if letter == separator and not quotes and not depth:
            parts.append(text[start:place])
            start = place + 1
    return [part for part in (*parts, text[start:]) if part.strip()]
