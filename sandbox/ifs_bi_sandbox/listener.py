"""One application on one port: uvicorn in a thread, ready when ``start`` returns and gone when ``stop`` returns."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING

import uvicorn

from ifs_bi_sandbox.wire import BreakableProtocol

if TYPE_CHECKING:
    from ifs_bi_sandbox.wire import App

READY_WITHIN = 30  # seconds; a server that hasn't started by then won't
GRACE = 1  # seconds that a request may go on after the stop
POOL_THREADS = "AnyIO worker thread"  # what Starlette runs blocking endpoints in


class Listener:
    """A server for ``app`` on ``host`` and ``port`` (0: a free one); bound at once, so ``url`` is known before it starts."""

    def __init__(self, app: App, host: str = "127.0.0.1", port: int = 0) -> None:
        self._socket = _bound(host, port)
        self.url = f"http://{host}:{self._socket.getsockname()[1]}"
        self._started = threading.Event()
        self._server = _Server(
            uvicorn.Config(
                app,
                http=BreakableProtocol,
                ws="none",
                lifespan="off",
                loop="asyncio",
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_keep_alive=60,
                timeout_graceful_shutdown=GRACE,
            ),
            self._started,
        )
        self._thread = threading.Thread(target=self._run, name=f"sandbox {self.url}", daemon=True)
        self._pool: list[threading.Thread] = []

    def start(self) -> None:
        """Serve in a thread; returns when connections are answered."""
        self._thread.start()
        if not self._started.wait(READY_WITHIN) or not self._server.started:
            raise RuntimeError(f"the server at {self.url} did not start")

    def begin_to_stop(self) -> None:
        """Ask the server to end; several can do so at the same time."""
        self._server.should_exit = True

    def stop(self) -> None:
        """End the server and its threads; a listener that never started gives its port back."""
        self.begin_to_stop()
        if self._thread.ident is not None:
            self._thread.join()
        for thread in self._pool:
            thread.join()
        self._socket.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._started.set()  # also when it failed: nobody has to wait for the time to run out

    async def _serve(self) -> None:
        await self._server.serve(sockets=[self._socket])
        # These threads end by themselves right after this loop, but nobody waits for them: stop() does.
        loop = asyncio.get_running_loop()
        self._pool = [
            thread
            for thread in threading.enumerate()
            if thread.name.startswith(POOL_THREADS) and getattr(thread, "loop", None) is loop
        ]


def _bound(host: str, port: int) -> socket.socket:
    """A TCP socket with its address.

    The protocol is named, since asyncio switches Nagle's algorithm off for sockets that name it and for no others;
    with it every answer would wait 40 ms for the client's acknowledgement of its headers.
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise OSError(f"can't listen on {host}:{port}: {error.strerror}. Choose another port, or 0") from error
    return bound


class _Server(uvicorn.Server):
    """uvicorn, with an event for the moment in which it answers."""

    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()
