"""The SQLite tables behind the entity sets: derived from the projections, so that the two can't disagree."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ifs_bi_sandbox.data.history import create_log, log_deletes
from ifs_bi_sandbox.data.model import Property
from ifs_bi_sandbox.data.projections import PROJECTIONS
from ifs_bi_sandbox.data.values import Row, Stored, loading, storing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from ifs_bi_sandbox.data.model import EntitySet, Projection

# The column that moves at every change of a row; a table without one shows a change in its row version alone.
MODIFIED = {
    "purchase_order": "ChangedDate",
    "purchase_order_line": "LastActivityDate",
    "gen_led_voucher_row": "Rowversion",
}

STATE_TABLE = "_state"  # the sandbox's own: its clock and number series


@dataclass(frozen=True)
class Table:
    """One table: its key, its columns with their functions, and the column that moves at every change."""

    name: str
    key: tuple[str, ...]
    properties: tuple[Property, ...]  # with Objstate, where the entity has states
    enums: dict[str, tuple[str, ...]]  # members by enum name
    modified: str | None

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns but the technical ones, in order."""
        return tuple(prop.name for prop in self.properties)

    @cached_property
    def names(self) -> frozenset[str]:
        """The same, as a set."""
        return frozenset(self.columns)

    @cached_property
    def storing(self) -> dict[str, Callable[[object], Stored]]:
        """By column: the function that checks a value and turns it into what SQLite keeps."""
        return {prop.name: storing(prop, self.enums.get(prop.enum or "", ())) for prop in self.properties}

    @cached_property
    def loading(self) -> dict[str, Callable[[object], object]]:
        """By column: the function that turns what SQLite keeps into a Python value."""
        return {prop.name: loading(prop) for prop in self.properties}

    @cached_property
    def select(self) -> str:
        """The statement's head that reads all columns."""
        return f"SELECT {_quoted(self.columns)} FROM {_quoted([self.name])}"  # noqa: S608 - names of our own table of facts

    @cached_property
    def insertion(self) -> str:
        """The statement that inserts what `stored` gives."""
        marks = ", ".join("?" for _ in range(len(self.columns) + 1))
        columns = _quoted((*self.columns, "_rowversion"))
        return f"INSERT INTO {_quoted([self.name])} ({columns}) VALUES ({marks})"  # noqa: S608 - the same

    def stored(self, row: Row, at: str) -> tuple[Stored, ...]:
        """A row as SQLite keeps it, changed at the instant ``at``; ValueError when a value doesn't fit its property."""
        self.check_names(row)
        if self.modified:
            row = {**row, self.modified: at}
        try:
            values = [store(row.get(name)) for name, store in self.storing.items()]
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error
        return (*values, row_version(at))

    def loaded(self, values: Iterable[object]) -> Row:
        """What `select` gave, as a row."""
        return {name: load(raw) for (name, load), raw in zip(self.loading.items(), values, strict=True)}

    def check_names(self, names: Iterable[str]) -> None:
        """ValueError when one of the names is no column."""
        unknown = set(names) - self.names
        if unknown:
            raise ValueError(f"{self.name} has no {', '.join(sorted(unknown))}; it has {', '.join(self.columns)}")


def row_version(at: str) -> str:
    """The row version of an instant: 2026-11-20T12:00:00 → 20261120120000."""
    return at.translate(_NO_PUNCTUATION)


_NO_PUNCTUATION = str.maketrans("", "", "-:T")


def _tables(projections: Iterable[Projection]) -> dict[str, Table]:
    found: dict[str, Table] = {}
    for projection in projections:
        enums = {enum.name: enum.values for enum in projection.enums}
        for entity_set in projection.entity_sets:
            known = found.get(entity_set.table)
            merged = _merged(known.properties if known else (), entity_set)
            found[entity_set.table] = Table(
                name=entity_set.table,
                key=known.key if known else entity_set.key,
                properties=merged,
                enums={**enums, **(known.enums if known else {})},
                modified=MODIFIED.get(entity_set.table),
            )
    return found


def _merged(known: tuple[Property, ...], entity_set: EntitySet) -> tuple[Property, ...]:
    """The properties of all sets that share a table; they must agree on what they share."""
    state = Property("Objstate", "Enum", nullable=False, enum=entity_set.state_enum)
    own = (state, *entity_set.properties) if entity_set.state_enum else entity_set.properties
    merged = {prop.name: prop for prop in known}
    for prop in own:
        if merged.setdefault(prop.name, prop) != prop:
            raise ValueError(f"{entity_set.projection}.{entity_set.name} disagrees with another set about {prop.name}")
    return tuple(merged.values())


TABLES = _tables(PROJECTIONS)


def table(name: str) -> Table:
    """The table of that name; ValueError with the known ones when there is none."""
    if name not in TABLES:
        raise ValueError(f"there is no table {name}; there are {', '.join(TABLES)}")
    return TABLES[name]


def connect(database: Path) -> sqlite3.Connection:
    """A connection that begins and ends transactions only when told, and waits for other writers."""
    connection = sqlite3.connect(database, isolation_level=None, timeout=30)
    connection.execute("PRAGMA synchronous=NORMAL")  # with WAL a power cut loses the last changes, never the database
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """One write transaction: committed at the end, undone by an error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def create(database: Path) -> None:
    """Write the empty tables and their indexes into a new file, in WAL mode."""
    with closing(connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        with transaction(connection):
            create_tables(connection)
            create_indexes(connection)


def create_tables(connection: sqlite3.Connection) -> None:
    """Create the tables without indexes, as a bulk load wants them."""
    connection.execute(f"CREATE TABLE {STATE_TABLE} (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    for each in TABLES.values():
        columns = [
            f"{_quoted([prop.name])} {_affinity(prop)}{'' if prop.nullable else ' NOT NULL'}"
            for prop in each.properties
        ]
        technical = ['"_rowid" INTEGER PRIMARY KEY', '"_rowversion" TEXT NOT NULL']
        connection.execute(f"CREATE TABLE {_quoted([each.name])} ({', '.join([*technical, *columns])})")
    create_log(connection)
    now = f"(SELECT value FROM {STATE_TABLE} WHERE name = 'clock')"  # noqa: S608 - a constant
    units = {each.table: each.logical_unit for found in PROJECTIONS for each in found.entity_sets if each.has_etag}
    for name, unit in units.items():
        key = [prop for prop in TABLES[name].properties if prop.name in TABLES[name].key]
        log_deletes(connection, name, unit, key, now)


def create_indexes(connection: sqlite3.Connection) -> None:
    """Create each table's unique index on its key, and one on what moves at a change."""
    for each in TABLES.values():
        name = each.name
        moving = (each.modified, *each.key) if each.modified else ("_rowversion",)
        connection.execute(f'CREATE UNIQUE INDEX "{name}_key" ON {_quoted([name])} ({_quoted(each.key)})')
        connection.execute(f'CREATE INDEX "{name}_modified" ON {_quoted([name])} ({_quoted(moving)})')


def _affinity(prop: Property) -> str:
    whole = prop.type == "Boolean" or (prop.type == "Decimal" and prop.scale == 0)
    return "INTEGER" if whole else "TEXT"


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
