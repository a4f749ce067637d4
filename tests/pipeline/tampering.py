"""A server on loopback that hands on what another one answers, with chosen answers tampered with down to the last byte."""

from __future__ import annotations

import http.client
import json
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "content-encoding"})


@dataclass(frozen=True)
class Answer:
    """An HTTP answer.

    Attributes:
        status: its code.
        headers: without those that frame the body.
        body: what follows them.
        framing: the headers that frame the body; None: as they should be.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    body: bytes = b""
    framing: dict[str, str] | None = None

    def with_body(self, body: bytes, **headers: str) -> Answer:
        """The same with another body; names of headers have ``_`` for ``-``."""
        return replace(
            self, body=body, headers=self.headers | {name.replace("_", "-"): text for name, text in headers.items()}
        )

    def with_json(self, value: Any) -> Answer:
        """The same with a JSON body; lone surrogates and NaN as Python writes them."""
        return self.with_body(json.dumps(value).encode())

    @property
    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)

    @property
    def wire(self) -> bytes:
        """All bytes of it."""
        framing = {"Content-Length": str(len(self.body))} if self.framing is None else self.framing
        lines = [
            f"HTTP/1.1 {self.status} Said",
            *(f"{name}: {text}" for name, text in (self.headers | framing).items()),
        ]
        return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", "replace") + self.body


@dataclass
class Tampering:
    """What happens to answers to some addresses.

    Attributes:
        path: which addresses, as a shell pattern of the path.
        change: makes the answer that is sent of the true one; bytes are sent as they are.
        skip: how many of them pass before.
        times: how many are changed; None: all.
        struck: how many were.
    """

    path: str
    change: Callable[[Answer], Answer | bytes]
    skip: int = 0
    times: int | None = None
    struck: int = 0

    def applies(self, path: str) -> bool:
        """Whether this answer is one of them; called once for each."""
        if not fnmatchcase(path, self.path) or (self.times is not None and self.struck >= self.times):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.struck += 1
        return True


class Between:
    """A server between a client and another server.

    Args:
        address: of the other server.

    Attributes:
        tamperings: what happens to answers; the first that applies does.
        asked: method, address and body of each request, in order.
        url: of this server.
    """

    def __init__(self, address: str) -> None:
        self.tamperings: list[Tampering] = []
        self.asked: list[tuple[str, str, bytes]] = []
        self._there = urlsplit(address).netloc
        self._lock = threading.Lock()
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with suppress(ConnectionError):  # whoever asked may not wait for the end of what is far too long
                    self.wfile.write(between._answer(self.command, self.path, dict(self.headers), body))
                self.close_connection = True

            do_GET = do_POST = do_PATCH = do_DELETE = _pass  # noqa: N815 - the names are those of http.server

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def served(self) -> Iterator[Between]:
        """The same while it answers."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        with self._lock:
            self.asked.append((method, path, body))
            tampering = next((one for one in self.tamperings if one.applies(path.partition("?")[0])), None)
        true = self._true_answer(method, path, headers, body)
        if tampering is None:
            return true.wire
        changed = tampering.change(true)
        return changed if isinstance(changed, bytes) else changed.wire

    def _true_answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self._there, timeout=60)
        try:
            asked = {name: text for name, text in headers.items() if name.lower() != "accept-encoding"}
            connection.request(method, path, body=body or None, headers=asked)
            said = connection.getresponse()
            kept = {name: text for name, text in said.getheaders() if name.lower() not in _FRAMING}
            return Answer(said.status, kept, said.read())
        finally:
            connection.close()
