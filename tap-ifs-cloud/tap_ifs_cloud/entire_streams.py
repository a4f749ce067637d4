"""The questions that together are a whole stream: one for each of its stages and companies, and for rows that were never dated.

What is counted, added up or listed for a comparison is what a full run would read, so it is asked for as a run asks.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ConfigError, ContractBrokenError
from ifs_bi_core.http.client import REAL
from ifs_bi_core.singer.progress import Progress

from tap_ifs_cloud.allowed_companies import COMPANIES, WHERE, visible_companies
from tap_ifs_cloud.asking import Asking
from tap_ifs_cloud.connection import connected
from tap_ifs_cloud.entities import catalogue
from tap_ifs_cloud.joined import Joining
from tap_ifs_cloud.learned import Learned
from tap_ifs_cloud.metadata_cache import MetadataCache
from tap_ifs_cloud.odata import all_of, fixed, fixed_width, literal, parse_instant
from tap_ifs_cloud.parts import parts_of
from tap_ifs_cloud.paths import Parents
from tap_ifs_cloud.rows import RowReader
from tap_ifs_cloud.set_pages import SetPages
from tap_ifs_cloud.surroundings import Surroundings as Around
from tap_ifs_cloud.time_zone import source_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ifs_bi_core.http.client import Surroundings

    from tap_ifs_cloud.set_pages import Row
    from tap_ifs_cloud.source import Source

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """A part of a stream.

    Attributes:
        asking: the set, and the company in it.
        condition: beside what every question for that carries; empty: none.
        stage: of a stream that joins stages, the one whose rows these are; else empty.
    """

    asking: Asking
    condition: str
    stage: str

    @property
    def filter(self) -> str:
        """What the server is asked, if it takes the entity's own filter."""
        return all_of(self.asking.scope(self.asking.source.entity.filter), self.condition)

    def url(self, options: Mapping[str, str], below: str = "") -> str:
        """An address of the set.

        Args:
            options: the query.
            below: what follows the set's name: ``/$count``.
        """
        path, mark, query = self.asking.address(options).partition("?")
        return f"{path}{below}{mark}{query}"


class EntireStreams:
    """The streams of one system, with what several of them ask for asked once.

    Args:
        config: the tap's settings, resolved and checked.
        surroundings: clock and sleep.

    Attributes:
        cloud: the system.
        page_size: rows to ask for a page.
    """

    def __init__(self, config: Mapping[str, Any], surroundings: Surroundings = REAL) -> None:
        self.cloud = connected(config, surroundings=surroundings)
        self.page_size: int = config["page_size"]
        self._config = config
        self._zone = source_zone(config)
        self._known = catalogue(config.get("entities") or [])
        cache = MetadataCache(Path(config["state_dir"]))
        self._joining = Joining(config, self.cloud, cache, self._known, _LOG)
        self._parents = Parents(self.cloud, self.page_size)

    @property
    def chosen(self) -> tuple[str, ...]:
        """The setting `streams`."""
        return tuple(self._config.get("streams") or ())

    def knows(self, stream: str) -> bool:
        """Whether there is an entity of that name, on whatever tenant."""
        return stream in self._known

    def source(self, stream: str) -> Source:
        """What a stream reads.

        Raises:
            ContractBrokenError: the tap or the tenant has none of that name.
            ConfigError: the settings of its entity are wrong.
        """
        if stream not in self._known:
            raise ContractBrokenError(
                "The tap has no stream of that name. Add it to its setting `entities`, as it is when the tap runs."
            )
        try:
            source = self._joining.source(self._known[stream], is_asked_for=True)
        except ConfigError as error:
            # What the tenant lacks is no matter of the other streams; a wrong setting is.
            raise (error.__context__ if isinstance(error.__context__, ContractBrokenError) else error) from None
        if source is None:
            raise ContractBrokenError(f"There is no {stream} on this tenant.")
        return source

    def questions(self, stream: str) -> Iterator[Question]:
        """What to ask for all rows of a stream; no row is an answer to two of them.

        Raises:
            ContractBrokenError: the tap or the tenant has none of that name.
        """
        joined = self.source(stream)
        for stage, source in joined.stages or (("", joined),):
            for asking in self._askings(stream, source):
                for condition in self._since(source):
                    yield Question(asking, condition, stage)

    def rows(self, question: Question, names: Sequence[str]) -> Iterator[list[Row]]:
        """All rows of a question, page by page; what the server refuses to filter by is judged here.

        Args:
            question: which rows.
            names: the properties to ask for; none: whole rows. Where the set refuses ``$select``, whole rows come.
        """
        around = Around(_LOG, Progress(question.asking.name, log=_LOG.debug))
        pages = SetPages(question.asking, self._config, self.cloud, around, Learned())
        order, asked = question.asking.source.key, all_of(pages.scope, question.condition)
        for answer in pages.pages(order, asked, select=names, expected=None):
            yield answer.rows

    def reader(self, source: Source, names: Iterable[str]) -> RowReader:
        """What makes values of these properties what they are in a record."""
        properties = {name: source.properties[name] for name in names if name in source.properties}
        modified = source.modified.name if source.modified and source.modified.name in properties else None
        return RowReader(source.entity.name, properties, {}, modified, self._zone)

    def _askings(self, stream: str, source: Source) -> list[Asking]:
        setting = self._config.get("companies") or ()
        companies = setting if setting or not source.parent else self._parents.companies(source, self._visible)
        parts = list(parts_of(stream, source.entity.company, companies).values())
        if source.parent and not parts:
            raise ContractBrokenError(f"The service user sees no company. Give it companies {WHERE}.")
        return [Asking(source, part=part, zone=self._zone) for part in parts] or [Asking(source, zone=self._zone)]

    def _visible(self) -> list[str]:
        source = self.source(COMPANIES)
        return visible_companies(self.cloud, source.service, source.entity, source.key, self.page_size)

    def _since(self, source: Source) -> list[str]:
        """What rows a stream begins with: those from `start_date` on, and those that were never dated, as a run asks for them."""
        start, modified = self._config.get("start_date"), source.modified
        if not start or modified is None:
            return [""]
        moment = fixed(self._zone.wall(parse_instant(start))) if self._zone else fixed_width(start)
        since = f"{modified.name} ge {literal(moment[:10] if modified.type == 'Edm.Date' else moment, modified)}"
        return [since, f"{modified.name} eq null"] if modified.nullable else [since]
