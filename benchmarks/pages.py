"""A static IFS Cloud in a process of its own, whose pages are rendered beforehand, so that the server is never the limit.

``python benchmarks/pages.py --rows 1000000 [--gzip]`` prints its address and serves until its input ends. One
entity set, ``OrderLineSet``, of 25 columns and about 730 bytes a row: decimals, dates, timestamps, enums, nulls. It understands
``$top``, ``$skip`` and ``OrderNo gt '…'``, which is what taps go from page to page by, and nothing else. 5,000 rows are rendered
once; those of a page differ from them only in a number of six digits, which takes 2 ms a page.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_ROWS = 5_000
ENTITY_SET = "OrderLineSet"
PROJECTION = "Bench"
SERVICE = f"/main/ifsapplications/projection/v1/{PROJECTION}.svc"
DECIMALS = tuple(f"Amount{n}" for n in range(8))
TEXTS = tuple(f"Text{n}" for n in range(6))
DATES = ("OrderDate", "DueDate", "PaidDate")
MOMENTS = ("CreatedAt", "ChangedAt", "PrintedAt")
FLAGS = ("Closed", "Blocked")
MARK = "@@PAGE"
"""What is replaced by the six digits of a page's number."""

_BEHIND = re.compile(r"OrderNo gt '(\d{6})(\d{4})'")
_TOKEN = b'{"access_token":"bench-token","expires_in":3600}'


def row(number: int) -> dict[str, object]:
    """A row of a page, whose key holds `MARK` where the page's number goes."""
    values: dict[str, object] = {
        "@odata.etag": 'W/"Vy8iQUFBWkkyQUFoQUFBNXZUQUFBOjIwMjUxMDA4MTcxNjEwIg=="',
        "OrderNo": f"{MARK}{number:04d}",
        "LineNo": str(number),
        "Objstate": ("Released", "Closed", "Planned")[number % 3],
    }
    values |= dict.fromkeys(DECIMALS, f"{number * 37 % 100000}.{number % 100:02d}")
    values |= {name: f"{name} of line {number}, plain words" if number % 7 else None for name in TEXTS}
    values |= dict.fromkeys(DATES, f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}" if number % 5 else None)
    values |= dict.fromkeys(MOMENTS, f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}T10:20:30Z")
    values |= dict.fromkeys(FLAGS, number % 2 == 0)
    return values


def metadata(*entity_sets: str) -> bytes:
    """``$metadata`` of a projection that has these sets of such rows."""

    def prop(name: str, kind: str, more: str = "") -> str:
        return f'<Property Name="{name}" Type="{kind}"{more}/>'

    properties = [
        prop("OrderNo", "Edm.String", ' Nullable="false"'),
        prop("LineNo", "Edm.Decimal", ' Precision="10" Scale="0"'),
        prop("Objstate", "Edm.String"),
        *(prop(name, "Edm.Decimal", ' Precision="20" Scale="2"') for name in DECIMALS),
        *(prop(name, "Edm.String") for name in TEXTS),
        *(prop(name, "Edm.Date") for name in DATES),
        *(prop(name, "Edm.DateTimeOffset") for name in MOMENTS),
        *(prop(name, "Edm.Boolean") for name in FLAGS),
    ]
    return (
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        '<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="IfsApp.Bench"><EntityType Name="OrderLine">'
        f'<Key><PropertyRef Name="OrderNo"/></Key>{"".join(properties)}</EntityType><EntityContainer Name="c">'
        + "".join(f'<EntitySet Name="{name}" EntityType="IfsApp.Bench.OrderLine"/>' for name in entity_sets)
        + "</EntityContainer></Schema>"
        "</edmx:DataServices></edmx:Edmx>"
    ).encode()


class Pages:
    """The answers of a set of ``count`` rows."""

    def __init__(self, count: int) -> None:
        self.count = count
        lines = [msgspec.json.encode(row(number)) + b"," for number in range(PAGE_ROWS)]
        self._rendered = memoryview(b"".join(lines))
        self._starts = [0, *accumulate(map(len, lines))]
        self._packed: dict[tuple[int, int], bytes] = {}

    def span(self, options: dict[str, str]) -> tuple[int, int]:
        """The numbers of the first row that a question asks for and of the one behind the last."""
        behind = _BEHIND.search(options.get("$filter", ""))
        first = int(options.get("$skip", 0)) + (int(behind[1]) * PAGE_ROWS + int(behind[2]) + 1 if behind else 0)
        return first, max(first, min(self.count, first + int(options.get("$top", self.count))))

    def body(self, first: int, end: int) -> bytes:
        """The answer with these rows."""
        parts = []
        while first < end:
            page, number = divmod(first, PAGE_ROWS)
            last = min(PAGE_ROWS, number + end - first)
            part = bytes(self._rendered[self._starts[number] : self._starts[last]])
            parts.append(part.replace(MARK.encode(), b"%06d" % page))
            first += last - number
        return b'{"value":[%b]}' % b"".join(parts)[:-1]

    def packed(self, first: int, end: int) -> bytes:
        """The same in gzip, kept, since packing takes longer than anything else here."""
        if (first, end) not in self._packed:
            self._packed[first, end] = zlib.compress(self.body(first, end), 1, wbits=31)
        return self._packed[first, end]


def serve(rows: int, *, gzip: bool = False) -> None:
    """Print the address, and serve until standard input ends."""
    pages, document = Pages(rows), metadata(ENTITY_SET)
    if gzip:
        for first in range(0, rows, PAGE_ROWS):
            pages.packed(first, min(rows, first + PAGE_ROWS))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(_TOKEN)

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path.endswith("$metadata"):
                self._answer(document)
                return
            span = pages.span(dict(parse_qsl(parts.query)))
            packing = gzip and "gzip" in self.headers.get("Accept-Encoding", "")
            body = pages.packed(*span) if packing else pages.body(*span)
            self._answer(body, "Content-Encoding: gzip\r\n" if packing else "")

        def _answer(self, body: bytes, more: str = "") -> None:
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n"
            self.wfile.write(head.encode())
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Listening(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Say nothing of connections that a command left open at its end."""

    server = Listening(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()


@contextmanager
def page_server(rows: int, *, gzip: bool = False) -> Iterator[str]:
    """Serve ``rows`` rows in a process of its own; gives the address."""
    asked = [sys.executable, __file__, "--rows", str(rows), *(["--gzip"] if gzip else [])]
    with subprocess.Popen(asked, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--gzip", action="store_true", help="pack answers for those who accept that")
    serve(**vars(parser.parse_args()))
