"""A relay on loopback that makes a PostgreSQL server pass for Amazon Redshift to Amazon's own driver.

Written from Redshift's documents. It speaks the protocol of both ends message by message: it answers what PostgreSQL doesn't know
(COPY from S3, session settings), folds names as Redshift does, and refuses what Redshift refuses although PostgreSQL takes it.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import struct
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from redshift_copy import Copy, RefusedError, as_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SSL_REQUEST, SASL = 80877103, 10
KEPT = ("user", "database", "application_name")
OPTIONS = (
    "-c default_transaction_isolation=serializable -c standard_conforming_strings=off -c escape_string_warning=off"
)
"""As Redshift is unless somebody changes it: SERIALIZABLE, and a backslash in a text escapes."""

SETTING = re.compile(r"SET enable_case_sensitive_identifier TO (true|false)", re.IGNORECASE)
UNKNOWN = {
    "ON CONFLICT": r"\bON CONFLICT\b",
    "IF NOT EXISTS of a column": r"\bADD COLUMN IF NOT EXISTS\b",
    "an alias of DELETE": r"\bDELETE\s+FROM\s+\S+\s+AS\b",
    "an index": r"\bCREATE\s+INDEX\b",
    "ON COMMIT DROP": r"\bON COMMIT DROP\b",
    "WITH NO DATA": r"\bWITH NO DATA\b",
    "jsonb": r"\bjsonb?\b",
    "a text without length": r'" text\b',
    "two columns added at once": r"\bADD COLUMN\b.*, ADD COLUMN\b",
    "COPY from the client": r"\bFROM STDIN\b",
    "advisory locks": r"\bpg_\w*advisory\w*\b",
}
"""What Redshift doesn't know and PostgreSQL does (docs.aws.amazon.com/redshift/latest/dg/c_redshift-and-postgres-sql.html)."""


class RedshiftShim:
    """Serves until it is closed.

    Attributes:
        statements: what the driver sent, in its order.
        failing: asked before each statement; a tuple of SQLSTATE, message and detail is answered in its place.
        answering: told of each statement when it is done. Where one of these raises OSError, the connection is lost.
    """

    def __init__(self, server_port: int, s3_url: str) -> None:
        self._server_port, self.s3_url = server_port, s3_url
        self.statements: list[str] = []
        self.tls: ssl.SSLContext | None = None
        self.failing: Callable[[str], tuple[str, str, str] | None] = lambda _: None
        self.answering: Callable[[str], None] = lambda _: None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def speak_tls(self, folder: Path, host: str) -> Path:
        """Speak TLS from now on, as a host; the certificate that vouches for it."""
        key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(
                name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
            )
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, SHA256())
        )
        (folder / "tls.pem").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(folder / "tls.pem")
        return folder / "tls.pem"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.create_connection(("127.0.0.1", self._server_port))
        with client, server, suppress(EOFError, OSError):
            opening = client.recv(8, socket.MSG_PEEK)
            if opening == struct.pack("!ii", 8, SSL_REQUEST):
                client.recv(8)
                client.sendall(b"S" if self.tls else b"N")
                client = self.tls.wrap_socket(client, server_side=True) if self.tls else client
            _Session(self, client.makefile("rwb"), server.makefile("rwb")).run()


