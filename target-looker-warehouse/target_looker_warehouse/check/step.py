"""A step of `ifs-bi warehouse-check` that is said in Singer lines and rows. Pure.

What is expected is written in one way for all warehouses: a number without zeros that it doesn't need, an instant as UTC with its
microseconds, JSON as it was sent, and no word of a null.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Row = dict[str, str]
"""The values of a row by property, as text."""

STRING = {"type": ["string", "null"]}
INTEGER = {"type": ["integer", "null"]}
NUMBER = {"type": ["number", "null"]}
BOOLEAN = {"type": ["boolean", "null"]}
DATE = {"type": ["string", "null"], "format": "date"}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
OBJECT = {"type": ["object", "array", "null"]}


def decimal(precision: int, scale: int) -> dict[str, Any]:
    """A number with so many digits in all, and after the point."""
    return {"type": ["number", "null"], "precision": precision, "scale": scale}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that the target does to a warehouse. Its streams are its own, so that it stands or falls alone.

    Attributes:
        name: what it is, for people.
        runs: of the target: the lines that each reads.
        tables: by stream, the rows that its table has then.
        settings: of these runs.
        beside: properties whose values may lie in a column beside the first one, where a warehouse widens none.
        strict: streams whose tables somebody else has made, with a column ``k`` and a column ``x`` that takes no null.
        refused: how many rows the last run puts aside.
    """

    name: str
    runs: Sequence[Sequence[str]]
    tables: Mapping[str, Sequence[Row]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    strict: tuple[str, ...] = ()
    refused: int = 0


def schema(stream: str, key: Sequence[str], properties: Mapping[str, Any]) -> str:
    """A SCHEMA line."""
    described = {"type": "object", "properties": properties}
    return json.dumps({"type": "SCHEMA", "stream": stream, "key_properties": list(key), "schema": described})


def record(stream: str, row: str | Mapping[str, Any], version: int | None = None) -> str:
    """A RECORD line. The row is JSON text where its numbers have digits that Python's don't have."""
    text = row if isinstance(row, str) else json.dumps(row)
    told = "" if version is None else f', "version": {version}'
    return f'{{"type": "RECORD", "stream": {json.dumps(stream)}, "record": {text}{told}}}'


def activate(stream: str, version: int) -> str:
    """An ACTIVATE_VERSION line."""
    return json.dumps({"type": "ACTIVATE_VERSION", "stream": stream, "version": version})


def lines(stream: str, properties: Mapping[str, Any], *rows: str | Mapping[str, Any], key: str = "k") -> list[str]:
    """A SCHEMA and rows of a stream with one key, or with none where it is empty."""
    return [schema(stream, [key] if key else [], properties), *(record(stream, row) for row in rows)]
