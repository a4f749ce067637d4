"""Names of tables and columns. Pure.

The one rule: a name is kept as the source spells it, or in the case that a setting or the warehouse asks for, and always quoted.
Where the warehouse can't hold it (it is empty, too long, has a character that no name has, belongs to the system, or another name
in the same place is the same name to this warehouse), it gets ``_`` and the first eight digits of its SHA-256 as a suffix, after
as much of it as there is room for. The suffix depends on the name alone, and a column that exists under its own or its suffixed
name keeps it, so that the same name means the same column in every run.
"""

from __future__ import annotations

import hashlib
from itertools import count, takewhile
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ContractBrokenError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from target_looker_warehouse.dialects.facts import Dialect

_SUFFIX_DIGITS = 8


def suffixed(name: str, dialect: Dialect) -> str:
    """The name that stands for one that can't be held as it is."""
    digits = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_SUFFIX_DIGITS]
    return _extended(dialect.holdable(name), f"_{digits}", dialect)


def versioned(name: str, number: int, dialect: Dialect) -> str:
    """The name of a column that holds what column ``name`` can't, since the type of its property changed."""
    return _extended(name, f"_v{number}", dialect)


def later_columns(name: str, standing: Collection[str], dialect: Dialect) -> list[str]:
    """The columns that came to hold what column ``name`` can't, as far as they stand: `amount_v2`, `amount_v3`."""
    names = (versioned(name, number, dialect) for number in count(2))
    return list(takewhile(standing.__contains__, names))


def _extended(name: str, suffix: str, dialect: Dialect) -> str:
    if dialect.name_bytes:
        room = dialect.name_bytes - len(suffix)
        name = name.encode(errors="surrogatepass")[:room].decode(errors="ignore")
    return dialect.cased(name + suffix)


def names_for(
    sources: Iterable[str], existing: Collection[str], dialect: Dialect, *, system: Collection[str] = ()
) -> dict[str, str]:
    """A name in the warehouse for each source name.

    Args:
        sources: names of one place (properties of a stream, or one stream), in the source's order: among names that are the same
            to the warehouse, the first keeps its spelling.
        existing: the names that stand in the warehouse in that place, spelled as they do there.
        dialect: which names the warehouse holds and tells apart.
        system: names that are taken in every such place.

    Raises:
        ContractBrokenError: a source name is what another one's suffixed name would be.
    """
    sources = list(sources)
    chosen: dict[str, str] = {}
    for choice in (suffixed, _own):
        for name in sources:
            held = choice(name, dialect)
            another_case = held != name and held in chosen.values()
            if held in existing and name not in chosen and not another_case:
                chosen[name] = held
    taken = {dialect.folded(name) for name in (*existing, *system)}
    for name in sources:
        if name in chosen:
            continue
        own = _own(name, dialect)
        free = dialect.holds(own) and dialect.folded(own) not in taken
        chosen[name] = own if free else suffixed(name, dialect)
        taken.add(dialect.folded(chosen[name]))
    if len({dialect.folded(name) for name in chosen.values()}) < len(chosen):
        raise ContractBrokenError(
            f"The names {', '.join(map(repr, sources))} can't be told apart in the warehouse. Rename one of them with a stream "
            f"map."
        )
    return chosen


def namesakes(name: str, others: Iterable[str], dialect: Dialect) -> list[str]:
    """Those of other names that are another spelling, and the same name once they have the case of names that are made."""
    return sorted(other for other in others if other != name and dialect.cased(other) == dialect.cased(name))


def _own(name: str, dialect: Dialect) -> str:
    return dialect.cased(name)
