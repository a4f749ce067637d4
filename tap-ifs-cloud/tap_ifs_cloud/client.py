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
from ifs_bi_core.http.message import UNREADABLE, Request, Response
from ifs_bi_core.http.policies import with_retry, with_throttle
from ifs_bi_core.http.retry import RetryRules
from ifs_bi_core.http.tokens import TokenSource
from ifs_bi_core.http.transport import transport

from tap_ifs_cloud.odata import ETAG_MEMBER, follow
from tap_ifs_cloud.outcomes import failure, is_web_page
from tap_ifs_cloud.patience import GATEWAY_SECONDS, longest_query, told_by_time, with_repetition, without_patience
from tap_ifs_cloud.token import Client, token_fetcher
from tap_ifs_cloud.wire_rows import WireRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ifs_bi_core.http.client import Surroundings
    from ifs_bi_core.http.limits import Limiter
    from ifs_bi_core.http.message import Send
    from ifs_bi_core.http.policies import Attempt

    from tap_ifs_cloud.wire_rows import PageDecoder

PLAIN_JSON = "application/json;odata.metadata=minimal"
EXACT_JSON = f"{PLAIN_JSON};IEEE754Compatible=true"
"""Asks for decimals as text, so that no digit passes through a double on the server's side either."""

WISH_REFUSED = frozenset({400, 406, 415})
"""What a system may answer to that very wish."""

_NOT_MODIFIED = 304
_READINGS = 3
_COUNT_DIGITS = 18
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class UnreadableError(OutcomeUnknownError):
    """An answer is cut off, or no JSON."""


@dataclass(frozen=True)
class Page:
    """One answer of an entity set: its rows, where the server says the next ones are, and how many there are if it says that.

    Rows are `dict`, or what a decoder made of them: that answers like one (`tap_ifs_cloud.wire_rows`).
    """

    rows: list[dict[str, Any]]
    link: str | None
    count: int | None = None


