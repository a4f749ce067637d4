"""What was delivered, by key and version, and how a state that comes back confirms it.

A *line* is what one destination got of one stream. Destinations have states of their own, so the same stream may have several
lines; a run that begins without a state begins a line. Each change of a line belongs to a *generation*, whose random name (its
token) travels in STATE. Rows are noted before they are written out, so whatever a destination may hold is known here.

A run that comes back with an older token, because a target crashed or an older state was restored, finds every key that was
touched since as *uncertain*: it may be at the destination, in some version. Such a key is delivered again if its row is there,
and deleted again if it isn't. So a line can be taken up at any of its last generations, without a log of what to undo.

Several lines may lead to one destination: a full refresh that was killed delivered rows, and the next run goes on from the state
before it. So what other lines touched since this one last knew all counts as uncertain here, too, as far as it isn't known.

A token that the file doesn't know (a lost or restored file, another machine) begins a new line, with a reading of the entire set.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tap_ifs_cloud.key_store import GONE, PART, KeyStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from tap_ifs_cloud.versions import Version

GENERATIONS = 50
"""How many of its last generations a line can be taken up at."""

_SLICE = 500  # keys

_FIND = """
    SELECT lines.id, number, accounted, lines.generation FROM generations JOIN lines ON lines.id = generations.line
    WHERE token = :token AND stream = :stream AND question = :question
"""
_ADOPT = f"""
    INSERT INTO keys
    SELECT DISTINCT :line, other.key, NULL, :generation
    FROM lines JOIN keys AS other ON other.line = lines.id AND other.generation > :accounted
    LEFT JOIN keys AS mine ON mine.line = :line AND mine.key = other.key
    WHERE lines.id <> :line AND lines.generation > :accounted AND (
        lines.stream = :stream
        OR substr(lines.stream, 1, length(:parts)) = :parts
        OR (lines.stream = :whole AND CAST(json_extract('[' || CAST(other.key AS TEXT) || ']', :place) AS TEXT) = :company))
    AND (
        mine.key IS NULL
        OR (mine.version = {GONE} AND other.version IS NOT {GONE} AND other.generation > mine.generation)
        OR (mine.version LIKE '#%' AND other.version IS NOT mine.version))
    ON CONFLICT (line, key) DO UPDATE SET version = NULL, generation = excluded.generation
"""  # noqa: S608 - a constant; a row that has a version never takes an earlier one again, but one with a digest may
_LIVE = f"line = :line AND version IS NOT {GONE}"
_COUNT = f"SELECT count(*) FROM keys WHERE {_LIVE}"  # noqa: S608 - constants
_BOTH = f"{_COUNT} AND EXISTS (SELECT 1 FROM temp.seen WHERE seen.key = keys.key)"  # noqa: S608 - constants
_CHANGED = """
    INSERT INTO temp.picked (key)
    SELECT seen.key FROM temp.seen LEFT JOIN keys ON keys.line = :line AND keys.key = seen.key
    WHERE keys.version IS NULL OR keys.version IS NOT seen.version ORDER BY seen.key
"""
_MISSING = f"""
    INSERT INTO temp.picked (key)
    SELECT key FROM keys WHERE {_LIVE} AND NOT EXISTS (SELECT 1 FROM temp.seen WHERE seen.key = keys.key)
    ORDER BY key
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Extent:
    """Of which rows a line tells.

    Attributes:
        stream: its name.
        company: the rows of this one alone; None: all.
        place: where in the key the company stands; None where it is no part of the key.
    """

    stream: str
    company: str | None = None
    place: int | None = None

    @property
    def name(self) -> str:
        """The name of its lines."""
        return self.stream if self.company is None else f"{self.stream}{PART}{self.company}"

    @property
    def related(self) -> dict[str, str | None]:
        """What tells the lines whose keys may be of this extent: those of the stream's companies, or those of the stream.

        A line of all companies says of a key whose it is only where the company is a part of the key.
        """
        is_part = self.company is not None
        return {
            "stream": self.name,
            "parts": None if is_part else f"{self.stream}{PART}",
            "whole": self.stream if is_part and self.place is not None else None,
            "place": f"$[{self.place or 0}]",
            "company": self.company,
        }


