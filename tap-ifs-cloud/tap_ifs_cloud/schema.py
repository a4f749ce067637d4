"""From an entity type to the JSON Schema of a stream."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_ifs_cloud.metadata import EntityType, Metadata, Property

ROW_VERSION = "_ifs_row_version"
"""When the row last changed, from its ETag: ``YYYY-MM-DDTHH:MM:SS.ffffffZ``, whole seconds of the database's clock.

It orders the versions of a row, so it stays what that clock showed, whatever ``source_time_zone`` says: in the hour that a wall
clock shows twice, an instant could only be guessed, while the server's own order at least never turns around within a zone.
"""

ETAG = "_ifs_etag"
"""The row's ETag as IFS Cloud sent it."""

DELETED_AT = "_sdc_deleted_at"

_ADDED = frozenset({ROW_VERSION, ETAG, DELETED_AT})

_TECHNICAL = frozenset({"luname", "keyref", "Objgrants", "AllowedOperations"})
"""Members that describe the row to a web page; a stream carries them only where ``select`` names them."""

_LARGEST_INTEGER_DIGITS = 18  # always fits 64 bits

_PLAIN: dict[str, dict[str, Any]] = {
    "Edm.String": {"type": ["string"]},
    "Edm.Boolean": {"type": ["boolean"]},
    "Edm.Date": {"type": ["string"], "format": "date"},
    "Edm.DateTimeOffset": {"type": ["string"], "format": "date-time"},
    "Edm.TimeOfDay": {"type": ["string"], "format": "time"},
    "Edm.Guid": {"type": ["string"]},
    "Edm.Duration": {"type": ["string"]},
    "Edm.Binary": {"type": ["string"]},
    "Edm.Byte": {"type": ["integer"]},
    "Edm.SByte": {"type": ["integer"]},
    "Edm.Int16": {"type": ["integer"]},
    "Edm.Int32": {"type": ["integer"]},
    "Edm.Int64": {"type": ["integer"]},
    "Edm.Single": {"type": ["number"]},
    "Edm.Double": {"type": ["number"]},
}


def stream_properties(
    entity_type: EntityType, *, select: Iterable[str], key: Iterable[str], where: str
) -> dict[str, Property]:
    """The properties a stream reads, by name: all but technical ones and streams (LOBs), or those of ``select`` and the key.

    Raises:
        ContractBrokenError: ``select`` or ``key`` names a property that the entity set does not have, or a stream; or one that is
            read has the name of a column that the tap adds.
    """
    wanted = tuple(select)
    keys = tuple(key)
    unknown = [name for name in (*wanted, *keys) if name not in entity_type.properties]
    if unknown:
        raise ContractBrokenError(
            f"{where} has no property {', '.join(unknown)}. It has {', '.join(entity_type.properties)}."
        )
    streams = [name for name in (*wanted, *keys) if entity_type.properties[name].type == "Edm.Stream"]
    if streams:
        raise ContractBrokenError(
            f"{where}: {', '.join(streams)} is a stream (LOB), of which IFS Cloud's rows hold nothing; this version does not "
            f"fetch streams one by one. Leave it out of `select` and `key`."
        )
    chosen = {*wanted, *keys}
    read = {
        name: prop
        for name, prop in entity_type.properties.items()
        if name in chosen or not (wanted or name in _TECHNICAL or prop.type == "Edm.Stream")
    }
    ours = [name for name in read if name in _ADDED]
    if ours:
        raise ContractBrokenError(
            f"{where} has the property {', '.join(ours)}, which is the name of a column that the tap adds. Name the others in "
            f"`select`."
        )
    return read


