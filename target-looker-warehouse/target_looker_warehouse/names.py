"""Names of tables and columns. Pure.

The one rule: a name is kept as the source spells it, and always quoted. Where the warehouse can't hold it (it is empty, has a
null character, or another name in the same place differs from it only in the case of ASCII letters, which DuckDB takes for the
same name), it gets ``_`` and the first eight digits of its SHA-256 as a suffix. The suffix depends on the name alone, and a
column that exists under its exact or its suffixed name keeps it, so that the same name means the same column in every run.
"""

from __future__ import annotations

import hashlib
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING

from ifs_bi_core.errors import ContractBrokenError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_SUFFIX_DIGITS = 8
_NULL = "\0"
_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def folded(name: str) -> str:
    """The name as the warehouse compares it: ASCII letters in lower case, everything else as it is."""
    return name.translate(_LOWER)


def suffixed(name: str) -> str:
    """The name that stands for one that can't be held as it is."""
    return (
        f"{name.replace(_NULL, '_')}_{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:_SUFFIX_DIGITS]}"
    )


def names_for(sources: Iterable[str], existing: Collection[str]) -> dict[str, str]:
    """A name in the warehouse for each source name.

    Args:
        sources: names of one place (properties of a stream, or one stream), in the source's order: among names that differ
            only in case, the first keeps its spelling.
        existing: the names that stand in the warehouse in that place, spelled as they do there.

    Raises:
        ContractBrokenError: a source name is what another one's suffixed name would be.
    """
    sources = list(sources)
    chosen = {name: held for name in sources for held in (suffixed(name), name) if held in existing}
    taken = {folded(name) for name in existing}
    for name in sources:
        if name in chosen:
            continue
        chosen[name] = suffixed(name) if not name or _NULL in name or folded(name) in taken else name
        taken.add(folded(chosen[name]))
    if len({folded(name) for name in chosen.values()}) < len(chosen):
        raise ContractBrokenError(
            f"The names {', '.join(map(repr, sources))} can't be told apart in the warehouse. Rename one of them with a stream "
            f"map."
        )
    return chosen
