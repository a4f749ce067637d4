"""The transport against sockets that behave badly."""

import http.server
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from ifs_bi_core.errors import ConfigError, NotSentError, OutcomeUnknownError
from ifs_bi_core.http.message import Request
from ifs_bi_core.http.transport import transport


@contextmanager
def listener(answer: bytes, *, hold: bool = False):
    """A server that answers one request with the given bytes, then closes, or holds the connection open."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)
                if hold:
                    done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            done.set()
            thread.join()


def get(url: str, **settings) -> object:
    return transport(**settings)(Request("GET", url, operation="reading"))


def test_a_complete_answer_is_returned_whatever_its_status():
    with listener(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nX-A: b\r\n\r\nno") as url:
        response = get(url)
    assert (response.status, response.body, response.headers["x-a"]) == (404, b"no", "b")


def test_a_refused_connection_was_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(NotSentError, match=rf"reading: 127\.0\.0\.1:{port} can't be reached"):
        get(f"http://127.0.0.1:{port}/")


def test_a_name_that_does_not_exist_was_not_sent():
    with pytest.raises(NotSentError, match=r"nowhere\.invalid can't be reached"):
        get("http://nowhere.invalid/")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"])
def test_an_answer_that_breaks_off_may_have_happened(answer):
    with listener(answer) as url, pytest.raises(OutcomeUnknownError, match="broke"):
        get(url)


def test_silence_may_have_happened():
    with listener(b"", hold=True) as url, pytest.raises(OutcomeUnknownError, match="did not answer in time"):
        get(url, timeout_seconds=0.05)


def test_a_redirect_is_not_followed_with_the_token():
    with listener(b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.invalid/\r\nContent-Length: 0\r\n\r\n") as url:
        assert get(url).status == 302


def test_requests_that_are_under_way_at_once_keep_their_connections(caplog):
    at_once = 16
    all_there = threading.Barrier(at_once)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            all_there.wait(30)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = at_once

    with Server(("127.0.0.1", 0), Handler) as server, ThreadPoolExecutor(at_once) as threads:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        send, request = transport(), Request("GET", f"http://127.0.0.1:{server.server_port}/")
        assert {answer.status for answer in threads.map(send, [request] * at_once)} == {204}
        server.shutdown()
    assert [record.getMessage() for record in caplog.records] == []


def test_something_that_is_no_address_is_a_wrong_setting():
    with pytest.raises(ConfigError):
        get("http://")
