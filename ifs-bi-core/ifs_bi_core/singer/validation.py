"""Records against their schema, compiled once per schema.

The compiled check looks at types, required properties and enums. Formats, precision and scale are not its matter: a
destination checks them where it converts the value, since only it knows what it can hold exactly.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import fastjsonschema
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord
from singer_sdk.sinks.core import BaseJSONSchemaValidator

_NOT_CHECKED_HERE = frozenset({"format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float, Decimal),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}
"""JSON's types, and the Python types that their values always are."""

_NOTES = frozenset({"title", "description", "default", "precision", "scale"})
_SAYS_TYPES = _NOTES | {"type", "properties", "key_properties"}
_SAYS_A_TYPE = _NOTES | {"type"}


def shape(schema: Any) -> Any:
    """The schema without the keywords that are checked where values are converted."""
    if isinstance(schema, dict):
        return {
            name: shape(value)
            for name, value in schema.items()
            # under "properties" the names are the source's, and one of them may well be "format"
            if name not in _NOT_CHECKED_HERE or isinstance(value, dict)
        }
    if isinstance(schema, list):
        return [shape(value) for value in schema]
    return schema


def plain_kinds(schema: dict[str, Any]) -> dict[str, frozenset[type]] | None:
    """The Python types that each property may have, where the schema asks for no more than types; else None.

    A value of another type may be right all the same: 2.0 is an integer.
    """
    properties = schema.get("properties", {})
    if (
        not _SAYS_TYPES.issuperset(schema)
        or schema.get("type", "object") != "object"
        or not isinstance(properties, dict)
    ):
        return None
    found = {}
    for name, definition in properties.items():
        if not isinstance(definition, dict) or not _SAYS_A_TYPE.issuperset(definition) or "type" not in definition:
            return None
        kinds = definition["type"]
        names = [kinds] if isinstance(kinds, str) else kinds
        if not _KINDS.keys() >= set(names):
            return None
        found[name] = frozenset(kind for kind_name in names for kind in _KINDS[kind_name])
    return found


class _NoneElse(dict[str, Any]):
    """How addresses in a schema are followed, by their scheme: not at all, or a SCHEMA could have this process open anything."""

    def __contains__(self, scheme: object) -> bool:
        return True

    def __missing__(self, scheme: str) -> Any:
        def refuse(address: str) -> Any:
            raise fastjsonschema.JsonSchemaDefinitionException(f"it refers to {address}, and only itself is looked at")

        return refuse


class CompiledValidator(BaseJSONSchemaValidator):
    """A `fastjsonschema` validator behind the SDK's interface.

    Attributes:
        kinds: the Python types that each property may have, where the schema asks for no more than types; else None.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(schema)
        try:
            self.kinds = plain_kinds(shape(schema)) if isinstance(schema, dict) else None
            self._check = fastjsonschema.compile(shape(schema), handlers=_NoneElse(), use_default=False)
        except Exception as error:  # the compiler takes a schema for one, and may stumble over anything that is none
            raise InvalidJSONSchema(f"the schema can't be read: {error}") from error

    def validate(self, record: dict[str, Any]) -> None:
        """Raise `InvalidRecord` with the reason where the record is not of the schema's shape."""
        if self.kinds is not None:  # most records are right, and to see that takes half the time of a reason
            kinds_of = self.kinds.get
            for name, value in record.items():
                kinds = kinds_of(name)
                if kinds is not None and type(value) not in kinds:
                    break
            else:
                return
        try:
            self._check(record)
        except fastjsonschema.JsonSchemaValueException as error:
            raise InvalidRecord(error.message, record) from None
        except RecursionError:
            raise InvalidRecord("it is nested too deeply", record) from None
