"""How many rows a stream has in IFS Cloud, for commands that compare a destination with it.

OData 4.01 (Part 1: Protocol) has two questions for a number: ``Set/$count``, and ``$count=true`` beside a page.
Where a set refuses both, or can't be filtered by the server as its stream is, all keys are read and counted.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError, ContractBrokenError
from ifs_bi_core.http.client import REAL
from ifs_bi_core.singer.progress import Progress
from ifs_bi_core.source_counts import SourceCounter

from tap_ifs_cloud.allowed_companies import COMPANIES, WHERE, visible_companies
from tap_ifs_cloud.asking import Asking
from tap_ifs_cloud.connection import connected
from tap_ifs_cloud.entities import catalogue
from tap_ifs_cloud.joined import Joining
from tap_ifs_cloud.learned import Learned
from tap_ifs_cloud.metadata_cache import MetadataCache
from tap_ifs_cloud.odata import all_of, collection_url, fixed, fixed_width, literal, parse_instant
from tap_ifs_cloud.outcomes import TooSlowError
from tap_ifs_cloud.parts import parts_of
from tap_ifs_cloud.paths import Parents
from tap_ifs_cloud.set_pages import SetPages
from tap_ifs_cloud.surroundings import Surroundings as Around
from tap_ifs_cloud.time_zone import source_zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.singer.plugin import Plugin
    from ifs_bi_core.source_counts import Count

    from tap_ifs_cloud.source import Source

_LOG = logging.getLogger(__name__)


def counts(config: Mapping[str, Any], streams: Sequence[str], surroundings: Surroundings = REAL) -> dict[str, Count]:
    """The rows that a full run would read of each stream now, or a sentence that says why they can't be counted.

    Of a stream that joins stages, those of all stages; a row that moves on meanwhile may count twice.

    Args:
        config: the tap's settings, resolved and checked.
        streams: their names.
        surroundings: clock and sleep.

    Raises:
        IfsBiError: the system can't be asked.
    """
    counter = _Counter(config, surroundings)
    return {stream: counter.count(stream) for stream in streams}


class _Counter:
    """Counts in one system, with what several streams ask for asked once."""

    def __init__(self, config: Mapping[str, Any], surroundings: Surroundings) -> None:
        self._config = config
        self._zone = source_zone(config)
        self._known = catalogue(config.get("entities") or [])
        self._cloud = connected(config, surroundings=surroundings)
        cache = MetadataCache(Path(config["state_dir"]))
        self._joining = Joining(config, self._cloud, cache, self._known, _LOG)
        self._parents = Parents(self._cloud, config["page_size"])

    def count(self, stream: str) -> Count:
        if stream not in self._known:
            return "The tap has no stream of that name. Add it to its setting `entities`, as it is when the tap runs."
        try:
            source = self._source(stream)
            return sum(self._rows(stream, own) for _, own in source.stages or (("", source),))
        except ContractBrokenError as error:
            return str(error)

    def _source(self, stream: str) -> Source:
        try:
            source = self._joining.source(self._known[stream], is_asked_for=True)
        except ConfigError as error:
            # What the tenant lacks is no matter of the other streams; a wrong setting is.
            raise (error.__context__ if isinstance(error.__context__, ContractBrokenError) else error) from None
        if source is None:
            raise ContractBrokenError(f"There is no {stream} on this tenant.")
        return source

    def _rows(self, stream: str, source: Source) -> int:
        setting = self._config.get("companies") or ()
        companies = setting if setting or not source.parent else self._parents.companies(source, self._visible)
        parts = list(parts_of(stream, source.entity.company, companies).values())
        if source.parent and not parts:
            raise ContractBrokenError(f"The service user sees no company. Give it companies {WHERE}.")
        asked = [Asking(source, part=part, zone=self._zone) for part in parts] or [Asking(source, zone=self._zone)]
        return sum(self._count(asking, condition) for asking in asked for condition in self._since(source))

    def _visible(self) -> list[str]:
        source = self._source(COMPANIES)
        return visible_companies(self._cloud, source.service, source.entity, source.key, self._config["page_size"])

    def _since(self, source: Source) -> list[str]:
        """What rows a stream begins with: those from `start_date` on, and those that were never dated, as a run asks for them."""
        start, modified = self._config.get("start_date"), source.modified
        if not start or modified is None:
            return [""]
        moment = fixed(self._zone.wall(parse_instant(start))) if self._zone else fixed_width(start)
        since = f"{modified.name} ge {literal(moment[:10] if modified.type == 'Edm.Date' else moment, modified)}"
        return [since, f"{modified.name} eq null"] if modified.nullable else [since]

    def _count(self, asking: Asking, condition: str) -> int:
        question = all_of(asking.scope(asking.source.entity.filter), condition)
        for ask in (self._by_path, self._by_option):
            try:
                rows = ask(asking, question)
            except (ContractBrokenError, TooSlowError) as error:
                _LOG.info("%s", error)
            else:
                if rows is not None:
                    return rows
        return self._by_keys(asking, condition)

    def _by_path(self, asking: Asking, question: str) -> int | None:
        """``Set/$count``; None where the answer is no number."""
        path, mark, query = self._url(asking, {"$filter": question}).partition("?")
        url = f"{path}/$count{mark}{query}"
        body = self._cloud.get(url, f"number of {asking.name}", accept="text/plain", may_shrink=True).body
        text = body.decode("utf-8-sig", "replace").strip()
        return int(text) if text.isascii() and text.isdigit() else None

    def _by_option(self, asking: Asking, question: str) -> int | None:
        """``$count=true`` beside one row; None where the server leaves it out."""
        url = self._url(asking, {"$filter": question, "$count": "true", "$top": "1"})
        return self._cloud.page(url, f"number of {asking.name} beside a row", may_shrink=True).count

    def _by_keys(self, asking: Asking, condition: str) -> int:
        """All keys, read page by page; what the server refuses to filter by is judged here."""
        source = asking.source
        around = Around(_LOG, Progress(asking.name, log=_LOG.debug))
        pages = SetPages(asking, self._config, self._cloud, around, Learned())
        names = [prop.name for prop in source.key]
        question = all_of(pages.scope, condition)
        return sum(len(answer.rows) for answer in pages.pages(source.key, question, select=names, expected=None))

    @staticmethod
    def _url(asking: Asking, options: Mapping[str, str]) -> str:
        source = asking.source
        parent = (source.parent, asking.part.company) if source.parent and asking.part else None
        return collection_url(source.service, source.entity.entity_set, options, parent=parent)


def _plugin() -> type[Plugin]:
    # Here and not above: `tap_ifs_cloud.tap` brings the SDK.
    from tap_ifs_cloud.tap import TapIfsCloud  # noqa: PLC0415 - the reason is the line above

    return TapIfsCloud


SOURCE_COUNTER = SourceCounter("IFS Cloud", _plugin, counts)
"""The entry point."""
