"""Catalog and state as they are given: files that a person or another program may have written or broken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.redaction import shown
from jsonschema import Draft7Validator, FormatChecker
from singer_sdk.singerlib.json import deserialize_json

from tap_ifs_cloud.odata import parse_instant

if TYPE_CHECKING:
    from typing import IO

_FORMATS = FormatChecker(formats=())
"""What formats are looked at: a bookmark that is no time would be asked for as it is."""


@_FORMATS.checks("moment", raises=ValueError)
def _is_moment(value: Any) -> bool:
    return not isinstance(value, str) or bool(parse_instant(value))


_TEXT = {"type": "string"}
_MAYBE_TEXT = {"type": ["string", "null"]}
_MOMENT = {"type": "string", "format": "moment"}
_BOOKMARK: dict[str, Any] = {
    "type": "object",
    "properties": {
        "context": {"type": "object", "additionalProperties": _TEXT},
        "replication_key": _MAYBE_TEXT,
        "replication_key_value": {"type": ["string", "null"], "format": "moment"},
        "version": {"type": ["integer", "null"]},
        "had_rows": {"type": ["integer", "null"]},
        "stages": {"type": ["object", "null"], "additionalProperties": {"type": ["object", "null"]}},
        "delivered": {
            "type": ["object", "null"],
            "properties": {
                "query": _TEXT,
                "generation": _MAYBE_TEXT,
                "digests": {"type": "array", "items": _TEXT},
                "rows": {"type": "integer"},
                "version": {"type": "integer"},
                "key_filters": {"type": "boolean"},
                "began": _MOMENT,
                "scanned": _MOMENT,
                "log": {"type": ["object", "null"], "properties": {"at": _MOMENT, "unit": _TEXT}},
            },
        },
    },
}
_STREAM_BOOKMARK = {
    **_BOOKMARK,
    "properties": {
        **_BOOKMARK["properties"],
        "partitions": {"type": "array", "items": {**_BOOKMARK, "required": ["context"]}},
    },
}
_STATE = Draft7Validator(
    {
        "type": "object",
        "properties": {"bookmarks": {"type": "object", "additionalProperties": _STREAM_BOOKMARK}},
    },
    format_checker=_FORMATS,
)
_CATALOG = Draft7Validator(
    {
        "definitions": {
            "schema": {
                "type": "object",
                "properties": {
                    "properties": {"type": "object", "additionalProperties": {"$ref": "#/definitions/schema"}},
                    "items": {"$ref": "#/definitions/schema"},
                },
            }
        },
        "type": "object",
        "required": ["streams"],
        "properties": {
            "streams": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["tap_stream_id", "schema"],
                    "properties": {
                        "tap_stream_id": _TEXT,
                        "stream": _MAYBE_TEXT,
                        "schema": {"$ref": "#/definitions/schema"},
                        "key_properties": {"type": ["array", "null"], "items": _TEXT},
                        "replication_key": _MAYBE_TEXT,
                        "replication_method": {"enum": [None, "INCREMENTAL", "FULL_TABLE", "LOG_BASED"]},
                        "metadata": {
                            "type": ["array", "null"],
                            "items": {
                                "type": "object",
                                "required": ["breadcrumb", "metadata"],
                                "properties": {
                                    "breadcrumb": {"type": "array", "items": _TEXT},
                                    "metadata": {
                                        "type": "object",
                                        "properties": {
                                            "selected": {"type": ["boolean", "null"]},
                                            "inclusion": {"enum": [None, "available", "automatic", "unsupported"]},
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            }
        },
    }
)
_SHOWN = 200  # characters of what is wrong that an error repeats


def catalog_in(file: IO[str] | None) -> dict[str, Any] | None:
    """The catalog in a file; None where there is none.

    Raises:
        ConfigError: it is no Singer catalog.
    """
    return None if file is None else _checked(file, "catalog", _CATALOG, "Make one with --discover, then run again.")


def state_in(file: IO[str] | None) -> dict[str, Any]:
    """The state in a file; empty where there is none, or nothing in it.

    Raises:
        ConfigError: it is no state of this tap's.
    """
    if file is None:
        return {}
    again = "Give the last STATE that the tap wrote, or none: then everything is read from the beginning."
    state = _checked(file, "state", _STATE, again)
    for stream, bookmark in state.get("bookmarks", {}).items():
        contexts = [json.dumps(part["context"], sort_keys=True) for part in bookmark.get("partitions", ())]
        if len(set(contexts)) < len(contexts):
            raise ConfigError(f"The state file has two bookmarks of {stream} for one company. {again}")
    return state


def _checked(file: IO[str], what: str, schema: Draft7Validator, again: str) -> dict[str, Any]:
    try:
        text = file.read()
        found = deserialize_json(text) if text.strip() or what == "catalog" else {}
        json.dumps(found, ensure_ascii=False, default=str).encode()
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, half a letter, or nested without end
        raise ConfigError(f"The {what} file is no JSON: {error}. {again}") from None
    wrong = next(schema.iter_errors(found), None)
    if wrong is not None:
        place = ".".join(map(str, wrong.absolute_path)) or "as a whole"
        raise ConfigError(f"The {what} file is none of this tap's ({place}: {shown(wrong.message, _SHOWN)}). {again}")
    if not isinstance(found, dict):
        raise TypeError(f"a {what} that is valid and no object")
    return found
