"""The tables of the ledger, and the steps that bring an older one up to date.

Every table is append-only: what happens later is a row of its own, never a change of an earlier one. Only
`ifs_bi_core.ledger.retention` deletes. Instants are text, ``YYYY-MM-DDTHH:MM:SS.ffffffZ`` in UTC, which sorts as time does and
is the same in every database; the order of events is that of their ``id``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Connection, Dialect

METADATA = MetaData()

_WHOLE = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself for INTEGER PRIMARY KEY alone


class _AnyText(TypeDecorator[str]):
    """Text of any characters, kept and ordered alike in every database.

    PostgreSQL takes no NUL, and neither database takes half a surrogate pair; a service's error may hold either.
    """

    impl = Text().with_variant(Text(collation="C"), "postgresql")  # the order of code points, not that of a language
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """What is kept, and sought, instead of a text."""
        return value and value.replace("\0", "\N{SYMBOL FOR NULL}").encode(errors="backslashreplace").decode()


def _id() -> Column[int]:
    return Column("id", _WHOLE, Identity(), primary_key=True)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, _AnyText, nullable=null)


def _count(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, _WHOLE, nullable=null)


VERSIONS = Table(
    "ledger_versions",
    METADATA,
    Column("version", Integer, primary_key=True, autoincrement=False),
    _text("at"),
)
"""Which steps of `MIGRATIONS` were done; the highest one is the ledger's version."""

RUN_EVENTS = Table(
    "run_events",
    METADATA,
    _id(),
    _text("run"),
    _text("part"),
    _text("plugin"),
    _text("version"),
    _text("host"),
    _count("pid"),
    _text("event"),
    _text("at"),
    _count("exit_code", null=True),
    Index("run_events_by_run", "run"),
)
"""A process began or ended. Tap and target may share a run; each process of it is a part."""

READS = Table(
    "reads", METADATA, _id(), _text("run"), _text("part"), _text("stream"), _count("rows"), Index("reads_by_run", "run")
)
"""How many rows a target read of a stream: its closing word, so a killed process leaves none."""

ATTEMPTS = Table(
    "attempts",
    METADATA,
    _id(),
    _text("run"),
    _text("at"),
    _text("service"),
    _text("operation"),
    _text("method"),
    _count("status", null=True),
    Column("seconds", Float, nullable=False),
    _count("sent_bytes"),
    _count("received_bytes"),
    _text("request_id", null=True),
    _text("error", null=True),
    Index("attempts_by_run", "run"),
)
"""One HTTP request each, and what came back; ``at`` is when it did."""

PAGES = Table(
    "pages",
    METADATA,
    _id(),
    _text("run"),
    _text("at"),
    _text("stream"),
    _count("number"),
    _count("rows"),
    _text("first_key", null=True),
    _text("last_key", null=True),
    _text("query"),
    Index("pages_by_run", "run"),
)

BATCHES = Table(
    "batches",
    METADATA,
    Column("batch", _AnyText, primary_key=True),
    _text("run"),
    _text("part"),
    _text("host"),
    _text("at"),
    _text("stream"),
    _text("destination"),
    _count("rows"),
    _text("file"),
    _count("bytes"),
    _text("key_names", null=True),
    Index("batches_by_run", "run"),
    Index("batches_by_stream", "stream"),
)
"""``file`` is relative to the state folder of ``host``; ``key_names`` are the properties of the key, a JSON list of names."""

KEY_HASHES = Table(
    "key_hashes",
    METADATA,
    _id(),
    _text("batch"),
    _text("stream"),
    Column("hashes", LargeBinary, nullable=False),
    Index("key_hashes_by_stream", "stream"),
    Index("key_hashes_by_batch", "batch"),
)
"""Which keys a batch file may hold (`ifs_bi_core.ledger.keys`): apart from BATCHES, whose rows stay short."""

BATCH_EVENTS = Table(
    "batch_events",
    METADATA,
    _id(),
    _text("batch"),
    _text("run", null=True),
    _text("at"),
    _text("state"),
    _text("reason", null=True),
    _text("positions", null=True),
    Index("batch_events_by_batch", "batch"),
)
"""What happened to a batch, or to the rows at ``positions``; ``run`` is the run that said so, maybe a later one."""

DEAD_ROWS = Table(
    "dead_rows",
    METADATA,
    _id(),
    _text("run"),
    _text("at"),
    _text("stream"),
    _text("destination"),
    _text("key", null=True),
    _text("reason"),
    Index("dead_rows_by_run", "run"),
    Index("dead_rows_by_key", "key", postgresql_using="hash"),  # a key may be longer than a page of a tree allows
)
"""Rows that were refused before they came into a batch."""

NOTIFICATION_EVENTS = Table(
    "notification_events",
    METADATA,
    _id(),
    _text("run"),
    _text("at"),
    _text("destination"),
    _text("item"),
    _text("state"),
    _text("reason", null=True),
    Index("notification_events_by_destination", "destination"),
)
"""What a service has to be told after a load (`ifs_bi_core.ledger.notifications`): that it is due, that it was told."""

RECOVERY_TABLES = (VERSIONS, RUN_EVENTS, BATCHES, BATCH_EVENTS)
"""What has to be readable before anything is pushed."""


_LATER = (NOTIFICATION_EVENTS,)


def _version_1(connection: Connection) -> None:
    first = [table for table in METADATA.sorted_tables if table not in _LATER]
    METADATA.create_all(connection, tables=first, checkfirst=False)  # a table of that name is somebody else's


def _version_2(connection: Connection) -> None:
    METADATA.create_all(connection, tables=[NOTIFICATION_EVENTS], checkfirst=False)


MIGRATIONS: Mapping[int, Callable[[Connection], None]] = {1: _version_1, 2: _version_2}
"""By version, what brings a ledger to it from the one before. A step only adds, so that a process of the older package that is
running at that moment goes on writing."""
