"""Which projection answers where: services by endpoint, kind and name, and the catalogue that lists them.

``AllProjections.svc/Projections`` is a projection like the others; its rows are the projections themselves. Its path,
``Name`` and ``Categories`` are known from public code, its other columns are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ifs_bi_sandbox.data.model import EntitySet, Projection, Property
from ifs_bi_sandbox.ifs.layout import layouts
from ifs_bi_sandbox.ifs.metadata import metadata_document

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ifs_bi_sandbox.ifs.layout import Layout

LISTING_TABLE: Final = "_projections"
LISTING: Final = Projection(
    name="AllProjections",
    category="Standard",
    description="Projections of this system",
    entity_sets=(
        EntitySet(
            projection="AllProjections",
            name="Projections",
            entity_type="Projection",
            table=LISTING_TABLE,
            key=("Name",),
            properties=(
                Property("Name", nullable=False, max_length=100),
                Property("Description", max_length=2000),
                Property("Categories", max_length=30),
            ),
            logical_unit="FndProjection",
            has_etag=False,
        ),
    ),
)


@dataclass(frozen=True, eq=False)
class Service:
    """One projection on one endpoint, with the entity sets it has there."""

    projection: Projection
    layouts: Mapping[str, Layout]

    @property
    def name(self) -> str:
        """The projection's name, without ``.svc``."""
        return self.projection.name

    @cached_property
    def metadata(self) -> bytes:
        """The ``$metadata`` document."""
        return metadata_document(self.projection, tuple(self.layouts.values()))


class Catalogue:
    """The services of a tenant.

    Raises:
        ValueError: Two projections of one name, or facts that don't fit together.
    """

    def __init__(self, projections: Sequence[Projection]) -> None:
        self.projections = tuple(projections)
        if len({projection.name for projection in projections}) < len(projections):
            raise ValueError("Two projections have one name.")
        self._services: dict[tuple[str, str, str], Service] = {}
        names = frozenset(entity_set.name for projection in projections for entity_set in projection.entity_sets)
        for projection in (*projections, LISTING):
            for layout in layouts(projection, elsewhere=names).values():
                for endpoint in layout.entity_set.endpoints:
                    place = (endpoint, layout.entity_set.service, projection.name)
                    service = self._services.setdefault(place, Service(projection, {}))
                    self._services[place] = Service(projection, {**service.layouts, layout.name: layout})

    def find(self, endpoint: str, kind: str, name: str) -> Service | None:
        """The service at ``/{endpoint}/ifsapplications/{kind}/v1/{name}.svc``."""
        return self._services.get((endpoint, kind, name))

    def listing(self) -> list[tuple[str, str, str]]:
        """Name, description and category of each projection."""
        return [(each.name, each.description, each.category) for each in self.projections]
