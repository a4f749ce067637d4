"""What a stream asks IFS Cloud for: which rows, which of their properties, and the addresses of that. No request is made here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.odata import all_of, any_equal, collection_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tap_ifs_cloud.metadata import Property
    from tap_ifs_cloud.paging import Ask
    from tap_ifs_cloud.parts import Part
    from tap_ifs_cloud.source import Source
    from tap_ifs_cloud.time_zone import SourceZone

_SELECT_LENGTH = 2_000  # characters of names; the rest of an address has to have room beside them


@dataclass(frozen=True)
class Asking:
    """What one stream asks for, or one company in it.

    Attributes:
        source: what is read.
        companies: of the setting; none: all that the service user sees.
        part: the company that is read, beside others; None: all rows, or those of ``companies`` at once.
        zone: what the server's "Z" means, if not UTC.
        deselected: properties that a catalog leaves out.
    """

    source: Source
    companies: Sequence[Any] = ()
    part: Part | None = None
    zone: SourceZone | None = None
    deselected: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The name of the stream, and of the company."""
        return self.part.label if self.part else self.source.entity.name

    def question(self, *facts: Any) -> str:
        """A short name of what is asked for: what was delivered is good for the same question alone.

        Args:
            facts: what else makes a difference.
        """
        source = self.source
        read = [[prop.name for prop in source.key], sorted(source.properties), sorted(source.expanded)]
        zone = [self.zone.name] if self.zone else []
        booleans = [sorted(source.entity.booleans)] if source.entity.booleans else []
        asked = [source.entity.where, self.scope(source.entity.filter), read, sorted(self.deselected)]
        return short_name(json.dumps([*asked, *zone, *booleans, *facts], default=str))

    def scope(self, own: str | None) -> str:
        """The filter that every question carries: the companies, and ``own``, what of the entity's filter the server is asked."""
        entity = self.source.entity
        companies = [self.part.company] if self.part else self.companies
        if not companies or not entity.company or (self.part and self.source.parent):
            return own or ""
        return all_of(any_equal(companies, self.source.properties[entity.company]), own)

    @property
    def selected(self) -> tuple[str, ...]:
        """The properties to ask for; none: whole rows.

        They are those of the entity, or what a catalog leaves, unless that is all or its names make an address too long.
        """
        if self.source.entity.select:
            return self.source.entity.select
        names = tuple(name for name in self.source.properties if name not in self.deselected)
        is_all = len(names) == len(self.source.properties)
        return () if is_all or sum(map(len, names)) > _SELECT_LENGTH else names

    def url(self, ask: Ask, order: Sequence[Property], select: Sequence[str], *, expand: bool) -> str:
        """The address of one page.

        Args:
            ask: the page; one that is asked for by a link has that for its address.
            order: what the rows are ordered by.
            select: properties to ask for; none: whole rows.
            expand: whether references come along.
        """
        expanded = {"$expand": ",".join(self.source.entity.expand)} if expand else {}
        return ask.link or self.address(page_options(ask, order, select) | expanded)

    def address(self, options: Mapping[str, str]) -> str:
        """The address of the set, or of the company's rows behind it, with these query options."""
        source = self.source
        parent = (source.parent, self.part.company) if source.parent and self.part else None
        return collection_url(source.service, source.entity.entity_set, options, parent=parent)


def page_options(ask: Ask, order: Sequence[Property], select: Iterable[str]) -> dict[str, str]:
    """The query options of one page.

    Args:
        ask: the page, which no link leads to.
        order: what the rows are ordered by; it comes along with what is selected.
        select: properties to ask for; none: whole rows.
    """
    ordering = [prop.name for prop in order]
    selected = list(select)
    return {
        "$filter": ask.filter,
        "$orderby": ",".join(ordering),
        "$select": ",".join(dict.fromkeys((*selected, *ordering))) if selected else "",
        "$top": str(ask.top) if ask.top else "",
        "$skip": str(ask.skip) if ask.skip else "",
    }


def short_name(text: str) -> str:
    """A text's digest: 16 hexadecimal digits."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
