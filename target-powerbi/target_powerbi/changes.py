"""What a batch of rows changes about the rows that a table shows: a pure decision.

Power BI can append rows and delete all of them, nothing between. So what matters of a row is whether it is one that
the table doesn't show yet, or one that the table shows otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Row(Struct, frozen=True, gc=False):
    """One row as it is, or is to be, kept. A `Struct`, because a batch has ten thousand of them.

    Attributes:
        sent: the JSON object that Power BI gets; None for a row that is gone at the source.
        version: when it last changed at the source, in a form that sorts; None where that isn't known.
        generation: version of the full refresh that last carried it, or None.
        subject: what it is a version of, where a key may have many rows.
    """

    sent: bytes | None
    version: str | None = None
    generation: int | None = None
    subject: str | None = None


@dataclass(frozen=True)
class Changes:
    """What a batch comes to, by key: each key is in one of the three at most.

    Attributes:
        added: rows of keys that the table does not show; appending is enough.
        altered: rows that the table shows otherwise, or that are gone (`sent` is None); only a rewrite shows that.
        confirmed: rows that the table shows, or does not show, already; only their version or generation is news.
        outdated: how many rows were older than what is kept, and left aside.
    """

    added: dict[str, Row] = field(default_factory=dict)
    altered: dict[str, Row] = field(default_factory=dict)
    confirmed: dict[str, Row] = field(default_factory=dict)
    outdated: int = 0


def changes_of(kept: Mapping[str, Row], arrived: Iterable[tuple[str, Row]]) -> Changes:
    """What the rows that arrived, in their order, change about those that are kept.

    The newest wins: a row whose version is older than the kept one's changes nothing but proves that its key still exists.
    A deletion without a version is news. A key that was gone may come again.

    Args:
        kept: the kept rows of the keys that arrived; keys that were never kept are absent.
        arrived: key and row; a key may come more than once.
    """
    now: dict[str, Row] = {}
    outdated = 0
    for key, row in arrived:
        before = now.get(key) or kept.get(key)
        if (
            before is not None
            and row.version is not None
            and before.version is not None
            and row.version < before.version
        ):
            outdated += 1
            if row.sent is not None:
                now[key] = replace(before, generation=row.generation)
        elif row.sent is None:
            now[key] = Row(None, row.version or (before.version if before else None), row.generation)
        else:
            now[key] = row
    changes = Changes(outdated=outdated)
    for key, row in now.items():
        before = kept.get(key)
        shown = before is not None and before.sent is not None
        if not shown and row.sent is not None:
            changes.added[key] = row
        elif shown and before is not None and row.sent != before.sent:
            changes.altered[key] = row
        elif row != before and (shown or row.version is not None):  # a deletion without a version proves nothing later
            changes.confirmed[key] = row
    return changes
