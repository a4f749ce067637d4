"""Operations as people and programs write them, one JSON object a line: pure.

``{"entity": "purchase_orders", "key": {"OrderNo": "10023"}, "set": {"Cf_BiSynced": true}}`` changes a record,
``{"entity": …, "create": {…}}`` makes one, ``{"entity": …, "key": …, "delete": true}`` removes one, and
``{"entity": …, "key": …, "action": "Release", "parameters": {…}}`` runs a bound action on one.

The RECORD lines of a replay are operations too: ``ifs-bi replay --stream write-back | ifs-bi write-back -``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from ifs_bi_core.errors import ConfigError
from ifs_bi_core.http.message import UNREADABLE
from ifs_bi_core.redaction import shown
from ifs_bi_core.singer.lines import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

STREAM: Final = "write-back"
"""The stream of operations: in the ledger and in the dead letters."""

SCHEMA: Final = encode(
    {
        "type": "SCHEMA",
        "stream": STREAM,
        "key_properties": ["id"],
        "schema": {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "entity": {"type": "string"},
                "key": {"type": "object"},
                "set": {"type": "object"},
                "create": {"type": "object"},
                "delete": {"type": "boolean"},
                "action": {"type": "string"},
                "parameters": {"type": "object"},
                "version": {"type": "string"},
            },
        },
    }
)
"""The SCHEMA line of that stream."""

_LONGEST_ID = 200
_LOOKED_AT = 10_000  # bytes of it in which secrets are looked for: longer than a token
_SHOWN = 80  # characters of a bad line that an error repeats
_ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "set": frozenset({"id", "entity", "key", "set", "version"}),
    "create": frozenset({"id", "entity", "create"}),
    "delete": frozenset({"id", "entity", "key", "delete", "version"}),
    "action": frozenset({"id", "entity", "key", "action", "parameters", "version"}),
}
_OTHER_MESSAGES = frozenset({"SCHEMA", "STATE", "ACTIVATE_VERSION"})


class Kind(StrEnum):
    """What an operation does; its name is the member that says so."""

    UPDATE = "set"
    CREATE = "create"
    DELETE = "delete"
    ACTION = "action"


@dataclass(frozen=True)
class Operation:
    """One change of one record.

    Attributes:
        kind: what it does.
        entity: a stream's name, or ``Projection/EntitySet``, or ``endpoint/service/Projection/EntitySet``.
        key: the record's key; empty for one that is to be created.
        values: what is set, what the new record has, or the action's parameters.
        action: the action's name, bare or qualified.
        version: the operation is for the record as it was at this time of its last change (`_ifs_row_version`), no other.
        id: what the ledger knows it by; given by the user, it is done once, however often it comes.
    """

    kind: Kind
    entity: str
    key: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    action: str | None = None
    version: str | None = None
    id: str | None = None

    def record(self) -> dict[str, Any]:
        """The operation as an object of its line."""
        said: dict[str, Any] = {"id": self.id, "entity": self.entity, "key": dict(self.key) or None}
        match self.kind:
            case Kind.UPDATE | Kind.CREATE:
                said[self.kind.value] = dict(self.values)
            case Kind.DELETE:
                said["delete"] = True
            case Kind.ACTION:
                said |= {"action": self.action, "parameters": dict(self.values) or None}
        return {name: value for name, value in (said | {"version": self.version}).items() if value is not None}

    @property
    def words(self) -> str:
        """The operation in words, for logs and errors: ``set purchase_orders OrderNo=10023``."""
        parts = [self.kind.value, self.entity, *(f"{name}={value}" for name, value in self.key.items())]
        return " ".join([*parts, *([self.action] if self.action else [])])


@dataclass(frozen=True)
class Given:
    """An operation as it came; ``message`` is the RECORD message of a replay that brought it, if one did."""

    operation: Operation
    message: Mapping[str, Any] = field(default_factory=dict)

    def line(self, operation: Operation) -> bytes:
        """The RECORD line of the operation, which may have got an id; the mark of a replay stays."""
        return encode({**self.message, "type": "RECORD", "stream": STREAM, "record": operation.record()})


def given(line: bytes, number: int) -> Given | None:
    """The operation of a line of input; None for an empty line and for a Singer message that is no RECORD.

    Raises:
        ConfigError: it is none; the sentence names the line.
    """
    if not line.strip():
        return None
    try:
        said = decode(line)
    except UNREADABLE as error:
        beginning = shown(line[:_LOOKED_AT].decode(errors="replace").strip(), _SHOWN)
        raise ConfigError(f"Line {number} of the input is no JSON ({error}): {beginning!r}. {_NOTHING_SENT}") from None
    try:
        if not isinstance(said, dict):
            raise TypeError("it is no JSON object")  # noqa: TRY301 - every flaw gets the line's number in one place
        if "type" not in said:
            return Given(operation_of(said))
        if said["type"] in _OTHER_MESSAGES:
            return None
        if said["type"] != "RECORD" or said.get("stream") != STREAM:
            raise ValueError(  # noqa: TRY301 - as above
                f"it is a Singer message, and no RECORD of the stream {STREAM}; replay with --stream {STREAM}"
            )
        return Given(operation_of(said.get("record")), said)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"Line {number} of the input is no operation: {error}. {_NOTHING_SENT}") from None


_NOTHING_SENT = "Nothing was sent; mend the line, then run again."


def operation_of(said: Any) -> Operation:
    """The operation that an object describes.

    Raises:
        TypeError: a member is not of its type.
        ValueError: it describes none, or more than one.
    """
    if not isinstance(said, dict):
        raise TypeError("it is no JSON object")
    kinds = [kind for kind in Kind if kind.value in said]
    if len(kinds) != 1:
        raise ValueError(f"it has to have one of {', '.join(Kind)}, and has {' and '.join(kinds) or 'none'}")
    kind = kinds[0]
    if unknown := said.keys() - _ALLOWED[kind.value]:
        raise ValueError(f"an operation with `{kind}` has no {', '.join(sorted(unknown))}")
    operation = Operation(
        kind=kind,
        entity=_text(said, "entity") or "",
        key={} if kind is Kind.CREATE else _members(said, "key"),
        values=_values(said, kind),
        action=_text(said, "action"),
        version=_text(said, "version"),
        id=_text(said, "id"),
    )
    if not operation.entity:
        raise ValueError("it has no entity: name a stream, or Projection/EntitySet")
    if lacking := [name for name, value in operation.key.items() if value is None]:
        raise ValueError(f"{', '.join(lacking)} of its key is null")
    if again := operation.key.keys() & operation.values.keys() if kind is Kind.UPDATE else None:
        raise ValueError(f"it sets {', '.join(sorted(again))}, which is of the key")
    return operation


def _values(said: Mapping[str, Any], kind: Kind) -> Mapping[str, Any]:
    match kind:
        case Kind.UPDATE | Kind.CREATE:
            return _members(said, kind.value)
        case Kind.DELETE:
            if said["delete"] is not True:
                raise ValueError("delete has to be true")
        case Kind.ACTION:
            parameters = said.get("parameters") or {}
            if not isinstance(parameters, dict):
                raise TypeError("parameters is no JSON object")
            return parameters
    return {}


def _members(said: Mapping[str, Any], name: str) -> dict[str, Any]:
    """An object of single values that has to be there and to have members."""
    found = said.get(name)
    if not isinstance(found, dict):
        raise TypeError(f"{name} has to be a JSON object")
    if not found:
        raise ValueError(f"{name} is empty")
    for member, value in found.items():
        if value is not None and not isinstance(value, str | bool | int | Decimal):
            raise TypeError(f"{member} in {name} is no text, number, boolean or null")
    return found


def _text(said: Mapping[str, Any], name: str) -> str | None:
    found = said.get(name)
    if name not in said:
        return None
    if not isinstance(found, str) or not found:
        raise TypeError(f"{name} has to be a text that is not empty")
    if name == "id" and len(found) > _LONGEST_ID:
        raise ValueError(f"its id has more than {_LONGEST_ID} characters")
    return found
