"""What the tables of one dataset show, kept on disk: one SQLite file a dataset.

The file is written ahead: rows and the table's status are on disk before a request leaves. So whatever ends a run, the next
one knows which tables may show something else than their kept rows, and makes them right from here.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from ifs_bi_core.errors import ConfigError

from target_powerbi.changes import Row
from target_powerbi.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from target_powerbi.settings import Settings

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tables (
  id INTEGER PRIMARY KEY,
  stream TEXT NOT NULL UNIQUE,
  definition TEXT NOT NULL,
  defined INTEGER NOT NULL,
  status TEXT NOT NULL,
  confirmed TEXT NOT NULL DEFAULT '',
  batch TEXT
);
CREATE TABLE IF NOT EXISTS kept_rows (
  table_id INTEGER NOT NULL,
  key TEXT NOT NULL,
  sent BLOB,
  version TEXT,
  generation INTEGER,
  PRIMARY KEY (table_id, key)
);
"""
_LAYOUT = 2  # of this file; a later version of the target that changes it raises the number
_WORDS = re.compile(r"[^A-Za-z0-9-]+")
_NAME_LENGTH = 40  # characters of a dataset's name in the name of its file
_DIGITS = 20  # of the running number that stands for a key


class Status(StrEnum):
    """What is known of the rows that a table shows."""

    CLEAN = "clean"
    """It shows the kept rows."""
    PENDING = "pending"
    """It may show something else, older or newer; a rewrite is due."""
    REWRITING = "rewriting"
    """It may show a part of the kept rows, or none: a rewrite has begun."""


@dataclass(frozen=True)
class KeptTable:
    """A table, its status, and whether Power BI has been told this definition."""

    table: Table
    status: Status
    defined: bool


def file_of(settings: Settings) -> Path:
    """The file of the settings' dataset: one for each service, workspace, dataset and way of writing."""
    words = _WORDS.sub("-", settings.dataset_name or settings.dataset_id or "")[:_NAME_LENGTH].strip("-")
    digest = hashlib.sha256(settings.destination.encode()).hexdigest()[:12]
    return settings.state_dir / f"powerbi-{settings.workspace_id.lower()}-{words}-{digest}.db"


