"""The command ``tap-ifs-cloud``."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from ifs_bi_core.errors import ConfigError, ContractBrokenError, ExitCode
from ifs_bi_core.http.client import REAL, Surroundings
from ifs_bi_core.http.limits import SlidingWindow
from ifs_bi_core.http.shared_limits import shared_limit
from ifs_bi_core.settings import origin
from ifs_bi_core.singer.account import Account
from ifs_bi_core.singer.lines import LineWriter
from ifs_bi_core.singer.plugin import Plugin, run
from singer_sdk import Tap
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import PluginBase, _ConfigInput
from singer_sdk.singerlib.json import deserialize_json

from tap_ifs_cloud.client import IfsCloud
from tap_ifs_cloud.deletes import detects_deletes
from tap_ifs_cloud.entities import Entity, catalogue
from tap_ifs_cloud.metadata import Metadata, parse
from tap_ifs_cloud.odata import service_url
from tap_ifs_cloud.schema import expanded_properties, stream_properties
from tap_ifs_cloud.settings import SETTINGS
from tap_ifs_cloud.source import Source
from tap_ifs_cloud.streams import EntityStream
from tap_ifs_cloud.token import Client, keycloak_token_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import IO

    from ifs_bi_core.http.limits import Limiter

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
        config = self.config
        base_url = origin("base_url", config["base_url"])
        if config.get("token_url"):
            token_url = origin("token_url", config["token_url"])
        elif config.get("realm"):
            token_url = keycloak_token_url(base_url, config["realm"])
        else:
            raise ConfigError(
                "Neither realm nor token_url is set. Set realm to the system's namespace: IFS Cloud shows it in API Explorer, "
                "Documentation, API Doc, as part of Connect URL."
            )
        return IfsCloud(
            Client(token_url, config["client_id"], config["client_secret"], config.get("scope") or ""),
            limiter=self._limiter(base_url),
            timeout_seconds=float(config["request_timeout_seconds"]),
            retry_limit_seconds=float(config["retry_limit_seconds"]),
            user_agent=config["user_agent"],
            observe=self.account.run.observer("ifs") if self.account else lambda _: None,
            surroundings=self.surroundings,
        )

    def _limiter(self, base_url: str) -> Limiter:
        """Counts requests; those of a run together with all runs against the same system that share its state folder."""
        limit = float(self.config["requests_per_minute"])
        if self.account is None:
            return SlidingWindow(limit)
        return shared_limit(self.account.state_dir, "ifs-cloud", base_url, limit)

    def _key_store(self, state_dir: Path) -> Path:
        """The file of what was delivered from the configured system to the configured user's eyes."""
        config = self.config
        base_url = origin("base_url", config["base_url"])
        system = [base_url, config.get("token_url") or config.get("realm"), config["client_id"]]
        name = hashlib.blake2b(json.dumps(system).encode(), digest_size=6).hexdigest()
        return state_dir / "delivered" / f"{urlsplit(base_url).hostname}-{name}.db"

    def discover_streams(self) -> Sequence[EntityStream]:
        """A stream for each wanted entity that the tenant has.

        Raises:
            ConfigError: a stream that the configuration names does not exist on the tenant or in the catalogue.
        """
        documents: dict[str, Metadata] = {}
        detects_deletes(self.config)  # in a way that there is, or nothing is read
        run, key_store = (self.account.run, self._key_store(self.account.state_dir)) if self.account else (None, None)
        return [
            EntityStream(self, source, self.cloud, run, key_store)
            for entity, is_asked_for in self._wanted_entities()
            if (source := self._source(entity, documents, is_asked_for=is_asked_for))
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

    def _source(self, entity: Entity, documents: dict[str, Metadata], *, is_asked_for: bool) -> Source | None:
        try:
            return self._joined(entity, documents)
        except ContractBrokenError as error:
            if is_asked_for:
                raise ConfigError(str(error)) from None
            self.logger.warning("Stream %s is left out, since its name here is %s: %s", entity.name, entity.sure, error)
            return None

    def _joined(self, entity: Entity, documents: dict[str, Metadata]) -> Source:
        """The catalogue's row joined with what the tenant has."""
        service = service_url(
            origin("base_url", self.config["base_url"]),
            endpoint=entity.endpoint,
            service=entity.service,
            projection=entity.projection,
        )
        if service not in documents:
            operation = f"$metadata of {entity.projection}"
            response = self.cloud.get(f"{service}/$metadata", operation, accept="application/xml")
            documents[service] = parse(response.body, operation)
        metadata = documents[service]
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
            tap.sync_all()
        if failed := tap.failed:
            cls.logger.error(
                "%s stopped early; the other streams are complete. See the reasons above.", ", ".join(failed)
            )
        return tap.exit_code()

    @property
    def failed(self) -> list[str]:
        """The streams that stopped early."""
        return [name for name, stream in self.streams.items() if getattr(stream, "failure", None)]

    def exit_code(self) -> ExitCode:
        """How a run ends that came to its end."""
        return ExitCode.FAILED if self.failed else ExitCode.DONE


def main() -> None:
    """Be the command."""
    run(TapIfsCloud)
