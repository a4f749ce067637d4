"""Values between OData and storage: literals of filters and keys, and the members of a written body."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from odata_query import ast

from ifs_bi_sandbox.data.model import EdmType
from ifs_bi_sandbox.ifs.errors import OdpError, bad_request
from ifs_bi_sandbox.ifs.grammar import EnumLiteral

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_sandbox.data.model import Property
    from ifs_bi_sandbox.ifs.layout import Layout

Kind = EdmType | Literal["Null"]
LARGEST_INTEGER = 2**63 - 1  # what SQLite binds as an integer


@dataclass(frozen=True)
class Value:
    """A literal: its kind, what is bound for it in SQL, and for an enum the qualified type."""

    kind: Kind
    bound: str | int | float | None
    enum: str | None = None


def value_of(node: Any) -> Value | None:
    """The value of a literal node; None for a node that is no literal.

    Timestamps are turned to UTC and lose a zero fraction, so that they compare as text with what is stored.

    Raises:
        OdpError: 400 for a date that isn't in the calendar or a timestamp without a time zone.
    """
    make = _LITERALS.get(type(node))
    return None if make is None else make(node)


def key_value(layout: Layout, fact: Property, node: Any) -> str | int | float | None:
    """What is bound for one key value of a URL.

    Raises:
        OdpError: 400 when the literal has not the property's type, as Olingo says it.
    """
    value = value_of(node)
    if value is None or value.kind != fact.type:
        raise bad_request(f"The value of the key property {fact.name} is no literal of type Edm.{fact.type}.")
    if value.kind == "Enum":
        member(layout, fact.name, value)
    return value.bound


def member(layout: Layout, name: str, value: Value) -> None:
    """Check an enum literal against the property it is compared with.

    Raises:
        OdpError: 400 for another type, or for a member that the type does not have.
    """
    qualified, members = layout.enums[name]
    if value.enum != qualified or value.bound not in members:
        raise bad_request(f"{value.enum}'{value.bound}' is no value of {name}; its type is {qualified}.")


def stored(layout: Layout, fact: Property, value: Any) -> str | int | None:
    """A member of a JSON body in the form in which its column keeps it.

    Args:
        layout: The entity set's layout, for enum members.
        fact: The property.
        value: The JSON value; numbers as ``int`` or ``Decimal``, decimals may be strings (``IEEE754Compatible=true``).

    Raises:
        OdpError: 400 when the value doesn't fit the property.
    """
    if value is None:
        if not fact.nullable:
            raise OdpError("DATABASE_ERROR", f"ORA-20113: {fact.name}: field [{fact.name}] is mandatory.")
        return None
    try:
        return _stored(layout, fact, value)
    except (ValueError, TypeError, InvalidOperation, OdpError):
        raise OdpError(
            "ODP_DESERIALIZATION_ERROR", f"{value!r} is no value of {fact.name} (Edm.{fact.type})."
        ) from None


def key_literal(layout: Layout, fact: Property, value: Any) -> str:
    """A stored key value as it stands in a URL: ``'A%2FB'``, ``1``, ``IfsApp.Projection.Enum'Value'``."""
    if fact.type == "String":
        return "'" + quote(str(value).replace("'", "''"), safe="") + "'"
    if fact.type == "Enum":
        return f"{layout.enums[fact.name][0]}'{value}'"
    if fact.type == "DateTimeOffset":
        return f"{value}Z"
    if fact.type == "Boolean":
        return "true" if value else "false"
    return str(value)


def _stored(layout: Layout, fact: Property, value: Any) -> str | int:
    if fact.type == "Boolean":
        if not isinstance(value, bool):
            raise TypeError
        return int(value)
    if fact.type == "Decimal":
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
            raise TypeError
        return _decimal(Decimal(value), fact.scale)
    if not isinstance(value, str):
        raise TypeError
    if fact.type == "Date":
        return _date(value)
    if fact.type == "DateTimeOffset":
        return _timestamp(value)[:19]  # Oracle's DATE has whole seconds
    if fact.type == "Enum" and value not in layout.enums[fact.name][1]:
        raise ValueError
    if fact.max_length is not None and len(value) > fact.max_length:
        raise ValueError
    return value


def _decimal(value: Decimal, scale: int) -> str | int:
    """The number with exactly ``scale`` digits after the point; one that has more is refused, never rounded."""
    exact = value.quantize(Decimal(1).scaleb(-scale))
    if exact != value:
        raise ValueError
    return f"{exact:f}" if scale else int(exact)


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise bad_request(f"{text!r} is no date.") from None


def _timestamp(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_request(f"{text!r} is no timestamp.") from None
    if moment.tzinfo is None:
        raise bad_request(f"{text!r} has no time zone; end it with Z.")
    return utc.replace(tzinfo=None).isoformat()


def _integer(text: str) -> int | float:
    number = int(text)
    return number if abs(number) <= LARGEST_INTEGER else float(number)


_LITERALS: Final[dict[type, Callable[[Any], Value]]] = {
    ast.String: lambda node: Value("String", node.val),
    ast.Integer: lambda node: Value("Decimal", _integer(node.val)),
    ast.Float: lambda node: Value("Decimal", float(node.val)),
    ast.Boolean: lambda node: Value("Boolean", int(node.val == "true")),
    ast.Null: lambda _: Value("Null", None),
    ast.Date: lambda node: Value("Date", _date(node.val)),
    ast.DateTime: lambda node: Value("DateTimeOffset", _timestamp(node.val)),
    EnumLiteral: lambda node: Value("Enum", node.value, node.type),
}
