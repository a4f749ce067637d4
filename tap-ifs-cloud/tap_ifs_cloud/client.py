"""The HTTP client of one IFS Cloud system: policies, pages, and answers turned into errors."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import requests
from ifs_bi_core.errors import ContractBrokenError, OutcomeUnknownError
from ifs_bi_core.http.client import REAL, client
from ifs_bi_core.http.message import Request, Response
from ifs_bi_core.http.retry import RetryRules
from ifs_bi_core.http.tokens import TokenSource
from ifs_bi_core.http.transport import transport

from tap_ifs_cloud.odata import follow
from tap_ifs_cloud.outcomes import failure
from tap_ifs_cloud.token import Client, token_fetcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.http.limits import Limiter
    from ifs_bi_core.http.policies import Attempt

EXACT_JSON = "application/json;odata.metadata=minimal;IEEE754Compatible=true"
"""Asks for decimals as text, so that no digit passes through a double."""

_READINGS = 3
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True)
class Page:
    """One answer of an entity set: its rows, and where the server says the next ones are."""

    rows: list[dict[str, Any]]
    link: str | None


class IfsCloud:
    """Reads from one IFS Cloud system within its limits.

    Args:
        credentials: the IAM client.
        limiter: counts everything that the system is asked.
        timeout_seconds: longest silence of an answer.
        retry_limit_seconds: how long one request is tried.
        user_agent: how the connector names itself.
        observe: hears of every attempt.
        surroundings: clock, sleep and dice.
    """

    def __init__(
        self,
        credentials: Client,
        *,
        limiter: Limiter,
        timeout_seconds: float,
        retry_limit_seconds: float,
        user_agent: str,
        observe: Callable[[Attempt], None] = lambda _: None,
        surroundings: Surroundings = REAL,
    ) -> None:
        self._log = logging.getLogger(__name__)
        self._user_agent = user_agent
        self._foreign_link_told = False
        wire = transport(requests.Session(), timeout_seconds=timeout_seconds)
        rules = RetryRules(limit_seconds=retry_limit_seconds)
        self._send = client(
            wire,
            tokens=TokenSource(token_fetcher(credentials, wire)),
            limiter=limiter,
            rules=rules,
            observe=observe,
            logger=self._log,
            surroundings=surroundings,
        )

    def get(self, url: str, operation: str, *, accept: str) -> Response:
        """The answer to a GET.

        Raises:
            IfsBiError: as `tap_ifs_cloud.outcomes` says, where the answer is not 2xx.
        """
        response = self._send(
            Request(
                "GET",
                url,
                headers={"Accept": accept, "Accept-Encoding": "gzip", "User-Agent": self._user_agent},
                operation=operation,
            )
        )
        if not response.ok:
            raise failure(response, operation)
        return response

    def page(self, url: str, operation: str) -> Page:
        """One page of an entity set.

        Raises:
            IfsBiError: the answer is not 2xx, or is no OData collection.
        """
        answer = self._json(url, operation)
        rows = answer.get("value") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ContractBrokenError(
                f"{operation}: the answer holds no list of rows. Check that the entity's entity_set names a collection."
            )
        return Page(rows, self._link(answer, url))

    def _json(self, url: str, operation: str) -> Any:
        flaw: Exception | None = None
        for _ in range(_READINGS):  # an answer that a proxy cut off can be complete the next time
            response = self.get(url, operation, accept=EXACT_JSON)
            try:
                return _DECODER.decode(response.body)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                flaw = error
        raise OutcomeUnknownError(
            f"{operation}: IFS Cloud sent an answer that is cut off or no JSON ({flaw}). "
            f"Check that base_url leads to IFS Cloud and not to a sign-in page, then run again."
        )

    def _link(self, answer: Mapping[str, Any], url: str) -> str | None:
        link = answer.get("@odata.nextLink")
        if not isinstance(link, str) or not link:
            return None
        target = follow(link, url)
        if target is None and not self._foreign_link_told:
            self._foreign_link_told = True
            self._log.warning(
                "IFS Cloud sends links to another host, which are not followed: pages are asked for by key."
            )
        return target
