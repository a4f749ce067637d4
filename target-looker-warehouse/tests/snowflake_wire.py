"""What stands between the vendor's connector and a server: one that only writes down, and one that goes silent at a COMMIT."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pyarrow.parquet as pq

RUN = "IFS_RUN"
_OWN = re.compile(r"IFS_[0-9A-F]{32}")
_NAME = r'"((?:[^"]|"")*)"'
_MADE = re.compile(rf"(?:CREATE|ALTER) TABLE {_NAME}\.{_NAME}\.{_NAME} (?:\(|ADD COLUMN )(.*)")
_COLUMN = re.compile(rf"{_NAME} ([A-Z_]+(?:\(\d+,\d+\))?)")


class Recorder:
    """In the place of the connector's `connect`: a session of a new database, which writes down every statement.

    It knows what its catalogue holds, and nothing of rows but how many a file has: each statement writes one.

    Args:
        finds_files: whether COPY finds what was put into the stage.
        schema: the session's.
    """

    rowcount = 1
    network_timeout = 3_600

    def __init__(self, *, finds_files: bool = True, schema: str | None = "PUBLIC") -> None:
        self._finds_files = finds_files
        self._schema = schema
        self._rows = 0
        self.statements: list[str] = []
        self.options: dict[str, Any] = {}
        self._tables: dict[tuple[str, str], dict[str, str]] = {}
        self._answer: list[tuple[Any, ...]] = []

    def __call__(self, **options: Any) -> Recorder:
        self.options = options
        return self

    def cursor(self) -> Recorder:
        return self

    def execute(self, text: str, parameters: Any = None, *, file_stream: Any = None, timeout: Any = None) -> Recorder:
        del timeout
        if file_stream:
            self._rows = pq.read_metadata(file_stream).num_rows
        said = _OWN.sub(RUN, " ".join(text.split()))
        self.statements.append(said)
        if made := _MADE.match(said):
            _, schema, table = (name.replace('""', '"') for name in made.groups()[:3])
            columns = ((name.replace('""', '"'), type_name) for name, type_name in _COLUMN.findall(made[4]))
            self._tables.setdefault((schema, table), {}).update(columns)
        self._answer = self._answered(said, parameters or [])
        return self

    def _answered(self, said: str, parameters: list[str]) -> list[tuple[Any, ...]]:
        if "CURRENT_DATABASE" in said:
            return [("ERP", self._schema)]
        if "information_schema.schemata" in said:
            return [("PUBLIC",)] if parameters == ["PUBLIC"] else []
        if "information_schema.columns" in said:
            schema, *names = parameters
            found = ((name, self._tables.get((schema, name), {})) for name in dict.fromkeys(names))
            return [(name, *column) for name, columns in found for column in columns.items()]
        if said.startswith("COPY"):
            file = ("a file", "LOADED", self._rows, self._rows)
            return [file if self._finds_files else ("Copy executed with 0 files processed.",)]
        return []

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._answer

    def close(self, *, retry: bool) -> None:
        del retry


class SilentAtCommit:
    """Passes requests on to a server of Snowflake until the COMMIT of a number; from then on nobody is answered.

    Args:
        port: of the server.
        at: which COMMIT, from 1.
        arrives: whether the server gets that COMMIT and its answer is lost, or it never gets it.
    """

    def __init__(self, port: int, at: int, *, arrives: bool) -> None:
        left = [at]

        class Relay(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if left[0] > 0 and _sql(body, self.headers) == "COMMIT":
                    left[0] -= 1
                    if left[0] == 0 and arrives:
                        _asked(port, self, body)
                if left[0] <= 0:
                    self.close_connection = True
                    return
                status, headers, answer = _asked(port, self, body)
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in {"date", "server"}:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = _pass_on  # noqa: N815 - the names that http.server asks for

            def log_message(self, *_: Any) -> None:
                """Tests read what the target says."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _sql(body: bytes, headers: Any) -> str | None:
    if headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    try:
        return json.loads(body).get("sqlText")
    except ValueError:  # an uploaded file
        return None


def _asked(port: int, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    server = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        server.request(request.command, request.path, body, dict(request.headers))
        answer = server.getresponse()
        return answer.status, answer.getheaders(), answer.read()
    finally:
        server.close()
