"""One row of an entity set, and what it tells about the set: whether rows carry ETags, and whether they do under ``$select``."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ifs_bi_core.errors import ContractBrokenError

from tap_ifs_cloud.odata import ETAG_MEMBER, collection_url, row_version
from tap_ifs_cloud.outcomes import RefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_ifs_cloud.client import IfsCloud


@dataclass(frozen=True)
class FirstRow:
    """What asking for one row brought.

    Attributes:
        rows: how many came, though one was asked for; None where none could be had.
        etag: whether the row carried one; None where no row came.
        row_version: the time of its last change that the ETag holds, fixed width; None where it holds none.
        under_select: whether a row of a ``$select`` carried the ETag as well; None where ``$select`` is refused.
        refusal: why none could be had, as a sentence.
    """

    rows: int | None
    etag: bool | None = None
    row_version: str | None = None
    under_select: bool | None = None
    refusal: str | None = None

    @property
    def sentence(self) -> str:
        """What is known of the set's ETags."""
        if self.refusal is not None:
            return f"not known: {self.refusal}"
        if self.etag is None:
            return "not known: the set is empty for this user"
        if not self.etag:
            return "no"
        text = "yes, with the time of the row's last change" if self.row_version else "yes, but none that holds a time"
        if self.under_select is None:
            return f"{text}; $select is refused"
        return text if self.under_select else f"{text}; rows of a $select carry none"


def first_row(cloud: IfsCloud, service: str, entity_set: str, select: Sequence[str]) -> FirstRow:
    """Ask for one row: of the properties ``select`` alone, and of all where that doesn't tell enough.

    Raises:
        IfsBiError: what says nothing about this set: no sign-in, no answer.
    """
    operation = f"one row of {service.rpartition('/')[2]}/{entity_set}"

    def ask(options: dict[str, str]) -> list[dict[str, Any]]:
        return cloud.page(collection_url(service, entity_set, {**options, "$top": "1"}), operation).rows

    selected: list[dict[str, Any]] | None = None
    try:
        with contextlib.suppress(RefusedError):
            selected = ask({"$select": ",".join(select)})
        rows = selected if selected is not None and (not selected or _etag(selected)) else ask({})
    except ContractBrokenError as error:
        return FirstRow(None, refusal=str(error))
    if not rows:
        return FirstRow(0)
    etag = _etag(rows)
    under_select = None if selected is None else _etag(selected) is not None
    return FirstRow(len(rows), etag is not None, row_version(etag), under_select)


def _etag(rows: list[dict[str, Any]]) -> str | None:
    etag = rows[0].get(ETAG_MEMBER) if rows else None
    return etag if isinstance(etag, str) and etag else None
