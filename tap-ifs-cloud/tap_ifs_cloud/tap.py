"""The command ``tap-ifs-cloud``."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from ifs_bi_core.errors import ConfigError, ContractBrokenError, ExitCode
from ifs_bi_core.http.client import REAL, Surroundings
from ifs_bi_core.http.limits import SlidingWindow
from ifs_bi_core.http.shared_limits import shared_limit
from ifs_bi_core.singer.account import Account
from ifs_bi_core.singer.lines import LineWriter
from ifs_bi_core.singer.plugin import Plugin, run
from singer_sdk import Tap
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import PluginBase, _ConfigInput
from singer_sdk.singerlib.json import deserialize_json

from tap_ifs_cloud.connection import base_url, connected, metadata_of, service_of
from tap_ifs_cloud.deletes import detects_deletes
from tap_ifs_cloud.entities import Entity, catalogue
from tap_ifs_cloud.metadata_cache import MetadataCache, names_of
from tap_ifs_cloud.schema import expanded_properties, stream_properties
from tap_ifs_cloud.settings import SETTINGS
from tap_ifs_cloud.source import Source
from tap_ifs_cloud.streams import EntityStream
from tap_ifs_cloud.turns import Turns, side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO

    from ifs_bi_core.http.limits import Limiter
    from singer_sdk import Stream

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.source import Replication


class TapIfsCloud(Plugin, Tap):
    """Reads any entity of IFS Cloud's OData API, in full or incrementally."""

    name = "tap-ifs-cloud"
    config_jsonschema = SETTINGS
    message_writer_class = LineWriter
    capabilities: ClassVar[list[Any]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    surroundings: ClassVar[Surroundings] = REAL
    """Clock, sleep and dice of the client; tests put in their own."""

    account: Account | None = None
    """The ledger of this run; None where nothing is read but what streams there are."""

    @cached_property
    def cloud(self) -> IfsCloud:
        """The client of the configured system."""
        return connected(
            self.config,
            limiter=self._limiter(),
            observe=self.account.run.observer("ifs") if self.account else lambda _: None,
            surroundings=self.surroundings,
        )

    @cached_property
    def _metadata(self) -> MetadataCache:
        """The ``$metadata`` documents of the system."""
        return MetadataCache(Path(self.config["state_dir"]))

    @cached_property
    def _turns(self) -> Turns:
        """Who may write, where streams are read side by side."""
        return Turns()

    def _limiter(self) -> Limiter:
        """Counts requests; those of a run together with all runs against the same system that share its state folder."""
        limit = float(self.config["requests_per_minute"])
        if self.account is None:
            return SlidingWindow(limit)
        return shared_limit(self.account.state_dir, "ifs-cloud", base_url(self.config), limit)

    def _key_store(self, state_dir: Path) -> Path:
        """The file of what was delivered from the configured system to the configured user's eyes."""
        config, address = self.config, base_url(self.config)
        system = [address, config.get("token_url") or config.get("realm"), config["client_id"]]
        name = hashlib.blake2b(json.dumps(system).encode(), digest_size=6).hexdigest()
        return state_dir / "delivered" / f"{urlsplit(address).hostname}-{name}.db"

    def discover_streams(self) -> Sequence[EntityStream]:
        """A stream for each wanted entity that the tenant has.

        Raises:
            ConfigError: a stream that the configuration names does not exist on the tenant or in the catalogue.
        """
        detects_deletes(self.config)  # in a way that there is, or nothing is read
        run, key_store = (self.account.run, self._key_store(self.account.state_dir)) if self.account else (None, None)
        return [
            EntityStream(self, source, self.cloud, run, key_store, self._turns)
            for entity, is_asked_for in self._wanted_entities()
            if (source := self._source(entity, is_asked_for=is_asked_for))
        ]

    def setup_mapper(self) -> None:
        """Tell the stream maps the schemas of ``$metadata``, of which a catalog keeps only a part."""
        PluginBase.setup_mapper(self)
        for stream in self.streams.values():
            if not isinstance(stream, EntityStream):
                raise TypeError(f"{type(stream).__name__} is no EntityStream")
            schema = get_selected_schema(stream.name, stream.wire_schema, stream.mask)
            self.mapper.register_raw_stream_schema(stream.name, schema, list(stream.primary_keys))

    def _wanted_entities(self) -> Iterator[tuple[Entity, bool]]:
        """The entities to offer, and whether the configuration asks for each by name."""
        items = self.config.get("entities") or []
        known = catalogue(items)
        configured = {item["name"] for item in items}
        names = self.config.get("streams")
        unknown = [name for name in names or () if name not in known]
        if unknown:
            raise ConfigError(
                f"streams names {', '.join(unknown)}, neither built in nor among `entities`. There are {', '.join(known)}."
            )
        selected = self._selected_by_catalog()
        for name in names or known:
            if selected is None or name in selected:
                yield known[name], bool(names) or name in configured

    def _selected_by_catalog(self) -> set[str] | None:
        """The streams that the input catalog selects: ``$metadata`` of the others need not be read."""
        if self.input_catalog is None:
            return None
        return {
            entry.stream or entry.tap_stream_id
            for entry in self.input_catalog.streams
            if entry.metadata.resolve_selection().get((), True)
        }

    def _source(self, entity: Entity, *, is_asked_for: bool) -> Source | None:
        try:
            return self._joined(entity)
        except ContractBrokenError as error:
            if is_asked_for:
                raise ConfigError(str(error)) from None
            self.logger.warning("Stream %s is left out, since its name here is %s: %s", entity.name, entity.sure, error)
            return None

    def _joined(self, entity: Entity) -> Source:
        """The catalogue's row joined with what the tenant has."""
        service = service_of(self.config, entity.projection, entity.endpoint, entity.service)
        metadata = self._metadata.metadata(service, metadata_of(self.cloud, service), accepts=names_of(entity))
        entity_type = metadata.entity_sets.get(entity.entity_set)
        if entity_type is None:
            raise ContractBrokenError(
                f"{entity.projection} has no entity set {entity.entity_set}. It has {', '.join(metadata.entity_sets) or 'none'}."
            )
        key = entity.key or entity_type.key
        if not key:
            raise ContractBrokenError(
                f"{entity.where} declares no key. Name the properties that identify a row with `key`."
            )
        modified = self._modified(entity, entity_type.properties)
        needed = [*key, *([modified] if modified else []), *([entity.company] if entity.company else [])]
        properties = stream_properties(entity_type, select=entity.select, key=needed, where=entity.where)
        return Source(
            entity=entity,
            service=service,
            key=tuple(properties[name] for name in key),
            modified=properties[modified] if modified else None,
            properties=properties,
            expanded=expanded_properties(entity_type, metadata, entity.expand, entity.where),
            replication=self._replication(entity, has_modified=modified is not None),
        )

    @staticmethod
    def _replication(entity: Entity, *, has_modified: bool) -> Replication:
        """How changes of an entity are found, as far as that is known before its rows are."""
        if has_modified:
            return "timestamp"
        if entity.replication == "full" or (entity.replication == "auto" and not entity.has_etag):
            return "full"
        return "row_version"

    def _modified(self, entity: Entity, properties: dict[str, Any]) -> str | None:
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
        self.logger.info(
            "%s has no %s on this tenant; its changes are found in another way", entity.name, entity.modified
        )
        return None

    @classmethod
    def invoke(  # type: ignore[override]  # the SDK overrides it the same way
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> ExitCode:
        """Sync; the exit code says whether a stream stopped early."""
        PluginBase.invoke.__func__(cls, about=about, about_format=about_format)  # type: ignore[attr-defined]
        config = config or _ConfigInput()
        writer = LineWriter()
        tap = cls(
            config=config.config,
            catalog=deserialize_json(catalog.read()) if catalog else None,
            parse_env_config=config.parse_env,
            validate_config=True,
            setup_mapper=False,
            message_writer=writer,
        )
        last = deserialize_json(state.read() or "{}") if state else {}
        account = tap.account = Account(cls.name, cls.plugin_version, tap.config)  # opened before anything is sent
        with account.closing(tap.exit_code):
            writer.run = account.run.id
            tap.setup_mapper()
            tap.load_state(last)
            tap.read_all()
        if failed := tap.failed:
            cls.logger.error(
                "%s stopped early; the other streams are complete. See the reasons above.", ", ".join(failed)
            )
        return tap.exit_code()

    def read_all(self) -> None:
        """Read the streams, `concurrency` of them at once.

        Raises:
            IfsBiError: of the first stream that can't go on; the run ends with it.
        """
        self._reset_state_progress_markers()
        self._set_compatible_replication_methods()
        if self.state:
            self._state_writer.write_state(self.state)
        chosen = [stream for stream in self.streams.values() if stream.selected]
        side_by_side([partial(_read, stream) for stream in chosen], self._turns, at_once=self.config["concurrency"])

    @property
    def failed(self) -> list[str]:
        """The streams that stopped early."""
        return [name for name, stream in self.streams.items() if getattr(stream, "failure", None)]

    def exit_code(self) -> ExitCode:
        """How a run ends that came to its end."""
        return ExitCode.FAILED if self.failed else ExitCode.DONE


def _read(stream: Stream) -> None:
    stream.sync()
    stream.finalize_state_progress_markers()


def main() -> None:
    """Be the command."""
    run(TapIfsCloud)
