"""One reading of one stream: its questions, its pages, and what the ways of replication need to know around them."""

from __future__ import annotations

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ifs_bi_core.ledger.keys import key_text
from ifs_bi_core.singer.progress import Progress

from tap_ifs_cloud.ahead import Answer, PagesAhead, Question
from tap_ifs_cloud.delivered import Extent, Line
from tap_ifs_cloud.learned import Learned
from tap_ifs_cloud.odata import all_of, any_equal, collection_url
from tap_ifs_cloud.outcomes import RefusedError, TooSlowError
from tap_ifs_cloud.paging import Ask, Walk
from tap_ifs_cloud.parts import Share
from tap_ifs_cloud.rows import RowReader
from tap_ifs_cloud.state_filter import Split
from tap_ifs_cloud.time_zone import source_zone
from tap_ifs_cloud.turns import Turns
from tap_ifs_cloud.versions import Keys

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ifs_bi_core.ledger.runs import Run

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.source import Source
    from tap_ifs_cloud.state_filter import StateFilter
    from tap_ifs_cloud.versions import Version

DELIVERED = "delivered"
"""Where a bookmark keeps what the tap has to know of the rows that were delivered, beside the SDK's own keys."""

LEARNED = "learned"
"""Where it keeps what reading the set taught about the server (`tap_ifs_cloud.learned`)."""

HAD_ROWS = "had_rows"
"""Where it keeps how many rows were known before a full reading began, until that has come to its end."""

Row = dict[str, Any]

_SELECT_LENGTH = 2_000  # characters of names; the rest of an address has to have room beside them


class Destination(Protocol):
    """What a reading of an entire set tells the destination."""

    def begin_version(self, version: int | None = None) -> int:
        """From here on, records belong to a reading of the entire set: a new one, or one that was cut short."""

    def complete_version(self, count: int, before: int) -> bool:
        """All ``count`` rows were sent, where ``before`` were known: what was not sent is gone.

        Returns:
            False where that is not believed.
        """


@dataclass(frozen=True)
class Surroundings:
    """What a reading tells of itself, and where it remembers.

    Attributes:
        log: the stream's.
        progress: counts rows.
        run: the run in the ledger, if it is kept.
        key_store: the file of what was delivered; None for one that forgets.
        clock: the present, aware.
        turns: who may write, and who may ask IFS Cloud.
        found_empty: hears that a set is empty.
    """

    log: logging.Logger
    progress: Progress
    run: Run | None = None
    key_store: Path | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    turns: Turns = field(default_factory=Turns)
    found_empty: Callable[[], None] = lambda: None

    def waiting(self) -> AbstractContextManager[None]:
        """What an answer of IFS Cloud is waited for in; other streams may write meanwhile."""
        return self.turns.asking()


