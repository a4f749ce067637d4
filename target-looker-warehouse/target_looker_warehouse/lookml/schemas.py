"""The SCHEMAs of streams from what a tap writes: a catalog (``--discover``) or Singer lines (``--test=schema``, a whole run)."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from ifs_bi_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_UNSELECTED = {"selected": False}


class Schema(NamedTuple):
    """What a stream's rows look like.

    Attributes:
        stream: its name.
        properties: name → JSON Schema.
        key: the properties that tell rows apart.
    """

    stream: str
    properties: dict[str, Mapping[str, Any]]
    key: tuple[str, ...]


def schemas(lines: Iterable[str], where: str) -> list[Schema]:
    """The SCHEMAs in lines, the last one of each stream; of a catalog, those of selected streams with selected properties.

    Args:
        lines: of a catalog or of Singer messages, of which only SCHEMA is read.
        where: the lines come from, for sentences.

    Raises:
        ConfigError: they are neither, or have no stream, or one whose key is not among its properties.
    """
    rest = iter(lines)
    first = next((line for line in rest if line.strip()), "")
    try:
        message = json.loads(first)
    except ValueError:
        message = None  # a catalog has more than one line
    if isinstance(message, dict) and "type" in message:
        found = list(_of_lines(chain([first], rest), where))
    else:
        found = _of_catalog("".join([first, *rest]), where)
    by_stream = {schema.stream: schema for schema in found if schema.properties}
    if not by_stream:
        raise ConfigError(
            f"There is no SCHEMA in {where}. Give it what `tap --discover`, `tap --test=schema` or a whole run of a tap writes."
        )
    for stream, properties, key in by_stream.values():
        if lost := [name for name in key if name not in properties]:
            raise ConfigError(
                f"Stream '{stream}' in {where} has keys that it has no property for: {', '.join(lost)}. Select them, then "
                f"write the SCHEMA again."
            )
    return list(by_stream.values())


def _of_lines(lines: Iterable[str], where: str) -> Iterator[Schema]:
    for number, line in enumerate(lines, 1):
        if '"SCHEMA"' not in line:  # rows are many, and nothing of them is needed
            continue
        try:
            message = json.loads(line)
            if message["type"] == "SCHEMA":
                yield Schema(
                    message["stream"],
                    _definitions(message["schema"]["properties"]),
                    tuple(message.get("key_properties") or ()),
                )
        except (ValueError, LookupError, TypeError) as error:
            raise ConfigError(
                f"Line {number} of {where} is no SCHEMA message ({error}). Give it a tap's own output."
            ) from None


def _of_catalog(text: str, where: str) -> list[Schema]:
    try:
        return [schema for entry in json.loads(text)["streams"] for schema in _of_entry(entry)]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"What stands in {where} is neither a Singer catalog nor Singer lines ({type(error).__name__}: {error}). Give it "
            f"what `tap --discover` or `tap --test=schema` writes."
        ) from None


def _of_entry(entry: Mapping[str, Any]) -> Iterator[Schema]:
    told = {tuple(one["breadcrumb"]): one.get("metadata", {}) for one in entry.get("metadata", ())}
    if told.get((), _UNSELECTED | {"selected": True}).get("selected", True) is False:
        return
    key = tuple(entry.get("key_properties") or told.get((), {}).get("table-key-properties") or ())
    properties = {
        name: definition
        for name, definition in _definitions(entry["schema"]["properties"]).items()
        if name in key or _selected(told.get(("properties", name), {}))
    }
    yield Schema(entry.get("stream") or entry["tap_stream_id"], properties, key)


def _definitions(properties: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The properties; one that may be anything is ``true`` in JSON Schema, or nothing."""
    return {name: told if isinstance(told, dict) else {} for name, told in properties.items()}


def _selected(told: Mapping[str, Any]) -> bool:
    if told.get("inclusion") == "automatic":
        return True
    return (
        told.get("inclusion") != "unsupported"
        and told.get("selected", told.get("selected-by-default", True)) is not False
    )
