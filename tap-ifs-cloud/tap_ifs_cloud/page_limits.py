"""How a system cuts pages: whether it heeds ``$top``, links to the next page, or gives fewer rows without a word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.odata import collection_url
from tap_ifs_cloud.outcomes import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_ifs_cloud.client import IfsCloud


@dataclass(frozen=True)
class PageLimits:
    """What one page of an entity set showed.

    Attributes:
        entity_set: the set.
        asked: rows that were asked for with ``$top``.
        rows: rows that came.
        link: whether the page led to a next one by ``@odata.nextLink``.
        more: whether there are rows behind a short page without a link; None where that did not matter or is not known.
    """

    entity_set: str
    asked: int
    rows: int
    link: bool
    more: bool | None = None

    @property
    def is_certain(self) -> bool:
        """Whether the set is large enough to tell how pages of it are cut."""
        return self.rows >= self.asked or self.link or bool(self.more)

    @property
    def sentence(self) -> str:
        """What was found, and what the tap makes of it."""
        asked = f"{self.entity_set} was asked for {self.asked:,} rows"
        if self.rows > self.asked:
            return (
                f"{asked} and gave {self.rows:,}: $top is not heeded, and pages are as large as the system makes them."
            )
        if self.link:
            return (
                f"{asked} and gave {self.rows:,} with a link to the next page: there are more. "
                f"The tap asks for them by key, and follows links where the set takes nothing else."
            )
        if self.more:
            return (
                f"{asked} and gave {self.rows:,} without a word of the others: the system cuts pages there. "
                f"The tap notices it and asks for what is behind."
            )
        if self.rows == self.asked:
            return f"{asked} and gave them: pages of `page_size` are not cut."
        return f"{asked} and gave all {self.rows:,} that it has: too few to tell where the system cuts pages."

    @property
    def facts(self) -> dict[str, Any]:
        """The same for a program; ``cap`` is where the system cuts pages, as far as that shows."""
        return {
            "entity_set": self.entity_set,
            "asked": self.asked,
            "rows": self.rows,
            "next_link": self.link,
            "cap": self.rows if self.link or self.more else None,
            "top_heeded": self.rows <= self.asked,
        }


def page_limits(cloud: IfsCloud, service: str, entity_set: str, key: Sequence[str], page_size: int) -> PageLimits:
    """Ask for a page of keys, and for the row behind it where the page came short.

    Raises:
        IfsBiError: the set can't be read.
    """
    operation = f"a page of {service.rpartition('/')[2]}/{entity_set}"
    order = ",".join(key)
    options = {"$select": order, "$orderby": order}
    try:
        page = cloud.page(collection_url(service, entity_set, options | {"$top": str(page_size)}), operation)
    except RefusedError:
        options = {"$orderby": order}
        page = cloud.page(collection_url(service, entity_set, options | {"$top": str(page_size)}), operation)
    rows = len(page.rows)
    more = None
    if 0 < rows < page_size and page.link is None:
        behind = collection_url(service, entity_set, options | {"$top": "1", "$skip": str(rows)})
        more = bool(cloud.page(behind, operation).rows)
    return PageLimits(entity_set, page_size, rows, page.link is not None, more)
