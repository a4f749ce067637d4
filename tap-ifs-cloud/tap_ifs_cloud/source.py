"""An entity as the tenant has it: the catalogue's row joined with ``$metadata``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tap_ifs_cloud.schema import json_schema

if TYPE_CHECKING:
    from tap_ifs_cloud.entities import Entity
    from tap_ifs_cloud.metadata import Property

Replication = Literal["timestamp", "row_version", "full"]


@dataclass(frozen=True)
class Source:
    """What one stream reads.

    Attributes:
        entity: the catalogue's row.
        service: address of the projection or entity service.
        key: properties that identify a row.
        modified: the replication key, or None where there is none.
        properties: what is read, by name.
        expanded: the same for each expanded reference.
        replication: how changes are found. ``row_version`` that nobody asked for is ``full`` where rows carry no ETag.
    """

    entity: Entity
    service: str
    key: tuple[Property, ...]
    modified: Property | None
    properties: dict[str, Property]
    expanded: dict[str, dict[str, Property]]
    replication: Replication

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the stream."""
        return json_schema(
            self.properties,
            key=[prop.name for prop in self.key],
            has_etag=self.entity.has_etag,
            expanded=self.expanded,
        )
