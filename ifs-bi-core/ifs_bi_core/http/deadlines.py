"""A deadline for a whole request, which `requests` does not have.

Its timeout is the longest silence: an answer that drips one byte a second goes on for ever. Here each wait of a connection, to
send or to read, headers or body, ends at the deadline at the latest.
"""

from __future__ import annotations

import http.client
import io
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import requests.adapters
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

# Bytes. A socket's timeout is for all that one call sends: in pieces, a large body on a slow line may take until the deadline.
_PIECE = 65_536


@dataclass(frozen=True)
class Deadline:
    """A moment at which a request ends, answered or not.

    Attributes:
        moment: on ``clock``.
        clock: monotonic seconds.
    """

    moment: float
    clock: Callable[[], float]

    @property
    def passed(self) -> bool:
        """Whether the moment has come."""
        return self.clock() >= self.moment

    def wait(self, silence: float | None) -> float:
        """Seconds that a socket may wait now: ``silence`` at most, and none beyond the deadline.

        Raises:
            TimeoutError: the moment has come.
        """
        left = self.moment - self.clock()
        if left <= 0:
            raise TimeoutError("the deadline of the request has passed")
        return left if silence is None else min(silence, left)


_CURRENT: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def ending_at(deadline: Deadline) -> Iterator[None]:
    """What this thread sends and reads inside, over a `DeadlineAdapter`, ends at the deadline."""
    token = _CURRENT.set(deadline)
    try:
        yield
    finally:
        _CURRENT.reset(token)


class DeadlineAdapter(requests.adapters.HTTPAdapter):
    """Makes connections that keep the deadline of `ending_at`. SOCKS proxies have connections of their own, which don't."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """The pools of direct connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """The pools of connections over ``proxy``."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager


class _BoundedReader(io.RawIOBase):
    """What comes from a socket until the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: Deadline) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline
        self._silence = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.wait(self._silence))
        return cast("int | None", self._raw.readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    """An answer that is read until the deadline that held when it was asked for."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        deadline = _CURRENT.get()
        if deadline is not None:
            self.fp = io.BufferedReader(_BoundedReader(self.fp.detach(), sock, deadline))


class _Bounded(http.client.HTTPConnection):
    """A connection that sends until the deadline."""

    response_class = _BoundedResponse

    def send(self, data: Any) -> None:
        deadline = _CURRENT.get()
        if deadline is None or self.sock is None or not isinstance(data, bytes):
            super().send(data)
            return
        silence = self.sock.gettimeout()
        for start in range(0, len(data), _PIECE):
            self.sock.settimeout(deadline.wait(silence))
            super().send(memoryview(data)[start : start + _PIECE])


class _Connection(_Bounded, HTTPConnection):
    pass


class _TlsConnection(_Bounded, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}
