"""An answer can be larger than it looks: what is read of it has an end."""

import gzip
import http.server
import subprocess
import sys
import threading
import zlib
from contextlib import contextmanager

import pytest
from ifs_bi_core.errors import ConfigError, ContractBrokenError, OutcomeUnknownError
from ifs_bi_core.http import transport as module
from ifs_bi_core.http.message import Request
from ifs_bi_core.http.transport import transport


@contextmanager
def answering(body, **headers):
    """The address of a server that answers everything alike."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            said = {"Content-Length": str(len(body))} | {name.replace("_", "-"): text for name, text in headers.items()}
            if "Transfer-Encoding" in said:
                del said["Content-Length"]
            self.send_response(200)
            for name, text in said.items():
                self.send_header(name, text)
            self.end_headers()
            self.close_connection = True
            try:
                if "Transfer-Encoding" in said:
                    self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
                else:
                    self.wfile.write(body)
            except ConnectionError:
                pass  # whoever asked has read enough

        do_POST = do_GET  # noqa: N815 - the names are those of http.server

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(module, "LARGEST_BODY", 3_000_000)


@pytest.mark.parametrize("headers", [{}, {"Transfer_Encoding": "chunked"}])
@pytest.mark.parametrize("packed", [None, "gzip", "deflate", "gzip, gzip"])
@pytest.mark.parametrize("size", [0, 1, 2_999_999, 3_000_000])
@pytest.mark.usefixtures("small")
def test_what_is_not_too_large_is_read_whole(headers, packed, size):
    body = sent = (b"0123456789" * (size // 10 + 1))[:size]
    for one in (packed or "").split(", "):
        sent = {"gzip": gzip.compress, "deflate": zlib.compress}.get(one, bytes)(sent)
    encoding = {"Content_Encoding": packed} if packed else {}
    with answering(sent, **headers, **encoding) as url:
        assert transport()(Request("GET", url)).body == body


@pytest.mark.parametrize("headers", [{}, {"Transfer_Encoding": "chunked"}])
@pytest.mark.parametrize("packed", [None, "gzip"])
@pytest.mark.parametrize(("method", "error"), [("GET", ContractBrokenError), ("POST", OutcomeUnknownError)])
@pytest.mark.usefixtures("small")
def test_what_is_too_large_is_refused(headers, packed, method, error):
    body = bytes(3_000_001)
    sent, encoding = (gzip.compress(body), {"Content_Encoding": packed}) if packed else (body, {})
    with answering(sent, **headers, **encoding) as url, pytest.raises(error, match="more than 3,000,000 bytes"):
        transport()(Request(method, url, operation="orders page 1"))


BOMBED = """
import resource, sys
from ifs_bi_core.errors import ContractBrokenError
from ifs_bi_core.http.message import Request
from ifs_bi_core.http.transport import transport

send = transport()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_AS, (before * 1024 + 1_000_000_000,) * 2)
try:
    send(Request("GET", sys.argv[1], operation="orders page 1"))
except ContractBrokenError as error:
    print(error)
"""


def test_a_bomb_of_many_gigabytes_fits_into_bounded_memory():
    bomb = gzip.compress(bytes(1 << 24)) * 256
    with answering(bomb, Content_Encoding="gzip") as url:
        ran = subprocess.run(
            [sys.executable, "-c", BOMBED, url], capture_output=True, text=True, timeout=120, check=False
        )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "answered with more than 256,000,000 bytes" in ran.stdout


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "€"])
def test_a_header_that_is_more_than_one_is_not_sent(text):
    with answering(b"") as url, pytest.raises(ConfigError, match="a header can't be sent as it is"):
        transport()(Request("GET", url, headers={"If-Match": text}))


def test_a_way_to_no_address_is_no_accident_of_ours():
    with answering(b"", Location="http://[bad/") as url:
        assert transport()(Request("GET", url)).status == 200
