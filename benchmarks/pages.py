"""A static IFS Cloud: pages rendered beforehand, so that the server is never the limit.

One entity set, ``OrderLineSet``, of 25 columns and about 700 bytes a row: decimals, dates, timestamps, enums, nulls. The
server gives ``@odata.nextLink``; a page differs from the next only in its number, which stands in the rows' keys.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_ROWS = 5_000
_SERVICE = "/main/ifsapplications/projection/v1/Bench.svc"
_DECIMALS = tuple(f"Amount{n}" for n in range(8))
_TEXTS = tuple(f"Text{n}" for n in range(6))
_DATES = ("OrderDate", "DueDate", "PaidDate")
_MOMENTS = ("CreatedAt", "ChangedAt", "PrintedAt")
_FLAGS = ("Closed", "Blocked")
MARK = "@@PAGE"
"""What is replaced by the six digits of a page's number."""


def row(number: int) -> dict[str, object]:
    """A row of a page, whose key holds `MARK` where the page's number goes."""
    values: dict[str, object] = {
        "@odata.etag": 'W/"Vy8iQUFBWkkyQUFoQUFBNXZUQUFBOjIwMjUxMDA4MTcxNjEwIg=="',
        "OrderNo": f"{MARK}{number:04d}",
        "LineNo": str(number),
        "Objstate": ("Released", "Closed", "Planned")[number % 3],
    }
    values |= dict.fromkeys(_DECIMALS, f"{number * 37 % 100000}.{number % 100:02d}")
    values |= {name: f"{name} of line {number}, plain words" if number % 7 else None for name in _TEXTS}
    values |= dict.fromkeys(_DATES, f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}" if number % 5 else None)
    values |= dict.fromkeys(_MOMENTS, f"2026-{number % 12 + 1:02d}-{number % 28 + 1:02d}T10:20:30Z")
    values |= dict.fromkeys(_FLAGS, number % 2 == 0)
    return values


def expected_total(rows: int) -> Decimal:
    """The sum of ``Amount0`` over that many rows."""
    page = [Decimal(str(row(number)["Amount0"])) for number in range(PAGE_ROWS)]
    return sum(page, Decimal()) * (rows // PAGE_ROWS) + sum(page[: rows % PAGE_ROWS], Decimal())


def metadata(*entity_sets: str) -> bytes:
    """``$metadata`` of a projection that has these sets of such rows."""

    def prop(name: str, kind: str, more: str = "") -> str:
        return f'<Property Name="{name}" Type="{kind}"{more}/>'

    properties = [
        prop("OrderNo", "Edm.String", ' Nullable="false"'),
        prop("LineNo", "Edm.Decimal", ' Precision="10" Scale="0"'),
    ]
    properties += [prop("Objstate", "Edm.String")]
    properties += [prop(name, "Edm.Decimal", ' Precision="20" Scale="2"') for name in _DECIMALS]
    properties += [prop(name, "Edm.String") for name in _TEXTS] + [prop(name, "Edm.Date") for name in _DATES]
    properties += [prop(name, "Edm.DateTimeOffset") for name in _MOMENTS] + [
        prop(name, "Edm.Boolean") for name in _FLAGS
    ]
    return (
        '<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>'
        '<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="IfsApp.Bench"><EntityType Name="OrderLine">'
        f'<Key><PropertyRef Name="OrderNo"/></Key>{"".join(properties)}</EntityType><EntityContainer Name="c">'
        + "".join(f'<EntitySet Name="{name}" EntityType="IfsApp.Bench.OrderLine"/>' for name in entity_sets)
        + "</EntityContainer></Schema>"
        "</edmx:DataServices></edmx:Edmx>"
    ).encode()


@contextmanager
def page_server(rows: int) -> Iterator[str]:
    """Serve ``rows`` rows; gives the address."""
    full = msgspec.json.encode([row(number) for number in range(PAGE_ROWS)])
    last = msgspec.json.encode([row(number) for number in range(rows % PAGE_ROWS)])
    pages, document = -(-rows // PAGE_ROWS), metadata("OrderLineSet")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(b'{"access_token":"bench-token","expires_in":3600}')

        def do_GET(self) -> None:
            if self.path.endswith("$metadata"):
                self._answer(document)
                return
            number = int(self.path.partition("page=")[2] or 0)
            body = last if number == pages - 1 and rows % PAGE_ROWS else full
            link = f',"@odata.nextLink":"OrderLineSet?page={number + 1}"' if number < pages - 1 else ""
            rendered = body.replace(MARK.encode(), f"{number:06d}".encode())
            self._answer(b'{"value":' + rendered + link.encode() + b"}")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
