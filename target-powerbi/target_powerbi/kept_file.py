"""The file of the kept rows: its layout, and how it is opened.

Layouts are numbered in the file. An earlier one is brought to the present one when the file is opened, a later one is refused.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from ifs_bi_core.errors import ConfigError, IfsBiError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tables (
  id INTEGER PRIMARY KEY,
  stream TEXT NOT NULL UNIQUE,
  definition TEXT NOT NULL,
  defined INTEGER NOT NULL,
  status TEXT NOT NULL,
  confirmed TEXT NOT NULL DEFAULT '',
  batch TEXT,
  held INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS kept_rows (
  table_id INTEGER NOT NULL,
  key TEXT NOT NULL,
  sent BLOB,
  version TEXT,
  generation INTEGER,
  subject TEXT,
  PRIMARY KEY (table_id, key)
);
CREATE TABLE IF NOT EXISTS posts (
  table_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  rows INTEGER NOT NULL,
  before BLOB NOT NULL,
  PRIMARY KEY (table_id, name)
);
CREATE INDEX IF NOT EXISTS kept_subjects ON kept_rows (table_id, subject, key) WHERE subject IS NOT NULL;
"""
_LAYOUT = 4  # of this file; a later version of the target that changes it raises the number
_LATER = {
    2: ("ALTER TABLE tables ADD COLUMN batch TEXT",),
    3: (
        "ALTER TABLE tables ADD COLUMN held INTEGER NOT NULL DEFAULT 0",
        "UPDATE tables SET held = (SELECT count(*) FROM kept_rows WHERE table_id = id AND sent IS NOT NULL)",
    ),
    4: ("ALTER TABLE kept_rows ADD COLUMN subject TEXT",),
}
"""What each layout changed about the tables of the one before."""
_PAGE_BYTES = 16_384  # rows of a thousand bytes take a third less time than in pages of 4,096


class _File(sqlite3.Connection):
    """Says in a sentence what SQLite finds out of the file while it is used.

    Attributes:
        path: of the file, once it is open; before that whoever opens it says what is wrong.
    """

    path: Path | None = None

    def execute(self, *statement: Any) -> sqlite3.Cursor:
        """As SQLite's."""
        return self.cursor(_Cursor).execute(*statement)

    def executemany(self, *statement: Any) -> sqlite3.Cursor:
        """As SQLite's."""
        return self.cursor(_Cursor).executemany(*statement)

    def told(self, error: sqlite3.DatabaseError) -> Exception:
        """The error that is to be raised; a mistake of ours stays one."""
        ours = isinstance(error, sqlite3.ProgrammingError | sqlite3.NotSupportedError)
        return error if ours or self.path is None else _unusable(self.path, error)


class _Cursor(sqlite3.Cursor):
    """Asks its connection what to say of an error."""

    connection: _File

    def execute(self, *statement: Any) -> sqlite3.Cursor:  # type: ignore[override]  # SQLite looks at the arguments
        try:
            return super().execute(*statement)
        except sqlite3.DatabaseError as error:
            raise self.connection.told(error) from None

    def executemany(self, *statement: Any) -> sqlite3.Cursor:  # type: ignore[override]  # the same
        try:
            return super().executemany(*statement)
        except sqlite3.DatabaseError as error:
            raise self.connection.told(error) from None

    def fetchone(self) -> Any:
        return next(self, None)

    def fetchall(self) -> list[Any]:
        return list(self)

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except sqlite3.DatabaseError as error:
            raise self.connection.told(error) from None


def _unusable(path: Path, error: Exception) -> IfsBiError:
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return IfsBiError(f"The kept rows can't be written to {path}: {error}. Make room, then run again.")
    return IfsBiError(
        f"The kept rows in {path} can't be used: {error}. Restore the file, or move it away and run once with a full refresh and "
        f"replace_unknown_rows."
    )


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """What is read inside was written by this target.

    Raises:
        IfsBiError: it was not, or not like this.
    """
    try:
        yield
    except (msgspec.DecodeError, LookupError, TypeError, ValueError) as error:
        raise _unusable(path, error) from None


def open_file(path: Path) -> sqlite3.Connection:
    """The file, open for one process alone; it and its folder are made for the owner's eyes alone.

    What is done with it later raises an `IfsBiError` where the file turns out to be damaged or its disk is full.

    Raises:
        ConfigError: the file can't be written, is none of ours, or another run has it open.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        database = sqlite3.connect(path, isolation_level=None, timeout=0, factory=_File)
    except OSError as error:
        raise ConfigError(f"The kept rows can't be written to {path}: {error.strerror}. Check state_dir.") from None
    try:
        _prepare(database)
    except (sqlite3.Error, UnicodeError) as error:  # the latter is about what SQLite says of a damaged file
        database.close()
        if getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise ConfigError(
                f"Another run delivers to this dataset: it holds {path}. Start this one when the other has ended."
            ) from None
        raise ConfigError(
            f"The kept rows in {path} can't be read: {error}. Restore the file, or move it away and run once with a full "
            f"refresh and replace_unknown_rows."
        ) from None
    database.path = path
    return database


@contextmanager
def together(database: sqlite3.Connection) -> Iterator[None]:
    """What is done inside is on disk afterwards, all of it or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _prepare(database: sqlite3.Connection) -> None:
    # Exclusive for as long as the file is open: two runs at a time would each count the other's rows as unknown.
    database.execute("PRAGMA locking_mode=EXCLUSIVE")
    database.execute(f"PRAGMA page_size={_PAGE_BYTES}")  # of a file that is new
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    with together(database):
        (layout,) = database.execute("PRAGMA user_version").fetchone()
        if layout > _LAYOUT:
            raise sqlite3.DatabaseError(f"it has layout {layout}, and this version of target-powerbi knows {_LAYOUT}")
        for statement in (s for later, news in _LATER.items() if 0 < layout < later for s in news):
            database.execute(statement)
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
        database.execute(f"PRAGMA user_version={_LAYOUT}")
