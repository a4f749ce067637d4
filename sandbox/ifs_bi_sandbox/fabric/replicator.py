"""The mirroring replicator: applies the files of a landing zone to tables of a DuckDB file, as Fabric does to its own.

Nothing is watched: one call applies what is there. A file is applied whole or not at all, in the order of the numbers. Processed
files are deleted but for the last, from which the writer knows how to go on. Deleting a folder drops its table, and a
folder that begins anew replaces it. A table that is refused doesn't stop the others.
"""

# ruff: noqa: S608 - names are quoted, values are parameters

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import duckdb

from ifs_bi_sandbox.fabric.data_file import DELETE, INSERT, MARKER, UPDATE, KnownTable, check, missing, read
from ifs_bi_sandbox.fabric.landing_zone import RefusedError, partner_events, table_folders

if TYPE_CHECKING:
    from pathlib import Path

    from ifs_bi_sandbox.fabric.data_file import DataFile
    from ifs_bi_sandbox.fabric.landing_zone import TableFolder

TURN = "__turn__"
MARKS = "_replicator"  # the schema of the replicator's own table
_STATE = f"""
CREATE SCHEMA IF NOT EXISTS {MARKS};
CREATE TABLE IF NOT EXISTS {MARKS}.tables (
  schema VARCHAR, name VARCHAR, columns VARCHAR, keys VARCHAR, dropped VARCHAR, last BIGINT, digest VARCHAR,
  PRIMARY KEY (schema, name)
)"""


@dataclass(frozen=True)
class Replicated:
    """What one call did: files applied by table, tables dropped, and what the writer told about itself."""

    files: dict[str, int]
    dropped: list[str]
    partner: dict[str, Any] | None


def apply(landing_zone: Path, duckdb_file: Path) -> Replicated:
    """Apply everything that is new in the landing zone.

    Raises:
        RefusedError: Fabric would not replicate something; one sentence for each table. The other tables are up to date.
    """
    partner = partner_events(landing_zone)
    folders = table_folders(landing_zone)
    with duckdb.connect(str(duckdb_file)) as connection:
        connection.execute(_STATE)
        replicator = _Replicator(connection)
        dropped = replicator.drop_others(folders)
        files, refusals = {}, []
        for folder in folders:
            try:
                files[str(folder)] = replicator.apply(folder)
            except RefusedError as refusal:
                told = str(refusal)
                refusals.append(told if told.startswith("Table ") else f"Table {folder}: {told}")
    if refusals:
        raise RefusedError("\n".join(refusals))
    return Replicated(files, dropped, partner)


