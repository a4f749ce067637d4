"""What the source holds and what a warehouse holds, in one form, so that they can be compared."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
from ifs_bi_sandbox.data.model import Property
from ifs_bi_sandbox.data.projections import entity_set
from tap_ifs_cloud.entities import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tap_ifs_cloud.entities import Entity

Rows = dict[tuple[Any, ...], dict[str, Any]]

OF_EACH_KIND = ["currencies", "gl_voucher_rows", "journal_entries", "purchase_order_lines", "suppliers"]
"""Read in full, by a timestamp, in stages, and by the versions of rows: enough where it is not about the set of streams."""


def named(stream: str) -> Entity:
    """The built-in entity of that name."""
    return next(entity for entity in BUILT_IN if entity.name == stream)


def key_of(entity: Entity) -> tuple[str, ...]:
    """What identifies a row of an entity's set, or of each of the sets that it joins."""
    while entity.stages:
        entity = named(entity.stages[-1][1])
    return entity_set(entity.projection, entity.entity_set).key


def source_rows(database: Path, stream: str) -> Rows:
    """The rows of a stream's entity set by key, straight from the sandbox's tables."""
    entity = named(stream)
    if entity.stages:
        return _joined_rows(database, entity)
    facts = entity_set(entity.projection, entity.entity_set)
    properties = {prop.name: prop for prop in facts.properties if prop.type != "Stream"}
    if facts.state_enum:
        properties["Objstate"] = Property("Objstate", "Enum", enum=facts.state_enum)
    columns = ", ".join(f'"{name}"' for name in properties)
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        rows = connection.execute(f'SELECT {columns} FROM "{facts.table}"').fetchall()
    finally:
        connection.close()
    records = [
        {name: _stored(prop, value) for (name, prop), value in zip(properties.items(), row, strict=True)}
        for row in rows
    ]
    return {tuple(record[name] for name in facts.key): record for record in records}


def warehouse_rows(path: Path, stream: str) -> Rows:
    """The live rows of a stream's table by the same key, without the columns that the pipe adds."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return _live_rows(connection, stream)


def differing(database: Path, path: Path, streams: Iterable[str]) -> list[str]:
    """The streams of which a warehouse has other rows than the source."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return [stream for stream in streams if _live_rows(connection, stream) != source_rows(database, stream)]


def _live_rows(connection: duckdb.DuckDBPyConnection, stream: str) -> Rows:
    key = key_of(named(stream))
    connection.execute("SET TimeZone = 'UTC'")
    query = f'SELECT * FROM "{stream}" WHERE "_sdc_deleted_at" IS NULL'
    table = connection.sql(query).to_arrow_table()
    records = [{name: _loaded(value) for name, value in record.items()} for record in table.to_pylist()]
    records = [{name: value for name, value in record.items() if not name.startswith("_")} for record in records]
    by_key = {tuple(record[name] for name in key): record for record in records}
    assert len(by_key) == len(records), f"{stream} holds a key twice"
    return by_key


def _joined_rows(database: Path, entity: Entity) -> Rows:
    """The rows of all stages; of a row that is in several, the last stage's."""
    stages = {stage: source_rows(database, name) for stage, name in entity.stages}
    names = {name for rows in stages.values() for row in rows.values() for name in row}
    return {
        key: {**dict.fromkeys(names), **row, "stage": stage}
        for stage, rows in stages.items()
        for key, row in rows.items()
    }


def _stored(prop: Property, value: Any) -> Any:
    if value is None:
        return None
    if prop.type == "Decimal":
        return Decimal(value)
    if prop.type == "Boolean":
        return bool(value)
    if prop.type == "DateTimeOffset":
        return f"{value}Z"
    return value


def _loaded(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    return value
