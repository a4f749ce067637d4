"""``$metadata``, as EDMX 4.0, and the service document.

As on real tenants: namespace ``IfsApp.<Projection>``; every number is ``Edm.Decimal``; the system members ``luname``, ``keyref``,
``Objstate`` and ``Objgrants`` are ordinary properties; a navigation property is called ``…Ref`` or ``…Array``; entries of the
service document have no ``kind``.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from ifs_bi_sandbox.ifs.layout import OBJSTATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ifs_bi_sandbox.data.model import Projection, Property, Reference
    from ifs_bi_sandbox.ifs.layout import Layout

_EDMX: Final = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM: Final = "http://docs.oasis-open.org/odata/ns/edm"


def metadata_document(projection: Projection, sets: Sequence[Layout]) -> bytes:
    """The EDMX of a projection with the entity sets it has on one endpoint."""
    namespace = f"IfsApp.{projection.name}"
    used = {fact.enum for layout in sets for fact in layout.properties.values() if fact.enum}
    enums = [
        _element(
            "EnumType",
            {"Name": enum.name},
            (_element("Member", {"Name": name, "Value": str(value)}) for value, name in enumerate(enum.values)),
        )
        for enum in projection.enums
        if enum.name in used
    ]
    types = {layout.entity_set.entity_type: layout for layout in reversed(sets)}  # sets may share a type
    by_name = {layout.name: layout for layout in sets}
    entity_types = [_entity_type(namespace, layout, by_name) for layout in reversed(types.values())]
    container = _element(
        "EntityContainer", {"Name": "Container"}, (_entity_set(namespace, layout, by_name) for layout in sets)
    )
    schema = _element("Schema", {"xmlns": _EDM, "Namespace": namespace}, [*enums, *entity_types, container])
    services = _element("edmx:DataServices", {}, [schema])
    edmx = _element("edmx:Edmx", {"Version": "4.0", "xmlns:edmx": _EDMX}, [services])
    return f'<?xml version="1.0" encoding="UTF-8"?>{edmx}'.encode()


def service_document(context: str, sets: Iterable[Layout]) -> dict[str, object]:
    """The service document: which entity sets there are."""
    return {"@odata.context": context, "value": [{"name": layout.name, "url": layout.name} for layout in sets]}


def _entity_type(namespace: str, layout: Layout, sets: dict[str, Layout]) -> str:
    facts = layout.entity_set
    key = _element("Key", {}, (_element("PropertyRef", {"Name": name}) for name in facts.key))
    system = [_element("Property", {"Name": "luname", "Type": "Edm.String"})]
    system.append(_element("Property", {"Name": "keyref", "Type": "Edm.String"}))
    if OBJSTATE in layout.properties:
        system.append(_property(namespace, layout.properties[OBJSTATE]))
    system.append(_element("Property", {"Name": "Objgrants", "Type": "Edm.String"}))
    attributes = [_property(namespace, fact) for name, fact in layout.properties.items() if name != OBJSTATE]
    streams = [_property(namespace, fact) for fact in facts.properties if fact.type == "Stream"]
    references = [
        _navigation(namespace, reference, sets[reference.target_set])
        for reference in layout.references.values()
        if reference.target_set in sets
    ]
    return _element("EntityType", {"Name": facts.entity_type}, [key, *system, *attributes, *streams, *references])


def _property(namespace: str, fact: Property) -> str:
    kind = f"{namespace}.{fact.enum}" if fact.type == "Enum" else f"Edm.{fact.type}"
    attributes = {"Name": fact.name, "Type": kind}
    if not fact.nullable:
        attributes["Nullable"] = "false"
    if fact.max_length is not None:
        attributes["MaxLength"] = str(fact.max_length)
    if fact.type == "Decimal" and fact.precision is not None:
        attributes["Precision"] = str(fact.precision)
    if fact.type == "Decimal" and fact.show_scale:
        attributes["Scale"] = str(fact.scale)
    return _element("Property", attributes)


def _navigation(namespace: str, reference: Reference, target: Layout) -> str:
    kind = f"{namespace}.{target.entity_set.entity_type}"
    if reference.many:
        return _element("NavigationProperty", {"Name": reference.name, "Type": f"Collection({kind})"})
    constraints = (
        _element("ReferentialConstraint", {"Property": own, "ReferencedProperty": other}) for own, other in reference.on
    )
    return _element("NavigationProperty", {"Name": reference.name, "Type": kind}, constraints)


def _entity_set(namespace: str, layout: Layout, sets: dict[str, Layout]) -> str:
    facts = layout.entity_set
    bindings = (
        _element("NavigationPropertyBinding", {"Path": reference.name, "Target": reference.target_set})
        for reference in layout.references.values()
        if reference.target_set in sets
    )
    return _element("EntitySet", {"Name": facts.name, "EntityType": f"{namespace}.{facts.entity_type}"}, bindings)


def _element(name: str, attributes: dict[str, str], children: Iterable[str] = ()) -> str:
    """One XML element."""
    head = "".join([name, *(f' {key}="{escape(value)}"' for key, value in attributes.items())])
    content = "".join(children)
    return f"<{head}>{content}</{name}>" if content else f"<{head}/>"
