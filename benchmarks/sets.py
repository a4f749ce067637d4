"""A static IFS Cloud of several entity sets that are asked for by their keys, in gzip and as slowly as is said.

Rows are those of `pages`, under the key ``OrderNo`` of ten digits. What the tap asks is understood, and nothing else: ``$top``,
``$skip``, ``$orderby=OrderNo``, ``$select=OrderNo``, and filters of ``OrderNo gt '…'`` and ``OrderNo eq '…' or …``. The server
never counts more than it is asked for, so that it is not what is measured.
"""

from __future__ import annotations

import base64
import re
import threading
import time
import zlib
from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from pages import MARK, PAGE_ROWS, metadata, row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ETAG = str(row(0)["@odata.etag"])
_FIRST_SECOND, _SECONDS = 1_600_000_000, 120_000_000  # versions lie within almost four years
_GT = re.compile(r"OrderNo gt '(\d+)'")
_EQ = re.compile(r"OrderNo eq '(\d+)'")


class Rows:
    """One entity set: numbered rows, each with a version that moves when it is updated."""

    def __init__(self, count: int) -> None:
        self._numbers = list(range(count))
        parts = (msgspec.json.encode({**row(number), "OrderNo": f"{MARK}#"}) for number in range(PAGE_ROWS))
        key, etag = f"{MARK}#".encode(), msgspec.json.encode(_ETAG)
        self._etags = list(map(_etag, range(count), map(_first_second, range(count))))
        self._templates = [part.replace(b"%", b"%%").replace(key, b"%b").replace(etag, b"%b") for part in parts]

    def __len__(self) -> int:
        return len(self._numbers)

    def update(self, numbers: Iterable[int], moment: float) -> None:
        """Give rows a new version."""
        for number in numbers:
            self._etags[number] = _etag(number, int(moment))

    def delete(self, numbers: Iterable[int]) -> None:
        """Let rows go."""
        gone = set(numbers)
        self._numbers = [number for number in self._numbers if number not in gone]

    def page(self, options: dict[str, str]) -> tuple[list[bytes], bool]:
        """The rows that a question asks for, as JSON, and whether they are whole."""
        condition = options.get("$filter", "")
        behind, named = _GT.search(condition), _EQ.findall(condition)
        found = sorted(set(map(int, named)) & self._here(map(int, named))) if named else self._numbers
        first = (bisect_right(found, int(behind[1])) if behind else 0) + int(options.get("$skip", 0))
        numbers = found[first : first + int(options["$top"])]
        if options.get("$select") == "OrderNo":
            return [
                b'{"@odata.etag":%b,"OrderNo":"%010d"}' % (self._etags[number], number) for number in numbers
            ], False
        return [
            self._templates[number % PAGE_ROWS] % (self._etags[number], b"%010d" % number) for number in numbers
        ], True

    def _here(self, numbers: Iterable[int]) -> set[int]:
        places = ((number, bisect_left(self._numbers, number)) for number in numbers)
        return {number for number, place in places if self._numbers[place : place + 1] == [number]}


def _first_second(number: int) -> int:
    """When a row was made."""
    return _FIRST_SECOND + number * 2_654_435_761 % _SECONDS


def _etag(number: int, second: int) -> bytes:
    """As IFS Cloud makes it, of a ROWID and the version's second."""
    moment = time.strftime("%Y%m%d%H%M%S", time.gmtime(second))
    plain = f'W/"AAAZI2AAhAAA{number // 100:04X}{number % 100:02d}:{moment}"'
    return b'"W/\\"%b\\""' % base64.b64encode(plain.encode())


@dataclass
class Served:
    """What a server holds and what it counted.

    Attributes:
        address: of the server.
        sets: its rows by entity set.
        asked: when each question for rows arrived, and when it was answered; monotonic seconds.
        under_way: questions for rows that are not answered yet.
        most_under_way: the most there were at once.
        arrived: when each request of any kind did.
        sent: bytes of all answers, as they were on the wire.
        whole_rows: rows that were sent with all they hold.
    """

    address: str
    sets: dict[str, Rows]
    asked: list[tuple[float, float]] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    arrived: list[float] = field(default_factory=list)
    sent: int = 0
    whole_rows: int = 0

    def forget(self) -> None:
        """Count anew."""
        self.asked.clear()
        self.arrived.clear()
        self.most_under_way = self.sent = self.whole_rows = 0


@contextmanager
def served(sets: dict[str, int], *, latency: float = 0.0) -> Iterator[Served]:
    """Serve sets of so many rows; each answer with rows takes ``latency`` seconds at least."""
    lock, document = threading.Lock(), metadata(*sets)
    rows = {name: Rows(count) for name, count in sets.items()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def parse_request(self) -> bool:
            server.arrived.append(time.monotonic())
            return super().parse_request()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(b'{"access_token":"bench-token","expires_in":3600}')

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path.endswith("$metadata"):
                self._answer(document)
                return
            arrived = time.monotonic()
            with lock:
                server.under_way += 1
                server.most_under_way = max(server.most_under_way, server.under_way)
            found, whole = rows[unquote(parts.path.rpartition("/")[2])].page(dict(parse_qsl(parts.query)))
            time.sleep(max(0.0, arrived + latency - time.monotonic()))
            with lock:
                server.under_way -= 1
                server.whole_rows += len(found) * whole
                server.asked.append((arrived, time.monotonic()))
            self._answer(b'{"value":[' + b",".join(found) + b"]}")

        def _answer(self, body: bytes) -> None:
            packed = zlib.compress(body, 1, wbits=31)
            head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
            with lock:
                server.sent += len(head) + len(packed)
            self.wfile.write(head + packed)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Listening(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Say nothing of connections that a command left open at its end."""

    listening = Listening(("127.0.0.1", 0), Handler)
    server = Served(f"http://127.0.0.1:{listening.server_address[1]}", rows)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
