"""One reading of one stream: what the ways of replication see of its pages, and what it remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ifs_bi_core.singer.progress import Progress

from tap_ifs_cloud.asking import Asking
from tap_ifs_cloud.delivered import Extent, Line
from tap_ifs_cloud.learned import Learned
from tap_ifs_cloud.parts import Share
from tap_ifs_cloud.rows import RowReader
from tap_ifs_cloud.set_pages import SetPages
from tap_ifs_cloud.surroundings import Surroundings
from tap_ifs_cloud.time_zone import source_zone
from tap_ifs_cloud.versions import Keys

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.record_pages import RecordPage
    from tap_ifs_cloud.source import Source
    from tap_ifs_cloud.surroundings import Destination
    from tap_ifs_cloud.versions import Version

DELIVERED = "delivered"
"""Where a bookmark keeps what the tap has to know of the rows that were delivered, beside the SDK's own keys."""

LEARNED = "learned"
"""Where it keeps what reading the set taught about the server (`tap_ifs_cloud.learned`)."""

HAD_ROWS = "had_rows"
"""Where it keeps how many rows were known before a full reading began, until that has come to its end."""

Row = dict[str, Any]


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
        share = share or Share()
        self.source = source
        self.zone = source_zone(config)
        self._asking = Asking(source, config.get("companies") or (), share.part, self.zone, frozenset(deselected))
        self.name = self._asking.name
        self.joins = share.joins
        self.config = config
        self.destination = destination
        self.state = state
        self.log = surroundings.log
        self.clock = surroundings.clock
        self.keys = Keys(self.name, source.key, source.modified.name if source.modified else None, self.zone)
        self.asked_at = self.received_at = surroundings.clock()
        self._cloud = cloud
        self._around = surroundings
        self._part = share.part
        self._record_pages = surroundings.record_pages
        self._lines = share.lines
        self._set = SetPages(self._asking, config, cloud, surroundings, Learned.from_state(state.get(LEARNED)))

    @property
    def delivered(self) -> dict[str, Any]:
        """What the state says of the rows that were delivered."""
        return self.state.get(DELIVERED) or {}

    def question(self, *facts: Any) -> str:
        """A short name of what the stream asks for: what was delivered is good for the same question alone.

        Args:
            facts: what else makes a difference.
        """
        return self._asking.question(*facts)

    @property
    def scope(self) -> str:
        """The filter that every question carries: the companies, and the entity's own, as far as the server takes it."""
        return self._set.scope

    def pages(
        self,
        order: Sequence[Property],
        base_filter: str,
        *,
        select: Sequence[str] | None = None,
        is_all: Callable[[int], bool] | None = None,
    ) -> Iterator[list[Row]]:
        """The rows of a question, page by page.

        Args:
            order: what they are ordered by; together unique.
            base_filter: which rows.
            select: properties to ask for, if not those of the entity; whole rows come where the set refuses ``$select``.
            is_all: says of a page of so many rows that may be the last one, after it was taken, whether it is.
        """
        whole = (self.delivered.get("rows") or self.state.get(HAD_ROWS)) if base_filter == self.scope else None
        decoder = self._record_pages.decode if self._record_pages else None
        for answer in self._set.pages(
            order, base_filter, select=select, expected=whole, decoder=decoder, is_all=is_all
        ):
            self.asked_at, self.received_at = answer.asked_at, answer.received_at
            yield answer.rows
            del answer  # before the next one is decoded
        if self._set.learned != Learned() or LEARNED in self.state:
            self.state[LEARNED] = self._set.learned.as_state()

    @property
    def longest_page(self) -> int:
        """Rows of the longest page that came."""
        return self._set.longest

    def page(self, rows: list[Row]) -> RecordPage | None:
        """The records of a page that was read; None where they have to be made one by one."""
        return self._record_pages.page(rows) if self._record_pages else None

    def first(self, base_filter: str, order: Sequence[Property], *, descending: bool = False) -> Row | None:
        """The first row of a question, whole; None where there is none."""
        return self._set.first(base_filter, order, descending=descending)

    @property
    def refuses_select(self) -> bool:
        """Whether the set is known to answer with whole rows alone."""
        return self._set.refuses_select

    def select_nothing(self) -> bool:
        """Ask for whole rows instead of what a catalog leaves of them; False where that is no difference."""
        return self._set.select_nothing()

    def records(self) -> RowReader:
        """Turns rows into records."""
        modified = self.source.modified
        return RowReader(
            self.name, self.source.properties, self.source.expanded, modified.name if modified else None, self.zone
        )

    def found_empty(self) -> None:
        """Say that the set has no rows."""
        self._around.found_empty()

    def done(self) -> None:
        """Say that all was read."""
        self._around.progress.done()

    def beside(self, source: Source) -> Reading:
        """A reading of another set on the way: it is in no ledger, and remembers nothing."""
        progress = Progress(source.entity.name, log=self.log.debug)
        around = Surroundings(self.log, progress, clock=self.clock, turns=self._around.turns)
        return Reading(source, self.config, self._cloud, destination=self.destination, state={}, surroundings=around)

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