class Line:
    """What one destination got of one stream, or of one company in it, held by this process alone while it is open.

    Args:
        file: the key store; None for one in memory.
        extent: of which rows it tells.
        question: what the stream asks for; another question is another line.
        token: of the generation that the state names.
        alone: whether a new line knows nothing of what other lines delivered, since the destination will be told to keep
            nothing of that.

    Attributes:
        known: whether the line goes on from ``token``. If not, it is new and empty.

    Raises:
        KeyStoreError: the file can't be used, or another run holds the line.
    """

    def __init__(
        self, file: Path | None, extent: Extent, question: str, token: str | None, *, alone: bool = True
    ) -> None:
        self._store = KeyStore(file)
        self._extent = extent
        self._stream = stream = extent.name
        self._generation: int | None = None  # of what is touched now; None until something is
        self._is_told = True  # whether the token names all that was touched
        try:
            found = self._taken_up(question, token)
            self.known = found is not None
            self._id, confirmed, self._accounted, last = found or (self._store.new_line(stream, question), 0, 0, 0)
            self._token = token if found else None
            self._begun = self._store.last_generation()
            self._store.use(self._id)
            if last > confirmed:
                self._doubt(confirmed)
            if found or not alone:
                self._adopt()
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
        self._store.close()

    def token(self) -> str:
        """The name of the present generation, for a STATE that follows all that was noted; on disk when this returns."""
        if self._token is None or not self._is_told:
            token = secrets.token_hex(8)
            with self._store.writing() as connection:
                if self._generation is None:
                    self._generation = self._store.next_generation(connection, self._id)
                connection.execute(
                    "INSERT INTO generations VALUES (?, ?, ?, ?)",
                    (token, self._id, self._generation, self._accounted),
                )
                self._forget_old_generations()
            self._token, self._is_told = token, True
        return self._token

    @staticmethod
    def find(file: Path | None, extent: Extent, question: str, token: str | None) -> int | None:
        """The number of the line that goes on from a token, if there is one; nothing is held or written for the answer."""
        if file is None or token is None or not file.exists():
            return None
        store = KeyStore(file)
        try:
            found = store.ask(_FIND, token=token, stream=extent.name, question=question)
        finally:
            store.close()
        return int(found[0][0]) if found else None

    @property
    def number(self) -> int:
        """What the key store knows the line by."""
        return int(self._id)

    def doubt_elsewhere(self, keys: Sequence[bytes], others: Collection[int]) -> set[bytes]:
        """Make uncertain what other lines have of some keys; those of them that there are.

        A row that leaves this line's company for another's is not gone. Which of the two was written last is not known.
        """
        if not others:
            return set()
        lines, asked = (", ".join("?" * len(some)) for some in (others, keys))
        where = f"line IN ({lines}) AND key IN ({asked}) AND version IS NOT {GONE}"
        with self._store.writing() as connection:
            found = connection.execute(f"SELECT DISTINCT key FROM keys WHERE {where}", (*others, *keys)).fetchall()  # noqa: S608 - marks and a constant
            if found:
                connection.execute(f"UPDATE keys SET version = NULL WHERE {where}", (*others, *keys))  # noqa: S608 - the same
        return {key for (key,) in found}

    def next_generation(self) -> None:
        """What is touched from here on is not covered by the tokens given so far."""
        self.token()
        self._generation = None

    def stands_alone(self) -> None:
        """Say that the destination was told to keep nothing but what this line has, whatever others delivered before."""
        self._accounted = self._begun
        self._is_told = False

    def note(self, rows: Iterable[tuple[bytes, Version | None]]) -> None:
        """Remember rows, by key and version, that are about to be written out; on disk when this returns."""
        noted = list(rows)
        if not noted:
            return
        with self._store.writing() as connection:
            if self._generation is None:
                self._generation = self._store.next_generation(connection, self._id)
            connection.executemany(
                "INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?)",
                ((self._id, key, version, self._generation) for key, version in noted),
            )
        self._is_told = False

    def note_gone(self, keys: Iterable[bytes]) -> None:
        """Remember of rows that the destination is about to be told that they are gone; on disk when this returns."""
        self.note((key, GONE) for key in keys)

    def version(self, key: bytes) -> Version | None:
        """The version of a row that the destination has for sure; None where it has none, or an uncertain one."""
        found = self._store.ask("SELECT version FROM keys WHERE line = :line AND key = :key", line=self._id, key=key)
        return (found[0][0] or None) if found else None

    def holds(self, key: bytes) -> bool:
        """Whether the destination has a row, or may have it."""
        return bool(self._store.ask(f"SELECT 1 FROM keys WHERE {_LIVE} AND key = :key", line=self._id, key=key))  # noqa: S608 - a constant

    def count(self) -> int:
        """How many rows the destination has, those included that it may have."""
        return self._number(_COUNT)

    def begin_scan(self) -> None:
        """Begin to take down what the source has."""
        with self._store.writing(at_once=False) as connection:
            connection.execute("DELETE FROM temp.seen")

    def see(self, rows: Iterable[tuple[bytes, Version]]) -> None:
        """Take down rows of the source, by key and version; the later one of two with one key counts."""
        with self._store.writing(at_once=False) as connection:
            connection.executemany("INSERT OR REPLACE INTO temp.seen VALUES (?, ?)", rows)

    def seen(self) -> int:
        """How many rows were taken down."""
        return self._number("SELECT count(*) FROM temp.seen")

    def seen_version(self, key: bytes) -> Version | None:
        """The version that a row was taken down with; None where it wasn't."""
        found = self._store.ask("SELECT version FROM temp.seen WHERE key = :key", key=key)
        return found[0][0] if found else None

    def saw_page(self, rows: int) -> None:
        """Note that the system gave so many rows in one page."""
        self._store.saw_page(rows)

    def may_be_cut(self, rows: int) -> bool:
        """Whether the system may have ended a page of so many rows before its time: it never gave a longer one, of any set."""
        return rows >= self._store.longest_page()

    def has_all_that_came(self, rows: int) -> bool:
        """Whether a scan whose last page had so many rows need not ask what lies behind it.

        The rows taken down are, by their keys, those that the destination has: none is new, none is missing. Were there more, the
        system would have cut the page just behind the last one that is known, and shorter than it has ever done.
        """
        return not self.may_be_cut(rows) and self.seen() == self.count() == self._number(_BOTH)

    def changed(self) -> Picked:
        """The keys of the rows taken down that the destination doesn't have in that version."""
        return self._pick(_CHANGED)

    def missing(self) -> Picked:
        """The keys that the destination has, and that were not taken down."""
        return self._pick(_MISSING)

    def slices(self) -> Iterator[list[bytes]]:
        """The keys that were picked last, a few hundred at a time; the line may be written meanwhile."""
        place = 0
        query = "SELECT place, key FROM temp.picked WHERE place > :place ORDER BY place LIMIT :most"
        while rows := self._store.ask(query, place=place, most=_SLICE):
            place = rows[-1][0]
            yield [key for _, key in rows]

    def _pick(self, query: str) -> Picked:
        with self._store.writing(at_once=False) as connection:
            connection.execute("DELETE FROM temp.picked")
            connection.execute(query, {"line": self._id})
        return Picked(self, self._number("SELECT count(*) FROM temp.picked"))

    def _number(self, query: str) -> int:
        return int(self._store.ask(query, line=self._id)[0][0])

    def _taken_up(self, question: str, token: str | None) -> tuple[int, int, int, int] | None:
        """The line of a token, held: its number, the token's generation and what that one accounts for, the last generation."""
        if token is None:
            return None
        sought = {"token": token, "stream": self._stream, "question": question}
        found = self._store.ask(_FIND, **sought)
        if found:
            self._store.hold(found[0][0], self._stream)
            found = self._store.ask(_FIND, **sought)  # again: a run that ended meanwhile has changed it
        return tuple(found[0]) if found else None

    def _doubt(self, confirmed: int) -> None:
        """Make uncertain what was touched after the generation that the state confirms."""
        with self._store.writing() as connection:
            connection.execute(
                "UPDATE keys SET version = NULL WHERE line = ? AND generation > ?", (self._id, confirmed)
            )

    def _adopt(self) -> None:
        """Count as uncertain what other lines touched since this one last knew all, as far as it doesn't know it."""
        with self._store.writing() as connection:
            values = {
                **self._extent.related,
                "line": self._id,
                "accounted": self._accounted,
                "generation": self._begun + 1,
            }
            if connection.execute(_ADOPT, values).rowcount:
                self._generation = self._store.next_generation(connection, self._id)
                self._is_told = False
        self._accounted = self._begun

    def _forget_old_generations(self) -> None:
        """Of generations that no state is expected to name; who was told of a row's end before them need not be told again."""
        query = "SELECT number FROM generations WHERE line = :line ORDER BY number DESC LIMIT 1 OFFSET :kept"
        old = self._store.ask(query, line=self._id, kept=GENERATIONS - 1)
        if not old:
            return
        ((oldest,),) = old
        self._store.ask("DELETE FROM generations WHERE line = :line AND number < :oldest", line=self._id, oldest=oldest)
        self._store.ask(
            f"DELETE FROM keys WHERE line = :line AND version = {GONE} AND generation <= :oldest",  # noqa: S608 - a constant
            line=self._id,
            oldest=oldest,
        )


@dataclass(frozen=True)
class Picked:
    """Some keys of a line, until others are picked.

    Attributes:
        line: the line.
        count: how many.
    """

    line: Line
    count: int

    def slices(self) -> Iterator[list[bytes]]:
        """The keys in order, a few hundred at a time."""
        return self.line.slices()
