"""The innermost part: `requests` sends, and its exceptions become ours here and nowhere else."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import requests
import urllib3.exceptions

from ifs_bi_core.errors import ConfigError, ContractBrokenError, NotSentError, OutcomeUnknownError
from ifs_bi_core.http.deadlines import Deadline, DeadlineAdapter, ending_at
from ifs_bi_core.http.message import Response, case_insensitive

if TYPE_CHECKING:
    from collections.abc import Callable

    from ifs_bi_core.http.message import Request, Send

LARGEST_BODY = 256_000_000
"""Bytes of an answer, unpacked, that are read: a page of IFS Cloud has a few million."""

_RATIOS = {"identity": 1, "gzip": 1032, "deflate": 1032}
"""How many times larger than it was sent a body can be, unpacked (zlib's documentation, "Maximum Compression Factor")."""

_DIGITS = 12
_PIECE = 1 << 20
_CONNECT_SECONDS = 10.0
_IDLE_CONNECTIONS = 256
"""That are kept for the next request: as many as anybody has under way, since urllib3 warns of each that it has to give up."""


def transport(
    session: requests.Session | None = None,
    *,
    timeout_seconds: float = 300.0,
    deadline_seconds: float = 1800.0,
    clock: Callable[[], float] = time.monotonic,
) -> Send:
    """Send through ``session``; redirects are answers, not instructions, since they would carry the token elsewhere.

    Args:
        session: holds the connections; a new one where it is left out.
        timeout_seconds: longest silence while reading. Connecting has 10 seconds.
        deadline_seconds: longest time from the beginning of a request to the last byte of its answer.
        clock: monotonic seconds.

    Returns:
        A `Send` that raises `NotSentError` where nothing can have reached the service, else `OutcomeUnknownError`.
    """
    session = session or requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, DeadlineAdapter(pool_maxsize=_IDLE_CONNECTIONS))

    def send(request: Request) -> Response:
        deadline = Deadline(clock() + deadline_seconds, clock)
        try:
            with ending_at(deadline):
                answer = session.request(
                    request.method,
                    request.url,
                    headers=dict(request.headers),
                    data=request.body,
                    timeout=(min(_CONNECT_SECONDS, deadline_seconds), timeout_seconds),
                    allow_redirects=False,
                    stream=True,
                )
                with answer:
                    body = _body(answer, request)
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
        ) as error:
            raise ConfigError(f"{_where(request)}: {request.url!r} is no address that can be called.") from error
        except (requests.exceptions.InvalidHeader, UnicodeEncodeError) as error:
            raise ConfigError(
                f"{_where(request)}: a header can't be sent as it is ({', '.join(request.headers)}). Look for line ends and "
                f"letters beyond ASCII in the setting, token or ETag that it comes from."
            ) from error
        except requests.exceptions.RequestException as error:
            translated = _translated(request, error)
            if deadline.passed and isinstance(translated, OutcomeUnknownError):
                raise OutcomeUnknownError(
                    f"{_where(request)}: {_host(request)} took the request and had not answered it in full after "
                    f"{deadline_seconds:,g} seconds."
                ) from error
            raise translated from error
        except ValueError as error:  # `requests` looks at where a redirect leads, also where it is not followed
            raise OutcomeUnknownError(
                f"{_where(request)}: {_host(request)} answered what can't be read ({error})."
            ) from error
        return Response(answer.status_code, case_insensitive(answer.headers), body, answer.url)

    return send


def _body(answer: requests.Response, request: Request) -> bytes:
    """All bytes of an answer.

    Raises:
        ContractBrokenError: there are more than `LARGEST_BODY`, and it was a question.
        OutcomeUnknownError: there are more, and something was done.
    """
    said, encoding = answer.headers.get("Content-Length", ""), answer.headers.get("Content-Encoding", "identity")
    ratio = _RATIOS.get(encoding.lower())
    if ratio and said.isascii() and said.isdigit() and len(said) < _DIGITS and int(said) * ratio <= LARGEST_BODY:
        return b"".join(answer.iter_content(None))  # at once: pieces cost more than what is done with the rows
    pieces: list[bytes] = []
    size = 0
    for piece in answer.iter_content(_PIECE):
        size += len(piece)
        if size > LARGEST_BODY:
            error = ContractBrokenError if request.method == "GET" else OutcomeUnknownError
            raise error(
                f"{_where(request)}: {_host(request)} answered with more than {LARGEST_BODY:,} bytes, and no more are read. "
                f"Ask for less at a time (page_size, select, filter), then run again."
            )
        pieces.append(piece)
    return b"".join(pieces)


def _translated(request: Request, error: requests.exceptions.RequestException) -> NotSentError | OutcomeUnknownError:
    host = _host(request)
    if isinstance(error, requests.exceptions.SSLError):
        return NotSentError(
            f"{_where(request)}: the certificate of {host} is not trusted. "
            f"Name the file of your certificate authority in REQUESTS_CA_BUNDLE, then run again."
        )
    if isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError)) or _never_connected(
        error
    ):
        return NotSentError(
            f"{_where(request)}: {host} can't be reached. Check the address and the network, then run again."
        )
    if isinstance(error, requests.exceptions.ReadTimeout) or _fell_silent(error):
        return OutcomeUnknownError(f"{_where(request)}: {host} took the request and did not answer in time.")
    return OutcomeUnknownError(f"{_where(request)}: the connection to {host} broke before the answer was complete.")


def _never_connected(error: requests.exceptions.RequestException) -> bool:
    """Whether urllib3 says that no connection was made (refused, no route, no such name)."""
    reason = error.args[0] if error.args else None
    cause = getattr(reason, "reason", reason)
    return isinstance(cause, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def _fell_silent(error: requests.exceptions.RequestException) -> bool:
    """Whether the answer began and then stopped, which requests reports as a connection error."""
    return bool(error.args) and isinstance(error.args[0], urllib3.exceptions.ReadTimeoutError)


def _host(request: Request) -> str:
    return str(requests.compat.urlsplit(request.url).netloc)


def _where(request: Request) -> str:
    return request.operation or request.method
