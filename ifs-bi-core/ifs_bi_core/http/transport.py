"""The innermost part: `requests` sends, and its exceptions become ours here and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
import urllib3.exceptions

from ifs_bi_core.errors import ConfigError, NotSentError, OutcomeUnknownError
from ifs_bi_core.http.message import Response, case_insensitive

if TYPE_CHECKING:
    from ifs_bi_core.http.message import Request, Send

_CONNECT_SECONDS = 10.0


def transport(session: requests.Session | None = None, *, timeout_seconds: float = 300.0) -> Send:
    """Send through ``session``; redirects are answers, not instructions, since they would carry the token elsewhere.

    Args:
        session: holds the connections; a new one where it is left out.
        timeout_seconds: longest silence while reading. Connecting has 10 seconds.

    Returns:
        A `Send` that raises `NotSentError` where nothing can have reached the service, else `OutcomeUnknownError`.
    """
    session = session or requests.Session()

    def send(request: Request) -> Response:
        try:
            answer = session.request(
                request.method,
                request.url,
                headers=dict(request.headers),
                data=request.body,
                timeout=(_CONNECT_SECONDS, timeout_seconds),
                allow_redirects=False,
            )
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            requests.exceptions.MissingSchema,
        ) as error:
            raise ConfigError(f"{_where(request)}: {request.url!r} is no address that can be called.") from error
        except requests.exceptions.RequestException as error:
            raise _translated(request, error) from error
        return Response(answer.status_code, case_insensitive(answer.headers), answer.content, answer.url)

    return send


def _translated(request: Request, error: requests.exceptions.RequestException) -> NotSentError | OutcomeUnknownError:
    host = requests.compat.urlsplit(request.url).netloc
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
    if isinstance(error, requests.exceptions.ReadTimeout):
        return OutcomeUnknownError(f"{_where(request)}: {host} took the request and did not answer in time.")
    return OutcomeUnknownError(f"{_where(request)}: the connection to {host} broke before the answer was complete.")


def _never_connected(error: requests.exceptions.RequestException) -> bool:
    """Whether urllib3 says that no connection was made (refused, no route, no such name)."""
    reason = error.args[0] if error.args else None
    cause = getattr(reason, "reason", reason)
    return isinstance(cause, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def _where(request: Request) -> str:
    return request.operation or request.method
