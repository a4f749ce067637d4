"""What was delivered, by key: one SQLite file for a system in ``state_dir``, true for the state that comes back and for no other.

A *line* is what one destination got of one stream. Destinations have states of their own, so the same stream may have several
lines; a run that starts without a state begins one. Each change of a line belongs to a *generation*, whose random name (the token)
travels in STATE. Rows are noted before they are written out, so whatever a destination may hold is known here.

A run that comes back with an older token, because a target crashed or an older state was restored, finds every key that was
touched since as *uncertain*: it may be at the destination, in some version. Such a key is delivered again if its row is there, and
deleted again if it isn't. So a line can be taken up at any of its last generations without a log of what to undo. A token that
the file doesn't know (lost, restored, another machine) begins a new line.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from ifs_bi_core.errors import IfsBiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from tap_ifs_cloud.versions import Version

GENERATIONS = 50
"""How many of its last generations a line can be taken up at."""

LINES = 4
"""How many lines of a stream are kept: those that were used last. One for each destination."""

_LAYOUT = 1
_GONE = 0  # in place of a version: the row is gone, and the destination was told
_LOCK_TIMEOUT_SECONDS = 60.0  # for another stream's transaction; the longest takes seconds
_SLICE = 500

_TABLES = f"""
    CREATE TABLE lines (
        id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, question TEXT NOT NULL,
        generation INTEGER NOT NULL, used INTEGER NOT NULL);
    CREATE TABLE generations (token TEXT PRIMARY KEY, line INTEGER NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE keys (
        line INTEGER NOT NULL, key BLOB NOT NULL, version, generation INTEGER NOT NULL,
        PRIMARY KEY (line, key)) WITHOUT ROWID;
    CREATE INDEX gone ON keys (line, generation) WHERE version = {_GONE};
    PRAGMA user_version = {_LAYOUT};
"""
_SEEN = """
    CREATE TEMP TABLE IF NOT EXISTS seen (key BLOB PRIMARY KEY, version) WITHOUT ROWID;
    CREATE TEMP TABLE IF NOT EXISTS picked (place INTEGER PRIMARY KEY, key BLOB NOT NULL);
"""
_LIVE = f"line = :line AND version IS NOT {_GONE}"
_CHANGED = """
    SELECT seen.key FROM temp.seen LEFT JOIN keys ON keys.line = :line AND keys.key = seen.key
    WHERE keys.version IS NULL OR keys.version IS NOT seen.version ORDER BY seen.key
"""
_MISSING = f"""
    SELECT key FROM keys WHERE {_LIVE} AND NOT EXISTS (SELECT 1 FROM temp.seen WHERE seen.key = keys.key) ORDER BY key
"""  # noqa: S608 - constants


class KeyStoreError(IfsBiError):
    """What was delivered can't be looked up or noted. That stream stops; the others go on."""


class Line:
    """What one destination got of one stream, held by this process alone while it is open.

    Args:
        file: the key store; None for one in memory, which begins empty.
        stream: its name.
        question: what the stream asks for; another question is another line.
        token: of the generation that the state names.

    Attributes:
        known: whether the line goes on from ``token``. If not, it is new and empty.

    Raises:
        KeyStoreError: the file can't be used, or another run holds the line.
    """

    def __init__(self, file: Path | None, stream: str, question: str, token: str | None) -> None:
        self._file = file
        self._name = f"The key store {file}" if file else "The key store in memory"
        self._stream = stream
        self._handle: int | None = None
        self._connection = _opened(file, self._name)
        try:
            with self._told():
                found = self._held(question, token)
                self.known = found is not None
                self._id, self._token, confirmed, last = found or self._new(question)
                self._generation = last + 1
                if last > confirmed:
                    self._doubt(confirmed)
                self._touched = not self.known
                self._make_room()
                self._connection.executescript(_SEEN)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the line."""
        self._connection.close()
        self._let_go()

    def _let_go(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def next_generation(self) -> None:
        """What is touched from here on needs another token than what was touched before."""
        self.token()
        self._generation += 1

    def token(self) -> str:
        """The name of the present generation, for a STATE that follows all that was noted; on disk when this returns."""
        if self._touched:
            self._token = secrets.token_hex(8)
            with self._writing() as connection:
                connection.execute(
                    "INSERT INTO generations VALUES (?, ?, ?)", (self._token, self._id, self._generation)
                )
                self._mark_generation(connection)
                self._forget_old_generations(connection)
            self._touched = False
        return self._token

    def note(self, rows: Iterable[tuple[bytes, Version | None]]) -> None:
        """Remember rows, by key and version, that are about to be written out; on disk when this returns."""
        self._touch((key, version) for key, version in rows)

    def note_gone(self, keys: Iterable[bytes]) -> None:
        """Remember of rows that the destination is about to be told that they are gone; on disk when this returns."""
        self._touch((key, _GONE) for key in keys)

    def version(self, key: bytes) -> Version | None:
        """The version of a row that the destination has for sure; None where it has none, or an uncertain one."""
        with self._told():
            found = self._connection.execute(
                "SELECT version FROM keys WHERE line = ? AND key = ?", (self._id, key)
            ).fetchone()
        return (found[0] or None) if found else None

    def count(self) -> int:
        """How many rows the destination has, those included that it may have."""
        return self._ask_number(f"SELECT count(*) FROM keys WHERE {_LIVE}")  # noqa: S608 - constants

    def begin_scan(self) -> None:
        """Begin to take down what the source has."""
        with self._told():
            self._connection.execute("DELETE FROM temp.seen")

    def see(self, rows: Iterable[tuple[bytes, Version]]) -> None:
        """Take down rows of the source, by key and version; the later one of two with one key counts."""
        with self._told(), self._connection:
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT OR REPLACE INTO temp.seen VALUES (?, ?)", rows)

    def seen(self) -> int:
        """How many rows were taken down."""
        return self._ask_number("SELECT count(*) FROM temp.seen")

    def changed(self) -> Picked:
        """The keys of the rows taken down that the destination doesn't have in that version."""
        return self._pick(_CHANGED)

    def missing(self) -> Picked:
        """The keys that the destination has and that were not taken down."""
        return self._pick(_MISSING)

    def _pick(self, query: str) -> Picked:
        with self._told(), self._connection:
            self._connection.execute("BEGIN")
            self._connection.execute("DELETE FROM temp.picked")
            self._connection.execute(f"INSERT INTO temp.picked (key) {query}", {"line": self._id})  # noqa: S608 - constants
        return Picked(self, self._ask_number("SELECT count(*) FROM temp.picked"))

    def slices(self) -> Iterator[list[bytes]]:
        """The picked keys, a few hundred at a time; the line may be written meanwhile."""
        place = 0
        while True:
            with self._told():
                rows = self._connection.execute(
                    "SELECT place, key FROM temp.picked WHERE place > ? ORDER BY place LIMIT ?", (place, _SLICE)
                ).fetchall()
            if not rows:
                return
            place = rows[-1][0]
            yield [key for _, key in rows]

    def _ask_number(self, query: str) -> int:
        with self._told():
            return int(self._connection.execute(query, {"line": self._id} if ":line" in query else {}).fetchone()[0])

    def _touch(self, rows: Iterable[tuple[bytes, Version | None]]) -> None:
        noted = [(self._id, key, version, self._generation) for key, version in rows]
        if not noted:
            return
        with self._writing() as connection:
            if not self._touched:
                self._mark_generation(connection)
                self._touched = True
            connection.executemany("INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)", noted)

    def _find(self, question: str, token: str | None) -> tuple[int, str, int, int] | None:
        """The line of a token: its number, the token, the token's generation, the last generation."""
        if token is None:
            return None
        found = self._connection.execute(
            "SELECT lines.id, generations.token, generations.number, lines.generation FROM generations "
            "JOIN lines ON lines.id = generations.line WHERE token = ? AND stream = ? AND question = ?",
            (token, self._stream, question),
        ).fetchone()
        return tuple(found) if found else None

    def _held(self, question: str, token: str | None) -> tuple[int, str, int, int] | None:
        """The same, held by this process."""
        found = self._find(question, token)
        if found is None:
            return None
        self._hold(found[0])
        return self._find(question, token)  # again: a run that ended meanwhile has changed it

    def _new(self, question: str) -> tuple[int, str, int, int]:
        with self._writing() as connection:
            number = connection.execute(
                "INSERT INTO lines (stream, question, generation, used) VALUES (?, ?, 0, 0)", (self._stream, question)
            ).lastrowid
            if number is None:
                raise RuntimeError("a line was inserted and has no number")
            self._hold(number)  # before another process sees it
        return number, "", 0, 0

    def _mark_generation(self, connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE lines SET generation = ? WHERE id = ?", (self._generation, self._id))

    def _doubt(self, confirmed: int) -> None:
        """Make uncertain what was touched after the generation that the state confirms."""
        with self._writing() as connection:
            connection.execute(
                "UPDATE keys SET version = NULL WHERE line = ? AND generation > ?", (self._id, confirmed)
            )

    def _forget_old_generations(self, connection: sqlite3.Connection) -> None:
        oldest = self._generation - GENERATIONS
        connection.execute("DELETE FROM generations WHERE line = ? AND number <= ?", (self._id, oldest))
        # Who was told of a row's end in a generation that is not asked for any more needs not be told again.
        connection.execute(
            f"DELETE FROM keys WHERE line = ? AND version = {_GONE} AND generation <= ?",  # noqa: S608 - a constant
            (self._id, oldest + 1),
        )

    def _make_room(self) -> None:
        """Note that the line is used, and remove what no state leads to any more, unless a run holds it."""
        with self._writing() as connection:
            connection.execute("UPDATE lines SET used = (SELECT max(used) + 1 FROM lines) WHERE id = ?", (self._id,))
            others = connection.execute(
                "SELECT id, EXISTS (SELECT 1 FROM generations WHERE line = lines.id) FROM lines "
                "WHERE stream = ? AND id <> ? ORDER BY used DESC",
                (self._stream, self._id),
            ).fetchall()
            kept = 0
            for number, has_token in others:
                kept += has_token
                if (has_token and kept < LINES) or not self._is_free(number):
                    continue
                connection.execute("DELETE FROM keys WHERE line = ?", (number,))
                connection.execute("DELETE FROM generations WHERE line = ?", (number,))
                connection.execute("DELETE FROM lines WHERE id = ?", (number,))
                with suppress(OSError):
                    self._lock_file(number).unlink()

    def _hold(self, number: int) -> None:
        if self._file is None:
            return
        self._let_go()
        self._handle = os.open(self._lock_file(number), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KeyStoreError(
                f"{self._stream} is read by another run from the same state. Nothing was read here; let that run end, then run "
                f"again. Two pipelines that run side by side need states of their own."
            ) from None

    def _is_free(self, number: int) -> bool:
        """Whether no run holds a line."""
        if self._file is None:
            return True
        try:
            handle = os.open(self._lock_file(number), os.O_RDWR)
        except OSError:
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
        return True

    def _lock_file(self, number: int) -> Path:
        if self._file is None:
            raise RuntimeError("a key store in memory has no files")
        return self._file.with_name(f"{self._file.stem}.{number}.lock")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._told(), self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise _error(self._name, error) from None


class Picked:
    """Some keys of a line, until others are picked.

    Attributes:
        count: how many.
    """

    def __init__(self, line: Line, count: int) -> None:
        self._line = line
        self.count = count

    def slices(self) -> Iterator[Sequence[bytes]]:
        """The keys in order, a few hundred at a time."""
        return self._line.slices()


def _opened(file: Path | None, name: str) -> sqlite3.Connection:
    try:
        if file:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(
            file or ":memory:", timeout=_LOCK_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise _error(name, error) from None
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a row is known here before the destination can have it
        connection.execute("BEGIN IMMEDIATE")
        layout = connection.execute("PRAGMA user_version").fetchone()[0]
        for statement in _TABLES.split(";") if layout == 0 else ():
            connection.execute(statement)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        connection.close()
        raise _error(name, error) from None
    if layout > _LAYOUT:
        connection.close()
        raise KeyStoreError(
            f"{name} was written by a newer tap-ifs-cloud. Upgrade this one, or move the file away: that costs one full reading of "
            f"each stream."
        )
    return connection


def _error(name: str, error: Exception) -> KeyStoreError:
    return KeyStoreError(
        f"{name} can't be used: {error}. Mend the disk or the folder's rights and run again; if the file is damaged, move it away: "
        f"that costs one full reading of each stream."
    )
