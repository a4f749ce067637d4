"""Names of tables and columns. Pure.

The one rule: a name is kept as the source spells it, and always quoted. Where the warehouse can't hold it (it is empty, too long,
has a null character, belongs to the system, or another name in the same place is the same name to this warehouse), it gets ``_``
and the first eight digits of its SHA-256 as a suffix, after as much of it as there is room for. The suffix depends on the name
alone, and a column that exists under its exact or its suffixed name keeps it, so that the same name means the same column in
every run.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ContractBrokenError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from target_looker_warehouse.dialects import Dialect

_SUFFIX_DIGITS = 8
_NULL = "\0"


def suffixed(name: str, dialect: Dialect) -> str:
    """The name that stands for one that can't be held as it is."""
    suffix = f"_{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:_SUFFIX_DIGITS]}"
    kept = name.replace(_NULL, "_")
    if dialect.name_bytes:
        room = dialect.name_bytes - len(suffix)
        kept = kept.encode(errors="surrogatepass")[:room].decode(errors="ignore")
    return kept + suffix


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
    chosen = {name: held for name in sources for held in (suffixed(name, dialect), name) if held in existing}
    taken = {dialect.folded(name) for name in (*existing, *system)}
    for name in sources:
        if name in chosen:
            continue
        free = dialect.holds(name) and dialect.folded(name) not in taken
        chosen[name] = name if free else suffixed(name, dialect)
        taken.add(dialect.folded(chosen[name]))
    if len({dialect.folded(name) for name in chosen.values()}) < len(chosen):
        raise ContractBrokenError(
            f"The names {', '.join(map(repr, sources))} can't be told apart in the warehouse. Rename one of them with a stream "
            f"map."
        )
    return chosen