class _Replicator:
    """The tables of one DuckDB file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def drop_others(self, folders: list[TableFolder]) -> list[str]:
        """Drop the tables whose folders are gone."""
        there = {(folder.schema, folder.name) for folder in folders}
        known = self._connection.execute(f"SELECT schema, name FROM {MARKS}.tables").fetchall()
        gone = [(schema, name) for schema, name in known if (schema, name) not in there]
        for schema, name in gone:
            self._drop(schema, name)
        return [name if schema == "main" else f"{schema}.{name}" for schema, name in gone]

    def apply(self, folder: TableFolder) -> int:
        """Apply the new files of one table; how many there were."""
        keys, files = folder.key_columns(), folder.files()
        known = self._known(folder)
        if known.last and _begins_anew(known, files):
            self._drop(folder.schema, folder.name)
            known = KnownTable()
        new = [number for number in files if number > known.last]
        done = 0
        try:
            for number in new:
                if number != known.last + 1:
                    told = f"file {known.last + 1} is missing before file {number}. Numbers have no gaps"
                    raise RefusedError(f"{told}.")
                known = self._apply_file(folder, files[number], known, keys)
                done += 1
        finally:
            for number in files:
                if number < known.last:
                    files[number].unlink()
        return done

    def _apply_file(self, folder: TableFolder, path: Path, known: KnownTable, keys: tuple[str, ...]) -> KnownTable:
        file = read(path, known.last + 1, self._connection)
        check(file, known, keys)
        gone = dict.fromkeys(missing(file, known), file.number)
        after = KnownTable(
            columns=known.columns | file.columns,
            keys=keys,
            dropped=known.dropped | gone,
            last=file.number,
            digest=sha256(path.read_bytes()).hexdigest(),
        )
        self._connection.begin()
        try:
            self._make_columns(folder, known, file)
            self._change_rows(folder, file, keys)
            self._remember(folder, after)
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()
        return after

    def _make_columns(self, folder: TableFolder, known: KnownTable, file: DataFile) -> None:
        """The table, or its new columns."""
        table = _table(folder.schema, folder.name)
        if not known.columns:
            columns = ", ".join(f"{_quoted(name)} {kind}" for name, kind in file.columns.items())
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(folder.schema)}")
            self._connection.execute(f"CREATE TABLE {table} ({columns})")
            return
        for name, kind in file.columns.items():
            if name not in known.columns:
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {_quoted(name)} {kind}")

    def _change_rows(self, folder: TableFolder, file: DataFile, keys: tuple[str, ...]) -> None:
        """Insert, update and delete in the order of the rows: the first row of each key, then the second of each, and so on."""
        table, run = _table(folder.schema, folder.name), self._connection.execute
        names = ", ".join(map(_quoted, file.columns))
        if not file.markers - {INSERT}:
            run(f"INSERT INTO {table} ({names}) SELECT {names} FROM read_parquet(?)", [str(file.path)])
            return
        key = ", ".join(map(_quoted, keys))
        run(
            f"CREATE OR REPLACE TEMP TABLE incoming AS SELECT {names}, {MARKER}, "
            f"row_number() OVER (PARTITION BY {key} ORDER BY file_row_number) AS {TURN} "
            "FROM read_parquet(?, file_row_number = true)",
            [str(file.path)],
        )
        (turns,) = run(f"SELECT max({TURN}) FROM incoming").fetchone() or (0,)
        same = " AND ".join(f"old.{name} IS NOT DISTINCT FROM new.{name}" for name in map(_quoted, keys))
        for turn in range(1, turns + 1):
            # An update of a row that isn't there is none: that is what tells it from an upsert.
            run(
                f"CREATE OR REPLACE TEMP TABLE due AS SELECT * FROM incoming AS new WHERE {TURN} = {turn} AND "
                f"({MARKER} <> {UPDATE} OR EXISTS (SELECT 1 FROM {table} AS old WHERE {same}))"
            )
            run(f"DELETE FROM {table} AS old USING due AS new WHERE {same} AND {MARKER} <> {INSERT}")
            run(f"INSERT INTO {table} ({names}) SELECT {names} FROM due WHERE {MARKER} <> {DELETE}")

    def _known(self, folder: TableFolder) -> KnownTable:
        row = self._connection.execute(
            f"SELECT columns, keys, dropped, last, digest FROM {MARKS}.tables WHERE schema = ? AND name = ?",
            [folder.schema, folder.name],
        ).fetchone()
        if row is None:
            return KnownTable()
        columns, keys, dropped, last, digest = row
        return KnownTable(json.loads(columns), tuple(json.loads(keys)), json.loads(dropped), last, digest)

    def _remember(self, folder: TableFolder, known: KnownTable) -> None:
        told = [json.dumps(known.columns), json.dumps(known.keys), json.dumps(known.dropped), known.last, known.digest]
        self._connection.execute(
            f"INSERT OR REPLACE INTO {MARKS}.tables VALUES (?, ?, ?, ?, ?, ?, ?)",
            [folder.schema, folder.name, *told],
        )

    def _drop(self, schema: str, name: str) -> None:
        self._connection.execute(f"DROP TABLE IF EXISTS {_table(schema, name)}")
        self._connection.execute(f"DELETE FROM {MARKS}.tables WHERE schema = ? AND name = ?", [schema, name])


def _begins_anew(known: KnownTable, files: dict[int, Path]) -> bool:
    """Whether a folder was deleted and made anew since: of the processed files, the last is there as it was and no other."""
    if any(number < known.last for number in files):
        return True
    return known.last not in files or sha256(files[known.last].read_bytes()).hexdigest() != known.digest


def _table(schema: str, name: str) -> str:
    return f"{_quoted(schema)}.{_quoted(name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
