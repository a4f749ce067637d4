"""The catalogue joined with the tenant: which of the places where an entity may be has it, and what it looks like there."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError, ContractBrokenError, UnavailableError

from tap_ifs_cloud.candidates import candidates, how_to_find, place_of
from tap_ifs_cloud.connection import metadata_of, service_of
from tap_ifs_cloud.history_log import HISTORY_LOG, LogSource
from tap_ifs_cloud.metadata_cache import names_of
from tap_ifs_cloud.outcomes import QueryFailedError, QueryStoppedError
from tap_ifs_cloud.paths import parent_key, rows_of
from tap_ifs_cloud.schema import expanded_properties, stream_properties, with_booleans
from tap_ifs_cloud.source import Source, joined_stages
from tap_ifs_cloud.state_filter import StateFilter

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.entities import Entity
    from tap_ifs_cloud.metadata import Metadata, Property
    from tap_ifs_cloud.metadata_cache import MetadataCache
    from tap_ifs_cloud.source import Replication


class Joining:
    """Joins entities of the catalogue with what a tenant has.

    Args:
        config: the settings.
        cloud: the tenant.
        cache: its ``$metadata`` documents.
        known: the catalogue, by stream name.
        log: hears of what is left out, and why.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        cloud: IfsCloud,
        cache: MetadataCache,
        known: Mapping[str, Entity],
        log: logging.Logger,
    ) -> None:
        self._config = config
        self._cloud = cloud
        self._cache = cache
        self._known = known
        self._log = log
        self._refused: dict[str, ContractBrokenError] = {}  # by service: what several streams ask for is asked once

    def source(self, entity: Entity, *, is_asked_for: bool) -> Source | None:
        """The entity as the tenant has it; None, and a warning, where it doesn't.

        Args:
            entity: the catalogue's row.
            is_asked_for: whether the configuration names it.

        Raises:
            ConfigError: the configuration names what the tenant doesn't have.
        """
        try:
            return self._with_stages(entity) if entity.stages else self._found(entity)
        except ContractBrokenError as error:
            if is_asked_for:
                raise ConfigError(str(error)) from None
            self._log.warning("Stream %s is left out, since its name here is %s: %s", entity.name, entity.sure, error)
            return None

    def _found(self, entity: Entity) -> Source:
        """The entity at the first of its places that the tenant has; one that it had in the last run is tried first."""
        places = candidates(entity)
        if len(places) == 1:
            return self._only(entity)
        refusals: list[str] = []
        for place in sorted(places, key=lambda place: not self._is_kept(place)):
            try:
                source = self._joined(place)
            except ContractBrokenError as error:
                refusals.append(f"{place.where}, which is {place.sure}: {_in_short(error)}")
                continue
            if refusals:
                self._log.info("%s is read from %s, whose name is %s", entity.name, place.where, place.sure)
            return source
        raise ContractBrokenError(
            f"The tenant gives {entity.name} at none of the places that were tried. {'. '.join(refusals)}. "
            f"What answers 403 is there: grant it to the client's service user. {how_to_find(entity)}"
        )

    def _only(self, entity: Entity) -> Source:
        """An entity that can be at one place alone."""
        try:
            return self._joined(entity)
        except ContractBrokenError as error:
            if entity.sure == "configured":
                raise
            raise ContractBrokenError(f"{error} Tried was {entity.where}. {how_to_find(entity)}") from None

    def _is_kept(self, place: Entity) -> bool:
        return self._cache.has(self._service(place), names_of(place))

    def _with_stages(self, entity: Entity) -> Source:
        """A stream that joins the sets of others, each read where its own stream is read."""
        if entity.modified or entity.replication == "timestamp":
            raise ConfigError(
                f"entities: {entity.name} joins {entity.where}, so its changes are found by row versions or in full: leave out "
                f"`modified`, and let `replication` be auto, row_version or full."
            )
        sources = []
        for _, name in entity.stages:
            facts = {field: getattr(entity, field) for field in ("replication", "company", "filter", "expand")}
            try:
                sources.append(self._found(replace(self._known[name], modified=None, select=(), **facts)))
            except ContractBrokenError as error:
                raise ContractBrokenError(f"{entity.name} joins {entity.where}. {error}") from None
        return joined_stages(entity, sources)

    def _joined(self, entity: Entity) -> Source:
        """The catalogue's row joined with what the tenant has."""
        service = self._service(entity)
        metadata = self._metadata(entity, service)
        entity_type = rows_of(metadata, entity.entity_set)
        if entity_type is None:
            raise ContractBrokenError(
                f"{entity.projection} has no entity set {entity.entity_set}. It has {', '.join(metadata.entity_sets) or 'none'}."
            )
        key = entity.key or entity_type.key
        if not key:
            raise ContractBrokenError(
                f"{entity.where} declares no key. Name the properties that identify a row with `key`."
            )
        parent = parent_key(metadata, entity, key)
        modified = self._modified(entity, entity_type.properties)
        needed = [*key, *([modified] if modified else []), *([entity.company] if entity.company else [])]
        properties = stream_properties(entity_type, select=entity.select, key=needed, where=entity.where)
        properties = with_booleans(properties, entity.booleans, key=key, where=entity.where)
        return Source(
            entity=entity,
            service=service,
            key=tuple(properties[name] for name in key),
            modified=properties[modified] if modified else None,
            properties=properties,
            expanded=expanded_properties(entity_type, metadata, entity.expand, entity.where),
            replication=_replication(entity, has_modified=modified is not None),
            parent=parent,
            filter=StateFilter(entity.filter, entity_type.properties, metadata.enums) if entity.filter else None,
            history_log=self._history_log if modified else None,
        )

    @cached_property
    def _history_log(self) -> LogSource | None:
        """The tenant's history log, where deletes shall be read from it; None, and a warning, where there is none."""
        if self._config["delete_detection"] != "history_log":
            return None
        try:
            source = self._joined(HISTORY_LOG)
            return LogSource.of(source, self._metadata(HISTORY_LOG, source.service).enums)
        except ContractBrokenError as error:
            self._log.warning("Deletes can't be read from the history log, and are looked for by keys: %s", error)
            return None

    def _service(self, entity: Entity) -> str:
        return service_of(self._config, *place_of(entity))

    def _metadata(self, entity: Entity, service: str) -> Metadata:
        if service in self._refused:
            raise self._refused[service]
        try:
            return self._cache.metadata(service, metadata_of(self._cloud, service), accepts=names_of(entity))
        except (QueryFailedError, QueryStoppedError) as error:  # that says nothing of what the tenant has
            raise UnavailableError(str(error)) from None
        except ContractBrokenError as error:
            self._refused[service] = error
            raise

    def _modified(self, entity: Entity, properties: Mapping[str, Property]) -> str | None:
        """The replication key: the catalogue's, if the tenant has it and it is a date or a timestamp."""
        if entity.replication in {"full", "row_version"} or not entity.modified:
            if entity.replication == "timestamp":
                raise ConfigError(f"entities: {entity.name} asks for replication timestamp, but names no `modified`.")
            return None
        found = properties.get(entity.modified)
        if found and found.type in {"Edm.DateTimeOffset", "Edm.Date"}:
            return entity.modified
        if entity.replication == "timestamp" or entity.sure == "configured":
            raise ContractBrokenError(f"{entity.where} has no date or timestamp {entity.modified} to replicate by.")
        self._log.info(
            "%s has no %s on this tenant; its changes are found in another way", entity.name, entity.modified
        )
        return None


def _in_short(error: ContractBrokenError) -> str:
    """What was answered, without the advice that follows."""
    return re.split(r" \(| for |\. |\.$", str(error), maxsplit=1)[0]


def _replication(entity: Entity, *, has_modified: bool) -> Replication:
    """How changes of an entity are found, as far as that is known before its rows are."""
    if has_modified:
        return "timestamp"
    if entity.replication == "full" or (entity.replication == "auto" and not entity.has_etag):
        return "full"
    return "row_version"