class _Session:
    """One connection: whatever comes up to a Sync is answered before more is read."""

    def __init__(self, shim: RedshiftShim, client: io.BufferedRWPair, server: io.BufferedRWPair) -> None:
        self._shim, self._client, self._server = shim, client, server
        self._status = b"I"
        self._keeps_case = False
        self._text = ""

    def run(self) -> None:
        self._start()
        while True:
            batch = list(self._until_sync())
            if batch[-1][0] == b"X":
                return
            texts = [_parsed(body) for kind, body in batch if kind == b"P"]
            self._text = texts[0] if texts else self._text
            self._shim.statements += texts
            try:
                if texts and (refused := self._shim.failing(texts[0]) or _unknown(texts[0])):
                    raise RefusedError(*refused)
                if texts and self._answers(texts[0]):
                    answer = [(b"1", b""), (b"t", b"\0\0"), (b"n", b"")]
                elif self._own and not texts:  # its Bind and Execute
                    answer = [(b"2", b""), (b"C", self._own() + b"\0")]
                else:
                    self._own = None
                    self._relay(batch)
                    continue
            except RefusedError as error:
                self._own = None
                self._refuse(*error.args)
                continue
            for message in answer:
                _send(self._client, *message)
            _send(self._client, b"Z", self._status)
            self._client.flush()

    _own: Callable[[], bytes] | None = None
    """What the statement that was last parsed does, where PostgreSQL doesn't do it."""

    def _answers(self, text: str) -> bool:
        self._own = None
        if copy := Copy.parsed(text):
            self._own = lambda: self._copy(copy)
        elif setting := SETTING.fullmatch(text):

            def keep() -> bytes:
                self._keeps_case = setting[1].lower() == "true"
                return b"SET"

            self._own = keep
        return self._own is not None

    def _refuse(self, state: str, message: str, detail: str) -> None:
        """Answer an error, and leave the transaction as failed as the client takes it to be."""
        if self._status == b"T":
            self._asked("SELECT 1/0", failing=True)
        fields = {"S": "ERROR", "C": state, "M": message, "D": detail}
        body = b"".join(key.encode() + value.encode() + b"\0" for key, value in fields.items() if value) + b"\0"
        _send(self._client, b"E", body)
        _send(self._client, b"Z", self._status)
        self._client.flush()

    # What PostgreSQL doesn't know

    def _copy(self, copy: Copy) -> bytes:
        total = 0
        for rows in copy.files(self._shim.s3_url):
            copy.check(rows, self._types(copy.table))
            total += rows.num_rows
            self._load(copy.table, as_csv(rows))
        return f"COPY {total}".encode()

    def _types(self, table: str) -> list[str]:
        named = self._folded(table).replace("'", "''")
        return self._asked(
            f"SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{named}'::regclass AND attnum > 0 "
            "AND NOT attisdropped ORDER BY attnum"
        )

    def _load(self, table: str, text: bytes) -> None:
        _send(self._server, b"Q", f"COPY {self._folded(table)} FROM STDIN (FORMAT csv)".encode() + b"\0")
        self._server.flush()
        kind, body = _receive(self._server)
        if kind == b"G":
            _send(self._server, b"d", text)
            _send(self._server, b"c", b"")
            self._server.flush()
            kind, body = _receive(self._server)
        error = _reason(body) if kind == b"E" else None
        self._finish()
        if error:
            raise RefusedError("XX000", error, "")

    def _asked(self, text: str, *, failing: bool = False) -> list[str]:
        """The first column of what PostgreSQL answers to a question of our own, in the client's transaction."""
        _send(self._server, b"Q", text.encode() + b"\0")
        self._server.flush()
        found = []
        for kind, body in self._finish():
            if kind == b"D":
                (length,) = struct.unpack("!i", body[2:6])
                found.append(body[6 : 6 + length].decode())
            elif kind == b"E" and not failing:
                raise RefusedError("42P01", _reason(body), "")
        return found

    def _finish(self) -> list[tuple[bytes, bytes]]:
        messages = []
        while True:
            kind, body = _receive(self._server)
            if kind == b"Z":
                self._status = body
                return messages
            messages.append((kind, body))

    # What goes through

    def _start(self) -> None:
        (length,) = struct.unpack("!i", _exactly(self._client, 4))
        body = _exactly(self._client, length - 4)
        told = body[4:].split(b"\0")
        given = {key.decode(): value for key, value in zip(told[::2], told[1::2], strict=False) if key}
        kept = {key: value for key, value in given.items() if key in KEPT} | {"options": OPTIONS.encode()}
        start = body[:4] + b"".join(key.encode() + b"\0" + value + b"\0" for key, value in kept.items()) + b"\0"
        self._server.write(struct.pack("!i", len(start) + 4) + start)
        self._server.flush()
        while True:
            kind, body = _receive(self._server)
            if kind == b"S" and body.startswith(b"server_version\0"):
                body = b"server_version\x008.0.2\0"
            if kind == b"R" and struct.unpack("!i", body[:4])[0] == SASL:
                body = body.removesuffix(b"\0")  # the driver takes the end of the list for one more mechanism
            _send(self._client, kind, body)
            self._client.flush()
            if kind == b"E":
                raise EOFError
            if kind == b"Z":
                return
            if kind == b"R" and struct.unpack("!i", body[:4])[0] not in {0, 12}:
                _send(self._server, *_receive(self._client))
                self._server.flush()

    def _until_sync(self) -> Iterator[tuple[bytes, bytes]]:
        while True:
            kind, body = _receive(self._client)
            yield kind, body
            if kind in {b"S", b"X"}:
                return

    def _relay(self, batch: list[tuple[bytes, bytes]]) -> None:
        for kind, body in batch:
            if kind == b"P":
                name, text, rest = body.split(b"\0", 2)
                body = b"\0".join([name, self._folded(text.decode()).encode(), rest])  # noqa: PLW2901 - what is sent on
            _send(self._server, kind, body)
        self._server.flush()
        answer = self._finish()
        if any(kind == b"C" for kind, _ in answer):
            self._shim.answering(self._text)
        for kind, body in answer:
            _send(self._client, kind, body)
        _send(self._client, b"Z", self._status)
        self._client.flush()

    def _folded(self, text: str) -> str:
        """Names in lower case, quoted ones too, unless the session keeps their case; texts as they are."""
        parts = re.findall(r"'(?:[^'\\]|''|\\.)*'|\"(?:[^\"]|\"\")*\"|[^'\"]+", text)
        if self._keeps_case:
            return text
        return "".join(part.lower() if part.startswith('"') else part for part in parts)


def _unknown(text: str) -> tuple[str, str, str] | None:
    bare = re.sub(r"'[^']*'", "''", re.sub(r'"(?:[^"]|"")*"', '"name"', text))
    for what, pattern in UNKNOWN.items():
        if re.search(pattern, bare, re.IGNORECASE | re.DOTALL):
            return "42601", f"syntax error: Redshift has not {what}", ""
    return None


def _parsed(body: bytes) -> str:
    return body.split(b"\0", 2)[1].decode()


def _reason(body: bytes) -> str:
    return next(field[1:].decode() for field in body.split(b"\0") if field.startswith(b"M"))


def _send(to: io.BufferedRWPair, kind: bytes, body: bytes) -> None:
    to.write(kind + struct.pack("!i", len(body) + 4) + body)


def _receive(of: io.BufferedRWPair) -> tuple[bytes, bytes]:
    kind = _exactly(of, 1)
    (length,) = struct.unpack("!i", _exactly(of, 4))
    return kind, _exactly(of, length - 4)


def _exactly(of: io.BufferedRWPair, count: int) -> bytes:
    data = of.read(count)
    if len(data) < count:
        raise EOFError
    return data
