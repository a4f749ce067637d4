"""A relay on loopback between libpq and its server that loses the connection at a chosen COMMIT."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class WireCut:
    """Passes bytes on until the COMMIT of a number; connections that are made later are left alone.

    Args:
        port: of the server.
        at: which COMMIT, from 1.
        arrives: whether the server gets that COMMIT and its answer is lost, or it never gets it.
    """

    def __init__(self, port: int, at: int, *, arrives: bool) -> None:
        self._server_port, self._left, self._arrives = port, at, arrives
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                cut = threading.Event()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                for pump in (self._to_server, self._to_client):
                    threading.Thread(target=pump, args=(client, server, cut), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if b"COMMIT\0" in data:
                    self._left -= 1
                    if self._left == 0:
                        cut.set()
                        if not self._arrives:
                            break
                server.sendall(data)
        self._end(client, server)

    def _to_client(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while (data := server.recv(65536)) and not cut.is_set():
                client.sendall(data)
        self._end(client, server)

    @staticmethod
    def _end(*ends: socket.socket) -> None:
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
