"""One heap for all threads of a process, so that memory does not grow with the number of requests under way."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's <malloc.h>


def share_heap() -> None:
    """Let the threads that begin from now on take their memory from one place; no effect where the C library is not glibc.

    glibc gives each thread an arena, which keeps what a page took until the next one comes there: with eight requests under way
    that is twice the memory of a run. Arenas spare threads the wait for each other, and those of Python wait for its lock anyway
    (mallopt(3), "M_ARENA_MAX").
    """
    with suppress(OSError, AttributeError, TypeError):  # another C library, or none that can be asked
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)
