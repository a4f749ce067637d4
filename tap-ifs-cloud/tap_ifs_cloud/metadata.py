"""``$metadata`` (EDMX 4.0, https://docs.oasis-open.org/odata/odata-csdl-xml/v4.01/) as values.

Only what a stream and `ifs-bi entities` need is kept: entity sets, keys, property types, enums and navigation properties. The
document is read as it passes, never as a tree, so that memory holds what is kept and not what was sent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax import ContentHandler, SAXException

import defusedxml
import defusedxml.sax
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.redaction import shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.sax.xmlreader import AttributesImpl

LARGEST_DOCUMENT = 50_000_000
"""Bytes of a ``$metadata`` document that are read; a large projection of IFS Cloud has a few million."""

_SHOWN = 80  # characters of a name that an error repeats
_FACET_DIGITS = 3  # of a precision or a scale that is believed; Oracle's end at 38 and 127
_NAME = re.compile(r"[\w$][\w$.-]{0,127}")
"""What a property can be called, a little more than the standard allows (OData CSDL 4.01, §17.2). Names stand in conditions as
they are, so one with spaces, quotes or brackets would be a condition of its own."""

_DEEPEST_INHERITANCE = 16  # base types above a type; IFS Cloud uses none


@dataclass(frozen=True)
class Property:
    """One property of an entity type.

    Attributes:
        name: as the service writes it.
        type: ``Edm.String``, ``Edm.Decimal`` …, or the qualified name of an enum or complex type.
        nullable: false only where the service says so.
        precision: digits in all, where the service says it.
        scale: digits after the point; None where the service doesn't say, or says ``variable``.
        is_enum: whether `type` is an enum of this service.
        is_collection: whether the value is a list.
        says_boolean: whether its texts ``TRUE`` and ``FALSE`` mean what they say, which the catalogue knows, not the service.
    """

    name: str
    type: str
    nullable: bool = True
    precision: int | None = None
    scale: int | None = None
    is_enum: bool = False
    is_collection: bool = False
    says_boolean: bool = False


@dataclass(frozen=True)
class EntityType:
    """The rows of an entity set.

    ``references`` are the single-valued navigation properties (``…Ref``), by name, with the type they lead to;
    ``collections`` the many-valued ones (``…Array``).
    """

    name: str
    key: tuple[str, ...]
    properties: dict[str, Property]
    references: dict[str, str] = field(default_factory=dict)
    collections: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Metadata:
    """What one projection or entity service offers; ``enums`` are the members of each enum by its qualified name."""

    entity_sets: dict[str, EntityType]
    entity_types: dict[str, EntityType]
    enums: dict[str, tuple[str, ...]] = field(default_factory=dict)


def parse(document: bytes, where: str) -> Metadata:
    """Read an EDMX document.

    Args:
        document: the bytes of ``$metadata``.
        where: the service, for errors.

    Raises:
        ContractBrokenError: it is no EDMX, is larger than `LARGEST_DOCUMENT`, or declares a DTD or an entity (never expanded).
    """
    if len(document) > LARGEST_DOCUMENT:
        raise ContractBrokenError(
            f"{where}: $metadata has {len(document):,} bytes, and more than {LARGEST_DOCUMENT:,} are not read. "
            f"Check base_url and the projection's name."
        )
    reading = _Reading()
    try:
        defusedxml.sax.parseString(document, reading, forbid_dtd=True)
    except (SAXException, defusedxml.DefusedXmlException, ValueError) as error:
        raise ContractBrokenError(
            f"{where}: $metadata is no EDMX document ({error or type(error).__name__}). Check base_url and the projection's name."
        ) from None
    if not reading.has_schema:
        raise ContractBrokenError(f"{where}: $metadata holds no schema. Check base_url and the projection's name.")
    return reading.metadata(where)


@dataclass
class _Declared:
    """An entity type as it is declared, before enums and base types are known."""

    base: str | None
    key: list[str] = field(default_factory=list)
    properties: list[tuple[str, str, bool, int | None, int | None]] = field(default_factory=list)
    navigation: dict[str, str] = field(default_factory=dict)


class _Reading(ContentHandler):
    """Hears the document's elements and keeps what is wanted of them."""

    def __init__(self) -> None:
        super().__init__()
        self.has_schema = False
        self._namespace = ""
        self._types: dict[str, _Declared] = {}
        self._type: _Declared | None = None
        self._enums: dict[str, list[str]] = {}
        self._enum: list[str] | None = None
        self._sets: dict[str, str] = {}
        self._one_of_each: dict[Property, Property] = {}  # most services repeat Company, Contract … in every type

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - the name is that of xml.sax
        match name.rpartition(":")[2], self._type:
            case "Schema", _:
                self.has_schema = True
                self._namespace = attrs.get("Namespace", "")
            case "EntitySet", _:
                self._sets[attrs.get("Name", "")] = attrs.get("EntityType", "")
            case "EnumType", _:
                self._enum = self._enums[self._qualified(attrs)] = []
            case "Member", _ if self._enum is not None:
                self._enum.append(attrs.get("Name", ""))
            case "EntityType", _:
                self._type = self._types[self._qualified(attrs)] = _Declared(attrs.get("BaseType"))
            case "PropertyRef", _Declared() as declared:
                declared.key.append(attrs.get("Name", ""))
            case "Property", _Declared() as declared:
                declared.properties.append(_declaration(attrs))
            case "NavigationProperty", _Declared() as declared:
                declared.navigation[_name(attrs)] = attrs.get("Type", "")

    def endElement(self, name: str) -> None:  # noqa: N802 - the same
        match name.rpartition(":")[2]:
            case "EntityType":
                self._type = None
            case "EnumType":
                self._enum = None

    def metadata(self, where: str) -> Metadata:
        """What was heard, put together."""
        types: dict[str, EntityType] = {}
        for name in self._types:
            for ancestor in reversed(self._line(name, where)):
                if ancestor not in types:
                    types[ancestor] = self._entity_type(ancestor, types)
        in_order = {name: types[name] for name in self._types}
        sets = {name: types[kind] for name, kind in self._sets.items() if kind in types}
        return Metadata(sets, in_order, {name: tuple(members) for name, members in self._enums.items()})

    def _line(self, name: str, where: str) -> list[str]:
        """A type and its base types."""
        line = [name]
        while (base := self._types[line[-1]].base) in self._types and base not in line:
            if len(line) > _DEEPEST_INHERITANCE:
                raise ContractBrokenError(
                    f"{where}: the entity type {name} has more than {_DEEPEST_INHERITANCE} base types."
                )
            line.append(str(base))
        return line

    def _entity_type(self, name: str, bases: Mapping[str, EntityType]) -> EntityType:
        declared = self._types[name]
        base = bases.get(declared.base or "") or EntityType("", (), {})
        own = {prop[0]: self._property(*prop) for prop in declared.properties}
        single: dict[str, str] = {}
        many: dict[str, str] = {}
        for navigation, target in declared.navigation.items():
            kind, is_collection = _single(target)
            (many if is_collection else single)[navigation] = kind
        return EntityType(
            name,
            tuple(declared.key) or base.key,
            {**base.properties, **own},
            {**base.references, **single},
            {**base.collections, **many},
        )

    def _property(self, name: str, declared: str, nullable: bool, precision: int | None, scale: int | None) -> Property:  # noqa: FBT001 - one declaration
        kind, is_collection = _single(declared)
        prop = Property(name, kind, nullable, precision, scale, kind in self._enums, is_collection)
        return self._one_of_each.setdefault(prop, prop)

    def _qualified(self, attrs: AttributesImpl) -> str:
        return f"{self._namespace}.{attrs.get('Name', '')}"


def _declaration(attrs: AttributesImpl) -> tuple[str, str, bool, int | None, int | None]:
    return (
        _name(attrs),
        attrs.get("Type", "Edm.String"),
        attrs.get("Nullable", "true") != "false",
        _number(attrs.get("Precision")),
        _number(attrs.get("Scale")),
    )


def _name(attrs: AttributesImpl) -> str:
    """The name of a property.

    Raises:
        ValueError: it is none.
    """
    name = str(attrs.get("Name", ""))
    if not _NAME.fullmatch(name):
        raise ValueError(f"{shown(repr(name), _SHOWN)} is no name of a property")
    return name


def _single(declared: str) -> tuple[str, bool]:
    """``Collection(X)`` → ``X`` and true."""
    if declared.startswith("Collection("):
        return declared.removeprefix("Collection(").removesuffix(")"), True
    return declared, False


def _number(text: str | None) -> int | None:
    return int(text) if text and len(text) <= _FACET_DIGITS and text.isascii() and text.isdigit() else None
