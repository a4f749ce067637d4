"""Which page to ask for next, so that no row is lost: decisions only, no request is made here.

IFS Cloud's documentation knows client paging alone (``$top``, ``$skip``, ``$orderby``) and warns that rows are missed or
doubled when the set changes meanwhile; tenants were seen that send ``@odata.nextLink`` and tenants that cap a page without
a word. So:

- *keyset* asks for what lies behind the last row in the order of the rows. Nothing that happens before that row matters.
- *skip* counts rows, and asks for the last row again: where it is not there, rows before it have gone, and the walk steps
  back until it stands on known ground.
- A ``@odata.nextLink`` is followed where there is one.
- A page shorter than asked for is the end only if the server has shown that it gives longer ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ifs_bi_core.errors import ContractBrokenError

from tap_ifs_cloud.odata import after, all_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_ifs_cloud.metadata import Property

Mode = Literal["keyset", "skip"]
Row = dict[str, Any]

_PATIENCE = 3  # equal answers in a row, while counting, that a changing set is given credit for


@dataclass(frozen=True)
class Ask:
    """One page to ask for: either a link that the server gave, or a filter and an offset.

    ``overlaps`` says that the page should begin with a row that is known already.
    """

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
        page_size: rows to ask for.
        mode: how to go on where the server gives no link.

    Attributes:
        ask: the next page, or None at the end.
        page: how many pages were received.
        capped_at: rows of a page that the server cut below ``page_size``, once that was noticed.
    """

    def __init__(
        self, stream: str, order: Sequence[Property], base_filter: str, page_size: int, mode: Mode = "keyset"
    ) -> None:
        self._stream = stream
        self._order = tuple(order)
        self._base_filter = base_filter
        self._page_size = page_size
        self._mode = mode
        self._last_page: frozenset[tuple[Any, ...]] = frozenset()  # positions of the last page's rows
        self._last_row: Row | None = None
        self._longest = 0  # rows of the longest page so far: what the server is able to give
        self._since_ask = 0  # rows since the last ask that was no link
        self._offset = 0  # rows of the set before the next one, as far as this walk has counted
        self._links: set[str] = set()
        self._answered: list[tuple[Any, ...]] = []  # positions of the last answer
        self._repeated = 0
        self.page = 0
        self.capped_at: int | None = None
        self.ask: Ask | None = Ask(filter=base_filter)

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
        positions = [self._position(row) for row in rows]
        self._refuse_repetition(asked, positions)
        known = [index for index, position in enumerate(positions) if position in self._last_page]
        if asked.overlaps and asked.skip and not known:
            # The row that should have been met again isn't there: rows before it have gone. Back to known ground.
            self.ask = replace(asked, skip=max(0, asked.skip - self._page_size))
            return []
        new = rows[known[-1] + 1 :] if known else rows
        if rows:
            self._last_page = frozenset(positions)
            self._last_row = rows[-1]
        self._since_ask = len(rows) + (self._since_ask if asked.link else 0)
        self._offset = asked.skip + len(rows) if asked.overlaps else self._offset + len(rows)
        met_only_the_last = asked.overlaps and len(rows) == 1 and not new
        self.ask = None if met_only_the_last and not link else self._next(rows, link)
        return new

    def _refuse_repetition(self, asked: Ask, positions: list[tuple[Any, ...]]) -> None:
        """Where the walk moved on and the page is the one before, the server does not heed what it is asked.

        Counting rows of a set that loses some can meet one page twice; nothing meets it again and again.
        """
        same = bool(positions) and positions == self._answered and len(positions) > asked.overlaps
        self._answered = positions
        self._repeated = self._repeated + 1 if same else 0
        if self._repeated > (_PATIENCE if asked.overlaps else 0):
            raise ContractBrokenError(
                f"{self._stream}: IFS Cloud sent page {self.page - 1} again instead of page {self.page}. "
                f"Set `paging: {'skip' if self._mode == 'keyset' else 'keyset'}`, then run again."
            )

    def fall_back(self) -> bool:
        """Go on by counting rows where the server refuses the keyset filter; False where that was no keyset filter."""
        if self._mode == "skip" or self.ask is None or self.ask.link or self.ask.filter == self._base_filter:
            return False
        self._mode = "skip"
        self.ask = self._by_skip()
        return True

    def _next(self, rows: list[Row], link: str | None) -> Ask | None:
        if link:
            if link in self._links:
                raise ContractBrokenError(
                    f"{self._stream}: IFS Cloud gave the same @odata.nextLink twice (page {self.page}). "
                    f"Nothing was lost so far; report it to IFS support, or set `paging: skip`."
                )
            self._links.add(link)
            return Ask(link=link)
        if self._since_ask == 0:
            return None
        if self._links and self._since_ask != self._page_size:
            return None  # a server that gives links ended them; at exactly $top rows it may have meant the $top
        if self._since_ask < self._page_size:
            if self._since_ask < self._longest:
                return None
            self._noticed_cap(len(rows))
        self._longest = max(self._longest, len(rows))
        return self._by_keyset() if self._mode == "keyset" else self._by_skip()

    def _noticed_cap(self, rows: int) -> None:
        # A second short page of the same length says that the server, not the set, ended the first one.
        if self.page > 1 and rows == self._longest:
            self.capped_at = rows

    def _by_keyset(self) -> Ask:
        if self._last_row is None:
            raise RuntimeError("no row to go on from")
        return Ask(filter=all_of(self._base_filter, after(self._last_row, self._order)))

    def _by_skip(self) -> Ask:
        if self._longest <= 1:  # a page of one row has no room to meet a known one
            return Ask(filter=self._base_filter, skip=self._offset)
        return Ask(filter=self._base_filter, skip=self._offset - 1, overlaps=True)

    def _position(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        position = tuple(row.get(prop.name) for prop in self._order)
        if None in position:
            names = ", ".join(prop.name for prop in self._order)
            raise ContractBrokenError(
                f"{self._stream} page {self.page}: a row has no value for what the pages are ordered by ({names}). "
                f"Name the entity's real key with `key`, then run again."
            )
        return position