def with_booleans(
    properties: Mapping[str, Property], booleans: Iterable[str], *, key: Iterable[str], where: str
) -> dict[str, Property]:
    """The properties, of which some say ``TRUE`` or ``FALSE`` as a text and mean it.

    Raises:
        ContractBrokenError: one of them is not read, is no text, or belongs to the key.
    """
    wrong = [
        name for name in booleans if name not in properties or properties[name].type != "Edm.String" or name in set(key)
    ]
    if wrong:
        raise ContractBrokenError(
            f"{where}: `booleans` names {', '.join(wrong)}, which has to be a text that is read and no part of the key."
        )
    return {**properties, **{name: replace(properties[name], says_boolean=True) for name in booleans}}


def json_schema(
    properties: dict[str, Property], *, key: Iterable[str], has_etag: bool, expanded: dict[str, dict[str, Property]]
) -> dict[str, Any]:
    """The stream's schema: its properties, what the tap adds, and expanded references as objects."""
    keys = set(key)
    schema: dict[str, Any] = {name: _property(prop, nullable=name not in keys) for name, prop in properties.items()}
    for name, inner in expanded.items():
        schema[name] = {
            "type": ["object", "null"],
            "properties": {n: _property(p, nullable=True) for n, p in inner.items()},
        }
    if has_etag:
        schema[ROW_VERSION] = {"type": ["string", "null"], "format": "date-time"}
        schema[ETAG] = {"type": ["string", "null"]}
    schema[DELETED_AT] = {"type": ["string", "null"], "format": "date-time"}
    return {"type": "object", "properties": schema}


def expanded_properties(
    entity_type: EntityType, metadata: Metadata, expand: Iterable[str], where: str
) -> dict[str, dict[str, Property]]:
    """The properties behind each reference of ``expand``.

    Raises:
        ContractBrokenError: it is no single-valued reference of the entity set; IFS Cloud expands no others.
    """
    result = {}
    for name in expand:
        target = metadata.entity_types.get(entity_type.references.get(name, ""))
        if target is None:
            known = ", ".join(entity_type.references) or "none"
            raise ContractBrokenError(f"{where} has no reference {name} to expand; it has {known}.")
        result[name] = {n: p for n, p in target.properties.items() if p.type != "Edm.Stream" and n not in _TECHNICAL}
    return result


def catalog_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as a catalog holds it: without ``multipleOf``, ``precision`` and ``scale`` of decimals.

    The SDK's catalog drops two of them anyway, and whoever checks records against a catalog in floating point, as the SDK's own
    test suite does, would find that 10183.38 is no multiple of 0.01.
    """
    properties = {
        name: {key: value for key, value in definition.items() if key not in {"multipleOf", "precision", "scale"}}
        for name, definition in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def is_integer(prop: Property) -> bool:
    """Whether the service says that a number has no decimals and fits 64 bits."""
    if prop.type == "Edm.Decimal":
        return prop.scale == 0 and prop.precision is not None and prop.precision <= _LARGEST_INTEGER_DIGITS
    return "integer" in _PLAIN.get(prop.type, {}).get("type", ())


def _property(prop: Property, *, nullable: bool) -> dict[str, Any]:
    if prop.is_collection:
        definition: dict[str, Any] = {"type": ["array"]}
    elif prop.type == "Edm.Decimal":
        definition = _decimal(prop)
    elif prop.says_boolean:
        definition = {"type": ["boolean"]}
    elif prop.is_enum:
        definition = {"type": ["string"]}
    else:
        definition = dict(_PLAIN.get(prop.type, {"type": ["object"]}))  # what is left is a structure
    return definition | {"type": [*definition["type"], "null"] if nullable else definition["type"]}


def _decimal(prop: Property) -> dict[str, Any]:
    if is_integer(prop):
        return {"type": ["integer"]}
    if prop.scale is None:  # silence is no promise: values with decimals were seen where no scale is declared
        return {"type": ["number"]}
    definition: dict[str, Any] = {"type": ["number"], "multipleOf": Decimal(1).scaleb(-prop.scale), "scale": prop.scale}
    if prop.precision is not None:
        definition["precision"] = prop.precision
    return definition
