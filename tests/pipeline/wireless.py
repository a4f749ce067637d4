"""A tenant of the sandbox, asked in this process as the tap's client asks over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.http.message import Response
from ifs_bi_sandbox.ifs.catalogue import Catalogue
from ifs_bi_sandbox.ifs.errors import OdpError
from ifs_bi_sandbox.ifs.exchange import EXACT_JSON, Call
from ifs_bi_sandbox.ifs.provider import Provider
from ifs_bi_sandbox.ifs.store import Store
from ifs_bi_sandbox.ifs.writer import Writer
from tap_ifs_cloud.client import Page
from tap_ifs_cloud.odata import follow
from tap_ifs_cloud.outcomes import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_sandbox.data.model import Projection
    from ifs_bi_sandbox.world import World

HOST = "https://ifs.invalid"
ROOT = f"{HOST}/main/ifsapplications/projection/v1/"

_REFUSED = frozenset({400, 501})


class Wireless:
    """What `tap_ifs_cloud.client.IfsCloud` gives, without a wire.

    Args:
        projections: what the tenant has.
        world: its rows, and how it behaves.

    Attributes:
        between: called behind each page of an entity set, before it is given; None for nothing.
    """

    between: Callable[[], None] | None = None

    def __init__(self, projections: tuple[Projection, ...], world: World) -> None:
        catalogue = Catalogue(projections)
        store = Store(world.database, catalogue.listing())
        self._provider = Provider(catalogue, store, Writer({}, None), world)

    def answer(self, path: str, query: str = "") -> bytes:
        """What the server answers to a GET.

        Args:
            path: below the address of all projections, as it is sent.
            query: the same.

        Raises:
            OdpError: it refuses.
        """
        call = Call("GET", ("main", "projection"), ROOT, path, query, {"accept": EXACT_JSON})
        return self._provider.answer(call).body

    def text(self, url: str) -> bytes:
        """The answer, or what the client makes of a refusal."""
        parts = urlsplit(url)
        path = parts.path.partition("/v1/")[2]
        try:
            return self.answer(path, parts.query)
        except OdpError as error:
            raise (RefusedError if error.status in _REFUSED else ContractBrokenError)(f"{path}: {error}") from None

    def get(self, url: str, _operation: str, **_how: Any) -> Response:
        """Be the client's `get`."""
        return Response(200, {}, self.text(url))

    def page(self, url: str, _operation: str, **_how: Any) -> Page:
        """Be the client's `page`."""
        answer = msgspec.json.decode(self.text(url))
        if self.between:
            self.between()
        link = answer.get("@odata.nextLink")
        return Page(answer["value"], follow(link, url) if link else None)

    def fetch(self, url: str, operation: str, **how: Any) -> Callable[[], Page]:
        """Be the client's `fetch`."""
        page = self.page(url, operation, **how)
        return lambda: page
