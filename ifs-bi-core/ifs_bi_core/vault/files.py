"""Files that one user alone may read, replaced as a whole, and the lock beside them (POSIX)."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ifs_bi_core.disk import lock_taken, sync_folder
from ifs_bi_core.errors import ConfigError, IfsBiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_OTHERS = 0o077
_PATIENCE_SECONDS = 30.0  # a change takes well under a second; a passphrase a third of one
_POLL_SECONDS = 0.02


def read_private(path: Path, what: str) -> bytes | None:
    """The bytes of ``path``, or None when there is no such file.

    Raises:
        ConfigError: others may read or change it, or it can't be read at all.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            if mode & _OTHERS:
                raise ConfigError(
                    f"The {what} {path} is open to others (mode {mode:04o}), so it is not used. "
                    f"Run: chmod 600 '{path}'. If others could read it, run 'ifs-bi vault rotate' after that."
                )
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(
            f"The {what} {path} can't be read: {error.strerror}. Run as the user who owns it, or mend the path."
        ) from None


def write_private(path: Path, data: bytes, what: str) -> None:
    """Replace ``path`` by ``data``, mode 0600: after a crash at any point it holds either all of the old or all of the new.

    The caller holds the lock, so the temporary file may have one name; what a crash left of it is overwritten.

    Raises:
        IfsBiError: the disk is full or the folder can't be written to; the old file is still there.
    """
    temporary = path.with_name(f"{path.name}.new")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o600)  # a file that was left behind may have another mode
            file.write(data)
            file.flush()
            os.fsync(handle)
        os.replace(temporary, path)  # noqa: PTH105 - the crash test stops before each call into os
        sync_folder(path.parent)
    except OSError as error:
        raise _not_written(path, what, error) from None


def remove_private(path: Path, what: str) -> None:
    """Delete ``path``, which must be there.

    Raises:
        IfsBiError: the folder can't be written to.
    """
    try:
        os.unlink(path)  # noqa: PTH108 - the crash test stops before each call into os
        sync_folder(path.parent)
    except OSError as error:
        raise _not_written(path, what, error) from None


def make_private_folder(folder: Path) -> None:
    """Make ``folder``, mode 0700, unless it is there; folders above it get the user's ordinary mode.

    Raises:
        ConfigError: it can't be made.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The vault's folder {folder} can't be made: {error.strerror}. "
            f"Name another with --state-dir or IFS_BI_VAULT, or make it yourself with mode 0700."
        ) from None


@contextmanager
def locked(
    folder: Path,
    *,
    alone: bool,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[None]:
    """Hold the lock of ``folder``: ``alone`` to change something, else with other readers. A process that ends lets it go.

    A reader who may not make the lock file goes on without one: where nothing can be written, nobody changes anything.

    Raises:
        IfsBiError: another process held it for 30 seconds.
        ConfigError: the lock file can't be made, though it is needed.
    """
    try:
        handle = os.open(folder / "vault.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if alone:
            raise ConfigError(
                f"The vault's folder {folder} can't be written to: {error.strerror}. Run as the user who owns it."
            ) from None
        yield
        return
    try:
        give_up = clock() + _PATIENCE_SECONDS
        while not lock_taken(handle, alone=alone):
            if clock() >= give_up:
                raise IfsBiError(
                    f"Another process has held {folder / 'vault.lock'} for {_PATIENCE_SECONDS:.0f} seconds. "
                    f"Let it end, or end it, then run again."
                )
            sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(handle)


def _not_written(path: Path, what: str, error: OSError) -> IfsBiError:
    return IfsBiError(
        f"The {what} {path} can't be written: {error.strerror}. Make room or mend the folder's rights, then run again."
    )
