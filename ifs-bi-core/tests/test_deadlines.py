"""Requests that would go on for ever, against sockets that are slow on purpose."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from contextlib import contextmanager

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from ifs_bi_core.errors import NotSentError, OutcomeUnknownError
from ifs_bi_core.http.deadlines import Deadline
from ifs_bi_core.http.message import Request
from ifs_bi_core.http.transport import transport

_DROPS = 1_000
FULL = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole"


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """The file of a certificate for 127.0.0.1 and its key, which is trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "loopback.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@contextmanager
def server(behave, certificate=None):
    """A server that takes one connection and calls ``behave`` with it and an event that ends it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ended = threading.Event()

        def serve() -> None:
            connection, _ = listening.accept()
            if certificate:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate)
                connection = context.wrap_socket(connection, server_side=True)
            with connection:
                behave(connection, ended)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"{'https' if certificate else 'http'}://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            ended.set()
            thread.join()


def dripping(before: bytes, drop: bytes):
    """Answers with ``before`` at once and then with a drop every hundredth of a second, for ten seconds."""

    def behave(connection, ended) -> None:
        connection.recv(65_536)
        try:
            connection.sendall(before)
            for _ in range(_DROPS):
                if ended.wait(0.01):
                    return
                connection.sendall(drop)
        except OSError:  # the client has gone
            pass

    return behave


def sipping(most: int, taken: list[int]):
    """Takes at most so many bytes of the request every hundredth of a second, for ten seconds."""

    def behave(connection, ended) -> None:
        for _ in range(_DROPS):
            if ended.wait(0.01):
                return
            taken.append(len(connection.recv(most)))

    return behave


def told(url: str, *, body: bytes | None = None, **settings) -> str:
    with pytest.raises(OutcomeUnknownError) as error:
        transport(**({"timeout_seconds": 60, "deadline_seconds": 0.3} | settings))(
            Request("POST", url, body=body, operation="pushing")
        )
    return str(error.value)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("before", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"HT", b"T"),
    ],
    ids=["body", "chunks", "one chunk", "body without a length", "header", "status line"],
)
def test_an_answer_that_drips_ends_at_the_deadline(certificate, before, drop, tls):
    with server(dripping(before, drop), certificate if tls else None) as url:
        sentence = told(url)
    assert sentence.startswith("pushing: 127.0.0.1:")
    assert "had not answered it in full after 0.3 seconds" in sentence


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("most", [16, 16_384])
def test_a_request_that_is_taken_sip_by_sip_ends_at_the_deadline(certificate, most, tls):
    taken: list[int] = []
    with server(sipping(most, taken), certificate if tls else None) as url:
        sentence = told(url, body=b"x" * 50_000_000)
    assert "had not answered it in full" in sentence
    assert sum(taken) < 5_000_000  # in ten seconds it would have been three times as many


def test_a_large_body_may_take_longer_than_one_wait_as_long_as_it_moves():
    def slow_at_first(connection, ended) -> None:
        taken = 0
        while taken < 20_000_000:
            if taken < 10_000_000:
                ended.wait(0.01)
            got = len(connection.recv(65_536))
            if not got:  # the client gave up
                return
            taken += got
        connection.sendall(FULL)

    with server(slow_at_first) as url:  # the clock stands, so each wait has one second and the whole has no end
        send = transport(deadline_seconds=1, clock=lambda: 0.0)
        assert send(Request("POST", url, body=b"x" * 20_000_000)).body == b"whole"


def test_silence_that_is_shorter_than_the_deadline_is_told_as_silence():
    def half(connection, ended) -> None:
        connection.recv(65_536)
        connection.sendall(FULL[:-2])
        ended.wait(60)

    with server(half) as url:
        assert "did not answer in time" in told(url, timeout_seconds=0.1, deadline_seconds=60)


def test_a_connection_that_could_not_be_made_was_not_sent_also_behind_the_deadline():
    moments = iter([0.0, 100.0])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    send = transport(deadline_seconds=50, clock=lambda: next(moments))
    with pytest.raises(NotSentError):
        send(Request("GET", f"http://127.0.0.1:{port}/"))


@pytest.mark.parametrize("tls", [False, True])
def test_each_request_of_a_connection_has_the_whole_time(certificate, tls):
    now = [0.0]

    def twice(connection, ended) -> None:
        for _ in range(2):
            got = b""
            while not got.endswith(b"end"):
                got += connection.recv(1_000_000)
            now[0] += 8
            connection.sendall(FULL)
        ended.wait(60)

    with server(twice, certificate if tls else None) as url:
        send = transport(deadline_seconds=10, clock=lambda: now[0])
        answers = [send(Request("POST", url, body=b"x" * 300_000 + b"end")) for _ in range(2)]
    assert [answer.body for answer in answers] == [b"whole", b"whole"]


def test_a_wait_is_never_longer_than_silence_or_what_is_left():
    now = [0.0]
    deadline = Deadline(10, lambda: now[0])
    assert (deadline.wait(3), deadline.wait(None), deadline.passed) == (3, 10, False)
    now[0] = 9
    assert deadline.wait(3) == 1
    now[0] = 10
    assert deadline.passed
    with pytest.raises(TimeoutError):
        deadline.wait(3)