class Kept:
    """The kept rows of one dataset, open for one process alone.

    Args:
        path: the file; it and its folder are made for the owner's eyes alone.

    Raises:
        ConfigError: the file can't be written, is none of ours, or another run has it open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        except OSError as error:
            raise ConfigError(f"The kept rows can't be written to {path}: {error.strerror}. Check state_dir.") from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self._db.close()
            if getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                raise ConfigError(
                    f"Another run delivers to this dataset: it holds {path}. Start this one when the other has ended."
                ) from None
            raise ConfigError(
                f"The kept rows in {path} can't be read: {error}. Restore the file, or move it away and run once with a full "
                f"refresh and replace_unknown_rows."
            ) from None

    def _prepare(self) -> None:
        # Exclusive for as long as the file is open: two runs at a time would each count the other's rows as unknown.
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        with self._together():
            (layout,) = self._db.execute("PRAGMA user_version").fetchone()
            if layout > _LAYOUT:
                raise sqlite3.DatabaseError(
                    f"it has layout {layout}, and this version of target-powerbi knows {_LAYOUT}"
                )
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
            if layout == 1:
                self._db.execute("ALTER TABLE tables ADD COLUMN batch TEXT")
            self._db.execute(f"PRAGMA user_version={_LAYOUT}")

    def close(self) -> None:
        """Close the file, which lets another run have it."""
        self._db.close()

    @contextmanager
    def _together(self) -> Iterator[None]:
        """What is done inside is on disk afterwards, all of it or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    # The dataset

    @property
    def dataset_id(self) -> str | None:
        """The dataset that the rows were delivered to; None where none is known."""
        return self._fact("dataset_id")

    @property
    def creating(self) -> bool:
        """Whether a dataset was about to be made, and the answer is not known."""
        return self._fact("creating") is not None

    def begin_creation(self) -> None:
        """Note that a dataset is about to be made."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES ('creating', 'yes')")

    def created(self, dataset_id: str) -> None:
        """Note that the dataset was made with all tables as they are defined here, and holds no row yet."""
        with self._together():
            self._db.execute("UPDATE tables SET defined = 1")
            self._db.execute("INSERT OR REPLACE INTO facts VALUES ('dataset_id', ?)", (dataset_id,))
            self._db.execute("DELETE FROM facts WHERE name = 'creating'")

    def adopt(self, dataset_id: str) -> None:
        """Note that rows go to this dataset from now on.

        Where it is another one than before, none of the tables is what they were: all are due.
        """
        if self.dataset_id not in {None, dataset_id}:
            self.lose()
        self._db.execute("INSERT OR REPLACE INTO facts VALUES ('dataset_id', ?)", (dataset_id,))

    def lose(self) -> None:
        """Note that the dataset is gone: whatever takes its place has to be told all tables, and given all rows."""
        self._db.execute("UPDATE tables SET defined = 0, status = ?", (Status.PENDING,))

    def clear(self) -> None:
        """Forget everything: what a first run gathered and never delivered."""
        with self._together():
            for name in ("facts", "tables", "kept_rows"):
                self._db.execute(f"DELETE FROM {name}")  # noqa: S608 - one of three names written here

    def _fact(self, name: str) -> str | None:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return found[0] if found else None

    # Tables

    def tables(self) -> dict[str, KeptTable]:
        """All tables, by stream."""
        found = self._db.execute("SELECT stream, definition, status, defined FROM tables ORDER BY id")
        return {
            stream: KeptTable(Table.from_record(msgspec.json.decode(definition)), Status(status), bool(defined))
            for stream, definition, status, defined in found
        }

    def table(self, stream: str) -> KeptTable | None:
        """The table of a stream, or None."""
        return self.tables().get(stream)

    def status(self, stream: str) -> Status:
        """The status of a stream's table."""
        (status,) = self._db.execute("SELECT status FROM tables WHERE stream = ?", (stream,)).fetchone()
        return Status(status)

    def define(self, table: Table, *, defined: bool, status: Status | None = None) -> None:
        """Keep a table's definition, and whether Power BI has it; a table that is new here needs a status."""
        text = msgspec.json.encode(table.record()).decode()
        with self._together():
            self._db.execute(
                "INSERT INTO tables (stream, definition, defined, status) VALUES (?1, ?2, ?3, coalesce(?4, 'pending')) "
                "ON CONFLICT (stream) DO UPDATE SET definition = ?2, defined = ?3, status = coalesce(?4, status)",
                (table.stream, text, defined, status),
            )

    def mark(self, stream: str, status: Status) -> None:
        """Write a table's status; it is on disk when this returns."""
        self._db.execute("UPDATE tables SET status = ? WHERE stream = ?", (status, stream))

    # Rows

    def find(self, stream: str, keys: Iterable[str]) -> dict[str, Row]:
        """The kept rows of these keys; those that were never kept are absent."""
        found = self._db.execute(
            "SELECT key, sent, version, generation FROM kept_rows "
            "WHERE table_id = ? AND key IN (SELECT value FROM json_each(?))",
            (self._id(stream), msgspec.json.encode(list(keys)).decode()),
        )
        return {key: Row(sent, version, generation) for key, sent, version, generation in found}

    def write(self, stream: str, rows: Mapping[str, Row], *, status: Status | None = None) -> None:
        """Keep rows and, in the same breath, the table's status."""
        table_id = self._id(stream)
        with self._together():
            self._db.executemany(
                "INSERT OR REPLACE INTO kept_rows VALUES (?, ?, ?, ?, ?)",
                ((table_id, key, row.sent, row.version, row.generation) for key, row in rows.items()),
            )
            if status is not None:
                self.mark(stream, status)

    def take_back(self, stream: str, keys: Iterable[str], *, status: Status) -> None:
        """Forget rows that were kept ahead of a request that Power BI refused."""
        table_id = self._id(stream)
        with self._together():
            self._db.executemany(
                "DELETE FROM kept_rows WHERE table_id = ? AND key = ?", ((table_id, key) for key in keys)
            )
            self.mark(stream, status)

    def drop_older(self, stream: str, generation: int) -> int:
        """Drop the rows that no refresh from `generation` on carried; where any of them is shown, a rewrite is due.

        Returns:
            How many of them the table shows.
        """
        table_id = self._id(stream)
        older = "table_id = ? AND coalesce(generation, -1) < ?"
        with self._together():
            (shown,) = self._db.execute(
                f"SELECT count(*) FROM kept_rows WHERE {older} AND sent IS NOT NULL",  # noqa: S608 - a text written above
                (table_id, generation),
            ).fetchone()
            self._db.execute(f"DELETE FROM kept_rows WHERE {older}", (table_id, generation))  # noqa: S608 - the same
            if shown:
                self.mark(stream, Status.PENDING)
        return int(shown)

    def rows(self, stream: str) -> Iterator[bytes]:
        """The rows that the table is to show, in the order of their keys, one at a time."""
        query = "SELECT sent FROM kept_rows WHERE table_id = ? AND sent IS NOT NULL ORDER BY key"
        for (sent,) in self._db.execute(query, (self._id(stream),)):
            yield sent

    def count(self, stream: str) -> int:
        """How many rows the table is to show."""
        query = "SELECT count(*) FROM kept_rows WHERE table_id = ? AND sent IS NOT NULL"
        return int(self._db.execute(query, (self._id(stream),)).fetchone()[0])

    # Batches

    def took(self, stream: str, batch: str) -> None:
        """Note that all rows of a batch are among the kept ones, and that they stay there."""
        self._db.execute("UPDATE tables SET batch = ? WHERE stream = ?", (batch, stream))

    def batch(self, stream: str) -> str | None:
        """The last batch of which that is known."""
        found = self._db.execute("SELECT batch FROM tables WHERE stream = ?", (stream,)).fetchone()
        return found[0] if found else None

    # Rows without keys

    def running_keys(self, stream: str) -> Iterator[str]:
        """Keys for rows that have none: numbers that go on from the highest one so far, and sort in their order."""
        (highest,) = self._db.execute(
            "SELECT max(confirmed, coalesce((SELECT max(key) FROM kept_rows WHERE table_id = id), '')) FROM tables "
            "WHERE stream = ?",
            (stream,),
        ).fetchone()
        number = int(highest or 0)
        while True:
            number += 1
            yield f"{number:0{_DIGITS}}"

    def confirm(self, batches: Mapping[str, str]) -> None:
        """Note that the state of the run leaves: its rows will not come again.

        Args:
            batches: the last batch of each stream without keys.
        """
        with self._together():
            self._db.execute(
                "UPDATE tables SET confirmed = coalesce((SELECT max(key) FROM kept_rows WHERE table_id = id), confirmed) "
                "WHERE json_array_length(definition, '$.keys') = 0"
            )
            for stream, batch in batches.items():
                self.took(stream, batch)

    def roll_back(self) -> None:
        """Drop the rows without keys of a run whose state never left: they come again, and nobody could tell them apart."""
        for stream in [stream for stream, kept in self.tables().items() if not kept.table.keys]:
            with self._together():
                dropped = self._db.execute(
                    "DELETE FROM kept_rows WHERE table_id = ?1 AND key > (SELECT confirmed FROM tables WHERE id = ?1)",
                    (self._id(stream),),
                )
                if dropped.rowcount:
                    self.mark(stream, Status.PENDING)

    def _id(self, stream: str) -> int:
        (table_id,) = self._db.execute("SELECT id FROM tables WHERE stream = ?", (stream,)).fetchone()
        return int(table_id)
