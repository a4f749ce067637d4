"""The rows of a table, kept small: a batch for each POST, in it a packed column for each column, and what is equal once.

Adding rows costs what the rows cost, whatever the table holds already; a count costs nothing; a query unpacks the columns
it asks for.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, overload

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ifs_bi_sandbox.powerbi.values import Stored

    Row = tuple[Stored, ...]

FASTEST = 1  # zlib's level: a tenth of the size for little time

_READERS: dict[str, Callable[[str], Stored]] = {"Decimal": Decimal, "DateTime": datetime.fromisoformat}
"""Data types whose values JSON has no word for, and how they are read back; the others come back as they went."""


@dataclass(frozen=True, slots=True)
class Same:
    """One value for every row of a batch."""

    value: Stored


@dataclass(frozen=True, slots=True)
class Packed:
    """A value for each row of a batch: compressed JSON, and the data type it was packed with."""

    kind: str
    data: bytes

    def values(self) -> list[Stored]:
        """The values, in the order of the rows."""
        values: list[Stored] = orjson.loads(zlib.decompress(self.data))
        read = _READERS.get(self.kind)
        return [None if value is None else read(str(value)) for value in values] if read else values


BLANK = Same(None)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows that came together; ``visible`` is the second from which queries see them."""

    count: int
    columns: Mapping[str, Same | Packed]
    visible: float = 0

    def column(self, name: str) -> Same | list[Stored]:
        """One column: its one value, or a value for each row; a column that came later is blank."""
        column = self.columns.get(name, BLANK)
        return column if isinstance(column, Same) else column.values()

    def rows(self, names: Iterable[str]) -> Iterator[Row]:
        """The rows, with their values in the order of ``names``."""
        columns = [self.column(name) for name in names]
        whole = [[column.value] * self.count if isinstance(column, Same) else column for column in columns]
        return zip(*whole, strict=True) if whole else iter([()] * self.count)


def pack(kind: str, values: list[Stored]) -> Same | Packed:
    """A column of a batch."""
    if values.count(values[0]) == len(values):
        return Same(values[0])
    return Packed(kind, zlib.compress(orjson.dumps(values, default=str), FASTEST))


class Rows:
    """The rows of one table, oldest first.

    They look like a list of tuples in the order of ``columns``, which is the table's own mapping of names to data types.
    """

    def __init__(self, columns: dict[str, str], rows: Iterable[Row] = ()) -> None:
        self._columns = columns
        self._batches: list[Batch] = []
        self._count = 0
        self.generation = 0  # another one whenever rows changed or went, and not only came
        self.extend(rows)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        for batch in self._batches:
            yield from batch.rows(self._columns)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        """As of a list: everything is unpacked for it."""
        return list(self)[place]

    def __setitem__(self, place: slice, rows: Iterable[Row]) -> None:
        """As of a list: everything is packed anew."""
        kept = list(self)
        kept[place] = rows
        self.clear()
        self.extend(kept)

    def __eq__(self, other: object) -> bool:
        return list(self) == other if isinstance(other, list) else self is other

    __hash__ = None  # type: ignore[assignment] # mutable, like the list it looks like

    def clear(self) -> None:
        """No rows."""
        self._batches, self._count = [], 0
        self.generation += 1

    def append(self, row: Row) -> None:
        """One more row."""
        self.extend([row])

    def extend(self, rows: Iterable[Row]) -> None:
        """More rows, as one batch."""
        if rows := list(rows):
            by_column = zip(*rows, strict=True)
            self.add(len(rows), dict(zip(self._columns, map(list, by_column), strict=True)))

    def add(self, count: int, values: Mapping[str, list[Stored]], visible: float = 0) -> None:
        """More rows, as one batch, by column."""
        if not count:
            return
        packed = {name: pack(self._columns[name], column) for name, column in values.items()}
        self._batches.append(Batch(count, packed, visible))
        self._count += count

    def batches(self, now: float = float("inf")) -> Iterator[Batch]:
        """The batches that a query sees at that second."""
        return (batch for batch in list(self._batches) if batch.visible <= now)

    def drop_oldest(self, count: int) -> None:
        """Without the first rows."""
        self._count -= count
        self.generation += 1
        gone = 0
        while gone < len(self._batches) and count >= self._batches[gone].count:
            count -= self._batches[gone].count
            gone += 1
        del self._batches[:gone]
        if count:
            cut = self._batches[0]
            kept = Rows(self._columns, islice(cut.rows(self._columns), count, None))
            self._batches[0] = replace(kept._batches[0], visible=cut.visible)

    def redefine(self, columns: dict[str, str], change: Mapping[str, Callable[[Stored], Stored]]) -> None:
        """Other columns: dropped ones are forgotten, new ones are blank, the values of those in ``change`` go through it."""
        batches = []
        for batch in self._batches:
            packed = {name: column for name, column in batch.columns.items() if name in columns}
            for name in change.keys() & packed.keys():
                values = batch.column(name)
                whole = [values.value] if isinstance(values, Same) else values
                changed = pack(columns[name], [None if value is None else change[name](value) for value in whole])
                packed[name] = changed
            batches.append(replace(batch, columns=packed))
        self._batches, self._columns = batches, columns
        self.generation += 1
