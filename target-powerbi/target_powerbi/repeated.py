"""Rows of `append` that come a second time, because a process ended in the moment in which its STATE was to leave.

Nobody can tell afterwards whether it left. Where it did not, the tap brings the rows again, byte for byte. A row that has a key
is one version of what the key names, so one that comes again is no new version, and is left aside. Rows without keys may
be equal and yet be two: they are taken.

The next run may end early, too, and bring none of them, or a part: so each stays expected until it came. What is not met
by the first run that brings rows of the stream stays expected only as long as it is the newest version of its key: of a row
that is equal to the newest version, it is certain that it is no news, also where the STATE had left after all.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from target_powerbi.kept_file import together

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from target_powerbi.changes import Row
    from target_powerbi.kept import Kept
    from target_powerbi.tables import Table

_FACT = "leaving"
"""By table, the last row that was there before the rows whose state was about to leave; absent when it has left."""
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Repeated:
    """The rows of the runs before this one that may come again.

    Args:
        kept: the rows; those that no run confirmed are gone from it.
    """

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._db = kept.database
        with together(self._db):
            self._db.execute("UPDATE expected SET came = 0")  # by a run whose state did not leave
            leaving = self._db.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone()
            since = msgspec.json.decode(leaving[0], type=dict[str, str]) if leaving else {}
            tables = self._keyed()
            for stream, last in since.items():
                if stream in tables:
                    self._expect(tables[stream], last)
            self._db.execute("DELETE FROM facts WHERE name = ?", (_FACT,))
        found = self._db.execute("SELECT DISTINCT stream FROM expected")
        self._tables = {stream: tables[stream] for (stream,) in found if stream in tables}
        self._brought: set[str] = set()

    def _keyed(self) -> dict[str, Table]:
        """The tables in which a key has many rows."""
        tables = (kept.table for kept in self._kept.tables().values())
        return {table.stream: table for table in tables if table.identity and not table.keys}

    def _expect(self, table: Table, last: str) -> None:
        """Expect what came after a row."""
        rows = self._db.execute(
            "SELECT key, sent FROM kept_rows JOIN tables ON id = table_id WHERE stream = ? AND key > ? AND sent IS NOT NULL "
            "ORDER BY key",
            (table.stream, last),
        )
        self._db.executemany(
            "INSERT INTO expected VALUES (?, ?, ?, 1, 0, ?) "
            "ON CONFLICT (stream, subject, digest) DO UPDATE SET times = times + 1, last = excluded.last",
            ((table.stream, *_version(table, sent), key) for key, sent in rows),
        )

    def among(self, stream: str, rows: Sequence[Row]) -> frozenset[int]:
        """The positions of those rows that are there already."""
        if stream not in self._tables:
            return frozenset()
        versions = self._versions(stream, rows)
        left = self._left(stream, {subject for subject, _ in versions})
        positions = set[int]()
        for position, (subject, digest) in enumerate(versions):
            if left[subject].get(digest, 0) > 0:
                left[subject][digest] -= 1
                positions.add(position)
            else:
                left.pop(subject, None)
        return frozenset(positions)

    def _left(self, stream: str, subjects: Iterable[str]) -> defaultdict[str, dict[str, int]]:
        """By subject, the versions of it that are expected, and how many times."""
        found = self._db.execute(
            "SELECT subject, digest, times - came FROM expected WHERE stream = ? AND subject IN (SELECT value FROM json_each(?))",
            (stream, msgspec.json.encode(list(subjects)).decode()),
        )
        left: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for subject, digest, times in found:
            left[subject][digest] = times
        return left

    def came(self, stream: str, rows: Sequence[Row], again: Iterable[int]) -> None:
        """Note that these were taken, and which of them came again. Behind a version that is new, no older one is expected."""
        self._brought.add(stream)
        if stream not in self._tables:
            return
        again = frozenset(again)
        with together(self._db):
            for position, (subject, digest) in enumerate(self._versions(stream, rows)):
                if position in again:
                    self._db.execute(
                        "UPDATE expected SET came = came + 1 WHERE (stream, subject, digest) = (?, ?, ?)",
                        (stream, subject, digest),
                    )
                else:
                    self._db.execute(
                        "UPDATE expected SET came = times WHERE (stream, subject) = (?, ?)", (stream, subject)
                    )

    def _versions(self, stream: str, rows: Iterable[Row]) -> list[tuple[str, str]]:
        return [_version(self._tables[stream], row.sent or b"{}") for row in rows]

    def leaves(self) -> None:
        """Note that the state of this run is about to leave; before its rows are confirmed."""
        keyed = self._keyed()
        if not keyed:
            return
        confirmed = dict(self._db.execute("SELECT stream, confirmed FROM tables"))
        value = msgspec.json.encode({stream: confirmed[stream] for stream in keyed}).decode()
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, value))

    def left(self) -> None:
        """Note that it has left: no row of this run comes again."""
        with together(self._db):
            self._db.execute("DELETE FROM facts WHERE name = ?", (_FACT,))
            self._db.execute("UPDATE expected SET times = times - came, came = 0 WHERE came > 0")
            self._db.execute("DELETE FROM expected WHERE times <= 0")
            self._db.executemany(
                "DELETE FROM expected AS older WHERE stream = ? AND EXISTS (SELECT 1 FROM expected AS newer WHERE "
                "newer.stream = older.stream AND newer.subject = older.subject AND newer.last > older.last)",
                ((stream,) for stream in self._brought),
            )


def _version(table: Table, sent: bytes) -> tuple[str, str]:
    """What a row is a version of, and a digest of all it says."""
    values = _FIELDS.decode(sent)
    names = [column.name for column in table.columns if column.property in table.identity]
    subject = "\n".join(bytes(values.get(name, b"")).decode() for name in names)
    return subject, hashlib.blake2b(sent, digest_size=16).hexdigest()
