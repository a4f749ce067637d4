"""The server of bqemulator, with the answers that BigQuery gives where its own are others. Run by the emulator's interpreter.

- What ALTER TABLE made of a table is told by `tables.get`; bqemulator goes on telling what CREATE TABLE made.
- A decimal is told with its precision and scale, and as BIGNUMERIC where it is one; bqemulator tells NUMERIC alone.
- A column is made with the precision and scale that `tables.insert` says; bqemulator can't make a BIGNUMERIC at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlglot
from bqemulator.api.routes import tables
from bqemulator.catalog import ddl_sync
from bqemulator.cli import main
from bqemulator.jobs import executor
from bqemulator.storage import type_map
from bqemulator.storage.sql_identifiers import quoted_table_ref

if TYPE_CHECKING:
    from collections.abc import Callable

_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


def _with_digits(introspect: Callable[..., Any]) -> Callable[..., Any]:
    def introspected(project: str, dataset: str, table: str, ctx: Any) -> Any:
        schema = introspect(project, dataset, table, ctx)
        told = ctx.engine.execute(f"PRAGMA table_info({quoted_table_ref(project, dataset, table)})").fetchall()
        types = {name: type_name for _, name, type_name, *_ in told}
        return schema.model_copy(
            update={"fields": tuple(_decimal(field, types[field.name]) for field in schema.fields)}
        )

    return introspected


def _decimal(field: Any, type_name: str) -> Any:
    if digits := _DECIMAL.fullmatch(type_name):
        precision, scale = int(digits[1]), int(digits[2])
        name = "NUMERIC" if scale <= 9 and precision - scale <= 29 else "BIGNUMERIC"
        return field.model_copy(update={"type": name, "precision": precision, "scale": scale})
    return field


def _and_altered(synchronize: Callable[..., None]) -> Callable[..., None]:
    def synchronized(text: str, project: str, ctx: Any) -> None:
        synchronize(text, project, ctx)
        if not text.lstrip().upper().startswith("ALTER TABLE"):
            return
        named = sqlglot.parse_one(text, read="bigquery").find(sqlglot.exp.Table)
        place = ddl_sync._split_target(named, project)
        altered = ddl_sync._introspect_schema(*place, ctx)
        ctx.catalog.update_table(ctx.catalog.get_table(*place).model_copy(update={"schema_": altered}))

    return synchronized


def _digits_to_rest(to_rest: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    def told(field: Any) -> dict[str, Any]:
        digits = {} if field.precision is None else {"precision": str(field.precision), "scale": str(field.scale or 0)}
        return to_rest(field) | digits

    return told


def _digits_from_rest(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def parsed(raw: list[dict[str, Any]]) -> Any:
        return tuple(
            field.model_copy(update={"precision": int(said["precision"]), "scale": int(said.get("scale", 0))})
            if "precision" in said
            else field
            for field, said in zip(parse(raw), raw, strict=True)
        )

    return parsed


def _digits_to_duckdb(to_columns: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def columns(fields: list[dict[str, Any]]) -> list[tuple[str, str]]:
        return [
            (field["name"], f"DECIMAL({field['precision']},{field['scale']})")
            if "precision" in field
            else to_columns([field])[0]
            for field in fields
        ]

    return columns


ddl_sync._introspect_schema = _with_digits(ddl_sync._introspect_schema)
executor.sync_created_table = _and_altered(executor.sync_created_table)
tables._field_to_rest = _digits_to_rest(tables._field_to_rest)
tables._parse_schema_fields = _digits_from_rest(tables._parse_schema_fields)
type_map.bq_schema_to_duckdb_columns = tables.bq_schema_to_duckdb_columns = _digits_to_duckdb(
    type_map.bq_schema_to_duckdb_columns
)

if __name__ == "__main__":
    main()
