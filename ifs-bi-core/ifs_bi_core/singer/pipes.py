"""The pipe between two commands, as wide as the system lets it be."""

from __future__ import annotations

import fcntl
from contextlib import suppress
from typing import Any

_BYTES = 1 << 20
"""What Linux lets anybody have (`fs.pipe-max-size`): some thousand rows, which one side works on while the other does its own."""


def widen(file: Any) -> None:
    """Let a pipe hold more than the 64 KiB that it begins with, so that neither side stands still while the other is busy.

    Args:
        file: an end of it; anything else, and any system that has no such call, is left alone.
    """
    with suppress(OSError, ValueError, AttributeError):
        fcntl.fcntl(file.fileno(), fcntl.F_SETPIPE_SZ, _BYTES)
