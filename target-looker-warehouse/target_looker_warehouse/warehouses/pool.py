"""Connections for batches of several streams that are loaded at the same time."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING

from ifs_bi_core.errors import IfsBiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_looker_warehouse.warehouses.connection import Connection


class Pool:
    """Connections that are opened when they are needed, and lent to one thread at a time.

    Args:
        another: opens one.
    """

    def __init__(self, another: Callable[[], Connection]) -> None:
        self._another = another
        self._idle: list[Connection] = []
        self._lock = Lock()

    @contextmanager
    def lent(self) -> Iterator[Connection]:
        """A connection within the block. One that an error came from is closed, since nobody knows what it is good for.

        Raises:
            IfsBiError: none can be opened.
        """
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._another()
        try:
            yield connection
        except BaseException:
            with suppress(IfsBiError):
                connection.close()
            raise
        with self._lock:
            self._idle.append(connection)

    def close(self) -> None:
        """Close all that nobody has. Closing twice does no harm."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            with suppress(IfsBiError):
                connection.close()
