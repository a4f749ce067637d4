"""The command ``tap-ifs-cloud``."""

from __future__ import annotations

import gc
import hashlib
import json
import sys
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from ifs_bi_core.errors import ConfigError, ContractBrokenError, ExitCode
from ifs_bi_core.http.client import REAL, Surroundings
from ifs_bi_core.http.limits import SlidingWindow
from ifs_bi_core.singer.account import Account
from ifs_bi_core.singer.lines import LineWriter
from ifs_bi_core.singer.pipes import widen
from ifs_bi_core.singer.plugin import Plugin, run
from singer_sdk import Tap
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import PluginBase, _ConfigInput

from tap_ifs_cloud.allowed_companies import COMPANIES, WHERE, AllowedCompanies, visible_companies
from tap_ifs_cloud.connection import WINDOW_SECONDS, base_url, connected, limiter_of
from tap_ifs_cloud.entities import Entity, catalogue
from tap_ifs_cloud.input_files import catalog_in, state_in
from tap_ifs_cloud.joined import Joining
from tap_ifs_cloud.metadata_cache import MetadataCache
from tap_ifs_cloud.paths import Parents
from tap_ifs_cloud.rows import UndeclaredValueError
from tap_ifs_cloud.settings import SETTINGS
from tap_ifs_cloud.streams import EntityStream
from tap_ifs_cloud.time_zone import source_zone
from tap_ifs_cloud.turns import Turns, side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO

    from ifs_bi_core.http.limits import Limiter
    from ifs_bi_core.singer.record_files import RecordFiles
    from singer_sdk import Stream

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.source import Source


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
        PluginCapabilities.BATCH,
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
        """Who may write, and who may ask, where streams are read side by side."""
        return Turns(self.config["concurrency"])

    def _limiter(self) -> Limiter:
        """Counts requests; those of a run together with all against the same system that share its state folder or ledger."""
        if self.account is None:
            return SlidingWindow(float(self.config["requests_per_minute"]), WINDOW_SECONDS)
        return limiter_of(self.config, self.account.ledger)

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
        source_zone(self.config)  # one that there is, or nothing is read
        run, key_store = (self.account.run, self._key_store(self.account.state_dir)) if self.account else (None, None)
        return [
            EntityStream(self, source, self.cloud, run, key_store, self._turns, self._allowed, self._companies)
            for entity, is_asked_for in self._wanted_entities(self._known)
            if (source := self._joining.source(entity, is_asked_for=is_asked_for))
        ]

    @cached_property
    def _known(self) -> dict[str, Entity]:
        """The catalogue, by stream name."""
        return catalogue(self.config.get("entities") or [])

    @cached_property
    def _joining(self) -> Joining:
        """Joins the catalogue with the tenant."""
        return Joining(self.config, self.cloud, self._metadata, self._known, self.logger)

    @cached_property
    def _allowed(self) -> AllowedCompanies:
        """Which companies the service user sees, as far as that is known."""
        return AllowedCompanies(self._visible_companies, self.config.get("companies") or (), self.logger)

    def _visible_companies(self) -> list[str]:
        source = self._joining.source(self._known[COMPANIES], is_asked_for=True)
        if source is None:
            raise ConfigError(f"There is no {COMPANIES} on this tenant.")
        return visible_companies(self.cloud, source.service, source.entity, source.key, self.config["page_size"])

    def setup_mapper(self) -> None:
        """Tell the stream maps the schemas of ``$metadata``, of which a catalog keeps only a part."""
        PluginBase.setup_mapper(self)
        for stream in self.streams.values():
            if not isinstance(stream, EntityStream):
                raise TypeError(f"{type(stream).__name__} is no EntityStream")
            schema = get_selected_schema(stream.name, stream.wire_schema, stream.mask)
            self.mapper.register_raw_stream_schema(stream.name, schema, list(stream.primary_keys))

    def _wanted_entities(self, known: Mapping[str, Entity]) -> Iterator[tuple[Entity, bool]]:
        """The entities to offer, and whether the configuration asks for each by name."""
        configured = {item["name"] for item in self.config.get("entities") or []}
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
            catalog=catalog_in(catalog),
            parse_env_config=config.parse_env,
            validate_config=True,
            setup_mapper=False,
            message_writer=writer,
        )
        last = state_in(state)
        account = tap.account = Account(cls.name, cls.plugin_version, tap.config)  # opened before anything is sent
        with account.closing(tap.exit_code), tap.record_files(account.run.id) as writer.files:
            writer.run = account.run.id
            widen(sys.stdout)
            tap.setup_mapper()
            tap.load_state(last)
            gc.freeze()  # what was set up stays: looking for garbage in it again and again costs a tenth of the run
            tap.read_all()
            tap.forget_misleading_metadata()
        if failed := tap.failed:
            cls.logger.error(
                "%s stopped early; the other streams are complete. See the reasons above.", ", ".join(failed)
            )
        return tap.exit_code()

    def forget_misleading_metadata(self) -> None:
        """Let the next run ask for each ``$metadata`` that a row contradicted, however young it is: a type may have changed."""
        for stream in self.streams.values():
            if isinstance(stream, EntityStream) and isinstance(stream.failure, UndeclaredValueError):
                for _, source in stream.source.stages or (("", stream.source),):
                    self._metadata.forget(source.service)

    @contextmanager
    def record_files(self, run: str) -> Iterator[RecordFiles | None]:
        """Where records go if the setting `batch_config` says so; files that no line names are gone at the end.

        Raises:
            ConfigError: it asks for what is not written here.
        """
        setting = self.config.get("batch_config")
        if not setting:
            yield None
            return
        from ifs_bi_core.singer.record_files import BatchPlace, RecordFiles  # noqa: PLC0415 - file systems take a while to import

        files = RecordFiles(BatchPlace.of(setting, self.config["state_dir"]), run)
        files.remove_orphans()
        try:
            yield files
        finally:
            files.abandon()

    def read_all(self) -> None:
        """Read the streams, `concurrency` of them at once, with as many requests.

        Raises:
            IfsBiError: of the first stream that can't go on; the run ends with it.
        """
        self._reset_state_progress_markers()
        self._set_compatible_replication_methods()
        if self.state:
            self._state_writer.write_state(self.state)
        chosen = [stream for stream in self.streams.values() if stream.selected]
        tasks = [partial(_read, stream, context) for stream in chosen for context in self._contexts(stream)]
        side_by_side(tasks, self._turns, at_once=self.config["concurrency"])

    def _contexts(self, stream: Stream) -> Sequence[dict[str, Any] | None]:
        """The parts that a stream is read in; one that can't be told apart into companies stops here."""
        if not isinstance(stream, EntityStream):
            return (None,)
        if self.config.get("companies") and stream.source.entity.company:
            self._allowed.check()
        try:
            contexts = stream.partitions
        except (ContractBrokenError, ConfigError) as error:
            stream.failed_with(error)
            return ()
        if stream.source.parent and not contexts:
            stream.logger.warning(
                "%s is empty: the service user sees no company. Give it companies %s.", stream.name, WHERE
            )
            return ()
        return contexts or (None,)

    def _companies(self, source: Source) -> Sequence[str]:
        """Those that a source is read in, one at a time."""
        setting = self.config.get("companies") or ()
        return setting if setting or not source.parent else self._parents.companies(source, self._allowed.visible)

    @cached_property
    def _parents(self) -> Parents:
        """The companies by which sets are keyed."""
        return Parents(self.cloud, self.config["page_size"])

    @property
    def failed(self) -> list[str]:
        """The streams that stopped early."""
        return [name for name, stream in self.streams.items() if getattr(stream, "failure", None)]

    def exit_code(self) -> ExitCode:
        """How a run ends that came to its end."""
        return ExitCode.FAILED if self.failed else ExitCode.DONE


def _read(stream: Stream, context: dict[str, Any] | None) -> None:
    stream.sync(context)
    stream.finalize_state_progress_markers(stream.get_context_state(context) if context else None)


def main() -> None:
    """Be the command."""
    run(TapIfsCloud)
