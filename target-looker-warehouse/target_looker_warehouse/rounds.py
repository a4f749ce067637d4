"""A batch as rounds in which no key comes twice. Pure.

A warehouse can replace and mark many rows with one statement as long as each key occurs once. Where a key occurs more often, its
rows are first reduced to those that matter whatever the warehouse holds, and what is left is applied in turn. Applying the rounds
one after another gives the table that applying the rows one by one gives:

- A live row replaces the kept one, unless both carry a version and the kept one's is newer.
- A delete marks the kept row (or removes it), unless both carry a version and the kept one's is newer.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_looker_warehouse.tables import Table


class Round(NamedTuple):
    """Rows that are applied together.

    Attributes:
        live: rows that exist at the source.
        gone: rows that don't, with at least their keys and the time of deletion.
    """

    live: pa.Table
    gone: pa.Table


def rounds(rows: pa.Table, table: Table) -> list[Round]:
    """The rows in as few rounds as their keys need.

    Args:
        rows: in the order in which they came; columns are named as the table's.
        table: names the key, the row version and the time of deletion.
    """
    return [_split(chosen, table.deleted_at) for chosen in _turns(rows, table)]


def _split(rows: pa.Table, deleted_at: str | None) -> Round:
    if deleted_at is None or rows[deleted_at].null_count == rows.num_rows:
        return Round(rows, rows.slice(0, 0))
    gone = rows[deleted_at].is_valid()
    return Round(rows.filter(pc.invert(gone)), rows.filter(gone))


def _turns(rows: pa.Table, table: Table) -> list[pa.Table]:
    key = {str(place): rows[name] for place, name in enumerate(table.key)}
    numbered = pa.table(key | {"position": pa.array(range(rows.num_rows), pa.int64())})
    last = numbered.group_by(list(key)).aggregate([("position", "max")])["position_max"]
    if len(last) == rows.num_rows:
        return [rows]
    if not _any(rows, table.deleted_at) and not _any(rows, table.row_version):
        return [rows.take(last.take(pc.sort_indices(last)))]  # each row replaces what came before it
    return [rows.take(pa.array(turn, pa.int64())) for turn in _in_turn(rows, table)]


def _any(rows: pa.Table, column: str | None) -> bool:
    return column is not None and rows[column].null_count < rows.num_rows


def _in_turn(rows: pa.Table, table: Table) -> Iterator[list[int]]:
    """Positions of the rows of each round: the first of each key, then the second of the keys that have one, and so on."""
    versions = _values(rows, table.row_version)
    gone = [value is not None for value in _values(rows, table.deleted_at)]
    turns: dict[tuple[Any, ...], list[int]] = {}
    for position, key in enumerate(zip(*(_values(rows, name) for name in table.key), strict=True)):
        turn = turns.setdefault(key, [])
        version = versions[position]
        before = turn[-1] if turn else None
        if before is None or gone[position] or gone[before] or (version is not None and versions[before] is None):
            turn.append(position)
        elif version is None or version >= versions[before]:
            turn[-1] = position
    for turn_of_each in zip_longest(*turns.values()):
        yield [position for position in turn_of_each if position is not None]


def _values(rows: pa.Table, column: str | None) -> list[Any]:
    """Values that compare as the warehouse compares them; nulls where there is no such column."""
    if column is None:
        return [None] * rows.num_rows
    values = rows[column]
    comparable: list[Any] = (values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values).to_pylist()
    return comparable
