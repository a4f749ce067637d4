"""The key store: one SQLite file for a system in ``state_dir``, with what each destination got of each stream.

`tap_ifs_cloud.delivered` says what is in it and why it can be believed; here is how it lies on disk, and who may write.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import IfsBiError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GONE = 0
"""In place of a version: the row is gone, and the destination was told."""

LINES = 4
"""How many lines of a stream, or of one company in it, are kept: those that were used last."""

PART = "\x1f"
"""Stands between the name of a stream and a company, where a line has the rows of that company alone."""

_LAYOUT = 1
_LOCK_TIMEOUT_SECONDS = 60.0  # for another stream's transaction; the longest takes seconds
_TABLES = (
    "CREATE TABLE counter (last INTEGER NOT NULL)",
    "INSERT INTO counter VALUES (0)",
    """CREATE TABLE lines (
        id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, question TEXT NOT NULL,
        generation INTEGER NOT NULL, used INTEGER NOT NULL)""",
    """CREATE TABLE generations (
        token TEXT PRIMARY KEY, line INTEGER NOT NULL, number INTEGER NOT NULL, accounted INTEGER NOT NULL)
        WITHOUT ROWID""",
    """CREATE TABLE keys (
        line INTEGER NOT NULL, key BLOB NOT NULL, version, generation INTEGER NOT NULL, PRIMARY KEY (line, key))
        WITHOUT ROWID""",
    f"CREATE INDEX gone ON keys (line, generation) WHERE version = {GONE}",
    f"PRAGMA user_version = {_LAYOUT}",
)
_LATER = "CREATE TABLE IF NOT EXISTS pages (longest INTEGER NOT NULL)"  # versions without it get on with it
_TEMPORARY = (
    "CREATE TEMP TABLE seen (key BLOB PRIMARY KEY, version) WITHOUT ROWID",
    "CREATE TEMP TABLE picked (place INTEGER PRIMARY KEY, key BLOB NOT NULL)",
)


class KeyStoreError(IfsBiError):
    """What was delivered can't be looked up or noted. That stream stops; the others go on."""


class KeyStore:
    """The file, opened for one stream.

    Args:
        file: where it lies; None for one in memory, which begins empty and ends with this object.

    Raises:
        KeyStoreError: it can't be used.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._name = f"The key store {file}" if file else "The key store in memory"
        self._handle: int | None = None
        with self._told():
            if file:
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(
                file or ":memory:", timeout=_LOCK_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
            )
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file and of the line that is held."""
        self._connection.close()
        self._let_go()

    def ask(self, query: str, **values: Any) -> list[Any]:
        """The rows of a query."""
        with self._told():
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def writing(self, *, at_once: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction, on disk when the block ends; ``at_once`` False for temporary tables."""
        with self._told(), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE" if at_once else "BEGIN")
            yield connection

    def next_generation(self, connection: sqlite3.Connection, line: int) -> int:
        """A number later than all that any line has had."""
        connection.execute("UPDATE counter SET last = last + 1")
        (number,) = connection.execute("SELECT last FROM counter").fetchone()
        connection.execute("UPDATE lines SET generation = ? WHERE id = ?", (number, line))
        return int(number)

    def last_generation(self) -> int:
        """The latest number that any line has had."""
        return int(self.ask("SELECT last FROM counter")[0][0])

    def longest_page(self) -> int:
        """Rows of the longest page that the system ever gave, as far as was said."""
        return int(self.ask("SELECT coalesce(max(longest), 0) FROM pages")[0][0])

    def saw_page(self, rows: int) -> None:
        """Note that the system gave so many rows in one page."""
        if rows > self.longest_page():
            with self.writing() as connection:
                connection.execute("DELETE FROM pages WHERE longest < ?", (rows,))
                connection.execute("INSERT INTO pages VALUES (?)", (rows,))

    def new_line(self, stream: str, question: str) -> int:
        """A line that this process holds; those that were not used for longest make room."""
        with self.writing() as connection:
            number = connection.execute(
                "INSERT INTO lines (stream, question, generation, used) VALUES (?, ?, 0, 0)", (stream, question)
            ).lastrowid
            if number is None:
                raise RuntimeError("a line was inserted and has no number")
            self.hold(number, stream)  # before another process sees it
            others = connection.execute(
                "SELECT id FROM lines WHERE stream = ? AND id <> ? ORDER BY used DESC", (stream, number)
            ).fetchall()
            for (other,) in others[LINES - 1 :]:
                if self._is_free(other):
                    self._drop(connection, other)
        return number

    def use(self, line: int) -> None:
        """Note that a line was used last."""
        with self.writing() as connection:
            connection.execute("UPDATE lines SET used = (SELECT max(used) + 1 FROM lines) WHERE id = ?", (line,))

    def hold(self, line: int, stream: str) -> None:
        """Let no other process work on a line until this one is closed.

        Raises:
            KeyStoreError: another one does.
        """
        if self._file is None:
            return
        self._let_go()
        with self._told():
            self._handle = os.open(self._lock_file(line), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            name = stream.replace(PART, " of company ")
            raise KeyStoreError(
                f"{name} is being read by another run that began with the same state. Nothing was read here; let that run end, "
                f"then run again. Pipelines that run side by side need states of their own."
            ) from None

    def _let_go(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _is_free(self, line: int) -> bool:
        if self._file is None:
            return True
        try:
            handle = os.open(self._lock_file(line), os.O_RDWR)
        except OSError:
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
        return True

    def _drop(self, connection: sqlite3.Connection, line: int) -> None:
        connection.execute("DELETE FROM keys WHERE line = ?", (line,))
        connection.execute("DELETE FROM generations WHERE line = ?", (line,))
        connection.execute("DELETE FROM lines WHERE id = ?", (line,))
        if self._file:
            with suppress(OSError):
                self._lock_file(line).unlink()

    def _lock_file(self, line: int) -> Path:
        if self._file is None:
            raise RuntimeError("a key store in memory has no files")
        return self._file.with_name(f"{self._file.stem}.{line}.lock")

    def _prepare(self) -> None:
        with self._told():
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA temp_store = FILE")  # memory does not grow with the number of rows
            self._connection.execute("PRAGMA synchronous = FULL")  # a row is known before a destination can have it
        with self.writing() as connection:
            (layout,) = connection.execute("PRAGMA user_version").fetchone()
            for statement in _TABLES if layout == 0 else ():
                connection.execute(statement)
            if layout <= _LAYOUT:
                connection.execute(_LATER)
        if layout > _LAYOUT:
            raise KeyStoreError(
                f"{self._name} was written by a newer tap-ifs-cloud. Upgrade this one, or move the file away: that costs one "
                f"full reading of each stream."
            )
        with self.writing(at_once=False) as connection:
            for statement in _TEMPORARY:
                connection.execute(statement)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise KeyStoreError(
                f"{self._name} can't be used: {error}. Mend the disk or the folder's rights, then run again; if the file is "
                f"damaged, move it away: that costs one full reading of each stream."
            ) from None
