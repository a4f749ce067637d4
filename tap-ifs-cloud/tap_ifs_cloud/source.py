"""An entity as the tenant has it: the catalogue's row joined with ``$metadata``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ifs_bi_core.errors import ContractBrokenError

from tap_ifs_cloud.metadata import Property
from tap_ifs_cloud.schema import json_schema, with_booleans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_ifs_cloud.entities import Entity
    from tap_ifs_cloud.history_log import LogSource
    from tap_ifs_cloud.state_filter import StateFilter

Replication = Literal["timestamp", "row_version", "full"]

STAGE = "stage"
"""The column of a stream that joins others which says whose set holds the row."""


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
        filter: the entity's own filter, with what is known of the properties that it names.
        history_log: where deletes are read, if they shall be.
        stages: of a stream that joins others, in the order in which a row passes through them: the stage's name, and its set.
        parent: the key of the set behind whose rows the collection lies, where ``entity_set`` names both; it is a company.
    """

    entity: Entity
    service: str
    key: tuple[Property, ...]
    modified: Property | None
    properties: dict[str, Property]
    expanded: dict[str, dict[str, Property]]
    replication: Replication
    filter: StateFilter | None = None
    history_log: LogSource | None = None
    stages: tuple[tuple[str, Source], ...] = ()
    parent: Property | None = None

    @property
    def has_etag(self) -> bool:
        """Whether rows can carry an ETag."""
        return any(source.has_etag for _, source in self.stages) or (not self.stages and self.entity.has_etag)

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the stream."""
        return json_schema(
            self.properties,
            key=[prop.name for prop in self.key],
            has_etag=self.has_etag,
            expanded=self.expanded,
        )


def joined_stages(entity: Entity, sources: Sequence[Source]) -> Source:
    """The sets of several stages as one: their properties together, and the stage.

    Where two stages declare a property differently, the last one's type counts; a property that a stage lacks is null there.

    Raises:
        ContractBrokenError: the stages have other keys, or ``select`` names what none of them has.
    """
    last = sources[-1]
    names = [prop.name for prop in last.key]
    if any({prop.name for prop in source.key} != set(names) for source in sources):
        keys = "; ".join(
            f"{source.entity.where} by {', '.join(prop.name for prop in source.key)}" for source in sources
        )
        raise ContractBrokenError(f"{entity.name} joins sets whose rows are identified differently: {keys}.")
    unknown = [name for name in entity.select if name != STAGE and not any(name in each.properties for each in sources)]
    if unknown:
        raise ContractBrokenError(f"{entity.name} joins {entity.where}, which have no property {', '.join(unknown)}.")
    stages = [
        (stage, _as_stage(entity, source, names)) for (stage, _), source in zip(entity.stages, sources, strict=True)
    ]
    properties = {name: prop for _, source in stages for name, prop in source.properties.items()}
    return Source(
        entity=entity,
        service=last.service,
        key=tuple(properties[name] for name in names),
        modified=None,
        properties={
            **with_booleans(properties, entity.booleans, key=names, where=entity.name),
            STAGE: Property(STAGE, "Edm.String", nullable=False),
        },
        expanded={name: inner for _, source in stages for name, inner in source.expanded.items()},
        replication="row_version" if all(source.replication == "row_version" for source in sources) else "full",
        stages=tuple(stages),
    )


def _as_stage(entity: Entity, source: Source, key: Sequence[str]) -> Source:
    """A set as a stage of a stream: what is said of the stream holds for it."""
    wanted = {*entity.select, *key, entity.company}
    properties = {name: prop for name, prop in source.properties.items() if not entity.select or name in wanted}
    own = replace(
        source.entity,
        name=entity.name,
        select=tuple(name for name in properties if name in entity.select),
        delete_guard_percent=entity.delete_guard_percent,
    )
    return replace(source, entity=own, key=tuple(properties[name] for name in key), properties=properties)
