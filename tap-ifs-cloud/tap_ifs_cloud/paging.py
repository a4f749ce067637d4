"""Which page to ask for next, so that no row is lost: decisions only, no request is made here.

IFS Cloud's documentation knows client paging alone (``$top``, ``$skip``, ``$orderby``) and warns that rows are missed or
doubled when the set changes meanwhile; tenants were seen that send ``@odata.nextLink`` and tenants that cap a page without
a word. So:

- *keyset* asks for what lies behind the last row in the order of the rows. Nothing that happens before that row matters.
- *skip* counts rows, and asks for the last row again: where it is not there, rows before it have gone, and the walk steps
  back until it stands on known ground.
- *link* follows ``@odata.nextLink`` page after page. What a link counts is unknown; where it counts rows, each row that goes
  or moves meanwhile hides another. So a link is a promise that there is more, and is followed where a page gave no row to
  go on from, and all the way where the set takes neither of the other two.
- A page shorter than asked for is the end only if the server has shown that it gives as many rows as it is asked for, or if
  whoever reads knows that there can be no more (`Walk.may_have_ended`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError

from tap_ifs_cloud.learned import Learned, Mode, in_code_point_order
from tap_ifs_cloud.odata import after, all_of
from tap_ifs_cloud.wire_rows import column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_ifs_cloud.metadata import Property

Row = dict[str, Any]

SMALLEST_PAGE = 100
"""Rows. A page that is too slow is halved, but not below this."""

_ORDERED = frozenset({str, int, bool, Decimal})
"""What rows can be ordered by; a structure or a list is no value."""

_PATIENCE = 10  # equal answers in a row, while counting, that a changing set is given credit for


@dataclass(frozen=True)
class Ask:
    """One page to ask for: a filter and an offset, or a link that the server gave when it was asked for them.

    ``top`` is the most rows wanted, 0 for no such limit. ``overlaps`` says that the page should begin with a row that is known
    already.
    """

    top: int = 0
    filter: str = ""
    skip: int = 0
    link: str | None = None
    overlaps: bool = False


class Walk:
    """The way through one entity set, page by page.

    Args:
        stream: for errors.
        order: what the rows are ordered by, ascending; together unique, never null.
        base_filter: what every page is restricted to.
        page_size: rows to ask for. One is taken for two: counting needs room to meet a known row.
        mode: how to go from page to page; None: the surest way that the set accepts.
        learned: what an earlier walk through the set found out.

    Attributes:
        ask: the next page, or None at the end.
        page: how many pages were received.
        may_have_ended: whether the last page was shorter than asked for, with nothing that says that there is more.
    """

    def __init__(
        self,
        stream: str,
        order: Sequence[Property],
        base_filter: str,
        page_size: int,
        mode: Mode | None = None,
        *,
        learned: Learned | None = None,
    ) -> None:
        self._stream = stream
        self._order = tuple(order)
        self._base_filter = base_filter
        self._before = learned or Learned()
        self._may_choose = mode is None
        self._mode: Mode = mode or self._before.mode
        self._configured = max(2, page_size)
        self._page_size = self._before.first_page_size(self._configured)
        self._capped_at = self._before.capped_at
        self._shrunk = self._untold_shrinking = False
        self._news: list[str] = []
        self._last_page: frozenset[tuple[Any, ...]]  # positions of the last page's rows
        self._last_row: Row | None  # what the last row is ordered by
        self._longest = 0  # rows of the longest page so far
        self._heeded = 0  # the largest `top` that was answered with as many rows
        self._since_ask = 0  # rows since the last ask that was no link
        self._offset: int  # rows of the set before the next one, as far as this walk has counted
        self._links: set[str] = set()  # that were followed since the last ask that was none
        self._led_to: Counter[Ask] = Counter()  # questions to which links led back
        self._sends_links = False
        self._backward = 0  # steps back
        self._beyond = 0  # looks beyond the last row that found one
        self._answered: list[tuple[Any, ...]]  # positions of the last answer
        self._repeated: int
        self.page = 0
        self.may_have_ended = False
        self.ask: Ask | None = self._from_the_start()

    @property
    def learned(self) -> Learned:
        """What the next walk should know."""
        mode = self._mode if self._may_choose else self._before.mode
        known = replace(self._before, mode=mode, capped_at=self._capped_at)
        return known.after_walk(self._configured, self._page_size, shrunk=self._shrunk)

    def news(self) -> list[str]:
        """What was found out since the last time, in sentences for a person."""
        told, self._news = self._news, []
        return told

    def received(self, rows: list[Row], link: str | None) -> list[Row]:
        """Take a page and decide on the next.

        Args:
            rows: as the server sent them, in order.
            link: its ``@odata.nextLink``, absolute; None where there is none or it may not be followed.

        Returns:
            The rows that are new.

        Raises:
            ContractBrokenError: the server repeats a page or a link, or gives a row without its ordering values.
        """
        asked = self.ask
        if asked is None:
            raise RuntimeError("a page was received after the end")
        self.page += 1
        self.may_have_ended = False
        self._sends_links = self._sends_links or link is not None
        if not asked.link:
            self._links, self._since_ask = set(), 0
        if link and not rows:
            self.ask = self._followed(asked, link)
            return []
        positions = self._positions(rows)
        if self._is_repetition(asked, positions):
            self._leave_repetition()
            return []
        if asked.skip and not asked.overlaps and not asked.link:
            self._looked_beyond(positions)
            return []
        here, before = frozenset(positions), self._last_page
        known = [index for index, position in enumerate(positions) if position in before] if here & before else []
        if asked.overlaps and asked.skip and not known:
            # The row that should have been met again isn't there: rows before it have gone. Back to known ground.
            self._go_back()
            self.ask = replace(asked, skip=max(0, asked.skip - asked.top), link=None)
            return []
        new = rows[known[-1] + 1 :] if known else rows
        if rows:
            self._last_page = here
            self._last_row = self._place(positions[-1])
        self._since_ask += len(rows)
        self._offset = asked.skip + len(rows) if asked.overlaps else self._offset + len(rows)
        if not asked.link and len(rows) >= asked.top:
            self._heeded = max(self._heeded, asked.top)
        self._tell_of_shrinking()
        self.may_have_ended = not link and not asked.link and not self.is_full(asked, len(rows), link)
        self.ask = self._next(asked, rows, link, met_only_the_last=asked.overlaps and len(rows) == 1 and not new)
        if asked.link and self.ask and not self.ask.link:
            self._notice_circle(self.ask)
        return new

    @property
    def stands_on_a_key(self) -> bool:
        """Whether the next page is asked for by the last row's key, so that pages behind it can be asked for as well."""
        ask = self.ask
        return self._mode == "keyset" and ask is not None and not ask.link and ask.filter != self._base_filter

    def is_full(self, asked: Ask, rows: int, link: str | None) -> bool:
        """Whether an answer is as long as this server's answers get: then there is a next one, as far as can be told."""
        return rows > 0 and (bool(link) or (asked.top > 0 and rows >= asked.top) or rows == self._capped_at)

    def behind_the_last(self, asked: Ask, rows: list[Row], link: str | None) -> list[Row] | None:
        """Take the answer to another question for one to the next, as far as it is the same.

        A question that begins with rows before the last one shows by it where that stands. What follows is what the next
        question would have brought at that moment, with a smaller ``top``; the next question becomes that one.

        Args:
            asked: the other question, of the same order and with a ``top``, which begins behind another row.
            rows: what it brought.
            link: its ``@odata.nextLink``.

        Returns:
            What the walk is to receive; None where the last row is not among the rows, or nothing is to be learnt behind it.
        """
        if not self.stands_on_a_key or self.ask is None or self._last_row is None:
            return None
        last = self._position(self._last_row)
        place = next((index for index, row in enumerate(rows) if self._position(row) == last), None)
        if place is None or asked.top <= place + 1 or (link and len(rows) <= place + 1):
            return None
        self.ask = replace(self.ask, top=asked.top - place - 1)
        return rows[place + 1 :]

    def fall_back(self) -> bool:
        """Go on in another way, where the server refuses the page that was asked for; False where there is none, or one is set.

        A keyset filter that is refused is done without by counting rows; ``$skip`` by links, if the server sends them.
        """
        if self.ask is None or self.ask.link or not self._may_choose:
            return False
        if self._mode == "keyset" and self.ask.filter != self._base_filter:
            self._count("it refuses filters on what it is ordered by")
            self.ask = self._onward()
        elif self._mode == "skip" and self.ask.skip and self._sends_links:
            self._follow_links("it refuses $skip")
            self.ask = self._from_the_start()
        else:
            return False
        return True

    @property
    def can_shrink(self) -> bool:
        """Whether a smaller page than the next one can be asked for. The size of a link's page is the server's affair."""
        if self.ask is None or self._mode == "link" or (self.ask.link and self._last_row is None):
            return False
        return self._page_size > SMALLEST_PAGE

    def shrink(self) -> bool:
        """Ask for half as many rows, from here on, since there was no answer in time; False where that can't be."""
        if self.ask is None or not self.can_shrink:
            return False
        self._page_size = max(SMALLEST_PAGE, self._page_size // 2)
        self._shrunk = self._untold_shrinking = True
        self.ask = self._onward() if self.ask.link else replace(self.ask, top=self._page_size)
        return True

    def _is_repetition(self, asked: Ask, positions: list[tuple[Any, ...]]) -> bool:
        """Where the walk moved on and the page is the one before, the server does not heed what it is asked.

        Counting rows of a set that changes can meet one page twice; nothing meets it again and again.
        """
        same = bool(positions) and positions == self._answered and len(positions) > asked.overlaps
        self._answered = positions
        self._repeated = self._repeated + 1 if same else 0
        return self._repeated > (0 if self._mode == "keyset" and not asked.link else _PATIENCE)

    def _go_back(self) -> None:
        """Take note of a step back; a walk of which every third is one comes to no end."""
        self._backward += 1
        if self._backward > _PATIENCE and self._backward * 3 > self.page:
            raise ContractBrokenError(
                f"{self._stream} page {self.page}: the last row of a page is missing from the next one again and again, so rows "
                f"can't be counted. Run again when fewer of them change, or set `paging: keyset`."
            )

    def _notice_circle(self, ask: Ask) -> None:
        self._led_to[ask] += 1
        if self._led_to[ask] > 2 * _PATIENCE:  # only where nothing else has ended it
            raise ContractBrokenError(
                f"{self._stream} page {self.page}: the links that IFS Cloud sends lead back to the same rows again and again. "
                f"Report it to IFS support, or set `paging: skip`, then run again."
            )

    def _leave_repetition(self) -> None:
        self._answered, self._repeated = [], 0
        if self._may_choose and self._mode == "keyset":
            self._count("it sends a page again instead of what lies behind it")
            self.ask = self._onward()
        elif self._may_choose and self._mode == "skip" and self._sends_links:
            self._follow_links("it sends a page again instead of the next")
            self.ask = self._from_the_start()
        else:
            other = "skip" if self._mode == "keyset" else "keyset"
            raise ContractBrokenError(
                f"{self._stream}: IFS Cloud sent page {self.page - 1} again instead of page {self.page}. "
                f"Set `paging: {other}`, then run again."
            )

    def _next(self, asked: Ask, rows: list[Row], link: str | None, *, met_only_the_last: bool) -> Ask | None:
        if link and (self._mode == "link" or met_only_the_last):
            return self._followed(replace(asked, skip=0, overlaps=False), link)
        if met_only_the_last and self._longest <= 1:
            # The set may have this one row, or the server may give one at a time: a look beyond it tells.
            return replace(asked, skip=self._offset, overlaps=False)
        if not rows or met_only_the_last or self._is_end(asked, rows, link):
            return None
        self._longest = max(self._longest, len(rows))
        # What a filter has left out by then, where the order is not what it compares by, is unknown.
        again = self._is_foreign_order(rows) and asked.filter != self._base_filter
        return self._from_the_start() if again else self._onward()

    def _looked_beyond(self, positions: list[tuple[Any, ...]]) -> None:
        """Nothing beyond the last row is the end; something has come by now, or there is no room to meet a known row."""
        self._beyond = self._beyond + 1 if positions else 0
        if self._beyond > _PATIENCE:
            raise ContractBrokenError(
                f"{self._stream}: IFS Cloud gives one row a page, which can't be counted safely. "
                f"Set `paging: keyset`, then run again."
            )
        self.ask = self._onward() if positions else None

    def _is_end(self, asked: Ask, rows: list[Row], link: str | None) -> bool:
        if link:
            return False
        if self._mode == "link":
            return True
        if self._sends_links and self._since_ask != asked.top:
            return True  # a server that gives links ended them; at exactly $top rows it may have meant the $top
        if len(rows) >= asked.top:
            return False
        if len(rows) < self._heeded:
            return True
        self._notice_cap(len(rows))
        return False

    def _notice_cap(self, rows: int) -> None:
        # A second short page of the same length says that the server, not the set, ended the first one.
        if self.page > 1 and rows == self._longest and rows != self._capped_at:
            self._capped_at = rows
            self._news.append(f"IFS Cloud cuts pages of {self._stream} to {rows} rows")

    def _is_foreign_order(self, rows: list[Row]) -> bool:
        """Filters on the order are good only where the server sorts as it compares; else the rows are counted."""
        if self._mode != "keyset" or not self._may_choose or in_code_point_order(rows, self._order):
            return False
        self._count("its texts are sorted by the rules of a language")
        return True

    def _count(self, reason: str) -> None:
        self._mode = "skip"
        self._news.append(f"The rows of {self._stream} are counted from page to page, since {reason}")

    def _follow_links(self, reason: str) -> None:
        """From the start and without a ``$top``, which would end the links too."""
        self._mode = "link"
        self._news.append(
            f"The links that IFS Cloud sends with {self._stream} are followed, since {reason}; rows that go meanwhile may hide "
            f"others until the next run"
        )

    def _tell_of_shrinking(self) -> None:
        if self._untold_shrinking:
            self._untold_shrinking = False
            self._news.append(
                f"Pages of {self._stream} have {self._page_size} rows from here on: larger ones come too late"
            )

    def _from_the_start(self) -> Ask:
        self._last_page, self._last_row, self._offset = frozenset(), None, 0
        self._answered, self._repeated = [], 0
        return Ask(0 if self._mode == "link" else self._page_size, self._base_filter)

    def _followed(self, asked: Ask, link: str) -> Ask:
        if link in self._links:
            raise ContractBrokenError(
                f"{self._stream}: IFS Cloud gave the same @odata.nextLink twice (page {self.page}). "
                f"Nothing was lost so far; report it to IFS support, or set `paging: skip`."
            )
        self._links.add(link)
        return replace(asked, link=link)

    def _onward(self) -> Ask:
        """The page behind the last row, by its key or by counting."""
        if self._last_row is None:
            return self._from_the_start()
        if self._mode == "keyset":
            return Ask(self._page_size, all_of(self._base_filter, after(self._last_row, self._order)))
        return Ask(self._page_size, self._base_filter, skip=self._offset - 1, overlaps=True)

    def _place(self, position: tuple[Any, ...]) -> Row:
        """A row as far as it matters here; a whole one would hold the text of its page in memory until the next has come."""
        return dict(zip((prop.name for prop in self._order), position, strict=True))

    def _positions(self, rows: list[Row]) -> list[tuple[Any, ...]]:
        columns = [column(rows, prop.name) for prop in self._order]
        if any(not set(map(type, values)) <= _ORDERED for values in columns):
            return [self._position(row) for row in rows]  # the first one that lacks a value says so
        return list(zip(*columns, strict=True))

    def _position(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        position = tuple(row.get(prop.name) for prop in self._order)
        if not set(map(type, position)) <= _ORDERED:
            names = ", ".join(prop.name for prop in self._order)
            raise ContractBrokenError(
                f"{self._stream} page {self.page}: a row has no value for what the pages are ordered by ({names}). "
                f"Name the entity's real key with `key`, then run again."
            )
        return position
