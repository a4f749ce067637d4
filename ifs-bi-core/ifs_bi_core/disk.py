"""What vault, ledger, dead letters and rate limits ask of the file system alike (POSIX)."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make what happened in a folder last: a file that was made, renamed or removed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock_taken(handle: int, *, alone: bool = True) -> bool:
    """Whether the lock of an open file is ours now; never waits. A process that ends lets it go.

    Args:
        handle: of the file.
        alone: or together with others who don't want it alone.
    """
    try:
        fcntl.flock(handle, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
