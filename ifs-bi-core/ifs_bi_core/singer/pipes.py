"""The pipe between two commands: as wide as the system lets it be, and read while what came before is worked on."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from collections import deque
from contextlib import suppress
from typing import Any

_BYTES = 1 << 20
"""What Linux lets anybody have (`fs.pipe-max-size`)."""

_AHEAD_BYTES = 8 << 20
"""Two pages of the source: what a tap writes at once is taken from it while the page before is loaded."""


def widen(file: Any) -> None:
    """Let a pipe hold more than the 64 KiB that it begins with.

    Args:
        file: an end of it; anything else, and any system that has no such call, is left alone.
    """
    with suppress(OSError, ValueError, AttributeError):
        fcntl.fcntl(file.fileno(), fcntl.F_SETPIPE_SZ, _BYTES)


class ReadAhead:
    """What comes through a pipe, read on a thread of its own until so much waits here.

    Args:
        handle: the descriptor of the reading end; nobody else reads it.
        most: bytes.
    """

    def __init__(self, handle: int, most: int = _AHEAD_BYTES) -> None:
        self._handle = handle
        self._most = most
        self._blocks: deque[bytes] = deque()
        self._bytes = 0
        self._error: OSError | None = None
        self._ended = False
        self._changed = threading.Condition()
        # A daemon: nobody waits for what comes after a run that has ended early.
        threading.Thread(target=self._fill, name="read-ahead", daemon=True).start()

    @classmethod
    def of(cls, file: Any) -> ReadAhead | None:
        """Reads a file ahead that is a pipe or a socket; None for any other, which never keeps anybody waiting."""
        try:
            handle = file.fileno()
            mode = os.fstat(handle).st_mode
        except (OSError, ValueError, AttributeError):
            return None
        return cls(handle) if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None

    def read(self, _size: int = -1) -> bytes:
        """What comes next, as it came; waits until there is something, and gives nothing at the end.

        Raises:
            OSError: reading failed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._blocks or self._ended)
            if self._blocks:
                block = self._blocks.popleft()
                self._bytes -= len(block)
                self._changed.notify()
                return block
            if self._error is not None:
                raise self._error
            return b""

    def _fill(self) -> None:
        try:
            while block := os.read(self._handle, _BYTES):
                with self._changed:
                    self._blocks.append(block)
                    self._bytes += len(block)
                    self._changed.notify()
                    self._changed.wait_for(lambda: self._bytes < self._most)
        except OSError as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify()
