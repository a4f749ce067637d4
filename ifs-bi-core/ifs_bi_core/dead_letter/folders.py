"""Folders that are there whole or not at all, moved by one rename, and the lock around changes (POSIX).

Everything is for its owner alone: folders 0700, files 0600. What these functions did is on disk when they return.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ifs_bi_core.disk import lock_taken, sync_folder
from ifs_bi_core.errors import ConfigError, IfsBiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_PATIENCE_SECONDS = 30.0  # a change takes milliseconds; the answers for a letter of 10,000 rows a tenth of a second
_POLL_SECONDS = 0.02


def write_folder(temporary: Path, final: Path, files: Mapping[str, bytes]) -> None:
    """Make the folder ``final`` with these files; ``temporary`` lies on the same disk and is what a crash leaves.

    Raises:
        IfsBiError: it can't be written; nothing is there under the final name.
    """
    with _told(final):
        make_folder(final.parent)
        make_folder(temporary.parent)
        os.mkdir(temporary, 0o700)  # noqa: PTH102 - the crash test stops before each call into os
        for name, data in files.items():
            _write(temporary / name, data, os.O_EXCL)
        sync_folder(temporary)
        move(temporary, final)


def read_file(path: Path) -> bytes | None:
    """The bytes of ``path``, or None when there is no such file.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}. Run as the user who owns it.") from None


def replace_file(path: Path, data: bytes) -> None:
    """Replace ``path``: after a crash it holds either all of the old or all of the new. The caller holds the lock.

    Raises:
        IfsBiError: it can't be written; the old content is still there.
    """
    temporary = path.with_name(f"{path.name}.new")
    with _told(path):
        _write(temporary, data, os.O_TRUNC)
        os.replace(temporary, path)  # noqa: PTH105 - the crash test stops before each call into os
        sync_folder(path.parent)


def move(source: Path, target: Path) -> None:
    """Move a folder.

    Raises:
        IfsBiError: it can't be moved.
    """
    with _told(target):
        make_folder(target.parent)
        os.rename(source, target)  # noqa: PTH104 - the crash test stops before each call into os
        sync_folder(target.parent)
        sync_folder(source.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, unless they are there."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        os.mkdir(folder, 0o700)  # noqa: PTH102 - the crash test stops before each call into os
    except FileExistsError:  # another process was faster
        return
    sync_folder(folder.parent)


@contextmanager
def locked(
    path: Path,
    *,
    to_change: bool = True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[None]:
    """Hold the lock file ``path``. A process that ends lets it go.

    Args:
        path: made when it is not there; its folder has to be.
        to_change: False for who only reads, and goes on without a lock where nothing can be written.
        clock: seconds.
        sleep: waits for seconds.

    Raises:
        IfsBiError: another process held it for 30 seconds, or it can't be made though something is to change.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if to_change:
            raise _not_written(path, error) from None
        yield
        return
    try:
        give_up = clock() + _PATIENCE_SECONDS
        while not lock_taken(handle):
            if clock() >= give_up:
                raise IfsBiError(
                    f"Another process has held {path} for {_PATIENCE_SECONDS:.0f} seconds. Let it end, or end it, then run again."
                )
            sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(handle)


def _write(path: Path, data: bytes, how: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | how, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> IfsBiError:
    return IfsBiError(
        f"The dead letters can't be written to {path}: {error.strerror or error}. Make room, let this user write there, or name "
        f"another folder with state_dir, then run again."
    )
