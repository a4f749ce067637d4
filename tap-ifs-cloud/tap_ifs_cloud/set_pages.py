"""The pages of an entity set as they come: asked for one after the other or ahead, and told to the ledger.

What a set refuses is found out on the way and done without: ``$select``, a filter by enumerations, large pages, a way from page
to page.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ifs_bi_core.ledger.keys import key_text

from tap_ifs_cloud.ahead import Answer, PagesAhead, Question
from tap_ifs_cloud.outcomes import RefusedError, TooSlowError
from tap_ifs_cloud.paging import Ask, Walk
from tap_ifs_cloud.state_filter import Split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tap_ifs_cloud.asking import Asking
    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.learned import Learned
    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.state_filter import StateFilter
    from tap_ifs_cloud.surroundings import Surroundings
    from tap_ifs_cloud.wire_rows import PageDecoder

Row = dict[str, Any]


class SetPages:
    """The pages of one entity set.

    Args:
        asking: what is asked for.
        config: the settings.
        cloud: where it is read.
        surroundings: log, ledger, clock and turns.
        learned: what earlier readings taught about the server.

    Attributes:
        learned: the same with what was found out since; of the pages' size and order, when the last one has come.
        longest: rows of the longest page that came.
    """

    def __init__(
        self,
        asking: Asking,
        config: Mapping[str, Any],
        cloud: IfsCloud,
        surroundings: Surroundings,
        learned: Learned,
    ) -> None:
        self.learned = learned
        self.longest = 0
        self._asking = asking
        self._name = asking.name
        self._config = config
        self._cloud = cloud
        self._around = surroundings
        self._log = surroundings.log
        self._select = asking.selected
        self._select_works = False
        self._known_split: Split | None = None
        self._page = 0

    @property
    def scope(self) -> str:
        """The filter that every question carries: the companies, and the entity's own, as far as the server takes it."""
        return self._asking.scope(self._split.server)

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
        source = self._asking.source
        own = source.filter
        if own is None or not own.states or not (self.learned.filters_here or self._is_refused(own)):
            return Split(source.entity.filter or "")
        split = own.split(self._name)
        if not self.learned.filters_here:
            self._log.warning("%s refuses to filter by %s; rows are filtered here", self._name, ", ".join(own.states))
            self.learned = replace(self.learned, filters_here=True)
        return split

    def _is_refused(self, own: StateFilter) -> bool:
        """Whether the server refuses the filter, asked for one row."""
        url = self._asking.url(Ask(1, self._asking.scope(own.text)), (), (), expand=False)
        try:
            with self._around.waiting():
                self._cloud.page(url, f"{self._name} filter", may_shrink=True)
        except TooSlowError:
            return False
        except RefusedError as error:
            hint = own.hint()
            if hint:
                raise RefusedError(f"{error} {hint}") from None
            return True
        return False

    @property
    def refuses_select(self) -> bool:
        """Whether the set is known to answer with whole rows alone."""
        return self.learned.whole_rows

    def select_nothing(self) -> bool:
        """Ask for whole rows instead of what a catalog leaves of them; False where that is no difference."""
        before, self._select = self._select, self._asking.source.entity.select
        return before != self._select

    def first(self, base_filter: str, order: Sequence[Property], *, descending: bool = False) -> Row | None:
        """The first row of a question, whole; None where there is none."""
        ordered = [replace(prop, name=f"{prop.name} desc") for prop in order] if descending else order
        url = self._asking.url(Ask(1, base_filter), ordered, (), expand=False)
        with self._around.waiting():
            rows = self._cloud.page(url, f"{self._name} first row").rows
        return rows[0] if rows else None

    def pages(
        self,
        order: Sequence[Property],
        base_filter: str,
        *,
        select: Sequence[str] | None,
        expected: int | None,
        decoder: PageDecoder | None = None,
        is_all: Callable[[int], bool] | None = None,
    ) -> Iterator[Answer]:
        """The answers to a question, page by page, each with the rows that are new and that pass what is filtered here.

        Args:
            order: what the rows are ordered by; together unique.
            base_filter: which rows.
            select: properties to ask for, if not those of the entity; whole rows come where the set refuses ``$select``.
            expected: how many rows there should be, where that is known.
            decoder: gives the rows a type of their own; not asked where rows are filtered here, by whatever they hold.
            is_all: hears how many rows came with a page that may be the last one, after it was taken; says whether these are
                all there can be, so that nobody has to ask what lies behind it.
        """
        wanted = self._select if select is None else tuple(select)
        decoder = None if self._split.names else decoder
        if wanted:
            wanted = tuple(dict.fromkeys((*wanted, *self._split.names)))
        paging, page_size = self._config["paging"], self._config["page_size"]
        mode = None if paging == "auto" else paging
        walk = Walk(self._name, order, base_filter, page_size, mode, learned=self.learned)

        def question(ask: Ask, further: int, *, may_shrink: bool) -> Question:
            url = self._asking.url(ask, order, self._chosen(wanted), expand=select is None)
            operation = f"{self._name} page {self._page + 1 + further}"
            return Question(
                partial(self._asked, url, operation, decoder, may_shrink=may_shrink),
                partial(self._fetched, url, operation, decoder, may_shrink=may_shrink),
            )

        ahead = PagesAhead(walk, self._around.turns, question, tell=self._tell, expected=expected)
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
                    if not walk.fall_back() and not self._does_without(chosen):
                        raise
                    continue
                self._select_works = self._select_works or bool(chosen and not walk.ask.link)
                rows = walk.received(answer.rows, answer.link)
                self._page += 1
                ahead.look_ahead()
                self._account_for(rows, answer.url)
                self._around.progress.add(len(rows), 1)
                for sentence in walk.news():
                    self._log.info("%s", sentence)
                came = len(answer.rows)
                self.longest = max(self.longest, came)
                yield replace(answer, rows=self._split.kept(rows))
                del answer, rows  # before the next one is decoded
                if is_all and walk.ask and walk.may_have_ended and is_all(came):
                    break
        known = self.learned
        self.learned = replace(walk.learned, whole_rows=known.whole_rows, filters_here=known.filters_here)

    def _chosen(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        return () if self.learned.whole_rows else wanted

    def _does_without(self, chosen: tuple[str, ...]) -> bool:
        """Ask for whole rows, where it may be these properties that were refused; False where it can't be that."""
        if not chosen or self._select_works:
            return False
        self._log.warning("%s refuses $select; whole rows are read", self._name)
        self.learned = replace(self.learned, whole_rows=True)
        return True

    def _tell(self, sentence: str) -> None:
        self._log.info("%s: %s", self._name, sentence)

    def _asked(self, url: str, operation: str, decoder: PageDecoder | None, *, may_shrink: bool) -> Answer:
        asked_at = self._around.clock()
        page = self._cloud.page(url, operation, may_shrink=may_shrink, decoder=decoder)
        return Answer(page.rows, page.link, url, asked_at, self._around.clock())

    def _fetched(
        self, url: str, operation: str, decoder: PageDecoder | None, *, may_shrink: bool
    ) -> Callable[[], Answer]:
        asked_at = self._around.clock()
        read = self._cloud.fetch(url, operation, may_shrink=may_shrink, decoder=decoder)
        received_at = self._around.clock()

        def answer() -> Answer:
            page = read()
            return Answer(page.rows, page.link, url, asked_at, received_at)

        return answer

    def _account_for(self, rows: list[Row], url: str) -> None:
        """Tell the ledger of a page and of the rows in it that are new."""
        run = self._around.run
        if run is None:
            return
        source = self._asking.source
        names = sorted(prop.name for prop in source.key)
        first, last = (key_text(rows[place], names) if rows else None for place in (0, -1))
        run.page(source.entity.name, number=self._page, rows=len(rows), query=url, first_key=first, last_key=last)
