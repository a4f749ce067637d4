"""The bodies of POST requests: rows, each with the name of its POST, as many as fit. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from target_powerbi.limits import LIMITS
from target_powerbi.tables import BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

T = TypeVar("T")

_NAME_LENGTH = 40  # characters of a name at most
BYTES_FOR_NAME = len(f',"{BATCH.name}":""') + _NAME_LENGTH
"""How much longer a row is on its way, at most."""
_ENVELOPE = b'{"rows":[', b"]}"


def body_of(rows: Iterable[bytes], name: str | None) -> bytes:
    """The body of a POST: each row, a JSON object with at least one member, gets the POST's name as its last one."""
    begin, end = _ENVELOPE
    if name is None:
        return begin + b",".join(rows) + end
    named = f',"{BATCH.name}":"{name}"}}'.encode()
    return begin + (named + b",").join(row[:-1] for row in rows) + named + end


def parts(
    items: Iterable[T],
    rows_of: Callable[[T], Sequence[bytes]],
    *,
    most_rows: int,
    most_bytes: int = LIMITS.bytes_per_post,
) -> Iterator[list[T]]:
    """Items, in order, as many at a time as fit into one POST; one that is too large alone is a part all the same.

    Args:
        items: what has rows to send, which are not parted.
        rows_of: the rows of one item.
        most_rows: of a part.
        most_bytes: of a part's body, names included.
    """
    envelope = sum(map(len, _ENVELOPE))
    gathered: list[T] = []
    count, size = 0, envelope
    for item in items:
        rows = rows_of(item)
        more = sum(map(len, rows)) + len(rows) * (BYTES_FOR_NAME + 1)
        if gathered and (count + len(rows) > most_rows or size + more > most_bytes):
            yield gathered
            gathered, count, size = [], 0, envelope
        gathered.append(item)
        count, size = count + len(rows), size + more
    if gathered:
        yield gathered
