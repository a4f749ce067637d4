"""What every Singer message has to have, whoever wrote it, before anything is done because of it. Pure.

Source: hub.meltano.com/singer/spec; ACTIVATE_VERSION and BATCH are the Singer SDK's. What a SCHEMA says of its properties, and
what a RECORD holds of them, is looked at by the stream's sink.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_INTEGERS = range(-(2**63), 2**63)


class _Member(NamedTuple):
    """A member of a message: its name, whether a value fits, and what is said where it doesn't."""

    name: str
    fits: Callable[[Any], bool]
    otherwise: str


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _has_properties(schema: Any) -> bool:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return isinstance(properties, dict) and all(map(_is_object, properties.values()))


def _are_names(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(name, str) for name in value))


def _is_version(value: Any) -> bool:
    return value is None or (type(value) is int and value in _INTEGERS)


_STREAM = _Member("stream", _is_text, "its stream is no text")
_VERSION = _Member("version", _is_version, "its version is no integer of 64 bits")

_MEMBERS: Mapping[str, tuple[_Member, ...]] = {
    "SCHEMA": (
        _STREAM,
        _Member("schema", _has_properties, "its schema has no properties that are objects"),
        _Member("key_properties", _are_names, "its key_properties are no list of names"),
    ),
    "RECORD": (_STREAM, _Member("record", _is_object, "its record is no object"), _VERSION),
    "STATE": (),
    "ACTIVATE_VERSION": (_STREAM, _VERSION),
    "BATCH": (_STREAM, _VERSION),
}
_NEEDED = {"STATE": "value", "ACTIVATE_VERSION": "version"}
"""Members that may hold null and have to be there."""

KINDS = tuple(_MEMBERS)
"""The types of messages."""


def lack_of(message: Mapping[str, Any]) -> str | None:
    """Why nothing can be done with a message of one of the `KINDS`, for a person; None: it can."""
    kind = message["type"]
    for member in _MEMBERS.get(kind, ()):
        if not member.fits(message.get(member.name)):
            return member.otherwise
    needed = _NEEDED.get(kind)
    return f"it has no {needed}" if needed is not None and needed not in message else None
