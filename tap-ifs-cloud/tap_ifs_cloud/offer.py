"""What a projection or entity service offers to a tap: `$metadata` read with the eyes of somebody who writes ``entities``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.candidates import candidates
from tap_ifs_cloud.entities import BUILT_IN, Entity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_ifs_cloud.first_row import FirstRow
    from tap_ifs_cloud.metadata import EntityType, Metadata, Property

_COMPANY = "Company"
_MOMENTS = {"Edm.DateTimeOffset": "timestamp", "Edm.Date": "date"}
# The likeliest first. A guess by name: whether a field moves with every change, only its owner knows.
_CHANGES = tuple(
    re.compile(words)
    for words in (
        r"^(Row|Obj)[Vv]ersion|Modified|LastUpdate|LastChange|UpdatedAt|ChangedAt",
        r"^(Changed|Change|Updated)(Date|Time)|(Date|Time)(Changed|Updated)|DtChg|LastActivity|TimeStamp|Timestamp",
        r"Chang|Updat|Chg",
    )
)


@dataclass(frozen=True)
class Offer:
    """One entity set, as a row of ``entities`` needs it.

    Attributes:
        projection: projection or entity service, without ``.svc``.
        entity_set: the collection in it.
        endpoint: main | int | b2b.
        service: projection | entity.
        entity_type: key, properties and navigation.
        enums: the members of each enum that a property has, by qualified name.
        sets_of: by entity type, the sets that hold its rows.
        first_row: what one row told; None where none was asked for.
    """

    projection: str
    entity_set: str
    endpoint: str
    service: str
    entity_type: EntityType
    enums: Mapping[str, tuple[str, ...]]
    sets_of: Mapping[str, tuple[str, ...]]
    first_row: FirstRow | None = None

    @property
    def is_list_of_values(self) -> bool:
        """Whether it is a ``Reference_…`` or ``Lookup_…`` set, which carries no ETag."""
        return not Entity("", self.projection, self.entity_set).has_etag

    @property
    def modified(self) -> list[Property]:
        """Dates and timestamps that may move with every change, by their names, the likeliest first."""
        return _changing(self.entity_type.properties.values())

    @property
    def company(self) -> str | None:
        """The property that the setting ``companies`` can scope."""
        return _COMPANY if _COMPANY in self.entity_type.properties else None

    @property
    def stream(self) -> str:
        """A name for the stream: the built-in one's, or the set's own in snake case."""
        for entity in BUILT_IN:
            places = [(place.projection, place.entity_set) for place in candidates(entity)]
            if (self.projection, self.entity_set) in places:
                return entity.name
        _, behind, name = self.entity_set.rpartition("/")
        plain = re.sub(r"^(Reference|Lookup)_", "", name).removesuffix("Array" if behind else "Set")
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+", "_", plain)
        return re.sub(r"_+", "_", words).strip("_").lower() or "entity"

    def leads_to(self, kind: str) -> str:
        """The sets behind a navigation property's type, or the type where no set holds its rows."""
        return " or ".join(self.sets_of.get(kind, ())) or kind.rpartition(".")[2]


def offers(metadata: Metadata, *, projection: str, endpoint: str, service: str) -> list[Offer]:
    """The entity sets of a service in the order of its document."""
    sets_of: dict[str, tuple[str, ...]] = {}
    for name, entity_type in metadata.entity_sets.items():
        sets_of[entity_type.name] = (*sets_of.get(entity_type.name, ()), name)
    return [
        Offer(projection, name, endpoint, service, entity_type, _enums(entity_type, metadata), sets_of)
        for name, entity_type in metadata.entity_sets.items()
    ]


def company_collections(metadata: Metadata, offered: Iterable[Offer]) -> list[Offer]:
    """The collections that a service keys by company: ``CompanyFinanceSet/CodeBArray``, read one company after the other."""
    return [
        replace(offer, entity_set=f"{offer.entity_set}/{name}", entity_type=target, enums=_enums(target, metadata))
        for offer in offered
        if offer.entity_type.key == (_COMPANY,)
        for name, kind in offer.entity_type.collections.items()
        if (target := metadata.entity_types.get(kind)) and _COMPANY in target.key
    ]


def entity_item(offer: Offer, name: str) -> dict[str, Any]:
    """The offer as an item of the setting ``entities``."""
    item: dict[str, Any] = {
        "name": name,
        "projection": offer.projection,
        "entity_set": offer.entity_set,
        "endpoint": offer.endpoint,
        "service": offer.service,
    }
    if offer.entity_type.key:
        item["key"] = list(offer.entity_type.key)
    if offer.company:
        item["company"] = offer.company
    return item | {"replication": "auto"}


def stream_names(chosen: Iterable[Offer]) -> list[str]:
    """A name for the stream of each, none twice."""
    names: list[str] = []
    for offer in chosen:
        number, name = 1, offer.stream
        while name in names:
            number += 1
            name = f"{offer.stream}_{number}"
        names.append(name)
    return names


def machine_form(offer: Offer, name: str) -> dict[str, Any]:
    """The offer as ``--json`` gives it."""
    row = offer.first_row
    return {
        "item": entity_item(offer, name),
        "fields": [_field(prop, offer.enums) for prop in offer.entity_type.properties.values()],
        "modified_candidates": [prop.name for prop in offer.modified],
        "references": {name: offer.leads_to(kind) for name, kind in offer.entity_type.references.items()},
        "collections": {name: offer.leads_to(kind) for name, kind in offer.entity_type.collections.items()},
        "etag": None
        if row is None
        else {
            "present": row.etag,
            "row_version": row.row_version,
            "under_select": row.under_select,
            "sentence": row.sentence,
        },
    }


def type_name(prop: Property) -> str:
    """A property's type for people: ``Decimal(15, 2)``, ``PurchaseOrderState``, ``list of String``."""
    name = prop.type.rpartition(".")[2]
    if prop.precision is not None or prop.scale is not None:
        name += f"({prop.precision or '?'}, {'?' if prop.scale is None else prop.scale})"
    return f"list of {name}" if prop.is_collection else name


def _field(prop: Property, enums: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    members = {"enum": list(enums[prop.type])} if prop.type in enums else {}
    return {"name": prop.name, "type": prop.type, "nullable": prop.nullable, "text": type_name(prop), **members}


def _enums(entity_type: EntityType, metadata: Metadata) -> dict[str, tuple[str, ...]]:
    return {p.type: metadata.enums[p.type] for p in entity_type.properties.values() if p.type in metadata.enums}


def _changing(properties: Iterable[Property]) -> list[Property]:
    ranked = []
    for prop in properties:
        rank = next((rank for rank, words in enumerate(_CHANGES) if words.search(prop.name)), None)
        if prop.type in _MOMENTS and rank is not None:
            ranked.append(((rank, prop.type != "Edm.DateTimeOffset"), prop))
    return [prop for _, prop in sorted(ranked, key=lambda pair: pair[0])]
