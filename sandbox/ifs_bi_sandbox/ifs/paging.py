"""How many rows one answer holds, and the link to the next.

Sources disagree about what IFS Cloud does, so the mode is a switch:

- ``client``: the client pages with ``$top`` and ``$skip``. ``$top`` is cut to ``max_rows``; without it, every row comes.
- ``next_absolute``, ``next_relative``: pages of ``page_cap`` rows, and ``@odata.nextLink`` with ``$skiptoken`` while rows
  are left; ``$top`` limits their sum. A relative link is relative to the service root, as OData has it.
- ``silent_cap``: never more than ``page_cap`` rows and no link.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

from ifs_bi_sandbox.ifs.errors import bad_request

if TYPE_CHECKING:
    from ifs_bi_sandbox.ifs.query import Query
    from ifs_bi_sandbox.world import Switches


class Window(NamedTuple):
    """The rows of one answer: ``offset`` of the first, at most ``limit`` (None: all), and whether a link may follow."""

    offset: int
    limit: int | None
    served: int  # on earlier pages
    linked: bool

    def following(self) -> str:
        """The ``$skiptoken`` of the page after this one."""
        rows = self.limit or 0
        return base64.urlsafe_b64encode(f"{self.offset + rows},{self.served + rows}".encode()).decode().rstrip("=")


def window(query: Query, switches: Switches) -> Window:
    """The window that a query gets under the tenant's switches.

    Raises:
        OdpError: 400 for a ``$skiptoken`` that was not issued here.
        ValueError: An unknown paging mode.
    """
    offset, served = (query.skip, 0) if query.skiptoken is None else _read(query.skiptoken)
    wanted = None if query.top is None else max(query.top - served, 0)
    most = switches.max_rows or None
    match switches.paging:
        case "client":
            return Window(offset, None if wanted is None else _least(wanted, most), served, linked=False)
        case "silent_cap":
            return Window(offset, _least(wanted, most, switches.page_cap), served, linked=False)
        case "next_absolute" | "next_relative":
            limit = _least(wanted, most, switches.page_cap)
            return Window(offset, limit, served, linked=wanted is None or wanted > (limit or 0))
    raise ValueError(f"The switch paging is {switches.paging!r}.")


def next_link(root: str, resource: str, raw_query: str, token: str, *, absolute: bool) -> str:
    """The address of the next page: the options of this one, as they came, with ``$skiptoken`` instead of ``$skip``.

    Args:
        root: The service root, ending with ``.svc/``.
        resource: The raw path below it.
        raw_query: The raw query string of this page.
        token: The next page's ``$skiptoken``.
        absolute: Whether the root stands in front.
    """
    dropped = ("$skip=", "$skiptoken=", "%24skip=", "%24skiptoken=")
    kept = [option for option in raw_query.split("&") if option and not option.startswith(dropped)]
    return f"{root if absolute else ''}{resource}?{'&'.join([*kept, f'$skiptoken={token}'])}"


def _read(token: str) -> tuple[int, int]:
    try:
        offset, served = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).split(b",")
        return int(offset), int(served)
    except ValueError:
        raise bad_request(f"$skiptoken {token!r} is not valid.") from None


def _least(*limits: int | None) -> int | None:
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None
