"""Every row of a set that is no stream: the tenant's list of projections, or of the companies by which others are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_ifs_cloud.asking import page_options
from tap_ifs_cloud.odata import collection_url
from tap_ifs_cloud.outcomes import RefusedError
from tap_ifs_cloud.paging import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_ifs_cloud.client import IfsCloud
    from tap_ifs_cloud.metadata import Property


def all_rows(
    cloud: IfsCloud,
    service: str,
    entity_set: str,
    key: Sequence[Property],
    page_size: int,
    select: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """Every row of a set in the order of its key, whatever way of paging the server allows.

    Args:
        cloud: the system.
        service: address of the projection.
        entity_set: the set.
        key: of the set.
        page_size: rows to ask for a page.
        select: properties to ask for beside the key; none: whole rows, which also come where the set refuses ``$select``.

    Raises:
        IfsBiError: the set can't be read.
    """
    where = f"{service.rpartition('/')[2]}/{entity_set}"
    walk = Walk(where, key, "", page_size)
    while walk.ask:
        url = walk.ask.link or collection_url(service, entity_set, page_options(walk.ask, key, select))
        try:
            page = cloud.page(url, f"{where} page {walk.page + 1}")
        except RefusedError:
            if walk.fall_back():
                continue
            if not select:
                raise
            select = ()
            continue
        yield from walk.received(page.rows, page.link)
