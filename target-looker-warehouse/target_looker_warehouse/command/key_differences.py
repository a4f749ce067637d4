"""Keys of two sides compared in bounded memory: both are sorted by SQLite in a file of its own, and read once in order."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Key = tuple[str | None, ...]

_SOURCE, _WAREHOUSE = 0, 1


class Difference(StrEnum):
    """What is different about a key."""

    ONLY_SOURCE = "only_source"
    ONLY_WAREHOUSE = "only_warehouse"
    OTHER_VERSION = "other_version"
    REPEATED = "repeated"


@dataclass(frozen=True)
class KeyDifferences:
    """What is different about the keys of a stream.

    Attributes:
        key: the properties that identify a row.
        versions: whether the rows' versions were compared.
        counts: how many keys there are of each kind of difference.
        examples: the first of them, in the order of their keys as text.
    """

    key: tuple[str, ...]
    versions: bool
    counts: Mapping[Difference, int]
    examples: Mapping[Difference, tuple[Key, ...]]

    @property
    def hold(self) -> bool:
        """Whether there is none."""
        return not any(self.counts.values())


class KeyFile:
    """The keys of both sides in a file.

    Args:
        connection: to the file.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE keys (key TEXT, side INTEGER, version TEXT, number INTEGER)")

    def add_source(self, keys: Iterable[tuple[Key, str | None]]) -> None:
        """Take down keys of the source, with the versions of their rows."""
        self._add((json.dumps(key), _SOURCE, version, 1) for key, version in keys)

    def add_warehouse(self, keys: Iterable[tuple[Key, str | None, int]]) -> None:
        """Take down keys of the warehouse, with the versions of their rows, and how many rows have them."""
        self._add((json.dumps(key), _WAREHOUSE, version, number) for key, version, number in keys)

    def _add(self, rows: Iterable[tuple[str, int, str | None, int]]) -> None:
        self._connection.executemany("INSERT INTO keys VALUES (?, ?, ?, ?)", rows)

    def differences(self, key: tuple[str, ...], most: int, *, versions: bool) -> KeyDifferences:
        """What is different.

        Args:
            key: the properties that identify a row.
            most: how many keys of each kind to name.
            versions: whether to compare the rows' versions, where both sides know them.
        """
        counts = dict.fromkeys(Difference, 0)
        examples: dict[Difference, list[Key]] = {kind: [] for kind in Difference}
        ordered = self._connection.execute("SELECT key, side, version, number FROM keys ORDER BY key, side")
        for text, rows in groupby(ordered, itemgetter(0)):
            for kind in _of_one_key([(side, version, number) for _, side, version, number in rows], versions=versions):
                counts[kind] += 1
                if len(examples[kind]) < most:
                    examples[kind].append(tuple(json.loads(text)))
        return KeyDifferences(key, versions, counts, {kind: tuple(keys) for kind, keys in examples.items()})


@contextmanager
def key_file() -> Iterator[KeyFile]:
    """A file of keys that is gone afterwards."""
    with TemporaryDirectory() as folder, closing(sqlite3.connect(Path(folder) / "keys.db")) as connection:
        yield KeyFile(connection)


def _of_one_key(rows: list[tuple[int, str | None, int]], *, versions: bool) -> Iterator[Difference]:
    source = {version for side, version, _ in rows if side == _SOURCE}
    warehouse = {version for side, version, _ in rows if side == _WAREHOUSE}
    if not warehouse:
        yield Difference.ONLY_SOURCE
        return
    if not source:
        yield Difference.ONLY_WAREHOUSE
    elif versions and None not in source | warehouse and not source & warehouse:
        yield Difference.OTHER_VERSION
    if sum(number for side, _, number in rows if side == _WAREHOUSE) > 1:
        yield Difference.REPEATED