class Reading:
    """One reading of a stream.

    Args:
        source: what is read.
        config: the settings.
        cloud: where it is read.
        destination: hears of entire sets.
        state: the stream's bookmark, as the run began with it.
        surroundings: log, ledger, key store and clock.
        deselected: properties that a catalog leaves out.
        share: the company that is read, beside others; None: all rows, or those of all companies of the setting at once.

    Attributes:
        name: of the stream, and of the company.
        joins: whether this reading may not begin a version by itself.
        keys: the keys of the set as texts.
        asked_at: when the page that was given last was asked for; its rows are those of some moment from then on.
        received_at: when that page had arrived.
        zone: what the server's "Z" means, if not UTC.
    """

    def __init__(
        self,
        source: Source,
        config: Mapping[str, Any],
        cloud: IfsCloud,
        *,
        destination: Destination,
        state: dict[str, Any],
        surroundings: Surroundings,
        deselected: Collection[str] = (),
        share: Share | None = None,
    ) -> None:
        self.source = source
        share = share or Share()
        self._part = share.part
        self._lines = share.lines
        self.name = share.part.label if share.part else source.entity.name
        self.joins = share.joins
        self.config = config
        self.destination = destination
        self.state = state
        self.log = surroundings.log
        self.clock = surroundings.clock
        self.zone = source_zone(config)
        self.keys = Keys(self.name, source.key, source.modified.name if source.modified else None, self.zone)
        self._cloud = cloud
        self._around = surroundings
        self._deselected = frozenset(deselected)
        self._select = source.entity.select or self._selected_by_catalogue()
        self._page = 0
        self.asked_at = self.received_at = surroundings.clock()
        self._select_works = False
        self._known_split: Split | None = None
        self._learned = Learned.from_state(state.get(LEARNED))

    @property
    def delivered(self) -> dict[str, Any]:
        """What the state says of the rows that were delivered."""
        return self.state.get(DELIVERED) or {}

    def question(self, *facts: Any) -> str:
        """A short name of what the stream asks for: what was delivered is good for the same question alone.

        Args:
            facts: what else makes a difference.
        """
        source = self.source
        read = [[prop.name for prop in source.key], sorted(source.properties), sorted(source.expanded)]
        zone = [self.zone.name] if self.zone else []
        booleans = [sorted(source.entity.booleans)] if source.entity.booleans else []
        asked = [source.entity.where, self._scoped(source.entity.filter), read, sorted(self._deselected)]
        text = json.dumps([*asked, *zone, *booleans, *facts], default=str)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def scope(self) -> str:
        """The filter that every question carries: the companies, and the entity's own, as far as the server takes it."""
        return self._scoped(self._split.server)

    def _scoped(self, own: str | None) -> str:
        entity = self.source.entity
        part = self._part
        companies = [part.company] if part else self.config.get("companies")
        if not companies or not entity.company or (part and self.source.parent):
            return own or ""
        return all_of(any_equal(companies, self.source.properties[entity.company]), own)

    @property
    def _split(self) -> Split:
        """What of the entity's filter the server is asked, and what is judged here.

        Raises:
            ContractBrokenError: the server refuses the filter, and it can't be judged.
        """
        if self._known_split is None:  # a cached_property would be locked for all readings while the server is asked
            self._known_split = self._found_split()
        return self._known_split

    def _found_split(self) -> Split:
        own = self.source.filter
        if own is None or not own.states or not (self._learned.filters_here or self._is_refused(own)):
            return Split(self.source.entity.filter or "")
        split = own.split(self.name)
        if not self._learned.filters_here:
            self.log.warning("%s refuses to filter by %s; rows are filtered here", self.name, ", ".join(own.states))
            self._learned = replace(self._learned, filters_here=True)
        return split

    def _is_refused(self, own: StateFilter) -> bool:
        """Whether the server refuses the filter, asked for one row."""
        url = self._url(Ask(1, self._scoped(own.text)), (), (), expand=False)
        try:
            with self._around.waiting():
                self._cloud.page(url, f"{self.name} filter", may_shrink=True)
        except TooSlowError:
            return False
        except RefusedError as error:
            hint = own.hint()
            if hint:
                raise RefusedError(f"{error} {hint}") from None
            return True
        return False

    def found_empty(self) -> None:
        """Say that the set has no rows."""
        self._around.found_empty()

    def done(self) -> None:
        """Say that all was read."""
        self._around.progress.done()

    def beside(self, source: Source) -> Reading:
        """A reading of another set on the way: it is in no ledger, and remembers nothing."""
        around = replace(self._around, run=None, progress=Progress(source.entity.name, log=self.log.debug))
        return Reading(source, self.config, self._cloud, destination=self.destination, state={}, surroundings=around)

    def first(self, base_filter: str, order: Sequence[Property], *, descending: bool = False) -> Row | None:
        """The first row of a question, whole; None where there is none."""
        ordered = [replace(prop, name=f"{prop.name} desc") for prop in order] if descending else order
        url = self._url(Ask(1, base_filter), ordered, (), expand=False)
        with self._around.waiting():
            rows = self._cloud.page(url, f"{self.name} first row").rows
        return rows[0] if rows else None

    def records(self) -> RowReader:
        """Turns rows into records."""
        modified = self.source.modified
        return RowReader(
            self.name, self.source.properties, self.source.expanded, modified.name if modified else None, self.zone
        )

    def line(self, question: str) -> Line:
        """What the destination got of this question, as the state says; open until it is closed.

        Raises:
            KeyStoreError: another run holds it, or the file can't be used.
        """
        line = Line(self._around.key_store, self._extent, question, self._token(question), alone=not self.joins)
        if self._part:
            self._lines[self._part.company] = line.number
        return line

    def has_line(self, question: str) -> bool:
        """Whether the state says of this question what the destination got, and the key store still knows it."""
        number = Line.find(self._around.key_store, self._extent, question, self._token(question))
        if self._part and number is not None:
            self._lines[self._part.company] = number
        return number is not None

    @property
    def other_lines(self) -> list[int]:
        """The lines of other companies, to which a row can move without a change of its key."""
        if not self._part or self._extent.place is not None:
            return []
        return [number for company, number in self._lines.items() if company != self._part.company]

    def _token(self, question: str) -> str | None:
        remembered = self.delivered
        return remembered.get("generation") if remembered.get("query") == question else None

    @property
    def _extent(self) -> Extent:
        stream = self.source.entity.name
        if self._part is None:
            return Extent(stream)
        names = [prop.name for prop in self.source.key]
        return Extent(stream, self._part.company, names.index(self._part.key) if self._part.key in names else None)

    def _selected_by_catalogue(self) -> tuple[str, ...]:
        """What to ask for where a catalog leaves something out, unless its names make an address too long."""
        names = tuple(name for name in self.source.properties if name not in self._deselected)
        is_all = len(names) == len(self.source.properties)
        return () if is_all or sum(map(len, names)) > _SELECT_LENGTH else names

    def select_nothing(self) -> bool:
        """Ask for whole rows instead of what a catalog leaves of them; False where that is no difference."""
        changes = self._select != self.source.entity.select
        self._select = self.source.entity.select
        return changes

    @property
    def refuses_select(self) -> bool:
        """Whether the set is known to answer with whole rows alone."""
        return self._learned.whole_rows

    @property
    def stages(self) -> Sequence[Reading]:
        """The readings of the sets that are joined here, in the order in which a row passes through them."""
        return (self,)

    def holds(self, version: Version | None) -> bool:
        """Whether a row that was taken down with this version is in this set."""
        del version
        return True

    def marked(self, version: Version, row: Mapping[str, Any]) -> Version:
        """The version that a row is remembered by."""
        del row
        return version

    def superseding(self, record: Row, delivered: Version | None) -> Row:
        """The record as it has to be in order to replace what was delivered of the same key."""
        del delivered
        return record

    def believed(self, count: int) -> int:
        """How many of the rows of an entire reading count: none where it can't have been entire."""
        return count

    @property
    def doubt(self) -> str | None:
        """Why nothing is taken for gone after the last look at all keys; None where there is no such reason."""
        return None

    def pages(
        self, order: Sequence[Property], base_filter: str, *, select: Sequence[str] | None = None
    ) -> Iterator[list[Row]]:
        """The rows of a question, page by page.

        Args:
            order: what they are ordered by; together unique.
            base_filter: which rows.
            select: properties to ask for, if not those of the entity; whole rows come where the set refuses ``$select``.
        """
        paging = self.config["paging"]
        wanted = self._select if select is None else tuple(select)
        if wanted:
            wanted = tuple(dict.fromkeys((*wanted, *self._split.names)))
        walk = Walk(
            self.name,
            order,
            base_filter,
            self.config["page_size"],
            None if paging == "auto" else paging,
            learned=self._learned,
        )

        def question(ask: Ask, further: int, *, may_shrink: bool) -> Question:
            url = ask.link or self._url(ask, order, self._chosen(wanted), expand=select is None)
            operation = f"{self.name} page {self._page + 1 + further}"
            return Question(
                partial(self._asked, url, operation, may_shrink=may_shrink),
                partial(self._fetched, url, operation, may_shrink=may_shrink),
            )

        whole = (self.delivered.get("rows") or self.state.get(HAD_ROWS)) if base_filter == self.scope else None
        ahead = PagesAhead(walk, self._around.turns, question, tell=self._tell, expected=whole)
        with ExitStack() as stack:
            stack.callback(ahead.drop)
            while walk.ask:
                chosen = self._chosen(wanted)
                try:
                    answer = ahead.next(walk.ask)
                except TooSlowError:
                    walk.shrink()
                    continue
                except RefusedError:
                    if walk.fall_back():
                        pass
                    elif chosen and not self._select_works:
                        self.log.warning("%s refuses $select; whole rows are read", self.name)
                        self._learned = replace(self._learned, whole_rows=True)
                    else:
                        raise
                    continue
                self._select_works = self._select_works or bool(chosen and not walk.ask.link)
                rows = walk.received(answer.rows, answer.link)
                self._page += 1
                ahead.look_ahead()
                self.asked_at, self.received_at = answer.asked_at, answer.received_at
                self._account_for(rows, answer.url)
                self._around.progress.add(len(rows), 1)
                for sentence in walk.news():
                    self.log.info("%s", sentence)
                yield self._split.kept(rows)
        known = self._learned
        self._learned = replace(walk.learned, whole_rows=known.whole_rows, filters_here=known.filters_here)
        if self._learned != Learned() or LEARNED in self.state:
            self.state[LEARNED] = self._learned.as_state()

    def _chosen(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        return () if self._learned.whole_rows else wanted

    def _tell(self, sentence: str) -> None:
        self.log.info("%s: %s", self.name, sentence)

    def _asked(self, url: str, operation: str, *, may_shrink: bool) -> Answer:
        asked_at = self.clock()
        page = self._cloud.page(url, operation, may_shrink=may_shrink)
        return Answer(page.rows, page.link, url, asked_at, self.clock())

    def _fetched(self, url: str, operation: str, *, may_shrink: bool) -> Callable[[], Answer]:
        asked_at = self.clock()
        read = self._cloud.fetch(url, operation, may_shrink=may_shrink)
        received_at = self.clock()

        def answer() -> Answer:
            page = read()
            return Answer(page.rows, page.link, url, asked_at, received_at)

        return answer

    def _account_for(self, rows: list[Row], url: str) -> None:
        """Tell the ledger of a page and of the rows in it that are new."""
        run = self._around.run
        if run is None:
            return
        names = sorted(prop.name for prop in self.source.key)
        first, last = (key_text(rows[place], names) if rows else None for place in (0, -1))
        run.page(self.source.entity.name, number=self._page, rows=len(rows), query=url, first_key=first, last_key=last)

    def _url(self, ask: Ask, order: Sequence[Property], select: Sequence[str], *, expand: bool) -> str:
        names = dict.fromkeys((*select, *(prop.name for prop in order))) if select else ()
        return collection_url(
            self.source.service,
            self.source.entity.entity_set,
            {
                "$filter": ask.filter,
                "$orderby": ",".join(prop.name for prop in order),
                "$select": ",".join(names),
                "$expand": ",".join(self.source.entity.expand) if expand else "",
                "$top": str(ask.top) if ask.top else "",
                "$skip": str(ask.skip) if ask.skip else "",
            },
            parent=(self.source.parent, self._part.company) if self.source.parent and self._part else None,
        )
