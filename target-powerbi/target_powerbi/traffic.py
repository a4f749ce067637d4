"""What outlives a run of its requests: when rows were sent, which names were in doubt, and how doubt can be settled here.

It lies in the file of the kept rows, whose lock keeps a second process out, and belongs to one dataset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_powerbi.limits import HOUR

if TYPE_CHECKING:
    import sqlite3

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sendings (dataset TEXT NOT NULL, at REAL NOT NULL, rows INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS watched (
  dataset TEXT NOT NULL, stream TEXT NOT NULL, name TEXT NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (dataset, name)
);
CREATE TABLE IF NOT EXISTS accepted (
  dataset TEXT NOT NULL, stream TEXT NOT NULL, batch TEXT NOT NULL, PRIMARY KEY (dataset, batch)
);
CREATE TABLE IF NOT EXISTS evidence (
  dataset TEXT NOT NULL, kind TEXT NOT NULL, works INTEGER NOT NULL, PRIMARY KEY (dataset, kind)
);
"""


class Traffic:
    """The requests of one dataset, as far as later ones need to know.

    Args:
        database: the file of the kept rows, open.
        dataset: id of the dataset.
    """

    def __init__(self, database: sqlite3.Connection, dataset: str) -> None:
        self._db = database
        self._dataset = dataset
        for statement in _SCHEMA.split(";"):
            self._db.execute(statement)

    # Sendings

    def sendings(self, since: float) -> list[tuple[float, int]]:
        """When, and how many rows, each POST since a moment brought; oldest first."""
        query = "SELECT at, rows FROM sendings WHERE dataset = ? AND at >= ? ORDER BY at"
        return list(self._db.execute(query, (self._dataset, since)))

    def sent(self, moment: float, rows: int) -> None:
        """Note a POST that is over; what is older than the longest window is forgotten."""
        self._db.execute("DELETE FROM sendings WHERE at < ?", (moment - HOUR,))
        self._db.execute("INSERT INTO sendings VALUES (?, ?, ?)", (self._dataset, moment, rows))

    # Names that were in doubt

    def watch(self, stream: str, name: str, rows: int) -> None:
        """Note under how many rows of a name a table is right from now on, since a lost POST may still land late."""
        self._db.execute("INSERT OR REPLACE INTO watched VALUES (?, ?, ?, ?)", (self._dataset, stream, name, rows))

    def watched(self) -> list[tuple[str, str, int]]:
        """Stream, name, and how many rows of it the table may show at most."""
        return list(
            self._db.execute(
                "SELECT stream, name, rows FROM watched WHERE dataset = ? ORDER BY rowid", (self._dataset,)
            )
        )

    def watch_no_more(self, name: str) -> None:
        """Forget a name."""
        self._db.execute("DELETE FROM watched WHERE dataset = ? AND name = ?", (self._dataset, name))

    def emptied(self, stream: str) -> None:
        """Note that a table was emptied: none of the names is to be in it any more, and nothing in it is just believed."""
        self._db.execute("UPDATE watched SET rows = 0 WHERE dataset = ? AND stream = ?", (self._dataset, stream))
        self._db.execute("DELETE FROM accepted WHERE dataset = ? AND stream = ?", (self._dataset, stream))

    # Batches that count as delivered although nobody knows

    def accept(self, stream: str, batch: str) -> None:
        """Note a batch that a person's setting declared delivered."""
        self._db.execute("INSERT OR REPLACE INTO accepted VALUES (?, ?, ?)", (self._dataset, stream, batch))

    def was_accepted(self, batch: str) -> bool:
        """Whether that is so."""
        query = "SELECT 1 FROM accepted WHERE dataset = ? AND batch = ?"
        return self._db.execute(query, (self._dataset, batch)).fetchone() is not None

    # What can tell whether rows arrived

    def works(self, kind: str) -> bool | None:
        """Whether a kind of evidence can be had of this dataset; None where it was not tried."""
        query = "SELECT works FROM evidence WHERE dataset = ? AND kind = ?"
        found = self._db.execute(query, (self._dataset, kind)).fetchone()
        return None if found is None else bool(found[0])

    def learn(self, kind: str, *, works: bool) -> None:
        """Note whether it can."""
        self._db.execute("INSERT OR REPLACE INTO evidence VALUES (?, ?, ?)", (self._dataset, kind, works))
