"""What the tables of one dataset show, kept on disk: one SQLite file a dataset.

The file is written ahead: rows and the table's status are on disk before a request leaves. So whatever ends a run, the next
one knows which tables may show something else than their kept rows, and makes them right from here.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from target_powerbi.changes import Row
from target_powerbi.kept_file import open_file, together, understood
from target_powerbi.tables import Table

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from target_powerbi.settings import Settings

_BEFORE = msgspec.msgpack.Encoder()
_KEPT_BEFORE = msgspec.msgpack.Decoder(list[tuple[str, Row | None]])
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
class Post:
    """A POST of rows on its way: its name, which is the `_ifs_batch` of its rows, and how many rows it carries."""

    name: str
    rows: int


class Definition(Protocol):
    """A table that can be kept: what `record` writes is what its own kind reads."""

    @property
    def stream(self) -> str:
        """Whose rows it holds."""

    def record(self) -> dict[str, Any]:
        """The table as values of JSON."""


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
        self._db = open_file(path)

    def close(self) -> None:
        """Close the file, which lets another run have it."""
        self._db.close()

    def _together(self) -> AbstractContextManager[None]:
        """What is done inside is on disk afterwards, all of it or nothing."""
        return together(self._db)

    @property
    def database(self) -> sqlite3.Connection:
        """The file itself, for what else outlives a run."""
        return self._db

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
        with self._together():
            self._db.execute("UPDATE tables SET defined = 0, held = 0, status = ?", (Status.PENDING,))
            self._db.execute("DELETE FROM posts")

    def clear(self) -> None:
        """Forget everything: what a first run gathered and never delivered."""
        with self._together():
            for name in ("facts", "tables", "kept_rows", "posts"):
                self._db.execute(f"DELETE FROM {name}")  # noqa: S608 - one of four names written here

    def _fact(self, name: str) -> str | None:
        found = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return found[0] if found else None

    # Tables

    def tables(self) -> dict[str, KeptTable]:
        """All tables, by stream."""
        found = self._db.execute("SELECT stream, definition, status, defined FROM tables ORDER BY id")
        with understood(self.path):
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

    def definition(self, stream: str) -> dict[str, Any] | None:
        """The record of a stream's table, as it was defined; None where it never was."""
        found = self._db.execute("SELECT definition FROM tables WHERE stream = ?", (stream,)).fetchone()
        with understood(self.path):
            return dict(msgspec.json.decode(found[0])) if found else None

    def forget(self, stream: str) -> None:
        """Forget a stream's table and its rows."""
        table_id = self._id(stream)
        with self._together():
            for name in ("kept_rows", "posts"):
                self._db.execute(f"DELETE FROM {name} WHERE table_id = ?", (table_id,))  # noqa: S608 - one of two names written here
            self._db.execute("DELETE FROM tables WHERE id = ?", (table_id,))

    def define(self, table: Definition, *, defined: bool, status: Status | None = None) -> None:
        """Keep a table's definition, and whether Power BI has it; a table that is new here needs a status."""
        text = msgspec.json.encode(table.record()).decode()
        with self._together():
            self._db.execute(
                "INSERT INTO tables (stream, definition, defined, status) VALUES (?1, ?2, ?3, coalesce(?4, 'pending')) "
                "ON CONFLICT (stream) DO UPDATE SET definition = ?2, defined = ?3, status = coalesce(?4, status)",
                (table.stream, text, defined, status),
            )

    def mark(self, stream: str, status: Status) -> None:
        """Write a table's status; it is on disk when this returns.

        A rewrite that ends leaves a table that holds the kept rows and no other.
        """
        self._db.execute(
            "UPDATE tables SET status = ?1, held = CASE WHEN (status, ?1) = ('rewriting', 'clean') THEN "
            "(SELECT count(*) FROM kept_rows WHERE table_id = id AND sent IS NOT NULL) ELSE held END WHERE stream = ?2",
            (status, stream),
        )

    def held(self, stream: str) -> int:
        """How many rows the table holds in Power BI; in `signed` those that cancel each other are among them."""
        (held,) = self._db.execute("SELECT held FROM tables WHERE stream = ?", (stream,)).fetchone()
        return int(held)

    def held_by_stream(self) -> dict[str, int]:
        """The same of all tables."""
        return dict(self._db.execute("SELECT stream, held FROM tables"))

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
        with self._together():
            self._put(stream, rows.items())
            if status is not None:
                self.mark(stream, status)

    def _put(self, stream: str, rows: Iterable[tuple[str, Row]]) -> None:
        table_id = self._id(stream)
        self._db.executemany(
            "INSERT OR REPLACE INTO kept_rows VALUES (?, ?, ?, ?, ?, ?)",
            ((table_id, key, row.sent, row.version, row.generation, row.subject) for key, row in rows),
        )

    def _drop(self, stream: str, keys: Iterable[str]) -> None:
        table_id = self._id(stream)
        self._db.executemany("DELETE FROM kept_rows WHERE table_id = ? AND key = ?", ((table_id, key) for key in keys))

    def older(self, stream: str, generation: int, most: int) -> dict[str, Row]:
        """The first rows, at most so many, that the table shows and no refresh from `generation` on carried."""
        return self._shown(stream, "coalesce(generation, -1) < ?", generation, most)

    def _shown(self, stream: str, where: str, value: Any, most: int) -> dict[str, Row]:
        where = f"table_id = ? AND sent IS NOT NULL AND {where}"
        found = self._db.execute(
            f"SELECT key, sent, version, generation FROM kept_rows WHERE {where} ORDER BY key LIMIT ?",  # noqa: S608 - written here
            (self._id(stream), value, most),
        )
        return {key: Row(sent, version, generation) for key, sent, version, generation in found}

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

    def items(self, stream: str) -> Iterator[tuple[str, bytes]]:
        """Key and row of the rows that the table is to show, in the order of their keys, one at a time."""
        query = "SELECT key, sent FROM kept_rows WHERE table_id = ? AND sent IS NOT NULL ORDER BY key"
        yield from self._db.execute(query, (self._id(stream),))

    def volume(self, stream: str) -> tuple[int, int]:
        """How many rows the table is to show, and how many bytes they are."""
        query = "SELECT count(*), coalesce(sum(length(sent)), 0) FROM kept_rows WHERE table_id = ? AND sent IS NOT NULL"
        rows, size = self._db.execute(query, (self._id(stream),)).fetchone()
        return int(rows), int(size)

    def drop(self, stream: str, keys: Iterable[str]) -> None:
        """Forget rows; the table's status stays."""
        with self._together():
            self._drop(stream, keys)

    # Posts on their way

    def begin_post(self, stream: str, post: Post, rows: Mapping[str, Row], before: Mapping[str, Row]) -> None:
        """Keep rows ahead of the POST that makes the table show them.

        Args:
            stream: of the table, which is `Status.PENDING` until the outcome is written.
            post: about to leave.
            rows: to be kept once it has arrived, by key.
            before: those of them that are kept now, as they are, for `undo_post`.
        """
        undo = _BEFORE.encode([(key, before.get(key)) for key in rows])
        with self._together():
            self._put(stream, rows.items())
            self._db.execute("INSERT INTO posts VALUES (?, ?, ?, ?)", (self._id(stream), post.name, post.rows, undo))
            self.mark(stream, Status.PENDING)

    def posts(self, stream: str) -> list[Post]:
        """The POSTs of a table whose outcome is not written; only a process that ended, or doubt, leaves any."""
        found = self._db.execute("SELECT name, rows FROM posts WHERE table_id = ? ORDER BY rowid", (self._id(stream),))
        return [Post(name, rows) for name, rows in found]

    def end_post(self, stream: str, post: Post, *, status: Status = Status.CLEAN) -> None:
        """Note that a POST has arrived."""
        with self._together():
            self._db.execute("DELETE FROM posts WHERE table_id = ? AND name = ?", (self._id(stream), post.name))
            self._db.execute("UPDATE tables SET held = held + ? WHERE stream = ?", (post.rows, stream))
            self.mark(stream, status)

    def forget_posts(self, stream: str) -> None:
        """Let go of the POSTs of a table that is rewritten: what they brought does not matter any more."""
        self._db.execute("DELETE FROM posts WHERE table_id = ?", (self._id(stream),))

    def undo_post(self, stream: str, post: Post) -> None:
        """Note that a POST has not arrived and never will: what was kept before is kept again."""
        here = (self._id(stream), post.name)
        (undo,) = self._db.execute("SELECT before FROM posts WHERE table_id = ? AND name = ?", here).fetchone()
        with understood(self.path):
            before = _KEPT_BEFORE.decode(undo)
        with self._together():
            self._put(stream, ((key, row) for key, row in before if row is not None))
            self._drop(stream, (key for key, row in before if row is None))
            self._db.execute("DELETE FROM posts WHERE table_id = ? AND name = ?", here)
            self.mark(stream, Status.CLEAN)

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

    def versions(self, stream: str, asked: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str | None, bytes]]:
        """Version and row of what is kept of subjects, in the order in which they came: the newest, and those that are asked for.

        Args:
            stream: of a table in which a subject may have many rows.
            asked: subject, and a version of it, or None.
        """
        found = self._db.execute(
            "WITH asked AS (SELECT DISTINCT json_extract(value, '$[0]') AS subject, json_extract(value, '$[1]') AS version "
            "FROM json_each(?2)) SELECT kept.version, kept.sent FROM asked CROSS JOIN kept_rows AS kept ON kept.table_id = ?1 "
            "AND kept.subject = asked.subject AND (kept.version = asked.version OR kept.key = (SELECT max(key) FROM kept_rows "
            "AS last WHERE last.table_id = ?1 AND last.subject = asked.subject)) ORDER BY kept.key",
            (self._id(stream), msgspec.json.encode(list(asked)).decode()),
        )
        yield from found

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

    def unconfirmed(self, stream: str, most: int) -> dict[str, Row]:
        """The first rows without keys, at most so many, that the table shows and whose state never left."""
        (confirmed,) = self._db.execute("SELECT confirmed FROM tables WHERE stream = ?", (stream,)).fetchone()
        return self._shown(stream, "key > ?", confirmed, most)

    def roll_back(self) -> None:
        """Drop the rows without keys of a run whose state never left: they come again, and nobody could tell them apart.

        Where a table shows any of them, a rewrite is due.
        """
        for stream in [stream for stream, kept in self.tables().items() if not kept.table.keys]:
            with self._together():
                if self.unconfirmed(stream, 1):
                    self.mark(stream, Status.PENDING)
                self._db.execute(
                    "DELETE FROM kept_rows WHERE table_id = ?1 AND key > (SELECT confirmed FROM tables WHERE id = ?1)",
                    (self._id(stream),),
                )

    def _id(self, stream: str) -> int:
        with understood(self.path):
            (table_id,) = self._db.execute("SELECT id FROM tables WHERE stream = ?", (stream,)).fetchone()
            return int(table_id)