class IfsCloud:
    """Reads from one IFS Cloud system within its limits. Safe to share between threads.

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
        self._headers = {"Accept-Encoding": "gzip", "User-Agent": user_agent}
        self._wait = longest_query(timeout_seconds)
        self._told: set[str] = set()
        self._exact: bool | None = None  # whether decimals come as text; None until the first answer says so
        wire = transport(requests.Session(), timeout_seconds=timeout_seconds)
        once = client(
            told_by_time(wire, min(GATEWAY_SECONDS, timeout_seconds)),
            tokens=TokenSource(token_fetcher(credentials, with_throttle(wire, limiter))),
            limiter=limiter,
            rules=RetryRules(attempts=1),
            observe=observe,
            surroundings=surroundings,
        )

        def tell(request: Request, outcome: Response | Exception, wait: float) -> None:
            what = f"answer {outcome.status}" if isinstance(outcome, Response) else str(outcome)
            self._log.warning("%s: %s; trying again in %.1f s", request.operation, what, wait)

        def persistent(send: Send) -> Send:
            return with_retry(
                send,
                RetryRules(limit_seconds=retry_limit_seconds),
                sleep=surroundings.sleep,
                clock=surroundings.clock,
                chance=surroundings.chance,
                tell=tell,
            )

        self._send = persistent(with_repetition(once))
        self._send_unless_slow = persistent(with_repetition(without_patience(once)))

    def get(
        self,
        url: str,
        operation: str,
        *,
        accept: str,
        headers: Mapping[str, str] | None = None,
        may_shrink: bool = False,
    ) -> Response:
        """The answer to a GET.

        Args:
            url: absolute, already encoded.
            operation: what it is for, in words.
            accept: the media type.
            headers: further ones.
            may_shrink: whether the caller has a smaller question; else a slow one is tried again.

        Raises:
            TooSlowError: there was no answer in time, and ``may_shrink``.
            IfsBiError: as `tap_ifs_cloud.outcomes` says, where the answer is not 2xx, nor 304 to ``If-None-Match``.
        """
        response = self._ask(url, operation, accept, headers, may_shrink=may_shrink)
        if response.status == _NOT_MODIFIED and "If-None-Match" in (headers or {}):
            return response
        return self._success(response, operation)

    def page(self, url: str, operation: str, *, may_shrink: bool = False, decoder: PageDecoder | None = None) -> Page:
        """One page of an entity set.

        Args:
            url: absolute, already encoded.
            operation: what it is for, in words.
            may_shrink: whether the caller can ask for a smaller page.
            decoder: gives the rows a type of their own.

        Raises:
            TooSlowError: there was no answer in time, and ``may_shrink``.
            IfsBiError: the answer is not 2xx, or is no OData collection.
        """
        return self._page(self._json(url, operation, _with(decoder), may_shrink=may_shrink), url, operation)

    def fetch(
        self, url: str, operation: str, *, may_shrink: bool = False, decoder: PageDecoder | None = None
    ) -> Callable[[], Page]:
        """Ask for a page whose rows are needed later: until then it takes the room of its text, a fraction of that of its rows.

        Args:
            url: absolute, already encoded.
            operation: what it is for, in words.
            may_shrink: whether the caller can ask for a smaller page.
            decoder: gives the rows a type of their own.

        Returns:
            What gives the page, once; it raises what `page` does where the answer is no OData collection, and `UnreadableError`
            where it would have been asked for again.

        Raises:
            TooSlowError: there was no answer in time, and ``may_shrink``.
            IfsBiError: the answer is not 2xx.
        """
        body = self._success(self._ask_for_json(url, operation, may_shrink=may_shrink), operation).body

        def page() -> Page:
            try:
                answer = _with(decoder)(body)
            except UNREADABLE as error:
                raise _no_json(operation, error) from None
            return self._page(answer, url, operation)

        return page

    def _page(self, answer: Any, url: str, operation: str) -> Page:
        rows = answer.get("value") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not _are_rows(rows):
            raise ContractBrokenError(
                f"{operation}: the answer holds no list of rows. Check that the entity's entity_set names a collection."
            )
        if not _have_etags(rows):
            raise ContractBrokenError(
                f"{operation}: a row has an @odata.etag that is no text. IFS Cloud sends none of that kind; check base_url."
            )
        return Page(rows, self._link(answer, url), _count(answer.get("@odata.count")))

    def _json(self, url: str, operation: str, read: Callable[[bytes], Any], *, may_shrink: bool) -> Any:
        flaw: Exception | None = None
        for _ in range(_READINGS):  # an answer that a proxy cut off can be complete the next time
            response = self._success(self._ask_for_json(url, operation, may_shrink=may_shrink), operation)
            try:
                return read(response.body)
            except UNREADABLE as error:
                flaw = error
        raise _no_json(operation, flaw)

    def _ask_for_json(self, url: str, operation: str, *, may_shrink: bool) -> Response:
        """The answer with exact decimals; where the system never gave one, it may refuse the very wish."""

        def ask(accept: str) -> Response:
            return self._ask(url, operation, accept, self._wait, may_shrink=may_shrink)

        if self._exact is False:
            return ask(PLAIN_JSON)
        response = ask(EXACT_JSON)
        if self._exact is None and response.status in WISH_REFUSED:
            plain = ask(PLAIN_JSON)
            if plain.ok:
                self._exact = False
                self._tell_once(
                    "IFS Cloud refuses IEEE754Compatible: decimals come as JSON numbers, and keep the digits they have."
                )
                return plain
        if response.ok:
            self._exact = True
        return response

    def _ask(
        self, url: str, operation: str, accept: str, headers: Mapping[str, str] | None, *, may_shrink: bool
    ) -> Response:
        send = self._send_unless_slow if may_shrink else self._send
        asked = {"Accept": accept, **self._headers, **(headers or {})}
        try:
            return send(Request("GET", url, headers=asked, operation=operation))
        except OutcomeUnknownError as error:
            raise OutcomeUnknownError(
                f"{error} Run again; if it stays so, see what stands between here and IFS Cloud."
            ) from error

    def _success(self, response: Response, operation: str) -> Response:
        if response.ok and not is_web_page(response):
            return response
        raise failure(response, operation)

    def _link(self, answer: Mapping[str, Any], url: str) -> str | None:
        link = answer.get("@odata.nextLink")
        if not isinstance(link, str) or not link:
            return None
        target = follow(link, url)
        if target is None:
            self._tell_once(
                "IFS Cloud sends links to another host, which are not followed: pages are asked for by key."
            )
        return target

    def _tell_once(self, sentence: str) -> None:
        if sentence not in self._told:
            self._told.add(sentence)
            self._log.warning(sentence)


def _are_rows(values: list[Any]) -> bool:
    if values and isinstance(values[0], WireRow):  # the decoder has seen to the others
        return True
    return all(isinstance(value, dict) for value in values)


def _have_etags(rows: list[Any]) -> bool:
    """Whether each ETag that there is is a text, which the decoder of a `WireRow` has seen to."""
    if rows and isinstance(rows[0], WireRow):
        return True
    return all(isinstance(row.get(ETAG_MEMBER), str | None) for row in rows)


def _count(said: Any) -> int | None:
    """A number of rows, which is a text where decimals are."""
    text = str(said)
    return int(text) if len(text) <= _COUNT_DIGITS and text.isascii() and text.isdigit() else None


def _with(decoder: PageDecoder | None) -> Callable[[bytes], Any]:
    """Decodes an answer with a decoder, and as plain JSON where that can't."""

    def decode(body: bytes) -> Any:
        answer = decoder(body) if decoder else None
        return _DECODER.decode(body) if answer is None else answer

    return decode


def _no_json(operation: str, flaw: Exception | None) -> UnreadableError:
    return UnreadableError(
        f"{operation}: IFS Cloud sent an answer that is cut off or no JSON ({flaw}). "
        f"Check that base_url leads to IFS Cloud and not to a sign-in page, then run again."
    )
