"""``$metadata`` (EDMX 4.0, https://docs.oasis-open.org/odata/odata-csdl-xml/v4.01/) as values.

Only what a stream needs is kept: entity sets, keys, property types, enums and single-valued references.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import defusedxml
import defusedxml.ElementTree
from ifs_bi_core.errors import ContractBrokenError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element


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
    """

    name: str
    type: str
    nullable: bool = True
    precision: int | None = None
    scale: int | None = None
    is_enum: bool = False
    is_collection: bool = False


@dataclass(frozen=True)
class EntityType:
    """The rows of an entity set.

    ``references`` are the single-valued navigation properties (``…Ref``), by name, with the type they lead to.
    """

    name: str
    key: tuple[str, ...]
    properties: dict[str, Property]
    references: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Metadata:
    """What one projection or entity service offers."""

    entity_sets: dict[str, EntityType]
    entity_types: dict[str, EntityType]


def parse(document: bytes, where: str) -> Metadata:
    """Read an EDMX document.

    Args:
        document: the bytes of ``$metadata``.
        where: the service, for errors.

    Raises:
        ContractBrokenError: it is no EDMX, or declares a DTD or an entity (never expanded).
    """
    try:
        root = defusedxml.ElementTree.fromstring(document, forbid_dtd=True)
    except (defusedxml.ElementTree.ParseError, defusedxml.DefusedXmlException, ValueError) as error:
        raise ContractBrokenError(
            f"{where}: $metadata is no EDMX document ({error or type(error).__name__}). Check base_url and the projection's name."
        ) from None
    schemas = [element for element in root.iter() if element.tag.endswith("}Schema")]
    if not schemas:
        raise ContractBrokenError(f"{where}: $metadata holds no schema. Check base_url and the projection's name.")
    enums = {name for schema in schemas for name, _ in _named(schema, "EnumType")}
    types = _entity_types(schemas, enums)
    sets = {
        element.get("Name", ""): types[kind]
        for schema in schemas
        for element in schema.iter()
        if element.tag.endswith("}EntitySet") and (kind := element.get("EntityType", "")) in types
    }
    return Metadata(sets, types)


def _named(schema: Element, tag: str) -> Iterator[tuple[str, Element]]:
    """The schema's own elements of one tag with their qualified names."""
    namespace = schema.get("Namespace", "")
    for element in schema:
        if element.tag.endswith("}" + tag):
            yield f"{namespace}.{element.get('Name', '')}", element


def _entity_types(schemas: list[Element], enums: set[str]) -> dict[str, EntityType]:
    elements = {name: element for schema in schemas for name, element in _named(schema, "EntityType")}

    def build(name: str, seen: tuple[str, ...] = ()) -> EntityType:
        element = elements[name]
        base = element.get("BaseType")
        inherited = build(base, (*seen, name)) if base in elements and base not in seen else None
        own = {prop.name: prop for prop in _properties(element, enums)}
        keys = tuple(ref.get("Name", "") for ref in element.iter() if ref.tag.endswith("}PropertyRef"))
        references = {
            nav.get("Name", ""): nav.get("Type", "")
            for nav in element
            if nav.tag.endswith("}NavigationProperty") and not nav.get("Type", "").startswith("Collection(")
        }
        if inherited:
            return EntityType(
                name,
                keys or inherited.key,
                {**inherited.properties, **own},
                {**inherited.references, **references},
            )
        return EntityType(name, keys, own, references)

    return {name: build(name) for name in elements}


def _properties(element: Element, enums: set[str]) -> Iterator[Property]:
    for child in element:
        if not child.tag.endswith("}Property"):
            continue
        declared = child.get("Type", "Edm.String")
        is_collection = declared.startswith("Collection(")
        kind = declared.removeprefix("Collection(").removesuffix(")") if is_collection else declared
        yield Property(
            name=child.get("Name", ""),
            type=kind,
            nullable=child.get("Nullable", "true") != "false",
            precision=_number(child.get("Precision")),
            scale=_number(child.get("Scale")),
            is_enum=kind in enums,
            is_collection=is_collection,
        )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
