"""``ifs-bi report --serve``: the page, the JSON and the metrics over HTTP on this machine alone, read anew for each request."""

from __future__ import annotations

import logging
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ifs_bi_core.errors import ConfigError, IfsBiError
from ifs_bi_core.redaction import REDACTOR
from ifs_bi_core.report.figures import as_json
from ifs_bi_core.report.openmetrics import CONTENT_TYPE, openmetrics
from ifs_bi_core.report.page import page, policy
from ifs_bi_core.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ifs_bi_core.report.figures import Report

HOST = "127.0.0.1"
REFRESH_SECONDS = 60
"""After which a browser that shows the page asks for it again."""

_IDLE_SECONDS = 10.0  # a client that says nothing holds a thread no longer
_PATHS: Mapping[str, tuple[str, Callable[[Report], str]]] = {
    "/": ("text/html; charset=utf-8", page),
    "/report.json": ("application/json", as_json),
    "/metrics": (CONTENT_TYPE, openmetrics),
}


class ReportServer(ThreadingHTTPServer):
    """Serves what ``read`` gives, on a loopback address.

    Args:
        port: 0 for any that is free.
        read: gives the report of this moment; called in several threads.

    Attributes:
        url: of the page.

    Raises:
        ConfigError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, port: int, read: Callable[[], Report]) -> None:
        try:
            super().__init__((HOST, port), _Answer)
        except OSError as error:
            raise ConfigError(
                f"Port {port} of {HOST} can't be listened at: {error.strerror}. Name another one with --port."
            ) from None
        self.read = read
        self.url = f"http://{HOST}:{self.server_port}/"


class _Answer(BaseHTTPRequestHandler):
    """One request."""

    server: ReportServer
    timeout = _IDLE_SECONDS
    protocol_version = "HTTP/1.1"
    server_version = "ifs-bi"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the page, the JSON or the metrics."""
        found = _PATHS.get(urlsplit(self.path).path)
        if not _is_ours(self.headers.get("Host", "")):  # a page elsewhere whose name leads here must not read this
            self._say(HTTPStatus.MISDIRECTED_REQUEST, "text/plain", "This server answers to loopback names alone.\n")
        elif found is None:
            self._say(HTTPStatus.NOT_FOUND, "text/plain", f"There are {', '.join(_PATHS)}.\n")
        else:
            kind, form = found
            try:
                self._say(HTTPStatus.OK, kind, form(self.server.read()))
            except IfsBiError as error:
                self._say(
                    HTTPStatus.SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", f"{REDACTOR.redact(str(error))}\n"
                )

    do_HEAD = do_GET  # noqa: N815 - the base class looks for this name

    def _say(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", f"{policy()}; frame-ancestors 'none'")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("X-Content-Type-Options", "nosniff")
        if kind.startswith("text/html"):
            self.send_header("Refresh", str(REFRESH_SECONDS))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's signature
        """Tell of a request where details are asked for."""
        logging.getLogger("ifs-bi").debug(format, *args)


def _is_ours(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
