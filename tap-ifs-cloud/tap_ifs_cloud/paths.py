"""Collections that IFS keys by company: ``CompanyFinanceSet(Company='10')/CodeBArray``.

An entity says it with a slash: ``entity_set: CompanyFinanceSet/CodeBArray`` is the collection behind each row of the set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ifs_bi_core.errors import ContractBrokenError

from tap_ifs_cloud.set_rows import all_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.entities import Entity
    from tap_ifs_cloud.metadata import EntityType, Metadata, Property
    from tap_ifs_cloud.source import Source

SEPARATOR = "/"
"""Between the set and its collection."""


def rows_of(metadata: Metadata, entity_set: str) -> EntityType | None:
    """The type of the rows of a set, or of a collection behind the rows of one; None where the service has no such thing."""
    name, _, collection = entity_set.partition(SEPARATOR)
    entity_type = metadata.entity_sets.get(name)
    if entity_type is None or not collection:
        return entity_type
    return metadata.entity_types.get(entity_type.collections.get(collection, ""))


def parent_key(metadata: Metadata, entity: Entity, key: tuple[str, ...]) -> Property | None:
    """The key of the set behind whose rows a collection lies; None for a set that stands by itself.

    Args:
        metadata: of the service.
        entity: the catalogue's row.
        key: properties that identify a row of the collection.

    Raises:
        ContractBrokenError: the set is not keyed by one property, or the collection's rows don't say their company in their key.
    """
    name, _, collection = entity.entity_set.partition(SEPARATOR)
    if not collection:
        return None
    parent = metadata.entity_sets[name]
    if len(parent.key) != 1:
        raise ContractBrokenError(
            f"{entity.where}: the key of {name} is ({', '.join(parent.key)}). Only a set that is keyed by company alone can be "
            f"read one company after the other; name a set of all companies as `entity_set`."
        )
    if not entity.company or entity.company not in key:
        raise ContractBrokenError(
            f"{entity.where} is read one company after the other, so its rows have to tell their company. Name that property as "
            f"`company`, and among `key`; the key of $metadata is ({', '.join(key)})."
        )
    return parent.properties[parent.key[0]]


class Parents:
    """The companies by which sets are keyed, each set asked once.

    Args:
        cloud: the system.
        page_size: rows to ask for a page.
    """

    def __init__(self, cloud: IfsCloud, page_size: int) -> None:
        self._cloud = cloud
        self._page_size = page_size
        self._known: dict[tuple[str, str], list[str]] = {}

    def companies(self, source: Source, otherwise: Callable[[], list[str]]) -> list[str]:
        """The companies behind whose rows a collection lies.

        Args:
            source: of the collection.
            otherwise: the companies that the user sees, where the set can't be read as a whole.

        Raises:
            ContractBrokenError: neither can be found out.
        """
        key, name = source.parent, source.entity.entity_set.partition(SEPARATOR)[0]
        if key is None:
            raise RuntimeError(f"{source.entity.where} is behind no set")
        place = (source.service, name)
        if place not in self._known:
            try:
                rows = all_rows(self._cloud, source.service, name, (key,), self._page_size, (key.name,))
                self._known[place] = sorted({str(row[key.name]) for row in rows if row.get(key.name) is not None})
            except ContractBrokenError:
                self._known[place] = otherwise()
        return self._known[place]
