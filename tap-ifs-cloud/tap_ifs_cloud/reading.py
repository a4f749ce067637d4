"""One reading of one stream: its questions, its pages, and what the ways of replication need to know around them."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from ifs_bi_core.ledger.keys import key_text

from tap_ifs_cloud.delivered import Line
from tap_ifs_cloud.learned import Learned
from tap_ifs_cloud.odata import all_of, any_equal, collection_url
from tap_ifs_cloud.outcomes import RefusedError, TooSlowError
from tap_ifs_cloud.paging import Walk
from tap_ifs_cloud.rows import RowReader
from tap_ifs_cloud.versions import Keys

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from ifs_bi_core.ledger.runs import Run
    from ifs_bi_core.singer.progress import Progress

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.paging import Ask
    from tap_ifs_cloud.source import Source

DELIVERED = "delivered"
"""Where a bookmark keeps what the tap has to know of the rows that were delivered, beside the SDK's own keys."""

LEARNED = "learned"
"""Where it keeps what reading the set taught about the server (`tap_ifs_cloud.learned`)."""

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
        waiting: what an answer of IFS Cloud is waited for in; other streams may write meanwhile.
    """

    log: logging.Logger
    progress: Progress
    run: Run | None = None
    key_store: Path | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext


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

    Attributes:
        keys: the keys of the set as texts.
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
    ) -> None:
        self.source = source
        self.name = source.entity.name
        self.config = config
        self.destination = destination
        self.state = state
        self.log = surroundings.log
        self.clock = surroundings.clock
        self.keys = Keys(self.name, source.key, source.modified.name if source.modified else None)
        self._cloud = cloud
        self._around = surroundings
        self._deselected = frozenset(deselected)
        self._select = source.entity.select or self._selected_by_catalogue()
        self._page = 0
        self._select_works = False
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
        text = json.dumps([source.entity.where, self.scope, read, sorted(self._deselected), *facts], default=str)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def scope(self) -> str:
        """The filter that every question carries: the companies, and the entity's own."""
        entity = self.source.entity
        companies = self.config.get("companies")
        if not companies or not entity.company:
            return entity.filter or ""
        return all_of(any_equal(companies, self.source.properties[entity.company]), entity.filter)

    def records(self) -> RowReader:
        """Turns rows into records."""
        modified = self.source.modified
        return RowReader(self.name, self.source.properties, self.source.expanded, modified.name if modified else None)

    def line(self, question: str) -> Line:
        """What the destination got of this question, as the state says; open until it is closed.

        Raises:
            KeyStoreError: another run holds it, or the file can't be used.
        """
        remembered = self.delivered
        token = remembered.get("generation") if remembered.get("query") == question else None
        return Line(self._around.key_store, self.name, question, token)

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
        walk = Walk(
            self.name,
            order,
            base_filter,
            self.config["page_size"],
            None if paging == "auto" else paging,
            learned=self._learned,
        )
        while walk.ask:
            chosen = () if self._learned.whole_rows else wanted
            url = walk.ask.link or self._url(walk.ask, order, chosen, expand=select is None)
            try:
                with self._around.waiting():
                    page = self._cloud.page(url, f"{self.name} page {self._page + 1}", may_shrink=walk.can_shrink)
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
            rows = walk.received(page.rows, page.link)
            self._page += 1
            self._account_for(rows, url)
            self._around.progress.add(len(rows), 1)
            for sentence in walk.news():
                self.log.info("%s", sentence)
            yield rows
        self._learned = replace(walk.learned, whole_rows=self._learned.whole_rows)
        if self._learned != Learned() or LEARNED in self.state:
            self.state[LEARNED] = self._learned.as_state()

    def _account_for(self, rows: list[Row], url: str) -> None:
        """Tell the ledger of a page and of the rows in it that are new."""
        run = self._around.run
        if run is None:
            return
        names = sorted(prop.name for prop in self.source.key)
        first, last = (key_text(rows[place], names) if rows else None for place in (0, -1))
        run.page(self.name, number=self._page, rows=len(rows), query=url, first_key=first, last_key=last)

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
        )
