"""The tenant's own list of its projections and entity services: ``AllProjections.svc/Projections``.

The path and the columns ``Name`` and ``Categories`` are known from public code, and that a tenant has some 5,600 rows; what other
columns there are is not. So every row is read, and looked through here.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError

from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.set_rows import all_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_ifs_cloud.client import IfsCloud

PROJECTION = "AllProjections"
_SET = "Projections"
_NAME = "Name"
_PAGE = 5_000
_TECHNICAL = frozenset({"luname", "keyref", "Objgrants"})
_NEAR = 5  # names that a suggestion holds
_SHORTEST_PART = 3  # letters that say something about a name


@dataclass(frozen=True)
class Listed:
    """One projection or entity service of the tenant, with everything else that its row says."""

    name: str
    columns: Mapping[str, Any]

    @property
    def category(self) -> str:
        """``Premium``, ``Integration``, ``Standard`` or ``StandardEntity``; empty where the tenant doesn't say."""
        return one_line(self.columns.get("Categories") or self.columns.get("Category"))

    @property
    def description(self) -> str:
        """What it is for; empty where the tenant doesn't say."""
        return one_line(self.columns.get("Description"))


def listed(cloud: IfsCloud, service: str) -> list[Listed]:
    """Every projection and entity service of the tenant, by name.

    Args:
        cloud: the system.
        service: address of ``AllProjections``.

    Raises:
        IfsBiError: the list can't be read; where it is not granted, the sentence says so.
    """
    rows = all_rows(cloud, service, _SET, (Property(_NAME, "Edm.String"),), _PAGE)
    found = []
    for row in rows:
        if not isinstance(row.get(_NAME), str):
            raise ContractBrokenError(f"{PROJECTION}: a row has no {_NAME}. It has {', '.join(row)}.")
        columns = {name: value for name, value in row.items() if "@" not in name and name not in _TECHNICAL}
        found.append(Listed(row[_NAME], columns))
    return sorted(found, key=lambda one: one.name)


def matching(projections: Iterable[Listed], words: Iterable[str]) -> list[Listed]:
    """Those in whose name, category or description every word occurs, in any case."""
    wanted = [word.casefold() for word in words]
    return [
        one for one in projections if all(word in f"{one.name} {_texts(one.columns)}".casefold() for word in wanted)
    ]


def near(name: str, names: Iterable[str]) -> list[str]:
    """The names that somebody who typed ``name`` may have meant, the likeliest first."""
    known = {one.casefold(): one for one in names}
    typed = name.casefold()
    alike = get_close_matches(typed, known, n=_NEAR, cutoff=0.7)
    holding = sorted((one for one in known if _holds(typed, one) or _holds(one, typed)), key=len)
    return [known[one] for one in dict.fromkeys([*alike, *holding])][:_NEAR]


def projections_text(projections: Sequence[Listed]) -> str:
    """A line each: name, category, description."""
    wide = max((len(one.name) for one in projections), default=0)
    categories = max((len(one.category) for one in projections), default=0)
    lines = [f"{one.name:<{wide}}  {one.category:<{categories}}  {one.description}".rstrip() for one in projections]
    return "\n".join(lines)


def one_line(value: Any) -> str:
    """A text of the tenant's on one line, without what moves a terminal's cursor; empty for None."""
    text = " ".join(str(value).split()) if value is not None else ""
    return "".join(letter for letter in text if letter.isprintable())


def _holds(part: str, whole: str) -> bool:
    return len(part) >= _SHORTEST_PART and part in whole


def _texts(columns: Mapping[str, Any]) -> str:
    return " ".join(value for value in columns.values() if isinstance(value, str))
