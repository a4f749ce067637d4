"""Rows of `append` that come a second time, because a process ended in the moment in which its STATE was to leave.

Nobody can tell afterwards whether it left. Where it did not, the tap brings the rows again, byte for byte. A row that has a key
is one version of what the key names, so one that comes again is no new version, and is left aside. Rows without keys may
be equal and yet be two: they are taken.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from target_powerbi.kept_file import together

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_powerbi.changes import Row
    from target_powerbi.kept import Kept

_FACT = "leaving"
"""By table, the last row that was there before the rows whose state was about to leave; absent when it has left."""


class Repeated:
    """The rows of the runs before this one that may come again; none, if the last one saw its state leave.

    Args:
        kept: the rows; those that no run confirmed are gone from it.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._db = kept.database
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone()
        self._since: dict[str, str] = msgspec.json.decode(found[0], type=dict[str, str]) if found else {}
        for stream, last in self._since.items():
            self._gather(stream, last)

    def _gather(self, stream: str, last: str) -> None:
        """Write down what came after a row, on disk and for this process alone."""
        with together(self._db):
            self._db.execute(
                "CREATE TEMP TABLE IF NOT EXISTS again (stream TEXT, digest TEXT, times INTEGER, PRIMARY KEY (stream, digest)) "
                "WITHOUT ROWID"
            )
            rows = self._db.execute(
                "SELECT sent FROM kept_rows JOIN tables ON id = table_id WHERE stream = ? AND key > ? AND sent IS NOT NULL",
                (stream, last),
            )
            self._db.executemany(
                "INSERT INTO again VALUES (?, ?, 1) ON CONFLICT (stream, digest) DO UPDATE SET times = times + 1",
                ((stream, _digest(sent)) for (sent,) in rows),
            )

    def among(self, stream: str, rows: Sequence[Row]) -> frozenset[int]:
        """The positions of those rows that are there already."""
        if stream not in self._since:
            return frozenset()
        digests = [_digest(row.sent or b"") for row in rows]
        found = self._db.execute(
            "SELECT digest, times FROM again WHERE stream = ? AND digest IN (SELECT value FROM json_each(?))",
            (stream, msgspec.json.encode(digests).decode()),
        )
        left = Counter(dict(found))
        positions = set[int]()
        for position, digest in enumerate(digests):
            if left[digest] > 0:
                left[digest] -= 1
                positions.add(position)
        return frozenset(positions)

    def came(self, stream: str, rows: Iterable[Row]) -> None:
        """Note that these came again: what is equal to them from now on is one more."""
        with together(self._db):
            self._db.executemany(
                "UPDATE again SET times = times - 1 WHERE stream = ? AND digest = ?",
                ((stream, _digest(row.sent or b"")) for row in rows),
            )

    def leaves(self) -> None:
        """Note that the state of this run is about to leave; before its rows are confirmed."""
        tables = {stream: kept.table for stream, kept in self._kept.tables().items()}
        keyed = [stream for stream, table in tables.items() if table.identity and not table.keys]
        if not keyed:
            return
        last = dict(self._db.execute("SELECT stream, confirmed FROM tables"))
        self._since = {stream: self._since.get(stream, last[stream]) for stream in keyed}
        value = msgspec.json.encode(self._since).decode()
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, value))

    def left(self) -> None:
        """Note that it has left: no row before this moment comes again."""
        if self._since:
            self._db.execute("DELETE FROM facts WHERE name = ?", (_FACT,))
            self._since = {}


def _digest(sent: bytes) -> str:
    return hashlib.blake2b(sent, digest_size=16).hexdigest()
