"""Records against their schema, compiled once per schema.

The compiled check looks at types, required properties and enums. Formats, precision and scale are not its matter: a
destination checks them where it converts the value, since only it knows what it can hold exactly.
"""

from __future__ import annotations

from typing import Any

import fastjsonschema
from singer_sdk.exceptions import InvalidJSONSchema, InvalidRecord
from singer_sdk.sinks.core import BaseJSONSchemaValidator

_NOT_CHECKED_HERE = frozenset({"format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})


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


class CompiledValidator(BaseJSONSchemaValidator):
    """A `fastjsonschema` validator behind the SDK's interface."""

    def __init__(self, schema: dict[str, Any]) -> None:
        super().__init__(schema)
        try:
            self._check = fastjsonschema.compile(shape(schema), use_default=False)
        except (fastjsonschema.JsonSchemaDefinitionException, AttributeError, TypeError) as error:
            raise InvalidJSONSchema(f"the schema can't be read: {error}") from error

    def validate(self, record: dict[str, Any]) -> None:
        """Raise `InvalidRecord` with the reason where the record is not of the schema's shape."""
        try:
            self._check(record)
        except fastjsonschema.JsonSchemaValueException as error:
            raise InvalidRecord(error.message, record) from None
